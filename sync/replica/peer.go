package replica

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/vungxa/vungxa/sync/reconcile"
)

// What people read where no refusal says it.
var (
	whyWaiting = reconcile.Text{VI: "Đang chờ máy kia gọi tới.", EN: "Waiting for the other machine to call."}
	whyCalling = reconcile.Text{VI: "Đang gọi máy kia.", EN: "Calling the other machine."}
	whyMissed  = reconcile.Text{VI: "Không gọi được máy kia; sẽ thử lại.", EN: "The other machine could not be reached; it will be called again."}
	whyLost    = reconcile.Text{VI: "Đường nối đã đứt; sẽ nối lại.", EN: "The line was lost; it will be connected again."}
	whyLocal   = reconcile.Text{VI: "Máy này chưa đọc hoặc lưu được dữ liệu; sẽ thử lại.", EN: "This machine can't read or store data just now; it will try again."}
	whyRemote  = reconcile.Text{VI: "Máy kia từ chối: %s", EN: "The other machine refused: %s"}
)

// peer is one line. Its goroutine (tend) is the only one that holds sessions.
type peer struct {
	Peer
	wake chan struct{} // holds one word that something below has changed

	offered time.Time // when what the peer didn't take was last offered again; of its goroutine

	mu        sync.Mutex // guards what follows, and Cut
	state     State      // but for Peer
	incoming  Conn       // accepted, and not yet looked at
	ended     bool       // tend has returned
	stop      context.CancelCauseFunc
	nearby    string // where it was heard on the local network
	failures  int
	notBefore time.Time // of the next call
}

func newPeer(p Peer) *peer {
	return &peer{Peer: p, wake: make(chan struct{}, 1), stop: func(error) {}, state: State{Why: p.why()}}
}

// why is the reason at first.
func (p Peer) why() reconcile.Text {
	if p.Address == "" {
		return whyWaiting
	}
	return whyCalling
}

func (p *peer) get() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.state
	s.Peer = p.Peer
	if s.Cut && !s.Connected {
		s.Why, s.Detail = reconcile.Refuse(reconcile.Cut, "").Reason, ""
	}
	return s
}

// offer hands over a connection that the peer made. It takes the place of
// whatever is going on with that peer.
func (p *peer) offer(conn Conn) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return conn.Close()
	}
	var err error
	if p.incoming != nil {
		err = p.incoming.Close()
	}
	p.incoming = conn
	p.stop(errReplaced)
	p.nudge()
	return err
}

func (p *peer) setCut(cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Cut = cut
	if cut {
		p.stop(reconcile.Refuse(reconcile.Cut, "operator"))
	} else if !p.state.Connected {
		p.state.Why, p.state.Detail = p.Peer.why(), ""
	}
	p.failures, p.notBefore = 0, time.Time{}
	p.nudge()
}

func (p *peer) kick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failures, p.notBefore = 0, time.Time{}
	p.nudge()
}

func (p *peer) nudge() {
	select {
	case p.wake <- struct{}{}:
	default: // it has been told
	}
}

// tend holds one session after the other until ctx ends.
func (r *Replica) tend(ctx context.Context, p *peer) {
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.ended = true
		if p.incoming != nil {
			_ = p.incoming.Close() // nobody is left to hear of it
		}
	}()
	r.recallLine(p)
	for ctx.Err() == nil {
		conn, cut := p.take()
		switch {
		case conn != nil: // a line that is cut says so in a session
			r.hold(ctx, p, conn)
		case !cut && p.place() != "" && p.wait(r.cfg.Now()) <= 0:
			r.call(ctx, p)
		default:
			r.pause(ctx, p, cut)
		}
	}
}

func (p *peer) take() (conn Conn, cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	conn, p.incoming = p.incoming, nil
	return conn, p.Cut
}

// wait is how long to wait before the next call.
func (p *peer) wait(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(p.notBefore.Sub(now), p.Terms.opens(now))
}

// pause waits until it is time to call, or something happens.
func (r *Replica) pause(ctx context.Context, p *peer, cut bool) {
	var due <-chan time.Time
	if !cut && p.place() != "" {
		t := time.NewTimer(p.wait(r.cfg.Now()))
		defer t.Stop()
		due = t.C
	}
	select {
	case <-ctx.Done():
	case <-p.wake:
	case <-due:
	}
}

// begin makes a context that a cut or a new connection ends. It has ended already
// if one of them came first.
func (p *peer) begin(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stop = cancel
	switch {
	case p.Cut:
		cancel(reconcile.Refuse(reconcile.Cut, "operator"))
	case p.incoming != nil:
		cancel(errReplaced)
	}
	return ctx, cancel
}

func (r *Replica) call(ctx context.Context, p *peer) {
	dialing, cancel := p.begin(ctx)
	defer cancel(nil)
	conn, err := r.cfg.Carrier.Dial(dialing, p.place(), p.PeerKey)
	if err == nil {
		cancel(nil)
		r.hold(ctx, p, conn)
		return
	}
	if dialing.Err() == nil {
		r.failed(p, whyMissed, err)
	}
}

// failed notes why a call or a session failed, and when to call again.
func (r *Replica) failed(p *peer, why reconcile.Text, err error) {
	p.mu.Lock()
	p.failures++
	failures := p.failures
	p.notBefore = r.cfg.Now().Add(r.delay(p.failures))
	p.mu.Unlock()
	if failures&(failures-1) == 0 { // each doubling: a wait that stays the same is not written again
		r.keepLine(p)
	}
	r.cfg.Logger.Info("no session with a peer", "peer", p.Device, "error", err)
	r.note(p, false, why, fmt.Sprint(err))
}

// spent notes that a contact has used what it may: the next one comes late, and
// nothing has failed.
func (r *Replica) spent(p *peer, why reconcile.Text) {
	p.mu.Lock()
	rest := r.cfg.RetryMax
	if p.Terms.Rest > 0 {
		rest = p.Terms.Rest
	}
	p.failures, p.notBefore = 0, r.cfg.Now().Add(rest)
	p.mu.Unlock()
	r.keepLine(p)
	r.note(p, false, why, "")
}

// delay doubles from RetryMin to RetryMax; the second half of it is chance, so
// that a thousand communes don't call in one second after the province was away.
func (r *Replica) delay(failures int) time.Duration {
	d := r.cfg.RetryMin << min(failures-1, 16)
	if d <= 0 || d > r.cfg.RetryMax {
		d = r.cfg.RetryMax
	}
	var b [8]byte
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := io.ReadFull(r.cfg.Rand, b[:]); err != nil {
		return d // without jitter it still waits
	}
	return d/2 + time.Duration(binary.BigEndian.Uint64(b[:])%uint64(d/2+1))
}

// note sets what Peers says of a line.
func (r *Replica) note(p *peer, connected bool, why reconcile.Text, detail string) {
	p.mu.Lock()
	same := p.state.Connected == connected && p.state.Why == why && p.state.Detail == detail
	p.state.Connected, p.state.Why, p.state.Detail = connected, why, detail
	p.mu.Unlock()
	if !same {
		r.announce()
	}
}

// heard notes that the peer spoke.
func (r *Replica) heard(p *peer) {
	now := r.nowMS()
	p.mu.Lock()
	p.state.LastContactMS = &now
	p.mu.Unlock()
	r.cfg.Hear.Heard(p.Device, now)
}
