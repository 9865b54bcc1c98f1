// Package line is a model of a bad line: packets go in at a moment, and the model
// says when each comes out, or that it doesn't.
//
// It is plain arithmetic over virtual time. There is no clock, goroutine or I/O in
// it, and chance comes from the caller's seed, so one seed and the same packets give
// the same deliveries. The simulator moves frames by it, the thin link's tests move
// datagrams, and package linetest moves the IP packets of whole programs.
//
// A Line is one direction. A packet waits in the queue for its turn, is sent at the
// line's rate (or at the opportunities of a recorded Trace), may be lost, and arrives
// after the delay and a share of the jitter. A queue that is full drops it, as modems
// do.
package line

import (
	"math/rand/v2"
	"time"
)

// Shape says what one direction of a line is like. The zero Shape is a perfect line.
type Shape struct {
	BitsPerSecond int64         // 0: as fast as one likes
	Trace         *Trace        // a recorded capacity instead; nil: BitsPerSecond
	Delay         time.Duration // from the last bit sent to the packet's arrival
	Jitter        time.Duration // up to so much is added, evenly spread
	Reorder       bool          // jitter lets a packet overtake those before it
	Loss          float64       // the share of packets that are sent and don't arrive, 0 to 1
	QueueBytes    int           // that wait or are being sent at most; 0: no limit
}

// Fate says what became of a packet.
type Fate uint8

// Fates.
const (
	Delivered Fate = iota
	Lost           // after it was sent: the line's time was spent on it
	Dropped        // the queue was full
)

// Line is one direction of a line. It isn't safe for use by several goroutines.
type Line struct {
	shape    Shape
	rand     *rand.Rand
	capacity capacity
	queue    []packet // not wholly sent at the last moment, in order
	queued   int      // bytes of these
	free     time.Duration
	arrived  time.Duration // the latest arrival so far
}

// packet is one that waits, and when its last bit is sent.
type packet struct {
	bytes int
	sent  time.Duration
}

// capacity says when the last of some bytes is sent, if the first may go from a
// moment on. Moments never go back.
type capacity interface {
	serve(from time.Duration, bytes int) time.Duration
}

// New makes a direction of a line at the moment 0.
func New(s Shape, chance *rand.Rand) *Line {
	l := &Line{shape: s, rand: chance, capacity: rate(s.BitsPerSecond)}
	if s.Trace != nil {
		l.capacity = s.Trace.play()
	}
	return l
}

// Send puts a packet of so many bytes on the line at a moment since the line's
// beginning, not before that of the packet before. It says when the packet arrives;
// the time means nothing unless it is Delivered.
func (l *Line) Send(now time.Duration, bytes int) (arrives time.Duration, fate Fate) {
	l.advance(now)
	if l.shape.QueueBytes > 0 && l.queued+bytes > l.shape.QueueBytes {
		return 0, Dropped
	}
	l.free = l.capacity.serve(max(now, l.free), bytes)
	l.queue = append(l.queue, packet{bytes, l.free})
	l.queued += bytes
	// Both are drawn for each packet, so that what one suffers doesn't change what
	// chance has for the next.
	lost, jitter := l.rand.Float64() < l.shape.Loss, time.Duration(l.rand.Float64()*float64(l.shape.Jitter))
	if lost {
		return 0, Lost
	}
	arrives = l.free + l.shape.Delay + jitter
	if !l.shape.Reorder {
		arrives = max(arrives, l.arrived)
	}
	l.arrived = max(l.arrived, arrives)
	return arrives, Delivered
}

// Queued is how many bytes wait or are being sent at a moment.
func (l *Line) Queued(now time.Duration) int {
	l.advance(now)
	return l.queued
}

// advance forgets what has been sent.
func (l *Line) advance(now time.Duration) {
	n := 0
	for n < len(l.queue) && l.queue[n].sent <= now {
		l.queued -= l.queue[n].bytes
		n++
	}
	l.queue = l.queue[n:]
}

// rate is bits a second; 0 has no limit.
type rate int64

func (r rate) serve(from time.Duration, bytes int) time.Duration {
	if r == 0 {
		return from
	}
	return from + time.Duration(int64(bytes)*8*int64(time.Second)/int64(r))
}
