package thin

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"testing"
	"time"
)

var seeds = flag.Int("seeds", 3, "seeded lines of each kind")

// Frames cross any line whole, in order, once, and both sides end.
func TestLines(t *testing.T) {
	for _, c := range []struct {
		name   string
		line   model
		count  int
		size   int
		within time.Duration
	}{
		{"LAN", model{bits: 100e6, delay: 100 * time.Microsecond}, 2000, 1200, 15 * time.Second},
		{"64 kbit/s, 300 ms", model{bits: 64e3, delay: 150 * time.Millisecond, loss: 0.05}, 200, 1200, 60 * time.Second},
		{"9.6 kbit/s, 1.5 s", model{bits: 9600, delay: 750 * time.Millisecond}, 50, 1200, 75 * time.Second},
		{"9.6 kbit/s, 1.5 s, 20 % lost", model{bits: 9600, delay: 750 * time.Millisecond, loss: 0.2}, 50, 1200, 240 * time.Second},
		{"satellite, small frames", model{bits: 64e3, delay: 750 * time.Millisecond, loss: 0.1}, 600, 90, 60 * time.Second},
		{"everything at once", model{bits: 32e3, delay: 300 * time.Millisecond, jitter: 400 * time.Millisecond, loss: 0.2, twice: 0.1, queue: 8000}, 100, 700, 150 * time.Second},
	} {
		for seed := range uint64(*seeds) {
			t.Run(fmt.Sprintf("%s/seed %d", c.name, seed), func(t *testing.T) {
				w := newWorld(t, seed, c.line)
				a, b := w.end("a", addrA), w.end("b", addrB)
				want := frames(c.count, c.size)
				near, far := w.dial(a, b, "b", want...)
				began := w.now
				if !w.talk(time.Hour, b, near, far, func() bool { return len(far.got) == len(want) }) {
					t.Fatalf("%d of %d frames came", len(far.got), len(want))
				}
				sameFrames(t, "there", far.got, want)
				took := w.now.Sub(began)
				payload := c.count * c.size
				t.Logf("%s for %d B, %.0f bit/s, sent %d B (%.2f of the payload) in %d packets, back %d B", took.Round(time.Millisecond),
					payload, float64(payload*8)/took.Seconds(), a.sent, float64(a.sent)/float64(payload), a.packets, b.sent)
				if took > c.within {
					t.Errorf("it took %s; at most %s", took, c.within)
				}
				back := frames(20, 500)
				far.write = back
				if !w.talk(time.Hour, b, near, far, func() bool { return len(near.got) == len(back) }) {
					t.Fatalf("back: %d of %d", len(near.got), len(back))
				}
				sameFrames(t, "back", near.got, back)
				near.l.Close(w.now)
				if !w.talk(time.Hour, b, near, far, func() bool { return far.ended }) {
					t.Fatal("the other side did not hear of the end")
				}
				far.l.Close(w.now)
				over := func() bool { x, _ := near.l.Over(); y, _ := far.l.Over(); return x && y }
				if !w.run(time.Hour, over) {
					t.Fatal("the lines did not end")
				}
				for _, s := range []*side{near, far} {
					if _, err := s.l.Over(); err != nil {
						t.Errorf("ended with %v", err)
					}
				}
				for _, n := range []*end{a, b} {
					if len(n.e.lines)+len(n.e.names)+len(n.e.calls)+len(n.e.answered)+len(n.e.queue) != 0 {
						t.Errorf("something is left: %d lines, %d names", len(n.e.lines), len(n.e.names))
					}
				}
			})
		}
	}
}

// Who calls again while the line before only waits for last words is answered with
// frames, as if there were none.
func TestCallAfterTheEnd(t *testing.T) {
	w := newWorld(t, 1, model{bits: 64e3, delay: 300 * time.Millisecond})
	a, b := w.end("a", addrA), w.end("b", addrB)
	near, far := w.dial(a, b, "b", frames(3, 100)...)
	w.talk(time.Minute, b, near, far, func() bool { return len(far.got) == 3 })
	near.l.Close(w.now)
	far.l.Close(w.now)
	w.run(5*time.Second, nil)
	if ended, _ := far.l.Over(); ended {
		t.Fatal("the line does not wait for last words")
	}
	packets := a.packets + b.packets
	near, far = w.dial(a, b, "b", frames(1, 100)...)
	far.write = frames(1, 100)
	if !w.talk(700*time.Millisecond, b, near, far, func() bool { return len(near.got) == 1 }) || a.packets+b.packets-packets != 2 {
		t.Errorf("%d frames came back, in %d datagrams; want one, in two", len(near.got), a.packets+b.packets-packets)
	}
}

// Who calls anew gives up the calls that he has closed and nobody answered: one of them,
// heard late, would take the place of the new line.
func TestCallAfterACallInVain(t *testing.T) {
	w := newWorld(t, 1, model{bits: 64e3, delay: 300 * time.Millisecond})
	a, b := w.end("a", addrA), w.end("b", addrB)
	w.tap = func(netip.AddrPort, *Datagram) bool { return false }
	vain, _ := w.dial(a, b, "b", frames(1, 100)...)
	vain.work()
	w.run(20*time.Second, nil)
	vain.l.Close(w.now)
	w.run(time.Second, nil)
	near, far := w.dial(a, b, "b", frames(1, 100)...)
	w.tap = func(netip.AddrPort, *Datagram) bool { return true }
	if !w.talk(time.Minute, b, near, far, func() bool { return len(far.got) == 1 }) {
		t.Fatal("no line")
	}
	w.run(3*time.Minute, nil)
	if over, err := near.l.Over(); over || b.e.Accept() != nil {
		t.Errorf("the line has ended: %v, %v; or another came", over, err)
	}
	if over, err := vain.l.Over(); !over || err != nil {
		t.Errorf("the call in vain has ended: %v, %v", over, err)
	}
}

// A line that is cut for good ends on both sides, without a storm.
func TestStall(t *testing.T) {
	w := newWorld(t, 1, model{bits: 64e3, delay: 300 * time.Millisecond})
	a, b := w.end("a", addrA), w.end("b", addrB)
	near, far := w.dial(a, b, "b", frames(3, 100)...)
	if !w.talk(time.Minute, b, near, far, func() bool { return len(far.got) == 3 }) {
		t.Fatal("no line")
	}
	w.run(5*time.Second, nil)
	w.line.loss = 1
	before := a.packets
	near.write, far.write = frames(20, 1000), frames(20, 1000)
	over := func() bool { x, _ := near.l.Over(); y, _ := far.l.Over(); return x && y }
	if !w.talk(5*time.Minute, b, near, far, over) {
		t.Fatal("it did not end")
	}
	for _, s := range []*side{near, far} {
		if _, err := s.l.Over(); !errors.Is(err, ErrStalled) {
			t.Errorf("ended with %v", err)
		}
	}
	if n := a.packets - before; n > 20 {
		t.Errorf("%d packets into a line that is cut", n)
	}
}

// Nobody answers: the caller calls a few times and says so.
func TestNoAnswer(t *testing.T) {
	w := newWorld(t, 1, model{delay: time.Second, loss: 1})
	a, b := w.end("a", addrA), w.end("b", addrB)
	near, far := w.dial(a, b, "b", frames(1, 100)...)
	if !w.talk(10*time.Minute, b, near, far, func() bool { x, _ := near.l.Over(); return x }) {
		t.Fatal("it never ended")
	}
	if _, err := near.l.Over(); !errors.Is(err, ErrNoAnswer) || a.packets > 10 {
		t.Errorf("%v after %d calls", err, a.packets)
	}
}

// A call of a few bytes allows an answer of a few: what is longer asks for a sign that the
// caller is where it seems to be, and comes at once after that; also when it is said later,
// and some of it is lost.
func TestLongAnswerToAShortCall(t *testing.T) {
	for seed := range uint64(*seeds) {
		for _, later := range []time.Duration{0, time.Second} {
			w := newWorld(t, seed, model{bits: 64e3, delay: 150 * time.Millisecond, loss: 0.05})
			a, b := w.end("a", addrA), w.end("b", addrB)
			near, far := w.dial(a, b, "b", frames(1, 23)...)
			if !w.talk(20*time.Second, b, near, far, func() bool { return len(far.got) == 1 }) {
				t.Fatal("no line")
			}
			w.run(later, nil)
			far.write = frames(3, 1100)
			began := w.now
			if !w.talk(time.Hour, b, near, far, func() bool { return len(near.got) == 3 }) {
				t.Fatalf("%d of 3 frames", len(near.got))
			}
			if took := w.now.Sub(began); took > 12*time.Second {
				t.Errorf("seed %d: what was said %s later took %s", seed, later, took)
			}
		}
	}
}
