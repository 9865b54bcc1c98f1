package thin

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// talkative is a line on which each frame that comes is answered by one.
func talkative(t *testing.T, seed uint64, line model) (w *world, a, b *end, near, far *side, ask func(within time.Duration)) {
	t.Helper()
	w = newWorld(t, seed, line)
	a, b = w.end("a", addrA), w.end("b", addrB)
	near, far = w.dial(a, b, "b", frames(1, 50)...)
	answered := 0
	until := func() bool {
		for ; answered < len(far.got); answered++ {
			far.write = append(far.write, frames(1, 70)...)
			far.work()
		}
		return len(near.got) == len(far.got) && len(near.write)+len(near.l.outbox.frames) == 0
	}
	ask = func(within time.Duration) {
		t.Helper()
		began, asked := w.now, len(far.got)
		near.write = append(near.write, frames(1, 50)...)
		if !w.talk(within, b, near, far, func() bool { return len(far.got) > asked && until() }) {
			t.Fatalf("seed %d: no answer to frame %d in %s", seed, asked, w.now.Sub(began))
		}
	}
	if !w.talk(time.Minute, b, near, far, until) {
		t.Fatal("no line")
	}
	w.run(5*time.Second, nil)
	return w, a, b, near, far, ask
}

// An answer isn't acknowledged but by the next datagram; it is sent again when the
// question is, and in the end by the clock.
func TestPatience(t *testing.T) {
	w, a, b, near, far, ask := talkative(t, 1, model{delay: 300 * time.Millisecond})
	count := func(what string, wantA, wantB int) {
		t.Helper()
		if a.packets != wantA || b.packets != wantB {
			t.Errorf("%s: %d datagrams there and %d back; want %d and %d", what, a.packets, b.packets, wantA, wantB)
		}
		a.packets, b.packets = 0, 0
	}
	a.packets, b.packets = 0, 0
	for range 3 {
		ask(time.Second)
		w.run(20*time.Second, nil)
	}
	count("three questions", 3, 3)
	drop := func(from netip.AddrPort, n int) {
		w.tap = func(at netip.AddrPort, _ *Datagram) bool {
			if at == from && n > 0 {
				n--
				return false
			}
			return true
		}
	}
	drop(addrB, 1)
	ask(5 * time.Second)
	w.run(20*time.Second, nil)
	count("the answer is lost", 2, 2)
	w.run(90*time.Second, nil)
	count("a time without questions", 1, 0)
	if len(far.l.sent)+len(near.l.sent) != 0 {
		t.Error("something is not acknowledged")
	}
	ask(time.Second)
	drop(addrA, 1)
	w.run(3*time.Minute, nil)
	if len(far.l.sent) != 0 || far.l.timing.backoff != 0 {
		t.Error("the acknowledgement is lost, and nobody asks for it")
	}
	ask(time.Second)
	w.line.loss = 1
	if !w.run(15*time.Minute, func() bool { over, _ := far.l.Over(); return over }) {
		t.Error("a peer that is gone is waited for")
	}
}

// Questions and answers over bad lines all arrive, in a time that the line allows.
func TestAnswers(t *testing.T) {
	for seed := range uint64(*seeds) {
		w, _, _, near, far, ask := talkative(t, seed, model{bits: 32e3, delay: 300 * time.Millisecond, jitter: 400 * time.Millisecond, loss: 0.2, twice: 0.1})
		for i := range 30 {
			if i%5 == 0 { // the other side has something to say too
				far.write = append(far.write, fmt.Appendf(nil, "news %d", i))
				near.got = near.got[1:] // which answers nothing
			}
			ask(DefaultStall)
			w.run(time.Duration(w.rand.Int64N(int64(time.Minute))), nil)
		}
		for _, s := range []*side{near, far} {
			if over, err := s.l.Over(); over {
				t.Errorf("seed %d: ended with %v", seed, err)
			}
		}
	}
}
