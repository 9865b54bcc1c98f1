package reconcile

import (
	"maps"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
)

func (s *Session) takeAck(m *ack) {
	if refusal := s.takenUpTo(m.Done); refusal != nil {
		s.Refuse(refusal)
		return
	}
	for lane, n := range m.Parts {
		it := s.out.coming(lane)
		if it != nil && n <= uint64(it.at) {
			it.acked = max(it.acked, int(n))
		}
	}
}

// coming is the item of a lane that the peer is taking in: the oldest that it hasn't
// counted.
func (o *sending) coming(lane int) *item {
	i := slices.IndexFunc(o.flight, func(it *item) bool { return it.lane == lane })
	if i >= 0 {
		return o.flight[i]
	}
	return o.current[lane]
}

// ackDue says whether what came is to be acknowledged; alone is at how many bytes
// while nothing waits to be read, busy while something does.
func (s *Session) ackDue(alone, busy int) bool {
	if !s.first || s.stale && !s.busy || s.in.taking || !s.in.other && len(s.in.owed) == 0 {
		return false
	}
	return s.in.unacked >= alone && !s.busy || s.in.unacked >= busy
}

// acknowledge says what was taken and what of unfinished items is durable; that is
// made so before.
func (s *Session) acknowledge() {
	for lane := range s.in.lanes {
		if in := &s.in.lanes[lane]; len(in.Bytes) > in.kept {
			n := len(in.Bytes)
			s.question(Stage{in.Staged}, func() { in.kept = n })
			return
		}
	}
	if len(s.in.unstage) > 0 {
		lane := s.in.unstage[0]
		s.in.unstage = s.in.unstage[1:]
		if s.in.lanes[lane].kept == 0 {
			s.question(Stage{Staged{Lane: lane}}, nil)
			return
		}
	}
	m := ack{Kind: kindAck, Done: s.in.done}
	for lane, in := range s.in.lanes {
		if in.open && in.kept > 0 {
			m.Parts = append(m.Parts, make([]uint64, lane-len(m.Parts))...)
			m.Parts = append(m.Parts, uint64(in.kept))
		}
	}
	s.acknowledged()
	frame, err := encode(m)
	if err != nil {
		s.Refuse(Refuse(Unavailable, "an acknowledgement that can't be encoded"))
		return
	}
	s.add(frame)
}

// drop forgets what was staged of an item that nobody will finish: both hold the same,
// so it came some other way. Else every contact would begin by telling of it. It says
// whether there was anything to do.
func (s *Session) drop() bool {
	if !s.met || !s.first || s.in.taking {
		return false
	}
	for lane := range laneContent {
		if in := &s.in.lanes[lane]; in.kept > 0 && !in.open {
			*in = incoming{}
			s.question(Stage{Staged{Lane: uint8(lane)}}, nil)
			return true
		}
	}
	return false
}

// counted notes that the peer is told how many items were taken. What came of
// unfinished ones still has to be acknowledged.
func (s *Session) counted() {
	for _, in := range s.in.lanes {
		if in.open {
			return
		}
	}
	s.acknowledged()
}

func (s *Session) acknowledged() {
	s.in.said, s.in.unacked, s.in.other = s.in.done, 0, false
	clear(s.in.owed)
}

// covered notes that an own receipt says what an acknowledgement would.
func (in *receiving) covered(r *identity.Receipt) {
	maps.DeleteFunc(in.owed, func(log crdt.LogID, seq uint64) bool { return covers(r, log, seq) })
	if len(in.owed) == 0 && !in.other {
		in.unacked = 0
	}
}
