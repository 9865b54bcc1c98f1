package reconcile

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/identity"
)

// Config is what a session knows before it begins.
type Config struct {
	// Root is the authority that this node believes.
	Root ed25519.PublicKey
	// Own is this device's certificate.
	Own []byte
	// Scopes are those that this side serves and wants, each covered by Own.
	Scopes []crdt.Scope
	// PeerKey is the key that the carrier authenticated.
	PeerKey ed25519.PublicKey
	// Peer is the device that is expected behind it.
	Peer crdt.Device
	// Known gives the certificate that counts on this node for a device.
	Known func(crdt.Device) ([]byte, bool)
}

// Holding is what a node holds durably of one scope. A session keeps the maps and
// slices that it is given, so nobody may change them afterwards.
type Holding struct {
	Heads    map[crdt.LogID]crdt.Head // sealed heads of at least one entry
	Receipts []*identity.Receipt      // verified, one a signer, own included
}

// View is what a node holds of each scope of a session.
type View map[crdt.Scope]Holding

// Action is what a session wants done next; it is one of the types below.
type Action interface{ action() }

// Send wants a frame written. The answer, when it has been, is Written; until
// then other actions may come.
type Send struct{ Frame []byte }

// Read wants the next segment of a log above a seq. The answer is Segment.
type Read struct {
	Log   crdt.LogID
	After uint64
}

// Look wants the chain hashes of logs at seqs that this node holds. The answer
// is Hashes.
type Look struct{ At []crdt.Pos }

// Ingest wants a verified segment stored, after the certificate that it rests on
// if this node doesn't know that yet (else nil). The answer, when both are
// durable, is Stored.
type Ingest struct {
	Certificate []byte
	Segment     *wire.Segment
}

// Keep wants a verified receipt stored, likewise. The answer is Stored.
type Keep struct {
	Certificate []byte
	Receipt     *identity.Receipt
}

// Close is the last action: the connection is to be closed, after all that was
// sent has been written.
type Close struct{ Refusal *Refusal }

func (Send) action()   {}
func (Read) action()   {}
func (Look) action()   {}
func (Ingest) action() {}
func (Keep) action()   {}
func (Close) action()  {}

// Session is one connection between two devices. It is not safe for concurrent
// use. Its methods don't fail: what goes wrong ends in a Close.
type Session struct {
	config Config
	own    identity.Claims
	peer   identity.Claims // set once the peer's hello is accepted

	offered View // what the hello sent was about
	digests map[crdt.Scope][16]byte
	view    View
	lanes   map[crdt.Scope]*lane // of the shared scopes; nil before the peer's hello
	met     *identity.Directory  // the certificates of this session
	certs   int                  // how many were sent to this side
	told    map[crdt.Device]bool // whose certificates the peer has been sent, or sent

	outbox  [][]byte           // frames to send before anything else
	writing bool               // a Send has not been answered by Written
	flight  []identity.LogHead // segments sent and not known to be stored
	ask     Action             // a question, until Next hands it out
	then    func([]crdt.Hash)  // what to do with its answer

	refusal *Refusal
	closed  bool
}

// lane is one shared scope.
type lane struct {
	scope crdt.Scope
	// stated: what the peer holds is known, from its heads or an equal digest.
	stated bool
	// sent is what the peer holds, or will once it has stored what it was sent.
	sent map[crdt.LogID]crdt.Head
	// given is the weight of the newest receipt that the peer has or was sent, per
	// signer.
	given map[crdt.Device]uint64
	// due is the receipt of each signer that is passed on next. It keeps its place
	// until it has been sent, though newer ones come: the newest may always name
	// something that the peer has not been sent yet.
	due map[crdt.Device]*identity.Receipt
	// owed are the logs whose newest segment the peer doesn't know to be stored.
	owed map[crdt.LogID]bool
}

// New begins a session. It fails if this side's own certificate or state is not
// fit for one.
func New(config Config, view View) (*Session, error) {
	met, err := identity.New(config.Root)
	if err != nil {
		return nil, fmt.Errorf("session: %w", err)
	}
	own, err := met.Add(config.Own)
	if err != nil {
		return nil, fmt.Errorf("session: own certificate: %w", err)
	}
	s := &Session{
		config: config, own: own, offered: view, digests: map[crdt.Scope][16]byte{}, view: view, met: met,
		told: map[crdt.Device]bool{own.Device: true},
	}
	if err := s.greet(); err != nil {
		return nil, fmt.Errorf("session: hello: %w", err)
	}
	return s, nil
}

func (s *Session) greet() error {
	m := hello{Kind: kindHello, Format: Version, Certificate: s.config.Own}
	for _, scope := range slices.Sorted(slices.Values(s.config.Scopes)) {
		if !s.own.Covers(scope) {
			return fmt.Errorf("scope %q: %w", scope, identity.ErrScope)
		}
		h := s.view[scope]
		if len(h.Heads) > MaxLogs || len(h.Receipts) > MaxSigners {
			return fmt.Errorf("scope %q: %d logs and %d receipts; at most %d and %d",
				scope, len(h.Heads), len(h.Receipts), MaxLogs, MaxSigners)
		}
		digest, err := h.digest(scope)
		if err != nil {
			return fmt.Errorf("scope %q: %w", scope, err)
		}
		s.digests[scope] = digest
		m.Scopes = append(m.Scopes, scopeDigest{Scope: string(scope), Digest: digest})
	}
	frame, err := encode(m)
	s.outbox = [][]byte{frame}
	return errors.Join(err, m.check())
}

// Peer gives the peer's claims, once its hello has been accepted.
func (s *Session) Peer() (identity.Claims, bool) { return s.peer, s.lanes != nil }

// Changed tells the session that this node holds more than it did, by whatever
// way. What is held never becomes less; a node that has found a hole ends the
// session, and says in the next one what it holds without a gap.
func (s *Session) Changed(view View) { s.view = view }

// Written answers Send.
func (s *Session) Written() { s.writing = false }

// Stored answers Ingest and Keep, with what is held now.
func (s *Session) Stored(view View) {
	s.view = view
	s.Hashes(nil)
}

// Hashes answers Look, one hash a place; the zero hash where nothing is held.
func (s *Session) Hashes(hashes []crdt.Hash) {
	if then := s.then; then != nil {
		s.then = nil
		then(hashes)
	}
}

// Refuse ends the session: the peer is told, unless it is the one that refused,
// then Next gives Close. What comes after the first refusal changes nothing.
func (s *Session) Refuse(r *Refusal) {
	if s.refusal != nil {
		return
	}
	s.refusal, s.ask, s.then, s.outbox = r, nil, nil, nil
	if frame, err := r.Frame(); err == nil {
		s.outbox = [][]byte{frame}
	}
}

// Next gives what is to be done now; nil when there is nothing until something
// happens.
func (s *Session) Next() Action {
	switch {
	case s.closed:
		return nil
	case s.refusal != nil && (s.refusal.Remote || len(s.outbox) == 0 && !s.writing):
		s.closed = true
		return Close{Refusal: s.refusal}
	case s.ask != nil && s.refusal == nil:
		a := s.ask
		s.ask = nil
		return a
	case s.writing:
		return nil
	case len(s.outbox) == 0: // and nothing is refused
		if a := s.fill(); a != nil {
			return a
		}
	}
	if len(s.outbox) == 0 {
		return nil
	}
	frame := s.outbox[0]
	s.outbox, s.writing = s.outbox[1:], true
	return Send{Frame: frame}
}

// Receive takes the peer's next frame. Neither it nor Changed may be called while
// an action other than Send is unanswered.
func (s *Session) Receive(frame []byte) {
	if s.refusal != nil {
		return
	}
	m, refusal := decode(frame)
	if refusal == nil {
		refusal = s.take(m)
	}
	if refusal != nil {
		s.Refuse(refusal)
	}
}

func (s *Session) take(m message) *Refusal {
	switch m := m.(type) {
	case *refuse:
		return m.refusal()
	case *hello:
		return s.takeHello(m)
	case *heads:
		return s.takeHeads(m)
	case *carrier:
		return s.takeItem(m)
	}
	return nil
}

func (s *Session) takeItem(m *carrier) *Refusal {
	switch {
	case s.lanes == nil:
		return Refuse(Order, "kind %d before hello", m.Kind)
	case m.Kind == kindSegment:
		return s.takeSegment(m.Item)
	case m.Kind == kindReceipt:
		return s.takeReceipt(m.Item)
	}
	_, refusal := s.learn(m.Item)
	return refusal
}

func (s *Session) takeHello(m *hello) *Refusal {
	if s.lanes != nil {
		return Refuse(Order, "a second hello")
	}
	peer, refusal := s.learn(m.Certificate)
	switch {
	case refusal != nil:
		return refusal
	case !peer.PeerKey.Equal(s.config.PeerKey):
		return Refuse(PeerKey, "device %s", peer.Device)
	case peer.Device != s.config.Peer || peer.Device == s.own.Device:
		return Refuse(Unwelcome, "device %s", peer.Device)
	}
	lanes := map[crdt.Scope]*lane{}
	for _, theirs := range m.Scopes {
		scope := crdt.Scope(theirs.Scope)
		if !peer.Covers(scope) {
			return Refuse(Scope, "device %s, scope %+q", peer.Device, scope)
		}
		if !slices.Contains(s.config.Scopes, scope) {
			continue
		}
		lanes[scope] = s.open(scope, theirs.Digest)
	}
	if len(lanes) == 0 {
		return Refuse(Scope, "device %s: no scope in common", peer.Device)
	}
	s.peer, s.lanes = peer, lanes
	s.told[peer.Device] = true
	return nil
}

// open begins a lane: with all that the hello was about, if the peer's digest
// says that it holds the same, otherwise by stating what this side holds.
func (s *Session) open(scope crdt.Scope, theirs [16]byte) *lane {
	l := &lane{scope: scope, sent: map[crdt.LogID]crdt.Head{}, given: map[crdt.Device]uint64{}, due: map[crdt.Device]*identity.Receipt{}, owed: map[crdt.LogID]bool{}}
	if s.digests[scope] != theirs {
		s.put(s.own.Device, s.view[scope].state(scope), nil)
		return l
	}
	l.stated = true
	maps.Copy(l.sent, s.offered[scope].Heads)
	for _, r := range s.offered[scope].Receipts {
		l.given[r.Signer] = weight(r)
	}
	return l
}

// learn verifies a certificate and gives what counts for its device: of this one
// and one that the node knows, the newer.
func (s *Session) learn(cert []byte) (identity.Claims, *Refusal) {
	if s.certs++; s.certs > MaxCertificates {
		return identity.Claims{}, Refuse(Limit, "certificate %d", s.certs)
	}
	c, err := s.met.Add(cert)
	if err != nil {
		return c, Refuse(Certificate, "%v", err)
	}
	counts, _ := s.claims(c.Device)
	return counts, nil
}

// claims gives what counts for a device, from this session or from before it.
func (s *Session) claims(d crdt.Device) (identity.Claims, bool) {
	if known, ok := s.config.Known(d); ok {
		if _, err := s.met.Add(known); err != nil {
			return identity.Claims{}, false
		}
	}
	return s.met.ByDevice(d)
}

// news is what counts for a device if this node doesn't know it yet, else nil.
func (s *Session) news(d crdt.Device) []byte {
	cert, _ := s.met.Certificate(d)
	if known, _ := s.config.Known(d); bytes.Equal(known, cert) {
		return nil
	}
	return cert
}
