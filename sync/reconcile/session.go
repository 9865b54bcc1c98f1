package reconcile

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/identity"
)

// Session is one connection between two devices. It is not safe for concurrent
// use. Its methods don't fail: what goes wrong ends in a Close.
type Session struct {
	config Config
	own    identity.Claims
	peer   identity.Claims     // once known, from memory or the peer's hello
	dir    *identity.Directory // the certificates of this session
	certs  int                 // how many were sent to this side

	view  View
	fresh map[crdt.LogID]crdt.Head   // stored since the view was read
	tips  map[crdt.LogID][]crdt.Head // likewise, of branches by the log that they left
	stale bool                       // something was
	moved bool                       // the view is another one than at the first word
	busy  bool                       // another frame waits to be read
	tags  map[[4]byte]crdt.LogID     // of the view; nil: to be made

	said      uint8        // the own first word: kindHello or kindResume
	first     bool         // whether the peer's came
	informed  bool         // what the peer holds is known or believed
	scopes    []crdt.Scope // that are shared, sorted
	lanes     map[crdt.Scope]*lane
	theirs    word // the peer's newest word of how it stands
	ours      word
	answering bool // the peer has said how it stands, and waits for the same
	met       bool // both hold the same, or did and know what has changed since
	stated    bool // heads were sent that wait for the peer's
	healed    int  // how often
	plain     bool // nothing is left out of segments: the memory was wrong

	out     sending
	in      receiving
	held    map[crdt.LogID]Held   // logs held back from this peer, and why
	times   map[crdt.LogID]uint64 // in how many sessions before they were refused
	parting parting
	content content

	memory  Memory // as it was, with the counters of this session
	outbox  [][]byte
	batch   [][]byte // to be sent together
	size    int      // of the batch, in bytes
	writing bool     // a Send has not been answered by Written
	ask     Action   // a question, until Next hands it out
	then    func()   // what to do with its answer
	asked   bool     // it was handed out
	hashes  []crdt.Hash
	base    *crdt.Entry
	salt    *wire.Salt
	refusal *Refusal // of this session
	no      *Refusal // of what was asked last
	used    uint64   // bytes of frames, both ways
	late    bool     // the time of the contact is used
	closed  bool
	alone   *alone // nil: there is a line
}

// word is how a side says that it stands.
type word struct {
	valid  bool
	digest Hash
	done   uint64 // items of the other side's that it took
	more   bool   // items of its own follow
}

// lane is one shared scope.
type lane struct {
	scope crdt.Scope
	// given is the weight of the newest receipt that the peer has or was sent, per
	// signer.
	given map[crdt.Device]uint64
	// due is the receipt of each signer that is passed on next. It keeps its place
	// until it has been sent, though newer ones come: the newest may always name
	// something that the peer has not been sent yet.
	due map[crdt.Device]*identity.Receipt
	// base is the newest own receipt that the peer has or was sent, sure the newest
	// that it is known to have.
	base, sure *identity.Receipt
	// again: the peer couldn't read a delta.
	again bool
}

// New begins a session. It fails if this side's own certificate or state is not
// fit for one.
func New(config Config, view View) (*Session, error) {
	s, err := open(config, view)
	if err != nil {
		return nil, err
	}
	s.recall()
	if r := s.revoked(config.Peer); r != nil {
		s.Refuse(r)
		return s, nil
	}
	if err := s.greet(); err != nil {
		return nil, fmt.Errorf("session: hello: %w", err)
	}
	return s, nil
}

// open checks what a session is given.
func open(config Config, view View) (*Session, error) {
	dir, err := identity.New(config.Root)
	if err != nil {
		return nil, fmt.Errorf("session: %w", err)
	}
	own, err := dir.Add(config.Own)
	if err != nil {
		return nil, fmt.Errorf("session: own certificate: %w", err)
	}
	config.Scopes = slices.Sorted(slices.Values(config.Scopes))
	config.Window = max(config.Window, MinWindow)
	s := &Session{
		config: config, own: own, dir: dir, view: view, fresh: map[crdt.LogID]crdt.Head{}, held: map[crdt.LogID]Held{}, times: map[crdt.LogID]uint64{},
		lanes: map[crdt.Scope]*lane{}, out: newSending(), content: newContent(),
		parting: newParting(), tips: map[crdt.LogID][]crdt.Head{},
	}
	for i, scope := range config.Scopes {
		h := view[scope]
		switch {
		case i > 0 && scope == config.Scopes[i-1]:
			return nil, fmt.Errorf("session: scope %q twice", scope)
		case !own.Covers(scope):
			return nil, fmt.Errorf("session: scope %q: %w", scope, identity.ErrScope)
		case len(h.Heads) > MaxLogs || len(h.Receipts) > MaxSigners:
			return nil, fmt.Errorf("session: scope %q: %d logs and %d receipts; at most %d and %d",
				scope, len(h.Heads), len(h.Receipts), MaxLogs, MaxSigners)
		}
	}
	for _, p := range config.Staged {
		if int(p.Lane) < len(s.in.lanes) && uint64(len(p.Bytes)) <= p.Total && p.Total <= maxTotal(p.Lane) {
			s.in.lanes[p.Lane] = incoming{Staged: p, kept: len(p.Bytes)}
		}
	}
	if len(config.Scopes) == 0 {
		return nil, errors.New("session: no scope to share")
	}
	s.learnGroups()
	return s, nil
}

// greet says the first word: who this is, or where the two left off.
func (s *Session) greet() error {
	var first any
	if s.informed {
		digest := s.digest()
		s.said = kindResume
		s.ours = word{valid: true, digest: digest, more: s.hasMore()}
		first = resume{
			Kind: kindResume, Format: Version, Digest: digest, Counter: s.memory.Mine, Took: s.memory.Took, More: flag(s.ours.more),
		}
	} else {
		s.said = kindHello
		first = hello{Kind: kindHello, Format: Version, Certificate: s.config.Own, Scopes: scopeTexts(s.config.Scopes), Counter: s.memory.Mine}
	}
	frame, err := encode(first)
	if err != nil {
		return err
	}
	for lane := range s.in.lanes { // before the peer begins anew what it was sending
		if p := &s.in.lanes[lane]; p.kept > 0 {
			s.say(staged{Kind: kindStaged, Lane: uint8(lane), Name: p.Name, Total: p.Total, Bytes: uint64(p.kept)})
		}
	}
	s.outbox = append(s.outbox, cut(frame)...)
	return nil
}

func flag(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

func scopeTexts(scopes []crdt.Scope) []string {
	out := make([]string, len(scopes))
	for i, s := range scopes {
		out[i] = string(s)
	}
	return out
}

// Peer gives the peer's claims, once its first word has been accepted.
func (s *Session) Peer() (identity.Claims, bool) { return s.peer, s.first }

// Met says whether both sides are known to hold the same, but for what has come
// since and is on its way.
func (s *Session) Met() bool { return s.met }

// Changed tells the session what this node holds now. After Stored it is called
// before the node waits for anything, and whenever something came in another way.
// A log that is held less far than before has a hole, which the peer is asked to fill.
func (s *Session) Changed(view View) {
	before := s.view
	s.view, s.stale, s.tags, s.out.plan, s.parting.unread = view, false, nil, nil, false
	s.moved = true
	if r := s.revoked(s.config.Peer); r != nil && s.alone == nil {
		s.Refuse(r)
		return
	}
	s.learnGroups()
	s.decidedAnew(before)
	clear(s.tips)
	others := renamed(before, view)
	for log, h := range s.fresh {
		if view[log.Scope].Heads[log].Seq >= h.Seq || others[familyOf(log)] {
			delete(s.fresh, log)
		}
	}
	if s.refusal != nil || !s.first {
		return
	}
	for _, scope := range s.scopes {
		for log, h := range before[scope].Heads {
			if others[familyOf(log)] {
				clear(s.lanes[scope].due) // they may name what isn't called so any more
				continue
			}
			if now := view[scope].Heads[log].Seq; now < h.Seq {
				delete(s.fresh, log)
				s.want(log, now+1, h.Seq)
			}
		}
	}
}

// revoked says whether a device was cut in a scope that this side serves. It gets nothing of
// any: who holds its disk may read what lies there, and no more. It has no word in it, so
// this is looked up before the first, and whenever the view is another.
func (s *Session) revoked(d crdt.Device) *Refusal {
	for _, scope := range s.config.Scopes {
		if _, cut := s.cutAt(crdt.LogID{Device: d, Scope: scope, Class: crdt.ClassRecords}); cut {
			return Refuse(Revoked, "device %s, scope %s", d, scope)
		}
	}
	return nil
}

// Written answers Send.
func (s *Session) Written() { s.writing = false }

// Late tells the session that the time of this contact is used.
func (s *Session) Late() { s.late = true }

// Stored answers Ingest and Keep.
func (s *Session) Stored() { s.answered() }

// Kept answers Stage.
func (s *Session) Kept() { s.answered() }

// Declined answers Ingest and Keep where the node won't take it.
func (s *Session) Declined(r *Refusal) {
	s.no = r
	s.answered()
}

// Hashes answers Look, one hash a place; the zero hash where nothing is held.
func (s *Session) Hashes(hashes []crdt.Hash) {
	s.hashes = hashes
	s.answered()
}

// Based answers Base: the entry in its carried form, or nil where it isn't held; nil
// where no salt is.
func (s *Session) Based(entry []byte, salt *wire.Salt) {
	if entry != nil {
		e, err := wire.DecodeEntry(entry)
		if err != nil {
			s.Refuse(Refuse(Unavailable, "an entry that can't be decoded"))
			return
		}
		s.base = e
	}
	s.salt = salt
	s.answered()
}

// question asks for something, and goes on with the answer.
func (s *Session) question(a Action, then func()) { s.ask, s.then, s.asked = a, then, false }

func (s *Session) answered() {
	then := s.then
	s.ask, s.then, s.asked = nil, nil, false
	if then != nil && s.refusal == nil {
		then()
	}
	s.no, s.hashes, s.base, s.salt = nil, nil, nil, nil
	s.taken()
}

// Refuse ends the session: the peer is told, unless it is the one that refused,
// then Next gives Close. What comes after the first refusal changes nothing.
func (s *Session) Refuse(r *Refusal) {
	if s.refusal != nil {
		return
	}
	s.refusal, s.ask, s.then, s.asked, s.outbox, s.batch, s.size = r, nil, nil, false, nil, nil, 0
	if frame, err := r.Frame(); err == nil && s.alone == nil {
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
	case s.refusal == nil && s.ask != nil && !s.asked:
		s.asked = true
		return s.ask
	case s.writing || s.asked:
		return nil
	}
	if s.refusal == nil && s.alone == nil {
		s.fill()
	} else if s.refusal == nil {
		s.write()
	}
	if s.refusal == nil && s.ask != nil {
		s.asked = true
		return s.ask
	}
	if len(s.outbox) > 0 { // there is a refusal
		s.flush()
	}
	if len(s.batch) == 0 {
		return nil
	}
	frames := s.batch
	s.batch, s.size, s.writing = nil, 0, true
	for _, f := range frames {
		s.used += uint64(len(f))
	}
	s.overspent()
	return Send{Frames: frames}
}

// overspent ends a session that has used all that it may.
func (s *Session) overspent() {
	if hard := s.config.Budget.Hard; hard > 0 && s.used > hard && s.refusal == nil {
		s.Refuse(Refuse(Budget, "%d bytes", s.used))
	}
}

// say queues a message that is no item.
func (s *Session) say(m any) {
	if s.alone != nil {
		s.alone.note(m)
		return
	}
	frame, err := encode(m)
	switch {
	case s.refusal != nil:
	case err != nil:
		s.Refuse(Refuse(Unavailable, "a message that can't be encoded"))
	case len(s.outbox) >= maxOutbox:
		s.Refuse(Refuse(Limit, "%d answers that were not read", len(s.outbox)))
	default:
		s.outbox = append(s.outbox, frame)
	}
}

// maxOutbox bounds the answers that a peer can call for without reading them.
const maxOutbox = 256

// learn verifies a certificate and gives what counts for its device: of this one
// and one that the node knows, the newer.
func (s *Session) learn(cert []byte) (identity.Claims, *Refusal) {
	if s.certs++; s.certs > MaxCertificates {
		return identity.Claims{}, Refuse(Limit, "certificate %d", s.certs)
	}
	c, err := s.dir.Add(cert)
	if err != nil {
		return c, Refuse(Certificate, "%v", err)
	}
	counts, _ := s.claims(c.Device)
	return counts, nil
}

// claims gives what counts for a device, from this session or from before it.
func (s *Session) claims(d crdt.Device) (identity.Claims, bool) {
	if known, ok := s.config.Known(d); ok {
		if _, err := s.dir.Add(known); err != nil {
			return identity.Claims{}, false
		}
	}
	return s.dir.ByDevice(d)
}

// news is what counts for a device if this node doesn't know it yet, else nil.
func (s *Session) news(d crdt.Device) []byte {
	cert, _ := s.dir.Certificate(d)
	if known, _ := s.config.Known(d); bytes.Equal(known, cert) {
		return nil
	}
	return cert
}

// head is how far a log is held.
func (s *Session) head(log crdt.LogID) crdt.Head {
	if c := s.view[log.Scope].Checkpoint; log == authority(log.Scope) {
		return crdt.Head{Seq: c.At.Index, Hash: c.Hash}
	}
	held := s.view[log.Scope].Heads[log]
	if f := s.fresh[log]; f.Seq > held.Seq {
		return f
	}
	return held
}

// share notes which scopes both sides serve.
func (s *Session) share(theirs []crdt.Scope) {
	s.scopes = nil
	clear(s.lanes)
	for _, scope := range s.config.Scopes {
		if slices.Contains(theirs, scope) {
			s.scopes = append(s.scopes, scope)
			s.lanes[scope] = &lane{scope: scope, given: map[crdt.Device]uint64{}, due: map[crdt.Device]*identity.Receipt{}}
		}
	}
}

// same notes that the peer holds just what this side does.
func (s *Session) same() {
	s.met, s.healed = true, 0
	s.out.doubt, s.out.plan = nil, nil
	clear(s.out.unfinished)
	for _, scope := range s.scopes {
		l, h := s.lanes[scope], s.view[scope]
		now := s.decided(scope)
		if _, held := s.held[authority(scope)]; held {
			now.Named = s.out.decidedSure[scope].Named
		}
		s.out.decided[scope], s.out.decidedSure[scope] = now, now
		for log, head := range h.Heads {
			if s.held[log].Code == 0 {
				s.out.given[log] = Known{head.Seq, short(head.Hash)}
			}
		}
		for _, r := range h.Receipts {
			if !s.blocked(r) {
				l.given[r.Signer] = weight(r)
			}
		}
		if own := h.receipt(s.own.Device); own != nil && l.given[s.own.Device] == weight(own) {
			l.base, l.sure = own, own
		}
		for _, d := range s.devices(scope) {
			s.out.told[d] = s.certificate(d)
		}
	}
	s.out.sent = maps.Clone(s.out.given)
}
