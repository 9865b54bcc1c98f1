package reconcile

import (
	"maps"
	"slices"

	"github.com/vungxa/vungxa/crdt"
)

// takenUpTo notes that the peer has taken so many items.
func (s *Session) takenUpTo(done uint64) *Refusal {
	o := &s.out
	if done > o.count {
		return Refuse(Order, "%d items taken of %d", done, o.count)
	}
	o.acked = max(o.acked, done)
	n := 0
	for ; n < len(o.flight) && o.flight[n].ordinal <= done; n++ {
		s.peerTook(o.flight[n])
	}
	o.flight = o.flight[n:]
	return nil
}

func (s *Session) peerTook(it *item) {
	if it.row.Seq > s.out.given[it.row.Log].Seq {
		s.out.given[it.row.Log] = it.row.Known
	}
	it.onto(s.out.decidedSure)
	if r := it.receipt; r != nil && r.Signer == s.own.Device {
		s.lanes[r.Scope].sure = r
	}
}

// peerHolds notes that the peer says it has stored a log up to a head.
func (s *Session) peerHolds(log crdt.LogID, k Known) {
	if s.out.given[log].Seq < k.Seq {
		s.out.given[log] = k
	}
	if s.out.sent[log].Seq < k.Seq {
		s.out.sent[log] = k
		s.out.plan = nil
	}
	s.out.flight = slices.DeleteFunc(s.out.flight, func(it *item) bool { return it.row.Seq > 0 && it.row.Log == log && it.row.Seq <= k.Seq })
}

// unsend drops what was sent of a log and is to be sent anew or not at all. It gives
// the rows that it was sent of: the log, or branches of it.
func (s *Session) unsend(of crdt.LogID) (rows []crdt.LogID) {
	o := &s.out
	drop := func(it *item) {
		if it == nil || it.of != of || it.row.Seq == 0 {
			return
		}
		if !slices.Contains(rows, it.row.Log) {
			rows = append(rows, it.row.Log)
		}
		it.row.Seq = 0 // it stays for the count
		o.sent[it.row.Log] = o.given[it.row.Log]
	}
	for _, it := range o.flight {
		drop(it)
	}
	for _, it := range o.current {
		drop(it)
	}
	if len(rows) == 0 {
		rows = []crdt.LogID{of}
		o.sent[of] = o.given[of]
	}
	o.plan = nil
	return rows
}

// rebuildSent works out what the peer will hold from what it holds and what is on
// its way.
func (s *Session) rebuildSent() {
	o := &s.out
	o.sent, o.plan = maps.Clone(o.given), nil
	o.decided = maps.Clone(o.decidedSure)
	for _, it := range o.flight {
		it.onto(o.decided)
		if it.row.Seq > o.sent[it.row.Log].Seq {
			o.sent[it.row.Log] = it.row.Known
		}
	}
}
