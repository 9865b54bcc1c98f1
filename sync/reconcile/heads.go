package reconcile

import (
	"crypto/sha256"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
)

const headsAll = 1

// maxHealed is how often in a session heads are stated because the digests differ
// and nobody knows why.
const maxHealed = 2

// certificate is the hash of the one that counts on this node for a device; zero
// if none is stored.
func (s *Session) certificate(d crdt.Device) Hash {
	cert, ok := s.config.Known(d)
	if !ok {
		return Hash{}
	}
	return hashOf(cert)
}

// devices are those that what is held of a scope is of, sorted.
func (s *Session) devices(scope crdt.Scope) []crdt.Device {
	seen := map[crdt.Device]bool{}
	for log := range s.view[scope].Heads {
		seen[log.Device] = true
	}
	for _, r := range s.view[scope].Receipts {
		seen[r.Signer] = true
	}
	return sortedDevices(seen)
}

// standing is what is held of a scope. As the peer should have it: without what is
// held back from it.
func (s *Session) standing(scope crdt.Scope, asPeer bool) scopeHeads {
	h := s.view[scope]
	rows := map[crdt.LogID]Known{}
	for log, head := range h.Heads {
		k := Known{head.Seq, short(head.Hash)}
		if held, ok := s.held[log]; ok && asPeer && held.UpTo < head.Seq {
			k = s.out.given[log]
		}
		if k.Seq > 0 {
			rows[log] = k
		}
	}
	weights := map[crdt.Device]uint64{}
	for _, r := range h.Receipts {
		w := weight(r)
		if asPeer && s.blocked(r) {
			w = s.lanes[scope].given[r.Signer]
		}
		if w > 0 {
			weights[r.Signer] = w
		}
	}
	m := s.rows(scope, rows, weights)
	now := s.decided(scope)
	if _, held := s.held[authority(scope)]; held && asPeer {
		now.Named = s.out.decidedSure[scope].Named
	}
	m.Checkpoint = now.state()
	return m
}

// rows writes heads and weights as a message has them.
func (s *Session) rows(scope crdt.Scope, rows map[crdt.LogID]Known, weights map[crdt.Device]uint64) scopeHeads {
	m := scopeHeads{Scope: string(scope)}
	byDevice := map[crdt.Device][]crdt.LogID{}
	for log := range rows {
		byDevice[log.Device] = append(byDevice[log.Device], log)
	}
	for d := range weights {
		byDevice[d] = append(byDevice[d], nil...)
	}
	for _, d := range sortedDevices(byDevice) {
		dh := deviceHeads{Device: d, Certificate: s.certificate(d)}
		for _, log := range slices.SortedFunc(slices.Values(byDevice[d]), crdt.LogID.Compare) {
			dh.Logs = append(dh.Logs, logHead{Incarnation: log.Incarnation, Class: log.Class, Seq: rows[log].Seq, Hash: rows[log].Hash})
		}
		m.Devices = append(m.Devices, dh)
	}
	for _, d := range sortedDevices(weights) {
		m.Receipts = append(m.Receipts, receiptWeight{Signer: d, Entries: weights[d]})
	}
	return m
}

type digested struct {
	_            struct{} `cbor:",toarray"`
	Certificates [2]Hash
	Scopes       []scopeHeads
}

// digest is 16 bytes of the hash of all that is held of the shared scopes, as the
// peer should have it: equal digests are equal states.
func (s *Session) digest() Hash {
	d := digested{Certificates: [2]Hash{hashOf(s.config.Own), s.certificate(s.peer.Device)}}
	slices.SortFunc(d.Certificates[:], func(a, b Hash) int { return slices.Compare(a[:], b[:]) })
	for _, scope := range s.scopes {
		d.Scopes = append(d.Scopes, s.standing(scope, true))
	}
	b, err := wire.Marshal(d)
	if err != nil {
		s.Refuse(Refuse(Unavailable, "a digest that can't be encoded"))
	}
	h := sha256.Sum256(append([]byte("vungxa digest 1\x00"), b...))
	return Hash(h[:16])
}

// state makes the heads of everything shared the next item.
func (s *Session) state() {
	s.out.heads = 0
	m := heads{Kind: kindHeads, Done: s.in.done}
	for _, scope := range s.scopes {
		m.Scopes = append(m.Scopes, s.standing(scope, false))
	}
	b, err := encode(m)
	if err != nil {
		s.Refuse(Refuse(Unavailable, "heads: %v", err))
		return
	}
	s.counted()
	s.put(laneControl, &item{bytes: b})
}

// takeHeads notes what the peer states that it holds, also downwards.
func (s *Session) takeHeads(m *heads) {
	for _, sc := range m.Scopes {
		if !slices.Contains(s.scopes, crdt.Scope(sc.Scope)) {
			s.Refuse(Refuse(Scope, "heads of scope %+q, which is not shared", sc.Scope))
			return
		}
	}
	if refusal := s.takenUpTo(m.Done); refusal != nil {
		s.Refuse(refusal)
		return
	}
	s.out.given, s.out.told = map[crdt.LogID]Known{}, map[crdt.Device]Hash{}
	clear(s.out.decidedSure)
	s.out.doubt, s.out.plan = nil, nil
	for _, scope := range s.scopes {
		clear(s.lanes[scope].given)
		clear(s.lanes[scope].due)
	}
	if s.informed {
		s.plain = true
	}
	s.statedRows(m)
	for _, it := range s.out.flight {
		if it.receipt != nil {
			s.lanes[it.receipt.Scope].given[it.receipt.Signer] = weight(it.receipt)
		}
	}
	s.rebuildSent()
	s.informed, s.met = true, false
	if s.stated {
		s.stated = false
	} else {
		s.out.heads = headsAll
	}
}

func (s *Session) statedRows(m *heads) {
	for _, sc := range m.Scopes {
		scope := crdt.Scope(sc.Scope)
		s.out.decidedSure[scope] = sc.Checkpoint.decided()
		for _, d := range sc.Devices {
			if d.Certificate != (Hash{}) {
				s.out.told[d.Device] = d.Certificate
			}
			for _, row := range d.Logs {
				log := crdt.LogID{Device: d.Device, Incarnation: row.Incarnation, Scope: scope, Class: row.Class}
				s.out.given[log] = Known{row.Seq, row.Hash}
				if h, held := s.held[log]; held && h.Code == Compacted && row.Seq > h.UpTo {
					delete(s.held, log) // it has got there by another way
				}
				if own := s.head(log); own.Seq == row.Seq && short(own.Hash) != row.Hash && s.parting.begins(log) {
					s.probe(log, row.Seq)
				}
			}
		}
		l := s.lanes[scope]
		for _, r := range sc.Receipts {
			l.given[r.Signer] = r.Entries
		}
		if l.base != nil && l.given[s.own.Device] != weight(l.base) {
			l.base = nil
		}
		l.sure = l.base
	}
}

func (s *Session) takeWhole(m *whole) {
	if m.Scope >= uint(len(s.scopes)) {
		s.Refuse(Refuse(Malformed, "scope %d of %d", m.Scope, len(s.scopes)))
		return
	}
	l := s.lanes[s.scopes[m.Scope]]
	l.again = true
	if s.alone != nil { // for the next writing
		l.base, l.sure = nil, nil
	}
	s.out.plan = nil
}

func (s *Session) takeLevel(m *level) {
	if refusal := s.takenUpTo(m.Done); refusal != nil {
		s.Refuse(refusal)
		return
	}
	s.theirs = word{valid: true, digest: m.Digest, done: m.Done}
	s.answering = true // it doesn't know yet that both hold the same
}

// speak says how this side stands, when it has nothing more to send and that has
// changed since its last word; and finds out from the peer's whether both hold the
// same. It says whether there was anything to do.
func (s *Session) speak() bool {
	if s.met && !s.answering || !s.first || !s.informed || s.busy || s.stale || s.in.taking || s.unsettled() {
		return false
	}
	s.answering = false
	now := word{valid: true, digest: s.digest(), done: s.in.done}
	agreed := s.theirs.digest == now.digest
	promised := s.ours.more && s.out.count == 0 // and nothing came of it
	if !s.ours.valid || s.ours.digest != now.digest || s.ours.done != now.done || promised {
		s.ours = now
		s.counted()
		frame, err := encode(level{Kind: kindLevel, Done: now.done, Digest: now.digest})
		if err != nil {
			s.Refuse(Refuse(Unavailable, "a digest that can't be encoded"))
			return true
		}
		s.add(frame)
		if agreed {
			s.same()
		}
		return true
	}
	switch {
	case agreed:
		s.same()
	case s.theirs.valid && !s.theirs.more && s.theirs.done == s.out.count && s.healed < maxHealed && !s.stated:
		s.healed++
		s.theirs.valid, s.stated, s.out.heads = false, true, headsAll
		return true
	}
	return false
}

// unsettled says whether something is to be sent yet, or waits for an answer.
func (s *Session) unsettled() bool {
	if s.parting.active {
		return true
	}
	if s.overBudget() {
		return true // what is left waits for another contact
	}
	for lane := range laneContent {
		if s.due(lane) {
			return true
		}
	}
	return false
}
