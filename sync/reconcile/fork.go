package reconcile

import (
	"maps"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/identity"
)

// probePlaces is how many places of a log one probe names.
const probePlaces = 24

// parting finds where a log of this side parts from the peer's: one log at a time.
type parting struct {
	active bool
	wait   map[crdt.LogID]uint64 // logs that are next, and where they are known to differ
	log    crdt.LogID
	low    uint64   // a seq at which both are the same; 0 is one
	high   uint64   // and one at which they are not
	listed []uint64 // asked about
	begun  map[crdt.LogID]bool
	sent   map[crdt.LogID]bool // own branches that are to be sent from where they part
	unread bool                // a branch was stored since the view was read: names may have changed
}

// begins says whether the search may begin: once a session and log.
func (p *parting) begins(log crdt.LogID) bool { return !p.begun[log] }

// busy says whether a log is being searched, or is to be.
func (p *parting) busy(log crdt.LogID) bool {
	_, waits := p.wait[log]
	return waits || p.active && p.log == log
}

// probe begins to look for where a log parts, below a seq, now or when the search
// that is under way has ended. A log that was searched before and still differs is
// held back.
func (s *Session) probe(log crdt.LogID, high uint64) {
	if high == 0 || s.parting.busy(log) {
		return
	}
	if !s.parting.begins(log) {
		s.holdBack(log, Refuse(Fork, "log %s", log), 0)
		return
	}
	if s.alone != nil { // nobody answers: it takes a line to find the place
		s.alone.parted(log)
		s.holdBack(log, Refuse(Fork, "log %s", log), 0)
		return
	}
	if s.parting.begun == nil {
		s.parting.begun, s.parting.sent = map[crdt.LogID]bool{}, map[crdt.LogID]bool{}
	}
	if s.parting.active {
		if s.parting.wait == nil {
			s.parting.wait = map[crdt.LogID]uint64{}
		}
		s.parting.wait[log], s.out.plan = high, nil
		return
	}
	s.parting.begun[log] = true
	s.parting.active, s.parting.log, s.parting.low, s.parting.high = true, log, 0, high
	s.out.plan = nil
	s.probeOn()
}

// places lists where to compare next, at doubling distances below the place that
// differs, or all if they are few.
func (p *parting) places() (at []uint64) {
	if p.high-p.low <= probePlaces {
		for seq := p.low + 1; seq < p.high; seq++ {
			at = append(at, seq)
		}
		return at
	}
	for d := uint64(1); d < p.high-p.low && len(at) < probePlaces; d *= 2 {
		at = append(at, p.high-d)
	}
	slices.Reverse(at)
	return at
}

func (s *Session) probeOn() {
	p := &s.parting
	p.listed = p.places()
	if len(p.listed) == 0 {
		s.partsAt(p.log, p.low)
		s.searched()
		return
	}
	at := make([]crdt.Pos, len(p.listed))
	for i, seq := range p.listed {
		at[i] = crdt.Pos{Log: p.log, Seq: seq}
	}
	s.question(Look{At: at}, func() {
		m := probe{Kind: kindProbe, Log: s.fullName(p.log)}
		for i, h := range s.hashes {
			if i < len(p.listed) && h != (crdt.Hash{}) {
				m.At = append(m.At, place{Seq: p.listed[i], Hash: short(h)})
			}
		}
		if len(m.At) == 0 { // nothing of it can be compared any more
			s.holdBack(p.log, Refuse(Fork, "log %s", p.log), 0)
			s.searched()
			return
		}
		s.say(m)
	})
}

// takeProbe compares places of the peer's branch with what is held here.
func (s *Session) takeProbe(m *probe) {
	log, ok := s.resolve(m.Log)
	if !ok {
		s.say(found{Kind: kindFound, Log: m.Log})
		return
	}
	at := make([]crdt.Pos, len(m.At))
	for i, p := range m.At {
		at[i] = crdt.Pos{Log: log, Seq: p.Seq}
	}
	s.question(Look{At: at}, func() {
		var same uint64
		for i, p := range m.At {
			if i < len(s.hashes) && s.hashes[i] != (crdt.Hash{}) && short(s.hashes[i]) == p.Hash {
				same = p.Seq
			}
		}
		s.say(found{Kind: kindFound, Log: m.Log, Seq: same})
	})
}

func (s *Session) takeFound(m *found) {
	p := &s.parting
	log, ok := s.resolve(m.Log)
	if !ok || !p.busy(log) || m.Seq > 0 && !slices.Contains(p.listed, m.Seq) {
		return // of a search that is over
	}
	for _, seq := range p.listed {
		if seq > m.Seq {
			p.high = min(p.high, seq)
		}
	}
	p.low = max(p.low, m.Seq)
	s.probeOn()
}

// partsAt notes the last entry that both hold: what follows here is a branch that
// the peer lacks.
func (s *Session) partsAt(log crdt.LogID, seq uint64) {
	s.out.given[log] = Known{Seq: seq}
	s.out.sent[log] = s.out.given[log]
	s.out.whole[log], s.out.plan = true, nil
}

// searched ends a search, and begins the next.
func (s *Session) searched() {
	p := &s.parting
	p.active = false
	for _, log := range slices.SortedFunc(maps.Keys(p.wait), crdt.LogID.Compare) {
		high := p.wait[log]
		delete(p.wait, log)
		if s.probe(log, high); p.active {
			return
		}
	}
}

// holdBack sends the peer no more of a log than it takes.
func (s *Session) holdBack(log crdt.LogID, r *Refusal, upTo uint64) {
	s.held[log] = Held{
		Times: s.times[log] + 1, Code: r.Code, Reason: r.Reason, Where: r.Where, UpTo: upTo, Own: s.head(log).Seq, Certificate: s.certificate(log.Device),
	}
	s.out.plan = nil
}

// branch takes a segment that is not what is held of its log. If it begins right
// after an entry that is, it is stored beside that; and what is held here goes to the
// peer from there on.
func (s *Session) branch(seg *wire.Segment, prev crdt.Hash) {
	from := seg.First - 1
	refuse := func() { s.declineLog(seg, Refuse(Fork, "log %s, seq %d", seg.Log, seg.First), from) }
	take := func() {
		s.question(Ingest{Certificate: s.news(seg.Log.Device), Segment: seg}, func() {
			if s.no != nil {
				s.declineLog(seg, s.no, from)
				return
			}
			s.stale, s.in.other, s.parting.unread = true, true, true
			if s.parting.sent == nil {
				s.parting.begun, s.parting.sent = map[crdt.LogID]bool{}, map[crdt.LogID]bool{}
			}
			if !s.parting.sent[seg.Log] {
				s.parting.sent[seg.Log], s.parting.begun[seg.Log] = true, true
				s.unsend(seg.Log)
				s.partsAt(seg.Log, from)
				delete(s.parting.wait, seg.Log)
				if s.parting.busy(seg.Log) {
					s.searched()
				}
			}
		})
	}
	if from == 0 {
		take()
		return
	}
	s.look([]identity.LogHead{{Log: seg.Log, Head: crdt.Head{Seq: from, Hash: prev}}}, take, refuse)
}
