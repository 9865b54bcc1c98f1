package crdt

import (
	"maps"
	"slices"
)

// Reach is what may read differently once a checkpoint is applied: where a store
// has to look, to read records before and after and tell the views of those that
// have changed.
type Reach struct {
	// Writes are the entries that are committed, witnessed, cut or ruled on.
	Writes []Range
	// Subjects are those whose cut reaches any log that Writes doesn't name too.
	Subjects []Subject
	// UnwitnessedMS are the claims that were too far ahead before, and are no
	// longer, or, at the first checkpoint, are now: past the first, up to the second.
	UnwitnessedMS [2]int64
	// BeforeMS is before when claims that cite nothing are suspect from now on, or no
	// longer; 0: nothing changes.
	BeforeMS int64
	// Cited are the checkpoint itself, and those that go void or hold again with it:
	// what entries that cite them say counts otherwise from now on.
	Cited []Cite
	// Heads are the logs of which the hub has said more: forks may be decided, and
	// claims that leave the branch to a checkpoint, or that the floor passes, may count.
	Heads []LogID
	// Voids says that checkpoints which are held go void, or hold again: a store that
	// keeps no index of all the above looks at every record, and Forks are settled anew.
	Voids bool
}

// Range is the entries of a log from From to To.
type Range struct {
	Log  LogID
	From uint64
	To   uint64
}

// end is the To of a range without end.
const end = 1<<64 - 1

// Reach is what applying a checkpoint may change. It is asked for before Apply. Of
// one that is held, or that Apply refuses, it is nothing.
func (a *Authority) Reach(c *Checkpoint) Reach {
	if a.said(c.At) != nil {
		return Reach{}
	}
	prev, err := a.follows(c)
	if err != nil {
		return Reach{}
	}
	now := &link{Checkpoint: c, prev: prev}
	if len(a.chain) > 0 && c.At.Compare(a.Newest) < 0 {
		return Reach{Heads: now.named()} // void from the start
	}
	parts := prev
	for parts != nil && !a.leads(parts) {
		parts = parts.prev
	}
	var r Reach
	if parts == a.newest() {
		r = a.reach(c)
	} else {
		r = a.when(parts).along(a.newest(), parts)
		r.join(a.when(parts).along(now, parts))
		r.Voids = true
	}
	r.times(a, now)
	return r
}

// named is the logs whose heads a checkpoint stands for.
func (l *link) named() []LogID {
	named := map[LogID]bool{}
	for _, p := range l.Floor {
		named[p.Log] = true
	}
	for at := l; at != nil && at.At.Epoch == l.At.Epoch; at = at.prev {
		for _, h := range at.Heads {
			named[h.Log] = true
		}
	}
	return slices.SortedFunc(maps.Keys(named), LogID.Compare)
}

// along is what the checkpoints past one and up to another change; a is what was
// said up to the first, and is spent.
func (a *Authority) along(to, from *link) (r Reach) {
	var path []*link
	for ; to != from; to = to.prev {
		path = append(path, to)
	}
	for _, l := range slices.Backward(path) {
		r.join(a.reach(l.Checkpoint))
		a.take(l)
	}
	return r
}

func (r *Reach) join(s Reach) {
	r.Writes, r.Subjects = append(r.Writes, s.Writes...), append(r.Subjects, s.Subjects...)
	r.Cited, r.Heads = append(r.Cited, s.Cited...), append(r.Heads, s.Heads...)
}

// times is what the time of a checkpoint changes.
func (r *Reach) times(a *Authority, now *link) {
	first := now
	for first.prev != nil {
		first = first.prev
	}
	switch {
	case len(a.chain) == 0: // from now on there is something to be ahead of
		r.UnwitnessedMS = [2]int64{now.TimeMS + MaxClaimAhead, maxMillis}
		r.BeforeMS = first.TimeMS - MaxClaimBehind
	case now.TimeMS != a.TimeMS:
		r.UnwitnessedMS = [2]int64{min(a.TimeMS, now.TimeMS) + MaxClaimAhead, max(a.TimeMS, now.TimeMS) + MaxClaimAhead}
	}
	if len(a.chain) > 0 && first.TimeMS != a.chain[0].TimeMS {
		r.BeforeMS = max(first.TimeMS, a.chain[0].TimeMS) - MaxClaimBehind
	}
}

// reach is what a checkpoint that follows the newest changes, but for its time.
func (a *Authority) reach(c *Checkpoint) Reach {
	r := Reach{Cited: []Cite{c.At}}
	for _, h := range c.Heads {
		if from := a.coveredTo(h.Log) + 1; from <= h.Seq {
			r.Writes = append(r.Writes, Range{h.Log, from, h.Seq})
		}
		r.Heads = append(r.Heads, h.Log)
	}
	for _, p := range c.Floor {
		r.Heads = append(r.Heads, p.Log)
	}
	for _, w := range c.Witnesses {
		r.Writes = append(r.Writes, Range{w.Log, lastWitness(a.witnesses[w.Log]).Seq + 1, w.Seq})
	}
	for _, cut := range c.Cuts {
		for _, p := range cut.Logs {
			r.Writes = append(r.Writes, Range{p.Log, p.Seq + 1, end})
		}
		r.Subjects = append(r.Subjects, cut.Subject)
	}
	for _, v := range c.Verdicts {
		to := v.Dot.Seq
		if v.Ruling != Confirmed {
			to = end // what is built on it falls, or rises, with it
		}
		r.Writes = append(r.Writes, Range{v.Dot.Log, v.Dot.Seq, to})
	}
	return r
}

// Cell says whether a cell may read differently. It may say yes too often: a cut of
// an officer reaches every cell that was ever overwritten.
func (r Reach) Cell(c Cell) bool {
	return slices.ContainsFunc(c.Writes, r.write) || slices.ContainsFunc(c.Over, r.past) ||
		slices.ContainsFunc(c.Pending, func(p Claim) bool {
			return slices.Contains(r.Cited, p.Cite) || slices.Contains(r.Heads, p.Over.Log) || r.past(Pos{p.Over.Log, max(p.Over.Seq, p.Pin.Seq)})
		})
}

// Reading says it of what a cell reads before: where something is hidden, that may
// be writes of the past, of which the cell keeps only places.
func (r Reach) Reading(before Reading) bool {
	return slices.ContainsFunc(before.Siblings, func(s Sibling) bool { return r.write(s.Write) }) ||
		slices.ContainsFunc(before.Hidden, func(h Hidden) bool { return r.write(h.Write) })
}

func (r Reach) write(w Write) bool {
	claim := w.Stamp.Millis()
	return slices.Contains(r.Cited, w.Cite) || claim > r.UnwitnessedMS[0] && claim <= r.UnwitnessedMS[1] ||
		claim < r.BeforeMS ||
		slices.ContainsFunc(r.Writes, func(in Range) bool {
			return in.Log == w.Dot.Log && in.From <= w.Dot.Seq && w.Dot.Seq <= in.To
		}) ||
		slices.ContainsFunc(r.Subjects, func(s Subject) bool { return (Cut{Subject: s}).past(w) })
}

// past says whether any entry of a prefix may be within reach.
func (r Reach) past(p Pos) bool {
	return slices.ContainsFunc(r.Writes, func(in Range) bool { return in.Log == p.Log && in.From <= p.Seq }) ||
		slices.ContainsFunc(r.Subjects, func(s Subject) bool {
			return s.Kind != SubjectDevice || s.Device == p.Log.Device
		})
}

// Differs says whether two readings of one cell show different things: another
// value, another set of siblings, or another need for a person.
func (r Reading) Differs(s Reading) bool {
	return r.Conflict != s.Conflict || r.Review != s.Review || r.Provisional != s.Provisional ||
		!slices.EqualFunc(r.Siblings, s.Siblings, func(a, b Sibling) bool {
			return a.Dot == b.Dot && a.Time.Suspect == b.Time.Suspect && a.Rests == b.Rests
		})
}
