package kpi

import (
	"cmp"
	"slices"
)

// Engine holds the figures of many groups. Make one with New.
//
// It is a view: it can be dropped and built again at any time by Advance to now and
// Apply(nil, fact) for every record, in any order.
type Engine struct {
	calendar Calendar
	now      int64 // everything up to it is in the sums, everything after it waits
	groups   map[string]*group
	waiting  queue
}

// Change says that a group's answers for this measure are no longer the same, for
// one month or more.
type Change struct {
	Group   string
	Measure Measure
}

// New returns an engine without records, whose clock stands before all time: it
// knows nothing until the first Advance. Advance it before loading records, or each
// of their dates waits in the queue until then.
func New(c Calendar) *Engine {
	return &Engine{calendar: c, now: beforeAll, groups: map[string]*group{}}
}

// Apply takes in one change of one record: what it said before and says after; nil
// where it is not there (created, deleted). Before must be what was given as after
// the last time, for no trace of single records is kept.
//
// It returns what changed in any answer, sorted; nothing when only the future did.
func (e *Engine) Apply(before, after *Fact) []Change {
	moved := map[step]int64{}
	e.steps(before, -1, moved)
	e.steps(after, +1, moved)
	landed := map[place]int64{}
	for s, n := range moved {
		switch {
		case n == 0: // as before
		case s.at <= e.now:
			landed[e.place(s)] += n
		default:
			e.waiting.add(s, n)
		}
	}
	return e.settle(landed)
}

// Advance moves the clock and lets what falls due by then take effect. The clock
// never goes back: an earlier now, or a missing one, does nothing. A clock that had
// leapt ahead and was corrected therefore needs a new Engine.
//
// It returns what changed in any answer, sorted. When a month begins, that is every
// measure of every group: of that month nothing was known before.
func (e *Engine) Advance(now Instant) []Change {
	if !now.known || now.ms <= e.now {
		return nil
	}
	last := e.current()
	e.now = now.ms
	landed := map[place]int64{}
	for s, n, ok := e.waiting.pop(e.now); ok; s, n, ok = e.waiting.pop(e.now) {
		landed[e.place(s)] += n
	}
	changes := e.settle(landed)
	if e.current() != last {
		return e.everything()
	}
	return changes
}

// Now returns the engine's clock: missing before the first Advance.
func (e *Engine) Now() Instant { return At(e.now) }

// Next returns before when time alone changes no answer: the moment of the next
// step that waits, or of the next month. A caller may sleep until then, and Advance.
// It is missing before the first Advance.
func (e *Engine) Next() Instant {
	if e.now == beforeAll {
		return Instant{}
	}
	return At(min(e.waiting.next(), e.calendar.start(e.current()+1)))
}

// Answer returns a group's figures for a month; see the package comment for as of
// when. A group that was never named has no records, and that is known.
// Its cost grows with the years in which the group has records, not with records.
func (e *Engine) Answer(name string, month Month) Figures {
	if month > e.current() || month < e.calendar.month(minMS) {
		return Figures{Month: month, Lacking: 1}
	}
	return Figures{
		Month:   month,
		AsOf:    At(min(e.now, e.calendar.start(month+1)-1)),
		Covered: 1,
		Values:  e.groups[name].figures(month),
	}
}

// current is the month of the clock; before the first Advance, one before all.
func (e *Engine) current() Month { return e.calendar.month(e.now) }

// steps adds n times what a fact does to the sums, and when.
func (e *Engine) steps(f *Fact, n int64, to map[step]int64) {
	if f == nil {
		return
	}
	g := e.group(f.Group)
	add := func(s slot, during span) {
		if during.from >= during.until {
			return
		}
		to[step{during.from, g, s}] += n
		if during.until != never {
			to[step{during.until, g, s}] -= n
		}
	}
	for m, d := range definitions {
		add(slot(2*m), d.num(*f))
		if d.den != nil {
			add(slot(2*m+1), d.den(*f))
		}
	}
}

func (e *Engine) group(name string) *group {
	g := e.groups[name]
	if g == nil {
		g = &group{name: name}
		e.groups[name] = g
	}
	return g
}

// place is where a step lands once its time has come.
type place struct {
	group *group
	month Month
	slot  slot
}

func (e *Engine) place(s step) place { return place{s.group, e.calendar.month(s.at), s.slot} }

// settle adds to the sums and tells what that changed. A sum that changes anywhere
// changes the answer for that month at least.
func (e *Engine) settle(landed map[place]int64) []Change {
	var changes []Change
	for p, n := range landed {
		if n != 0 {
			p.group.add(p.month, p.slot, n)
			changes = append(changes, Change{p.group.name, p.slot.measure()})
		}
	}
	return sorted(changes)
}

func (e *Engine) everything() []Change {
	var changes []Change
	for name := range e.groups {
		for m := range measures {
			changes = append(changes, Change{name, m})
		}
	}
	return sorted(changes)
}

func sorted(changes []Change) []Change {
	slices.SortFunc(changes, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Measure, b.Measure))
	})
	return slices.Compact(changes)
}
