package crdt

import (
	"bytes"
	"cmp"
	"slices"
)

// Write is a write that stands in a cell.
type Write struct {
	Dot     Dot
	Stamp   Stamp  // what its device's clock claimed
	Officer string // who was signed in
	Epoch   uint64 // the authority epoch that its entry names
	Cite    Cite   // the checkpoint that its device held; zero: none
	// Over is what it replaced, as far as that counts: one (log, highest seq) per
	// log. What it was, the history tells: the newest write of this cell (of this
	// record, in a delete) at or below each.
	Over  []Pos
	Value []byte // canonical CBOR; empty where the payload was erased
}

// Pos is the place of the write's entry.
func (w Write) Pos() Pos { return Pos{Log: w.Dot.Log, Seq: w.Dot.Seq} }

// Cell is one field of one record, or one element of a set. Its state is a
// function of the set of operations applied and of what is held, not of the
// order of arrival.
type Cell struct {
	// Writes are those that no write has superseded: newest claim first, then the
	// larger dot. What is shown of them, a Reader says.
	Writes []Write
	// Over is the union of what the cell's writes supersede: one (log, highest
	// seq) per log, sorted by log. A write at or below it is superseded,
	// whether it arrived before or comes later.
	Over []Pos
	// Pending are the supersessions that wait for what they name, sorted.
	Pending []Claim
}

// Record is a map of cells. A cell that was never written isn't there.
type Record struct {
	Ref        Ref
	Scope      Scope
	Collection string
	Cells      map[uint32]Cell            // fields of kind Assign
	Sets       map[uint32]map[string]Cell // fields of kind Set: by element
}

// NewRecord is a record of which nothing is known yet.
func NewRecord(scope Scope, collection string, ref Ref) *Record {
	return &Record{
		Ref: ref, Scope: scope, Collection: collection,
		Cells: map[uint32]Cell{}, Sets: map[uint32]map[string]Cell{},
	}
}

// Clone is a copy whose cells can be changed without changing r's. Values are
// shared: nothing changes a value, or what a write replaced, in place.
func (r *Record) Clone() *Record {
	c := NewRecord(r.Scope, r.Collection, r.Ref)
	for f, cell := range r.Cells {
		c.Cells[f] = cell.clone()
	}
	for f, set := range r.Sets {
		c.Sets[f] = make(map[string]Cell, len(set))
		for elem, cell := range set {
			c.Sets[f][elem] = cell.clone()
		}
	}
	return c
}

func (c Cell) clone() Cell {
	return Cell{Writes: slices.Clone(c.Writes), Over: slices.Clone(c.Over), Pending: slices.Clone(c.Pending)}
}

// each replaces every cell of the record.
func (r *Record) each(f func(Cell) Cell) {
	for field, cell := range r.Cells {
		r.Cells[field] = f(cell)
	}
	for _, set := range r.Sets {
		for elem, cell := range set {
			set[elem] = f(cell)
		}
	}
}

// all calls f with every cell of the record.
func (r *Record) all(f func(Cell)) {
	r.each(func(c Cell) Cell {
		f(c)
		return c
	})
}

// Apply merges the entry's i-th operation into the record. Applying one twice
// changes nothing, and of one whose payload was erased the whole form stays: where
// an act of erasure takes it away, the caller does, of what is held and of what
// comes. The entry's names are those of Forks.Resolve, what it
// cites is filled in from the entries before it (Entry.Citing), and held is that of
// Authority.Past.
func (r *Record) Apply(e *Entry, i int, held Held) {
	op := &e.Ops[i]
	if op.Kind == Assign {
		w, waits := e.write(i, held)
		r.Cells[op.Field] = r.Cells[op.Field].apply(w, waits)
		return
	}
	if op.Erased != (Hash{}) {
		return // an erasure takes all that was said of an element, so nothing is left to supersede
	}
	if r.Sets[op.Field] == nil {
		r.Sets[op.Field] = map[string]Cell{}
	}
	w, waits := e.write(i, held)
	set := r.Sets[op.Field]
	set[string(op.Elem)] = set[string(op.Elem)].apply(w, waits)
}

// write is the entry's i-th operation as a write, and what of its supersessions
// has to wait.
func (e *Entry) write(i int, held Held) (Write, []Claim) {
	counts, waits := e.judge(i, held)
	return Write{
		Dot: e.Dot(i), Stamp: e.Stamp, Officer: e.Officer, Epoch: e.Epoch, Cite: e.Cites, Over: counts, Value: e.Ops[i].Value,
	}, waits
}

func (c Cell) apply(w Write, waits []Claim) Cell {
	merged := Cell{Over: union(c.Over, w.Over), Pending: c.Pending, Writes: slices.Clone(c.Writes)}
	if len(waits) > 0 {
		merged.Pending = slices.Concat(c.Pending, waits)
		slices.SortFunc(merged.Pending, compareClaims)
		merged.Pending = slices.Compact(merged.Pending)
	}
	merged.Writes = slices.DeleteFunc(merged.Writes, func(old Write) bool {
		if old.Dot == w.Dot && len(w.Value) == 0 {
			w.Value = old.Value
		}
		return old.Dot == w.Dot
	})
	merged.Writes = append(merged.Writes, w)
	return merged.settle()
}

// settle takes away the writes that are superseded, and orders the rest.
func (c Cell) settle() Cell {
	c.Writes = slices.DeleteFunc(c.Writes, func(w Write) bool { return Covers(c.Over, w.Pos()) })
	slices.SortFunc(c.Writes, func(a, b Write) int {
		return cmp.Or(cmp.Compare(b.Stamp, a.Stamp), b.Dot.Compare(a.Dot))
	})
	return c
}

// Known is what a writer who has seen all of the cell supersedes: everything
// already superseded, and the writes that stand.
func (c Cell) Known() []Pos {
	known := c.Over
	for _, w := range c.Writes {
		known = union(known, []Pos{w.Pos()})
	}
	return known
}

// Conflict says whether writes with different values stand side by side.
func (c Cell) Conflict() bool {
	for _, w := range c.Writes {
		if !bytes.Equal(w.Value, c.Writes[0].Value) {
			return true
		}
	}
	return false
}

// Known is what a reader of the whole record has seen, per log.
func (r *Record) Known() []Pos {
	var known []Pos
	r.all(func(c Cell) { known = union(known, c.Known()) })
	return known
}

// Exists says whether the record has been created and not deleted: one standing
// creation is enough. A record some of whose writes arrived before its creation
// did is kept and not shown.
func (r *Record) Exists() bool { return present(r.Cells[FieldExistence].Writes) }

// present is add-wins: one write that says so is enough.
func present(ws []Write) bool {
	return slices.ContainsFunc(ws, func(w Write) bool { return bytes.Equal(w.Value, []byte{True}) })
}
