package crdt

import "slices"

// Widen gives the operations that an order of erasure has to take for nothing that is
// hidden to come back, those that it names among them, sorted. entries are all that
// are held of the records concerned, under their names of today.
//
// An assign without its payload still replaces what it did. An operation of a set
// without its payload does nothing, as its element isn't known any more: so what it
// replaced of that element goes with it. Missing is what it replaced and isn't held:
// once that comes, the order has to be widened again.
func (a *Authority) Widen(entries []*Entry, order []Dot, held Held) (all []Dot, missing []Pos) {
	type element struct {
		cell cellName
		over []Pos
	}
	elements := map[Dot]element{}
	for _, e := range entries {
		own := *e
		a.Complete(&own)
		for i := range own.Ops {
			op := &own.Ops[i]
			if op.Kind != Set || op.Erased != (Hash{}) {
				continue
			}
			counts, waits := own.judge(i, a.Past(own.Pos(), held))
			elements[own.Dot(i)] = element{cellName{op.Record.ID(), op.Field, string(op.Elem)}, counts}
			for _, claim := range waits {
				if _, ok := held(claim.Over.Log, claim.Over.Seq); !ok && slices.Contains(order, own.Dot(i)) {
					missing = union(missing, []Pos{claim.Over})
				}
			}
		}
	}
	all = slices.Clone(order)
	taken := map[Dot]bool{}
	for i := 0; i < len(all); i++ {
		by, set := elements[all[i]]
		if taken[all[i]] = true; !set {
			continue
		}
		for dot, x := range elements {
			if x.cell == by.cell && Covers(by.over, Pos{dot.Log, dot.Seq}) && !taken[dot] {
				all = append(all, dot)
			}
		}
	}
	slices.SortFunc(all, Dot.Compare)
	return slices.Compact(all), missing
}
