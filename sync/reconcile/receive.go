package reconcile

import (
	"maps"
	"slices"

	"github.com/fxamacker/cbor/v2"

	"github.com/vungxa/vungxa/crdt"
)

// receiving is the half of a session that comes from the peer.
type receiving struct {
	lanes   [Lanes]incoming
	hello   incoming // a first word in parts
	taking  bool     // an item is being taken in
	done    uint64   // items taken
	said    uint64   // the same, as last acknowledged
	unacked int      // bytes since
	owed    map[crdt.LogID]uint64
	other   bool // something came that no receipt acknowledges
	refused int  // items that were not taken
	unstage []uint8
	asked   map[crdt.LogID]uint64 // where logs were asked for, from a seq on
}

// incoming is what has come of the item on a lane.
type incoming struct {
	Staged
	kept int  // how much of it is durable
	open bool // a part came in this session
}

// When what came is acknowledged: at so many bytes if nothing waits to be read, if
// something does, and if something is sent anyway.
const (
	ackAlone  = 4 << 10
	ackBusy   = 64 << 10
	ackBeside = 1 << 10
)

// Receive takes the peer's next frame; more says that another waits already. Neither
// it nor Changed may be called while an action other than Send is unanswered, and
// after it all actions are to be done before the next.
func (s *Session) Receive(frame []byte, more bool) {
	if s.refusal != nil {
		return
	}
	s.busy = more
	s.used += uint64(len(frame))
	if len(frame) > MaxFrame || len(frame) == 0 {
		s.Refuse(Refuse(TooLarge, "a frame of %d bytes", len(frame)))
		return
	}
	m, refusal := decode(frame)
	if refusal != nil {
		s.Refuse(refusal)
		return
	}
	kind, _ := kindOf(frame)
	if !s.dropped(kind) {
		s.take(m, kind, len(frame))
	}
	s.overspent()
	s.taken()
}

// dropped says whether a frame is passed over: this side has said hello and the
// peer, which had resumed, doesn't know yet that it has to do so too.
func (s *Session) dropped(kind uint8) bool {
	return s.said == kindHello && !s.first && kind != kindHello && kind != kindRefuse && kind != kindPart
}

func (s *Session) take(m message, kind uint8, size int) {
	switch m := m.(type) {
	case *refuse:
		s.Refuse(m.refusal())
		return
	case *part:
		s.takePart(int(m.Lane), m.Bytes, size)
		return
	case *firstPart:
		s.takeFirst(m, size)
		return
	case *hello:
		s.takeHello(m)
		return
	case *resume:
		s.takeResume(m)
		return
	case *staged:
		s.out.staged[m.Lane] = *m
		return
	}
	if !s.first {
		s.Refuse(Refuse(Order, "kind %d before hello", kind))
		return
	}
	if isItem(kind) {
		s.came(m, size)
		return
	}
	switch m := m.(type) {
	case *ack:
		s.takeAck(m)
	case *level:
		s.takeLevel(m)
	case *want:
		s.takeWant(m)
	case *refused:
		s.takeRefused(m)
	case *probe:
		s.takeProbe(m)
	case *found:
		s.takeFound(m)
	case *get:
		s.takeGet(m)
	case *whole:
		s.takeWhole(m)
	case *have:
		s.takeHave(m)
	}
}

// came takes an item in that is whole.
func (s *Session) came(m message, size int) {
	if !s.informed && s.said == kindHello && !isHeads(m) {
		s.Refuse(Refuse(Order, "an item before the heads"))
		return
	}
	s.in.taking = true
	s.in.unacked += size
	s.theirs.valid = false
	if s.in.other = s.in.other || !isSegment(m); s.refusal != nil {
		return
	}
	switch m := m.(type) {
	case *heads:
		s.takeHeads(m)
	case *after:
		s.takeAfter(m)
	case *delta:
		s.takeDelta(m)
	case *chunk:
		s.takeChunk(m)
	case *carrier:
		switch m.Kind {
		case kindSegment:
			s.takeSegmentItem(m.Item)
		case kindReceipt:
			s.takeReceipt(m.Item)
		case kindCertificate:
			s.takeCertificate(m.Item)
		case kindGroup:
			s.takeGroup(m.Item)
		case kindCheckpoint:
			s.takeCheckpoint(m.Item)
		}
	}
}

func isSegment(m message) bool {
	c, ok := m.(*carrier)
	_, short := m.(*after)
	return short || ok && c.Kind == kindSegment
}

func isHeads(m message) bool {
	_, ok := m.(*heads)
	return ok
}

// taken counts an item when all that it led to is done.
func (s *Session) taken() {
	if s.in.taking && s.ask == nil && s.then == nil {
		s.in.taking = false
		s.in.done++
	}
}

func (s *Session) takeHello(m *hello) {
	if s.first {
		s.Refuse(Refuse(Order, "a second hello"))
		return
	}
	peer, refusal := s.learn(m.Certificate)
	switch {
	case refusal != nil:
	case !peer.PeerKey.Equal(s.config.PeerKey):
		refusal = Refuse(PeerKey, "device %s", peer.Device)
	case peer.Device != s.config.Peer || peer.Device == s.own.Device:
		refusal = Refuse(Unwelcome, "device %s", peer.Device)
	}
	var scopes []crdt.Scope
	for _, scope := range m.Scopes {
		if refusal == nil && !peer.Covers(crdt.Scope(scope)) {
			refusal = Refuse(Scope, "device %s, scope %+q", peer.Device, scope)
		}
		scopes = append(scopes, crdt.Scope(scope))
	}
	if refusal != nil {
		s.Refuse(refusal)
		return
	}
	again := s.said == kindResume
	s.share(scopes)
	if len(s.scopes) == 0 {
		s.Refuse(Refuse(Scope, "device %s: no scope in common", peer.Device))
		return
	}
	s.peer, s.first, s.tags = peer, true, nil
	s.memory.Forgotten = again
	s.heardCounter(m.Counter)
	s.anew()
	if again {
		s.outbox, s.batch, s.size = nil, nil, 0
		if err := s.greet(); err != nil {
			s.Refuse(Refuse(Unavailable, "hello"))
			return
		}
	}
	s.out.heads, s.stated = headsAll, true
	if cert := s.news(peer.Device); cert != nil {
		s.question(Keep{Certificate: cert}, func() { s.stale = true })
	}
}

// anew forgets what was believed of the peer, which starts from nothing.
func (s *Session) anew() {
	held, staged := s.held, s.out.staged
	s.memory.Took, s.memory.Count, s.memory.Acked = 0, 0, 0
	s.out, s.informed, s.met, s.healed = newSending(), false, false, 0
	s.held, s.out.staged = map[crdt.LogID]Held{}, staged
	for log, h := range held {
		if slices.Contains(s.scopes, log.Scope) {
			s.held[log] = h
		}
	}
}

func (s *Session) heardCounter(n uint64) {
	s.memory.CounterBack = n <= s.memory.Its
	s.memory.Its = max(s.memory.Its, n)
}

func (s *Session) takeResume(m *resume) {
	switch {
	case s.first:
		s.Refuse(Refuse(Order, "a second first word"))
		return
	case m.Format == 0:
		s.Refuse(Refuse(Format, "resume of format 0"))
		return
	}
	s.first = true
	s.heardCounter(m.Counter)
	s.theirs = word{valid: true, digest: m.Digest, more: m.More == 1}
	remembered := s.settleDoubts(m.Took)
	switch {
	case m.Digest == s.ours.digest && s.out.count == 0 && (!s.moved || m.Digest == s.digest()):
		s.same()
	case !remembered: // one of the two has a memory of another time
		s.informed, s.stated, s.out.heads = false, true, headsAll
	}
}

// takeCertificate keeps a certificate, so that it is there when what rests on it
// comes, in whatever session.
func (s *Session) takeCertificate(cert []byte) {
	c, err := s.dir.Verify(cert)
	if err != nil {
		s.Refuse(Refuse(Certificate, "%v", err))
		return
	}
	if _, refusal := s.learn(cert); refusal != nil {
		s.Refuse(refusal)
		return
	}
	s.out.told[c.Device] = hashOf(cert)
	if news := s.news(c.Device); news != nil {
		s.question(Keep{Certificate: news}, func() { s.stale = s.stale || s.no == nil })
	}
}

// want asks for entries of a log again.
func (s *Session) want(log crdt.LogID, from, to uint64) {
	if s.in.asked == nil {
		s.in.asked = map[crdt.LogID]uint64{}
	}
	if before, asked := s.in.asked[log]; asked && before == from {
		return
	}
	if len(s.in.asked) >= MaxLogs {
		s.Refuse(Refuse(Limit, "entries of %d logs that don't fit what is held", len(s.in.asked)))
		return
	}
	s.in.asked[log] = from
	s.met = false
	s.say(want{Kind: kindWant, Log: s.fullName(log), From: from, To: to})
}

func (s *Session) takeWant(m *want) {
	log, ok := s.resolve(m.Log)
	if !ok {
		s.Refuse(Refuse(Malformed, "want of a log without a name"))
		return
	}
	s.met = false
	if m.From > s.head(log).Seq {
		return // perhaps held once; the heads will tell
	}
	s.out.whole[log], s.out.plan = true, nil
	if m.To > 0 {
		s.out.wanted[log] = Span{Log: log, After: m.From - 1, To: min(m.To, s.head(log).Seq)}
		return
	}
	s.out.given[log] = Known{Seq: m.From - 1}
	s.unsend(log)
}

// decline says that an item wasn't taken, and why.
func (s *Session) decline(r *Refusal, of cbor.RawMessage, seq uint64) {
	if s.in.refused++; s.in.refused > MaxDeclined {
		s.Refuse(Refuse(Limit, "%d items that were refused; the last: %s", s.in.refused, r.Where))
		return
	}
	s.say(refused{Kind: kindRefused, Code: uint(r.Code), VI: r.Reason.VI, EN: r.Reason.EN, Where: r.Where, Of: of, Seq: seq})
}

// takeRefused holds back what the peer won't take.
func (s *Session) takeRefused(m *refused) {
	r := m.refusal()
	switch {
	case len(m.Of) == 33+1 && m.Of[0] == 0x58:
		s.contentRefused([32]byte(m.Of[2:]))
		return
	case len(m.Of) == 17 && m.Of[0] == 0x50:
		return // a receipt; what was given of it is told at the next session
	}
	log, ok := s.resolve(m.Of)
	if !ok || s.head(log).Seq == 0 {
		return
	}
	if log == authority(log.Scope) {
		s.out.decided[log.Scope] = s.out.decidedSure[log.Scope]
		s.holdBack(log, r, 0)
		return
	}
	rows := s.unsend(log)
	if r.Code == Fork && m.Seq > 0 && slices.Contains(rows, log) && s.parting.begins(log) {
		s.probe(log, min(m.Seq, s.head(log).Seq))
		return
	}
	if told := s.out.told[log.Device]; r.Code == Certificate && told != (Hash{}) && !s.out.toldAgain[log.Device] {
		delete(s.out.told, log.Device) // it was wrong that the peer has it
		s.out.toldAgain[log.Device] = true
		return
	}
	for _, row := range rows {
		upTo := min(m.Seq, s.head(log).Seq)
		if row != log {
			upTo = 0
		}
		s.holdBack(row, r, upTo)
	}
}

// HeldBack are the logs that the peer doesn't take, and why.
func (s *Session) HeldBack() map[crdt.LogID]Held { return maps.Clone(s.held) }

// HeldCount is how many they are.
func (s *Session) HeldCount() int { return len(s.held) }

// Declines is how many items of the peer's were not taken.
func (s *Session) Declines() int { return s.in.refused }
