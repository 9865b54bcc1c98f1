package sample

import "time"

// Words of channels and categories. The pack knows no official ones, so these
// are only words.
var (
	channels       = []string{"Trực tiếp", "Điện thoại", "Trực tuyến"}
	channelWeights = []float64{30, 40, 30}
)

type category struct {
	name     string
	weight   float64
	contents []string
}

var categories = []category{
	{"Môi trường", 26, []string{"Rác thải để lâu ngày không thu gom", "Mùi hôi từ trại chăn nuôi", "Nước thải chảy ra mương", "Đốt rơm rạ gây khói"}},
	{"Giao thông", 24, []string{"Đường liên thôn bị sụt lún", "Xe chở vật liệu làm rơi vãi đất đá", "Cầu dân sinh hỏng lan can", "Thiếu biển báo ở ngã ba"}},
	{"Điện, nước", 18, []string{"Mất nước sinh hoạt nhiều ngày", "Cột điện nghiêng sau mưa", "Đèn đường không sáng"}},
	{"Đất đai, xây dựng", 14, []string{"Xây dựng lấn ra lối đi chung", "Tranh chấp ranh giới đất vườn", "Công trình thi công không che chắn"}},
	{"An ninh trật tự", 10, []string{"Hát karaoke gây ồn sau 22 giờ", "Chó thả rông không rọ mõm"}},
	{"Thủ tục hành chính", 8, []string{"Phải bổ sung giấy tờ nhiều lần", "Không tra cứu được hồ sơ đã nộp"}},
}

var categoryWeights = func() (w []float64) {
	for _, c := range categories {
		w = append(w, c.weight)
	}
	return w
}()

var handlers = []string{"Cán bộ môi trường", "Cán bộ giao thông", "Cán bộ địa chính", "Công an xã"}

// Terms of a petition in working days, from its receipt or, for publishing, from
// its answer.
const (
	refuseTerm  = 2
	forwardTerm = 5
	resolveTerm = 15
	publishTerm = 2
)

// petition draws one petition and follows it up to now.
func (m *maker) petition() Record {
	c := categories[m.weighted(categoryWeights)]
	place := m.address()
	v := map[string]any{
		"Kenh": channels[m.weighted(channelWeights)], "LinhVuc": c.name,
		"NoiDung": among(m, c.contents) + " tại " + place, "DiaDiem": place, "TrangThai": "received",
	}
	if !m.chance(0.25) { // the others are anonymous
		v["NguoiGui"] = m.person()
	}
	received := m.receipt()
	dueTick, due := m.hours.closing(received, resolveTerm)
	v["NgayTiepNhan"], v["HanGiaiQuyet"] = m.hours.at(received).UnixMilli(), due.UnixMilli()
	moments := append(m.handle(v, received, dueTick), m.hours.at(received))
	return m.record("petitions", v, moments...)
}

// handle refuses, forwards or works on a petition, as far as that has been.
func (m *maker) handle(v map[string]any, received, due tick) []time.Time {
	switch x := m.Float64(); {
	case x < 0.04:
		return m.turnAway(v, received, refuseTerm, "refused", "Không tiếp nhận: nội dung không thuộc phạm vi phản ánh, kiến nghị")
	case x < 0.12:
		return m.turnAway(v, received, forwardTerm, "forwarded", "Đã chuyển đến cơ quan có thẩm quyền")
	}
	passed := m.later(received, 0.4*dayMinutes)
	if !m.been(passed) {
		return nil
	}
	v["NgayChuyen"], v["CanBoXuLy"] = m.hours.at(passed).UnixMilli(), among(m, handlers)
	return append(m.resolve(v, passed, due), m.hours.at(passed))
}

// turnAway ends a petition within a term, refused or forwarded for good.
func (m *maker) turnAway(v map[string]any, received tick, term int, status, answer string) []time.Time {
	t := min(m.later(received, float64(term)*dayMinutes/3), received+tick(term*dayMinutes))
	if !m.been(t) {
		return nil
	}
	at := m.hours.at(t)
	v["TrangThai"], v["TraLoi"], v["NgayGiaiQuyet"] = status, answer, at.UnixMilli()
	if status == "forwarded" {
		v["NgayChuyen"] = at.UnixMilli()
	}
	return []time.Time{at}
}

// resolve answers a petition: mostly before it is due, some late, some never. An
// answer that may be public is published soon after.
func (m *maker) resolve(v map[string]any, passed, due tick) []time.Time {
	done := passed + 30 + tick(m.Float64()*float64(max(due-passed-31, 1)))
	switch x := m.Float64(); {
	case x < 0.03:
		return nil
	case x < 0.13:
		done = m.later(due, 3*dayMinutes)
	}
	if !m.been(done) {
		if m.chance(0.1) {
			v["TrangThai"] = "supplement"
		}
		return nil
	}
	at := m.hours.at(done)
	v["TrangThai"], v["NgayGiaiQuyet"], v["TraLoi"] = "resolved", at.UnixMilli(), "Đã kiểm tra và xử lý xong (nội dung mẫu)"
	v["CongKhai"] = m.chance(0.6)
	if m.chance(0.015) { // left odd: answered, not marked
		v["TrangThai"] = "received"
	}
	published := min(m.later(done, 0.7*dayMinutes), done+publishTerm*dayMinutes)
	if v["TrangThai"] != "resolved" || v["CongKhai"] == false || !m.been(published) {
		return []time.Time{at}
	}
	v["TrangThai"] = "published"
	return []time.Time{m.hours.at(published)}
}
