package thin

import "time"

// timing estimates round trips (RFC 6298), and how long to wait for an answer.
type timing struct {
	srtt, rttvar time.Duration // 0: nothing measured
	latest       time.Duration
	least        [2]time.Duration // of the last two spans
	span         time.Time        // when the newer of them began
	lone         time.Duration    // round trip of the last packet that was alone on its way
	backoff      int              // probes since the last acknowledgement
}

// minSpan is how long a least round trip is believed: lines change.
const minSpan = 5 * time.Minute

func (t *timing) sample(rtt time.Duration, now time.Time) {
	rtt = max(rtt, time.Millisecond)
	t.latest = rtt
	if t.srtt == 0 {
		t.srtt, t.rttvar = rtt, rtt/2
	} else {
		t.rttvar += ((t.srtt - rtt).Abs() - t.rttvar) / 4
		t.srtt += (rtt - t.srtt) / 8
	}
	if t.span.IsZero() || now.Sub(t.span) > minSpan {
		t.least[1], t.least[0], t.span = t.least[0], rtt, now
	}
	t.least[0] = min(t.least[0], rtt)
}

// alone takes a round trip in that no packet of this side made longer. Two in a row above
// the least say that the line has become longer.
func (t *timing) alone(rtt time.Duration) {
	if both := min(rtt, t.lone); both > t.min()*5/4 {
		t.least = [2]time.Duration{both}
	}
	t.lone = rtt
}

// min is the round trip of a line without a queue; 0 if unknown.
func (t *timing) min() time.Duration {
	if t.least[1] == 0 {
		return t.least[0]
	}
	return min(t.least[0], t.least[1])
}

// rto is how long to wait for an acknowledgement before asking for it.
func (t *timing) rto() time.Duration {
	d := firstRTO
	if t.srtt != 0 {
		d = max(t.srtt+max(4*t.rttvar, 50*time.Millisecond)+ackDelayMax, minRTO)
	}
	for range min(t.backoff, 16) {
		d = min(d*3/2, max(d, maxRTO))
	}
	return min(d, 4*maxRTO)
}

// lossDelay is after how long a packet counts as lost when a later one has arrived.
func (t *timing) lossDelay() time.Duration {
	return max(max(t.srtt, t.latest)*9/8, 10*time.Millisecond)
}

// congestion decides how much may be on its way. What is lost says little on such
// lines; what waits in a queue shows in the round trips. So the window grows while the
// queue's part of a round trip is below an aim, and shrinks above it.
type congestion struct {
	window   float64 // bytes on their way, headers included
	inFlight int
	fast     bool // at the beginning: doubling each round trip
	limited  bool // the window has kept something back since the last acknowledgement

	delivered   int // bytes, in all
	deliveredAt time.Time
	rate        [2]float64 // bytes a second: the most of the last two rounds
	round       int        // delivered, when the round ends

	acked, lost int       // packets of this round of judging losses
	paced       time.Time // when the next packet may go
}

const (
	fullPacket = maxDatagram + headerBytes
	minWindow  = 2 * fullPacket
	maxWindow  = maxQueueBytes
	queueLeast = 400 * time.Millisecond // that the aim allows on any line
	queueMost  = 4 * time.Second
	badRound   = 8   // packets at least, to judge by
	badShare   = 0.4 // of them lost: more than bad lines lose
)

func newCongestion(now time.Time) congestion {
	return congestion{window: minWindow, fast: true, deliveredAt: now, paced: now}
}

// arrived notes that a packet of so many bytes has been acknowledged.
func (c *congestion) arrived(p *sentPacket, now time.Time, t *timing) {
	c.inFlight -= p.flying
	c.delivered += p.size
	c.deliveredAt = now
	if p.patient {
		return // its time says nothing of the line
	}
	if d := now.Sub(p.deliveredAt).Seconds(); d > 0 {
		c.rate[0] = max(c.rate[0], float64(c.delivered-p.delivered)/d)
	}
	if p.delivered >= c.round {
		c.rate[1], c.rate[0], c.round = c.rate[0], 0, c.delivered
	}
	c.acked++
	c.judge()
	c.steer(p.size, t)
}

// aim is how long the queue on the line may be.
func (c *congestion) aim() time.Duration {
	rate := max(c.rate[0], c.rate[1])
	if rate == 0 {
		return queueLeast
	}
	return min(max(queueLeast, time.Duration(2*fullPacket/rate*float64(time.Second))), queueMost)
}

func (c *congestion) steer(n int, t *timing) {
	if t.srtt == 0 {
		return
	}
	queue, aim := t.latest-t.min(), c.aim()
	switch {
	case c.fast && queue > aim/2:
		c.fast = false
	case c.fast && c.limited:
		c.window += float64(n)
	case c.limited || queue > aim:
		off := max(-1, float64(aim-queue)/float64(aim))
		c.window += off * float64(n) * fullPacket / c.window
	}
	c.window = min(max(c.window, minWindow), maxWindow)
	c.limited = false
}

// gone notes that a packet counts as lost.
func (c *congestion) gone(p *sentPacket) {
	c.inFlight -= p.flying
	p.flying = 0
	c.lost++
	c.judge()
}

// judge shrinks the window where more is lost than any line loses by itself: then a
// queue is too short to be seen.
func (c *congestion) judge() {
	n := c.acked + c.lost
	if n < badRound {
		return
	}
	if float64(c.lost) > badShare*float64(n) {
		c.window, c.fast = max(c.window*0.7, minWindow), false
	}
	c.acked, c.lost = 0, 0
}

// may says whether a packet may go now as to the window.
func (c *congestion) may(size int) bool {
	if c.inFlight == 0 || float64(c.inFlight+size) <= c.window {
		return true
	}
	c.limited = true
	return false
}

// pace notes that a packet went, and so when the next one may.
func (c *congestion) pace(size int, now time.Time, t *timing) {
	rtt := max(t.srtt, 10*time.Millisecond)
	if t.srtt == 0 {
		rtt = time.Second
	}
	gain := 1.25
	if c.fast {
		gain = 2
	}
	each := time.Duration(float64(rtt) / (gain * c.window) * float64(size))
	if early := now.Add(-2 * each); c.paced.Before(early) { // two at once, after a rest
		c.paced = early
	}
	c.paced = c.paced.Add(each)
}
