package simtest

import (
	"math/rand/v2"
	"time"
)

// Line is one direction of a line.
type Line interface {
	// Send hands over bytes at a moment: when the last of them has left, and when it
	// arrives, which isn't before what was sent earlier.
	Send(now time.Duration, bytes int) (left, arrives time.Duration)
}

// Model is a line of a rate, a delay and a loss. What is lost is sent again a round
// trip later, as the carriers do, and holds up what follows.
type Model struct {
	Name          string
	BitsPerSecond float64
	Delay, Jitter time.Duration // one way
	Loss          float64       // of packets
	Window        int           // the carrier's hint, in bytes
}

// Models are the lines of an office, of a market town and of the hills.
var Models = []Model{
	{Name: "stick", BitsPerSecond: 100e6, Delay: 100 * time.Microsecond, Window: 256 << 10},
	{Name: "lan", BitsPerSecond: 100e6, Delay: time.Millisecond, Window: 256 << 10},
	{Name: "4g", BitsPerSecond: 10e6, Delay: 30 * time.Millisecond, Jitter: 20 * time.Millisecond, Loss: 0.005, Window: 256 << 10},
	{Name: "thin", BitsPerSecond: 64e3, Delay: 150 * time.Millisecond, Jitter: 50 * time.Millisecond, Loss: 0.05, Window: 8 << 10},
	{Name: "satellite", BitsPerSecond: 128e3, Delay: 750 * time.Millisecond, Jitter: 100 * time.Millisecond, Loss: 0.1, Window: 8 << 10},
	{Name: "modem", BitsPerSecond: 9600, Delay: 300 * time.Millisecond, Jitter: 200 * time.Millisecond, Loss: 0.2, Window: 8 << 10},
}

// Open is a direction of such a line.
func (m Model) Open(draw *rand.Rand) Line { return &modelled{Model: m, draw: draw} }

type modelled struct {
	Model
	draw          *rand.Rand
	free, arrived time.Duration
}

// headers is what a packet of a frame costs beside it: IP, UDP, and a carrier's own.
const headers = 28 + 20

func (l *modelled) Send(now time.Duration, bytes int) (left, arrives time.Duration) {
	took := func() time.Duration {
		return time.Duration(float64(8*(bytes+headers)) / l.BitsPerSecond * float64(time.Second))
	}
	left = max(now, l.free) + took()
	arrives = left + l.Delay
	for tries := 0; l.draw.Float64() < l.Loss && tries < 20; tries++ {
		left += took()
		arrives += 2*l.Delay + l.Jitter + took()
	}
	if l.Jitter > 0 {
		arrives += time.Duration(l.draw.Int64N(int64(l.Jitter)))
	}
	l.free, l.arrived = left, max(arrives, l.arrived)
	return left, l.arrived
}
