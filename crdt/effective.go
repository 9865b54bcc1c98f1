package crdt

import "cmp"

// MaxClaimAhead is how far past the newest checkpoint a claim may lie before it
// is witnessed, in milliseconds. One that lies further sorts last.
const MaxClaimAhead = 400 * 24 * 60 * 60 * 1000

// MaxClaimBehind is how far before the first checkpoint a claim that cites none may
// lie, in milliseconds: an office may have worked that long before there was a hub.
const MaxClaimBehind = 400 * 24 * 60 * 60 * 1000

// Time is when a write was made, as far as the checkpoints tell: its clock's
// claim, held between the checkpoint that its entry cites and the witness.
type Time struct {
	At        Stamp // the effective time; 0 sorts last
	FromMS    int64 // time of the checkpoint cited, as far as that counts; 0: none
	UntilMS   int64 // when the hub committed it; 0: it hasn't yet
	Witnessed bool
	// Suspect says that the claim lay outside by more than MaxAhead, or cites nothing
	// and lies far before all that the hub has said: its clock was wrong, and no winner
	// should be taken from it unseen.
	Suspect bool
}

// Effective is the time of a write.
func (a *Authority) Effective(w Write) Time {
	if a == nil {
		return Time{At: w.Stamp}
	}
	t := Time{At: w.Stamp, FromMS: a.timeOf(a.cited(w.Pos(), w.Cite))}
	t.UntilMS, t.Witnessed = a.witness(w.Pos())
	if t.Witnessed {
		t.FromMS = min(t.FromMS, t.UntilMS)
	}
	claim, slack := w.Stamp.Millis(), MaxAhead.Milliseconds()
	switch {
	case t.Witnessed && claim > t.UntilMS:
		t.At, t.Suspect = StampAt(t.UntilMS), claim > t.UntilMS+slack
	case claim < t.FromMS:
		t.At, t.Suspect = StampAt(t.FromMS), claim < t.FromMS-slack
	case !t.Witnessed && len(a.chain) > 0 && claim > a.TimeMS+MaxClaimAhead:
		t.At, t.Suspect = 0, true
	case t.FromMS == 0 && claim < a.beginMS():
		t.Suspect = true
	}
	return t
}

// beginMS is before when no claim is believed that cites nothing.
func (a *Authority) beginMS() int64 {
	if len(a.chain) == 0 {
		return 0
	}
	return a.chain[0].TimeMS - MaxClaimBehind
}

// witness is when the hub committed an entry. Witnesses of a log are sorted by
// seq, each from where the one before it ends.
func (a *Authority) witness(p Pos) (int64, bool) {
	ws := a.witnesses[p.Log]
	lo, hi := 0, len(ws)
	for lo < hi {
		if mid := (lo + hi) / 2; ws[mid].Seq < p.Seq {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == len(ws) {
		return 0, false
	}
	return ws[lo].TimeMS, true
}

// newest orders by effective time, newest first, then the larger log, then the
// larger dot.
func newest(a, b Sibling) int {
	return cmp.Or(cmp.Compare(b.Time.At, a.Time.At), b.Dot.Compare(a.Dot))
}
