package crdt

import "slices"

// Compact forgets what the floor has passed: every counted device holds those
// entries, so nothing at or below it comes any more. It gives false where the
// whole record can be forgotten: it was deleted, nothing was written to it that
// the deletion hadn't seen, and all of it lies at or below the floor.
func (r *Record) Compact(floor []Pos) (keep bool) {
	r.each(func(c Cell) Cell { return c.compact(floor) })
	for field, set := range r.Sets {
		for elem, c := range set {
			if c.forgotten(floor) {
				delete(set, elem)
			}
		}
		if len(set) == 0 {
			delete(r.Sets, field)
		}
	}
	if is, _ := r.Existence(); is != Deleted {
		return true
	}
	r.all(func(c Cell) {
		keep = keep || len(c.Over) > 0 || len(c.Pending) > 0 || !c.below(floor)
	})
	return keep
}

func (c Cell) compact(floor []Pos) Cell {
	c.Over = slices.DeleteFunc(slices.Clone(c.Over), func(p Pos) bool { return Covers(floor, p) })
	c.Pending = slices.DeleteFunc(slices.Clone(c.Pending), func(p Claim) bool { return Covers(floor, p.Over) })
	if len(c.Over) == 0 {
		c.Over = nil
	}
	if len(c.Pending) == 0 {
		c.Pending = nil
	}
	return c
}

// below says whether all that stands lies at or below the floor.
func (c Cell) below(floor []Pos) bool {
	return !slices.ContainsFunc(c.Writes, func(w Write) bool { return !Covers(floor, w.Pos()) })
}

// forgotten says whether an element of a set is out of it, and everyone knows.
func (c Cell) forgotten(floor []Pos) bool {
	return !present(c.Writes) && len(c.Over) == 0 && len(c.Pending) == 0 && c.below(floor)
}

// Late says whether an operation on a record that isn't here comes too late: the
// record was made at or below the floor, so that it was deleted and forgotten. It
// creates nothing, and is shown to a person. Only a device that has acknowledged
// the floor may judge.
func (e *Entry) Late(i int, floor []Pos) bool {
	op := &e.Ops[i]
	if op.Record.ByKey() {
		return op.Made.Seq > 0 && Covers(floor, op.Made)
	}
	made := op.Record.Dot
	return Covers(floor, Pos{made.Log, made.Seq})
}
