package line

import "time"

// Both directions of a line.
type Both struct {
	Up, Down Shape
}

// same is a line whose directions are alike.
func same(s Shape) Both { return Both{s, s} }

// The lines that figures are given for. Delays are one way: half the round trip.
var (
	// LAN is an office's switch.
	LAN = same(Shape{BitsPerSecond: 100e6, Delay: 250 * time.Microsecond, QueueBytes: 256 << 10})
	// Slow is 64 kbit/s, 300 ms, 5 % loss: 2G on a good day.
	Slow = same(Shape{BitsPerSecond: 64e3, Delay: 150 * time.Millisecond, Jitter: 20 * time.Millisecond, Loss: 0.05, QueueBytes: 32 << 10})
	// Satellite is 64 kbit/s, 1.5 s, 10 % loss: a shared satellite line in the rain.
	Satellite = same(Shape{BitsPerSecond: 64e3, Delay: 750 * time.Millisecond, Jitter: 50 * time.Millisecond, Loss: 0.10, QueueBytes: 32 << 10})
)

// Drive is a recorded mobile line: its gaps are its losses. The delay of a trace is
// only that of its queue, so a mobile network's own is added.
func Drive(up, down *Trace) Both {
	shape := func(t *Trace) Shape {
		return Shape{Trace: t, Delay: 50 * time.Millisecond, QueueBytes: 64 << 10}
	}
	return Both{shape(up), shape(down)}
}
