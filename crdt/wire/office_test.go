package wire

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/vungxa/vungxa/crdt"
)

// office makes up what a commune's officers write: dossiers with the fields of the
// pack `commune`, values as its schema encodes them. Nothing in it is of a real
// person. Half of the words can be kept from the dictionary's training.
type office struct {
	r *rand.Rand
	// words says which of a list may be used.
	words func(i, n int) bool
}

func newOffice(seed uint64, words func(i, n int) bool) office {
	return office{rand.New(rand.NewPCG(seed, 2026)), words}
}

func everyWord(int, int) bool       { return true }
func evenWords(i, _ int) bool       { return i%2 == 0 }
func oddWords(i, n int) bool        { return n < 4 || i%2 == 1 }
func (o office) n(from, to int) int { return from + o.r.IntN(to-from+1) }

// pick prefers the first of a list, as life does.
func (o office) pick(list ...string) string {
	for {
		u := o.r.Float64()
		if i := int(u * u * float64(len(list))); o.words(i, len(list)) {
			return list[i]
		}
	}
}

func split(s string) []string { return strings.Split(s, ",") }

var (
	surnames = split("Nguyễn,Trần,Lê,Phạm,Hoàng,Vũ,Phan,Giàng,Vàng,Lò,Sùng,Bùi,Đặng,Đỗ,Hồ,Ngô,Dương,Lý,Lường,Hà,Mùa,Thào,Cà,Quàng,Đinh,Trịnh,Mai,Tẩn,Chảo,Tòng")
	middles  = split("Thị,Văn,A,Đức,Minh,Ngọc,Thanh,Thu,Hữu,Xuân,Quốc,Thùy,Bích,Hải,Gia,Mai,Kim,Anh,Đình,Tiến")
	givens   = split("Anh,Hương,Hùng,Lan,Hoa,Tuấn,Dũng,Linh,Hà,Mai,Nam,Thảo,Dinh,Páo,Chía,Sơn,Hải,Long,Nga,Trang,Huệ,Yến,Phúc,Quân,Bình,Cường,Đạt,Giang,Hiền,Khánh,Lâm,My,Nhung,Oanh,Phương,Quyên,Sinh,Tâm,Uyên,Vinh,Xuân,Ý,Chung,Mỷ,Dế,Sử")
	villages = split("Nà Sản,Co Mạ,Pá Lau,Huổi Luông,Tà Phình,Nậm Pồ,Phiêng Ban,Bản Lềnh,Thống Nhất,Tân Lập,Lùng Thàng,Sín Chải,Nà Nghè,Đông Phong,Hồng Thái,Khuổi Vạc")
	acts     = split("Đăng ký khai sinh,Chứng thực bản sao từ bản chính,Đăng ký kết hôn,Xác nhận tình trạng hôn nhân,Đăng ký thường trú,Đăng ký khai tử,Đăng ký tạm trú,Trợ cấp xã hội hàng tháng,Cấp giấy chứng nhận quyền sử dụng đất lần đầu,Xác nhận hộ nghèo hoặc hộ cận nghèo,Hỗ trợ chi phí mai táng,Đăng ký lại khai sinh")
	actCodes = split("1.001193,2.000815,1.000894,1.004873,1.004222,1.000656,1.004194,1.001776,1.012753,1.011606,1.001731,1.004884")
	domains  = split("Hộ tịch,Chứng thực,Đất đai,Bảo trợ xã hội,Đăng ký và quản lý cư trú,Người có công")
	units    = split("Trung tâm phục vụ hành chính công xã,Bộ phận một cửa,Công an xã,Văn phòng Hội đồng nhân dân và Ủy ban nhân dân")
	papers   = split("Tờ khai theo mẫu,Giấy chứng sinh,Căn cước công dân,Giấy xác nhận cư trú,Sổ hộ khẩu cũ,Giấy báo tử,Đơn đề nghị,Bản sao giấy chứng nhận kết hôn,Biên bản họp thôn,Ảnh 3x4,Giấy ủy quyền,Hợp đồng tặng cho")
	reasons  = split("thiếu chữ ký,đề nghị bổ sung bản chính,thông tin chưa khớp với cơ sở dữ liệu dân cư,người nộp xin rút hồ sơ,chờ xác minh của công an xã,không đọc được,không thuộc thẩm quyền của xã,đã gọi điện cho công dân,đã chuyển công chức tư pháp")
	unmarked = strings.NewReplacer("ễ", "e", "ầ", "a", "ê", "e", "ạ", "a", "à", "a", "ũ", "u", "ị", "i", "ă", "a", "ư", "u", "ơ", "o", "ù", "u", "á", "a", "ả", "a", "ế", "e", "ử", "u", "đ", "d",
		"ứ", "u", "ọ", "o", "ữ", "u", "â", "a", "ỳ", "y", "í", "i", "ì", "i", "ồ", "o", "ý", "y", "ô", "o", "ẩ", "a", "ò", "o", "ố", "o", "ấ", "a", "ệ", "e", "ú", "u", "ì", "i", "ờ", "o", "ề", "e", "ỷ", "y", "õ", "o", "ã", "a", "ặ", "a", "ỗ", "o", "ĩ", "i", "ó", "o")
)

func (o office) person() string {
	return o.pick(surnames...) + " " + o.pick(middles...) + " " + o.pick(givens...)
}

func (o office) papers() []string {
	var list []string
	for range o.n(1, 3) {
		list = append(list, o.pick(papers...))
	}
	return list
}

// minute is a time of work some days from today.
func (o office) minute(ms int64, from, to int) int64 {
	today := (ms+zoneMS)/dayMS*dayMS - zoneMS
	return today + int64(o.n(from, to))*dayMS + int64(o.n(7*60+30, 16*60+59))*minuteMS
}

// value is a new value of a field, 2 to 24 of the pack's dossiers.
func (o office) value(field uint32, ms int64) any {
	switch field {
	case 2:
		return o.pick(actCodes...)
	case 3:
		return o.pick(acts...)
	case 4:
		return o.pick(domains...)
	case 5, 7:
		return fmt.Sprint(o.n(0, 2))
	case 6:
		return o.person()
	case 8:
		return fmt.Sprintf("0%02d%d%02d%06d", o.n(1, 96), o.n(0, 3), o.n(0, 99), o.n(0, 999_999))
	case 9:
		return o.pick("09", "03", "08", "07") + fmt.Sprintf("%08d", o.n(0, 99_999_999))
	case 10:
		return unmarked.Replace(strings.ToLower(strings.ReplaceAll(o.person(), " ", ""))) + fmt.Sprint(o.n(1, 99)) + "@gmail.com"
	case 11:
		return fmt.Sprintf("Số nhà %d, %s %s", o.n(1, 150), o.pick("bản", "thôn", "tổ dân phố"), o.pick(villages...))
	case 12:
		return o.pick(units...)
	case 13, 14, 16, 17:
		return o.minute(ms, -3, 0)
	case 15:
		today := (ms+zoneMS)/dayMS*dayMS - zoneMS
		return today + int64(o.n(1, 30))*dayMS + int64([]int{17, 16, 11}[o.n(0, 2)])*60*minuteMS
	case 18:
		return fmt.Sprint(o.n(1, 10))
	case 19, 20, 21:
		return o.papers()
	case 22:
		return []string{o.pick("Lệ phí", "Phí thẩm định") + ": " + o.pick("8", "10", "50", "20", "100") + ".000 đồng"}
	case 23:
		return fmt.Sprintf("%d/%s-UBND", o.n(1, 900), o.pick("KS", "KH", "GXN", "QĐ", "CT"))
	}
	return o.pick(papers...) + ": " + o.pick(reasons...)
}

// work is which fields are written. The first is one of 20 with equal chance; the
// second is how dossiers go on once they are registered: mostly statuses, dates
// and notes.
var (
	anyField = []uint32{4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24}
	progress = []uint32{18, 18, 18, 18, 18, 18, 16, 16, 17, 17, 17, 15, 15, 24, 24, 20, 9, 12, 23, 11}
)

var officeLog = crdt.LogID{
	Device: crdt.Device(noise("office device")), Incarnation: crdt.Incarnation(noise("office incarnation")[:8]),
	Scope: "c/03646", Class: crdt.ClassRecords,
}

// noise is 16 bytes that look random.
func noise(of string) []byte {
	h := sha256.Sum256([]byte(of))
	return h[:16]
}

// saves is n Saves of three officers on one box: each writes one field of one of
// 100 records, which the box created before, with all their fields. About 80
// seconds lie between them.
func (o office) saves(t testing.TB, n int, fields []uint32) *Segment {
	t.Helper()
	s := &Segment{Log: officeLog, First: 513, Salts: map[uint64]Salt{}}
	officers := []string{"hoa.nguyenthi", "pao.giang", "son.lo"}
	created := o.r.Perm(int(s.First) - 1)[:100]
	known := map[cellAt]uint64{}
	head := crdt.Head{Seq: s.First - 1, Hash: tagged("before", nil)}
	ms, officer := int64(1_790_000_000_000)+int64(o.n(0, 300))*dayMS, officers[0]
	for range n {
		if ms += 1500 + int64(o.r.ExpFloat64()*80_000); o.n(0, 5) == 0 {
			officer = officers[o.n(0, 2)]
		}
		seq := head.Seq + 1
		s.Salts[Span(seq)] = Salt(noise(fmt.Sprint("salt ", Span(seq))))
		record, field := uint64(created[o.n(0, 99)]+1), fields[o.n(0, len(fields)-1)]
		over := known[cellAt{record, field}]
		if over == 0 {
			over = record
		}
		known[cellAt{record, field}] = seq
		value, err := Marshal(o.value(field, ms))
		if err != nil {
			t.Fatal(err)
		}
		e := &crdt.Entry{
			Log: s.Log, Seq: seq, Prev: head.Hash, Stamp: crdt.StampAt(ms), Officer: officer, Pack: crdt.Pack{ID: "commune", Version: 1},
			Key: EntryKey(s.Salts[Span(seq)], seq),
			Ops: []crdt.Op{{
				Collection: "dossiers", Record: crdt.Ref{Dot: crdt.Dot{Log: s.Log, Seq: record}}, Field: field, Value: value,
				Over: []crdt.Pos{{Log: s.Log, Seq: over}},
			}},
		}
		head = s.append(t, e)
	}
	s.Seal = Seal{Seq: head.Seq, Hash: head.Hash, Signature: [64]byte(slices.Concat(noise("a"), noise("b"), noise("c"), noise("d")))}
	return s
}

func (s *Segment) append(t testing.TB, e *crdt.Entry) crdt.Head {
	t.Helper()
	b, err := EncodeEntry(e)
	if err != nil {
		t.Fatal(err)
	}
	s.Entries = append(s.Entries, b)
	return crdt.Head{Seq: e.Seq, Hash: ChainHash(b)}
}
