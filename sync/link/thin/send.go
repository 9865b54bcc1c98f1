package thin

import "time"

// sentPacket is one that asked for an acknowledgement and waits for it.
type sentPacket struct {
	pn          uint64
	at          time.Time
	size        int // with headers
	flying      int // of it, what counts as on its way
	first       uint64
	count       int // frames
	phase       byte
	lost        bool
	alone       bool // nothing else was on its way
	patient     bool // its loss shows by the peer's sending again what it acknowledged
	delivered   int  // when it went
	deliveredAt time.Time
}

// outFrame is a frame until it is acknowledged.
type outFrame struct {
	b     []byte // empty: the end
	acked bool
	sent  bool   // and not lost since
	in    uint64 // the newest packet that carried it
}

// outbox holds the frames that the peer hasn't acknowledged.
type outbox struct {
	base   uint64 // number of frames[0]
	frames []outFrame
	bytes  int
	unsent int // frames to be sent, for the first time or again
	ended  bool
}

func (o *outbox) room() bool { return o.bytes < maxQueueBytes && len(o.frames) < maxQueueFrames-1 }

func (o *outbox) add(b []byte) {
	o.frames = append(o.frames, outFrame{b: b})
	o.bytes += len(b)
	o.unsent++
}

// unsentBytes is how much is to be sent, for the first time or again.
func (o *outbox) unsentBytes() (n int) {
	if o.unsent == 0 {
		return 0
	}
	for i := range o.frames {
		if f := &o.frames[i]; !f.sent && !f.acked {
			n += len(f.b)
		}
	}
	return n
}

// end says that nothing follows.
func (o *outbox) end() {
	if !o.ended {
		o.ended = true
		o.add(nil)
	}
}

// done says whether all has been acknowledged.
func (o *outbox) done() bool { return len(o.frames) == 0 }

// run gives the first frames in a row that are to be sent and fit.
func (o *outbox) run(room int) (first uint64, frames [][]byte) {
	i := 0
	for i < len(o.frames) && (o.frames[i].sent || o.frames[i].acked) {
		i++
	}
	return o.base + uint64(i), o.fit(i, room, func(f *outFrame) bool { return !f.sent && !f.acked })
}

// oldest gives the first frames that wait for their acknowledgement, to be sent once more.
func (o *outbox) oldest(room int) (first uint64, frames [][]byte) {
	i := 0
	for i < len(o.frames) && o.frames[i].acked {
		i++
	}
	return o.base + uint64(i), o.fit(i, room, func(f *outFrame) bool { return !f.acked })
}

// fit gives frames from i on while they are wanted and fit. One that is alone takes
// no length.
func (o *outbox) fit(i, room int, wanted func(*outFrame) bool) (frames [][]byte) {
	listed := 0
	for ; i < len(o.frames) && len(frames) < maxPacketFrames && wanted(&o.frames[i]); i++ {
		b := o.frames[i].b
		listed += framedBytes(len(b))
		if len(frames) == 0 && len(b) > room || len(frames) > 0 && listed > room {
			break
		}
		frames = append(frames, b)
	}
	return frames
}

// carried notes the packet that carries frames.
func (o *outbox) carried(first uint64, count int, pn uint64) {
	for n := range count {
		f := &o.frames[first-o.base+uint64(n)]
		if !f.sent {
			f.sent = true
			o.unsent--
		}
		f.in = pn
	}
}

// arrived notes that a packet's frames were acknowledged.
func (o *outbox) arrived(first uint64, count int) {
	for n := first; n < first+uint64(count); n++ {
		if n < o.base || n >= o.base+uint64(len(o.frames)) {
			continue
		}
		f := &o.frames[n-o.base]
		if !f.sent && !f.acked {
			o.unsent--
		}
		f.acked = true
	}
	for len(o.frames) > 0 && o.frames[0].acked {
		o.bytes -= len(o.frames[0].b)
		o.frames[0].b = nil
		o.frames, o.base = o.frames[1:], o.base+1
	}
}

// lost wants the frames of a packet sent again, but for those that a later one carries.
func (o *outbox) lost(p *sentPacket) {
	for n := p.first; n < p.first+uint64(p.count); n++ {
		if n < o.base {
			continue
		}
		f := &o.frames[n-o.base]
		if f.sent && !f.acked && f.in == p.pn {
			f.sent = false
			o.unsent++
		}
	}
}
