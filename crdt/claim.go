package crdt

import (
	"bytes"
	"cmp"
	"slices"
)

// Held gives the chain hash held of a log at a seq. Of an entry that was dropped
// below the floor, or that was everyone's before the claim on it (Authority.Past),
// it gives the zero Hash and true: there is nothing left to compare.
type Held func(log LogID, seq uint64) (Hash, bool)

// Claim is a supersession that can't be judged yet, because the log that it
// names isn't held as far as it says, or is held as another branch.
type Claim struct {
	By   Dot  // the operation that makes it
	Over Pos  // what it supersedes
	Pin  Head // what Over.Log must be for it to count; zero: the checkpoint cited says
	Cite Cite
}

// judge divides what an operation supersedes into what counts now and what
// waits. What a device says of its own log always counts: it is its past.
func (e *Entry) judge(i int, held Held) (counts []Pos, waits []Claim) {
	for _, p := range e.Ops[i].Over {
		claim := Claim{By: e.Dot(i), Over: p, Pin: e.pin(p.Log), Cite: e.Cites}
		if p.Log == e.Log || claim.holds(held) {
			counts = append(counts, p)
		} else {
			waits = append(waits, claim)
		}
	}
	return counts, waits
}

func (e *Entry) pin(l LogID) Head {
	i, ok := slices.BinarySearchFunc(e.Pins, l, func(p Pin, l LogID) int { return p.Log.Compare(l) })
	if !ok {
		return Head{}
	}
	return Head{Seq: e.Pins[i].Seq, Hash: e.Pins[i].Hash}
}

// holds says whether what is held of the log is what the claim means.
func (c Claim) holds(held Held) bool {
	hash, ok := held(c.Over.Log, max(c.Pin.Seq, c.Over.Seq))
	return ok && (hash == Hash{} || c.Pin.Seq > 0 && hash == c.Pin.Hash)
}

func compareClaims(a, b Claim) int {
	return cmp.Or(a.Over.Log.Compare(b.Over.Log), a.By.Compare(b.By), cmp.Compare(a.Over.Seq, b.Over.Seq),
		cmp.Compare(a.Pin.Seq, b.Pin.Seq), bytes.Compare(a.Pin.Hash[:], b.Pin.Hash[:]))
}

// Arrived looks again at what waits for a log, after more of it has come, and
// says whether anything counts now.
func (r *Record) Arrived(log LogID, held Held) bool {
	changed := false
	r.each(func(c Cell) Cell {
		now, counted := c.count(func(p Claim) bool { return p.Over.Log == log && p.holds(held) })
		changed = changed || counted
		return now
	})
	return changed
}

// count lets those claims count that holds says do, and says whether any does.
func (c Cell) count(holds func(Claim) bool) (Cell, bool) {
	var counts []Claim
	waits := slices.DeleteFunc(slices.Clone(c.Pending), func(p Claim) bool {
		if !holds(p) {
			return false
		}
		counts = append(counts, p)
		return true
	})
	if len(counts) == 0 {
		return c, false
	}
	c.Pending = waits
	c.Writes = slices.Clone(c.Writes)
	for _, p := range counts {
		over := []Pos{p.Over}
		c.Over = union(c.Over, over)
		for i := range c.Writes {
			if c.Writes[i].Dot == p.By {
				c.Writes[i].Over = union(c.Writes[i].Over, over)
			}
		}
	}
	return c.settle(), true
}
