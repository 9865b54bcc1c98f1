package crdt

import (
	"fmt"
	"slices"
	"testing"
)

// passed is a floor that came between two Saves: what every device had
// acknowledged, and the heads that the hub held by then. States are those of
// devices that compact, now or then; nil where the record was forgotten.
type passed struct {
	at, heads vector
	states    map[vector][]*Record
}

// Every history of up to four Saves with a floor in every place between them, and
// devices that compact at any time from then on: none reads anything else than one
// that never forgets, and nothing of a counted device comes too late.
func TestCompactionChangesNoReading(t *testing.T) {
	for _, x := range []struct {
		name string
		ref  Ref
	}{
		{"named by a key", testRef},
		{"named by a dot", Ref{Dot: Dot{Log: testLog(0), Seq: 1}}},
	} {
		t.Run(x.name, func(t *testing.T) {
			e := &explorer{t: t, history: newHistory(x.ref), deeds: []deed{create, assign, remove}, length: 4, floors: true}
			if testing.Short() {
				e.length = 3
			}
			if !x.ref.ByKey() {
				e.try(&step{deed: create}, 1) // whatever it is, its creation is the first Save
			} else {
				e.walk(0)
			}
			t.Logf("%d histories, %d deliveries and %d verdicts compared; %d floors forgot the record", e.histories, e.history.checks, e.history.verdicts, e.forgotten)
			if e.forgotten == 0 {
				t.Error("no floor ever forgot a record")
			}
		})
	}
}

// The same for a set: what is in it, and what has been taken out and forgotten.
func TestCompactionOfASet(t *testing.T) {
	e := &explorer{t: t, history: newHistory(testRef), deeds: []deed{put, take}, length: 3, floors: true}
	e.walk(0)
	t.Logf("%d histories, %d deliveries compared", e.histories, e.history.checks)
}

// The patterns of which a fault of compaction was once found, walked by themselves:
// quick enough to run on every planted fault.
func TestCompactionOfWhatOnceFailed(t *testing.T) {
	for _, pattern := range [][]deed{
		{create, remove, create, remove}, {assign, remove, create, remove}, {create, assign, remove, create},
	} {
		e := &explorer{t: t, history: newHistory(testRef), pattern: pattern, length: 4, floors: true}
		e.walk(0)
	}
}

// raise lets the floor pass each prefix that all devices may have received and
// acknowledged by now, and walks on from there.
func (e *explorer) raise(known int) {
	views, heads := e.views, e.history.heads()
	for a := range heads[0] + 1 {
		for b := range heads[1] + 1 {
			for c := range heads[2] + 1 {
				at := vector{a, b, c}
				if at == (vector{}) {
					continue
				}
				for d := range e.views {
					for i := range at {
						e.views[d][i] = max(views[d][i], at[i])
					}
				}
				e.pass(at, known)
				e.views = views
			}
		}
	}
}

func (e *explorer) pass(at vector, known int) {
	h := e.history
	h.floor = &passed{at: at, heads: h.heads(), states: map[vector][]*Record{}}
	if err := h.compacts(h.heads()); err != nil {
		e.t.Fatal(err)
	}
	if h.floor.states[h.heads()][0] == nil {
		e.forgotten++
	}
	e.walk(known)
	h.floor = nil
}

// afterFloor tries what a device may do that knows the floor: it may have
// compacted, or not yet; it doesn't edit what it doesn't show, and doesn't restore
// what may be forgotten elsewhere.
func (e *explorer) afterFloor(actor int, view, seen vector, known int) {
	h := e.history
	bases := []*Record{h.states[view]}
	if h.floor.heads.atMost(view) {
		bases = append(bases, h.floor.states[view]...)
	}
	for _, base := range bases {
		if base == nil {
			base = NewRecord(testScope, "things", h.ref)
		}
		is, _ := base.Existence()
		for _, d := range e.next() {
			switch {
			case d == create && (is == Present || base.Closed(h.floor.at.positions())),
				d != create && is != Present,
				d == create && is == Unknown && !h.ref.ByKey():
				continue
			}
			e.try(&step{actor: actor, view: view, seen: seen, deed: d, base: base}, known)
		}
	}
}

func compacted(r *Record, floor vector) *Record {
	r = r.Clone()
	if !r.Compact(floor.positions()) {
		return nil
	}
	return r
}

// compacts compares devices that compact, sooner or later, with one that doesn't.
// A record that is named by a dot is kept alike by all that have compacted. Of one
// that is named by a key, which can be made anew, those that forgot it in between
// and those that didn't may keep different remains, and read them alike.
func (h *history) compacts(v vector) error {
	f := h.floor
	if !f.heads.atMost(v) {
		return nil
	}
	states := []*Record{compacted(h.states[v], f.at)}
	for i := range v {
		before := v
		before[i]--
		if v[i] == 0 || !f.heads.atMost(before) {
			continue
		}
		for _, r := range f.states[before] {
			got, err := h.arriveCompacted(r, h.logs[i][v[i]-1].entry, v)
			if err != nil {
				return err
			}
			h.checks++
			if !slices.ContainsFunc(states, func(s *Record) bool { return sameMaybe(s, got) }) {
				states = append(states, got)
			}
		}
	}
	if len(states) > 1 && !h.ref.ByKey() {
		return fmt.Errorf("at %v, floor %v at heads %v: compacted before the last entry\n%v\nonly after it\n%v\n%v",
			v, f.at, f.heads, dumpMaybe(states[1]), dumpMaybe(states[0]), h)
	}
	f.states[v] = states
	for _, s := range states {
		if err := h.readsAlike(h.states[v], s, v); err != nil {
			return err
		}
	}
	return nil
}

func sameMaybe(a, b *Record) bool {
	if a == nil || b == nil {
		return a == b
	}
	return sameRecord(a, b)
}

func (h *history) arriveCompacted(r *Record, e *Entry, v vector) (*Record, error) {
	if r == nil {
		if e.Late(0, h.floor.at.positions()) {
			return nil, fmt.Errorf("at %v, floor %v at heads %v: a counted device's entry %v comes too late\n%v",
				v, h.floor.at, h.floor.heads, e.Pos(), h)
		}
		r = NewRecord(testScope, "things", h.ref)
	}
	return compacted(arrive(r, e, v), h.floor.at), nil
}

func (h *history) readsAlike(whole, less *Record, v vector) error {
	is, _ := Reader{}.Existence(whole, nil)
	got := Deleted
	switch {
	case less != nil:
		got, _ = Reader{}.Existence(less, nil)
	case is == Unknown: // nothing was left of it, and it never was
		got = Unknown
	}
	if less == nil {
		less = NewRecord(testScope, "things", h.ref)
	}
	// Who has forgotten the old record and has no creation yet of the new one knows
	// nothing of its existence. Who hasn't takes what is written to it for an edit
	// after the deletion, until that creation comes. None of them shows it.
	waits := got == Unknown || len(whole.Cells[FieldExistence].Pending) > 0
	unmade := h.ref.ByKey() && waits && is != Present && got != Present
	if got != is && !unmade {
		return fmt.Errorf("at %v, floor %v: existence %d, and %d without compaction\n%v\n%v\n%v", v, h.floor.at, got, is, dump(less), dump(whole), h)
	}
	if is != Present {
		return nil
	}
	in, inLess := Reader{}.Present(whole.Sets[testSet][string(testElem)]), Reader{}.Present(less.Sets[testSet][string(testElem)])
	if in != inLess {
		return fmt.Errorf("at %v, floor %v: the element is in the set: %v, and %v without compaction\n%v", v, h.floor.at, inLess, in, h)
	}
	a := Reader{}.In(whole, nil).Cell(whole.Cells[testField], LWW)
	b := Reader{}.In(less, nil).Cell(less.Cells[testField], LWW)
	if !sameSiblings(a, b) {
		return fmt.Errorf("at %v, floor %v: the field reads otherwise\n%v\nwithout compaction\n%v\n%v", v, h.floor.at, dump(less), dump(whole), h)
	}
	if len(h.steps) > *saves {
		return nil
	}
	return h.readsPast(whole, less, v)
}

func sameSiblings(a, b Reading) bool {
	return slices.EqualFunc(a.Siblings, b.Siblings, func(x, y Sibling) bool { return x.Dot == y.Dot })
}

// readsPast compares what needs the past of the field: its first number, and what is
// left of it where the hub rejects any write that the floor hasn't passed. Where the
// entries are still held it is the same; where they were dropped, what lacks is told,
// unless a step was dropped that was built on the rejected one, and falls.
func (h *history) readsPast(whole, less *Record, v vector) error {
	held := map[uint32][]Write{FieldExistence: h.past(v, FieldExistence), testField: h.past(v, testField)}
	read := func(r *Record, a *Authority, p Policy) Reading {
		rd := Reader{Authority: a}.In(r, func() []Write { return held[FieldExistence] })
		rd.Prior = func() []Write { return held[testField] }
		return rd.Cell(r.Cells[testField], p)
	}
	if a, b := read(whole, nil, Serial), read(less, nil, Serial); !sameSiblings(a, b) {
		return fmt.Errorf("at %v, floor %v: the first is %v, and %v without compaction\n%v\n%v\n%v", v, h.floor.at, b.Siblings, a.Siblings, dump(less), dump(whole), h)
	}
	for _, s := range h.arrived(v) {
		if s.entry.Seq <= uint64(h.floor.at[s.actor]) {
			continue
		}
		h.verdicts++
		a := rejecting(s.entry.Dot(0))
		past := func(field uint32, _ string) []Write { return held[field] }
		is, _ := Reader{Authority: a}.Existence(whole, past)
		if got, _ := (Reader{Authority: a}).Existence(less, past); (got == Present) != (is == Present) {
			return fmt.Errorf("at %v, floor %v, %v rejected: existence %d, and %d without compaction\n%v\n%v\n%v",
				v, h.floor.at, s.entry.Dot(0), got, is, dump(less), dump(whole), h)
		}
		if is != Present {
			continue
		}
		all, some := read(whole, a, State), read(less, a, State)
		if !sameSiblings(all, some) {
			return fmt.Errorf("at %v, floor %v, %v rejected: %v is read, and %v without compaction\n%v\n%v\n%v",
				v, h.floor.at, s.entry.Dot(0), some.Siblings, all.Siblings, dump(less), dump(whole), h)
		}
		kept := held[testField]
		held[testField] = slices.DeleteFunc(slices.Clone(kept), func(w Write) bool { return Covers(h.floor.at.positions(), w.Pos()) })
		odd := slices.ContainsFunc(all.Hidden, func(x Hidden) bool { return x.Why == BuiltOnOne && Covers(h.floor.at.positions(), x.Pos()) })
		if some = read(less, a, State); !sameSiblings(all, some) && len(some.Lost) == 0 && !odd {
			return fmt.Errorf("at %v, floor %v, %v rejected: %v is read where the past was dropped, %v where it wasn't, and nothing is lost\n%v",
				v, h.floor.at, s.entry.Dot(0), some.Siblings, all.Siblings, h)
		}
		held[testField] = kept
	}
	return nil
}

// past is every write of a field that has arrived.
func (h *history) past(v vector, field uint32) []Write {
	var entries []*Entry
	for _, s := range h.arrived(v) {
		entries = append(entries, s.entry)
	}
	return (*Authority)(nil).History(entries, heldAt(v), h.ref.ID(), field, "")
}

// rejecting is the authority of a hub that has said nothing but one rejection.
func rejecting(d Dot) *Authority {
	a := &Authority{}
	a.take(&link{Checkpoint: &Checkpoint{Scope: testScope, At: Cite{1, 1}, Verdicts: []Verdict{{Dot: d, Ruling: Rejected, Index: 1}}}})
	return a
}

func dumpMaybe(r *Record) string {
	if r == nil {
		return "    forgotten"
	}
	return dump(r)
}
