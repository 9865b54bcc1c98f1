package crdt

import (
	"cmp"
	"fmt"
	"slices"
)

// Citing fills in what the entry cites: before is what the entry before it in its
// log did. Errors wrap ErrEntry: it goes back, which no device does.
func (e *Entry) Citing(before Cite) error {
	switch {
	case e.Cites == Cite{}:
		e.Cites = before
	case e.Cites.Compare(before) < 0:
		return fmt.Errorf("%w: it cites an older checkpoint than the entry before it", ErrEntry)
	}
	return nil
}

// cover notes that the hub holds a log up to seq, by the newest checkpoint.
func (a *Authority) cover(l LogID, seq uint64) {
	if seq > a.coveredTo(l) {
		a.covered[l] = append(a.covered[l], cover{at: a.Newest, seq: seq})
	}
}

// coveredTo is how far the hub has said that it holds, or held, a log.
func (a *Authority) coveredTo(l LogID) uint64 {
	if cs := a.covered[l]; len(cs) > 0 {
		return cs[len(cs)-1].seq
	}
	return 0
}

// cited is the checkpoint that an entry can have held, of what it says: none
// before what it says is held here, and none that covers the entry itself, as that
// was signed after it. A cite of the future counts, once the entry is covered, as
// the newest checkpoint before that. The zero Cite: none.
func (a *Authority) cited(p Pos, says Cite) Cite {
	if a == nil || says == (Cite{}) {
		return Cite{}
	}
	cs := a.covered[p.Log]
	i, _ := slices.BinarySearchFunc(cs, p.Seq, func(c cover, seq uint64) int { return cmp.Compare(c.seq, seq) })
	at, held := a.find(says)
	if i == len(cs) {
		if !held {
			return Cite{}
		}
		return says
	}
	if first, _ := a.find(cs[i].at); !held || at >= first {
		at = min(at, first) - 1
	}
	if at < 0 {
		return Cite{}
	}
	return a.chain[at].At
}

// timeOf is the time of a checkpoint that is held; 0 of any other.
func (a *Authority) timeOf(cite Cite) int64 {
	i, ok := a.find(cite)
	if !ok {
		return 0
	}
	return a.chain[i].TimeMS
}

// pinning is the checkpoint whose heads stand for what an entry leaves to the one
// that it cites: that one, void or not, or the last on the way to it that doesn't
// cover the entry itself. It never changes once what is cited is held, so that what
// counts by it counts in any order.
func (a *Authority) pinning(p Pos, says Cite) *link {
	if says == (Cite{}) {
		return nil
	}
	l := a.said(says)
	at := l
	for ; at != nil && !a.leads(at); at = at.prev {
		if at.covers(p) {
			l = at.prev
		}
	}
	if at == nil {
		return l
	}
	cs := a.covered[p.Log]
	i, _ := slices.BinarySearchFunc(cs, p.Seq, func(c cover, seq uint64) int { return cmp.Compare(c.seq, seq) })
	if i < len(cs) && cs[i].at.Compare(at.At) <= 0 {
		first, _ := a.find(cs[i].at)
		return a.chain[first].prev
	}
	return l
}

// Complete gives the entry the pins that it left to the checkpoint which it cites,
// as far as the authority holds that checkpoint and it covers what is named.
func (a *Authority) Complete(e *Entry) {
	cited := a.pinning(e.Pos(), e.Cites)
	for _, p := range e.Named() {
		if e.pin(p.Log) != (Head{}) {
			continue
		}
		head, ok := a.headAt(p.Log, cited)
		if !ok || head.Seq < p.Seq {
			continue
		}
		pin := Pin{Log: p.Log, Seq: head.Seq, Hash: head.Hash}
		i, _ := slices.BinarySearchFunc(e.Pins, p.Log, func(p Pin, l LogID) int { return p.Log.Compare(l) })
		e.Pins = slices.Insert(slices.Clone(e.Pins), i, pin)
	}
}
