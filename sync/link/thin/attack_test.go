package thin

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// meet is two ends with an open line between them.
func meet(t testing.TB, change ...func(*Config)) (w *world, a, b *end, near, far *side) {
	t.Helper()
	w = newWorld(t, 7, model{bits: 64e3, delay: 300 * time.Millisecond})
	a, b = w.end("a", addrA), w.end("b", addrB, change...)
	near, far = w.dial(a, b, "b", []byte("hello"))
	if !w.talk(time.Minute, b, near, far, func() bool {
		if len(far.got) == 1 && len(far.write) == 0 && len(near.got) == 0 && far.l.state == answering {
			far.write = frames(1, 20)
		}
		return len(near.got) == 1
	}) {
		t.Fatal("they didn't meet")
	}
	near.got, far.got = nil, nil
	return w, a, b, near, far
}

// exchange sends one frame each way.
func exchange(t testing.TB, w *world, b *end, near, far *side) {
	t.Helper()
	near.got, far.got = nil, nil
	near.write, far.write = frames(1, 100), frames(1, 100)
	if !w.talk(2*time.Minute, b, near, far, func() bool { return len(near.got) == 1 && len(far.got) == 1 }) {
		t.Fatalf("got %d and %d frames", len(near.got), len(far.got))
	}
	w.talk(5*time.Second, b, near, far, func() bool { return false })
}

// Both prove their keys: the called one sees the caller's, and a caller who expects
// another key is not answered.
func TestKeysAreProved(t *testing.T) {
	_, _, _, near, far := meet(t)
	if !far.l.PeerKey().Equal(peerKey("a")) || !near.l.PeerKey().Equal(peerKey("b")) {
		t.Error("wrong keys")
	}
	w := newWorld(t, 1, model{delay: time.Millisecond})
	a, b := w.end("a", addrA), w.end("b", addrB)
	l, err := a.e.Dial(w.now, addrB, peerKey("c"), secret("c").PublicKey())
	must(t, err)
	w.run(time.Hour, func() bool { over, _ := l.Over(); return over })
	if _, err := l.Over(); !errors.Is(err, ErrNoAnswer) || b.sent != 0 {
		t.Errorf("%v; %d B of answer", err, b.sent)
	}
}

// Whoever has no certificate here hears nothing.
func TestSilence(t *testing.T) {
	w := newWorld(t, 1, model{delay: time.Millisecond})
	a, b := w.end("stranger", addrA), w.end("b", addrB)
	_, err := a.e.Dial(w.now, addrB, peerKey("b"), secret("b").PublicKey())
	must(t, err)
	w.run(time.Minute, nil)
	for i := range 300 {
		d := make([]byte, w.rand.IntN(maxDatagram+10))
		for j := range d {
			d[j] = byte(w.rand.Uint32())
		}
		if i%2 == 0 && len(d) > initialBytes { // a mac that is right
			d[0] = typeInitial
			mac := callMAC(macKey(secret("b").PublicKey().Bytes()), d[1+macBytes:])
			copy(d[1:], mac[:])
		}
		w.now = w.now.Add(50 * time.Millisecond)
		b.e.Receive(w.now, addrC, d)
	}
	w.run(time.Minute, nil)
	if b.sent != 0 || len(b.e.lines) != 0 || len(b.e.seen) != 0 {
		t.Errorf("%d B sent, %d lines, %d calls remembered", b.sent, len(b.e.lines), len(b.e.seen))
	}
}

// Of each datagram of a meeting: changed anywhere, cut or lengthened it has no effect
// but that of being lost.
func TestForged(t *testing.T) {
	for nth := range 8 {
		w := newWorld(t, uint64(nth), model{bits: 64e3, delay: 300 * time.Millisecond})
		a, b := w.end("a", addrA), w.end("b", addrB)
		near, far := w.dial(a, b, "b", frames(2, 100)...)
		seen := 0
		w.tap = func(from netip.AddrPort, d *Datagram) bool {
			if seen++; seen-1 != nth {
				return true
			}
			for i := range d.B {
				bad := bytes.Clone(d.B)
				bad[i] ^= 1 << (i % 8)
				w.ends[d.To].e.Receive(w.now, from, bad)
			}
			w.ends[d.To].e.Receive(w.now, from, d.B[:len(d.B)-1])
			w.ends[d.To].e.Receive(w.now, from, append(bytes.Clone(d.B), 0))
			return true
		}
		far.write = frames(3, 200)
		ok := w.talk(time.Minute, b, near, far, func() bool { return len(far.got) == 2 && len(near.got) == 3 })
		if !ok || len(b.e.lines) != 1 {
			t.Errorf("datagram %d: %d and %d frames, %d lines", nth, len(far.got), len(near.got), len(b.e.lines))
		}
		exchange(t, w, b, near, far)
	}
}

// A recorded first flight: sent again while its line lives, and long after, it never
// replaces a line and never is answered beyond thrice its bytes.
func TestReplayedFirstFlight(t *testing.T) {
	w := newWorld(t, 3, model{bits: 64e3, delay: 100 * time.Millisecond})
	a, b := w.end("a", addrA), w.end("b", addrB)
	var flight, early []byte
	w.tap = func(from netip.AddrPort, d *Datagram) bool {
		if from == addrA && flight == nil {
			flight = bytes.Clone(d.B)
		}
		if from == addrA && d.B[0]&typeMask == typeData && early == nil {
			early = bytes.Clone(d.B)
		}
		return true
	}
	near, far := w.dial(a, b, "b", frames(1, 300)...)
	if !w.talk(time.Minute, b, near, far, func() bool { return len(far.got) == 1 && near.l.state == open }) {
		t.Fatal("no line")
	}
	exchange(t, w, b, near, far)
	again := func(what string, from netip.AddrPort) {
		t.Helper()
		sent := b.sent
		for range 20 {
			b.e.Receive(w.now, from, flight)
			w.talk(time.Second, b, near, far, func() bool { return false })
		}
		if got := b.sent - sent; got != 0 || b.e.Accept() != nil || len(b.e.lines) != 1 {
			t.Errorf("%s: %d B in answer, %d lines", what, got, len(b.e.lines))
		}
	}
	again("from its own address", addrA)
	again("from another address", addrC)
	exchange(t, w, b, near, far)
	b.e.Receive(w.now, addrC, early) // neither does a data packet come twice
	if far.l.path.to != addrA {
		t.Error("a replayed packet moved the line")
	}

	// The called device has started anew and remembers nothing: the flight is taken
	// once, its frames may arrive twice, and that is all.
	b = w.end("b", addrB)
	b.sent = 0
	for range 50 {
		b.e.Receive(w.now, addrC, flight)
		w.run(time.Second, nil)
	}
	l := b.e.Accept()
	if l == nil || b.e.Accept() != nil {
		t.Fatal("not taken once")
	}
	if f, ok, _ := l.Read(w.now); !ok || !bytes.Equal(f, frames(1, 300)[0]) {
		t.Error("other frames")
	}
	must(t, l.Write(frames(1, 1000)[0]))
	l.Flush(w.now)
	w.run(time.Minute, nil)
	if l.confirmed || l.path.valid {
		t.Error("a replay confirmed a line")
	}

	// The device itself calls: it is heard, although the replay holds a line.
	near, far = w.dial(a, b, "b", frames(1, 50)...)
	if !w.talk(time.Minute, b, near, far, func() bool { return len(far.got) == 1 }) {
		t.Fatal("a replay keeps the device out")
	}
	exchange(t, w, b, near, far)
}

// To an address that hasn't shown that it is one, at most thrice its bytes go.
func TestAmplification(t *testing.T) {
	for _, size := range []int{1, 100, 1000} {
		w := newWorld(t, 1, model{delay: time.Millisecond})
		a, b := w.end("a", addrA), w.end("b", addrB)
		near, far := w.dial(a, b, "b", frames(1, size)...)
		got, put := 0, 0
		w.tap = func(from netip.AddrPort, d *Datagram) bool {
			if from == addrA {
				got += len(d.B)
				return true
			}
			put += len(d.B)
			return false // never heard
		}
		far.write = frames(100, 1000)
		w.talk(100*time.Second, b, near, far, func() bool {
			if put > amplification*got {
				t.Fatalf("%d B for %d", put, got)
			}
			return false
		})
		if put == 0 {
			t.Error("nothing was tried")
		}
	}
}

// The line goes on when a caller's address changes under it, and when it changes it.
func TestMigration(t *testing.T) {
	for _, c := range []struct {
		name string
		told bool
	}{{"behind a NAT", false}, {"by itself", true}} {
		t.Run(c.name, func(t *testing.T) {
			w, a, b, near, far := meet(t)
			exchange(t, w, b, near, far)
			cids := map[string][]netip.AddrPort{}
			w.tap = func(from netip.AddrPort, d *Datagram) bool {
				if d.B[0]&typeMask == typeData {
					key := hex.EncodeToString(d.B[1 : 1+cidBytes])
					device := from
					if from == b.at {
						device = d.To
					}
					cids[key] = append(cids[key], device)
				}
				return true
			}
			exchange(t, w, b, near, far)
			for i := range 6 {
				a.move(netip.MustParseAddrPort(fmt.Sprintf("10.0.%d.1:1000", i+1)))
				w.ends[addrC] = a // so that it is driven
				if c.told {
					a.e.Moved(w.now)
				}
				exchange2(t, w, a, b, near, far)
				if far.l.path.to != a.at || !far.l.path.valid {
					t.Fatalf("after %d moves the answers go to %s, valid %v", i+1, far.l.path.to, far.l.path.valid)
				}
			}
			if near.l.path.name != 6 || far.l.path.name != 6 {
				t.Errorf("names %d and %d; want 6", near.l.path.name, far.l.path.name)
			}
			for cid, at := range cids {
				for _, other := range at {
					if c.told && other != at[0] {
						t.Errorf("connection id %s at %s and %s", cid, at[0], other)
						break
					}
				}
			}
		})
	}
}

// exchange2 is exchange for an end whose address the world's order doesn't know.
func exchange2(t testing.TB, w *world, a, b *end, near, far *side) {
	t.Helper()
	near.got, far.got = nil, nil
	near.write = frames(1, 100)
	far.write = frames(1, 100)
	if !w.talk(2*time.Minute, b, near, far, func() bool { return len(near.got) == 1 && len(far.got) == 1 }) {
		t.Fatalf("after a move: got %d and %d frames", len(near.got), len(far.got))
	}
	w.talk(10*time.Second, b, near, far, func() bool { return false })
}

// Someone on the way who gives a packet another sender's address gets three times its
// bytes sent there, and the line comes back.
func TestStolenPath(t *testing.T) {
	w, _, b, near, far := meet(t)
	exchange(t, w, b, near, far)
	victim := netip.MustParseAddrPort("10.9.9.9:9")
	stolen, to := 0, 0
	w.tap = func(from netip.AddrPort, d *Datagram) bool {
		if from == addrA && stolen == 0 {
			stolen = len(d.B)
			b.e.Receive(w.now, victim, d.B)
			return false
		}
		if d.To == victim {
			to += len(d.B)
			return false
		}
		return true
	}
	near.write, far.write = frames(1, 100), frames(10, 1000)
	near.got, far.got = nil, nil
	if !w.talk(3*time.Minute, b, near, far, func() bool { return len(far.got) == 1 && len(near.got) == 10 }) {
		t.Fatalf("the line was lost: %d and %d frames", len(far.got), len(near.got))
	}
	if to > amplification*stolen {
		t.Errorf("%d B went to the victim for %d", to, stolen)
	}
	if far.l.path.to != addrA {
		t.Errorf("the answers go to %s", far.l.path.to)
	}
}

// Under load only callers are computed for who are where they seem to be.
func TestCookie(t *testing.T) {
	w := newWorld(t, 1, model{delay: 50 * time.Millisecond})
	a, b := w.end("a", addrA), w.end("b", addrB, func(c *Config) { c.CallsMax = 5 })
	flood := func() {
		for range 100 {
			d := make([]byte, 150)
			for j := range d {
				d[j] = byte(w.rand.Uint32())
			}
			d[0] = typeInitial
			mac := callMAC(macKey(secret("b").PublicKey().Bytes()), d[1+macBytes:])
			copy(d[1:], mac[:])
			b.e.Receive(w.now, netip.AddrPortFrom(addrC.Addr(), uint16(w.rand.Uint32())), d)
		}
	}
	most := 0
	near, far := w.dial(a, b, "b", frames(1, 500)...)
	retries := 0
	w.tap = func(from netip.AddrPort, d *Datagram) bool {
		if from == addrB && d.B[0]&typeMask == typeRetry {
			if retries++; len(d.B) > initialBytes {
				t.Error("a retry longer than a call")
			}
		}
		return true
	}
	w.now = w.now.Truncate(time.Second)
	last := time.Time{}
	ok := w.talk(20*time.Second, b, near, far, func() bool {
		if w.now.Sub(last) > 20*time.Millisecond {
			last = w.now
			flood()
		}
		most = max(most, b.e.computed)
		return len(far.got) == 1 && near.l.state == open
	})
	if !ok {
		t.Fatal("a caller with a cookie didn't get through")
	}
	if most > 6 || retries == 0 || near.l.retries == 0 || !far.l.path.valid {
		t.Errorf("%d calls computed in a second, %d retries", most, retries)
	}
	if len(b.e.lines) != 1 {
		t.Errorf("%d lines", len(b.e.lines))
	}
	// A cookie is for one address and for a while.
	raw, err := addrA.MarshalBinary()
	must(t, err)
	cookie := cookieOf(b.e.secret, raw, w.now, 0)
	if !b.e.cookieHolds(w.now, addrA, cookie) || !b.e.cookieHolds(w.now.Add(cookieLife), addrA, cookie) ||
		b.e.cookieHolds(w.now.Add(2*cookieLife), addrA, cookie) || b.e.cookieHolds(w.now, addrC, cookie) {
		t.Error("cookies hold for the wrong ones")
	}
}

// A hub's key changes with its certificate: callers who know the old one still reach
// it, and who knows the new one as well.
func TestKeyRotates(t *testing.T) {
	w := newWorld(t, 1, model{delay: 50 * time.Millisecond})
	a, b := w.end("a", addrA), w.end("c", addrB, func(c *Config) { c.Keys = append(c.Keys, secret("b")) })
	for _, name := range []string{"b", "c"} {
		near, far := w.dial(a, b, name, frames(1, 50)...)
		if !w.talk(time.Minute, b, near, far, func() bool { return len(far.got) == 1 && near.l.state == open }) {
			t.Fatalf("not reached under the key of %s", name)
		}
		exchange(t, w, b, near, far)
	}
}

// Keys change while a line runs, also when packets are lost and overtake each other.
func TestRekey(t *testing.T) {
	w := newWorld(t, 5, model{bits: 10e6, delay: 20 * time.Millisecond, jitter: 10 * time.Millisecond, loss: 0.05})
	a, b := w.end("a", addrA), w.end("b", addrB)
	near, far := w.dial(a, b, "b", frames(1, 20)...)
	if !w.talk(time.Minute, b, near, far, func() bool { return len(far.got) == 1 && near.l.state == open }) {
		t.Fatal("no line")
	}
	first := near.l.send.key
	for i := range 40 {
		near.l.send.at = near.l.send.at.Add(-2 * rekeyAfter) // it is time
		near.got, far.got = nil, nil
		near.write, far.write = frames(20, 900), frames(5, 300)
		if !w.talk(5*time.Minute, b, near, far, func() bool { return len(far.got) == 20 && len(near.got) == 5 }) {
			t.Fatalf("key %d: %d and %d frames", i, len(far.got), len(near.got))
		}
	}
	if near.l.send.key == first || far.l.recv.key != near.l.send.key {
		t.Error("the keys are not new, or not the same")
	}
}

// The last packet before a rest is lost, and what it carried comes by a probe: nothing
// waits then, and the line rests as long as it likes.
func TestARestAfterALostPacket(t *testing.T) {
	w, _, b, near, far := meet(t)
	exchange(t, w, b, near, far)
	w.talk(5*time.Second, b, near, far, func() bool { return false })
	dropped := false
	w.tap = func(from netip.AddrPort, d *Datagram) bool {
		lose := !dropped && from == addrA && len(d.B) > 150
		dropped = dropped || lose
		return !lose
	}
	n := len(far.got)
	near.write = frames(1, 200)
	if !w.talk(time.Minute, b, near, far, func() bool { return len(far.got) == n+1 }) || !dropped {
		t.Fatalf("the frame didn't come, or wasn't lost first (%v)", dropped)
	}
	if w.talk(3*DefaultStall, b, near, far, func() bool { over, _ := near.l.Over(); return over }) {
		_, err := near.l.Over()
		t.Errorf("the line ended at rest: %v", err)
	}
}

// An idle line costs a keep-alive of 51 bytes each 110 s, and an answer to each third.
func TestIdle(t *testing.T) {
	w, a, b, near, far := meet(t)
	exchange(t, w, b, near, far)
	a.sent, b.sent = 0, 0
	w.talk(24*time.Hour, b, near, far, func() bool { return false })
	for _, s := range []*side{near, far} {
		if over, err := s.l.Over(); over {
			t.Fatalf("over: %v", err)
		}
	}
	t.Logf("a day: %d B up, %d B down", a.sent, b.sent)
	if a.sent > 42_000 || b.sent > 15_000 {
		t.Errorf("a day: %d B up, %d B down", a.sent, b.sent)
	}
	exchange(t, w, b, near, far)
}

// A reader who doesn't read holds 64 KiB back, not the sender's memory, and gets all
// when it does.
func TestSlowReader(t *testing.T) {
	w, _, b, near, far := meet(t)
	want := frames(150, 1200)
	near.write = want
	w.run(100*time.Second, func() bool { near.work(); w.pump(); return false })
	if over, err := near.l.Over(); over {
		t.Fatalf("the line was given up: %v", err)
	}
	if far.l.inbox.waiting+far.l.inbox.held > 2*maxQueueBytes+MaxFrame || near.l.outbox.bytes > maxQueueBytes+MaxFrame {
		t.Errorf("%d B wait to be read, %d to be sent", far.l.inbox.waiting, near.l.outbox.bytes)
	}
	far.got = nil
	if !w.talk(5*time.Minute, b, near, far, func() bool { return len(far.got) == len(want) }) {
		t.Fatalf("%d of %d frames", len(far.got), len(want))
	}
	sameFrames(t, "late", far.got, want)
}

// What one peer can make this side hold is bounded, whatever it does.
func TestBounds(t *testing.T) {
	w := newWorld(t, 1, model{delay: time.Millisecond})
	a, b := w.end("a", addrA), w.end("b", addrB, func(c *Config) { c.MaxLines = 10; c.CallsMax = 1 << 20 })
	for range 100 {
		near, _ := w.dial(a, b, "b", frames(1, 10)...)
		near.work()
		w.run(10*time.Millisecond, nil)
		near.l.fail(ErrReset) // without a word
	}
	if n := len(b.e.lines); n > maxPeerLines+maxPending {
		t.Errorf("a peer that calls again and again holds %d lines", n)
	}
	w.run(time.Hour, nil)
	if n := len(b.e.lines) + len(b.e.names) + len(b.e.answered); n != 0 {
		t.Errorf("%d things are left after an hour", n)
	}
}
