package replica

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
)

// Config is what a Replica works with. Everything must be set for which nothing else
// is said.
type Config struct {
	Root        ed25519.PublicKey // the authority that this node believes
	Certificate []byte            // this device's own
	Directory   *identity.Directory
	Scopes      []crdt.Scope // to share, each covered by the certificate
	Peers       []Peer

	Log         Log
	Ingest      Ingest
	Sign        Sign
	Hear        Hear
	Carrier     Carrier
	Notes       Notes                                   // nil: every session begins anew
	Files       Files                                   // nil: attachments stay where they are
	Checkpoints Checkpoints                             // nil: none is taken or passed on
	Cut         func(crdt.LogID) (seq uint64, cut bool) // where devices' cuts end their logs; nil: nowhere
	// Meets says of a device that isn't among Peers and calls, or is found nearby, whether
	// it is a peer too; nil: none is.
	Meets func(ed25519.PublicKey) (Peer, bool)

	Now    func() time.Time
	Rand   io.Reader    // for jitter
	Logger *slog.Logger // nil: nothing is told

	// RetryMin and RetryMax bound the wait between two calls of a peer: 1 s and
	// 60 s unless set. Each failure doubles it.
	RetryMin, RetryMax time.Duration

	// Budget bounds the bytes of a contact, and Time how long it may last: past both
	// only what is urgent goes on. 0: no limit.
	Budget reconcile.Allowance
	Time   time.Duration
}

// Peer is a device with which the operator wants to share. Of two devices one
// has the other's address and calls; should both, they find one connection.
type Peer struct {
	Device  crdt.Device
	PeerKey ed25519.PublicKey
	Address string // where to call it; "": it calls
	Cut     bool   // the operator has cut the line
	Terms   Terms  // what the operator allows on it
}

// Replica keeps in touch with the peers of its Config while Run runs.
type Replica struct {
	cfg    Config
	own    crdt.Device
	ownKey ed25519.PublicKey

	listing sync.Mutex  // guards peers and begin
	peers   []*peer     // those of Config, then those that were met
	begin   func(*peer) // tends a peer; nil while Run doesn't run

	fetching *fetching

	mu      sync.Mutex    // guards changed, and reads of cfg.Rand
	changed chan struct{} // closed when what Peers says has changed

	viewing sync.Mutex // held while a view is made, so that one session signs for all
	seen    snapshot   // the newest view
}

// New checks a Config.
func New(cfg Config) (*Replica, error) {
	if cfg.RetryMin <= 0 {
		cfg.RetryMin = time.Second
	}
	if cfg.RetryMax <= 0 {
		cfg.RetryMax = time.Minute
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Replica{cfg: cfg, changed: make(chan struct{}), fetching: newFetching()}
	own, err := cfg.Directory.Verify(cfg.Certificate)
	if err != nil {
		return nil, fmt.Errorf("replica: own certificate: %w", err)
	}
	r.own, r.ownKey = own.Device, own.PeerKey
	for _, s := range cfg.Scopes {
		if !own.Covers(s) {
			return nil, fmt.Errorf("replica: scope %q: %w", s, identity.ErrScope)
		}
	}
	for _, p := range cfg.Peers {
		if err := r.add(p); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *Replica) add(p Peer) error {
	switch {
	case len(p.PeerKey) != ed25519.PublicKeySize:
		return fmt.Errorf("replica: peer %s: no peer key of %d bytes", p.Device, ed25519.PublicKeySize)
	case p.Device == r.own:
		return fmt.Errorf("replica: peer %s is this device itself; take it off the list", p.Device)
	case r.peer(p.Device) != nil || r.byKey(p.PeerKey) != nil:
		return fmt.Errorf("replica: peer %s: it or its key is on the list twice", p.Device)
	}
	if err := p.Terms.check(); err != nil {
		return fmt.Errorf("replica: peer %s: %w", p.Device, err)
	}
	r.listing.Lock()
	defer r.listing.Unlock()
	added := newPeer(p)
	r.peers = append(r.peers, added)
	if r.begin != nil {
		r.begin(added)
	}
	return nil
}

func (r *Replica) peer(d crdt.Device) *peer {
	return r.find(func(p *peer) bool { return p.Device == d })
}

func (r *Replica) byKey(k ed25519.PublicKey) *peer {
	return r.find(func(p *peer) bool { return p.PeerKey.Equal(k) })
}

func (r *Replica) find(is func(*peer) bool) *peer {
	all := r.list()
	if i := slices.IndexFunc(all, is); i >= 0 {
		return all[i]
	}
	return nil
}

// list are the peers of now.
func (r *Replica) list() []*peer {
	r.listing.Lock()
	defer r.listing.Unlock()
	return r.peers[:len(r.peers):len(r.peers)] // only ever appended to
}

// Run keeps in touch until ctx ends, which is no error, or the carrier fails.
// When it returns, every session is closed and nothing of it is left running. It
// is called once.
func (r *Replica) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	r.tendAll(func(p *peer) { wg.Go(func() { r.tend(ctx, p) }) })
	err := r.accept(ctx)
	r.tendAll(nil)
	cancel()
	wg.Wait()
	return err
}

// tendAll begins with every peer, and with those that are met later; nil: with none any more.
func (r *Replica) tendAll(begin func(*peer)) {
	r.listing.Lock()
	defer r.listing.Unlock()
	r.begin = begin
	for _, p := range r.peers {
		if begin != nil {
			begin(p)
		}
	}
}

func (r *Replica) accept(ctx context.Context) error {
	for {
		conn, err := r.cfg.Carrier.Accept(ctx)
		if ctx.Err() != nil {
			if err == nil {
				err = conn.Close()
			}
			return ignore(err)
		}
		if err != nil {
			return fmt.Errorf("replica: accept: %w", err)
		}
		p := r.caller(conn.PeerKey())
		if p == nil {
			r.cfg.Logger.Info("a device that is not on the list of peers called")
			err = conn.Close()
		} else {
			err = p.offer(conn)
		}
		if err != nil {
			r.cfg.Logger.Debug("closing a connection", "error", err)
		}
	}
}

// ignore is for errors of closing what has ended.
func ignore(error) error { return nil }

// SetCut cuts the line to a peer, or restores it. Cutting tells the other side,
// closes the session, and refuses calls both ways; it returns before that is
// done. The caller keeps it in mind for the next start.
func (r *Replica) SetCut(d crdt.Device, cut bool) error {
	p := r.peer(d)
	if p == nil {
		return fmt.Errorf("device %s is not on the list of peers", d)
	}
	p.setCut(cut)
	r.announce()
	return nil
}

// Kick calls every peer that is to be called and isn't connected, now.
func (r *Replica) Kick() {
	for _, p := range r.list() {
		p.kick()
	}
}

// State is how a line is.
type State struct {
	Peer
	Connected     bool   // a session runs
	LastContactMS *int64 // when the peer last said anything, or was there when the line was cut here
	// Why says why there is no session, and Detail where that came from: a place,
	// in English, for who administers the machine.
	Why    reconcile.Text
	Detail string
	// Held are the logs that the peer doesn't take, and why.
	Held map[crdt.LogID]reconcile.Held
	// CounterBack: the peer has counted fewer contacts than before. Its store was
	// restored, or another machine has its key.
	CounterBack bool
}

// Peers gives the state of every line, in the order of the Config, then those that were
// met.
func (r *Replica) Peers() []State {
	peers := r.list()
	all := make([]State, len(peers))
	for i, p := range peers {
		all[i] = p.get()
	}
	return all
}

// Changed gives a channel that is closed when a line connects, ends, is cut or
// restored, or the reason changes. Whoever wants to miss nothing asks for it
// before Peers.
func (r *Replica) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

func (r *Replica) announce() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *Replica) nowMS() int64 { return r.cfg.Now().UnixMilli() }

// snapshot is a view that sessions share for as long as nothing changes.
type snapshot struct {
	view    reconcile.View
	changed <-chan struct{} // the Log's, from before the view was read
}

// look gives what is held, and the channel that says when that is out of date.
// What this node owes a signature for is signed first.
func (r *Replica) look(ctx context.Context) (snapshot, error) {
	r.viewing.Lock()
	defer r.viewing.Unlock()
	if r.seen.changed != nil && r.seen.changed == r.cfg.Log.Changed() {
		return r.seen, nil
	}
	sign := true
	for {
		s := snapshot{view: reconcile.View{}, changed: r.cfg.Log.Changed()}
		signed := false
		for _, scope := range r.cfg.Scopes {
			h, owed, err := r.holding(ctx, scope, sign)
			if err != nil {
				return snapshot{}, fmt.Errorf("scope %q: %w", scope, err)
			}
			s.view[scope] = h
			signed = signed || owed
		}
		if !signed {
			r.seen = s
			return s, nil
		}
		sign = false // once: the store may prefer what it had
	}
}

// holding reads one scope. If asked to, it signs and stores what is owed for it;
// then it is to be read again.
func (r *Replica) holding(ctx context.Context, scope crdt.Scope, sign bool) (h reconcile.Holding, signed bool, err error) {
	if h.Heads, err = r.cfg.Log.Heads(scope); err != nil {
		return h, false, err
	}
	if h.Receipts, err = r.cfg.Log.Receipts(scope); err != nil {
		return h, false, err
	}
	if err := r.decided(scope, &h); err != nil {
		return h, false, err
	}
	heads, owed := h.Owes(r.own)
	if !owed || !sign {
		return h, false, nil
	}
	receipt, err := r.cfg.Sign(ctx, scope, heads)
	if err != nil {
		return h, false, fmt.Errorf("sign a receipt: %w", err)
	}
	return h, true, r.cfg.Log.StoreReceipt(receipt)
}
