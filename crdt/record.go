package crdt

import (
	"bytes"
	"cmp"
	"slices"
)

// Write is an assign that stands in a cell.
type Write struct {
	Dot     Dot
	Stamp   Stamp
	Officer string
	Value   []byte // canonical CBOR
}

// Cell is one field of one record. Its state is a function of the set of
// operations applied, not of their order.
type Cell struct {
	// Writes are those that no write has superseded, in the order in which a
	// reader of policy `lww` prefers them: newest stamp first, then the larger
	// log id, then the larger dot. Writes[0] is what is shown.
	Writes []Write
	// Over is the union of what the cell's writes supersede: one (log, highest
	// seq) per log, sorted by log. A write at or below it is superseded,
	// whether it arrived before or comes later.
	Over []Pos
}

// Record is a map of cells. A cell that was never written isn't there.
type Record struct {
	Ref        Ref
	Scope      Scope
	Collection string
	Cells      map[uint32]Cell
}

// NewRecord is a record of which nothing is known yet.
func NewRecord(scope Scope, collection string, ref Ref) *Record {
	return &Record{Ref: ref, Scope: scope, Collection: collection, Cells: map[uint32]Cell{}}
}

// Clone is a copy whose cells can be changed without changing r's. Values are
// shared: nothing changes a value in place.
func (r *Record) Clone() *Record {
	c := *r
	c.Cells = make(map[uint32]Cell, len(r.Cells))
	for f, cell := range r.Cells {
		c.Cells[f] = Cell{Writes: slices.Clone(cell.Writes), Over: slices.Clone(cell.Over)}
	}
	return &c
}

// Exists says whether the record has been created. A record some of whose
// writes arrived before its creation did is kept and not shown.
func (r *Record) Exists() bool { return len(r.Cells[FieldExistence].Writes) > 0 }

// Apply merges the entry's i-th operation into the record. Applying one twice
// changes nothing.
func (r *Record) Apply(e *Entry, i int) {
	op := &e.Ops[i]
	r.Cells[op.Field] = r.Cells[op.Field].assign(Write{
		Dot: e.Dot(i), Stamp: e.Stamp, Officer: e.Officer, Value: op.Value,
	}, op.Over)
}

func (c Cell) assign(w Write, over []Pos) Cell {
	merged := Cell{Over: union(c.Over, over)}
	for _, old := range c.Writes {
		if !covers(merged.Over, old.Dot) && old.Dot != w.Dot {
			merged.Writes = append(merged.Writes, old)
		}
	}
	if !covers(merged.Over, w.Dot) {
		merged.Writes = append(merged.Writes, w)
	}
	slices.SortFunc(merged.Writes, preferred)
	return merged
}

// preferred is the order of policy `lww`: the larger stamp, then the larger log
// id, first. There is no checkpoint yet, so the claimed time is the effective one.
func preferred(a, b Write) int {
	return cmp.Or(cmp.Compare(b.Stamp, a.Stamp), b.Dot.Compare(a.Dot))
}

// Known is what a writer who has seen all of the cell supersedes: everything
// already superseded, and the writes that stand.
func (c Cell) Known() []Pos {
	known := c.Over
	for _, w := range c.Writes {
		known = union(known, []Pos{{w.Dot.Log, w.Dot.Seq}})
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
	for _, c := range r.Cells {
		known = union(known, c.Known())
	}
	return known
}

// Limit is the part of known that a reader who had seen only seen could know.
func Limit(known, seen []Pos) []Pos {
	var out []Pos
	for _, k := range known {
		if i, ok := find(seen, k.Log); ok {
			out = append(out, Pos{k.Log, min(k.Seq, seen[i].Seq)})
		}
	}
	return out
}

func find(ps []Pos, l LogID) (int, bool) {
	return slices.BinarySearchFunc(ps, l, func(p Pos, l LogID) int { return p.Log.Compare(l) })
}

func covers(over []Pos, d Dot) bool {
	i, ok := find(over, d.Log)
	return ok && over[i].Seq >= d.Seq
}

// union is the larger seq per log of a and b, sorted by log.
func union(a, b []Pos) []Pos {
	out := slices.Clone(a)
	for _, p := range b {
		switch i, ok := find(out, p.Log); {
		case !ok:
			out = slices.Insert(out, i, p)
		case out[i].Seq < p.Seq:
			out[i].Seq = p.Seq
		}
	}
	return out
}
