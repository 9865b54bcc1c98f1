package thin

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"io"
	"net"
	"sync"
)

// Conn is a line of a Host as package link's Conn: its calls block. One goroutine may
// read and another write.
type Conn struct {
	host      *Host
	line      *Line         // guarded by host.mu
	toRead    chan struct{} // each holds one word that it is worth to look again
	toWrite   chan struct{}
	closed    chan struct{}
	closeOnce sync.Once
}

// newConn is called with host.mu held.
func newConn(h *Host, l *Line) *Conn {
	c := &Conn{host: h, line: l, toRead: make(chan struct{}, 1), toWrite: make(chan struct{}, 1), closed: make(chan struct{})}
	l.woken = func() {
		for _, to := range []chan struct{}{c.toRead, c.toWrite} {
			select {
			case to <- struct{}{}:
			default:
			}
		}
	}
	return c
}

// PeerKey is the key of the peer whose certificate names the Noise key that it proved.
func (c *Conn) PeerKey() ed25519.PublicKey { return c.line.peer }

// Window is how many bytes suit the line.
func (c *Conn) Window() int { return Window }

// RemoteAddr is where the peer was heard last.
func (c *Conn) RemoteAddr() string {
	c.host.mu.Lock()
	defer c.host.mu.Unlock()
	return c.line.path.to.String()
}

// Bytes counts what was read and written, with everything down to the IP header.
func (c *Conn) Bytes() (in, out uint64) {
	c.host.mu.Lock()
	defer c.host.mu.Unlock()
	return c.line.bytes[0], c.line.bytes[1]
}

// ReadFrame gives the next frame. io.EOF: the peer has closed; ErrNoAnswer: it never
// answered; ErrStalled: it doesn't any more; ErrReset: it gave the connection up.
func (c *Conn) ReadFrame() ([]byte, error) {
	for {
		if frame, err := c.tryRead(); frame != nil || err != nil {
			return frame, err
		}
		select {
		case <-c.toRead:
		case <-c.closed:
		}
	}
}

func (c *Conn) tryRead() ([]byte, error) {
	c.host.mu.Lock()
	defer c.host.mu.Unlock()
	if c.isClosed() {
		return nil, fmt.Errorf("thin: read: %w", net.ErrClosed)
	}
	now := c.host.config.Now()
	frame, ok, ended := c.line.Read(now)
	c.host.pump(now)
	if ok {
		return frame, nil
	}
	over, err := c.line.Over()
	if ended || over && err == nil {
		return nil, io.EOF
	}
	if over {
		return nil, fmt.Errorf("thin: read: %w", err)
	}
	return nil, nil
}

func (c *Conn) isClosed() bool {
	select {
	case <-c.closed:
		return true
	default:
		return false
	}
}

// WriteFrames takes frames and sends what the line takes now, in as few datagrams as
// they fit. It blocks while 64 KiB or 256 frames wait for the peer, at most until
// ErrStalled.
func (c *Conn) WriteFrames(frames [][]byte) error {
	for _, f := range frames {
		if len(f) == 0 || len(f) > MaxFrame {
			return fmt.Errorf("thin: write: %w: %d bytes; 1 to %d", ErrFrameSize, len(f), MaxFrame)
		}
	}
	for {
		left, err := c.tryWrite(frames)
		if err != nil || len(left) == 0 {
			return err
		}
		frames = left
		select {
		case <-c.toWrite:
		case <-c.closed:
		}
	}
}

func (c *Conn) tryWrite(frames [][]byte) (left [][]byte, err error) {
	c.host.mu.Lock()
	defer c.host.mu.Unlock()
	if c.isClosed() {
		return nil, fmt.Errorf("thin: write: %w", net.ErrClosed)
	}
	if over, err := c.line.Over(); over {
		if err == nil {
			err = io.ErrClosedPipe
		}
		return nil, fmt.Errorf("thin: write: %w", err)
	}
	for len(frames) > 0 && c.line.Room() {
		if err := c.line.Write(bytes.Clone(frames[0])); err != nil {
			return nil, fmt.Errorf("thin: write: %w", err)
		}
		frames = frames[1:]
	}
	now := c.host.config.Now()
	c.line.Flush(now)
	c.host.pump(now)
	return frames, nil
}

// Close lets arrive what WriteFrames took, and reads no more. It doesn't block; a
// ReadFrame or WriteFrames that waits returns net.ErrClosed.
func (c *Conn) Close() error {
	c.closeOnce.Do(func() {
		c.host.mu.Lock()
		defer c.host.mu.Unlock()
		close(c.closed)
		if c.host.closed {
			return
		}
		now := c.host.config.Now()
		c.line.Close(now)
		c.host.pump(now)
	})
	return nil
}
