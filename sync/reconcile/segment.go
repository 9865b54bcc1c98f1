package reconcile

import (
	"strings"

	"github.com/fxamacker/cbor/v2"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/identity"
)

func (s *Session) takeSegmentItem(item []byte) {
	seg, err := wire.DecodeSegment(item)
	if err != nil {
		s.Refuse(Refuse(Malformed, "segment"))
		return
	}
	s.takeSegment(seg)
}

// takeAfter takes a segment from which was left out what is held here. One that
// can't be read rests on something that isn't held: it is asked for whole.
func (s *Session) takeAfter(m *after) {
	log, ok := s.resolve(m.Log)
	if !ok || m.First < 2 || m.First > s.head(log).Seq+1 {
		if ok {
			s.want(log, s.head(log).Seq+1, 0)
		} else if s.alone != nil {
			s.alone.answer.Unread++
		}
		return
	}
	s.question(Base{At: crdt.Pos{Log: log, Seq: m.First - 1}}, func() {
		if s.base == nil {
			s.want(log, s.head(log).Seq+1, 0)
			return
		}
		seg, err := wire.DecodeSegmentOnto(m.Item, s.base, s.salt)
		if err != nil || !s.sealed(seg) {
			s.want(log, s.head(log).Seq+1, 0)
			return
		}
		s.takeSegment(seg)
	})
}

func (s *Session) sealed(seg *wire.Segment) bool {
	c, ok := s.claims(seg.Log.Device)
	return ok && seg.Seal.Verify(seg.Log, c.SealKey)
}

// takeSegment checks a segment, and stores what is new of it. Anything wrong with
// it is told, and blocks nothing else.
func (s *Session) takeSegment(seg *wire.Segment) {
	if r := s.vouched(seg); r != nil {
		s.declineLog(seg, r, 0)
		return
	}
	entries, err := seg.Open()
	if err != nil {
		s.declineLog(seg, Refuse(Chain, "log %s, seq %d to %d", seg.Log, seg.First, seg.Last()), 0)
		return
	}
	if s.goesOnFromTip(seg, entries[0]) {
		return
	}
	if rows := s.view.branchRows(seg.Log); len(rows) > 0 {
		s.takeForked(seg, entries[0], append([]crdt.LogID{seg.Log}, rows...))
		return
	}
	held := s.head(seg.Log)
	switch {
	case seg.First > held.Seq+1:
		s.want(seg.Log, held.Seq+1, 0)
	case held.Seq == 0 && len(s.view[seg.Log.Scope].Heads)+len(s.fresh) >= MaxLogs:
		s.declineLog(seg, Refuse(Limit, "log %s: the scope has %d logs", seg.Log, MaxLogs), 0)
	case seg.Last() < held.Seq:
		at := []identity.LogHead{{Log: seg.Log, Head: seg.Seal.Head()}}
		s.look(at, func() { s.known(seg, seg.Log) }, func() { s.branch(seg, entries[0].Prev, seg.Log) })
	case before(seg, entries[0], held.Seq) != held.Hash:
		s.branch(seg, entries[0].Prev, seg.Log)
	default:
		s.goOn(seg, seg.Log, held.Seq)
	}
}

// goesOnFromTip stores what goes on from a branch that was stored since the view was
// read, and of which the name isn't known yet.
func (s *Session) goesOnFromTip(seg *wire.Segment, first *crdt.Entry) bool {
	for i, tip := range s.tips[seg.Log] {
		if tip.Seq != seg.First-1 || tip.Hash != first.Prev {
			continue
		}
		s.question(Ingest{Certificate: s.news(seg.Log.Device), Segment: seg}, func() {
			if s.no != nil {
				s.declineLog(seg, s.no, 0)
				return
			}
			s.stale, s.in.other, s.parting.unread = true, true, true
			s.tips[seg.Log][i] = seg.Seal.Head()
		})
		return true
	}
	return false
}

// vouched checks that the log's device may write in the scope, that this is its
// seal, and that its logs were not ended before.
func (s *Session) vouched(seg *wire.Segment) *Refusal {
	if s.lanes[seg.Log.Scope] == nil {
		return Refuse(Scope, "log %s: its scope is not shared", seg.Log)
	}
	c, ok := s.claims(seg.Log.Device)
	switch {
	case !ok:
		return Refuse(Certificate, "device %s: none was sent", seg.Log.Device)
	case !c.Covers(seg.Log.Scope) || !mayWrite(c.Role, seg.Log.Scope):
		return Refuse(Scope, "device %s, log %s", seg.Log.Device, seg.Log)
	case !seg.Seal.Verify(seg.Log, c.SealKey):
		return Refuse(Seal, "log %s, seq %d", seg.Log, seg.Seal.Seq)
	}
	if at, cut := s.cutAt(seg.Log); cut && seg.Last() > at {
		return Refuse(Ended, "log %s, seq %d; cut at %d", seg.Log, seg.Last(), at)
	}
	return nil
}

func (s *Session) cutAt(log crdt.LogID) (uint64, bool) {
	if s.config.Cut == nil {
		return 0, false
	}
	return s.config.Cut(log)
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
	if seq < seg.First {
		return seg
	}
	return &wire.Segment{Log: seg.Log, First: seq + 1, Entries: seg.Entries[seq+1-seg.First:], Seal: seg.Seal, Salts: seg.Salts}
}

// ingest stores what goes on from a row: its log, or a branch of it.
func (s *Session) ingest(seg *wire.Segment, row crdt.LogID) {
	s.question(Ingest{Certificate: s.news(seg.Log.Device), Segment: seg}, func() {
		if s.no != nil {
			s.declineLog(seg, s.no, 0)
			return
		}
		s.stale = true
		if head := seg.Seal.Head(); head.Seq > s.head(row).Seq {
			s.fresh[row], s.tags = head, nil
		}
		s.known(seg, row)
	})
}

// known notes that a segment of the peer's is held here, of a row.
func (s *Session) known(seg *wire.Segment, row crdt.LogID) {
	delete(s.in.asked, seg.Log)
	if s.in.owed == nil {
		s.in.owed = map[crdt.LogID]uint64{}
	}
	s.in.owed[row] = max(s.in.owed[row], seg.Last())
	if cert := s.certificate(seg.Log.Device); cert != (Hash{}) {
		if _, told := s.out.told[seg.Log.Device]; !told {
			s.out.told[seg.Log.Device] = cert
		}
	}
	s.peerHolds(row, Known{seg.Last(), short(seg.Seal.Hash)})
}

// declineLog refuses a segment. upTo is how far the log is taken.
func (s *Session) declineLog(seg *wire.Segment, r *Refusal, upTo uint64) {
	if at, cut := s.cutAt(seg.Log); cut && r.Code == Ended {
		upTo = at
	}
	s.in.other = true
	s.decline(r, s.nameOf(seg.Log), upTo)
}

// nameOf names a log of which the peer has sent something; none where its scope
// isn't shared.
func (s *Session) nameOf(log crdt.LogID) cbor.RawMessage {
	if s.lanes[log.Scope] == nil {
		return mustEncode([]byte{})
	}
	return s.fullName(log)
}

// look asks for the hashes at heads that lie below what is held, and goes on one
// way if they are those expected, and the other if not.
func (s *Session) look(heads []identity.LogHead, then, otherwise func()) {
	if len(heads) == 0 {
		then()
		return
	}
	at := make([]crdt.Pos, len(heads))
	for i, h := range heads {
		at[i] = crdt.Pos{Log: h.Log, Seq: h.Head.Seq}
	}
	s.question(Look{At: at}, func() {
		for i, h := range heads {
			if i >= len(s.hashes) || s.hashes[i] != h.Head.Hash {
				otherwise()
				return
			}
		}
		then()
	})
}
