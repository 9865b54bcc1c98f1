package thin

import (
	"net/netip"
	"time"
)

// receive takes a data packet in that came under the peer's name number idx.
func (l *Line) receive(now time.Time, from netip.AddrPort, idx uint32, b []byte) {
	if l.recv == nil {
		return
	}
	b = append(make([]byte, 0, len(b)), b...)
	l.recv.hide(b)
	about := uint64(0)
	if l.in.any {
		about = l.in.largest + 1
	}
	pn := nearest(about, uint16(b[1+cidBytes])<<8|uint16(b[2+cidBytes]))
	if !l.in.fresh(pn) {
		return
	}
	plain, ok := l.recv.open(b, pn, now)
	if !ok {
		return
	}
	p, err := decode(b[0]&^(typeMask|flagPhase), plain)
	if err != nil {
		l.fail(err) // the peer itself made it
		return
	}
	l.bytes[0] += uint64(len(b) + headerBytes)
	first := nearest(l.inbox.next, p.first)
	if !l.inbox.room(first, p.frames) {
		l.inbox.refused = true
		return
	}
	odd := l.in.take(pn, now)
	l.recv.forget(l.in.largest)
	l.lastHeard = now
	l.confirm()
	if idx > l.rx {
		l.rx = idx
		l.e.register(l)
	}
	l.follow(now, from, len(b), pn == l.in.largest)
	repeated := first+uint64(len(p.frames)) <= l.inbox.next
	l.process(now, &p, first)
	if !p.eliciting() {
		return
	}
	within := ackDelayMax
	if p.patient {
		within = ackPatient
	}
	l.in.owe(now, within, odd && !p.patient)
	l.hurry(now, repeated)
}

// hurry ends the patience of packets that an asking peer doesn't acknowledge: they are
// lost if it sends again what it has sent, else they are waited for as others are.
func (l *Line) hurry(now time.Time, repeated bool) {
	for i := range l.sent {
		s := &l.sent[i]
		if !s.patient || s.lost {
			continue
		}
		s.patient = false
		if repeated {
			l.lose(s)
			continue
		}
		l.asked = now
		if l.unanswered.IsZero() {
			l.unanswered = now
		}
	}
}

// process does what the packet says.
func (l *Line) process(now time.Time, p *payload, first uint64) {
	if p.ack != nil {
		l.acknowledged(now, p.ack)
	}
	for _, c := range p.controls {
		switch c.kind {
		case controlChallenge:
			l.addControl(control{kind: controlProof, proof: c.proof})
		case controlProof:
			if !l.path.valid && c.proof == l.challenge {
				l.path.valid, l.before, l.checkAt = true, path{}, time.Time{}
			}
		case controlReset:
			l.fail(ErrReset)
			return
		}
	}
	if len(p.frames) > 0 {
		l.inbox.take(first, p.frames)
		l.woken()
	}
}

// confirm notes that the peer has shown that it lives: it has had the answer.
func (l *Line) confirm() {
	if l.confirmed {
		return
	}
	l.confirmed = true
	if l.caller {
		return
	}
	l.outbox.arrived(0, l.early)
	l.path.valid = true
	if l.pending {
		l.pending = false
		l.e.offer(l)
	}
	l.e.replaced(l)
}

// follow lets the answers go where the newest packet came from. A caller stays with
// the address that it called.
func (l *Line) follow(now time.Time, from netip.AddrPort, size int, newest bool) {
	if l.path.name < l.rx && (l.caller || from == l.path.to) {
		l.path.name = l.rx // a new path has a new name, both ways
	}
	if l.caller {
		return
	}
	if from == l.path.to {
		l.path.in += size
		return
	}
	if !newest {
		return
	}
	if l.before.valid && from == l.before.to {
		l.path, l.before, l.checkAt = l.before, path{}, time.Time{}
		return
	}
	next := path{to: from, in: size, name: max(l.rx, l.path.name+1)}
	if l.path.valid {
		l.before = l.path
	} else if l.before.valid {
		next.name = max(l.rx, l.before.name+1)
	}
	if l.path.to.Addr() != from.Addr() { // another line, perhaps: nothing measured holds
		inFlight := l.congestion.inFlight
		l.congestion, l.timing = newCongestion(now), timing{}
		l.congestion.inFlight = inFlight
	}
	l.path, l.checks = next, 0
	l.check(now)
}

// check asks whether the peer is where its datagrams seem to come from.
func (l *Line) check(now time.Time) {
	if l.checks == 0 {
		l.challenge = [proofBytes]byte(l.e.chance(proofBytes))
	}
	l.checks++
	l.addControl(control{kind: controlChallenge, proof: l.challenge})
	l.checkAt = now.Add(l.timing.rto())
	l.soon(l.checkAt)
}

// checkAgain goes back to the path before, if the new one doesn't answer.
func (l *Line) checkAgain(now time.Time) {
	if l.checks < validateTries || !l.before.valid {
		l.checks = min(l.checks, validateTries)
		l.check(now)
		return
	}
	l.path, l.before, l.checkAt = l.before, path{}, time.Time{}
	l.controls = nil
}

// Rebind tells a caller's line that this device's address has changed: it goes on
// under the next name, and says so.
func (l *Line) Rebind(now time.Time) {
	if !l.caller || l.state != open {
		return
	}
	l.path.name = l.rx + 1
	l.timing.backoff = 0
	l.addControl(control{kind: controlPing})
	l.e.touch(l, now)
}

// acknowledged takes an acknowledgement in.
func (l *Line) acknowledged(now time.Time, a *ack) {
	largest := nearest(l.pn, a.largest)
	if largest >= l.pn {
		return // of a packet that never went
	}
	kept, progress := l.sent[:0], false
	for i := range l.sent {
		s := &l.sent[i]
		if s.pn > largest || s.pn < largest && (largest-s.pn > ackWindow || a.got>>(largest-s.pn-1)&1 == 0) {
			kept = append(kept, *s)
			continue
		}
		progress = true
		if s.pn == largest && a.delay != 255 {
			rtt := now.Sub(s.at) - time.Duration(a.delay)*8*time.Millisecond
			l.timing.sample(rtt, now)
			if s.alone {
				l.timing.alone(rtt)
			}
		}
		if s.lost {
			l.reorder = min(l.reorder+1, 16) // it was late, not lost
		}
		l.send.acked = l.send.acked || s.phase == l.send.phase
		l.congestion.arrived(s, now, &l.timing)
		l.outbox.arrived(s.first, s.count)
	}
	l.sent = kept
	if !progress {
		return
	}
	l.timing.backoff, l.probe = 0, false
	l.unanswered = time.Time{}
	if l.flying() {
		l.unanswered = now
	}
	l.arrived = max(l.arrived, largest)
	l.declareLost(now)
	l.woken() // there may be room
}

// declareLost wants sent again what went before a packet that has arrived, and should
// have arrived too.
func (l *Line) declareLost(now time.Time) {
	l.lossAt = time.Time{}
	for i := range l.sent {
		s := &l.sent[i]
		if s.lost || s.pn > l.arrived {
			continue
		}
		if at := s.at.Add(l.timing.lossDelay()); l.arrived-s.pn < l.reorder && now.Before(at) {
			if l.lossAt.IsZero() || at.Before(l.lossAt) {
				l.lossAt = at
			}
			continue
		}
		l.lose(s)
	}
	if !l.flying() { // what came in its place has been acknowledged, or is sent anew
		l.unanswered = time.Time{}
	}
	l.forgetLost(now)
}

// lose wants a packet's frames sent again.
func (l *Line) lose(s *sentPacket) {
	s.lost = true
	l.congestion.gone(s)
	l.outbox.lost(s)
}

// forgetLost drops packets that won't be heard of any more.
func (l *Line) forgetLost(now time.Time) {
	kept := l.sent[:0]
	for _, s := range l.sent {
		if !s.lost || now.Sub(s.at) < 3*l.timing.rto() {
			kept = append(kept, s)
		}
	}
	l.sent = kept
}

// findLost declares lost what a later packet has waited for long enough.
func (l *Line) findLost(now time.Time) {
	if !l.lossAt.IsZero() && l.after(now, l.lossAt) {
		l.declareLost(now)
		if !l.lossAt.IsZero() {
			l.soon(l.lossAt)
		}
	}
}
