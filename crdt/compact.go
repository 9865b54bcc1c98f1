package crdt

import (
	"maps"
	"slices"
)

// Compact forgets what the floor has passed: every counted device holds those
// entries, so nothing at or below it comes any more. It gives false where the
// whole record can be forgotten: it was deleted, nothing was written to it that
// the deletion hadn't seen, and all of it lies at or below the floor.
//
// The caller holds all that lies below the newest floor, and the heads that its
// checkpoint names: whatever a counted device wrote before it acknowledged the floor
// is among them, so that nothing of theirs is still to come that a deletion below the
// floor hadn't seen, or whose claims can't be compared any more.
func (r *Record) Compact(floor []Pos) (keep bool) {
	r.close(floor)
	was, _ := r.Existence()
	made := r.Cells[FieldExistence]
	r.each(func(c Cell) Cell { return c.compact(floor) })
	if r.Ref.ByKey() && !made.empty() {
		switch past := made.past(floor) && made.below(floor); {
		case past && was == Deleted:
			r.bury(floor)
		case !past:
			r.Cells[FieldExistence] = made // whole, as long as a restore may still be on its way
		}
	}
	for _, set := range r.Sets {
		maps.DeleteFunc(set, func(_ string, c Cell) bool { return c.forgotten(floor) })
	}
	maps.DeleteFunc(r.Sets, func(_ uint32, set map[string]Cell) bool { return len(set) == 0 })
	maps.DeleteFunc(r.Cells, func(_ uint32, c Cell) bool { return c.empty() })
	if is, _ := r.Existence(); is != Deleted {
		return len(r.Cells) > 0 || len(r.Sets) > 0
	}
	r.all(func(c Cell) {
		keep = keep || len(c.Over) > 0 || len(c.Pending) > 0 || !c.below(floor)
	})
	return keep
}

func (c Cell) compact(floor []Pos) Cell {
	c.Over = slices.DeleteFunc(slices.Clone(c.Over), func(p Pos) bool { return Covers(floor, p) })
	c.Pending = slices.DeleteFunc(slices.Clone(c.Pending), func(p Claim) bool {
		return Covers(floor, Pos{p.Over.Log, max(p.Over.Seq, p.Pin.Seq)}) // it is here, and is another branch
	})
	return c
}

// past says whether all that a cell has superseded lies at or below the floor.
func (c Cell) past(floor []Pos) bool { return len(c.Pending) == 0 && coversAll(floor, c.Over) }

func (c Cell) empty() bool { return len(c.Writes) == 0 && len(c.Over) == 0 && len(c.Pending) == 0 }

// below says whether all that stands lies at or below the floor.
func (c Cell) below(floor []Pos) bool {
	return !slices.ContainsFunc(c.Writes, func(w Write) bool { return !Covers(floor, w.Pos()) })
}

// forgotten says whether an element of a set is out of it, and everyone knows.
func (c Cell) forgotten(floor []Pos) bool {
	return !present(c.Writes) && len(c.Over) == 0 && len(c.Pending) == 0 && c.below(floor)
}

// swept gives what deletions took with them although the record is: someone made
// it by its natural key without having seen it (another import), and what they
// had not seen isn't theirs. A restore, which lists what it has seen, gives all
// of it back. made is what is visible of the existence, over what deletions have
// seen that don't stand any more.
func (r *Record) swept(made []Write, over []Pos) []Pos {
	if !r.Ref.ByKey() || !present(made) || slices.ContainsFunc(made, restores) {
		return nil
	}
	for _, w := range made {
		if !present([]Write{w}) {
			over = union(over, w.Over)
		}
	}
	return over
}

// close forgets deletions that everyone holds, and what they took with them, in a
// record that was made anew by its key: elsewhere it was forgotten before that.
func (r *Record) close(floor []Pos) {
	made := r.Cells[FieldExistence]
	old := func(w Write) bool {
		return !present([]Write{w}) && Covers(floor, w.Pos()) && coversAll(floor, w.Over)
	}
	anew := slices.DeleteFunc(slices.Clone(made.Writes), old)
	if !r.Ref.ByKey() || len(anew) == len(made.Writes) || !made.past(floor) || !present(anew) || slices.ContainsFunc(anew, restores) {
		return
	}
	gone := made.Over
	for _, w := range made.Writes {
		if !present([]Write{w}) && !Covers(floor, w.Pos()) {
			return // it may be rejected yet
		}
		if old(w) {
			gone = union(gone, w.Over)
		}
	}
	r.each(func(c Cell) Cell {
		c.Writes = slices.DeleteFunc(slices.Clone(c.Writes), func(w Write) bool { return Covers(gone, w.Pos()) })
		return c
	})
	made.Writes = anew
	r.Cells[FieldExistence] = made
}

// bury forgets what an earlier deletion took, in a record that was made anew by its
// key and deleted again by someone who knew nothing of that: once its place is
// forgotten, it would look like an edit that no deletion had seen.
func (r *Record) bury(floor []Pos) {
	var seen []Pos
	for _, w := range r.Cells[FieldExistence].Writes {
		seen = union(seen, w.Over)
	}
	for field, c := range r.Cells {
		if field != FieldExistence {
			r.Cells[field] = c.bury(floor, seen)
		}
	}
	for _, set := range r.Sets {
		for elem, c := range set {
			set[elem] = c.bury(floor, seen)
		}
	}
}

func (c Cell) bury(floor, seen []Pos) Cell {
	c.Writes = slices.DeleteFunc(slices.Clone(c.Writes), func(w Write) bool {
		return Covers(floor, w.Pos()) && !Covers(seen, w.Pos())
	})
	return c
}

// restores says whether a write of existence brings back what someone deleted.
func restores(w Write) bool { return present([]Write{w}) && len(w.Over) > 0 }

// Closed says whether a deleted record may have been forgotten elsewhere: all that
// is known of its existence lies at or below the floor. It can't be restored; its
// values can be saved as a new record.
func (r *Record) Closed(floor []Pos) bool {
	made := r.Cells[FieldExistence]
	return !present(made.Writes) && len(made.Writes) > 0 && made.below(floor)
}

// Late says whether an operation on a record that isn't here comes too late: the
// record was made at or below the floor, so that it was deleted and forgotten. It
// creates nothing, and is shown to a person. Only a device that has acknowledged
// the floor may judge.
func (e *Entry) Late(i int, floor []Pos) bool {
	op := &e.Ops[i]
	switch {
	case e.Makes(i):
		return false
	case op.Record.ByKey():
		return Covers(floor, op.Made)
	}
	return Covers(floor, Pos{op.Record.Dot.Log, op.Record.Dot.Seq})
}

// Makes says whether an operation is on a record that its own entry makes, or makes
// it by its key: so it needs nothing that came before.
func (e *Entry) Makes(i int) bool {
	op := &e.Ops[i]
	if op.Record.ByKey() {
		return op.Made.Seq == 0
	}
	return op.Record.Dot.Log == e.Log && op.Record.Dot.Seq == e.Seq
}
