package crdt

import (
	"cmp"
	"slices"
)

// What an entry says of everyone's past counts, right or wrong: it could have said
// it rightly, and where that past was dropped nobody can tell. But an entry that was
// everyone's no later than what it names was judged by all while they held both:
// what it said wrongly of its own future never counts.

// Past is held for what an entry at p says: of what the floor had passed when it
// hadn't passed the entry yet, all counts.
func (a *Authority) Past(p Pos, held Held) Held {
	if a == nil {
		return held
	}
	return func(log LogID, seq uint64) (Hash, bool) {
		if a.passed(Pos{log, seq}, p) {
			return Hash{}, true
		}
		return held(log, seq)
	}
}

// passed says whether the floor has passed p before it passed by, in the chain or in
// what is void by now: more checkpoints don't make that untrue.
func (a *Authority) passed(p, by Pos) bool {
	if a == nil {
		return false
	}
	at, ok := floored(a.floors, p)
	from, also := floored(a.floors, by)
	if ok && (!also || at.Compare(from) < 0) {
		return true
	}
	return slices.ContainsFunc(a.void, func(l *link) bool {
		return len(l.Floor) > 0 && a.flooredBy(l, p) && !a.flooredBy(l, by)
	})
}

// floored is the checkpoint by which the floor of the chain has passed a position.
func floored(floors map[LogID][]cover, p Pos) (Cite, bool) {
	steps := floors[p.Log]
	i, _ := slices.BinarySearchFunc(steps, p.Seq, func(c cover, seq uint64) int { return cmp.Compare(c.seq, seq) })
	if i == len(steps) {
		return Cite{}, false
	}
	return steps[i].at, true
}

// flooredBy says whether the floor had passed a position at a checkpoint, void or not.
func (a *Authority) flooredBy(l *link, p Pos) bool {
	for ; l != nil && !a.leads(l); l = l.prev {
		if Covers(l.Floor, p) {
			return true
		}
	}
	at, ok := floored(a.floors, p)
	return l != nil && ok && at.Compare(l.At) <= 0
}

// Covered looks again, after a checkpoint has come, at the claims that left the
// branch to one, and at those on what the floor has passed, and says whether
// anything counts now.
func (r *Record) Covered(a *Authority, held Held) bool {
	changed := false
	r.each(func(c Cell) Cell {
		if len(c.Pending) == 0 {
			return c
		}
		c.Pending = slices.Clone(c.Pending)
		for i, p := range c.Pending {
			head, ok := a.headAt(p.Over.Log, a.pinning(Pos{p.By.Log, p.By.Seq}, p.Cite))
			if p.Pin == (Head{}) && ok && head.Seq >= p.Over.Seq {
				c.Pending[i].Pin = head
			}
		}
		slices.SortFunc(c.Pending, compareClaims)
		now, counted := c.count(func(p Claim) bool { return p.holds(a.Past(Pos{p.By.Log, p.By.Seq}, held)) })
		changed = changed || counted
		return now
	})
	return changed
}
