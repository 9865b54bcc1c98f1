package sample

import (
	"time"

	"github.com/vungxa/vungxa/node/schema"
)

// procedure is how one procedure goes in the sample. term is in working days; 0
// is the same day, or the next one after 15:00 (Luật Hộ tịch 2014 art. 5.3 for
// civil status). The other terms are made up.
type procedure struct {
	code   string
	weight float64
	term   int
	online float64 // share handed in online
	papers []string
}

var procedures = []procedure{
	{"2.000815", 46, 0, 0.10, []string{"Bản chính giấy tờ cần chứng thực"}},
	{"2.000635", 14, 0, 0.60, []string{"Tờ khai cấp bản sao trích lục hộ tịch"}},
	{"1.001193", 12, 0, 0.55, []string{"Tờ khai đăng ký khai sinh", "Giấy chứng sinh"}},
	{"1.004222", 9, 7, 0.65, []string{"Tờ khai thay đổi thông tin cư trú"}},
	{"1.004194", 9, 3, 0.65, []string{"Tờ khai thay đổi thông tin cư trú"}},
	{"1.000894", 6, 5, 0.25, []string{"Tờ khai đăng ký kết hôn"}},
	{"1.000656", 4, 0, 0.30, []string{"Tờ khai đăng ký khai tử", "Giấy báo tử"}},
}

var procedureWeights = func() (w []float64) {
	for _, p := range procedures {
		w = append(w, p.weight)
	}
	return w
}()

// reasons of what goes back to the citizen, by status.
var reasons = map[string][]string{
	"3": {"Không thuộc thẩm quyền giải quyết của xã", "Hồ sơ nộp trùng"},
	"5": {"Thiếu bản chính để đối chiếu", "Tờ khai chưa có chữ ký", "Ảnh chụp giấy tờ không đọc được"},
	"8": {"Chờ kết quả xác minh của nơi cư trú cũ"},
}

// dossier draws one dossier and follows it up to now.
func (m *maker) dossier(names *schema.CodeList) Record {
	p := procedures[m.weighted(procedureWeights)]
	received := m.receipt()
	at := m.hours.at(received)
	v := map[string]any{
		"MaTTHC": p.code, "ChuHoSo": m.person(), "LoaiDoiTuong": []string{"0", "1", "2"}[m.weighted([]float64{94, 3, 3})],
		"SoDienThoai": m.telephone(), "DiaChi": m.address(), "ThanhPhanHoSo": p.papers,
	}
	if name, ok := names.Item(p.code); ok {
		v["TenTTHC"] = name.Label.VI
	}
	handedIn := m.handIn(v, p, at)
	switch recent := m.hours.reached-received < dayMinutes/2; {
	case recent && v["KenhThucHien"] == "2" && m.chance(0.7): // not looked at yet
		v["TrangThaiHoSo"] = "1"
		return m.record("dossiers", v, handedIn)
	case m.chance(0.02):
		v["TrangThaiHoSo"], v["LyDo"] = "3", among(m, reasons["3"])
		return m.record("dossiers", v, at)
	}
	v["NgayTiepNhan"] = at.UnixMilli()
	return m.record("dossiers", v, append(m.process(v, p, received), at)...)
}

// handIn draws the channel and when the dossier was handed in: at the desk some
// minutes before, online at any hour.
func (m *maker) handIn(v map[string]any, p procedure, received time.Time) time.Time {
	minutes := 2 + m.IntN(25)
	v["KenhThucHien"] = "1"
	switch x := m.Float64(); {
	case x < p.online:
		v["KenhThucHien"] = "2"
		minutes = 20 + m.IntN(20*60)
	case x < p.online+0.04:
		v["KenhThucHien"] = "3"
	}
	at := received.Add(-time.Duration(minutes) * time.Minute)
	v["NgayNop"] = at.UnixMilli()
	return at
}

// process follows a dossier from its receipt: its due date, its status, and when
// it was finished and handed over, as far as that has been. It returns the
// moments after the receipt.
func (m *maker) process(v map[string]any, p procedure, received tick) []time.Time {
	const cutOff = dayMinutes - 2*60 // 15:00
	term := p.term
	if term == 0 && int(received)%dayMinutes >= cutOff {
		term = 1
	}
	dueTick, due := m.hours.closing(received, term)
	v["NgayHenTra"] = due.UnixMilli()
	finished, ends := m.finish(received, dueTick)
	if !ends || !m.been(finished) {
		m.open(v, received)
		return nil
	}
	at := m.hours.at(finished)
	if x := m.Float64(); x < 0.02 { // withdrawn, or stopped for a reason
		v["TrangThaiHoSo"], v["NgayKetThucXuLy"] = "7", at.UnixMilli()
		if x < 0.008 {
			v["TrangThaiHoSo"], v["LyDo"] = "8", among(m, reasons["8"])
		}
		return []time.Time{at}
	}
	return m.handOver(v, p, finished)
}

// finish draws when a dossier is done: mostly before it is due, some of it late,
// a little of it not at all.
func (m *maker) finish(received, due tick) (at tick, ends bool) {
	switch x := m.Float64(); {
	case x < 0.015:
		return 0, false
	case x < 0.115:
		return m.later(due, 1.5*dayMinutes), true
	}
	u := m.Float64()
	return received + 5 + tick(u*u*float64(max(due-received-6, 1))), true
}

// open is the status of a dossier that isn't finished.
func (m *maker) open(v map[string]any, received tick) {
	fresh := m.hours.reached-received < 90
	switch x := m.Float64(); {
	case fresh:
		v["TrangThaiHoSo"] = "2"
	case x < 0.12:
		v["TrangThaiHoSo"], v["LyDo"] = "5", among(m, reasons["5"])
	case x < 0.18:
		v["TrangThaiHoSo"] = "6"
	default:
		v["TrangThaiHoSo"] = "4"
	}
}

// handOver finishes a dossier: copies are taken along at once, other results are
// fetched some days later, a few never. Some records are left odd, as people
// leave them: finished without a date, or dated and not marked.
func (m *maker) handOver(v map[string]any, p procedure, finished tick) []time.Time {
	at := m.hours.at(finished)
	v["TrangThaiHoSo"], v["NgayKetThucXuLy"] = "9", at.UnixMilli()
	switch x := m.Float64(); {
	case x < 0.004:
		v["NgayKetThucXuLy"] = nil
		return []time.Time{at}
	case x < 0.008:
		v["TrangThaiHoSo"] = "4"
		return []time.Time{at}
	}
	wait := 1.5 * dayMinutes
	if p.term == 0 {
		wait = 20
	}
	fetched := m.later(finished, wait)
	if m.chance(0.03) || !m.been(fetched) {
		return []time.Time{at}
	}
	v["TrangThaiHoSo"], v["NgayTra"] = "10", m.hours.at(fetched).UnixMilli()
	return []time.Time{m.hours.at(fetched)}
}
