package thin

import (
	"context"
	"crypto/ecdh"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/link"
	"github.com/vungxa/vungxa/sync/replica"
	"github.com/vungxa/vungxa/sync/replica/memlog"
)

var (
	_ link.Conn    = (*Conn)(nil)
	_ replica.Conn = (*Conn)(nil)
)

const scope crdt.Scope = "c/03646"

var root = memlog.Key("authority")

// air is a line between sockets in a bubble of virtual time.
type air struct {
	mu      sync.Mutex
	rand    *rand.Rand
	line    model
	sockets map[netip.AddrPort]*wireless
	began   time.Time
	trace   func(string, ...any)
}

// wireless is a socket on it.
type wireless struct {
	air    *air
	at     netip.AddrPort
	in     chan inFlight
	closed chan struct{}
	once   sync.Once
	free   time.Time
	sent   int // bytes with headers
	count  int
	last   time.Time
}

func newAir(seed uint64, line model) *air {
	return &air{
		rand: rand.New(rand.NewPCG(seed, 2)), line: line, sockets: map[netip.AddrPort]*wireless{}, began: time.Now(),
		trace: func(string, ...any) {},
	}
}

func (a *air) socket(at netip.AddrPort) *wireless {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := &wireless{air: a, at: at, in: make(chan inFlight, 256), closed: make(chan struct{})}
	a.sockets[at] = s
	return s
}

func (s *wireless) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case f := <-s.in:
		return copy(b, f.b), f.from, nil
	case <-s.closed:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (s *wireless) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	s.air.mu.Lock()
	defer s.air.mu.Unlock()
	now := time.Now()
	size := len(b) + headerBytes
	s.sent, s.count, s.last = s.sent+size, s.count+1, now
	s.air.trace("%8.3f s  %s sends %d B", now.Sub(s.air.began).Seconds(), s.at, size)
	if s.air.rand.Float64() < s.air.line.loss {
		return len(b), nil
	}
	if s.free.Before(now) {
		s.free = now
	}
	if s.air.line.bits > 0 {
		s.free = s.free.Add(time.Duration(float64(size*8) / s.air.line.bits * float64(time.Second)))
	}
	f := inFlight{from: s.at, b: append([]byte(nil), b...)}
	time.AfterFunc(s.free.Add(s.air.line.delay).Sub(now), func() { s.air.deliver(to, f) })
	return len(b), nil
}

func (a *air) deliver(to netip.AddrPort, f inFlight) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.sockets[to]; s != nil {
		select {
		case s.in <- f:
		default:
		}
	}
}

func (s *wireless) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(s.at) }

func (s *wireless) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

// take gives what was sent since the last time, with IPv4 and UDP headers.
func (s *wireless) take() (bytes, count int) {
	s.air.mu.Lock()
	defer s.air.mu.Unlock()
	bytes, count = s.sent, s.count
	s.sent, s.count = 0, 0
	return bytes, count
}

// station is a node with its replica on a thin host.
type station struct {
	t      *testing.T
	node   *memlog.Node
	socket *wireless
	key    *ecdh.PrivateKey
	peers  []replica.Peer
	host   *Host
	r      *replica.Replica
	stop   context.CancelFunc
	done   chan error

	mu    sync.Mutex
	notes map[string][]byte
}

func (s *station) Note(peer crdt.Device, name string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.notes[peer.String()+name], nil
}

func (s *station) PutNote(peer crdt.Device, name string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes[peer.String()+name] = value
	return nil
}

func (s *station) Heard(crdt.Device, int64) {}

// newStation is a node whose certificate names a Noise key.
func newStation(t *testing.T, a *air, name string, role identity.Role, at netip.AddrPort) *station {
	t.Helper()
	n, err := memlog.New(root, name, role, scope)
	must(t, err)
	s := &station{t: t, node: n, socket: a.socket(at), key: secret(name), notes: map[string][]byte{}}
	n.Claims.NoiseKey = s.key.PublicKey()
	n.Claims.Epoch = 1
	n.Certificate, err = identity.Issue(root, n.Claims)
	must(t, err)
	_, err = n.Directory.Add(n.Certificate)
	must(t, err)
	return s
}

// join lets a call b.
func join(t *testing.T, a, b *station) {
	a.peers = append(a.peers, replica.Peer{Device: b.node.Claims.Device, PeerKey: b.node.Claims.PeerKey, Address: b.socket.at.String()})
	b.peers = append(b.peers, replica.Peer{Device: a.node.Claims.Device, PeerKey: a.node.Claims.PeerKey})
	for _, s := range [][2]*station{{a, b}, {b, a}} {
		_, err := s[0].node.Directory.Add(s[1].node.Certificate)
		must(t, err)
	}
}

func (s *station) start() {
	s.t.Helper()
	s.socket = s.socket.air.socket(s.socket.at)
	var seed [32]byte
	copy(seed[:], s.socket.at.String())
	var err error
	s.host, err = newHost(HostConfig{
		Keys: []*ecdh.PrivateKey{s.key}, Directory: s.node.Directory, Now: time.Now, Rand: rand.NewChaCha8(seed),
	}, s.socket)
	must(s.t, err)
	s.r, err = replica.New(replica.Config{
		Root: identity.Public(root), Certificate: s.node.Certificate, Directory: s.node.Directory,
		Scopes: s.node.Claims.Scopes, Peers: s.peers, Log: s.node, Ingest: s.node.Ingest, Sign: s.node.Sign, Hear: s, Notes: s,
		Carrier: replica.Over(s.host), Now: time.Now, Rand: rand.NewChaCha8([32]byte{1}),
	})
	must(s.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	s.stop, s.done = cancel, make(chan error, 1)
	go func() { s.done <- s.r.Run(ctx) }()
}

func (s *station) halt() {
	s.t.Helper()
	s.stop()
	if err := <-s.done; err != nil {
		s.t.Error(err)
	}
	time.Sleep(10 * time.Second) // virtual: the last words
	must(s.t, s.host.Close())
}

func (s *station) save(n int) {
	s.t.Helper()
	for i := range n {
		_, err := s.node.Save(scope, crdt.ClassRecords, fmt.Sprint(i))
		must(s.t, err)
	}
}

func (s *station) received(signer *station, seq uint64) bool {
	s.t.Helper()
	receipts, err := s.node.Receipts(scope)
	must(s.t, err)
	for _, r := range receipts {
		if r.Signer == signer.node.Claims.Device && r.Covers(crdt.Dot{Log: s.node.Log(scope, crdt.ClassRecords), Seq: seq}) {
			return true
		}
	}
	return false
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestMain packs a segment outside of every bubble: zstd makes channels at its first
// use, which would belong to the bubble that came first.
func TestMain(m *testing.M) {
	n, err := memlog.New(root, "warm", identity.RoleBox, scope)
	if err == nil {
		_, err = n.Save(scope, crdt.ClassRecords, "")
	}
	var s *wire.Segment
	if err == nil {
		_, err = n.Heads(scope)
	}
	if err == nil {
		s, err = n.Segment(n.Log(scope, crdt.ClassRecords), 0, 0)
	}
	var b []byte
	if err == nil {
		b, err = wire.EncodeSegment(s)
	}
	if err == nil {
		_, err = wire.DecodeSegment(b)
	}
	if err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// pair is a box and a hub that have met before, over a line of 64 kbit/s and 600 ms.
func pair(t *testing.T) (a *air, box, hub *station) {
	t.Helper()
	a = newAir(1, model{bits: 64e3, delay: 300 * time.Millisecond})
	box, hub = newStation(t, a, "box", identity.RoleBox, addrA), newStation(t, a, "hub", identity.RoleHub, addrB)
	join(t, box, hub)
	box.save(3)
	hub.start()
	box.start()
	time.Sleep(time.Minute)
	if !box.received(hub, 3) {
		t.Fatal("no receipt over the thin link")
	}
	return a, box, hub
}

// spent gives what both sides have sent since the last time.
func spent(box, hub *station) (up, upCount, down, downCount int) {
	up, upCount = box.socket.take()
	down, downCount = hub.socket.take()
	return up, upCount, down, downCount
}

// The budgets of a contact, byte for byte, with IPv4 and UDP headers. The receipt of an
// edit is patient: its acknowledgement goes with the next edit, or when a keep-alive
// would go.
func TestBudgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, box, hub := pair(t)
		box.halt()
		hub.halt()
		spent(box, hub)
		hub.start()
		box.start()
		time.Sleep(20 * time.Second)
		if up, n, down, m := spent(box, hub); up != 152 || n != 1 || down != 104 || m != 1 {
			t.Errorf("an idle cold contact: %d B in %d up, %d B in %d down; want 152 in 1 and 104 in 1", up, n, down, m)
		}
		box.save(1)
		time.Sleep(20 * time.Second)
		if up, n, down, m := spent(box, hub); up != 142 || n != 1 || down != 130 || m != 1 || !box.received(hub, 4) {
			t.Errorf("one edit: %d B in %d up, %d B in %d down; want 142 in 1 and 130 in 1, and a receipt", up, n, down, m)
		}
		time.Sleep(90 * time.Second)
		if up, n, down, _ := spent(box, hub); up != 54 || n != 1 || down != 0 {
			t.Errorf("after it, instead of a keep-alive of 51 B: %d B in %d up, %d B down; want 54 in 1 and none", up, n, down)
		}
		box.save(300)
		time.Sleep(900 * time.Millisecond) // 1.5 round trips
		if !box.received(hub, 304) {
			t.Error("300 saves: no receipt within 1.5 round trips")
		}
		time.Sleep(20 * time.Second)
		if up, n, down, m := spent(box, hub); up+down > 2000 {
			t.Errorf("300 saves: %d B in %d up, %d B in %d down; at most 2,000", up, n, down, m)
		} else {
			t.Logf("300 saves: %d B in %d up, %d B in %d down", up, n, down, m)
		}
		_ = a
		box.halt()
		hub.halt()
	})
}

// A session over a bad line: nothing is lost, and ticks come.
func TestSessionOnABadLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, box, hub := pair(t)
		a.mu.Lock()
		a.line = model{bits: 9600, delay: 750 * time.Millisecond, loss: 0.2}
		a.mu.Unlock()
		for i := range uint64(10) {
			box.save(30)
			hub.save(3)
			time.Sleep(45 * time.Second)
			if i%4 == 3 { // both are switched off, and on again
				box.halt()
				hub.halt()
				hub.start()
				box.start()
			}
		}
		time.Sleep(5 * time.Minute)
		if !box.received(hub, 303) || !hub.received(box, 30) {
			t.Error("no receipts")
		}
		box.halt()
		hub.halt()
	})
}

// Bulk fills a satellite's line, and what is urgent doesn't wait for it.
func TestBulk(t *testing.T) {
	for _, c := range []struct {
		line           model
		within, urgent time.Duration
	}{
		{model{bits: 64e3, delay: 150 * time.Millisecond, loss: 0.05, queue: 32 << 10}, 25 * time.Second, 4 * time.Second},
		{model{bits: 64e3, delay: 750 * time.Millisecond, loss: 0.1, queue: 32 << 10}, 40 * time.Second, 8 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			a, box, hub := pair(t)
			a.mu.Lock()
			a.line = c.line
			a.mu.Unlock()
			for range 4 { // it is found to be longer than it was
				box.save(1)
				time.Sleep(time.Minute)
			}
			box.node.SegmentEntries = 10
			chance := rand.NewChaCha8([32]byte{3})
			for range 20 {
				b := make([]byte, 6000) // that don't compress
				_, _ = chance.Read(b)
				_, err := box.node.SaveValue(scope, crdt.ClassBulk, b)
				must(t, err)
			}
			began := time.Now()
			time.Sleep(8 * time.Second)
			box.save(1)
			for !box.received(hub, 8) && time.Since(began) < time.Minute {
				time.Sleep(50 * time.Millisecond)
			}
			if took := time.Since(began) - 8*time.Second; took > c.urgent {
				t.Errorf("over %v ms what is urgent took %s; at most %s", c.line.delay.Milliseconds(), took, c.urgent)
			} else {
				t.Logf("%d ms one way: %s beside bulk", c.line.delay.Milliseconds(), took)
			}
			bulk := box.node.Log(scope, crdt.ClassBulk)
			for time.Since(began) < 5*time.Minute {
				heads, err := hub.node.Heads(scope)
				must(t, err)
				if heads[bulk].Seq == 20 {
					break
				}
				time.Sleep(50 * time.Millisecond)
			}
			if took := time.Since(began); took > c.within {
				t.Errorf("over %v ms 120 kB took %s; at most %s", c.line.delay.Milliseconds(), took, c.within)
			} else {
				t.Logf("%d ms one way: 120 kB in %s", c.line.delay.Milliseconds(), took)
			}
			box.halt()
			hub.halt()
		})
	}
}

// A device certified before there was the thin link is told so.
func TestNoKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAir(1, model{})
		box := newStation(t, a, "box", identity.RoleBox, addrA)
		old, err := memlog.New(root, "old", identity.RoleBox, scope)
		must(t, err)
		_, err = box.node.Directory.Add(old.Certificate)
		must(t, err)
		box.start()
		if _, err := box.host.Dial(t.Context(), addrB.String(), old.Claims.PeerKey); !errors.Is(err, ErrNoKey) {
			t.Errorf("got %v; want ErrNoKey", err)
		}
		if _, err := box.host.Dial(t.Context(), addrB.String(), peerKey("nobody")); !errors.Is(err, ErrNotOurs) {
			t.Errorf("got %v; want ErrNotOurs", err)
		}
		box.halt()
	})
}
