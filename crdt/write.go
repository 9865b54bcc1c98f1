package crdt

import (
	"cmp"
	"slices"
)

// What a device writes: operations that list what was seen, and the pins that
// say of which branch.

// Seen is the part of Known that a reader who had seen only seen could know: a nil
// seen is everything. Where a log has written to the cell since, it goes as far as
// was seen, which need not be the place of a write of this cell.
func (c Cell) Seen(seen []Pos) []Pos {
	if seen == nil {
		return c.Known()
	}
	var known []Pos
	for _, k := range c.Known() {
		if seq := min(k.Seq, seqOf(seen, k.Log)); seq > 0 {
			known = append(known, Pos{k.Log, seq})
		}
	}
	return known
}

// Assign makes the operation that gives a field a value, by someone who had seen
// only seen of the record; nil is everything.
func (r *Record) Assign(field uint32, value []byte, seen []Pos) Op {
	return Op{
		Collection: r.Collection, Record: r.Ref, Field: field, Value: value,
		Over: fit(r.Cells[field].Seen(seen), r.Cells[field].Writes), Made: r.made(),
	}
}

// Put makes the operation that puts an element into a set, or takes it out.
func (r *Record) Put(field uint32, elem []byte, present bool, seen []Pos) Op {
	cell := r.Sets[field][string(elem)]
	return Op{
		Collection: r.Collection, Record: r.Ref, Field: field, Kind: Set, Elem: elem, Value: boolean(present),
		Over: fit(cell.Seen(seen), cell.Writes), Made: r.made(),
	}
}

// Create makes the operation that creates the record, or restores it: it
// supersedes the deletions that were seen.
func (r *Record) Create(seen []Pos) Op {
	return Op{
		Collection: r.Collection, Record: r.Ref, Field: FieldExistence, Value: boolean(true),
		Over: fit(r.Cells[FieldExistence].Seen(seen), r.Cells[FieldExistence].Writes),
	}
}

// Delete makes the operation that deletes the record. It lists all that was seen
// of it, so that what was not seen can be told: "edited after deletion".
func (r *Record) Delete(seen []Pos) Op {
	var over []Pos
	var standing []Write
	r.all(func(c Cell) { over, standing = union(over, c.Seen(seen)), append(standing, c.Writes...) })
	return Op{
		Collection: r.Collection, Record: r.Ref, Field: FieldExistence, Value: boolean(false),
		Over: fit(over, standing), Made: r.made(),
	}
}

// fit cuts what an operation supersedes down to MaxOver logs, so that no device can
// freeze a cell by writing it under many incarnations: first goes what stands, the
// newest claims before others, and last what was superseded before. A write that is
// left out stays beside the new one, for all to see, and the next Save takes it.
func fit(over []Pos, standing []Write) []Pos {
	if len(over) <= MaxOver {
		return over
	}
	newest := map[LogID]Stamp{}
	for _, w := range standing {
		newest[w.Dot.Log] = max(newest[w.Dot.Log], w.Stamp, 1)
	}
	over = slices.Clone(over)
	slices.SortStableFunc(over, func(a, b Pos) int { return cmp.Compare(newest[b.Log], newest[a.Log]) })
	over = over[:MaxOver]
	slices.SortFunc(over, func(a, b Pos) int { return a.Log.Compare(b.Log) })
	return over
}

// made is a write of the existence of a record that is named by a key: the newest
// creation, or else what stands.
func (r *Record) made() Pos {
	writes := r.Cells[FieldExistence].Writes
	if !r.Ref.ByKey() || len(writes) == 0 {
		return Pos{}
	}
	if i := slices.IndexFunc(writes, func(w Write) bool { return present([]Write{w}) }); i >= 0 {
		return writes[i].Pos()
	}
	return writes[0].Pos()
}

func boolean(b bool) []byte {
	if b {
		return []byte{True}
	}
	return []byte{False}
}

// PinsOf gives the pins that an entry must carry: for each foreign log that it
// names, what is held of it there. A log whose entries were dropped below the
// floor gets none: the checkpoint that the entry cites covers it.
func (e *Entry) PinsOf(held Held) []Pin {
	var pins []Pin
	for _, p := range e.Named() {
		if hash, ok := held(p.Log, p.Seq); ok && hash != (Hash{}) {
			pins = append(pins, Pin{Log: p.Log, Seq: p.Seq, Hash: hash})
		}
	}
	return pins
}
