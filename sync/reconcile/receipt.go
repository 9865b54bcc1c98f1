package reconcile

import (
	"maps"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/identity"
)

// weight is the number of entries that a receipt covers. A signer's heads only
// grow, so it orders the receipts of one signer and scope.
func weight(r *identity.Receipt) (entries uint64) {
	for _, h := range r.Heads {
		entries += h.Head.Seq
	}
	return entries
}

// Newer says whether a receipt takes the place of the one held of the same
// signer and scope (nil: none): it covers all that the other does, and more. A
// signer never goes back; if it seems to, its store was restored, and what it
// said before stands until it says more.
func Newer(r, held *identity.Receipt) bool {
	if held == nil {
		return true
	}
	lost := func(h identity.LogHead) bool { return !covers(r, h.Log, h.Head.Seq) && !parted(r.Heads, h) }
	return weight(r) > weight(held) && !slices.ContainsFunc(held.Heads, lost)
}

// Owes gives what a device is to sign a receipt for: all the heads that it
// holds, if there are entries of others among them that its own receipt doesn't
// name. Nobody needs its word for what it wrote itself. What it said before stands,
// also of a log that has a hole now: that is being filled, and claims nothing new.
func (h Holding) Owes(own crdt.Device) ([]identity.LogHead, bool) {
	said := h.receipt(own)
	standing := maps.Clone(h.Heads)
	if said != nil {
		for _, s := range said.Heads {
			if standing[s.Log].Seq < s.Head.Seq && !parted(h.list(), s) {
				standing[s.Log] = s.Head
			}
		}
	}
	var heads []identity.LogHead
	owes, copied := false, forked(standing, own)
	for _, log := range slices.SortedFunc(maps.Keys(standing), crdt.LogID.Compare) {
		head := standing[log]
		heads = append(heads, identity.LogHead{Log: log, Head: head})
		if (log.Device != own || copied) && !covers(said, log, head.Seq) {
			owes = true
		}
	}
	return heads, owes
}

// forked says whether a device has written two histories: then what lies under its name may
// be a copy's, whose word is another's. Each of the two signs for all, so that their receipts
// come to be the same.
func forked(heads map[crdt.LogID]crdt.Head, d crdt.Device) bool {
	for log := range heads {
		if log.Device == d && log.Class&crdt.ClassBranch != 0 {
			return true
		}
	}
	return false
}

// parted says whether a head is of what is a branch of its log by now.
func parted(heads []identity.LogHead, h identity.LogHead) bool {
	return slices.ContainsFunc(heads, func(b identity.LogHead) bool {
		return b.Log.Device == h.Log.Device && b.Log.Class == h.Log.Class|crdt.ClassBranch && b.Log.Class != h.Log.Class && b.Head.Seq >= h.Head.Seq
	})
}

func (h Holding) list() (heads []identity.LogHead) {
	for log, head := range h.Heads {
		heads = append(heads, identity.LogHead{Log: log, Head: head})
	}
	return heads
}

func covers(r *identity.Receipt, log crdt.LogID, seq uint64) bool {
	return r != nil && r.Covers(crdt.Dot{Log: log, Seq: seq})
}

func (h Holding) receipt(signer crdt.Device) *identity.Receipt {
	i := slices.IndexFunc(h.Receipts, func(r *identity.Receipt) bool { return r.Signer == signer })
	if i < 0 {
		return nil
	}
	return h.Receipts[i]
}

// receiptsDue are the receipts that the peer lacks and will be able to check: it
// has been sent every entry that they name.
func (s *Session) receiptsDue() []*identity.Receipt {
	p := s.planned()
	if p.weighed {
		return p.receipts
	}
	p.weighed, p.receipts = true, nil
	for _, scope := range s.scopes {
		l := s.lanes[scope]
		for _, newest := range s.view[scope].Receipts {
			asked := newest.Signer == s.own.Device && l.again
			if weight(newest) <= l.given[newest.Signer] && !asked {
				continue
			}
			r := l.next(newest)
			if !slices.ContainsFunc(r.Heads, func(h identity.LogHead) bool { return s.out.sent[h.Log].Seq < h.Head.Seq }) {
				p.receipts = append(p.receipts, r)
			}
		}
	}
	return p.receipts
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

// blocked says whether a receipt names what is held back from the peer.
func (s *Session) blocked(r *identity.Receipt) bool {
	return len(s.held) > 0 && slices.ContainsFunc(r.Heads, func(h identity.LogHead) bool {
		_, held := s.held[h.Log]
		return held && h.Head.Seq > s.out.given[h.Log].Seq
	})
}

func (s *Session) passReceipt() {
	due := s.receiptsDue()
	if len(due) == 0 {
		return
	}
	r := due[0]
	l := s.lanes[r.Scope]
	it := &item{receipt: r, before: l.given[r.Signer]}
	var err error
	if r.Signer == s.own.Device && l.base != nil && !l.again && !s.plain {
		it.bytes, err = s.encodeDelta(r, l.base)
	}
	if it.bytes == nil && err == nil {
		var b []byte
		if b, err = r.Encode(); err == nil {
			it.bytes, err = encode(carrier{Kind: kindReceipt, Item: b})
		}
	}
	if err != nil {
		s.Refuse(Refuse(Unavailable, "receipt of device %s: it can't be encoded", r.Signer))
		return
	}
	s.put(laneControl, s.resting(r.Signer, it))
}

// encodeDelta writes an own receipt as what is new since the one that the peer has;
// nil if it can't be written so.
func (s *Session) encodeDelta(r, base *identity.Receipt) ([]byte, error) {
	m := delta{
		Kind: kindDelta, Scope: uint(slices.Index(s.scopes, r.Scope)), Epoch: r.HubEpoch - base.HubEpoch, Index: r.Index - base.Index, Signature: r.Signature,
	}
	if r.HubEpoch < base.HubEpoch || r.Index < base.Index {
		return nil, nil
	}
	for i, h := range base.Heads {
		now, ok := r.Head(h.Log)
		if !ok || now.Seq < h.Head.Seq {
			return nil, nil
		}
		if now.Seq > h.Head.Seq {
			m.Grown = append(m.Grown, mustEncode(i), mustEncode(now.Seq-h.Head.Seq))
		}
	}
	for _, h := range r.Heads {
		if _, ok := base.Head(h.Log); !ok {
			m.Grown = append(m.Grown, s.name(h.Log), mustEncode(h.Head.Seq))
		}
	}
	if len(m.Grown) > 2*MaxLogs {
		return nil, nil
	}
	return encode(m)
}

func (s *Session) takeReceipt(item []byte) {
	r, err := identity.DecodeReceipt(item)
	if err != nil {
		s.Refuse(Refuse(Malformed, "receipt"))
		return
	}
	if !slices.Contains(s.scopes, r.Scope) {
		s.declineReceipt(r.Signer, Refuse(Scope, "receipt of device %s: scope %q is not shared", r.Signer, r.Scope))
		return
	}
	s.weigh(r, func() {
		s.declineReceipt(r.Signer, Refuse(Receipt, "receipt of device %s", r.Signer))
	})
}

// weigh checks that a receipt's signer is one that counts here, that it names only
// what is held here, and the signature. Names of what isn't held are no offence: the
// sender's memory is wrong, and the heads will tell.
func (s *Session) weigh(r *identity.Receipt, forged func()) {
	c, ok := s.claims(r.Signer)
	if !ok {
		s.declineReceipt(r.Signer, Refuse(Certificate, "device %s: none was sent", r.Signer))
		return
	}
	if !c.Covers(r.Scope) {
		s.declineReceipt(r.Signer, Refuse(Scope, "receipt of device %s, scope %q", r.Signer, r.Scope))
		return
	}
	if err := r.Verify(s.dir); err != nil {
		forged()
		return
	}
	var below []identity.LogHead
	for _, h := range r.Heads {
		held := s.head(h.Log)
		switch {
		case held.Seq < h.Head.Seq:
			return
		case held.Seq > h.Head.Seq:
			below = append(below, h)
		case held.Hash != h.Head.Hash:
			return
		}
	}
	s.look(below, func() { s.believe(r) }, func() {})
}

// believe takes a verified receipt in.
func (s *Session) believe(r *identity.Receipt) {
	l, h := s.lanes[r.Scope], s.view[r.Scope]
	if l.given[r.Signer] < weight(r) {
		l.given[r.Signer] = weight(r)
		s.out.plan = nil
	}
	if r.Signer == s.peer.Device {
		for _, head := range r.Heads {
			s.peerHolds(head.Log, Known{head.Head.Seq, short(head.Head.Hash)})
		}
	}
	held := h.receipt(r.Signer)
	switch {
	case !Newer(r, held):
	case held == nil && len(h.Receipts) >= MaxSigners:
		s.declineReceipt(r.Signer, Refuse(Limit, "receipt of device %s", r.Signer))
	default:
		s.question(Keep{Certificate: s.news(r.Signer), Receipt: r}, func() {
			if s.no != nil {
				s.declineReceipt(r.Signer, s.no)
				return
			}
			s.stale = true
		})
	}
}

// takeDelta puts the peer's own receipt together from the one that is held of it.
func (s *Session) takeDelta(m *delta) {
	if m.Scope >= uint(len(s.scopes)) {
		s.Refuse(Refuse(Malformed, "scope %d of %d", m.Scope, len(s.scopes)))
		return
	}
	scope := s.scopes[m.Scope]
	lost := func() { s.say(whole{Kind: kindWhole, Scope: m.Scope}) }
	held := s.view[scope].receipt(s.peer.Device)
	if held != nil && held.Signature == m.Signature { // it has come before
		return
	}
	r, ok := s.grow(held, m)
	if held == nil || !ok {
		lost()
		return
	}
	var below []int
	var at []crdt.Pos
	for i, h := range r.Heads {
		if now := s.head(h.Log); now.Seq == h.Head.Seq {
			r.Heads[i].Head.Hash = now.Hash
		} else if h.Head.Hash == (crdt.Hash{}) {
			below, at = append(below, i), append(at, crdt.Pos{Log: h.Log, Seq: h.Head.Seq})
		}
	}
	done := func() { s.weigh(r, lost) }
	if len(at) == 0 {
		done()
		return
	}
	s.question(Look{At: at}, func() {
		for n, i := range below {
			if n < len(s.hashes) {
				r.Heads[i].Head.Hash = s.hashes[n]
			}
		}
		done()
	})
}

// grow applies a delta to a receipt; hashes of what grew are left open.
func (s *Session) grow(base *identity.Receipt, m *delta) (*identity.Receipt, bool) {
	if base == nil {
		return nil, false
	}
	r := &identity.Receipt{
		Signer: base.Signer, Scope: base.Scope, HubEpoch: base.HubEpoch + m.Epoch, Index: base.Index + m.Index,
		Heads: slices.Clone(base.Heads), Signature: m.Signature,
	}
	for i := 0; i < len(m.Grown); i += 2 {
		var by uint64
		if err := wire.Unmarshal(m.Grown[i+1], 16, &by); err != nil || by == 0 {
			return nil, false
		}
		if log, ok := s.resolve(m.Grown[i]); ok {
			r.Heads = append(r.Heads, identity.LogHead{Log: log, Head: crdt.Head{Seq: by}})
			continue
		}
		var place uint
		if err := wire.Unmarshal(m.Grown[i], 16, &place); err != nil || place >= uint(len(base.Heads)) {
			return nil, false
		}
		r.Heads[place].Head = crdt.Head{Seq: r.Heads[place].Head.Seq + by}
	}
	slices.SortFunc(r.Heads, func(a, b identity.LogHead) int { return a.Log.Compare(b.Log) })
	return r, len(r.Heads) <= MaxLogs
}

func (s *Session) declineReceipt(d crdt.Device, r *Refusal) {
	s.decline(r, mustEncode(d), 0)
}
