package thin

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"time"

	"github.com/flynn/noise"
)

// Dial makes a line to the device that has the Noise key, and calls it when the first
// frames are flushed.
func (e *Endpoint) Dial(now time.Time, to netip.AddrPort, peer ed25519.PublicKey, key *ecdh.PublicKey) (*Line, error) {
	if key == nil {
		return nil, ErrNoKey
	}
	if len(e.lines) >= e.config.MaxLines {
		return nil, ErrBusy
	}
	h, err := noise.NewHandshakeState(noise.Config{
		CipherSuite: suite, Random: e.config.Rand, Pattern: noise.HandshakeIK, Initiator: true, Prologue: prologue,
		StaticKeypair: e.statics[0].pair, PeerStatic: key.Bytes(),
	})
	if err != nil {
		return nil, fmt.Errorf("thin: %w", err)
	}
	e.giveUp(peer)
	l := newLine(e, now)
	l.peer, l.caller, l.confirmed, l.handshake = peer, true, true, h
	l.mac, l.hold, l.path = macKey(key.Bytes()), now.Add(holdCall), path{to: to, valid: true}
	l.due = l.hold
	e.lines[l] = true
	e.place(l)
	return l, nil
}

// giveUp ends the calls of a peer that were closed before an answer came: heard late, they
// would take the place of the call that follows.
func (e *Endpoint) giveUp(peer ed25519.PublicKey) {
	for l := range e.lines {
		if l.caller && l.state == calling && !l.closed.IsZero() && l.peer.Equal(peer) {
			l.fail(nil)
		}
	}
}

// flight makes the payload of a handshake message.
func flight(form byte, b []byte) []byte { return append([]byte{form}, b...) }

// firstFrames takes what of the frames written so far goes with the first flight.
func (l *Line) firstFrames(room int) []byte {
	_, frames := l.outbox.run(room - 1)
	form, b := appendFrames(nil, frames)
	l.early = len(frames)
	for i := range frames {
		l.outbox.frames[i].sent, l.outbox.frames[i].in = true, ^uint64(0)
		l.outbox.unsent--
	}
	return flight(form, b)
}

// workCall calls, and calls again.
func (l *Line) workCall(now time.Time) {
	l.due = l.hold
	switch {
	case l.call == nil && now.Before(l.hold):
		return
	case l.call == nil:
		l.makeCall()
	case now.Before(l.resend):
		l.due = l.resend
		return
	case now.Sub(l.begun) >= l.e.config.Stall:
		l.fail(ErrNoAnswer)
		return
	}
	l.sendCall(now)
	wait := firstRTO
	for range min(l.tries, 8) {
		wait = wait * 3 / 2
	}
	l.tries++
	l.resend = now.Add(wait)
	l.due = l.resend
}

func (l *Line) makeCall() {
	plain := l.firstFrames(maxDatagram - initialBytes - cookieBytes)
	var err error
	if l.call, _, _, err = l.handshake.WriteMessage(nil, plain); err != nil {
		l.fail(fmt.Errorf("thin: call: %w", err))
		return
	}
	l.id = callID(l.call)
	l.e.calls[l.id] = append(l.e.calls[l.id], l)
}

func (l *Line) sendCall(now time.Time) {
	if l.state == over {
		return
	}
	mac := callMAC(l.mac, l.call)
	head := byte(typeInitial)
	if l.cookie != nil {
		head |= withCookie
	}
	b := append([]byte{head}, mac[:]...)
	l.emit(now, append(append(b, l.cookie...), l.call...))
}

// receiveRetry calls again with the cookie that was asked for.
func (e *Endpoint) receiveRetry(now time.Time, b []byte) {
	if len(b) != retryBytes {
		return
	}
	for _, l := range e.calls[[idBytes]byte(b[1:])] {
		if l.state == calling && l.retries < 4 { // anyone can send these
			l.retries++
			l.cookie = append([]byte(nil), b[1+idBytes:]...)
			l.sendCall(now)
		}
	}
}

// receiveAnswer opens a line that was called.
func (e *Endpoint) receiveAnswer(now time.Time, b []byte) {
	if len(b) < responseBytes+1 {
		return
	}
	for _, l := range e.calls[[idBytes]byte(b[1:])] {
		if l.state != calling {
			continue
		}
		plain, out, in, err := l.handshake.ReadMessage(nil, b[1+idBytes:])
		if err != nil {
			continue // not this call's, or forged
		}
		l.bytes[0] += uint64(len(b) + headerBytes)
		l.answeredBy(now, plain, out, in)
		return
	}
}

func (l *Line) answeredBy(now time.Time, plain []byte, out, in *noise.CipherState) {
	l.e.forgetCall(l)
	frames, err := decodeFrames(plain[0]&^formConfirm, plain[1:])
	if err != nil {
		l.fail(err)
		return
	}
	l.opened(now, out, in)
	l.outbox.arrived(0, l.early)
	if l.tries == 1 {
		l.timing.sample(now.Sub(l.resend.Add(-firstRTO)), now)
	}
	l.inbox.take(0, frames)
	if plain[0]&formConfirm != 0 {
		l.addControl(control{kind: controlPing})
	}
	l.woken()
	l.e.touch(l, now)
}

// opened takes the keys that the handshake gave.
func (l *Line) opened(now time.Time, send, recv *noise.CipherState) {
	l.send, l.recv = newDirection(send.UnsafeKey(), now), newDirection(recv.UnsafeKey(), now)
	l.state, l.handshake, l.lastHeard = open, nil, now
	l.congestion.deliveredAt, l.congestion.paced = now, now
	l.e.register(l)
}

// receiveCall takes a call in, or asks for a cookie, or keeps silent.
func (e *Endpoint) receiveCall(now time.Time, from netip.AddrPort, b []byte) {
	head := 1 + macBytes
	if b[0]&withCookie != 0 {
		head += cookieBytes
	}
	if b[0]&^withCookie != typeInitial || len(b) < head+initialBytes-1-macBytes+1 {
		return
	}
	message := b[head:]
	own := e.called(b[1:1+macBytes], message)
	if own == nil {
		return
	}
	h := sha256.Sum256(message)
	mark := [16]byte(h[16:])
	if l := e.answered[mark]; l != nil {
		l.calledAgain(now, from, len(b))
		return
	}
	if e.seen[mark] || !e.mayCompute(now, from, b[1+macBytes:head], message) {
		return
	}
	e.answerCall(now, from, b, message, own, mark)
}

// mayCompute says whether a call is worth its arithmetic. Under load only callers are
// answered who are where they seem to be.
func (e *Endpoint) mayCompute(now time.Time, from netip.AddrPort, cookie, message []byte) bool {
	if s := now.Unix(); s != e.second {
		e.second, e.computed = s, 0
	}
	if e.computed >= 4*e.config.CallsMax {
		return false
	}
	if e.computed >= e.config.CallsMax && !e.cookieHolds(now, from, cookie) {
		address, err := from.MarshalBinary()
		if err != nil {
			return false
		}
		id := callID(message)
		b := append([]byte{typeRetry}, id[:]...)
		e.out = append(e.out, Datagram{To: from, B: append(b, cookieOf(e.secret, address, now, 0)...)})
		return false
	}
	e.computed++
	return true
}

func (e *Endpoint) answerCall(now time.Time, from netip.AddrPort, b, message []byte, own *static, mark [16]byte) {
	h, err := noise.NewHandshakeState(noise.Config{
		CipherSuite: suite, Random: e.config.Rand, Pattern: noise.HandshakeIK, Prologue: prologue, StaticKeypair: own.pair,
	})
	if err != nil {
		return
	}
	plain, _, _, err := h.ReadMessage(nil, message)
	if err != nil || len(plain) == 0 {
		return
	}
	peer, known := e.config.Peer(h.PeerStatic())
	if !known {
		return
	}
	frames, err := decodeFrames(plain[0], plain[1:])
	if err != nil {
		return
	}
	pending, ok := e.makeRoom(peer)
	if !ok {
		return
	}
	e.taken(mark)
	l := newLine(e, now)
	l.peer, l.handshake, l.state, l.hold = peer, h, answering, now.Add(holdAnswer)
	l.path = path{to: from, in: len(b), valid: b[0]&withCookie != 0 && e.cookieHolds(now, from, b[1+macBytes:1+macBytes+cookieBytes])}
	l.id, l.mark, l.pending = callID(message), mark, pending
	l.bytes[0] = uint64(len(b) + headerBytes)
	l.inbox.take(0, frames)
	e.lines[l], e.answered[mark] = true, l
	if !pending {
		e.offer(l)
	}
	e.touch(l, now)
}

// makeRoom says whether a peer may have one more line, and whether it has to show
// first that it lives: a recorded call must not take the place of a line that there is.
func (e *Endpoint) makeRoom(peer ed25519.PublicKey) (pending, ok bool) {
	var oldest *Line
	waiting := 0
	for l := range e.lines {
		if l.caller || !l.closed.IsZero() || !l.peer.Equal(peer) {
			continue
		}
		if !l.pending {
			pending = true
			continue
		}
		waiting++
		if oldest == nil || l.begun.Before(oldest.begun) {
			oldest = l
		}
	}
	if waiting >= maxPending {
		oldest.fail(ErrBusy)
	}
	return pending, len(e.lines) < e.config.MaxLines
}

// respond sends the answer, with the frames that were written so far.
func (l *Line) respond(now time.Time) {
	room := maxDatagram - responseBytes
	if !l.path.valid {
		room = min(room, amplification*l.path.in-responseBytes)
	}
	plain := l.firstFrames(room)
	if l.pending || l.outbox.unsent > 0 && !l.path.valid { // more may go when the caller has shown where it is
		plain[0] |= formConfirm
	}
	message, in, out, err := l.handshake.WriteMessage(nil, plain)
	if err != nil {
		l.fail(fmt.Errorf("thin: answer: %w", err))
		return
	}
	l.answer = append(append([]byte{typeResponse}, l.id[:]...), message...)
	l.emit(now, l.answer)
	l.opened(now, out, in)
}

// calledAgain answers again: the answer was lost, or is on its way.
func (l *Line) calledAgain(now time.Time, from netip.AddrPort, size int) {
	if from != l.path.to || l.confirmed {
		return
	}
	l.path.in += size
	if l.answer != nil && (l.path.valid || l.path.out+len(l.answer) <= amplification*l.path.in) {
		l.emit(now, l.answer)
	}
	l.e.touch(l, now)
}
