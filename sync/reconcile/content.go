package reconcile

import "crypto/sha256"

// Attachments go last: a side that has nothing else to take asks for one that its
// records name and it lacks, piece by piece; each piece is durable before the next
// is asked for, and the whole is compared with its hash where it is kept.

// Content is an attachment that is wanted: its SHA-256, and how much of it lies here.
type Content struct {
	Hash [sha256.Size]byte
	Have uint64
}

// Seek asks for an attachment that is to be fetched and isn't one of Except. The
// answer is Sought.
type Seek struct{ Except map[[sha256.Size]byte]bool }

// Fetch wants a piece of an attachment that this node holds, at most Max bytes. The
// answer is Fetched.
type Fetch struct {
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
	waiting bool // for a piece of it
	done    bool // there is nothing more to ask for
	except  map[[sha256.Size]byte]bool
}

func newContent() content { return content{except: map[[sha256.Size]byte]bool{}} }

// MoreContent tells the session that attachments may be wanted that were not before.
func (s *Session) MoreContent() { s.content.done = false }

// seek asks for an attachment when both sides hold the same records. It says whether
// there was anything to do.
func (s *Session) seek() bool {
	c := &s.content
	if !s.met || c.waiting || c.done || s.busy || s.stale || s.overBudget() {
		return false
	}
	s.question(Seek{Except: c.except}, nil)
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
	c.wanted, c.waiting = *wanted, true
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
	s.question(Fetch{Hash: m.Hash, Offset: m.Offset, Max: MaxChunk}, nil)
}

// Fetched answers Fetch: a piece and how long the whole is; none where the
// attachment isn't held.
func (s *Session) Fetched(b []byte, total uint64) {
	s.ask, s.asked = nil, false
	if len(s.content.asked) == 0 || s.refusal != nil {
		return
	}
	m := s.content.asked[0]
	s.content.asked = nil
	if len(b) == 0 {
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
	c := &s.content
	if !c.waiting || m.Hash != c.wanted.Hash || m.Offset != c.wanted.Have {
		s.Refuse(Refuse(Order, "a piece of an attachment that was not asked for"))
		return
	}
	s.question(Append{Hash: m.Hash, Offset: m.Offset, Total: m.Total, Bytes: m.Bytes}, func() {
		c.waiting = false
		switch {
		case s.no != nil || m.Offset+uint64(len(m.Bytes)) == m.Total:
			c.except[m.Hash] = true
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
		s.content.except[hash] = true
	}
}
