package crdt

import "slices"

// Existence is what is known of whether a record is.
type Existence uint8

// What existence can be.
const (
	Unknown Existence = iota // nothing of its creation has arrived
	Present
	Deleted
	// EditedAfter is a record that was deleted by someone who hadn't seen writes
	// that stand in it. It stays hidden until a person restores or deletes it.
	EditedAfter
)

// existence judges what is visible of a record: the writes of its existence
// cell, and those of all other cells. seen is what deletions have seen beside
// those that stand.
func existence(made, fields []Write, seen []Pos) (is Existence, after []Write) {
	erased := func(w Write) bool { return len(w.Value) == 0 }
	if made = slices.DeleteFunc(slices.Clone(made), erased); len(made) == 0 {
		return Unknown, nil
	}
	if present(made) {
		return Present, nil
	}
	for _, w := range made {
		seen = union(seen, w.Over)
	}
	for _, w := range fields {
		same := func(d Write) bool { return d.Pos() == w.Pos() } // of one Save: it was known
		if !Covers(seen, w.Pos()) && !slices.ContainsFunc(made, same) {
			after = append(after, w)
		}
	}
	if len(after) > 0 {
		return EditedAfter, after
	}
	return Deleted, nil
}

// Existence judges by all that stands, whatever a checkpoint may hide. After
// lists the writes that the deletion had not seen.
func (r *Record) Existence() (is Existence, after []Write) {
	var fields []Write
	for field, cell := range r.Cells {
		if field != FieldExistence {
			fields = append(fields, cell.Writes...)
		}
	}
	for _, set := range r.Sets {
		for _, cell := range set {
			fields = append(fields, cell.Writes...)
		}
	}
	slices.SortFunc(fields, func(a, b Write) int { return a.Dot.Compare(b.Dot) })
	return existence(r.Cells[FieldExistence].Writes, fields, Reader{}.seenOnce(r, nil))
}
