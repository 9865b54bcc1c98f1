package thin

import "time"

// window remembers which packet numbers came, so that none is taken twice, and what
// is to be acknowledged.
type window struct {
	any     bool
	largest uint64
	got     [replayWindow / 64]uint64 // bit i: largest-i came
	at      time.Time                 // when the largest came
	owed    int                       // packets that ask for an acknowledgement
	urgent  bool                      // one of them isn't patient: its sender's clock runs
	due     time.Time                 // by when; zero: nothing is owed
}

// fresh says whether a packet number may still be taken.
func (w *window) fresh(pn uint64) bool {
	if !w.any || pn > w.largest {
		return true
	}
	d := w.largest - pn
	return d < replayWindow && w.got[d/64]&(1<<(d%64)) == 0
}

// take notes a packet number. It says whether the packet came out of order.
func (w *window) take(pn uint64, now time.Time) (odd bool) {
	if w.any && pn <= w.largest {
		d := w.largest - pn
		w.got[d/64] |= 1 << (d % 64)
		return true
	}
	by := pn + 1
	if w.any {
		by = pn - w.largest
		odd = by > 1
	} else {
		odd = pn > 0
	}
	w.shift(by)
	w.got[0] |= 1
	w.any, w.largest, w.at = true, pn, now
	return odd
}

func (w *window) shift(by uint64) {
	for ; by >= 64; by -= 64 {
		copy(w.got[1:], w.got[:])
		w.got[0] = 0
		if by > replayWindow {
			by = min(by, replayWindow+64)
		}
	}
	for i := len(w.got) - 1; by > 0 && i >= 0; i-- {
		w.got[i] <<= by
		if i > 0 {
			w.got[i] |= w.got[i-1] >> (64 - by)
		}
	}
}

// owe notes that a packet asks for an acknowledgement, and within which time.
func (w *window) owe(now time.Time, within time.Duration, soon bool) {
	w.owed++
	w.urgent = w.urgent || within <= ackDelayMax
	due := now.Add(within)
	if soon || w.owed >= ackEvery {
		due = now
	}
	if w.due.IsZero() || due.Before(w.due) {
		w.due = due
	}
}

// told makes the acknowledgement, after which nothing is owed.
func (w *window) told(now time.Time) *ack {
	w.owed, w.urgent, w.due = 0, false, time.Time{}
	a := &ack{largest: uint16(w.largest), delay: byte(min(now.Sub(w.at)/(8*time.Millisecond), 255))}
	a.got = w.got[0]>>1 | w.got[1]<<63
	if w.largest < ackWindow { // numbers below zero count as come
		a.got |= ^uint64(0) << w.largest
	}
	return a
}

// inbox puts frames in order.
type inbox struct {
	next    uint64            // number of the next frame in order
	early   map[uint64][]byte // above it
	held    int               // bytes of early
	ready   [][]byte          // in order, to be read
	waiting int               // bytes of ready
	ended   bool              // the peer has said that nothing follows
	refused bool              // something had no room since the last acknowledgement
}

// room says whether all of a packet's frames can be taken.
func (in *inbox) room(first uint64, frames [][]byte) bool {
	early, bytes := len(in.early), 0
	for i, f := range frames {
		n := first + uint64(i)
		if n < in.next || in.early[n] != nil {
			continue
		}
		if n >= in.next+maxQueueFrames {
			return false
		}
		if n == in.next+uint64(i) && i == 0 && in.waiting < maxQueueBytes && len(in.ready) < maxQueueFrames {
			return true // in order: there is room behind what waits
		}
		early, bytes = early+1, bytes+len(f)
	}
	return bytes == 0 && early == len(in.early) || in.held+bytes <= maxQueueBytes && early <= maxQueueFrames && in.waiting < maxQueueBytes && len(in.ready) < maxQueueFrames
}

// take takes frames in. They are copied.
func (in *inbox) take(first uint64, frames [][]byte) {
	for i, f := range frames {
		n := first + uint64(i)
		if n < in.next || in.early[n] != nil || in.ended {
			continue
		}
		in.early[n] = append(make([]byte, 0, len(f)), f...)
		in.held += len(f)
	}
	for f, ok := in.early[in.next]; ok; f, ok = in.early[in.next] {
		delete(in.early, in.next)
		in.held -= len(f)
		in.next++
		if len(f) == 0 {
			in.ended, in.early, in.held = true, map[uint64][]byte{}, 0
			return
		}
		in.ready = append(in.ready, f)
		in.waiting += len(f)
	}
}

func (in *inbox) read() ([]byte, bool) {
	if len(in.ready) == 0 {
		return nil, false
	}
	f := in.ready[0]
	in.ready[0] = nil
	in.ready = in.ready[1:]
	in.waiting -= len(f)
	return f, true
}
