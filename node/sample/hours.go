package sample

import (
	"sort"
	"time"
)

// A working day has eight hours: 07:30 to 11:30 and 13:00 to 17:00.
const dayMinutes = 480

// tick counts working minutes from the start of the period.
type tick int

// hours is the office's calendar: working days from six months before now to
// some weeks after it.
type hours struct {
	now     time.Time
	days    []time.Time // midnights, in office time
	load    []float64   // how busy each day up to now is
	reached tick        // the last tick that is not after now
}

// newHours lays out the calendar around now, which is in office time.
func newHours(now time.Time) *hours {
	h := &hours{now: now}
	y, mo, d := now.Date()
	first := time.Date(y, mo, d, 0, 0, 0, 0, now.Location()).AddDate(0, -months, 0)
	for day := first; day.Before(now.AddDate(0, 0, 60)); day = day.AddDate(0, 0, 1) {
		if working(day) {
			h.days = append(h.days, day)
		}
	}
	ticks := len(h.days) * dayMinutes
	h.reached = tick(sort.Search(ticks, func(i int) bool { return h.at(tick(i)).After(now) }) - 1)
	for i := range int(h.reached)/dayMinutes + 1 {
		h.load = append(h.load, []float64{time.Monday: 1.35, time.Tuesday: 1.1, time.Wednesday: 1, time.Thursday: 0.95, time.Friday: 0.85}[h.days[i].Weekday()])
	}
	return h
}

// working leaves out week-ends and the holidays that have a fixed day in the
// solar calendar (Labour Code 45/2019/QH14 art. 112; from 2026 the 24th of
// November, NQ 28/2026/QH16 art. 2). Lunar ones and days exchanged for others
// are left out: this is a sample, and no term is computed from it.
func working(day time.Time) bool {
	switch day.Weekday() {
	case time.Saturday, time.Sunday:
		return false
	}
	switch day.Format("01-02") {
	case "01-01", "04-30", "05-01", "09-01", "09-02":
		return false
	case "11-24":
		return day.Year() < 2026
	}
	return true
}

// at is the moment of a tick.
func (h *hours) at(t tick) time.Time {
	minute := int(t) % dayMinutes
	opens := 7*60 + 30
	if minute >= dayMinutes/2 {
		opens = 13*60 - dayMinutes/2
	}
	return h.days[int(t)/dayMinutes].Add(time.Duration(opens+minute) * time.Minute)
}

// closing is 17:00 of the working day that lies n working days after t's.
func (h *hours) closing(t tick, n int) (tick, time.Time) {
	day := int(t)/dayMinutes + n
	return tick(day*dayMinutes + dayMinutes - 1), h.days[day].Add(17 * time.Hour)
}

// receipt draws when something came in: on busy days and in the early hours of
// each half of the day more often.
func (m *maker) receipt() tick {
	for {
		day := m.weighted(m.hours.load)
		half := dayMinutes / 2 * m.weighted([]float64{1.4, 1})
		minute := half + int(float64(dayMinutes/2)*(m.Float64()+m.Float64()*m.Float64())/2)
		if t := tick(day*dayMinutes + minute); t <= m.hours.reached {
			return t
		}
	}
}

// later draws a tick after t, on average mean working minutes later. It may lie
// after now: then it hasn't been.
func (m *maker) later(t tick, mean float64) tick {
	last := tick(len(m.hours.days)*dayMinutes - 1)
	return min(t+1+tick(m.ExpFloat64()*mean), last)
}

// been says whether the tick is not after now.
func (m *maker) been(t tick) bool { return t <= m.hours.reached }
