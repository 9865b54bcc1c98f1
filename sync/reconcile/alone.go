package reconcile

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
)

// Where there is no line, half a session is written down and carried (sync/bundle): the
// items that a session would send to a peer that answers nothing, and the words that
// heal a wrong memory. Reading it is the other half: every item goes through the checks
// of a session, and whatever a session would answer is gathered, to be carried back.

// Reader is one for whom a bundle is written: its certificate, and what is remembered of
// it (nil: nothing).
type Reader struct {
	Certificate []byte
	Memory      *Memory
}

// Writing says what is to be written down.
type Writing struct {
	Readers []Reader
	// From is how far earlier parts of the same writing go.
	From map[crdt.LogID]Known
	// Room is how many bytes the messages may take, MessageFrame of each included.
	Room int
	// Heads: what is held is stated, since a memory may be wrong. It also is where
	// nothing is remembered of a reader.
	Heads bool
	// Answer is what came of reading what the only reader wrote.
	Answer Answer
	// Lacked are attachments that the reader is asked for.
	Lacked []Content
}

// MessageFrame is what a message in a bundle takes beside its bytes, at most.
const MessageFrame = 5

// Answer is what a reader would have said to what it read, had there been a line.
type Answer struct {
	Wants   []Want
	Refused []Declined
	Whole   []crdt.Scope // of these the writer's own receipt couldn't be read
	Unread  int          // items that rest on what isn't held here
	Asked   []Content    // attachments that the writer lacks, and what it has of them
	// Wrong: both should hold the same by now, and don't.
	Wrong bool
}

// Lacking says whether something of what was read rests on what isn't here: it is to be
// read again when that has come. A receipt that couldn't be read isn't worth waiting for:
// it rests on one that was held here, and comes whole with the writer's next word.
func (a Answer) Lacking() bool { return len(a.Wants)+a.Unread > 0 }

// Want is a piece of a log that is to come again; To is 0 where all from From on is.
type Want struct {
	Log      crdt.LogID
	From, To uint64
}

// Declined is an item that wasn't taken: of a log, of which the peer takes what is at or
// below UpTo, or a receipt, where Log is zero.
type Declined struct {
	Log     crdt.LogID
	UpTo    uint64
	Refusal *Refusal
}

// alone is what a session has where there is no line.
type alone struct {
	s        *Session
	writing  bool
	room     int
	wrote    int // words and items
	full     bool
	ended    bool         // the last word is written
	revoked  bool         // the reader is: it gets the answer to what it wrote, and nothing else
	signed   []crdt.Scope // of which an own receipt is written
	old      bool         // what is read
	before   Memory
	enclosed []Content // attachments that are to go along, in order
	whole    int       // those that did
	level    *level    // the writer's last word
	answer   Answer
}

// maxAnswer bounds the words of an answer of each kind.
const maxAnswer = 64

// NewWriting begins a session that writes for its readers and reads nothing. What it
// writes suits the one that holds least.
func NewWriting(config Config, view View, w Writing) (*Session, error) {
	s, err := open(config, view)
	if err != nil {
		return nil, err
	}
	s.config.Window, s.config.Budget = math.MaxInt, Allowance{}
	s.alone = &alone{s: s, writing: true, room: w.Room}
	scopes := config.Scopes
	for _, r := range w.Readers {
		c, err := s.dir.Verify(r.Certificate)
		if err != nil {
			return nil, fmt.Errorf("write for a reader: %w", err)
		}
		if c.Device == s.own.Device {
			return nil, fmt.Errorf("write for device %s: it is this one", c.Device)
		}
		if r := s.revoked(c.Device); r != nil && len(w.Readers) > 1 {
			return nil, fmt.Errorf("write for several readers: %w", r)
		} else if r != nil {
			s.alone.revoked = true
		}
		scopes = slices.DeleteFunc(slices.Clone(scopes), func(scope crdt.Scope) bool { return !c.Covers(scope) })
		s.peer = c
	}
	s.share(scopes)
	if len(s.scopes) == 0 {
		return nil, fmt.Errorf("write for %d readers: %w: no scope in common", len(w.Readers), identity.ErrScope)
	}
	m := s.least(w.Readers)
	if len(w.Readers) > 1 {
		s.peer = identity.Claims{} // their own receipts go to the others
	}
	s.first, s.informed = true, true
	s.believeMemory(m)
	if m == nil && w.From == nil || w.Heads || w.Answer.Wrong || w.Answer.Unread > 0 {
		s.out.heads = headsAll
	}
	for _, scope := range s.scopes {
		s.out.chainless[scope] = w.From != nil // an earlier part has them
	}
	for log, k := range w.From {
		if k.Seq > s.out.sent[log].Seq {
			s.out.sent[log] = k
		}
	}
	s.words(w.Answer)
	for _, c := range w.Lacked[:min(len(w.Lacked), maxAsked)] {
		s.wordOf(get{Kind: kindGet, Hash: c.Hash, Offset: c.Have})
	}
	return s, nil
}

// Reading is what is known of what a device wrote before it is read.
type Reading struct {
	By     []byte       // its certificate; that it wrote this has been verified
	Scopes []crdt.Scope // of which it says that it wrote, sorted
	// Old: something that it wrote later was read. Items are taken as ever; how things
	// stood when this was written is of no interest any more.
	Old bool
}

// NewReading begins a session that reads what a device wrote, and answers nothing.
func NewReading(config Config, view View, r Reading) (*Session, error) {
	s, err := open(config, view)
	if err != nil {
		return nil, err
	}
	by, scopes := r.By, r.Scopes
	if s.peer, err = s.dir.Add(by); err != nil {
		return nil, fmt.Errorf("read what a device wrote: %w", err)
	}
	if s.peer, _ = s.claims(s.peer.Device); s.peer.Device == s.own.Device {
		return nil, fmt.Errorf("read what device %s wrote: it is this one", s.peer.Device)
	}
	s.alone = &alone{s: s, old: r.Old}
	s.share(scopes)
	if !slices.Equal(s.scopes, scopes) || len(scopes) == 0 {
		return nil, Refuse(Scope, "device %s: not all that it wrote of is shared", s.peer.Device)
	}
	for _, scope := range scopes {
		if !s.peer.Covers(scope) {
			return nil, Refuse(Scope, "device %s, scope %+q", s.peer.Device, scope)
		}
	}
	s.first, s.informed, s.stated = true, true, true
	var m *Memory
	if s.usable(Reader{Certificate: by, Memory: config.Memory}) {
		m = config.Memory
	}
	s.believeMemory(m)
	if config.Memory != nil {
		s.memory = *config.Memory
	}
	s.alone.before = s.memory
	if m == nil { // what it counted was with another certificate, or never
		s.alone.before.Took, s.alone.before.Count, s.alone.before.Acked, s.alone.before.Doubt, s.alone.before.Unfinished = 0, 0, 0, nil, nil
	}
	if cert := s.news(s.peer.Device); cert != nil {
		s.question(Keep{Certificate: cert}, nil)
	}
	return s, nil
}

// usable says whether what is remembered of a reader can still be true.
func (s *Session) usable(r Reader) bool {
	return r.Memory != nil && r.Memory.Known && r.Memory.Peer == hashOf(r.Certificate) && r.Memory.Own == hashOf(s.config.Own)
}

// believeMemory begins with what is remembered; what is in doubt didn't arrive.
func (s *Session) believeMemory(m *Memory) {
	if m == nil {
		return
	}
	s.remember(m)
	for _, d := range s.out.doubt {
		s.settleDoubt(d, false)
	}
	s.out.doubt, s.out.unfinished = nil, map[uint8]Span{}
	s.rebuildSent()
}

// least is what all readers are remembered to have; nil if one has nothing.
func (s *Session) least(readers []Reader) *Memory {
	for _, r := range readers {
		if !s.usable(r) {
			return nil
		}
	}
	if len(readers) == 0 {
		return nil
	}
	m := readers[0].Memory
	for _, r := range readers[1:] {
		m = lesser(m, r.Memory)
	}
	return m
}

// lesser is what two memories have in common.
func lesser(a, b *Memory) *Memory {
	m := &Memory{Known: true, Given: map[crdt.LogID]Known{}, Receipts: map[crdt.Scope]map[crdt.Device]uint64{}, Certificates: map[crdt.Device]Hash{}}
	for log, k := range a.Given {
		if b.Given[log].Seq < k.Seq {
			k = b.Given[log]
		}
		if k.Seq > 0 {
			m.Given[log] = k
		}
	}
	for scope, weights := range a.Receipts {
		m.Receipts[scope] = map[crdt.Device]uint64{}
		for d, w := range weights {
			m.Receipts[scope][d] = min(w, b.Receipts[scope][d])
		}
	}
	for d, h := range a.Certificates {
		if b.Certificates[d] == h {
			m.Certificates[d] = h
		}
	}
	m.Decided = maps.Clone(a.Decided)
	maps.DeleteFunc(m.Decided, func(scope crdt.Scope, d Decided) bool { return b.Decided[scope] != d })
	m.Base = maps.Clone(a.Base)
	maps.DeleteFunc(m.Base, func(scope crdt.Scope, r *identity.Receipt) bool {
		other := b.Base[scope]
		return other == nil || other.Signature != r.Signature
	})
	m.Doubt = append(slices.Clone(a.Doubt), b.Doubt...)
	return m
}

// words writes what a reading was answered.
func (s *Session) words(a Answer) {
	for _, w := range a.Wants {
		if s.lanes[w.Log.Scope] != nil {
			s.wordOf(want{Kind: kindWant, Log: s.fullName(w.Log), From: w.From, To: w.To})
		}
	}
	for _, d := range a.Refused {
		if s.lanes[d.Log.Scope] != nil {
			r := d.Refusal
			s.wordOf(refused{Kind: kindRefused, Code: uint(r.Code), VI: r.Reason.VI, EN: r.Reason.EN, Where: r.Where, Of: s.fullName(d.Log), Seq: d.UpTo})
		}
	}
	for _, scope := range a.Whole {
		if i := slices.Index(s.scopes, scope); i >= 0 {
			s.wordOf(whole{Kind: kindWhole, Scope: uint(i)})
		}
	}
}

func (s *Session) wordOf(m any) {
	if b, err := encode(m); err == nil && len(b)+MessageFrame <= s.alone.room {
		s.alone.room -= len(b) + MessageFrame
		s.alone.wrote++
		s.outbox = append(s.outbox, b)
	}
}

// write puts the next message into the batch: words first, then items as a session
// would, the most urgent first, but never out of turn; at last how this side stands, if
// all is written and one reader is to compare.
func (s *Session) write() {
	a := s.alone
	if !a.writing || s.refusal != nil {
		return
	}
	for len(s.outbox) > 0 {
		s.flush()
	}
	for s.size == 0 && s.ask == nil && s.refusal == nil && !a.full && !a.revoked {
		lane := 0
		for lane < laneContent && !s.due(lane) {
			lane++
		}
		switch {
		case lane == laneContent && a.enclose():
		case lane == laneContent:
			s.standAlone()
			return
		case s.out.current[lane] == nil:
			s.begin(lane)
		case len(s.out.current[lane].bytes)+s.beside(lane)+MessageFrame > a.room:
			a.full = true
		default:
			a.room -= len(s.out.current[lane].bytes) + MessageFrame
			a.wrote++
			s.sendOn(lane)
		}
	}
}

// beside is how much room what rests on a certificate takes: one isn't written
// without the other.
func (s *Session) beside(lane int) int {
	if next := s.out.current[lane].next; next != nil {
		return len(next.bytes) + MessageFrame
	}
	return 0
}

// standAlone ends a whole writing for one reader.
func (s *Session) standAlone() {
	a := s.alone
	if a.ended || s.peer.Device == (crdt.Device{}) {
		return
	}
	a.ended = true
	b, err := encode(level{Kind: kindLevel, Digest: s.digest()})
	if err != nil || len(b)+MessageFrame > a.room {
		return
	}
	a.room -= len(b) + MessageFrame
	s.add(b)
}

// Sent is how far each log goes once what was written has arrived.
func (s *Session) Sent() map[crdt.LogID]Known { return maps.Clone(s.out.sent) }

// Signed are the scopes of which a receipt of this side was written.
func (s *Session) Signed() []crdt.Scope { return s.alone.signed }

// Wrote is how many messages there are in a writing beside its last word.
func (s *Session) Wrote() int { return s.alone.wrote }

// Full says whether a writing ended for want of room.
func (s *Session) Full() bool { return s.alone != nil && s.alone.full }

// Sharing are the scopes that a session is of.
func (s *Session) Sharing() []crdt.Scope { return slices.Clone(s.scopes) }

// Take takes the next message of a reading, as Receive does a frame.
func (s *Session) Take(b []byte) {
	if s.refusal != nil {
		return
	}
	m, refusal := decode(b)
	if refusal != nil {
		s.Refuse(refusal)
		return
	}
	switch m.(type) {
	case *level, *want, *refused, *whole, *heads, *get:
		if s.alone.old {
			return
		}
	}
	switch m := m.(type) {
	case *level:
		s.alone.level = m
	case *get:
		if len(s.alone.answer.Asked) < maxAsked {
			s.alone.answer.Asked = append(s.alone.answer.Asked, Content{m.Hash, m.Offset})
		}
	case *want, *refused, *whole, *after, *carrier, *delta, *heads, *chunk:
		kind, _ := kindOf(b)
		s.busy = true
		s.take(m, kind, len(b))
	case ignored:
	default:
		s.Refuse(Refuse(Order, "a message that has no place where nobody answers"))
	}
	s.taken()
}

// note gathers what a session would have answered.
func (a *alone) note(m any) {
	switch m := m.(type) {
	case want:
		if log, ok := a.s.resolve(m.Log); ok && len(a.answer.Wants) < maxAnswer {
			a.answer.Wants = append(a.answer.Wants, Want{log, m.From, m.To})
		} else {
			a.answer.Unread++
		}
	case refused:
		log, _ := a.s.resolve(m.Of)
		r := Refuse(Code(m.Code), "%s", m.Where)
		a.answer.Refused = append(a.answer.Refused, Declined{log, m.Seq, r})
	case whole:
		if scope := a.s.scopes[m.Scope]; !a.old && !slices.Contains(a.answer.Whole, scope) {
			a.answer.Whole = append(a.answer.Whole, scope)
		}
	}
}

// Answer is what came of a reading, after the last view was given to it.
func (s *Session) Answer() Answer {
	a := s.alone.answer
	if l := s.alone.level; l != nil && !a.Lacking() && len(a.Whole)+len(a.Refused) == 0 && !s.unsettled() {
		a.Wrong = l.Digest != s.digest()
	}
	return a
}

// Learned is what is to be remembered of the one that wrote what was read. What was
// counted over lines stays as it was.
func (s *Session) Learned() *Memory {
	m, was := s.Memory(), s.alone.before
	m.Mine, m.Its, m.Live = was.Mine, was.Its, was.Live
	m.Took, m.Count, m.Acked, m.Doubt, m.Unfinished = was.Took, was.Count, was.Acked, was.Doubt, was.Unfinished
	return m
}

// Carry notes in a memory what was given to a courier: it counts as carried until the
// peer's word for it comes. Which own receipt the peer has of the scopes that were signed
// for isn't certain until then: the next one rests on none.
func (m *Memory) Carry(sent map[crdt.LogID]Known, signed []crdt.Scope) {
	for _, scope := range signed {
		delete(m.Base, scope)
	}
	if m.Carried == nil {
		m.Carried = map[crdt.LogID]Known{}
	}
	for log, k := range sent {
		if k.Seq > m.Given[log].Seq {
			m.Carried[log] = k
		}
	}
}

// Knows says whether the peer is remembered to know this own certificate.
func (m *Memory) Knows(own []byte) bool { return m.Known && m.Own == hashOf(own) }

// Join adds what is to be said to what else the same device wrote.
func (a Answer) Join(b Answer) Answer {
	return Answer{
		Wants: append(slices.Clone(a.Wants), b.Wants...), Refused: append(slices.Clone(a.Refused), b.Refused...), Whole: append(slices.Clone(a.Whole), b.Whole...),
		Unread: a.Unread + b.Unread, Asked: append(slices.Clone(a.Asked), b.Asked...), Wrong: a.Wrong || b.Wrong,
	}
}
