package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node/api/client"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/imports"
	"github.com/vungxa/vungxa/node/packs"
)

// lastReceived is when the youngest of the made-up dossiers was received; each
// is two minutes older than the one before, so that a million of them span
// almost four years.
var lastReceived = time.Date(2026, 11, 20, 16, 0, 0, 0, time.FixedZone("", 7*3600))

func receivedAt(i int) time.Time { return lastReceived.Add(-time.Duration(i) * 2 * time.Minute) }

var (
	families = []string{"Nông", "Hoàng", "Lục", "Triệu", "Đàm", "Bế", "Nguyễn", "Lý", "Trần", "Mã", "Hứa", "La"}
	middles  = []string{"Văn", "Thị", "Đức", "Thanh", "Minh", "Ngọc", "Quốc", "Thu", "Xuân", "Hải"}
	givens   = []string{"An", "Bình", "Chiến", "Dung", "Giang", "Hà", "Hạnh", "Khánh", "Lan", "Mai", "Nam", "Oanh", "Phúc", "Quý", "Sơn", "Tâm", "Uyên", "Vinh", "Yến"}
	papers   = []string{"Tờ khai đăng ký khai sinh theo mẫu", "Giấy chứng sinh", "Bản chính giấy tờ cần chứng thực", "Tờ khai cấp bản sao trích lục hộ tịch", "Giấy báo tử"}
	codes    = [][2]string{
		{"2.000815", "Chứng thực bản sao từ bản chính giấy tờ, văn bản"}, {"2.000635", "Cấp bản sao trích lục hộ tịch"},
		{"1.001193", "Đăng ký khai sinh"}, {"1.000894", "Đăng ký kết hôn"}, {"1.000656", "Đăng ký khai tử"},
	}
)

func of[T any](list []T, i int) T { return list[i%len(list)] }

// fullDossier is the i-th dossier, of a person who doesn't exist: some 500 bytes of
// values. One in fifty is still open.
func fullDossier(i int) map[string]any {
	received, code := receivedAt(i), of(codes, i/3)
	v := map[string]any{
		"MaTTHC": code[0], "TenTTHC": code[1], "KenhThucHien": fmt.Sprint(1 + i%3), "LoaiDoiTuong": "0",
		"ChuHoSo":       fmt.Sprintf("%s %s %s", of(families, i), of(middles, i/12), of(givens, i/120)),
		"SoDienThoai":   fmt.Sprintf("09%08d", (i*7919)%100_000_000),
		"DiaChi":        fmt.Sprintf("Xóm %d, xã mẫu, dữ liệu không có thật", i%40),
		"NgayNop":       received.Add(-9 * time.Minute).UnixMilli(),
		"NgayTiepNhan":  received.UnixMilli(),
		"NgayHenTra":    received.Add(72 * time.Hour).UnixMilli(),
		"TrangThaiHoSo": "2",
		"ThanhPhanHoSo": []string{of(papers, i), of(papers, i+1)},
	}
	if i%50 != 0 {
		v["NgayKetThucXuLy"] = received.Add(time.Duration(20+i%90) * time.Hour).UnixMilli()
		v["NgayTra"] = received.Add(time.Duration(21+i%90) * time.Hour).UnixMilli()
		v["TrangThaiHoSo"], v["MaKetQua"] = "10", fmt.Sprintf("KQ-%07d", i)
	}
	return v
}

// newAddress is the edit that syncing is measured with, the n-th of a record.
func newAddress(n int) map[string]any {
	return map[string]any{"DiaChi": fmt.Sprintf("Xóm %d, xã mẫu, dữ liệu không có thật", n)}
}

// presented is values as the HTTP interface takes them: moments in words.
func presented(values map[string]any) map[string]any {
	for name, v := range values {
		if ms, ok := v.(int64); ok {
			values[name] = time.UnixMilli(ms).UTC().Format(time.RFC3339)
		}
	}
	return values
}

// importDossiers sends dossiers to a running node in batches of one save, and
// gives how many bytes their values are as JSON.
func importDossiers(ctx context.Context, control *daemon.Control, records int) (size int, err error) {
	pack, err := packs.Commune()
	if err != nil {
		return 0, err
	}
	collection, _ := pack.Collection("dossiers")
	sink, err := client.New(client.Config{Page: control.URL, Secret: control.Secret, Collection: collection, English: true})
	if err != nil {
		return 0, err
	}
	defer sink.Close()
	for i := 0; i < records; i += crdt.MaxRecords {
		var rows []imports.Row
		for j := i; j < min(i+crdt.MaxRecords, records); j++ {
			v := fullDossier(j)
			b, err := json.Marshal(v)
			if err != nil {
				return 0, err
			}
			size += len(b)
			rows = append(rows, imports.Row{Number: j + 2, Key: fmt.Sprintf("bench-%07d", j), Values: v})
		}
		outcomes, err := sink.Upsert(ctx, rows)
		if err != nil {
			return 0, fmt.Errorf("load from record %d: %w", i, err)
		}
		for _, o := range outcomes {
			if o.State != imports.Created {
				return 0, fmt.Errorf("load from record %d: %s", i, o.Reason.EN)
			}
		}
	}
	return size, nil
}
