package reconcile

import (
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
	log    crdt.LogID
	low    uint64   // a seq at which both are the same; 0 is one
	high   uint64   // and one at which they are not
	listed []uint64 // asked about
	next   []Row    // logs that are searched after this one, and where they are not the same
	begun  map[crdt.LogID]int
	sent   map[crdt.LogID]bool // own branches that are to be sent from where they part
	unread bool                // a branch was stored since the view was read: names may have changed
}

// maxSearches is how often a session looks for where one log parts: a log may part from
// more than one.
const maxSearches = 3

func newParting() parting {
	return parting{begun: map[crdt.LogID]int{}, sent: map[crdt.LogID]bool{}}
}

// begins says whether one more search may begin.
func (p *parting) begins(log crdt.LogID) bool { return p.begun[log] < maxSearches }

func (p *parting) busy(log crdt.LogID) bool {
	return p.active && (p.log == log || slices.ContainsFunc(p.next, func(r Row) bool { return r.Log == log }))
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
	if s.alone != nil { // nobody answers where it parts: what is held here goes whole
		p := &s.parting
		p.begun[log]++
		s.partsAt(log, 0)
		return
	}
	s.out.plan = nil
	p := &s.parting
	if p.active {
		p.next = append(p.next, Row{log, Known{Seq: high}})
		return
	}
	p.begun[log]++
	p.active, p.log, p.low, p.high = true, log, 0, high
	s.probeOn()
}

// searched ends a search, and begins the next.
func (s *Session) searched() {
	p := &s.parting
	p.active = false
	if len(p.next) > 0 {
		r := p.next[0]
		p.next = p.next[1:]
		s.probe(r.Log, r.Seq)
	}
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

// holdBack sends the peer no more of a log than it takes.
func (s *Session) holdBack(log crdt.LogID, r *Refusal, upTo uint64) {
	s.held[log] = Held{
		Times: s.times[log] + 1, Code: r.Code, Reason: r.Reason, Where: r.Where, UpTo: upTo, Own: s.head(log).Seq, Certificate: s.certificate(log.Device),
	}
	s.out.plan = nil
}

// branch takes a segment that is not what is held of its log. If it begins right
// after an entry of a row that is, it is stored beside that; and what is held here goes to the
// peer from there on.
func (s *Session) branch(seg *wire.Segment, prev crdt.Hash, row crdt.LogID) {
	from := seg.First - 1
	refuse := func() { s.declineLog(seg, Refuse(Fork, "log %s, seq %d", seg.Log, seg.First), from) }
	take := func() {
		s.question(Ingest{Certificate: s.news(seg.Log.Device), Segment: seg}, func() {
			if s.no != nil {
				s.declineLog(seg, s.no, from)
				return
			}
			s.stale, s.in.other, s.parting.unread = true, true, true
			s.tips[seg.Log] = append(s.tips[seg.Log], seg.Seal.Head())
			s.sendOwn(seg.Log, from)
		})
	}
	if from == 0 {
		take()
		return
	}
	s.look([]identity.LogHead{{Log: row, Head: crdt.Head{Seq: from, Hash: prev}}}, take, refuse)
}

// sendOwn sends what is held here of a log from where the peer's branch leaves it, once.
func (s *Session) sendOwn(log crdt.LogID, from uint64) {
	if s.parting.sent[log] {
		return
	}
	p := &s.parting
	p.sent[log] = true
	s.unsend(log)
	s.partsAt(log, from)
	p.next = slices.DeleteFunc(p.next, func(r Row) bool { return r.Log == log })
	if p.busy(log) { // it is found
		s.searched()
	}
}

// branchRows are the branches of a log that are held beside it, sorted.
func (v View) branchRows(log crdt.LogID) (rows []crdt.LogID) {
	for row := range v[log.Scope].Heads {
		if row.Class&crdt.ClassBranch != 0 && row.Device == log.Device && row.Class == log.Class|crdt.ClassBranch {
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, crdt.LogID.Compare)
	return rows
}

// takeForked takes a segment of a log of which branches are held: it goes on from one of
// these rows, or is a branch of its own.
func (s *Session) takeForked(seg *wire.Segment, first *crdt.Entry, rows []crdt.LogID) {
	at := make([]crdt.Pos, 0, 2*len(rows))
	for _, row := range rows {
		at = append(at, crdt.Pos{Log: row, Seq: min(s.head(row).Seq, seg.Last())}, crdt.Pos{Log: row, Seq: seg.First - 1})
	}
	s.question(Look{At: at}, func() {
		if len(s.hashes) < len(at) {
			return
		}
		leaves := func(i int) bool { return seg.First == 1 || s.hashes[2*i+1] == first.Prev }
		for i, row := range rows {
			seq := at[2*i].Seq
			if seq == 0 || seq+1 < seg.First || s.hashes[2*i] != before(seg, first, seq) {
				continue
			}
			if row != seg.Log && leaves(0) { // the peer has this branch under the log's name
				s.sendOwn(seg.Log, seg.First-1)
			}
			s.goOn(seg, row, seq)
			return
		}
		for i := range rows {
			if leaves(i) {
				s.branch(seg, first.Prev, rows[i])
				return
			}
		}
		s.want(seg.Log, s.head(seg.Log).Seq+1, 0)
	})
}

// goOn takes a segment that goes on from a row, of which what lies up to seq is the same.
func (s *Session) goOn(seg *wire.Segment, row crdt.LogID, seq uint64) {
	if seq == seg.Last() {
		s.known(seg, row)
		return
	}
	s.ingest(above(seg, seq), row)
}

// family is all logs of a device, a scope and a class: which of them are branches of
// which, their names don't say.
type family struct {
	device crdt.Device
	scope  crdt.Scope
	class  crdt.Class
}

func familyOf(log crdt.LogID) family {
	return family{log.Device, log.Scope, log.Class | crdt.ClassBranch}
}

// renamed are the families whose branches have changed between two views: what was held
// under one name may be held under another now.
func renamed(before, now View) map[family]bool {
	changed := map[family]bool{}
	note := func(one, other View) {
		for scope, h := range one {
			for log := range h.Heads {
				if log.Class&crdt.ClassBranch != 0 && other[scope].Heads[log].Seq == 0 {
					changed[familyOf(log)] = true
				}
			}
		}
	}
	note(before, now)
	note(now, before)
	return changed
}
