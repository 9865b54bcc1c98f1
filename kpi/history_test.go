package kpi

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// history plays one random life of an office against the engine and against the
// rows themselves.
type history struct {
	engine *Engine
	now    time.Time
	rows   map[int]row
	named  map[string]bool
	born   int
	told   []Change // by the last step
	shown  map[string]Figures
}

var (
	start  = time.Date(2026, time.November, 30, 23, 59, 0, 0, hanoi)
	end    = time.Date(2028, time.January, 1, 0, 0, 0, 0, hanoi) // so that 20 months hold every date
	groups = []string{"c/03646 dossiers", "c/03646 petitions"}
)

// moments crowd where mistakes are made: the same few instants again and again, and
// one millisecond to either side; month, year and UTC-month boundaries; the clock.
func (h *history) moment(t *rapid.T, label string) time.Time {
	anchors := []time.Time{
		start, h.now,
		time.Date(2026, time.November, 1, 0, 0, 0, 0, hanoi),
		time.Date(2026, time.December, 1, 0, 0, 0, 0, hanoi),
		time.Date(2026, time.December, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2027, time.January, 1, 0, 0, 0, 0, hanoi),
		time.Date(2027, time.March, 1, 0, 0, 0, 0, hanoi),
	}
	anchor := rapid.SampledFrom(anchors).Draw(t, label)
	nudge := rapid.SampledFrom([]time.Duration{0, 0, -1, 1, -60_000, 60_000, 7 * 3_600_000, 20 * dayMS}).Draw(t, label+" nudge")
	return anchor.Add(nudge * time.Millisecond)
}

func (h *history) date(t *rapid.T, label string) *time.Time {
	if rapid.IntRange(0, 3).Draw(t, label+" missing") == 0 {
		return nil
	}
	m := h.moment(t, label)
	return &m
}

func (h *history) row(t *rapid.T) row {
	return row{
		group:    rapid.SampledFrom(groups).Draw(t, "group"),
		received: h.date(t, "received"),
		resolved: h.date(t, "resolved"),
		due:      h.date(t, "due"),
	}
}

func (h *history) pick(t *rapid.T) int {
	if len(h.rows) == 0 {
		t.Skip("no record yet")
	}
	return rapid.SampledFrom(slices.Sorted(maps.Keys(h.rows))).Draw(t, "record")
}

func (h *history) create(t *rapid.T) {
	r := h.row(t)
	h.told = h.engine.Apply(nil, r.fact())
	h.rows[h.born], h.named[r.group] = r, true
	h.born++
}

func (h *history) rewrite(t *rapid.T) {
	i := h.pick(t)
	h.replace(i, h.row(t))
}

// editOne changes one date, as people do; a nil resolved is a reopening.
func (h *history) editOne(t *rapid.T) {
	i := h.pick(t)
	r := h.rows[i]
	field := rapid.SampledFrom([]**time.Time{&r.received, &r.resolved, &r.due}).Draw(t, "field")
	*field = h.date(t, "new date")
	h.replace(i, r)
}

func (h *history) replace(i int, after row) {
	h.told = h.engine.Apply(h.rows[i].fact(), after.fact())
	h.rows[i], h.named[after.group] = after, true
}

func (h *history) remove(t *rapid.T) {
	i := h.pick(t)
	h.told = h.engine.Apply(h.rows[i].fact(), nil)
	delete(h.rows, i)
}

// pass lets the clock jump anywhere, backwards too, which must do nothing.
func (h *history) pass(t *rapid.T) {
	to := h.moment(t, "clock")
	if to.After(end) {
		t.Skip("the end of the story")
	}
	h.told = h.engine.Advance(At(to.UnixMilli()))
	if to.After(h.now) {
		h.now = to
	}
}

// sleep wakes when the engine said: until then time must have changed nothing.
func (h *history) sleep(t *rapid.T) {
	next, _ := h.engine.Next().MS()
	if next > end.UnixMilli() {
		t.Skip("the end of the story")
	}
	eve := At(next - 1)
	if told := h.engine.Advance(eve); len(told) > 0 {
		t.Fatalf("Next said %v, but before that %v changed", time.UnixMilli(next).In(hanoi), told)
	}
	h.now = time.UnixMilli(next).In(hanoi)
	h.told = h.engine.Advance(At(next))
}

func (h *history) recountAll() map[string]Figures {
	all := map[string]Figures{}
	for _, g := range groups {
		for m := range 20 { // from before the first date drawn to after the last
			first := time.Date(2026, time.September+time.Month(m), 1, 0, 0, 0, 0, hanoi)
			all[fmt.Sprint(g, " ", m)] = recount(slices.Collect(maps.Values(h.rows)), g, first.Year(), first.Month(), h.now)
		}
	}
	return all
}

// check compares every answer with the plain recomputation, and what was told with
// what did change.
func (h *history) check(t *rapid.T) {
	want := h.recountAll()
	for _, g := range groups {
		for m := range 20 {
			k := fmt.Sprint(g, " ", m)
			if got := h.engine.Answer(g, want[k].Month); !reflect.DeepEqual(got, want[k]) {
				t.Fatalf("%s %v at %v:\n got %+v\nwant %+v", g, want[k].Month, h.now, got, want[k])
			}
		}
	}
	if changed := h.changed(want); h.shown != nil && !slices.Equal(h.told, changed) {
		t.Fatalf("told %v, but changed %v", h.told, changed)
	}
	h.shown, h.told = want, nil
	h.checkSize(t)
}

func (h *history) changed(now map[string]Figures) []Change {
	var changes []Change
	for _, g := range groups {
		for _, d := range Definitions() {
			for m := range 20 {
				k := fmt.Sprint(g, " ", m)
				a, aok := h.shown[k].Get(d.Measure)
				b, bok := now[k].Get(d.Measure)
				if h.named[g] && (a != b || aok != bok) {
					changes = append(changes, Change{g, d.Measure})
					break
				}
			}
		}
	}
	return changes
}

// checkSize: nothing is kept that the rows don't account for, and nothing at all of
// rows that are gone.
func (h *history) checkSize(t *rapid.T) {
	future := map[int64]bool{}
	for _, r := range h.rows {
		for _, d := range []*time.Time{r.received, r.resolved, r.due} {
			if d != nil {
				future[d.UnixMilli()], future[d.UnixMilli()+1] = true, true
			}
		}
	}
	q := &h.engine.waiting
	if len(q.order) != len(q.byStep) {
		t.Fatalf("%d steps in order, %d by key", len(q.order), len(q.byStep))
	}
	for s, w := range q.byStep {
		if w.n == 0 || s.at <= h.now.UnixMilli() || !future[s.at] {
			t.Fatalf("step %+v waits %d times for no reason", s, w.n)
		}
	}
	for _, g := range h.engine.groups {
		if len(h.rows) == 0 && len(g.years) > 0 {
			t.Fatalf("no rows, yet %v", g.years)
		}
	}
}

// TestHistories compares after every step of random histories. When it fails, rapid
// prints the seed and the flag that replays it.
func TestHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := &history{engine: New(Vietnam), now: start, rows: map[int]row{}, named: map[string]bool{}}
		h.engine.Advance(At(start.UnixMilli()))
		t.Repeat(map[string]func(*rapid.T){
			"":        h.check,
			"create":  h.create,
			"create2": h.create, // more births than deaths
			"rewrite": h.rewrite,
			"edit":    h.editOne,
			"delete":  h.remove,
			"clock":   h.pass,
			"sleep":   h.sleep,
		})
		h.checkRebuilt(t)
		for _, i := range slices.Sorted(maps.Keys(h.rows)) {
			h.told = h.engine.Apply(h.rows[i].fact(), nil)
			delete(h.rows, i)
			h.check(t)
		}
	})
}

// checkRebuilt: a view built from the rows at once is the view that lived through
// the history, whenever its clock was set.
func (h *history) checkRebuilt(t *rapid.T) {
	late, early := New(Vietnam), New(Vietnam)
	early.Advance(At(h.now.UnixMilli()))
	for _, r := range h.rows {
		late.Apply(nil, r.fact())
		early.Apply(nil, r.fact())
	}
	late.Advance(At(h.now.UnixMilli()))
	for _, w := range h.shown {
		for _, g := range groups {
			want := h.engine.Answer(g, w.Month)
			for _, e := range []*Engine{late, early} {
				if got := e.Answer(g, w.Month); !reflect.DeepEqual(got, want) {
					t.Fatalf("rebuilt: %s %v: got %+v, want %+v", g, w.Month, got, want)
				}
			}
		}
	}
}
