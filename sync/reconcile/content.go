package reconcile

import (
	"crypto/sha256"

	"github.com/vungxa/vungxa/crdt"
)

// Attachments go last: a side that has nothing else to take asks for one that its
// records name and it lacks, piece by piece; each piece is durable before the next
// is asked for, and the whole is compared with its hash where it is kept.

// Content is an attachment that is wanted: its SHA-256, and how much of it lies here.
type Content struct {
	Hash [sha256.Size]byte
	Have uint64
}

// Seek asks for an attachment that is to be fetched, to which records of these scopes
// point and that isn't one of Except. The answer is Sought.
type Seek struct {
	Scopes []crdt.Scope
	Except map[[sha256.Size]byte]bool
}

// Fetch wants a piece of an attachment that this node holds and to which records of
// these scopes point, at most Max bytes. The answer is Fetched.
type Fetch struct {
	Scopes []crdt.Scope
	Hash   [sha256.Size]byte
	Offset uint64
	Max    int
}

// Append wants a piece of an attachment kept durably after those that are there; if
// it is the last, the whole is compared with its hash. The answer is Kept, or Declined.
type Append struct {
	Hash          [sha256.Size]byte
	Offset, Total uint64
	Bytes         []byte
}

func (Seek) action()   {}
func (Fetch) action()  {}
func (Append) action() {}

// content is what goes on with attachments, both ways.
type content struct {
	asked   []get // of this side, in order
	wanted  Content
	began   uint64 // how much of it lay here before this session asked
	waiting bool   // for a piece of it
	done    bool   // there is nothing more to ask for
	except  map[[sha256.Size]byte]bool
	missing map[[sha256.Size]byte]bool // those of them that the peer hasn't got
	missed  map[[sha256.Size]byte]bool // that the peer asked for, and that were not here
}

// maxMissed bounds what is kept in mind of what the peer asked for in vain.
const maxMissed = 1024

func newContent() content {
	return content{except: map[[sha256.Size]byte]bool{}, missing: map[[sha256.Size]byte]bool{}, missed: map[[sha256.Size]byte]bool{}}
}

// MoreContent tells the session that attachments may be wanted that were not before.
func (s *Session) MoreContent() { s.content.done = false }

// Came tells the session that this node holds an attachment now. A peer that asked for
// it in vain is told.
func (s *Session) Came(hash [sha256.Size]byte) {
	if s.content.missed[hash] && s.refusal == nil {
		delete(s.content.missed, hash)
		s.say(have{Kind: kindHave, Hash: hash})
	}
}

func (s *Session) takeHave(m *have) {
	if s.content.missing[m.Hash] {
		delete(s.content.missing, m.Hash)
		delete(s.content.except, m.Hash)
		s.content.done = false
	}
}

// seek asks for an attachment when both sides hold the same records. It says whether
// there was anything to do.
func (s *Session) seek() bool {
	c := &s.content
	if !s.met || c.waiting || c.done || s.busy || s.stale || s.overBudget() {
		return false
	}
	s.question(Seek{Scopes: s.scopes, Except: c.except}, nil)
	return true
}

// Sought answers Seek; nil: there is none.
func (s *Session) Sought(wanted *Content) {
	s.ask, s.asked = nil, false
	c := &s.content
	if wanted == nil || s.refusal != nil {
		c.done = true
		return
	}
	c.wanted, c.began, c.waiting = *wanted, wanted.Have, true
	s.say(get{Kind: kindGet, Hash: wanted.Hash, Offset: wanted.Have})
}

func (s *Session) takeGet(m *get) {
	if len(s.content.asked) > 0 {
		s.Refuse(Refuse(Order, "a second attachment asked for before the first was sent"))
		return
	}
	s.content.asked = []get{*m}
}

func (s *Session) sendContent() {
	m := s.content.asked[0]
	s.question(Fetch{Scopes: s.scopes, Hash: m.Hash, Offset: m.Offset, Max: MaxChunk}, nil)
}

// Fetched answers Fetch: a piece and how long the whole is; none where the
// attachment isn't held.
func (s *Session) Fetched(b []byte, total uint64) {
	s.ask, s.asked = nil, false
	if s.alone != nil {
		s.alone.fetched(b, total)
		return
	}
	if len(s.content.asked) == 0 || s.refusal != nil {
		return
	}
	m := s.content.asked[0]
	s.content.asked = nil
	if len(b) == 0 {
		if len(s.content.missed) < maxMissed {
			s.content.missed[m.Hash] = true
		}
		no := texts[Missing]
		s.say(refused{Kind: kindRefused, Code: uint(Missing), VI: no.VI, EN: no.EN, Of: mustEncode(m.Hash)})
		return
	}
	b, err := encode(chunk{Kind: kindContent, Hash: m.Hash, Offset: m.Offset, Total: total, Bytes: b})
	if err != nil {
		s.Refuse(Refuse(Unavailable, "an attachment that can't be encoded"))
		return
	}
	s.put(laneContent, &item{bytes: b})
}

func (s *Session) takeChunk(m *chunk) {
	if s.alone != nil {
		s.alone.takeChunk(m)
		return
	}
	c := &s.content
	if !c.waiting || m.Hash != c.wanted.Hash || m.Offset != c.wanted.Have {
		s.Refuse(Refuse(Order, "a piece of an attachment that was not asked for"))
		return
	}
	s.question(Append{Hash: m.Hash, Offset: m.Offset, Total: m.Total, Bytes: m.Bytes}, func() {
		c.waiting = false
		switch {
		case s.no != nil && c.began > 0: // what was here before may have been another's fault
		case s.no != nil || m.Offset+uint64(len(m.Bytes)) == m.Total:
			c.except[m.Hash] = true
		case s.overBudget(): // it goes on at another contact
			c.done = true
		default:
			c.wanted.Have += uint64(len(m.Bytes))
			c.waiting = true
			s.say(get{Kind: kindGet, Hash: m.Hash, Offset: c.wanted.Have})
		}
	})
}

// contentRefused: the peer doesn't hold what was asked for.
func (s *Session) contentRefused(hash [sha256.Size]byte) {
	if s.content.waiting && s.content.wanted.Hash == hash {
		s.content.waiting = false
		s.content.except[hash], s.content.missing[hash] = true, true
	}
}
