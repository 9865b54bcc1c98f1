// Package link carries frames between two devices that know each other's keys.
//
// A frame is a byte string of at most MaxFrame bytes, sent as its length (two
// bytes, big endian) and itself. A Conn is a pair of frame streams, one each way,
// between two authenticated devices; what the frames mean is reconcile's business.
//
// The carrier here is libp2p over TCP: Noise authenticates both ends by their
// peer keys, yamux carries several streams over one connection. A Host is put
// together from the parts that are needed and no others: no identify, no DHT, no
// relays, no shared secret. Who may connect is asked for every connection, both
// ways, as soon as Noise has proved the key. Limits on connections, streams and
// memory hold before and after that.
//
// Nothing here decides how often to dial or what to do after a failure: replica
// does.
package link

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
	"github.com/multiformats/go-multistream"
)

// Protocols spoken over streams.
const (
	protocolSync protocol.ID = "/vungxa/sync/1"
	protocolRaft protocol.ID = "/vungxa/raft/0"
)

// Defaults of a Config.
const (
	DefaultMaxConns = 64
	DefaultStall    = 120 * time.Second // at 64 kbit/s yamux's own 10 s resets good lines
)

// Errors of this package, for errors.Is.
var (
	ErrFrameSize  = errors.New("frame too large")
	ErrStalled    = errors.New("the line stands still")
	ErrRefused    = errors.New("the other side refused or dropped the connection; does it hold this device's certificate?")
	ErrNotAllowed = errors.New("no certificate for the peer's key")
	ErrPortTaken  = errors.New("the port is taken: another program, or another copy of this one, listens there; stop it or choose another port")
)

// Conn is an authenticated connection. One goroutine may read and another write.
// Any error of ReadFrame or WriteFrames is final: close the Conn.
type Conn interface {
	// PeerKey is the key that the other side has proved.
	PeerKey() ed25519.PublicKey
	// ReadFrame gives the next frame. io.EOF: the other side closed between two
	// frames; io.ErrUnexpectedEOF: within one; ErrFrameSize: it announced too much,
	// of which nothing was read; ErrStalled: a frame began and stopped.
	ReadFrame() ([]byte, error)
	// WriteFrames sends frames, in one piece where the line takes that. It blocks
	// while the other side doesn't read, at most until ErrStalled. That it returns
	// nil says nothing of arrival.
	WriteFrames([][]byte) error
	// Window is how many bytes suit the line, sent and not acknowledged by whoever
	// reads them.
	Window() int
	// Close lets the frames that WriteFrames took arrive, and reads no more. It
	// doesn't block. A ReadFrame or WriteFrames that waits returns net.ErrClosed.
	Close() error
	// RemoteAddr is the other side's host and port.
	RemoteAddr() string
	// Bytes counts what was read and written so far: frames and their lengths,
	// without what the carrier adds.
	Bytes() (in, out uint64)
}

// Config says how a Host is built.
type Config struct {
	Key      ed25519.PrivateKey                // the device's peer key
	Listen   string                            // host:port; port 0 picks one; "" doesn't listen
	Allow    func(peer ed25519.PublicKey) bool // asked at every connection, from any goroutine
	MaxConns int                               // in all; DefaultMaxConns when 0
	Stall    time.Duration                     // how long a line may stand still; DefaultStall when 0
	Log      *slog.Logger                      // slog.Default() when nil
}

// Host accepts connections and makes them.
type Host struct {
	config   Config
	parts    *parts
	streams  *multistream.MultistreamMuxer[protocol.ID]
	accepted chan Conn

	ctx    context.Context // done when the host closes
	cancel context.CancelFunc

	closing sync.Mutex     // guards that nothing is added to work once ctx is done
	work    sync.WaitGroup // streams being negotiated, accepted or closed
}

// New builds a host and listens. Its error wraps ErrPortTaken where that is why.
func New(c Config) (*Host, error) {
	if len(c.Key) != ed25519.PrivateKeySize || c.Allow == nil {
		return nil, errors.New("link: a host needs its peer key and whom to allow")
	}
	if c.MaxConns == 0 {
		c.MaxConns = DefaultMaxConns
	}
	if c.Stall == 0 {
		c.Stall = DefaultStall
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	p, err := assemble(c)
	if err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	h := &Host{
		config: c, parts: p, streams: multistream.NewMultistreamMuxer[protocol.ID](),
		accepted: make(chan Conn),
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.streams.AddHandler(protocolSync, h.handleSync)
	p.swarm.SetStreamHandler(h.negotiate)
	if err := h.listen(); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

func (h *Host) listen() error {
	if h.config.Listen == "" {
		return nil
	}
	addr, err := multiaddr(h.config.Listen)
	if err != nil {
		return err
	}
	// Not Listen: that logs, and hides the cause.
	err = h.parts.swarm.AddListenAddr(addr)
	const windowsAddrInUse = syscall.Errno(10048)
	if errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, windowsAddrInUse) {
		err = fmt.Errorf("%w: %w", ErrPortTaken, err)
	}
	if err != nil {
		return fmt.Errorf("link: listen on %s: %w", h.config.Listen, err)
	}
	return nil
}

// multiaddr reads host:port, where the host is an IP address or a DNS name.
func multiaddr(hostport string) (ma.Multiaddr, error) {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, fmt.Errorf("link: address %q: want host:port: %w", hostport, err)
	}
	kind := "dns"
	switch ip := net.ParseIP(host); {
	case ip.To4() != nil:
		kind = "ip4"
	case ip != nil:
		kind = "ip6"
	}
	addr, err := ma.NewMultiaddr("/" + kind + "/" + host + "/tcp/" + port)
	if err != nil {
		return nil, fmt.Errorf("link: address %q: %w", hostport, err)
	}
	return addr, nil
}

// Addr is the host:port that the host listens on, or "".
func (h *Host) Addr() string {
	for _, a := range h.parts.swarm.ListenAddresses() {
		if n, err := manet.ToNetAddr(a); err == nil {
			return n.String()
		}
	}
	return ""
}

// Accept waits for the next connection that a peer opened.
func (h *Host) Accept(ctx context.Context) (Conn, error) {
	select {
	case c := <-h.accepted:
		return c, nil
	case <-h.ctx.Done():
		return nil, fmt.Errorf("link: accept: %w", net.ErrClosed)
	case <-ctx.Done():
		return nil, fmt.Errorf("link: accept: %w", ctx.Err())
	}
}

// Dial connects to a peer, and proves that it is the one that holds the key. Its
// error wraps ErrNotAllowed, or ErrRefused where the other side hung up on us:
// after Noise it says no more than that.
func (h *Host) Dial(ctx context.Context, addr string, key ed25519.PublicKey) (Conn, error) {
	id, err := peerID(key)
	if err != nil {
		return nil, fmt.Errorf("link: dial %s: %w", addr, err)
	}
	s, err := h.open(ctx, addr, id, protocolSync)
	if err != nil {
		return nil, fmt.Errorf("link: dial %s: %w", addr, err)
	}
	return h.newConn(s)
}

// open connects to a peer, or takes the connection that there is, and opens a
// stream on it. The swarm's memory of failures is set aside: when to try again is
// for replica to say.
func (h *Host) open(ctx context.Context, addr string, id peer.ID, p protocol.ID) (network.Stream, error) {
	to, err := multiaddr(addr)
	if err != nil {
		return nil, err
	}
	if !h.parts.gate.allows(id) {
		return nil, ErrNotAllowed
	}
	sw := h.parts.swarm
	sw.Backoff().Clear(id)
	sw.Peerstore().ClearAddrs(id)
	sw.Peerstore().AddAddr(id, to, peerstore.TempAddrTTL)
	conn, err := sw.DialPeer(ctx, id)
	if err != nil {
		return nil, err
	}
	s, err := conn.NewStream(ctx)
	if err == nil {
		err = selectProtocol(ctx, s, p)
	}
	if err == nil {
		return s, nil
	}
	if ctx.Err() == nil {
		err = fmt.Errorf("%w: %w", ErrRefused, err)
	}
	// A connection on which no stream opens is dead or refused: the next dial
	// shall not find it again.
	return nil, errors.Join(err, conn.Close())
}

// selectProtocol asks for a protocol and waits for the answer.
func selectProtocol(ctx context.Context, s network.Stream, p protocol.ID) error {
	stop := context.AfterFunc(ctx, func() { _ = s.Reset() }) // Reset ends both directions; it has nothing to report
	defer stop()
	_, err := multistream.SelectOneOf([]protocol.ID{p}, s)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return errors.Join(err, s.Reset())
	}
	return s.SetProtocol(p)
}

// negotiate serves a stream that a peer opened. A peer that doesn't say what it
// wants is cut off.
func (h *Host) negotiate(s network.Stream) {
	if !h.begin() {
		_ = s.Reset() // the host is closing and takes the connection with it
		return
	}
	defer h.work.Done()
	watchdog := time.AfterFunc(h.config.Stall, func() { _ = s.Reset() })
	p, handle, err := h.streams.Negotiate(s)
	watchdog.Stop()
	if err == nil {
		err = s.SetProtocol(p) // from here on the peer's limits hold, not those of strangers
	}
	if err == nil {
		err = handle(p, s)
	}
	if err != nil {
		h.config.Log.Debug("stream refused", "peer", s.Conn().RemotePeer().String(), "err", err)
		_ = s.Reset() // it may be gone already; there is nobody to tell
	}
}

func (h *Host) handleSync(p protocol.ID, rwc io.ReadWriteCloser) error {
	c, err := h.newConn(rwc.(network.Stream))
	if err != nil {
		return err
	}
	select {
	case h.accepted <- c:
		return nil
	case <-h.ctx.Done():
		return net.ErrClosed
	}
}

// Disconnect cuts every connection with a peer at once: its certificate is gone,
// or the line is to be.
func (h *Host) Disconnect(key ed25519.PublicKey) error {
	id, err := peerID(key)
	if err != nil {
		return fmt.Errorf("link: disconnect: %w", err)
	}
	return h.parts.swarm.ClosePeer(id)
}

// begin counts a piece of work that Close waits for, unless the host is closing.
func (h *Host) begin() bool {
	h.closing.Lock()
	defer h.closing.Unlock()
	if h.ctx.Err() != nil {
		return false
	}
	h.work.Add(1)
	return true
}

// Close cuts every connection and returns when nothing of the host runs.
func (h *Host) Close() error {
	h.closing.Lock()
	h.cancel()
	h.closing.Unlock()
	err := h.parts.Close()
	h.work.Wait()
	return err
}

func peerID(key ed25519.PublicKey) (peer.ID, error) {
	k, err := crypto.UnmarshalEd25519PublicKey(key)
	if err != nil {
		return "", fmt.Errorf("peer key: %w", err)
	}
	return peer.IDFromPublicKey(k)
}

// keyOf is the Ed25519 key in a peer id. Other kinds of key are refused.
func keyOf(id peer.ID) (ed25519.PublicKey, error) {
	k, err := id.ExtractPublicKey()
	if err != nil {
		return nil, fmt.Errorf("peer key: %w", err)
	}
	if k.Type() != crypto.Ed25519 {
		return nil, errors.New("peer key: not an Ed25519 key")
	}
	raw, err := k.Raw()
	return ed25519.PublicKey(raw), err
}
