package crdt

import (
	"bytes"
	"slices"
)

// Reader reads cells: it says what is shown of them under the checkpoints that
// are held. What it says is a function of entries and checkpoints alone. The zero
// Reader has heard of no checkpoint and takes each claim as it is.
type Reader struct {
	Authority *Authority
	// Same says whether two values read as one (package normal); nil: as bytes.
	Same func(a, b []byte) bool
	// Compare orders values for Max and Min; nil: as bytes.
	Compare func(a, b []byte) int
	// Prior gives every write of the cell that is read which is still held, by
	// Authority.History. It is asked only where what stands doesn't tell: a write is hidden,
	// or the policy is Serial. Nil: nothing of the past is held.
	Prior func() []Write
	// Whole asks Prior of every cell that was ever overwritten, so that all that is
	// hidden is named: for the page of one record. What is shown is the same.
	Whole bool
	swept []Pos        // what deletions of the record took with them; In fills it in
	gone  func() []Pos // the same of all deletions whose entries are held; nil: none is
	waits []Claim      // of the cell that is read
}

// Reading is what a cell says.
type Reading struct {
	// Siblings are the writes that are visible, in the order of the policy: the
	// first is shown.
	Siblings    []Sibling
	Conflict    bool     // visible values differ
	Review      bool     // a person has to look
	Provisional bool     // the step that is shown isn't confirmed yet
	Hidden      []Hidden // what stands, or stood, and is hidden
	// Lost are places that something hidden has replaced and whose writes are no
	// longer held: what they were, the hub knows.
	Lost    []Pos
	Waiting []Claim // supersessions that can't be judged yet
}

// Sibling is one visible write.
type Sibling struct {
	Write
	Time        Time
	Provisional bool // under State: not confirmed
	// Rests says that it replaced a write that is hidden: one that was cut away with
	// its device, or, for a Reader that looks at the whole past, any.
	Rests bool
}

// Erased says that the payload was erased by law.
func (s Sibling) Erased() bool { return len(s.Value) == 0 }

// Hidden is a write that isn't shown, and why.
type Hidden struct {
	Write
	Why Why
}

// Shown is the value that is shown; nil where nothing is.
func (r Reading) Shown() []byte {
	if len(r.Siblings) == 0 {
		return nil
	}
	return r.Siblings[0].Value
}

// In gives the reader of a record's cells. prior gives the past of its existence
// cell, as Prior does; nil: nothing of it is held.
func (rd Reader) In(r *Record, prior func() []Write) Reader {
	made := rd
	made.Prior = prior
	visible, hidden, _ := made.visible(r.Cells[FieldExistence], LWW)
	visible = rd.counting(r.Cells[FieldExistence], visible)
	rd.swept, rd.gone = r.swept(visible, rd.seenOnce(r, hidden)), nil
	if prior != nil && r.Ref.ByKey() && len(hidden) == 0 {
		rd.gone = func() (gone []Pos) {
			for _, w := range prior() {
				gone = union(gone, w.Over)
			}
			return r.swept(visible, rd.Authority.counts(gone))
		}
	}
	return rd
}

// Cell reads a cell under a policy.
func (rd Reader) Cell(c Cell, p Policy) Reading {
	visible, hidden, lost := rd.visible(c, p)
	r := Reading{Hidden: hidden, Lost: lost}
	for _, claim := range c.Pending {
		if !rd.Authority.ended(claim) {
			r.Waiting = append(r.Waiting, claim)
		}
	}
	for _, w := range visible {
		r.Siblings = append(r.Siblings, Sibling{
			Write: w, Time: rd.Authority.Effective(w), Rests: rd.rests(w, c.Pending, hidden),
			Provisional: p == State && !rd.Authority.confirmed(w.Dot),
		})
	}
	rd.order(r.Siblings, p)
	r.Conflict = rd.differ(r.Siblings)
	r.Review = r.waits(p)
	r.Provisional = len(r.Siblings) > 0 && r.Siblings[0].Provisional
	return r
}

func (a *Authority) confirmed(d Dot) bool { return a != nil && a.verdicts[d].Ruling == Confirmed }

func (rd Reader) compare(a, b []byte) int {
	if rd.Compare == nil {
		return bytes.Compare(a, b)
	}
	return rd.Compare(a, b)
}

// differ says whether values stand side by side that don't read as one.
func (rd Reader) differ(sibs []Sibling) bool {
	same := rd.Same
	if same == nil {
		same = bytes.Equal
	}
	return slices.ContainsFunc(sibs, func(s Sibling) bool {
		return !s.Erased() && !same(s.Value, sibs[0].Value)
	})
}

// rests says whether a write has replaced one that is hidden, here or only where
// it was made. Where the past isn't always looked at, only what each reader can
// tell counts, so that all tell the same.
func (rd Reader) rests(w Write, waits []Claim, hidden []Hidden) bool {
	return rd.Whole && slices.ContainsFunc(hidden, func(h Hidden) bool { return Covers(w.Over, h.Pos()) }) ||
		slices.ContainsFunc(w.Over, rd.Authority.cutAway) ||
		slices.ContainsFunc(waits, func(c Claim) bool { return c.By == w.Dot && rd.Authority.cutAway(c.Over) })
}

// Set reads a set: the elements that are in it, sorted. Prior gives the past of
// an element; nil: nothing of it is held.
func (rd Reader) Set(set map[string]Cell, prior func(elem string) []Write) []string {
	var elems []string
	for elem, cell := range set {
		rd.Prior = nil
		if prior != nil {
			rd.Prior = func() []Write { return prior(elem) }
		}
		if rd.Present(cell) {
			elems = append(elems, elem)
		}
	}
	slices.Sort(elems)
	return elems
}

// Present reads an element of a set, or the existence of a record: add wins.
func (rd Reader) Present(c Cell) bool {
	visible, _, _ := rd.visible(c, LWW)
	return present(visible)
}

// Existence reads whether a record is. Prior gives the past of its cells: field,
// and element of a set. Nil: nothing of the past is held.
func (rd Reader) Existence(r *Record, prior func(field uint32, elem string) []Write) (is Existence, after []Write) {
	var hidden []Hidden
	at := func(field uint32, elem string, c Cell) (visible []Write) {
		rd.Prior = nil
		if prior != nil {
			rd.Prior = func() []Write { return prior(field, elem) }
		}
		visible, hidden, _ = rd.visible(c, LWW)
		return rd.counting(c, visible)
	}
	rd.swept = nil
	made := at(FieldExistence, "", r.Cells[FieldExistence])
	seen := rd.seenOnce(r, hidden)
	if present(made) {
		return Present, nil // the fields need not be read
	}
	var fields []Write
	for field, cell := range r.Cells {
		if field != FieldExistence {
			fields = append(fields, at(field, "", cell)...)
		}
	}
	for field, set := range r.Sets {
		for elem, cell := range set {
			fields = append(fields, at(field, elem, cell)...)
		}
	}
	slices.SortFunc(fields, func(a, b Write) int { return a.Dot.Compare(b.Dot) })
	return existence(made, fields, seen)
}
