package crdt

import "slices"

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
	// Cited is the checkpoint itself: what entries that cite it say counts from now on.
	Cited Cite
	// Heads are the logs of which the hub has said more: forks may be decided, and
	// claims that leave the branch to a checkpoint may count.
	Heads []LogID
}

// Range is the entries of a log from From to To.
type Range struct {
	Log  LogID
	From uint64
	To   uint64
}

// end is the To of a range without end.
const end = 1<<64 - 1

// Reach is what applying a checkpoint may change. It is asked for before Apply.
func (a *Authority) Reach(c *Checkpoint) Reach {
	var r Reach
	if _, held := a.find(c.At); held {
		return r
	}
	r.Cited = c.At
	for _, h := range c.Heads {
		if from := a.coveredTo(h.Log) + 1; from <= h.Seq {
			r.Writes = append(r.Writes, Range{h.Log, from, h.Seq})
		}
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
	for _, h := range c.Heads {
		r.Heads = append(r.Heads, h.Log)
	}
	switch {
	case len(a.chain) == 0: // from now on there is something to be ahead of
		r.UnwitnessedMS = [2]int64{c.TimeMS + MaxClaimAhead, maxMillis}
	case c.TimeMS > a.TimeMS:
		r.UnwitnessedMS = [2]int64{a.TimeMS + MaxClaimAhead, c.TimeMS + MaxClaimAhead}
	}
	return r
}

// Cell says whether a cell may read differently. It may say yes too often: a cut of
// an officer reaches every cell that was ever overwritten.
func (r Reach) Cell(c Cell) bool {
	return slices.ContainsFunc(c.Writes, r.write) || slices.ContainsFunc(c.Over, r.past) ||
		slices.ContainsFunc(c.Pending, func(p Claim) bool { return r.past(Pos{p.Over.Log, max(p.Over.Seq, p.Pin.Seq)}) })
}

// Reading says it of what a cell reads before: where something is hidden, that may
// be writes of the past, of which the cell keeps only places.
func (r Reach) Reading(before Reading) bool {
	return slices.ContainsFunc(before.Siblings, func(s Sibling) bool { return r.write(s.Write) }) ||
		slices.ContainsFunc(before.Hidden, func(h Hidden) bool { return r.write(h.Write) })
}

func (r Reach) write(w Write) bool {
	claim := w.Stamp.Millis()
	return w.Cite != (Cite{}) && w.Cite == r.Cited || claim > r.UnwitnessedMS[0] && claim <= r.UnwitnessedMS[1] ||
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
