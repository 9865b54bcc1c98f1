package daemon

import (
	"context"
	"crypto/ecdh"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/sync/link/thin"
	"github.com/vungxa/vungxa/sync/replica"
)

// onlyThin begins the replica's address of a peer that has none but for the thin link.
const onlyThin = "thin/"

// How calls go from one carrier to the other.
const (
	fastWait = 20 * time.Second // for libp2p, where the thin link is there too
	fastRest = 10 * time.Minute // after it failed, before it is tried first again

	acceptAgain  = time.Second // after no call could be taken over a carrier; doubles
	acceptAtMost = 5 * time.Minute
)

// listenThin opens the thin link, where node.json names a port for it or a peer on it.
func (d *Daemon) listenThin() (err error) {
	wanted := d.self.config.Thin != ""
	for _, p := range d.self.config.Peers {
		wanted = wanted || p.Thin != ""
	}
	if !wanted {
		return nil
	}
	if d.self.keys.Noise == nil {
		d.opts.Log.Warn("no thin link: this device's certificate has no key for it; certify the device anew")
		return nil
	}
	keys := []*ecdh.PrivateKey{d.self.keys.Noise}
	if d.self.keys.NoiseBefore != nil {
		keys = append(keys, d.self.keys.NoiseBefore)
	}
	d.thin, err = thin.NewHost(thin.HostConfig{
		Keys: keys, Directory: d.self.directory, Listen: d.self.config.Thin, MaxLines: maxPeers,
		Now: d.opts.Now, Rand: d.opts.Rand,
	})
	if errors.Is(err, thin.ErrPortTaken) {
		return PortTaken(d.self.config.Thin, err)
	}
	if err != nil {
		return node.Errorf(node.Invalid, "node.json: không mở được cổng cho đường truyền chậm (thin) %s: %w",
			"node.json: the port for the thin link (thin) %s can't be opened: %w", d.self.config.Thin, err)
	}
	d.onClose(d.thin.Close)
	d.opts.Log.Info("the thin link is open", "address", d.thin.Addr())
	return nil
}

// address is where the replica calls a peer; "": it calls.
func (p Peer) address() string {
	if p.Address == "" && p.Thin != "" {
		return onlyThin + p.Thin
	}
	return p.Address
}

// carrier is libp2p, and the thin link beside it where there is one.
func (d *Daemon) carrier(peers []replica.Peer) replica.Carrier {
	fast := replica.Over(d.host)
	if d.thin == nil {
		return fast
	}
	c := &carriers{
		fast: fast, thin: replica.Over(d.thin), at: map[string]string{}, rest: map[string]time.Time{}, now: d.opts.Now, log: d.opts.Log,
		in: make(chan replica.Conn), pumps: make(chan struct{}, 1),
	}
	for i, p := range d.self.config.Peers {
		if p.Thin != "" {
			c.at[string(peers[i].PeerKey)] = p.Thin
		}
	}
	return c
}

// carriers is a Carrier of two: what one can't reach the other is asked for. A line
// that is fast and fails rests for a while, so that a place with nothing but a slow one
// doesn't wait for it at each call.
type carriers struct {
	fast, thin replica.Carrier
	at         map[string]string // thin addresses by peer key; fixed
	now        func() time.Time
	log        *slog.Logger

	mu   sync.Mutex           // guards rest
	rest map[string]time.Time // until when the fast line to a peer isn't tried first

	in    chan replica.Conn
	pumps chan struct{} // full once both are being accepted from
}

// Dial implements replica.Carrier.
func (c *carriers) Dial(ctx context.Context, address string, peer ed25519.PublicKey) (replica.Conn, error) {
	thinAt, fastAt := c.at[string(peer)], address
	if at, only := strings.CutPrefix(address, onlyThin); only {
		thinAt, fastAt = at, ""
	}
	var ways []func() (replica.Conn, error)
	if fastAt != "" {
		ways = append(ways, func() (replica.Conn, error) { return c.dialFast(ctx, fastAt, peer, thinAt != "") })
	}
	if thinAt != "" {
		ways = append(ways, func() (replica.Conn, error) { return c.dialThin(ctx, thinAt, peer) })
	}
	if c.resting(peer) {
		slices.Reverse(ways)
	}
	var errs []error
	for _, dial := range ways {
		conn, err := dial()
		if err == nil {
			return conn, nil
		}
		if errs = append(errs, err); ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

func (c *carriers) dialFast(ctx context.Context, address string, peer ed25519.PublicKey, other bool) (replica.Conn, error) {
	if other {
		waiting, cancel := context.WithTimeout(ctx, fastWait)
		defer cancel()
		ctx = waiting
	}
	conn, err := c.fast.Dial(ctx, address, peer)
	until := time.Time{}
	if err != nil {
		until = c.now().Add(fastRest)
	}
	c.setRest(peer, until)
	return conn, err
}

// dialThin gives a connection of which nobody knows yet whether it is one: if nothing
// comes over it, the fast line is tried first the next time.
func (c *carriers) dialThin(ctx context.Context, address string, peer ed25519.PublicKey) (replica.Conn, error) {
	conn, err := c.thin.Dial(ctx, address, peer)
	if err != nil {
		return nil, err
	}
	return &tried{Conn: conn, failed: func() { c.setRest(peer, time.Time{}) }}, nil
}

func (c *carriers) resting(peer ed25519.PublicKey) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now().Before(c.rest[string(peer)])
}

func (c *carriers) setRest(peer ed25519.PublicKey, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rest[string(peer)] = until
}

// tried is a connection that says so when it ends before anything came.
type tried struct {
	replica.Conn
	came   bool // used by the one who reads
	failed func()
}

// ReadFrame implements replica.Conn.
func (t *tried) ReadFrame() ([]byte, error) {
	frame, err := t.Conn.ReadFrame()
	if err != nil && !t.came {
		t.failed()
	}
	t.came = t.came || err == nil
	return frame, err
}

// Accept implements replica.Carrier. A carrier over which no call can be taken leaves the
// other one, and calls from here, as they are: it is tried again, and never an error.
func (c *carriers) Accept(ctx context.Context) (replica.Conn, error) {
	select {
	case c.pumps <- struct{}{}: // the first time
		go c.pump(ctx, "libp2p", c.fast)
		go c.pump(ctx, "thin", c.thin)
	default:
	}
	select {
	case conn := <-c.in:
		return conn, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// pump accepts from one carrier until ctx ends.
func (c *carriers) pump(ctx context.Context, name string, from replica.Carrier) {
	wait := acceptAgain
	for {
		conn, err := from.Accept(ctx)
		if err != nil {
			if !c.pause(ctx, name, err, wait) {
				return
			}
			wait = min(2*wait, acceptAtMost)
			continue
		}
		wait = acceptAgain
		select {
		case c.in <- conn:
		case <-ctx.Done():
			_ = conn.Close() // nobody is left to take it
			return
		}
	}
}

// pause waits before calls are taken over a carrier again; false: ctx has ended.
func (c *carriers) pause(ctx context.Context, name string, err error, wait time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	c.log.Warn("calls over a carrier can't be taken; it is tried again", "carrier", name, "in", wait, "error", err)
	again := time.NewTimer(wait)
	defer again.Stop()
	select {
	case <-again.C:
		return true
	case <-ctx.Done():
		return false
	}
}
