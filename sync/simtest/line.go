package simtest

import (
	"math/rand/v2"
	"time"

	"github.com/vungxa/vungxa/sync/linetest/line"
)

// kind is a kind of line.
type kind struct {
	line.Shape
	window int // the carrier's hint, in bytes
}

// kinds are the lines of an office, of a market town and of the hills. A recorded one
// is "trace"; where there is no record it is thin.
var kinds = map[string]kind{
	"stick":     {line.Shape{BitsPerSecond: 100e6, Delay: 100 * time.Microsecond}, 256 << 10},
	"lan":       {line.Shape{BitsPerSecond: 100e6, Delay: time.Millisecond}, 256 << 10},
	"4g":        {line.Shape{BitsPerSecond: 10e6, Delay: 30 * time.Millisecond, Jitter: 20 * time.Millisecond, Loss: 0.005}, 256 << 10},
	"thin":      {line.Shape{BitsPerSecond: 64e3, Delay: 150 * time.Millisecond, Jitter: 50 * time.Millisecond, Loss: 0.05}, 8 << 10},
	"satellite": {line.Shape{BitsPerSecond: 128e3, Delay: 750 * time.Millisecond, Jitter: 100 * time.Millisecond, Loss: 0.1}, 8 << 10},
	"modem":     {line.Shape{BitsPerSecond: 9600, Delay: 300 * time.Millisecond, Jitter: 200 * time.Millisecond, Loss: 0.2}, 8 << 10},
}

// headers is what a frame costs beside it: IP, UDP, and a carrier's own.
const headers = 28 + 20

// direction carries frames over one direction of a line, as the carriers do: what is
// lost is sent again a round trip later, and what comes after it waits.
type direction struct {
	line    *line.Line
	again   time.Duration
	now     time.Duration // when the line was opened
	arrived time.Duration
}

func open(s line.Shape, now time.Duration, draw *rand.Rand) *direction {
	return &direction{line: line.New(s, draw), again: 2 * s.Delay, now: now}
}

// send says when a frame arrives.
func (d *direction) send(now time.Duration, bytes int) time.Duration {
	at := now - d.now
	arrives, fate := d.line.Send(at, bytes+headers)
	for tries := 1; fate != line.Delivered; tries++ {
		arrives, fate = d.line.Send(at, bytes+headers)
		arrives += d.again * time.Duration(tries)
	}
	d.arrived = max(d.arrived, arrives)
	return d.now + d.arrived
}
