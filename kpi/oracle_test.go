package kpi

import (
	"time"
	_ "time/tzdata" // so that the zone is the database's, not Calendar's
)

// hanoi is the zone by the IANA database: the oracle shares no date arithmetic with
// the engine.
var hanoi = func() *time.Location {
	l, err := time.LoadLocation("Asia/Ho_Chi_Minh")
	if err != nil {
		panic(err)
	}
	return l
}()

// row is a record as a person would read it from a sheet; nil is an empty cell.
type row struct {
	group                   string
	received, resolved, due *time.Time
}

func (r row) fact() *Fact {
	return &Fact{r.group, instant(r.received), instant(r.resolved), instant(r.due)}
}

func instant(t *time.Time) Instant {
	if t == nil {
		return Instant{}
	}
	return At(t.UnixMilli())
}

// recount is the plain recomputation: it asks of every row, for one month and one
// clock, the questions that a clerk with the register on the table would ask.
func recount(rows []row, group string, year int, month time.Month, now time.Time) Figures {
	asked := MonthOf(year, month)
	first := time.Date(year, month, 1, 0, 0, 0, 0, hanoi)
	next := first.AddDate(0, 1, 0)
	if now.Before(first) {
		return Figures{Month: asked, Lacking: 1}
	}
	seen := now
	if !now.Before(next) {
		seen = next.Add(-time.Millisecond)
	}
	happened := func(t *time.Time) bool { return t != nil && !t.After(seen) }
	thisMonth := func(t *time.Time) bool { return happened(t) && !t.Before(first) }

	var received, resolved, open, overdue, punctual, promised, undated int64
	for _, r := range rows {
		if r.group != group {
			continue
		}
		if r.received == nil {
			undated++
		}
		if thisMonth(r.received) {
			received++
		}
		if thisMonth(r.resolved) {
			resolved++
			if r.due != nil {
				promised++
				if !r.resolved.After(*r.due) {
					punctual++
				}
			}
		}
		if happened(r.received) && !happened(r.resolved) {
			open++
			if r.due != nil && seen.After(*r.due) {
				overdue++
			}
		}
	}
	return Figures{
		Month: asked, AsOf: At(seen.UnixMilli()), Covered: 1,
		Values: []Figure{{Num: received}, {Num: resolved}, {Num: open}, {Num: overdue}, {punctual, promised}, {Num: undated}},
	}
}
