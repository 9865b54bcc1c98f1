package reconcile

import (
	"cmp"
	"maps"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/identity"
)

// fill puts into the outbox what the peer lacks most urgently; a segment has to
// be read first. Receipts go first, because they are what people wait for and
// what moves the peer's window.
func (s *Session) fill() Action {
	if s.lanes == nil {
		return nil
	}
	for _, scope := range slices.Sorted(maps.Keys(s.lanes)) {
		l := s.lanes[scope]
		if l.stated && (s.fillReceipt(l) || s.fillHeads(l)) {
			return nil
		}
	}
	if len(s.flight) >= Window {
		return nil
	}
	log, after, ok := s.lacking()
	if !ok {
		return nil
	}
	return Read{Log: log, After: after}
}

// fillReceipt passes a receipt on that the peer lacks and will be able to check:
// it has been sent every entry that the receipt names.
func (s *Session) fillReceipt(l *lane) bool {
	for _, newest := range s.view[l.scope].Receipts {
		if newest.Signer == s.peer.Device || weight(newest) <= l.given[newest.Signer] {
			continue
		}
		r := l.next(newest)
		if slices.ContainsFunc(r.Heads, func(h identity.LogHead) bool { return l.sent[h.Log].Seq < h.Head.Seq }) {
			continue
		}
		l.given[r.Signer] = weight(r)
		if r.Signer == s.own.Device { // it says what heads would
			maps.DeleteFunc(l.owed, func(log crdt.LogID, _ bool) bool {
				h, _ := r.Head(log)
				return h.Seq >= s.view[l.scope].Heads[log].Seq
			})
		}
		b, err := r.Encode()
		s.put(r.Signer, carrier{Kind: kindReceipt, Item: b}, err)
		return true
	}
	return false
}

// next is the signer's receipt to pass on: the one that has waited, or else the
// newest.
func (l *lane) next(newest *identity.Receipt) *identity.Receipt {
	r := l.due[newest.Signer]
	if r == nil || weight(r) <= l.given[newest.Signer] {
		r = newest
		l.due[newest.Signer] = r
	}
	return r
}

// fillHeads says which segments were stored, when no receipt can say so because
// the peer lacks some of what it names.
func (s *Session) fillHeads(l *lane) bool {
	if len(l.owed) == 0 {
		return false
	}
	m := heads{Kind: kindHeads, Scope: string(l.scope)}
	for _, log := range slices.SortedFunc(maps.Keys(l.owed), crdt.LogID.Compare) {
		m.Logs = append(m.Logs, headOf(log, s.view[l.scope].Heads[log]))
	}
	clear(l.owed)
	s.put(s.own.Device, m, nil)
	return true
}

// lacking is the most urgent log of which the peer lacks something, and what it
// will have of it.
func (s *Session) lacking() (log crdt.LogID, after uint64, found bool) {
	for _, l := range s.lanes {
		if !l.stated {
			continue
		}
		for id, h := range s.view[l.scope].Heads {
			if h.Seq > l.sent[id].Seq && (!found || cmp.Or(cmp.Compare(id.Class, log.Class), id.Compare(log)) < 0) {
				log, after, found = id, l.sent[id].Seq, true
			}
		}
	}
	return log, after, found
}

// Segment answers Read.
func (s *Session) Segment(seg *wire.Segment) {
	if seg == nil || s.lanes[seg.Log.Scope] == nil || len(seg.Entries) == 0 {
		s.Refuse(Refuse(Unavailable, "a log without the segment that its head promises"))
		return
	}
	l := s.lanes[seg.Log.Scope]
	first, err := wire.DecodeEntry(seg.Entries[0])
	switch {
	case err != nil || seg.First != l.sent[seg.Log].Seq+1:
		s.Refuse(Refuse(Unavailable, "log %s, seq %d", seg.Log, seg.First))
		return
	case first.Prev != l.sent[seg.Log].Hash:
		s.Refuse(Refuse(Fork, "log %s, seq %d", seg.Log, seg.First-1))
		return
	}
	l.sent[seg.Log] = seg.Seal.Head()
	s.flight = append(s.flight, identity.LogHead{Log: seg.Log, Head: seg.Seal.Head()})
	b, err := wire.EncodeSegment(seg)
	s.put(seg.Log.Device, carrier{Kind: kindSegment, Item: b}, err)
}

// put queues a message that rests on a device's certificate, and that first, if
// the peer hasn't been sent it.
func (s *Session) put(device crdt.Device, message any, err error) {
	if s.refusal != nil {
		return
	}
	if !s.told[device] {
		s.told[device] = true
		cert, ok := s.config.Known(device)
		if !ok {
			s.Refuse(Refuse(Unavailable, "device %s: no certificate is stored", device))
			return
		}
		s.put(device, carrier{Kind: kindCertificate, Item: cert}, nil)
	}
	frame, encodeErr := encode(message)
	if err != nil || encodeErr != nil {
		s.Refuse(Refuse(Unavailable, "a message that can't be encoded"))
		return
	}
	s.outbox = append(s.outbox, frame)
}
