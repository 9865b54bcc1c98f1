package link

import (
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	manet "github.com/multiformats/go-multiaddr/net"
)

// MaxFrame is the longest frame, in bytes: it fits a datagram.
const MaxFrame = 1200

const (
	lengthBytes = 2
	chunkBytes  = 16 << 10  // progress is judged once a chunk
	windowBytes = 256 << 10 // that suit a line on which TCP runs
)

// streamConn is a Conn over a libp2p stream.
type streamConn struct {
	host   *Host
	stream network.Stream
	key    ed25519.PublicKey

	in, out atomic.Uint64
	stalled atomic.Bool
	closed  atomic.Bool
	reading sync.Mutex // held while ReadFrame reads
	writing sync.Mutex // held while WriteFrames writes
}

func (h *Host) newConn(s network.Stream) (Conn, error) {
	key, err := keyOf(s.Conn().RemotePeer())
	if err != nil {
		return nil, errors.Join(err, s.Reset())
	}
	return &streamConn{host: h, stream: s, key: key}, nil
}

func (c *streamConn) PeerKey() ed25519.PublicKey { return c.key }

func (c *streamConn) Window() int { return windowBytes }

func (c *streamConn) Bytes() (in, out uint64) { return c.in.Load(), c.out.Load() }

func (c *streamConn) RemoteAddr() string {
	addr, err := manet.ToNetAddr(c.stream.Conn().RemoteMultiaddr())
	if err != nil {
		return c.stream.Conn().RemoteMultiaddr().String()
	}
	return addr.String()
}

// watch resets the stream when nothing moves for the time that a line may stand
// still. Every chunk that moves starts the time anew.
func (c *streamConn) watch() *time.Timer {
	return time.AfterFunc(c.host.config.Stall, func() {
		c.stalled.Store(true)
		_ = c.stream.Reset() // ends both directions; it has nothing to report
	})
}

func (c *streamConn) ReadFrame() ([]byte, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	if c.closed.Load() {
		return nil, fmt.Errorf("link: read: %w", net.ErrClosed)
	}
	b, err := c.readFrame()
	if err != nil {
		return nil, c.why("read", err)
	}
	return b, nil
}

func (c *streamConn) readFrame() ([]byte, error) {
	var length [lengthBytes]byte
	n, err := io.ReadFull(c.stream, length[:1]) // between frames a line may be silent
	c.in.Add(uint64(n))
	if err != nil {
		return nil, err
	}
	watchdog := c.watch()
	defer watchdog.Stop()
	if err := c.fill(length[1:], watchdog); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint16(length[:])
	if size > MaxFrame {
		return nil, errors.Join(fmt.Errorf("%w: %d bytes announced; at most %d", ErrFrameSize, size, MaxFrame), c.stream.Reset())
	}
	b := make([]byte, size)
	return b, c.fill(b, watchdog)
}

// fill reads all of b. An end within it is unexpected.
func (c *streamConn) fill(b []byte, watchdog *time.Timer) error {
	for len(b) > 0 {
		n, err := io.ReadFull(c.stream, b[:min(len(b), chunkBytes)])
		c.in.Add(uint64(n))
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		b = b[n:]
		watchdog.Reset(c.host.config.Stall)
	}
	return nil
}

func (c *streamConn) WriteFrames(frames [][]byte) error {
	var framed []byte
	for _, b := range frames {
		if len(b) > MaxFrame {
			return fmt.Errorf("link: write: %w: %d bytes; at most %d", ErrFrameSize, len(b), MaxFrame)
		}
		framed = binary.BigEndian.AppendUint16(framed, uint16(len(b)))
		framed = append(framed, b...)
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.closed.Load() {
		return fmt.Errorf("link: write: %w", net.ErrClosed)
	}
	watchdog := c.watch()
	defer watchdog.Stop()
	for len(framed) > 0 {
		n, err := c.stream.Write(framed[:min(len(framed), chunkBytes)])
		c.out.Add(uint64(n))
		if err != nil {
			return c.why("write", err)
		}
		framed = framed[n:]
		watchdog.Reset(c.host.config.Stall)
	}
	return nil
}

// why names the cause of an error where the stream only knows that it ended.
func (c *streamConn) why(what string, err error) error {
	switch {
	case err == io.EOF:
		return err // bare, as readers of streams expect
	case c.stalled.Load():
		err = fmt.Errorf("%w for %s: %w", ErrStalled, c.host.config.Stall, err)
	case c.closed.Load():
		err = fmt.Errorf("%w: %w", net.ErrClosed, err)
	}
	return fmt.Errorf("link: %s: %w", what, err)
}

// longAgo ends a read or write that waits, without asking the clock.
var longAgo = time.Unix(1, 0)

// Close ends what waits and leaves the rest to finish.
func (c *streamConn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	err := c.stream.SetDeadline(longAgo)
	if !c.host.begin() {
		return errors.Join(err, c.stream.Reset()) // the host takes the connection with it
	}
	go c.finish()
	if err != nil {
		return fmt.Errorf("link: close: %w", err)
	}
	return nil
}

// finish says that nothing follows, and waits until the other side has said so
// too: then it has what was written. Closing the TCP connection before would throw
// that away. The connection goes with its last stream.
func (c *streamConn) finish() {
	defer c.host.work.Done()
	watchdog := c.watch()
	defer watchdog.Stop()
	c.writing.Lock() // until a WriteFrames that waits has noticed; later ones do at once
	err := c.stream.CloseWrite()
	c.writing.Unlock()
	c.reading.Lock() // the same for ReadFrame
	err = errors.Join(err, c.stream.SetReadDeadline(time.Time{}))
	c.reading.Unlock()
	if err == nil {
		_, _ = io.Copy(io.Discard, c.stream) // any end will do
	}
	_ = c.stream.Reset() // no effect on a stream that both sides have closed
	if conn := c.stream.Conn(); len(conn.GetStreams()) == 0 {
		_ = conn.Close() // nobody is left to tell
	}
}
