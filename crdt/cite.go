package crdt

import (
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

// Complete gives the entry the pins that it left to the checkpoint which it cites,
// as far as the authority holds that checkpoint and it covers what is named.
func (a *Authority) Complete(e *Entry) {
	for _, p := range e.Named() {
		if e.pin(p.Log) != (Head{}) {
			continue
		}
		head, ok := a.HeadAt(p.Log, e.Cites)
		if !ok || head.Seq < p.Seq {
			continue
		}
		pin := Pin{Log: p.Log, Seq: head.Seq, Hash: head.Hash}
		i, _ := slices.BinarySearchFunc(e.Pins, p.Log, func(p Pin, l LogID) int { return p.Log.Compare(l) })
		e.Pins = slices.Insert(slices.Clone(e.Pins), i, pin)
	}
}

// Covered looks again at the claims that left the branch to a checkpoint, after
// one has come, and says whether anything counts now.
func (r *Record) Covered(a *Authority, held Held) bool {
	var logs []LogID
	r.each(func(c Cell) Cell {
		c.Pending = slices.Clone(c.Pending)
		for i, p := range c.Pending {
			head, ok := a.HeadAt(p.Over.Log, p.Cite)
			if p.Pin == (Head{}) && ok && head.Seq >= p.Over.Seq {
				c.Pending[i].Pin = head
				logs = append(logs, p.Over.Log)
			}
		}
		slices.SortFunc(c.Pending, compareClaims)
		return c
	})
	changed := false
	for _, l := range logs {
		changed = r.Arrived(l, held) || changed
	}
	return changed
}
