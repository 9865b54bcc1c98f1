package reconcile

import (
	"maps"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
)

// Memory is what a node remembers of a peer between sessions. It saves bytes and
// round trips and is never trusted: a memory that is wrong in any way costs an
// exchange of heads. Only the counters are for more: whoever keeps them durably
// before a session begins finds that a second machine speaks with the peer's key.
type Memory struct {
	Mine, Its uint64 // contacts: this node's with the peer, and the peer's own count

	Known                  bool // the rest was said by the peer
	Peer, Own              Hash // the certificates of both
	Scopes                 []crdt.Scope
	Given                  map[crdt.LogID]Known // how far the peer holds each log
	Receipts               map[crdt.Scope]map[crdt.Device]uint64
	Certificates           map[crdt.Device]Hash
	Base                   map[crdt.Scope]*identity.Receipt // own receipts that the peer has
	Decided                map[crdt.Scope]Decided           // the newest checkpoints that the peer has
	Held                   map[crdt.LogID]Held
	Took, Count, Acked     uint64 // items since both said hello: taken, sent, known to be taken
	Doubt                  []Doubt
	Unfinished             map[uint8]Span       // segments that were being sent, by lane
	Carried                map[crdt.LogID]Known // given to a courier or a bundle, not known to have arrived
	Live                   bool                 // written while the session ran: all that is new is in doubt
	CounterBack, Forgotten bool                 // what the last session noticed: a count that went back, a peer without a memory
}

// Beside is what was learnt from a bundle, where contacts over a line may have gone on
// meanwhile: what they counted stays as they left it.
func (m Memory) Beside(line *Memory) *Memory {
	m.Mine, m.Its, m.Took, m.Count, m.Acked = line.Mine, line.Its, line.Took, line.Count, line.Acked
	m.Doubt, m.Unfinished, m.Live = line.Doubt, line.Unfinished, line.Live
	return &m
}

// Known is a head as far as it is remembered of a peer. The zero hash is unknown.
type Known struct {
	Seq  uint64
	Hash Hash
}

// Held is why a log is held back from a peer, until the log grows or its device's
// certificate changes. It is tried again in the next sessions, since what was refused
// may have been damaged on the way, and then no more.
type Held struct {
	Times       uint64
	Code        Code
	Reason      Text
	Where       string
	UpTo        uint64 // what the peer takes of it
	Own         uint64 // how far this node held it when it was refused
	Certificate Hash   // its device's
}

// Doubt is an item that was sent and not acknowledged: a segment up to a row, a
// receipt (and the weight of the one that the peer had before), or a certificate.
type Doubt struct {
	Ordinal uint64
	Row     Row
	Scope   crdt.Scope
	Signer  crdt.Device
	Before  uint64
	Own     *identity.Receipt // if it is the newest own one
	Device  crdt.Device       // of a certificate
}

// Span is a segment of a log.
type Span struct {
	Log       crdt.LogID
	After, To uint64
}

// recall begins with what is remembered, if it can still be true.
func (s *Session) recall() {
	m := s.config.Memory
	if m == nil {
		s.memory.Mine = 1
		return
	}
	s.memory = *m
	s.memory.Mine++
	cert, ok := s.config.Known(s.config.Peer)
	if !m.Known || !ok || hashOf(cert) != m.Peer || hashOf(s.config.Own) != m.Own {
		return
	}
	claims, err := s.dir.Add(cert)
	if err != nil || !claims.PeerKey.Equal(s.config.PeerKey) || claims.Device == s.own.Device {
		return
	}
	s.share(m.Scopes)
	if !slices.Equal(s.scopes, m.Scopes) || len(s.scopes) == 0 {
		return
	}
	s.peer, s.informed = claims, true
	s.remember(m)
}

// refusedOften is in how many sessions a log is refused before it is tried no more.
const refusedOften = 3

func (s *Session) remember(m *Memory) {
	maps.Copy(s.out.given, m.Given)
	maps.Copy(s.out.told, m.Certificates)
	maps.Copy(s.out.unfinished, m.Unfinished)
	maps.Copy(s.out.decidedSure, m.Decided)
	maps.Copy(s.out.decided, m.Decided)
	for scope, weights := range m.Receipts {
		if l := s.lanes[scope]; l != nil {
			maps.Copy(l.given, weights)
		}
	}
	for scope, r := range m.Base {
		if l := s.lanes[scope]; l != nil {
			l.base, l.sure = r, r
		}
	}
	for log, h := range m.Held {
		switch {
		case s.head(log).Seq != h.Own || s.certificate(log.Device) != h.Certificate:
		case h.Times < refusedOften:
			s.times[log] = h.Times
		default:
			s.held[log] = h
		}
	}
	s.out.sent = maps.Clone(s.out.given)
	s.out.doubt = m.Doubt
}

// settleDoubts takes the peer's word for how many items it took. It says whether
// that is what this side remembers.
func (s *Session) settleDoubts(took uint64) bool {
	m := &s.memory
	remembered := took >= m.Acked && took <= m.Count
	m.Count, m.Acked = took, took
	if !remembered {
		return false
	}
	for _, d := range s.out.doubt {
		s.settleDoubt(d, d.Ordinal <= took)
	}
	s.out.doubt = nil
	s.rebuildSent()
	return true
}

func (s *Session) settleDoubt(d Doubt, taken bool) {
	l := s.lanes[d.Scope]
	switch {
	case d.Row.Seq > 0 && taken:
		s.peerTook(&item{row: d.Row})
	case l != nil && taken && d.Own != nil:
		l.base = d.Own
	case l != nil && taken && d.Signer == s.own.Device:
		l.base = nil // it has one of which only the weight is remembered
	case l != nil && !taken:
		l.given[d.Signer] = min(l.given[d.Signer], d.Before)
	case d.Device != (crdt.Device{}) && !taken:
		delete(s.out.told, d.Device)
	}
}

// Memory gives what is to be remembered of the peer now. While the session runs
// it is Live.
func (s *Session) Memory() *Memory {
	m := s.memory
	m.Live = !s.closed
	if m.Known = s.informed && !s.violated(); !m.Known {
		m.Took, m.Count, m.Acked, m.Doubt = 0, 0, 0, nil
		return &m
	}
	cert, _ := s.dir.Certificate(s.peer.Device)
	m.Peer, m.Own, m.Scopes = hashOf(cert), hashOf(s.config.Own), s.scopes
	m.Given, m.Certificates, m.Held = maps.Clone(s.out.given), maps.Clone(s.out.told), maps.Clone(s.held)
	m.Receipts, m.Base = map[crdt.Scope]map[crdt.Device]uint64{}, map[crdt.Scope]*identity.Receipt{}
	for scope, l := range s.lanes {
		m.Receipts[scope] = maps.Clone(l.given)
		if l.sure != nil {
			m.Base[scope] = l.sure
		}
	}
	m.Decided = maps.Clone(s.out.decidedSure)
	m.Carried = maps.Clone(m.Carried)
	maps.DeleteFunc(m.Carried, func(log crdt.LogID, k Known) bool { return s.out.given[log].Seq >= k.Seq })
	m.Took += s.in.done
	m.Count += s.out.count
	m.Acked += s.out.acked
	m.Doubt, m.Unfinished = s.doubts()
	for _, d := range slices.Collect(maps.Keys(m.Certificates)) {
		if !s.names(d) {
			delete(m.Certificates, d)
		}
	}
	return &m
}

// violated says whether the session ended because one side broke the protocol: what
// is remembered may be the reason.
func (s *Session) violated() bool { return s.refusal != nil && s.refusal.violates() }

func (r *Refusal) violates() bool {
	return r.Code != Cut && r.Code != Unavailable && r.Code != Budget
}

// names says whether anything that is held or was given is a device's.
func (s *Session) names(d crdt.Device) bool {
	for log := range s.out.given {
		if log.Device == d {
			return true
		}
	}
	for _, l := range s.lanes {
		if l.given[d] > 0 {
			return true
		}
	}
	return false
}

// End notes that the connection has ended, and gives what is to be remembered, and
// kept of items that have come in part.
func (s *Session) End() (*Memory, []Staged) {
	s.closed = true
	var rest []Staged
	for _, p := range s.in.lanes {
		if len(p.Bytes) > 0 {
			rest = append(rest, p.Staged)
		}
	}
	return s.Memory(), rest
}

// doubts are the items that were sent and may not have arrived, and the segments of
// which a part was.
func (s *Session) doubts() (doubts []Doubt, unfinished map[uint8]Span) {
	unfinished = maps.Clone(s.out.unfinished)
	doubts = slices.Clone(s.out.doubt)
	newest := map[crdt.Scope]int{}
	for _, it := range s.out.flight {
		d := Doubt{Ordinal: s.memory.Count + it.ordinal, Row: it.row, Device: it.device}
		if it.receipt != nil {
			d.Scope, d.Signer, d.Before = it.receipt.Scope, it.receipt.Signer, it.before
			if d.Signer == s.own.Device {
				if i, ok := newest[d.Scope]; ok {
					doubts[i].Own = nil
				}
				d.Own, newest[d.Scope] = it.receipt, len(doubts)
			}
		}
		doubts = append(doubts, d)
	}
	for lane, it := range s.out.current {
		if it != nil && it.at > it.from && it.row.Seq > 0 {
			unfinished[uint8(lane)] = Span{Log: it.row.Log, After: it.after, To: it.row.Seq}
		}
	}
	return doubts, unfinished
}
