package thin

import (
	"bytes"
	"container/heap"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// world is endpoints, and lines between them, in virtual time. A seed is one history.
type world struct {
	t      testing.TB
	rand   *rand.Rand
	now    time.Time
	line   model
	ends   map[netip.AddrPort]*end
	flying flights
	serial int
	// tap sees each datagram before the line, and may drop or change it.
	tap func(from netip.AddrPort, d *Datagram) bool
	log func(string, ...any)
}

// model is a line, each way.
type model struct {
	bits   float64 // a second; 0: no end
	delay  time.Duration
	jitter time.Duration // each datagram by itself: so they overtake each other
	loss   float64
	twice  float64
	queue  int // bytes that wait at most; 0: no end
}

// end is an endpoint in the world.
type end struct {
	w       *world
	at      netip.AddrPort
	e       *Endpoint
	free    time.Time // when its line has sent what waits
	sent    int       // bytes, with headers
	packets int
	got     int
}

type inFlight struct {
	at       time.Time
	serial   int
	from, to netip.AddrPort
	b        []byte
}

type flights []inFlight

func (f flights) Len() int { return len(f) }
func (f flights) Less(i, j int) bool {
	return f[i].at.Before(f[j].at) || f[i].at.Equal(f[j].at) && f[i].serial < f[j].serial
}
func (f flights) Swap(i, j int) { f[i], f[j] = f[j], f[i] }
func (f *flights) Push(x any)   { *f = append(*f, x.(inFlight)) }
func (f *flights) Pop() any {
	x := (*f)[len(*f)-1]
	*f = (*f)[:len(*f)-1]
	return x
}

var (
	addrA = netip.MustParseAddrPort("10.0.0.1:1000")
	addrB = netip.MustParseAddrPort("10.0.0.2:2000")
	addrC = netip.MustParseAddrPort("10.0.0.3:3000")
)

func newWorld(t testing.TB, seed uint64, line model) *world {
	return &world{
		t: t, rand: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1_800_000_000, 0), line: line, ends: map[netip.AddrPort]*end{},
		tap: func(netip.AddrPort, *Datagram) bool { return true }, log: func(string, ...any) {},
	}
}

// secret is the X25519 key of a name. Names are all that it protects.
func secret(name string) *ecdh.PrivateKey {
	h := sha256.Sum256([]byte("thin test " + name))
	k, err := ecdh.X25519().NewPrivateKey(h[:])
	if err != nil {
		panic(err)
	}
	return k
}

func peerKey(name string) ed25519.PublicKey {
	h := sha256.Sum256([]byte("thin test peer " + name))
	return ed25519.NewKeyFromSeed(h[:]).Public().(ed25519.PublicKey)
}

// knows is whom everybody in the world knows.
func knows(names ...string) func([]byte) (ed25519.PublicKey, bool) {
	return func(noise []byte) (ed25519.PublicKey, bool) {
		for _, n := range names {
			if bytes.Equal(noise, secret(n).PublicKey().Bytes()) {
				return peerKey(n), true
			}
		}
		return nil, false
	}
}

func (w *world) end(name string, at netip.AddrPort, change ...func(*Config)) *end {
	w.t.Helper()
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], w.rand.Uint64())
	c := Config{Keys: []*ecdh.PrivateKey{secret(name)}, Peer: knows("a", "b", "c"), Rand: rand.NewChaCha8(seed)}
	for _, f := range change {
		f(&c)
	}
	e, err := NewEndpoint(c)
	if err != nil {
		w.t.Fatal(err)
	}
	n := &end{w: w, at: at, e: e}
	w.ends[at] = n
	return n
}

// move gives an end another address.
func (n *end) move(to netip.AddrPort) {
	delete(n.w.ends, n.at)
	n.at = to
	n.w.ends[to] = n
}

func (w *world) put(from *end, d Datagram) {
	size := len(d.B) + headerBytes
	from.sent += size
	from.packets++
	if len(d.B) > maxDatagram {
		w.t.Errorf("a datagram of %d bytes", len(d.B))
	}
	if !w.tap(from.at, &d) || w.rand.Float64() < w.line.loss {
		return
	}
	if from.free.Before(w.now) {
		from.free = w.now
	}
	if w.line.bits > 0 {
		if waiting := from.free.Sub(w.now).Seconds() * w.line.bits / 8; w.line.queue > 0 && waiting > float64(w.line.queue) {
			return // the queue is full
		}
		from.free = from.free.Add(time.Duration(float64(size*8) / w.line.bits * float64(time.Second)))
	}
	for n := 1; n > 0; n-- {
		at := from.free.Add(w.line.delay)
		if w.line.jitter > 0 {
			at = at.Add(time.Duration(w.rand.Int64N(int64(w.line.jitter))))
		}
		w.serial++
		heap.Push(&w.flying, inFlight{at: at, serial: w.serial, from: from.at, to: d.To, b: bytes.Clone(d.B)})
		if w.rand.Float64() < w.line.twice {
			n++
		}
	}
}

// pump puts on the line what endpoints have to send, in the order of their addresses.
func (w *world) pump() {
	for again := true; again; {
		again = false
		for _, at := range []netip.AddrPort{addrA, addrB, addrC} {
			n := w.ends[at]
			if n == nil {
				continue
			}
			for d, ok := n.e.Next(); ok; d, ok = n.e.Next() {
				w.put(n, d)
				again = true
			}
		}
	}
}

// run lets time pass until something holds, or so long. It says whether it holds.
func (w *world) run(atMost time.Duration, until func() bool) bool {
	w.t.Helper()
	limit := w.now.Add(atMost)
	for steps := 0; ; steps++ {
		if steps > 2_000_000 {
			w.t.Fatal("time stands still")
		}
		w.pump()
		if until != nil && until() {
			return true
		}
		next := limit
		if len(w.flying) > 0 && w.flying[0].at.Before(next) {
			next = w.flying[0].at
		}
		for _, n := range w.ends {
			if d := n.e.Deadline(); !d.IsZero() && d.Before(next) {
				next = d
			}
		}
		if next.After(w.now) {
			w.now = next
		}
		if !w.now.Before(limit) {
			return until != nil && until()
		}
		for _, at := range []netip.AddrPort{addrA, addrB, addrC} {
			if n := w.ends[at]; n != nil {
				n.e.Advance(w.now)
			}
		}
		for len(w.flying) > 0 && !w.flying[0].at.After(w.now) {
			f := heap.Pop(&w.flying).(inFlight)
			if n := w.ends[f.to]; n != nil {
				n.got++
				n.e.Receive(w.now, f.from, f.b)
			}
		}
	}
}

// side is one end of a line, with an application that writes and reads frames.
type side struct {
	w     *world
	l     *Line
	write [][]byte
	got   [][]byte
	ended bool
}

func (s *side) work() {
	if s.l == nil {
		return
	}
	wrote := false
	for len(s.write) > 0 && s.l.Room() {
		if err := s.l.Write(s.write[0]); err != nil {
			s.w.t.Fatal(err)
		}
		s.write, wrote = s.write[1:], true
	}
	if wrote {
		s.l.Flush(s.w.now)
	}
	for {
		f, ok, ended := s.l.Read(s.w.now)
		if !ok {
			s.ended = ended
			return
		}
		s.got = append(s.got, f)
	}
}

// dial makes a line from a to b; what comes is accepted into the second side.
func (w *world) dial(from, to *end, name string, first ...[]byte) (*side, *side) {
	w.t.Helper()
	l, err := from.e.Dial(w.now, to.at, peerKey(name), secret(name).PublicKey())
	if err != nil {
		w.t.Fatal(err)
	}
	near := &side{w: w, l: l, write: first}
	return near, &side{w: w}
}

// talk runs both sides' applications until something holds.
func (w *world) talk(atMost time.Duration, b *end, near, far *side, until func() bool) bool {
	w.t.Helper()
	return w.run(atMost, func() bool {
		if far.l == nil {
			far.l = b.e.Accept()
		}
		near.work()
		far.work()
		w.pump()
		return until()
	})
}

func frames(n, size int) (all [][]byte) {
	for i := range n {
		f := bytes.Repeat([]byte{byte(i)}, size)
		copy(f, fmt.Sprint(i, " "))
		all = append(all, f)
	}
	return all
}

func sameFrames(t testing.TB, what string, got, want [][]byte) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d frames; want %d", what, len(got), len(want))
	}
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			t.Fatalf("%s: frame %d differs", what, i)
		}
	}
}
