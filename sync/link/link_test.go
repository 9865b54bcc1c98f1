package link

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/libp2p/go-libp2p/core/network"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("vungxa test peer " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func public(name string) ed25519.PublicKey { return testKey(name).Public().(ed25519.PublicKey) }

func allowAll(ed25519.PublicKey) bool { return true }

func host(t *testing.T, name string, change func(*Config)) *Host {
	t.Helper()
	c := Config{Key: testKey(name), Listen: "127.0.0.1:0", Allow: allowAll, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&c)
	}
	h, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("close %s: %v", name, err)
		}
	})
	return h
}

// pair is two hosts and a connection between them.
func pair(t *testing.T, change func(*Config)) (dialled, accepted Conn) {
	t.Helper()
	a, b := host(t, "a", change), host(t, "b", change)
	return connect(t, a, b, "b")
}

func connect(t *testing.T, from, to *Host, name string) (dialled, accepted Conn) {
	t.Helper()
	dialled, err := from.Dial(t.Context(), to.Addr(), public(name))
	if err != nil {
		t.Fatal(err)
	}
	accepted, err = to.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return dialled, accepted
}

func send(t *testing.T, c Conn, b []byte) {
	t.Helper()
	if err := c.WriteFrames([][]byte{b}); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, c Conn, want []byte) {
	t.Helper()
	got, err := c.ReadFrame()
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("got %d bytes, %v; want %d bytes", len(got), err, len(want))
	}
}

func TestFrames(t *testing.T) {
	a, b := pair(t, nil)
	if !a.PeerKey().Equal(public("b")) || !b.PeerKey().Equal(public("a")) {
		t.Error("the keys that were proved are not the two hosts'")
	}
	if host, _, err := net.SplitHostPort(b.RemoteAddr()); err != nil || host != "127.0.0.1" {
		t.Errorf("remote address %q: %v", b.RemoteAddr(), err)
	}
	seed := uint64(7)
	r := rand.New(rand.NewPCG(seed, 0))
	total := uint64(0)
	for _, size := range []int{0, 1, 255, 256, MaxFrame} {
		frame := make([]byte, size)
		for i := range frame {
			frame[i] = byte(r.Uint32())
		}
		written := make(chan error, 1)
		go func() { written <- a.WriteFrames([][]byte{frame}) }()
		expect(t, b, frame)
		if err := <-written; err != nil {
			t.Fatal(err)
		}
		send(t, b, frame[:min(size, 10)])
		expect(t, a, frame[:min(size, 10)])
		total += lengthBytes + uint64(size)
	}
	aIn, aOut := a.Bytes()
	bIn, bOut := b.Bytes()
	if aOut != total || bIn != total || aIn != bOut {
		t.Errorf("a read %d and wrote %d, b read %d and wrote %d; want %d from a to b", aIn, aOut, bIn, bOut, total)
	}
	if err := a.WriteFrames([][]byte{make([]byte, MaxFrame+1)}); !errors.Is(err, ErrFrameSize) {
		t.Errorf("writing a frame over the limit: %v; want ErrFrameSize", err)
	}
}

// The trap of libp2p: the dialler's handshake succeeds although the other side
// refuses it, and its first stream fails. Dial must not hide that, and must work
// at once when the certificate has arrived.
func TestUnknownKeyIsRefused(t *testing.T) {
	var known atomic.Bool
	a := host(t, "a", nil)
	b := host(t, "b", func(c *Config) {
		c.Allow = func(k ed25519.PublicKey) bool { return known.Load() && k.Equal(public("a")) }
	})
	for range 3 {
		if _, err := a.Dial(t.Context(), b.Addr(), public("b")); err == nil {
			t.Fatal("an unknown key got in")
		} else if !errors.Is(err, ErrRefused) {
			t.Errorf("got %v; want ErrRefused", err)
		}
	}
	known.Store(true)
	da, db := connect(t, a, b, "b")
	send(t, da, []byte("now"))
	expect(t, db, []byte("now"))
}

func TestDialRefuses(t *testing.T) {
	b := host(t, "b", nil)
	a := host(t, "a", func(c *Config) {
		c.Allow = func(k ed25519.PublicKey) bool { return !k.Equal(public("stranger")) }
	})
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, addr string
		key        ed25519.PublicKey
		want       error
	}{
		{"a peer without a certificate", b.Addr(), public("stranger"), ErrNotAllowed},
		{"another device at the address", b.Addr(), public("c"), nil},
		{"nobody at the address", nobody, public("b"), nil},
		{"no port", "127.0.0.1", public("b"), nil},
		{"no key", b.Addr(), nil, nil},
	} {
		conn, err := a.Dial(t.Context(), c.addr, c.key)
		if err == nil || conn != nil || (c.want != nil && !errors.Is(err, c.want)) {
			t.Errorf("%s: got %v; want an error %v", c.name, err, c.want)
		}
	}
	// A dial that fails isn't held against the next one.
	da, db := connect(t, a, b, "b")
	send(t, da, []byte("x"))
	expect(t, db, []byte("x"))
}

func TestDialStopsWithItsContext(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := host(t, "a", nil).Dial(ctx, silent.Addr().String(), public("b")); err == nil {
		t.Error("connected to a socket that says nothing")
	}
}

// raw is the dialler's stream, to write what a Conn never would.
func raw(c Conn) network.Stream { return c.(*streamConn).stream }

func TestOversizedFrame(t *testing.T) {
	for _, size := range []uint16{MaxFrame + 1, 1<<16 - 1} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			a, b := pair(t, nil)
			if _, err := raw(a).Write(binary.BigEndian.AppendUint16(nil, size)); err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := b.ReadFrame()
			runtime.ReadMemStats(&after)
			if !errors.Is(err, ErrFrameSize) {
				t.Errorf("got %v; want ErrFrameSize", err)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 16<<10 {
				t.Errorf("%d bytes allocated for a frame that is refused", n)
			}
			if _, err := a.ReadFrame(); err == nil || err == io.EOF {
				t.Errorf("the sender of the oversized frame reads on: %v", err)
			}
		})
	}
}

func TestEndWithinAFrame(t *testing.T) {
	for name, c := range map[string]struct {
		bytes []byte
		end   func(network.Stream) error
		want  error
	}{
		"closed within the length": {[]byte{0}, network.Stream.CloseWrite, io.ErrUnexpectedEOF},
		"closed within the frame":  {[]byte{0, 9, 'x'}, network.Stream.CloseWrite, io.ErrUnexpectedEOF},
		"closed after the length":  {[]byte{0, 9}, network.Stream.CloseWrite, io.ErrUnexpectedEOF},
		"reset within the frame":   {[]byte{0, 9, 'x'}, network.Stream.Reset, network.ErrReset},
		"closed before a frame":    {nil, network.Stream.CloseWrite, io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t, nil)
			if _, err := raw(a).Write(c.bytes); err != nil {
				t.Fatal(err)
			}
			if err := c.end(raw(a)); err != nil {
				t.Fatal(err)
			}
			if _, err := b.ReadFrame(); !errors.Is(err, c.want) {
				t.Errorf("got %v; want %v", err, c.want)
			}
		})
	}
}

func TestGarbageOnThePort(t *testing.T) {
	b := host(t, "b", nil)
	for _, garbage := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x13/multistream/1.0.0\n\xff\xff\xff\xff", strings.Repeat("\x00", 4096)} {
		c, err := net.Dial("tcp", b.Addr())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte(garbage)); err != nil {
			t.Logf("hung up on us early: %v", err)
		}
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Logf("hung up on us early: %v", err)
		}
		if _, err := io.Copy(io.Discard, c); err != nil {
			t.Logf("reset: %v", err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	da, db := connect(t, host(t, "a", nil), b, "b")
	send(t, da, []byte("still here"))
	expect(t, db, []byte("still here"))
}

func TestStalls(t *testing.T) {
	short := func(c *Config) { c.Stall = 50 * time.Millisecond }
	t.Run("a frame that stops", func(t *testing.T) {
		a, b := pair(t, short)
		if _, err := raw(a).Write([]byte{0, 9, 'x'}); err != nil {
			t.Fatal(err)
		}
		if _, err := b.ReadFrame(); !errors.Is(err, ErrStalled) {
			t.Errorf("got %v; want ErrStalled", err)
		}
	})
	t.Run("a reader that doesn't", func(t *testing.T) {
		a, _ := pair(t, short)
		var err error
		written := 0
		for many := slices.Repeat([][]byte{make([]byte, MaxFrame)}, 256); err == nil && written < 100; written++ {
			err = a.WriteFrames(many)
		}
		if !errors.Is(err, ErrStalled) {
			t.Errorf("after %d batches: got %v; want ErrStalled: nothing holds the writer back", written, err)
		}
	})
}

// What was written before Close arrives, however slowly it is read.
func TestCloseDelivers(t *testing.T) {
	a, b := pair(t, nil)
	const frames = 1000
	written := make(chan error, 1)
	go func() {
		for i := range frames {
			if err := a.WriteFrames([][]byte{bytes.Repeat([]byte{byte(i)}, MaxFrame)}); err != nil {
				written <- err
				return
			}
		}
		written <- a.Close()
	}()
	for i := range frames {
		expect(t, b, bytes.Repeat([]byte{byte(i)}, MaxFrame))
	}
	if _, err := b.ReadFrame(); err != io.EOF {
		t.Errorf("after the last frame: %v; want io.EOF", err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}

func TestCloseEndsReads(t *testing.T) {
	a, b := pair(t, nil)
	read := make(chan error, 1)
	go func() {
		_, err := a.ReadFrame()
		read <- err
	}()
	send(t, b, []byte("one"))
	if err := <-read; err != nil {
		t.Fatal(err)
	}
	go func() {
		_, err := a.ReadFrame()
		read <- err
	}()
	if err := errors.Join(a.Close(), a.Close()); err != nil {
		t.Error(err)
	}
	if err := <-read; !errors.Is(err, net.ErrClosed) {
		t.Errorf("a read that waited: %v; want net.ErrClosed", err)
	}
	if _, err := a.ReadFrame(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a read afterwards: %v; want net.ErrClosed", err)
	}
	if err := a.WriteFrames(nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a write afterwards: %v; want net.ErrClosed", err)
	}
}

// Close doesn't wait for a writer that nobody reads from, and ends it.
func TestCloseEndsWrites(t *testing.T) {
	a, b := pair(t, nil)
	first, written := make(chan struct{}), make(chan error, 1)
	go func() {
		frames := slices.Repeat([][]byte{make([]byte, MaxFrame)}, 256)
		err := a.WriteFrames(frames[:1])
		for close(first); err == nil; {
			err = a.WriteFrames(frames)
		}
		written <- err
	}()
	expect(t, b, make([]byte, MaxFrame))
	<-first
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if err := <-written; !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v; want net.ErrClosed", err)
	}
}

// disconnected is closed when the host has no connection any more.
func disconnected(h *Host) <-chan struct{} {
	done := make(chan struct{})
	h.parts.swarm.Notify(&network.NotifyBundle{DisconnectedF: func(n network.Network, _ network.Conn) {
		if len(n.Conns()) == 0 {
			close(done)
		}
	}})
	return done
}

// When both sides have closed, no TCP connection stays behind.
func TestCloseEndsTheConnection(t *testing.T) {
	ha, hb := host(t, "a", nil), host(t, "b", nil)
	a, b := connect(t, ha, hb, "b")
	doneA, doneB := disconnected(ha), disconnected(hb)
	if err := errors.Join(a.Close(), b.Close()); err != nil {
		t.Error(err)
	}
	<-doneA
	<-doneB
}

func TestDisconnect(t *testing.T) {
	ha, hb := host(t, "a", nil), host(t, "b", nil)
	a, b := connect(t, ha, hb, "b")
	if err := hb.Disconnect(public("a")); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]Conn{"dialler": a, "listener": b} {
		if _, err := c.ReadFrame(); err == nil {
			t.Errorf("the %s's connection survived", name)
		}
	}
	a, b = connect(t, ha, hb, "b")
	send(t, a, []byte("again"))
	expect(t, b, []byte("again"))
}

func TestPortTaken(t *testing.T) {
	a := host(t, "a", nil)
	_, err := New(Config{Key: testKey("b"), Listen: a.Addr(), Allow: allowAll})
	if !errors.Is(err, ErrPortTaken) || !strings.Contains(err.Error(), a.Addr()) {
		t.Errorf("got %v; want ErrPortTaken with the address", err)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, c := range map[string]Config{
		"no key":     {Allow: allowAll},
		"no policy":  {Key: testKey("a")},
		"no port":    {Key: testKey("a"), Allow: allowAll, Listen: "127.0.0.1"},
		"a bad port": {Key: testKey("a"), Allow: allowAll, Listen: "127.0.0.1:99999"},
	} {
		if h, err := New(c); err == nil {
			t.Errorf("%s: accepted", name)
			_ = h.Close()
		}
	}
	h := host(t, "quiet", func(c *Config) { c.Listen = "" })
	if h.Addr() != "" {
		t.Errorf("a host that doesn't listen has the address %q", h.Addr())
	}
}

func TestAcceptEnds(t *testing.T) {
	h := host(t, "a", nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Accept(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v; want Canceled", err)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if _, err := h.Accept(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v; want net.ErrClosed", err)
	}
}

// A peer with a certificate still can't take everything.
func TestLimits(t *testing.T) {
	b := host(t, "b", func(c *Config) { c.MaxConns = 2 })
	one, two, three := host(t, "one", nil), host(t, "two", nil), host(t, "three", nil)
	connect(t, one, b, "b")
	connect(t, two, b, "b")
	if _, err := three.Dial(t.Context(), b.Addr(), public("b")); err == nil {
		t.Error("a third connection where two are allowed")
	}
	c := host(t, "c", nil)
	for range streamsPerPeer {
		connect(t, one, c, "c")
	}
	if _, err := one.Dial(t.Context(), c.Addr(), public("c")); err == nil {
		t.Errorf("stream %d of one peer", streamsPerPeer+1)
	}
}

func TestRaftLayer(t *testing.T) {
	ha, hb, stranger := host(t, "a", nil), host(t, "b", nil), host(t, "stranger", nil)
	members := func(k ed25519.PublicKey) (string, bool) {
		for name, h := range map[string]*Host{"a": ha, "b": hb} {
			if k.Equal(public(name)) {
				return h.Addr(), true
			}
		}
		return "", false
	}
	la, lb := ha.RaftLayer(members), hb.RaftLayer(members)
	ta := raft.NewNetworkTransport(la, 2, 10*time.Second, io.Discard)
	tb := raft.NewNetworkTransport(lb, 2, 10*time.Second, io.Discard)
	defer ta.Close()
	defer tb.Close()
	go func() {
		rpc := <-tb.Consumer()
		rpc.Respond(&raft.RequestVoteResponse{Term: 7, Granted: true}, nil)
	}()
	address, err := RaftAddress(public("b"))
	if err != nil {
		t.Fatal(err)
	}
	var got raft.RequestVoteResponse
	if err := ta.RequestVote("b", address, &raft.RequestVoteRequest{Term: 7}, &got); err != nil || !got.Granted {
		t.Errorf("got %+v, %v", got, err)
	}
	// A device with a certificate that is no member: refused by whoever it asks.
	ls := stranger.RaftLayer(func(k ed25519.PublicKey) (string, bool) { return hb.Addr(), true })
	defer ls.Close()
	c, err := ls.Dial(address, 10*time.Second)
	if err == nil {
		_, err = c.Read(make([]byte, 1))
	}
	if err == nil {
		t.Error("raft spoke to a stranger")
	}
	elsewhere, err := RaftAddress(public("elsewhere"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := la.Dial(elsewhere, time.Second); err == nil {
		t.Error("dialled one that is no member")
	}
}
