package packs

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/vungxa/vungxa/node/schema"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func commune(t *testing.T) *schema.Pack {
	t.Helper()
	p, err := Commune()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What is fixed for ever per field is held to a golden file. A line may be added
// to it; one that changes would read old records wrongly.
func TestFieldsAreFixedForEver(t *testing.T) {
	var b strings.Builder
	for _, c := range commune(t).Collections {
		for _, f := range c.Fields {
			fmt.Fprintf(&b, "%s %d %s %s %s\n", c.ID, f.ID, f.Name, f.Type, f.Kind)
		}
	}
	const golden = "testdata/fields.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("numbers, names, types or kinds of fields have changed; only new lines may come (go test -update).\ngot:\n%s\nwant:\n%s", b.String(), want)
	}
}

// nationalFields are the names that the source gives for a dossier.
const nationalFields = `MaHoSo, MaTTHC, TenTTHC, MaLinhVuc, KenhThucHien, ChuHoSo, LoaiDoiTuong, MaDoiTuong, SoDienThoai, Email, DiaChi, MaDonViTiepNhan,
NgayNop, NgayTiepNhan, NgayHenTra, NgayKetThucXuLy, NgayTra, TrangThaiHoSo, ThanhPhanHoSo, GiayToDinhKem, TaiLieuNop, DanhSachLePhi, MaKetQua`

func TestDossiersHaveTheNationalFields(t *testing.T) {
	c, _ := commune(t).Collection("dossiers")
	for name := range strings.SplitSeq(strings.ReplaceAll(nationalFields, "\n", " "), ",") {
		if _, ok := c.Field(strings.TrimSpace(name)); !ok {
			t.Errorf("no field is called %q", strings.TrimSpace(name))
		}
	}
	if c.Next != nil {
		t.Error("dossiers have a table of moves between statuses, for which no source was found")
	}
}

func TestCodeLists(t *testing.T) {
	p := commune(t)
	for id, n := range map[string]int{"TrangThaiHoSo": 10, "KenhThucHien": 3, "LoaiDoiTuong": 3, "LoaiBan": 3, "TrangThaiSoHoa": 4, "DuocThanhToanTrucTuyen": 2} {
		l := p.CodeLists[id]
		if l == nil || l.Open || l.Confidence != "S" || len(l.Items) != n {
			t.Errorf("%s: want a closed list of %d items from a secondary source, got %+v", id, n, l)
		}
	}
	if l := p.CodeLists["ThuTuc"]; !l.Open || len(l.Items) != 7 {
		t.Errorf("want seven procedures as suggestions, got %+v", l)
	}
}

// What has no source is open, and so is marked as such on screen; what is closed
// names where it is from.
func TestNothingIsInvented(t *testing.T) {
	for id, l := range commune(t).CodeLists {
		if l.Open == (l.Source != "") && l.Fill == "" {
			t.Errorf("%s: open is %v and its source is %q", id, l.Open, l.Source)
		}
	}
	for _, id := range []string{"LinhVuc", "DonViTiepNhan", "KenhPhanAnh", "LinhVucPhanAnh", "MucDoHaiLong"} {
		if l := commune(t).CodeLists[id]; l == nil || len(l.Items) > 0 {
			t.Errorf("%s: want a list with nothing in it, got %+v", id, l)
		}
	}
}

func TestChecks(t *testing.T) {
	p := commune(t)
	for name, c := range map[string]struct {
		collection string
		values     map[string]any
		want       []string
	}{
		"a new dossier":             {"dossiers", map[string]any{"TrangThaiHoSo": "1"}, nil},
		"finished without its date": {"dossiers", map[string]any{"TrangThaiHoSo": "9", "NgayTiepNhan": int64(1)}, []string{"marked-not-finished"}},
		"all in order":              {"dossiers", map[string]any{"TrangThaiHoSo": "10", "NgayNop": int64(1), "NgayTiepNhan": int64(2), "NgayHenTra": int64(9), "NgayKetThucXuLy": int64(3), "NgayTra": int64(4)}, nil},
		"all out of order": {"dossiers", map[string]any{"TrangThaiHoSo": "4", "NgayNop": int64(9), "NgayTiepNhan": int64(8), "NgayHenTra": int64(7), "NgayKetThucXuLy": int64(6), "NgayTra": int64(5)},
			[]string{"received-before-submitted", "due-before-received", "finished-before-received", "returned-before-finished", "finished-not-marked", "returned-not-marked"}},
		"sent back without a reason": {"dossiers", map[string]any{"TrangThaiHoSo": "5", "NgayTiepNhan": int64(1)}, []string{"return-without-reason"}},
		"sent back with a reason":    {"dossiers", map[string]any{"TrangThaiHoSo": "5", "NgayTiepNhan": int64(1), "LyDo": "thiếu bản chính"}, nil},
		"handed over, no dates":      {"dossiers", map[string]any{"TrangThaiHoSo": "10"}, []string{"marked-not-finished", "marked-not-returned", "received-without-date"}},
		"resolved first":             {"petitions", map[string]any{"TrangThai": "resolved", "NgayTiepNhan": int64(2), "NgayGiaiQuyet": int64(1)}, []string{"resolved-before-received"}},
		"resolved, not marked":       {"petitions", map[string]any{"TrangThai": "Assigned", "NgayTiepNhan": int64(1), "NgayGiaiQuyet": int64(2)}, []string{"resolved-not-marked"}},
		"marked, no date":            {"petitions", map[string]any{"TrangThai": "published", "NgayTiepNhan": int64(1)}, []string{"marked-not-resolved"}},
		"due and transferred first":  {"petitions", map[string]any{"NgayTiepNhan": int64(5), "HanGiaiQuyet": int64(1), "NgayChuyen": int64(2)}, []string{"transferred-before-received", "due-before-received"}},
		"an item that ends first":    {"code_items", map[string]any{"TuNgay": "2026-01-02", "DenNgay": "2026-01-01"}, []string{"ends-before-it-begins"}},
	} {
		col, _ := p.Collection(c.collection)
		var got []string
		for _, f := range col.Flags(c.values) {
			got = append(got, f.Check)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

// An imported item shows in its list, and the list's field takes its code.
func TestImportedItems(t *testing.T) {
	p := commune(t)
	items, _ := p.Collection(CodeItems)
	list, _ := items.Field("DanhSach")
	if _, ferr := list.Parse("LinhVuc"); ferr != nil {
		t.Errorf("an open list is not offered: %s", ferr.Message.EN)
	}
	if _, ferr := list.Parse("TrangThaiHoSo"); ferr == nil {
		t.Error("a closed list is offered")
	}
	it, ok := ListItem(map[string]any{"DanhSach": "LinhVuc", "Ma": "G09", "TenVI": "Hộ tịch", "TuNgay": "2025-07-01"})
	if !ok || it.Item.Label.EN != "Hộ tịch" {
		t.Fatalf("got %+v, %v", it, ok)
	}
	if got, ok := p.WithItems([]schema.ListItem{it}).CodeLists["LinhVuc"].Item("G09"); !ok || got.From != "2025-07-01" {
		t.Errorf("the list holds %+v", got)
	}
	dossiers, _ := p.Collection("dossiers")
	field, _ := dossiers.Field("MaLinhVuc")
	if _, ferr := field.Parse("G09"); ferr != nil {
		t.Errorf("the item's code is refused: %s", ferr.Message.EN)
	}
	if _, ok := ListItem(map[string]any{"DanhSach": "LinhVuc", "TenVI": "Hộ tịch"}); ok {
		t.Error("an item without a code was read")
	}
}

// A collection that is a file and nothing else works like the built-in ones.
func TestOverlayAddsACollection(t *testing.T) {
	p, err := Commune(os.DirFS("testdata/overlay"))
	if err != nil {
		t.Fatal(err)
	}
	c, ok := p.Collection("weddings")
	if !ok {
		t.Fatal("no collection weddings")
	}
	if refused := c.Validate(map[string]any{"Couple": "a", "Asked": "2026-11-24", "Day": "2026-11-23"}, true); len(refused) != 2 {
		t.Errorf("the overlay's check doesn't refuse: %+v", refused)
	}
	channel, _ := c.Field("Channel")
	if _, ferr := channel.Parse("4"); ferr == nil {
		t.Error("the overlay's field doesn't hold to the base's code list")
	}
	if _, _, due := c.Fact(map[string]any{"Day": "2026-11-23"}); due == nil || *due != 1795453199999 {
		t.Errorf("due is %v, want the last millisecond of 2026-11-23 at +07:00", due)
	}
}
