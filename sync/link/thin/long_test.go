package thin

import (
	"testing"
	"time"
)

// Packets name the last 16 bits of their own number and of their first frame's: a line
// goes on past any number of them, also where some are lost and overtake each other.
func TestALineGoesOnPastItsNumbers(t *testing.T) {
	w := newWorld(t, 9, model{bits: 10e6, delay: 10 * time.Millisecond, jitter: 5 * time.Millisecond, loss: 0.02})
	a, b := w.end("a", addrA), w.end("b", addrB)
	near, far := w.dial(a, b, "b", frames(1, 20)...)
	if !w.talk(time.Minute, b, near, far, func() bool { return len(far.got) == 1 && near.l.state == open }) {
		t.Fatal("no line")
	}
	near.l.pn, far.l.pn = 0xff80, 0xff80 // as after so many packets
	want, back := frames(70_000, 8), frames(200, 900)
	near.write, far.write, far.got, near.got = want, back, nil, nil
	if !w.talk(time.Hour, b, near, far, func() bool { return len(far.got) == len(want) && len(near.got) == len(back) }) {
		t.Fatalf("%d of %d frames, and %d of %d back", len(far.got), len(want), len(near.got), len(back))
	}
	sameFrames(t, "there", far.got, want)
	sameFrames(t, "back", near.got, back)
	if near.l.pn < 0x10000 || near.l.outbox.base < 0x10000 {
		t.Errorf("%d packets and %d frames were sent: too few to tell", near.l.pn, near.l.outbox.base)
	}
}
