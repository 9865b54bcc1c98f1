package thin

import (
	"crypto/ed25519"
	"net/netip"
	"time"

	"github.com/flynn/noise"
)

type state int

const (
	calling   state = iota // the call isn't answered yet
	answering              // a call has come, and the answer waits for its first frames
	open
	over
)

// path is where a line's datagrams go.
type path struct {
	to      netip.AddrPort
	valid   bool
	in, out int    // bytes from there and to there, while it isn't valid
	name    uint32 // under which connection id
}

// Line is one connection of an endpoint. Its methods are called as the endpoint's are:
// by one goroutine at a time.
type Line struct {
	e      *Endpoint
	peer   ed25519.PublicKey
	caller bool
	state  state
	err    error // why it is over; nil: both sides had said all

	// The handshake.
	handshake *noise.HandshakeState
	begun     time.Time
	hold      time.Time // until when the first flight waits for frames
	mac       []byte    // key of the called device's mac
	call      []byte    // the Noise message of the call
	id        [idBytes]byte
	mark      [16]byte // of the call, by which it is known when it comes again
	cookie    []byte
	retries   int
	tries     int
	resend    time.Time
	answer    []byte // the response, whole
	early     int    // frames in the first flight
	pending   bool   // not offered before the peer is heard again
	confirmed bool   // the peer has shown that it lives

	send, recv *direction
	names      []([cidBytes]byte) // registered
	path       path
	before     path   // the last one that was valid, while path isn't
	rx         uint32 // the name that the peer uses
	challenge  [proofBytes]byte
	checks     int
	checkAt    time.Time

	pn         uint64 // of the next packet
	in         window
	inbox      inbox
	outbox     outbox
	sent       []sentPacket
	controls   []control
	probe      bool
	timing     timing
	congestion congestion
	arrived    uint64 // the largest packet known to have arrived
	reorder    uint64 // packets by which a later one must be ahead
	lossAt     time.Time
	asked      time.Time // when the last packet went that asks for an answer
	lastSent   time.Time
	lastHeard  time.Time
	unanswered time.Time // since when nothing was acknowledged; zero: nothing is owed
	alive      int       // keep-alives sent
	closed     time.Time // when Close was called; zero: not yet
	bytes      [2]uint64 // in, out

	due   time.Time // of the next thing to do; zero: none
	place int       // in the endpoint's queue
	woken func()    // told when something may be read, written, or is over
}

func newLine(e *Endpoint, now time.Time) *Line {
	return &Line{
		e: e, begun: now, lastHeard: now, lastSent: now, place: -1, inbox: inbox{early: map[uint64][]byte{}},
		congestion: newCongestion(now), reorder: 3, woken: func() {},
	}
}

// PeerKey is the peer's key, by the certificate that names its Noise key.
func (l *Line) PeerKey() ed25519.PublicKey { return l.peer }

// Over says whether the line has ended, and why: nil when both sides had said all.
func (l *Line) Over() (bool, error) { return l.state == over, l.err }

// Read gives the next frame, if there is one. ended: none follows.
func (l *Line) Read(now time.Time) (frame []byte, ok, ended bool) {
	frame, ok = l.inbox.read()
	if ok && l.inbox.refused {
		l.inbox.refused = false
		l.in.owe(now, ackDelayMax, true) // there is room again: the acknowledgement says so
		l.e.touch(l, now)
	}
	return frame, ok, !ok && l.inbox.ended
}

// Room says whether Write would take a frame. Little waits here that hasn't gone: what
// is urgent must not stand behind it.
func (l *Line) Room() bool {
	return l.state != over && !l.outbox.ended && l.outbox.room() && l.outbox.unsentBytes() < max(2*MaxFrame, int(l.congestion.window)/4)
}

// Write takes a frame, which isn't changed any more. Flush sends.
func (l *Line) Write(frame []byte) error {
	if len(frame) == 0 || len(frame) > MaxFrame {
		return ErrFrameSize
	}
	l.outbox.add(frame)
	return nil
}

// Flush sends what was written, as far as the line takes it now.
func (l *Line) Flush(now time.Time) {
	l.hold = now
	l.e.touch(l, now)
}

// Close says that nothing follows, once what was written has arrived.
func (l *Line) Close(now time.Time) {
	if !l.closed.IsZero() || l.state == over {
		return
	}
	l.closed = now
	l.outbox.end()
	l.Flush(now)
}

// fail ends the line.
func (l *Line) fail(err error) {
	if l.state == over {
		return
	}
	l.state, l.err, l.due = over, err, time.Time{}
	l.e.remove(l)
	l.woken()
}

// work does all that is to be done now, and sets due.
func (l *Line) work(now time.Time) {
	switch l.state {
	case calling:
		l.workCall(now)
	case answering:
		if l.pending || !now.Before(l.hold) {
			l.respond(now)
		} else {
			l.due = l.hold
		}
	}
	if l.state == open {
		l.workOpen(now)
	}
}

func (l *Line) workOpen(now time.Time) {
	l.discard()
	l.watch(now)
	if l.state != open {
		return
	}
	l.findLost(now)
	l.transmit(now)
	if l.closed.IsZero() || !l.outbox.done() || !l.inbox.ended {
		return
	}
	// Both have said all. The peer's last packet may come again: it is answered.
	if end := l.lastHeard.Add(max(3*l.timing.rto(), linger)); now.Before(end) {
		l.soon(end)
	} else {
		l.fail(nil)
	}
}

// discard throws away what came after Close.
func (l *Line) discard() {
	for !l.closed.IsZero() {
		if _, ok := l.inbox.read(); !ok {
			return
		}
	}
}

// watch does what time alone brings about.
func (l *Line) watch(now time.Time) {
	l.due = time.Time{}
	stall := l.e.config.Stall
	if !l.closed.IsZero() && l.inbox.ended && l.timing.backoff > 3 {
		l.fail(nil) // the peer reads no more, and has gone, as it does when it has heard all
		return
	}
	if l.after(now, l.lastHeard.Add(idleMax)) ||
		!l.unanswered.IsZero() && l.after(now, l.unanswered.Add(stall)) ||
		!l.closed.IsZero() && l.after(now, l.closed.Add(stall)) && (l.outbox.done() || l.timing.backoff > 1) {
		l.fail(ErrStalled)
		return
	}
	if l.caller && l.after(now, l.lastSent.Add(keepAlive)) {
		l.keepAlive(now)
	}
	if !l.path.valid && !l.checkAt.IsZero() && l.after(now, l.checkAt) {
		l.checkAgain(now)
	}
	for i := range l.sent {
		if s := &l.sent[i]; s.patient && !s.lost && l.after(now, s.at.Add(patience)) {
			l.hurry(now, false)
		}
	}
	if l.flying() && l.after(now, l.asked.Add(l.timing.rto())) {
		l.timing.backoff++
		l.asked = now
		l.probe = true
		l.soon(now.Add(l.timing.rto()))
	}
}

// after says whether it is time, and if not, sees to it that it is noticed.
func (l *Line) after(now, at time.Time) bool {
	if !now.Before(at) {
		return true
	}
	l.soon(at)
	return false
}

func (l *Line) soon(at time.Time) {
	if l.due.IsZero() || at.Before(l.due) {
		l.due = at
	}
}

// keepAlive keeps the way through a NAT open. Only some ask for an answer.
func (l *Line) keepAlive(now time.Time) {
	l.alive++
	if l.alive%keepAlivePing == 0 {
		l.addControl(control{kind: controlPing})
		return
	}
	l.ship(now, &payload{}, false)
	l.soon(now.Add(keepAlive))
}

func (l *Line) addControl(c control) {
	for _, have := range l.controls {
		if have == c {
			return
		}
	}
	if len(l.controls) < 4 {
		l.controls = append(l.controls, c)
	}
}

// transmit sends packets as long as one may go.
func (l *Line) transmit(now time.Time) {
	for l.state == open {
		p := l.compose(now)
		if p == nil {
			return
		}
		if !l.ship(now, p, true) { // nothing more may go on this path before something comes from it
			l.prove(now, p)
			return
		}
	}
}

// prove asks a peer for a sign that it is where it seems to be, if frames wait for that: it
// may have nothing to say by itself.
func (l *Line) prove(now time.Time, p *payload) {
	if len(p.frames) > 0 && l.checkAt.IsZero() {
		l.check(now)
	}
	if len(p.frames) > 0 && len(l.controls) > 0 {
		l.ship(now, &payload{controls: l.controls}, true)
	}
}

// compose makes the next packet, nil if there is nothing to send now.
func (l *Line) compose(now time.Time) *payload {
	ackDue := !l.in.due.IsZero() && l.after(now, l.in.due)
	p := &payload{controls: l.controls}
	room := maxDatagram - dataBytes - pnBytes
	for _, c := range p.controls {
		room--
		if hasProof(c.kind) {
			room -= proofBytes
		}
	}
	owes := l.in.any && l.in.owed > 0
	if owes {
		room -= 3 + 9
	}
	switch {
	case l.probe:
		if p.first64(l.outbox.oldest(room)); len(p.frames) == 0 {
			p.controls = append(p.controls[:len(p.controls):len(p.controls)], control{kind: controlPing})
		}
	case l.outbox.unsent > 0 && l.mayData(now):
		p.first64(l.outbox.run(room))
		if len(p.frames) == 0 { // a full frame, and an acknowledgement: one after the other
			ackDue = true
		}
	}
	if len(p.frames) == 0 && len(p.controls) == 0 && !ackDue {
		return nil
	}
	if owes && room+3+9 > 0 {
		p.patient = l.in.urgent && l.answers(p)
		p.ack = l.in.told(now)
	}
	return p
}

// answers says whether a packet is all that there is to say to what it acknowledges.
// If it is lost the peer, whose clock runs, sends again what it asked, and so tells it:
// its own acknowledgement may wait for a datagram that goes anyway.
func (l *Line) answers(p *payload) bool {
	return !l.probe && l.closed.IsZero() && l.congestion.inFlight == 0 && len(p.frames) == 1 && len(p.controls) == 0 && l.outbox.unsent == 1
}

// first64 sets the frames.
func (p *payload) first64(first uint64, frames [][]byte) {
	p.first, p.frames = uint16(first), frames
}

// mayData says whether a packet with frames may go now.
func (l *Line) mayData(now time.Time) bool {
	if len(l.sent) >= maxSent || !l.congestion.may(min(l.outbox.bytes+dataBytes+headerBytes, fullPacket)) {
		return false
	}
	return l.after(now, l.congestion.paced)
}

// ship seals a packet and sends it. False: its path doesn't allow it yet.
func (l *Line) ship(now time.Time, p *payload, counted bool) bool {
	flags, plain := p.encode()
	if size := dataBytes + len(plain); !l.path.valid && l.path.out+size > amplification*l.path.in {
		if p.ack != nil {
			l.in.owe(now, ackDelayMax, true) // not told after all
			l.in.due = now.Add(ackDelayMax)
		}
		return false
	}
	l.rekey(now)
	b := l.send.seal(l.path.name, l.pn, flags, plain)
	if counted && p.eliciting() {
		l.track(now, p, len(b)+headerBytes)
	}
	if len(p.controls) > 0 {
		l.controls = nil
	}
	if counted {
		l.probe = false
	}
	l.pn++
	l.emit(now, b)
	return true
}

func (l *Line) emit(now time.Time, b []byte) {
	l.path.out += len(b)
	l.lastSent = now
	l.bytes[1] += uint64(len(b) + headerBytes)
	l.e.out = append(l.e.out, Datagram{To: l.path.to, B: b})
}

// track remembers a packet that asks for an acknowledgement.
func (l *Line) track(now time.Time, p *payload, size int) {
	first := nearest(l.outbox.base, p.first)
	if len(p.frames) > 0 {
		l.outbox.carried(first, len(p.frames), l.pn)
		l.woken() // there is room
	}
	if len(l.sent) >= maxSent { // a probe: the oldest is given up
		l.congestion.inFlight -= l.sent[0].flying
		l.outbox.lost(&l.sent[0])
		l.sent = l.sent[1:]
	}
	l.sent = append(l.sent, sentPacket{
		pn: l.pn, at: now, size: size, flying: size, first: first, count: len(p.frames), phase: l.send.phase, patient: p.patient,
		delivered: l.congestion.delivered, deliveredAt: l.congestion.deliveredAt,
	})
	if l.congestion.inFlight == 0 { // after a rest the time of the last delivery says nothing
		l.sent[len(l.sent)-1].alone = true
		l.sent[len(l.sent)-1].deliveredAt, l.congestion.deliveredAt = now, now
	}
	l.congestion.inFlight += size
	l.congestion.pace(size, now, &l.timing)
	if p.patient {
		l.soon(now.Add(patience))
		return
	}
	l.asked = now
	if l.unanswered.IsZero() {
		l.unanswered = now
	}
	l.soon(now.Add(l.timing.rto()))
}

// flying says whether a packet waits for its acknowledgement, and not patiently.
func (l *Line) flying() bool {
	for i := range l.sent {
		if !l.sent[i].lost && !l.sent[i].patient {
			return true
		}
	}
	return false
}

// rekey goes on to the next key, when the peer is known to have this one.
func (l *Line) rekey(now time.Time) {
	if l.send.acked && (l.pn-l.send.since >= rekeyPackets || now.Sub(l.send.at) >= rekeyAfter) {
		l.send.turn(l.send.next(), l.pn, now)
	}
}
