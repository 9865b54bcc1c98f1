package replica_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/vungxa/vungxa/sync/replica"
)

// network carries frames between hosts in memory, with a delay, and loses whole
// connections when it is told to.
type network struct {
	mu     sync.Mutex
	hosts  map[string]*host
	conns  []*conn
	down   map[[2]string]bool // lines that can't be dialled
	dials  int
	loss   *rand.Rand // cuts a connection at about one frame in odds; nil: never
	odds   int
	window int
	rate   int // bytes a second that a line takes; 0: any number
}

func newNetwork() *network {
	return &network{hosts: map[string]*host{}, down: map[[2]string]bool{}}
}

// host is a node's carrier. Its address is its name.
type host struct {
	net   *network
	name  string
	key   ed25519.PublicKey
	queue chan *conn
}

func (n *network) host(name string, key ed25519.PublicKey) *host {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := &host{net: n, name: name, key: key, queue: make(chan *conn, 16)}
	n.hosts[name] = h
	return h
}

var errNoRoute = errors.New("no route")

func (h *host) Dial(ctx context.Context, address string, key ed25519.PublicKey) (replica.Conn, error) {
	select {
	case <-time.After(10 * time.Millisecond):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	h.net.dials++
	to := h.net.hosts[address]
	if to == nil || h.net.down[[2]string{h.name, address}] {
		return nil, errNoRoute
	}
	if !to.key.Equal(key) {
		return nil, errors.New("another key answers")
	}
	near, far := h.net.pair(h, to)
	select {
	case to.queue <- far:
		return near, nil
	default:
		return nil, errors.New("busy")
	}
}

func (h *host) Accept(ctx context.Context) (replica.Conn, error) {
	select {
	case c := <-h.queue:
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// conn is one end of a connection.
type conn struct {
	net    *network
	peer   ed25519.PublicKey
	in     chan []byte
	far    *conn
	once   sync.Once
	closed chan struct{} // by this end
	cut    chan struct{} // shared: nothing passes any more
	broken *sync.Once
}

func (n *network) pair(a, b *host) (near, far *conn) {
	cut, broken := make(chan struct{}), &sync.Once{}
	near = &conn{net: n, peer: b.key, in: make(chan []byte, 64), closed: make(chan struct{}), cut: cut, broken: broken}
	far = &conn{net: n, peer: a.key, in: make(chan []byte, 64), closed: make(chan struct{}), cut: cut, broken: broken}
	near.far, far.far = far, near
	n.conns = append(n.conns, near)
	return near, far
}

func (c *conn) lose() { c.broken.Do(func() { close(c.cut) }) }

func (c *conn) PeerKey() ed25519.PublicKey { return c.peer }

func (c *conn) ReadFrame() ([]byte, error) {
	select {
	case <-c.cut:
		return nil, io.ErrUnexpectedEOF
	default:
	}
	select {
	case f := <-c.in:
		return f, nil
	case <-c.cut:
		return nil, io.ErrUnexpectedEOF
	case <-c.closed:
		return nil, net.ErrClosed
	case <-c.far.closed:
	}
	select { // what was written before the close still arrives
	case f := <-c.in:
		return f, nil
	default:
		return nil, io.EOF
	}
}

func (c *conn) Window() int { return c.net.window }

func (c *conn) WriteFrames(frames [][]byte) error {
	for _, f := range frames {
		if err := c.writeFrame(f); err != nil {
			return err
		}
	}
	return nil
}

func (c *conn) writeFrame(f []byte) error {
	time.Sleep(time.Millisecond) // virtual: the line takes its time
	if c.net.rate > 0 {
		time.Sleep(time.Duration(len(f)) * time.Second / time.Duration(c.net.rate))
	}
	if c.net.unlucky() {
		c.lose()
	}
	select {
	case <-c.cut:
		return io.ErrUnexpectedEOF
	case <-c.closed:
		return net.ErrClosed
	case <-c.far.closed:
		return io.ErrClosedPipe
	default:
	}
	select {
	case c.far.in <- append([]byte(nil), f...):
		return nil
	case <-c.cut:
		return io.ErrUnexpectedEOF
	case <-c.closed:
		return net.ErrClosed
	}
}

func (c *conn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

func (n *network) unlucky() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.loss != nil && n.loss.IntN(n.odds) == 0
}

// cutAll loses every connection there is.
func (n *network) cutAll() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.conns {
		c.lose()
	}
	n.conns = nil
}

func (n *network) setDown(a, b string, down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down[[2]string{a, b}], n.down[[2]string{b, a}] = down, down
}

func (n *network) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dials
}
