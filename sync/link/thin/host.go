package thin

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/vungxa/vungxa/sync/identity"
)

// ErrPortTaken is why a host can't listen.
var ErrPortTaken = errors.New("the port is taken: another program, or another copy of this one, listens there; stop it or choose another port")

// HostConfig says how a Host is made.
type HostConfig struct {
	Keys      []*ecdh.PrivateKey  // as in Config
	Directory *identity.Directory // whom to know
	Listen    string              // host:port; port 0 picks one; "" calls only
	MaxLines  int                 // as in Config
	Stall     time.Duration       // as in Config
	Now       func() time.Time
	Rand      io.Reader
}

// Host is an endpoint on a socket. It makes and accepts Conns.
type Host struct {
	config HostConfig
	socket socket

	mu          sync.Mutex // guards what follows, and every Line
	endpoint    *Endpoint
	timer       *time.Timer
	unreachable bool // the last datagram found no way out of this machine
	closed      bool

	accepted chan struct{} // holds one word that a line may be accepted
	failed   chan error    // holds why the socket can't be read now, until Accept tells
	done     chan struct{} // closed when the socket isn't read any more
}

// socket is what a host needs of its UDP socket.
type socket interface {
	ReadFromUDPAddrPort(b []byte) (n int, from netip.AddrPort, err error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error)
	LocalAddr() net.Addr
	Close() error
}

// NewHost opens the socket. Its error wraps ErrPortTaken where that is why.
func NewHost(c HostConfig) (*Host, error) {
	s, err := listen(c.Listen)
	if err != nil {
		return nil, err
	}
	h, err := newHost(c, s)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return h, nil
}

func newHost(c HostConfig, s socket) (*Host, error) {
	if c.Directory == nil || c.Now == nil {
		return nil, errors.New("thin: a host needs a directory and a clock")
	}
	e, err := NewEndpoint(Config{Keys: c.Keys, Peer: peerOf(c.Directory), Rand: c.Rand, Stall: c.Stall, MaxLines: c.MaxLines})
	if err != nil {
		return nil, err
	}
	h := &Host{config: c, socket: s, endpoint: e, accepted: make(chan struct{}, 1), failed: make(chan error, 1), done: make(chan struct{})}
	h.timer = time.AfterFunc(time.Hour, h.advance)
	h.timer.Stop()
	go h.read()
	return h, nil
}

func peerOf(d *identity.Directory) func([]byte) (ed25519.PublicKey, bool) {
	return func(noise []byte) (ed25519.PublicKey, bool) {
		c, ok := d.ByNoiseKey(noise)
		return c.PeerKey, ok
	}
}

func listen(address string) (*net.UDPConn, error) {
	at, err := net.ResolveUDPAddr("udp", address)
	if address == "" {
		at, err = nil, nil // any port, any address
	}
	if err != nil {
		return nil, fmt.Errorf("thin: address %q: %w", address, err)
	}
	socket, err := net.ListenUDP("udp", at)
	const windowsAddrInUse = syscall.Errno(10048)
	if errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, windowsAddrInUse) {
		err = fmt.Errorf("%w: %w", ErrPortTaken, err)
	}
	if err != nil {
		return nil, fmt.Errorf("thin: listen on %s: %w", address, err)
	}
	return socket, nil
}

// Addr is where the host's socket is.
func (h *Host) Addr() string { return h.socket.LocalAddr().String() }

// badReads is how many errors in a row make a rest, and are told by Accept. Some systems
// tell by an error that an earlier datagram met a closed port.
const (
	badReads    = 1000
	badReadRest = time.Second
)

func (h *Host) read() {
	defer close(h.done)
	b := make([]byte, maxDatagram+1)
	for bad := 0; ; {
		n, from, err := h.socket.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			if bad++; bad%badReads == 0 {
				h.rest(err)
			}
			continue
		}
		bad = 0
		h.mu.Lock()
		if !h.closed {
			now := h.config.Now()
			h.endpoint.Receive(now, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), b[:n])
			h.pump(now)
		}
		h.mu.Unlock()
	}
}

// rest has Accept tell of an error, and waits for what may pass.
func (h *Host) rest(err error) {
	select {
	case h.failed <- err:
	default:
	}
	time.Sleep(badReadRest)
}

func (h *Host) advance() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	now := h.config.Now()
	h.endpoint.Advance(now)
	h.pump(now)
}

// pump sends what is to be sent, and sets the timer. h.mu is held. A datagram that
// finds no way is lost like any other; when the next one finds one, this machine has
// moved.
func (h *Host) pump(now time.Time) {
	for d, ok := h.endpoint.Next(); ok; d, ok = h.endpoint.Next() {
		_, err := h.socket.WriteToUDPAddrPort(d.B, d.To)
		back := h.unreachable && err == nil
		if h.unreachable = err != nil; back {
			h.endpoint.Moved(now)
		}
	}
	if len(h.endpoint.accepted) > 0 {
		select {
		case h.accepted <- struct{}{}:
		default:
		}
	}
	if at := h.endpoint.Deadline(); !at.IsZero() {
		h.timer.Reset(max(at.Sub(now), time.Millisecond))
	}
}

// Dial makes a connection to a peer. It doesn't wait for it: the first frames written
// go with the call, and whoever reads hears whether there was an answer. Until the
// peer has proved that it holds the key, nothing is read, and what is written nobody
// else can read.
func (h *Host) Dial(ctx context.Context, address string, peer ed25519.PublicKey) (*Conn, error) {
	to, err := resolve(ctx, address)
	if err != nil {
		return nil, err
	}
	claims, ok := h.config.Directory.ByPeerKey(peer)
	if !ok {
		return nil, fmt.Errorf("thin: call %s: %w", address, ErrNotOurs)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, fmt.Errorf("thin: call %s: %w", address, net.ErrClosed)
	}
	now := h.config.Now()
	l, err := h.endpoint.Dial(now, to, claims.PeerKey, claims.NoiseKey)
	if err != nil {
		return nil, fmt.Errorf("thin: call %s: %w", address, err)
	}
	h.pump(now)
	return newConn(h, l), nil
}

func resolve(ctx context.Context, address string) (netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("thin: address %q: want host:port: %w", address, err)
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "udp", service)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("thin: address %q: %w", address, err)
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err == nil && len(ips) == 0 {
		err = errors.New("no address")
	}
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("thin: address %q: %w", address, err)
	}
	return netip.AddrPortFrom(ips[0].Unmap(), uint16(port)), nil
}

// Accept waits for the next connection that a peer made. An error that isn't
// net.ErrClosed may pass.
func (h *Host) Accept(ctx context.Context) (*Conn, error) {
	for {
		if c := h.accept(); c != nil {
			return c, nil
		}
		select {
		case <-h.accepted:
		case err := <-h.failed:
			return nil, fmt.Errorf("thin: accept: %w", err)
		case <-h.done:
			return nil, fmt.Errorf("thin: accept: %w", net.ErrClosed)
		case <-ctx.Done():
			return nil, fmt.Errorf("thin: accept: %w", ctx.Err())
		}
	}
}

func (h *Host) accept() *Conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	if l := h.endpoint.Accept(); l != nil {
		return newConn(h, l)
	}
	return nil
}

// Disconnect gives up the lines to a peer.
func (h *Host) Disconnect(peer ed25519.PublicKey) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for l := range h.endpoint.lines {
		if bytes.Equal(l.peer, peer) {
			l.fail(ErrReset)
		}
	}
}

// Close gives every line up and closes the socket. Peers are told, once.
func (h *Host) Close() error {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil
	}
	now := h.config.Now()
	h.endpoint.Reset(now)
	h.pump(now)
	h.closed = true
	h.timer.Stop()
	err := h.socket.Close()
	h.mu.Unlock()
	<-h.done
	return err
}
