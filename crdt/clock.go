package crdt

import "time"

// Stamp is a hybrid logical clock reading: 48 bits of milliseconds since the
// Unix epoch, then a 16-bit counter.
type Stamp uint64

// MaxAhead bounds how far ahead of its own best time a device lets foreign
// stamps push its clock, so that one device with its clock in 2099 can't take
// the others along.
const MaxAhead = 5 * time.Minute

// maxMillis is the largest time a Stamp can hold (the year 10889).
const maxMillis = 1<<48 - 1

// StampAt is the first stamp of a millisecond. Times outside what a stamp can
// hold become its nearest bound.
func StampAt(ms int64) Stamp {
	return Stamp(min(max(ms, 0), maxMillis)) << 16
}

// Millis is the stamp's time in milliseconds since the Unix epoch.
func (s Stamp) Millis() int64 { return int64(s >> 16) }

// Clock is a hybrid logical clock. The zero Clock is ready; both fields are kept
// over a restart.
type Clock struct {
	Last Stamp // the newest stamp given or absorbed
	Own  int64 // the device's best own time: its newest reading, in milliseconds
}

// Next gives a stamp later than every stamp before it, and not before now (in
// milliseconds): a clock that is set back, or stands still, costs nothing but
// accuracy.
func (c *Clock) Next(nowMillis int64) Stamp {
	c.Own = max(c.Own, nowMillis)
	if now := StampAt(nowMillis); now > c.Last {
		c.Last = now
	} else if c.Last < 1<<64-1 {
		c.Last++
	}
	return c.Last
}

// Absorb makes later stamps later than a foreign one, as far as MaxAhead past
// the device's best own time: however many foreign stamps come, and from however
// wrong a clock.
func (c *Clock) Absorb(foreign Stamp, nowMillis int64) {
	c.Own = max(c.Own, nowMillis)
	bound := StampAt(min(c.Own, maxMillis) + MaxAhead.Milliseconds())
	c.Last = max(c.Last, min(foreign, bound))
}

// Trust tells the clock a time that has certainly been: the newest witness time,
// or the date when the program was built. Later stamps are later than it.
func (c *Clock) Trust(millis int64) {
	c.Own = max(c.Own, millis)
	c.Last = max(c.Last, StampAt(millis))
}
