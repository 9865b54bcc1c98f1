package crdt

import (
	"bytes"
	"fmt"
	"slices"
)

// The sequential specification: what a record says is told from the whole history
// at once, by who had seen what, and not by what the entries list or the merge
// keeps. A Save replaces what its officer had seen of its cell. Where it was made
// on something that hasn't arrived yet, that part of it waits.

// cellOf is the cell that a step writes.
func (d deed) cell() uint32 {
	switch d {
	case assign:
		return testField
	case put, take:
		return testSet
	}
	return FieldExistence
}

// sawAt says whether step s replaces step t, for someone who has received v.
func (h *history) replaces(s, t *step, v vector) bool {
	if t.entry.Seq > uint64(s.seen[t.actor]) {
		return false // hadn't seen it
	}
	return s.actor == t.actor || s.counts(t.actor, v)
}

// counts says whether what a step says of a log can be judged: that log has
// arrived as far as the step's entry names it.
func (s *step) counts(log int, v vector) bool {
	i := slices.IndexFunc(s.entry.Pins, func(p Pin) bool { return p.Log == testLog(log) })
	return i >= 0 && s.entry.Pins[i].Seq <= uint64(v[log])
}

// arrived is the steps that v has.
func (h *history) arrived(v vector) []*step {
	var in []*step
	for i, n := range v {
		in = append(in, h.logs[i][:n]...)
	}
	return in
}

// stands gives the steps that stand in a cell.
func (h *history) stands(cell uint32, v vector) []*step {
	in := h.arrived(v)
	return slices.DeleteFunc(slices.Clone(in), func(t *step) bool {
		return t.deed.cell() != cell || slices.ContainsFunc(in, func(s *step) bool {
			return s.deed.cell() == cell && s != t && h.replaces(s, t, v)
		})
	})
}

// is tells whether the record is, by the specification.
func (h *history) is(v vector) Existence {
	made := h.stands(FieldExistence, v)
	switch {
	case len(made) == 0:
		return Unknown
	case slices.ContainsFunc(made, func(s *step) bool { return s.deed == create }):
		return Present
	}
	if h.ref.ByKey() { // whatever deletion took a value, it is gone
		made = slices.DeleteFunc(h.arrived(v), func(s *step) bool { return s.deed != remove })
	}
	for _, cell := range []uint32{testField, testSet} {
		for _, t := range h.stands(cell, v) {
			if !slices.ContainsFunc(made, func(s *step) bool { return h.replaces(s, t, v) }) {
				return EditedAfter
			}
		}
	}
	return Deleted
}

// odd excuses one thing: after a creation of what was there already by its key,
// which no program of ours writes, a value may count as taken by a deletion because
// it lies before that creation in its log. The record is hidden either way.
func (h *history) odd(v vector, is Existence) bool {
	return is == Deleted && h.is(v) == EditedAfter && h.ref.ByKey() &&
		slices.ContainsFunc(h.arrived(v), func(s *step) bool { return s.deed == create && len(s.entry.Ops[0].Over) > 0 })
}

// specified compares a state with the specification.
func (h *history) specified(v vector) error {
	r := h.states[v]
	for cell, got := range map[uint32]Cell{
		testField: r.Cells[testField], testSet: r.Sets[testSet][string(testElem)], FieldExistence: r.Cells[FieldExistence],
	} {
		want := dotsOfSteps(h.stands(cell, v))
		if !slices.Equal(dotsOf(got), want) {
			return fmt.Errorf("at %v field %d: %v stand; the history says %v\n%v\n%v", v, cell, dotsOf(got), want, dump(r), h)
		}
	}
	if is, _ := r.Existence(); is != h.is(v) && !h.odd(v, is) {
		return fmt.Errorf("at %v: existence %d; the history says %d\n%v\n%v", v, is, h.is(v), dump(r), h)
	}
	in := slices.ContainsFunc(h.stands(testSet, v), func(s *step) bool { return s.deed == put })
	if got := (Reader{}).Present(r.Sets[testSet][string(testElem)]); got != in {
		return fmt.Errorf("at %v: the element is in the set: %v; the history says %v\n%v", v, got, in, h)
	}
	return h.shown(v)
}

// shown compares what `lww` shows: the newest claim, then the larger log.
func (h *history) shown(v vector) error {
	var best *step
	for _, s := range h.stands(testField, v) {
		if best == nil || s.entry.Stamp > best.entry.Stamp || s.entry.Stamp == best.entry.Stamp && s.entry.Dot(0).Compare(best.entry.Dot(0)) > 0 {
			best = s
		}
	}
	got := Reader{}.Cell(h.states[v].Cells[testField], LWW)
	switch {
	case best == nil && got.Shown() != nil, best != nil && !bytes.Equal(got.Shown(), best.entry.Ops[0].Value):
		return fmt.Errorf("at %v: shown %x\n%v", v, got.Shown(), h)
	case got.Conflict != (len(got.Siblings) > 1):
		return fmt.Errorf("at %v: conflict %v of %d different values\n%v", v, got.Conflict, len(got.Siblings), h)
	}
	return nil
}

func dotsOfSteps(steps []*step) []Dot {
	var dots []Dot
	for _, s := range steps {
		dots = append(dots, s.entry.Dot(0))
	}
	slices.SortFunc(dots, Dot.Compare)
	return dots
}
