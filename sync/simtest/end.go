package simtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/reconcile"
)

// end is one side of a contact: a session, and a driver that does for it what
// replica does, step by step. What is written takes the disk a while, during which
// the device may crash.
type end struct {
	w    *World
	m    *Machine
	c    *Contact
	far  *end
	line *direction // to far
	s    *reconcile.Session

	in      [][]byte      // frames that have arrived
	op      func() func() // on the disk just now: its effect, which gives the answer
	version int           // of the machine, as the session knows it
	dirty   bool          // something was stored since
	viewed  time.Duration
	kept    []byte // the memory as it was written last
	keeping bool   // it will be written soon
	lost    bool   // the line has ended
	closed  bool
	refusal *reconcile.Refusal
	frames  int
	bytes   int
	heard   time.Duration // when a frame came last
}

// How long memory and view may be behind, as in package replica.
const (
	memoryEvery = 10 * time.Second
	viewEvery   = time.Second
)

func (w *World) newEnd(c *Contact, m, peer *Machine, line *direction) (*end, error) {
	e := &end{w: w, m: m, c: c, line: line, viewed: w.now, heard: w.now}
	self, theirs := m.store.Self(), peer.store.Self()
	config := reconcile.Config{
		Root: rootKey(), Own: self.Certificate, Scopes: m.scopes(), PeerKey: theirs.Claims.PeerKey, Peer: theirs.Claims.Device,
		Known: self.Directory.Certificate, Window: c.window, Budget: c.budget, Cut: m.ended,
	}
	if err := e.recall(&config); err != nil {
		return nil, err
	}
	view, err := m.view()
	if err != nil {
		return nil, err
	}
	e.version = m.version
	if e.s, err = reconcile.New(config, view); err != nil {
		return nil, err
	}
	return e, e.remember()
}

// recall reads what is remembered of the peer.
func (e *end) recall(c *reconcile.Config) error {
	b, err := e.m.store.Note(c.Peer, noteMemory)
	if err != nil {
		return err
	}
	if m, err := reconcile.DecodeMemory(b); err == nil && len(b) > 0 {
		c.Memory = m
	}
	for lane := range uint8(reconcile.Lanes) {
		b, err := e.m.store.Note(c.Peer, noteStaged(lane))
		if err != nil {
			return err
		}
		if p, err := reconcile.DecodeStaged(b); err == nil && len(b) > 0 && p.Lane == lane {
			c.Staged = append(c.Staged, p)
		}
	}
	return nil
}

// noteMemory and noteStaged are the names of package replica, which sticks go through.
const noteMemory = "memory"

func noteStaged(lane uint8) string { return fmt.Sprint("staged/", lane) }

func (e *end) peer() crdt.Device { return e.c.other(e).id }

// remember writes the memory of the peer if it has changed.
func (e *end) remember() error {
	m := e.s.Memory()
	b, err := m.Encode()
	if err != nil {
		return err
	}
	if e.kept != nil && string(b) == string(e.kept) {
		return nil
	}
	e.kept = b
	return e.m.store.PutNote(e.peer(), noteMemory, b)
}

func (e *end) stage(p reconcile.Staged) error {
	if len(p.Bytes) == 0 {
		return e.m.store.PutNote(e.peer(), noteStaged(p.Lane), nil)
	}
	b, err := p.Encode()
	if err != nil {
		return err
	}
	return e.m.store.PutNote(e.peer(), noteStaged(p.Lane), b)
}

// arrive takes a frame from the line.
func (e *end) arrive(frame []byte) {
	if e.closed || e.lost {
		return
	}
	e.heard = e.w.now
	e.in = append(e.in, frame)
	e.run()
}

// run does all that the session wants and can have now.
func (e *end) run() {
	for !e.closed && e.op == nil {
		if !e.next() {
			return
		}
	}
}

// next does one thing; false if there is none.
func (e *end) next() bool {
	if a := e.s.Next(); a != nil {
		e.act(a)
		return true
	}
	late := e.w.now-e.viewed >= viewEvery
	switch {
	case e.dirty && (len(e.in) == 0 || late):
		e.refresh()
	case len(e.in) > 0:
		frame := e.in[0]
		e.in = e.in[1:]
		e.s.Receive(frame, len(e.in) > 0)
		e.soon()
	case e.lost:
		e.finish()
		return false
	case e.version != e.m.version:
		e.refresh()
	default:
		return false
	}
	return true
}

func (e *end) refresh() {
	view, err := e.m.view()
	if err != nil {
		e.w.fail("%s can't read what it holds: %v", e.m, err)
		e.closed = true
		return
	}
	e.version, e.dirty, e.viewed = e.m.version, false, e.w.now
	e.s.Changed(view)
	e.s.MoreContent()
}

// soon has the memory written a while after something was heard.
func (e *end) soon() {
	if e.keeping {
		return
	}
	e.keeping = true
	e.w.after(memoryEvery, func() {
		e.keeping = false
		if e.closed {
			return
		}
		e.w.must(e.m, e.remember())
	})
}

// act does what the session wants, or begins it.
func (e *end) act(a reconcile.Action) {
	switch a := a.(type) {
	case reconcile.Send:
		e.send(a.Frames)
	case reconcile.Read:
		seg, err := e.m.store.Segment(a.Log, a.After, a.UpTo)
		e.w.must(e.m, err)
		e.s.Segment(seg)
	case reconcile.Look:
		e.s.Hashes(e.look(a.At))
	case reconcile.Base:
		entry, err := e.m.store.Entry(a.At.Log, a.At.Seq)
		e.w.must(e.m, err)
		salt, err := e.m.store.Salt(a.At.Log, wire.Span(a.At.Seq))
		e.w.must(e.m, err)
		e.s.Based(entry, salt)
	case reconcile.Ingest, reconcile.Keep, reconcile.Stage, reconcile.Believe:
		e.begin(a)
	case reconcile.Chained:
		chain, err := e.m.decider().Chain(a.Scope, a.After, a.Max)
		e.w.must(e.m, err)
		e.s.Chain(chain)
	case reconcile.Seek:
		e.s.Sought(nil)
	case reconcile.Fetch:
		e.s.Fetched(nil, 0)
	case reconcile.Append:
		e.s.Declined(reconcile.Refuse(reconcile.Missing, "attachments"))
	case reconcile.Close:
		e.refusal = a.Refusal
		e.w.note("%s closes: %v", e.m, a.Refusal)
		e.finish()
	}
}

func (e *end) look(at []crdt.Pos) []crdt.Hash {
	hashes := make([]crdt.Hash, len(at))
	for i, p := range at {
		hash, held, err := e.m.store.HashAt(p.Log, p.Seq)
		e.w.must(e.m, err)
		if held {
			hashes[i] = hash
		}
	}
	return hashes
}

// begin gives the disk something to write. It is durable, or not, when the power
// goes meanwhile.
func (e *end) begin(a reconcile.Action) {
	op := func() func() { return e.store(a) }
	e.op = op
	e.w.after(e.m.disk(), func() {
		if e.op == nil || e.closed {
			return
		}
		e.complete()
		e.run()
	})
}

// complete lets what is being written become durable, and tells the session.
func (e *end) complete() {
	op := e.op
	e.op = nil
	answer := op()
	answer()
}

// store makes durable what an action holds, and gives the answer to the session.
func (e *end) store(a reconcile.Action) func() {
	var err error
	switch a := a.(type) {
	case reconcile.Ingest:
		if err = e.certify(a.Certificate); err == nil {
			err = e.m.store.Ingest(context.Background(), []*wire.Segment{a.Segment})
		}
	case reconcile.Keep:
		if err = errors.Join(e.certify(a.Certificate), e.keepGroup(a.Group)); err == nil && a.Receipt != nil {
			err = e.m.store.StoreReceipt(a.Receipt)
		}
	case reconcile.Believe:
		err = e.believe(a)
	case reconcile.Stage:
		e.w.must(e.m, e.stage(a.Staged))
		return e.s.Kept
	}
	e.m.touch(e)
	var refusal *reconcile.Refusal
	switch {
	case errors.As(err, &refusal) && refusal.Code != reconcile.Unavailable:
		e.w.note("%s declines: %v", e.m, refusal)
		return func() { e.s.Declined(refusal) }
	case err != nil:
		e.w.note("%s can't store: %v", e.m, err)
		e.w.troubles++
		return func() { e.s.Refuse(reconcile.Refuse(reconcile.Unavailable, "store")) }
	}
	e.dirty = true
	return e.s.Stored
}

func (e *end) certify(cert []byte) error {
	if cert == nil {
		return nil
	}
	if err := e.m.store.StoreCertificate(cert); err != nil {
		return err
	}
	_, err := e.m.store.Self().Directory.Add(cert)
	return err
}

func (e *end) keepGroup(cert []byte) error {
	d := e.m.decider()
	if cert == nil || d == nil {
		return nil
	}
	if _, err := e.m.store.Self().Directory.AddGroup(cert); err != nil {
		return err
	}
	return d.StoreGroup(cert)
}

func (e *end) believe(a reconcile.Believe) error {
	if d := e.m.decider(); d != nil {
		return d.Believe(context.Background(), a)
	}
	return reconcile.Refuse(reconcile.Unproven, "checkpoints are not kept here")
}

// send puts frames on the line, and tells the session when they have left.
func (e *end) send(frames [][]byte) {
	for _, frame := range frames {
		if len(frame) == 0 || len(frame) > reconcile.MaxFrame {
			e.w.fail("%s sends a frame of %d bytes", e.m, len(frame))
		}
		e.frames, e.bytes = e.frames+1, e.bytes+len(frame)
		e.w.trace(e.m.name, e.far.m.name, frame)
		frames := [][]byte{frame}
		if e.m.spoil != nil {
			frames = e.m.spoil(e, frame)
		}
		for _, f := range frames {
			arrives := e.line.send(e.w.now, len(f))
			e.w.at(arrives, func() { e.far.arrive(f) })
			e.c.last = max(e.c.last, arrives)
		}
	}
	e.w.at(e.c.last-e.line.again/2, func() {
		if e.closed {
			return
		}
		e.s.Written()
		e.run()
	})
}

// finish ends this side in order: what is remembered is written.
func (e *end) finish() {
	if e.closed {
		return
	}
	if e.op != nil {
		e.complete()
	}
	e.closed = true
	m, staged := e.s.End()
	if b, err := m.Encode(); err != nil {
		e.w.must(e.m, err)
	} else if e.kept == nil || string(b) != string(e.kept) {
		e.w.must(e.m, e.m.store.PutNote(e.peer(), noteMemory, b))
	}
	for _, p := range staged {
		e.w.must(e.m, e.stage(p))
	}
	e.c.ended(e)
}

// crash ends this side without a word. What was being written is durable or not.
func (e *end) crash(durable bool) {
	if e.closed {
		return
	}
	if e.op != nil && durable {
		e.op()
	}
	e.op, e.closed = nil, true
	e.c.ended(e)
}
