package reconcile

import (
	"errors"
	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
)

// readNext asks for the next segment of a log.
func (s *Session) readNext(log crdt.LogID) {
	a := Read{Log: log, After: s.out.sent[log].Seq}
	if again, wanted := s.out.wanted[log]; wanted {
		a.After = again.After
	} else if u, begun := s.out.unfinished[uint8(log.Class&3)]; begun && u.Log == log && u.After == a.After {
		a.UpTo = u.To
	}
	if h, ok := s.held[log]; ok && (a.UpTo == 0 || a.UpTo > h.UpTo) {
		a.UpTo = h.UpTo
	}
	s.question(a, nil)
}

// Segment answers Read; nil: there is none.
func (s *Session) Segment(seg *wire.Segment) {
	a, ok := s.ask.(Read)
	s.ask, s.asked = nil, false
	if !ok || s.refusal != nil {
		return
	}
	if seg == nil && a.UpTo > 0 { // no seal there any more
		delete(s.out.unfinished, uint8(a.Log.Class&3))
		if h, held := s.held[a.Log]; held {
			h.UpTo = s.out.sent[a.Log].Seq
			s.held[a.Log] = h
		}
		s.out.plan = nil
		return
	}
	if seg == nil || len(seg.Entries) == 0 || seg.First != a.After+1 && (seg.First < a.After+1 || a.Log.Class&crdt.ClassBranch == 0) {
		s.Refuse(Refuse(Unavailable, "log %s: no segment above %d", a.Log, a.After))
		return
	}
	first, err := wire.DecodeEntry(seg.Entries[0])
	if err != nil {
		s.Refuse(Refuse(Unavailable, "log %s, seq %d", a.Log, seg.First))
		return
	}
	known := s.out.sent[a.Log]
	_, again := s.out.wanted[a.Log]
	if !again && known.Seq > 0 && known.Hash != (Hash{}) && known.Hash != short(first.Prev) && seg.First == known.Seq+1 {
		if s.parting.begins(a.Log) {
			s.probe(a.Log, known.Seq)
		} else {
			s.partsAt(a.Log, 0)
		}
		return
	}
	exact := !again && !s.plain && !s.out.whole[a.Log] && a.Log == seg.Log && known.Seq > 0 && known.Seq == seg.First-1
	if !exact {
		s.putSegment(a.Log, seg, nil, again)
		return
	}
	s.question(Base{At: crdt.Pos{Log: a.Log, Seq: a.After}}, func() {
		s.putSegment(a.Log, seg, s.base, again)
	})
}

// putSegment makes a segment the next item of its lane. For a reader who is known
// to hold the entry before, what follows from that is left out.
func (s *Session) putSegment(row crdt.LogID, seg *wire.Segment, before *crdt.Entry, again bool) {
	it := &item{
		lane: int(row.Class & 3), of: seg.Log, after: seg.First - 1,
		row: Row{row, Known{seg.Last(), short(seg.Seal.Hash)}},
	}
	var err error
	if it.bytes, err = s.encodeSegment(seg, before); err != nil {
		s.Refuse(Refuse(Unavailable, "log %s, seq %d: it can't be encoded", row, seg.First))
		return
	}
	if again {
		it.row = Row{}
		s.sendAgain(row, seg.Last())
	}
	s.put(it.lane, s.resting(seg.Log.Device, it))
}

func (s *Session) encodeSegment(seg *wire.Segment, before *crdt.Entry) ([]byte, error) {
	if before == nil {
		b, err := wire.EncodeSegment(seg)
		if err != nil {
			return nil, err
		}
		return encode(carrier{Kind: kindSegment, Item: b})
	}
	b, err := wire.EncodeSegmentOnto(seg, before)
	if err != nil {
		return nil, err
	}
	return encode(after{Kind: kindAfter, Log: s.name(seg.Log), First: seg.First, Item: b})
}

// sendAgain goes on with what the peer wants again.
func (s *Session) sendAgain(log crdt.LogID, last uint64) {
	w := s.out.wanted[log]
	w.After = last
	if last >= w.To {
		delete(s.out.wanted, log)
		s.out.plan = nil
		return
	}
	s.out.wanted[log] = w
}

// ErrCompacted is wrapped by the error of whoever reads entries for a session that were
// compacted away.
var ErrCompacted = errors.New("compacted away")

// Dropped answers Read where what lies right above was compacted away: who was in touch
// has it, and a device that wasn't gets it of the hub. Perhaps it has: its heads tell. The
// log alone is held back until then.
func (s *Session) Dropped() {
	a, ok := s.ask.(Read)
	s.ask, s.asked = nil, false
	if !ok || s.refusal != nil {
		return
	}
	delete(s.out.wanted, a.Log)
	delete(s.out.unfinished, uint8(a.Log.Class&3))
	s.holdBack(a.Log, Refuse(Compacted, "log %s above %d", a.Log, a.After), a.After)
	s.out.heads, s.stated = headsAll, true
}
