package reconcile

import (
	"slices"
	"strings"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/identity"
)

func (s *Session) takeHeads(m *heads) *Refusal {
	l := s.lanes[crdt.Scope(m.Scope)]
	switch {
	case s.lanes == nil:
		return Refuse(Order, "heads before hello")
	case l == nil:
		return Refuse(Scope, "scope %+q is not shared", m.Scope)
	}
	for _, stated := range m.Logs {
		log := stated.log(l.scope)
		if _, held := s.view[l.scope].Heads[log]; l.stated && !held {
			return Refuse(Order, "heads of log %s, which was not sent", log)
		}
		s.peerHolds(l, log, stated.head())
	}
	for _, r := range m.Receipts {
		l.given[r.Signer] = max(l.given[r.Signer], r.Entries)
	}
	l.stated = true
	return nil
}

// member gives the lane of a scope, and what counts for a device that is to be
// believed in it.
func (s *Session) member(scope crdt.Scope, d crdt.Device) (*lane, identity.Claims, *Refusal) {
	l := s.lanes[scope]
	if l == nil {
		return nil, identity.Claims{}, Refuse(Scope, "scope %q is not shared", scope)
	}
	if !l.stated {
		return nil, identity.Claims{}, Refuse(Order, "scope %q: heads come first", scope)
	}
	c, ok := s.claims(d)
	if !ok {
		return nil, c, Refuse(Certificate, "device %s: none was sent", d)
	}
	if !c.Covers(scope) {
		return nil, c, Refuse(Scope, "device %s, scope %q", d, scope)
	}
	return l, c, nil
}

// peerHolds notes that the peer says it has stored a log up to a head.
func (s *Session) peerHolds(l *lane, log crdt.LogID, h crdt.Head) {
	for _, ours := range []crdt.Head{s.view[l.scope].Heads[log], l.sent[log]} {
		if ours.Seq == h.Seq && ours.Hash != h.Hash {
			s.Refuse(Refuse(Fork, "log %s, seq %d", log, h.Seq))
		}
	}
	if l.sent[log].Seq < h.Seq {
		l.sent[log] = h
	}
	s.flight = slices.DeleteFunc(s.flight, func(f identity.LogHead) bool { return f.Log == log && f.Head.Seq <= h.Seq })
}

func (s *Session) takeSegment(item []byte) *Refusal {
	seg, err := wire.DecodeSegment(item)
	if err != nil {
		return Refuse(Malformed, "segment")
	}
	l, refusal := s.vouched(seg)
	if refusal != nil {
		return refusal
	}
	entries, err := seg.Open()
	if err != nil {
		return Refuse(Chain, "log %s, seq %d to %d", seg.Log, seg.First, seg.Last())
	}
	held := s.view[l.scope].Heads[seg.Log]
	switch {
	case held.Seq == 0 && len(s.view[l.scope].Heads) >= MaxLogs:
		return Refuse(Limit, "log %s: scope %q has %d logs", seg.Log, l.scope, MaxLogs)
	case seg.First > held.Seq+1:
		return Refuse(Chain, "log %s: held up to seq %d, sent from %d", seg.Log, held.Seq, seg.First)
	case seg.Last() < held.Seq:
		s.look([]identity.LogHead{{Log: seg.Log, Head: seg.Seal.Head()}}, func() { s.stored(l, seg) })
		return nil
	}
	if before(seg, entries[0], held.Seq) != held.Hash {
		return Refuse(Fork, "log %s, seq %d", seg.Log, held.Seq)
	}
	if seg.Last() == held.Seq {
		s.stored(l, seg)
		return nil
	}
	s.ask = Ingest{Certificate: s.news(seg.Log.Device), Segment: above(seg, held.Seq)}
	s.then = func([]crdt.Hash) { s.stored(l, seg) }
	return nil
}

// vouched checks that the log's device may write in the scope, and sealed this.
func (s *Session) vouched(seg *wire.Segment) (*lane, *Refusal) {
	l, device, refusal := s.member(seg.Log.Scope, seg.Log.Device)
	switch {
	case refusal != nil:
		return nil, refusal
	case !mayWrite(device.Role, l.scope):
		return nil, Refuse(Scope, "log %s", seg.Log)
	case !seg.Seal.Verify(seg.Log, device.SealKey):
		return nil, Refuse(Seal, "log %s, seq %d", seg.Log, seg.Seal.Seq)
	}
	return l, nil
}

// mayWrite says whether a role writes in a scope: in those of a province, of the
// country, and between them, hubs alone do.
func mayWrite(role identity.Role, scope crdt.Scope) bool {
	above := scope == "n" || strings.HasPrefix(string(scope), "p/") || strings.HasPrefix(string(scope), "u/")
	return !above || role == identity.RoleHub
}

// before gives the chain hash at seq, which lies in the segment or just below it.
func before(seg *wire.Segment, first *crdt.Entry, seq uint64) crdt.Hash {
	if seq < seg.First {
		return first.Prev
	}
	return wire.ChainHash(seg.Entries[seq-seg.First])
}

// above is the part of a segment above seq.
func above(seg *wire.Segment, seq uint64) *wire.Segment {
	return &wire.Segment{Log: seg.Log, First: seq + 1, Entries: seg.Entries[seq+1-seg.First:], Seal: seg.Seal, Salts: seg.Salts}
}

// stored notes that a segment of the peer's is held here now.
func (s *Session) stored(l *lane, seg *wire.Segment) {
	if s.view[l.scope].Heads[seg.Log].Seq < seg.Last() { // raft dropped it, say
		s.Refuse(Refuse(Unavailable, "log %s, seq %d was not stored", seg.Log, seg.Last()))
		return
	}
	s.peerHolds(l, seg.Log, seg.Seal.Head())
	l.owed[seg.Log] = true
}

// look asks for the hashes at heads that lie below what is held, and goes on if
// they are those expected.
func (s *Session) look(heads []identity.LogHead, then func()) {
	if len(heads) == 0 {
		then()
		return
	}
	at := make([]crdt.Pos, len(heads))
	for i, h := range heads {
		at[i] = crdt.Pos{Log: h.Log, Seq: h.Head.Seq}
	}
	s.ask = Look{At: at}
	s.then = func(hashes []crdt.Hash) {
		for i, h := range heads {
			if i >= len(hashes) || hashes[i] != h.Head.Hash {
				s.Refuse(Refuse(Fork, "log %s, seq %d", h.Log, h.Head.Seq))
				return
			}
		}
		then()
	}
}

func (s *Session) takeReceipt(item []byte) *Refusal {
	r, err := identity.DecodeReceipt(item)
	if err != nil {
		return Refuse(Malformed, "receipt")
	}
	l, _, refusal := s.member(r.Scope, r.Signer)
	if refusal != nil {
		return refusal
	}
	if err := r.Verify(s.met); err != nil {
		return Refuse(Receipt, "receipt of device %s", r.Signer)
	}
	below, refusal := s.named(l, r)
	if refusal != nil {
		return refusal
	}
	s.look(below, func() { s.believe(l, r) })
	return nil
}

// named checks that a receipt names only what is held here, and gives those of
// its heads that lie below what is held, whose hashes aren't at hand.
func (s *Session) named(l *lane, r *identity.Receipt) ([]identity.LogHead, *Refusal) {
	var below []identity.LogHead
	for _, h := range r.Heads {
		held := s.view[l.scope].Heads[h.Log]
		switch {
		case held.Seq < h.Head.Seq:
			return nil, Refuse(Unheld, "receipt of device %s: log %s, seq %d", r.Signer, h.Log, h.Head.Seq)
		case held.Seq > h.Head.Seq:
			below = append(below, h)
		case held.Hash != h.Head.Hash:
			return nil, Refuse(Fork, "receipt of device %s: log %s, seq %d", r.Signer, h.Log, h.Head.Seq)
		}
	}
	return below, nil
}

// believe takes a verified receipt in.
func (s *Session) believe(l *lane, r *identity.Receipt) {
	l.given[r.Signer] = max(l.given[r.Signer], weight(r))
	if r.Signer == s.peer.Device {
		for _, h := range r.Heads {
			s.peerHolds(l, h.Log, h.Head)
		}
	}
	held := s.view[l.scope].receipt(r.Signer)
	switch {
	case !Newer(r, held):
	case held == nil && len(s.view[l.scope].Receipts) >= MaxSigners:
		s.Refuse(Refuse(Limit, "receipt of device %s", r.Signer))
	default:
		s.ask = Keep{Certificate: s.news(r.Signer), Receipt: r}
	}
}
