package replica

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/vungxa/vungxa/sync/reconcile"
)

// The names of notes of a peer.
const noteMemory = "memory"

func noteStaged(lane uint8) string { return fmt.Sprint("staged/", lane) }

// recall gives a session what is remembered of the peer. What can't be read is
// forgotten: it only saves bytes.
func (d *drive) recall(c *reconcile.Config) {
	b, again := d.note(noteMemory), d.p.again(d.r.cfg.Now())
	if b != nil {
		m, err := reconcile.DecodeMemory(b)
		if err != nil {
			d.r.cfg.Logger.Info("what was remembered of a peer can't be read; it is forgotten", "peer", d.p.Device, "error", err)
			return
		}
		if again {
			offerAgain(m)
		}
		c.Memory = m
	}
	for lane := range uint8(reconcile.Lanes) {
		b := d.note(noteStaged(lane))
		if b == nil {
			continue
		}
		if p, err := reconcile.DecodeStaged(b); err == nil && p.Lane == lane {
			c.Staged = append(c.Staged, p)
		}
	}
}

// againEvery is how long what a peer doesn't take is kept from it.
const againEvery = 24 * time.Hour

// again says whether what the peer doesn't take is to be offered again.
func (p *peer) again(now time.Time) bool {
	if !p.offered.IsZero() && now.Sub(p.offered).Abs() < againEvery {
		return false
	}
	p.offered = now
	return true
}

// offerAgain has what the peer doesn't take offered as if it never had been, once a day
// and since this program was started: the verdict may have been its fault, and a log that
// isn't written any more never changes.
func offerAgain(m *reconcile.Memory) {
	for log, h := range m.Held {
		h.Times = 0
		m.Held[log] = h
	}
}

func (d *drive) note(name string) []byte {
	if d.r.cfg.Notes == nil {
		return nil
	}
	b, err := d.r.cfg.Notes.Note(d.p.Device, name)
	if err != nil {
		d.r.cfg.Logger.Info("what was remembered of a peer can't be read; it is forgotten", "peer", d.p.Device, "error", err)
		return nil
	}
	if len(b) == 0 {
		return nil
	}
	return b
}

func (d *drive) putNote(name string, b []byte) error {
	if d.r.cfg.Notes == nil {
		return nil
	}
	if err := d.r.cfg.Notes.PutNote(d.p.Device, name, b); err != nil {
		return fmt.Errorf("%w: keep %s of a peer: %w", errLocal, name, err)
	}
	return nil
}

// remember writes the memory of the peer, if it has changed.
func (d *drive) remember(m *reconcile.Memory) error {
	d.r.noteHeld(d.p, m)
	b, err := m.Encode()
	if err != nil { // more logs than it holds: then every session begins anew
		d.r.cfg.Logger.Info("what is known of a peer can't be remembered; it is forgotten", "peer", d.p.Device, "error", err)
		b = nil
	}
	if d.kept != nil && bytes.Equal(b, d.kept) {
		return nil
	}
	d.kept = b
	return d.putNote(noteMemory, b)
}

// soon has the memory written a while after something was heard.
func (d *drive) soon() {
	if d.keep == nil && d.r.cfg.Notes != nil {
		d.keep = time.After(memoryEvery)
	}
}

func (d *drive) stage(p reconcile.Staged) error {
	if len(p.Bytes) == 0 {
		return d.putNote(noteStaged(p.Lane), nil)
	}
	b, err := p.Encode()
	if err != nil {
		return fmt.Errorf("%w: %w", errLocal, err)
	}
	return d.putNote(noteStaged(p.Lane), b)
}

// end keeps what is to be remembered when the connection has ended.
func (d *drive) end() error {
	m, staged := d.s.End()
	var err error
	if d.spoke { // else nothing was learnt, and a bundle may have been read meanwhile
		err = d.remember(m)
	}
	for _, p := range staged {
		err = errors.Join(err, d.stage(p))
	}
	return err
}

// noteHeld shows what the peer doesn't take.
func (r *Replica) noteHeld(p *peer, m *reconcile.Memory) {
	p.mu.Lock()
	same := p.state.CounterBack == m.CounterBack && len(p.state.Held) == len(m.Held)
	p.state.Held, p.state.CounterBack = m.Held, m.CounterBack
	p.mu.Unlock()
	if !same {
		r.announce()
	}
}
