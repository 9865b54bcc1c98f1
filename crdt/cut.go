package crdt

import "slices"

// at is where the cut ends a log, and whether it lists it.
func (c Cut) at(l LogID) (seq uint64, listed bool) {
	i, ok := slices.BinarySearchFunc(c.Logs, l, func(p Pin, l LogID) int { return p.Log.Compare(l) })
	if !ok {
		return 0, false
	}
	return c.Logs[i].Seq, true
}

// past says whether the cut hides a write. What it means for one write depends on
// nothing but the two.
func (c Cut) past(w Write) bool {
	s := c.Subject
	switch s.Kind {
	case SubjectDevice:
		if w.Dot.Log.Device != s.Device {
			return false
		}
	case SubjectGrant:
		// An epoch before From is no way out: whoever wrote on past the cut may name any
		// that is past, and what they wrote then is listed.
		if w.Officer != s.Officer || s.Until > 0 && w.Epoch >= s.Until {
			return false
		}
	default:
		if w.Officer != s.Officer {
			return false
		}
	}
	seq, _ := c.at(w.Dot.Log)
	return w.Dot.Seq > seq
}

// cutAway says whether a device's cut ends the log before p, and p was not
// adopted: nobody may rest on it.
func (a *Authority) cutAway(p Pos) bool {
	if a == nil {
		return false
	}
	for _, c := range a.cuts {
		if c.Subject.Kind != SubjectDevice || c.Subject.Device != p.Log.Device {
			continue
		}
		if seq, _ := c.at(p.Log); p.Seq > seq {
			return a.adopted[p] == 0
		}
	}
	return false
}

// upTo holds a position to what its device's cut leaves: to the cut, or to what of
// the rest was adopted.
func (a *Authority) upTo(p Pos) Pos {
	if !a.cutAway(p) {
		return p
	}
	seq, _ := a.Cut(p.Log)
	for at, dots := range a.adopted {
		if at.Log == p.Log && at.Seq < p.Seq && dots > 0 {
			seq = max(seq, at.Seq)
		}
	}
	return Pos{p.Log, seq}
}

// counts is what of a write's claims holds. None rests on what was cut away: who
// had seen that had seen what lies below the cut.
func (a *Authority) counts(over []Pos) []Pos {
	var counts []Pos
	for _, p := range over {
		if p = a.upTo(p); p.Seq > 0 {
			counts = union(counts, []Pos{p})
		}
	}
	return counts
}

// ended says whether a claim can't be judged by all any more: what it names, or what
// it means by that, was cut away, and may never come. What it names below the cut is
// not the future, and counts.
func (a *Authority) ended(c Claim) bool {
	return a.cutAway(Pos{c.Over.Log, max(c.Over.Seq, c.Pin.Seq)})
}

// Cut gives the position past which a log's entries stay outside the heads, if
// its device was cut.
func (a *Authority) Cut(l LogID) (seq uint64, cut bool) {
	if a == nil {
		return 0, false
	}
	for _, c := range a.cuts {
		if c.Subject.Kind == SubjectDevice && c.Subject.Device == l.Device {
			at, _ := c.at(l)
			if !cut || at < seq {
				seq, cut = at, true
			}
		}
	}
	return seq, cut
}

// Why says why a write isn't shown.
type Why uint8

// The reasons.
const (
	Visible    Why = iota
	CutDevice      // its device was cut before it
	CutOfficer     // its officer's key was
	CutGrant       // what allowed it was taken away
	RejectedBy     // the hub has rejected it
	BuiltOnOne     // it is built on a step that was rejected
)

// Hides says why a write isn't shown, by itself.
func (a *Authority) Hides(w Write) Why {
	if a == nil {
		return Visible
	}
	v := a.verdicts[w.Dot]
	if v.Ruling == Rejected {
		return RejectedBy
	}
	if v.Ruling == Adopted {
		return Visible
	}
	for _, c := range a.cuts {
		if c.past(w) {
			return [...]Why{CutDevice, CutOfficer, CutGrant}[c.Subject.Kind]
		}
	}
	return Visible
}
