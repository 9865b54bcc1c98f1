package replica

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/reconcile"
)

// How long a peer may take to say who it is, and a last word to be written.
const (
	helloWait = 30 * time.Second
	grace     = 2 * time.Second
)

var (
	errReplaced = errors.New("the peer has called again")
	errSilent   = fmt.Errorf("the peer did not say hello within %s", helloWait)
)

// errLocal is wrapped by errors of this node's own store.
var errLocal = errors.New("this node")

// drive is one session on one connection.
type drive struct {
	r       *Replica
	p       *peer
	conn    Conn
	s       *reconcile.Session
	seen    snapshot        // the session's view
	changed <-chan struct{} // the Log's, since then

	frames    chan []byte // read, one at a time
	unread    chan error  // why there are no more
	writes    chan []byte // to be written; holds one
	wrote     chan struct{}
	unwritten chan error // why writing has ended

	own error // what went wrong on this node
}

// hold runs a session until it ends, and notes why it did.
func (r *Replica) hold(ctx context.Context, p *peer, conn Conn) {
	ctx, cancel := p.begin(ctx)
	defer cancel(nil)
	err := r.session(ctx, p, conn)
	var refusal *reconcile.Refusal
	switch {
	case ctx.Err() != nil:
		r.note(p, false, whyLost, fmt.Sprint(context.Cause(ctx)))
	case errors.As(err, &refusal) && refusal.Remote:
		r.failed(p, reconcile.Text{
			VI: fmt.Sprintf(whyRemote.VI, refusal.Reason.VI), EN: fmt.Sprintf(whyRemote.EN, refusal.Reason.EN),
		}, err)
	case errors.Is(err, errLocal):
		r.failed(p, whyLocal, err)
	case errors.As(err, &refusal):
		r.failed(p, refusal.Reason, err)
	default:
		r.failed(p, whyLost, err)
	}
}

// session runs a session and leaves nothing of it behind.
func (r *Replica) session(ctx context.Context, p *peer, conn Conn) error {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	d := &drive{
		r: r, p: p, conn: conn, frames: make(chan []byte), unread: make(chan error, 1),
		writes: make(chan []byte, 1), wrote: make(chan struct{}, 1), unwritten: make(chan error, 1),
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer func() { _ = conn.Close() }() // what matters of it was read and written
	defer stop()
	if err := d.open(ctx); err != nil {
		return err
	}
	wg.Go(func() { d.read(running) })
	wg.Go(func() { d.write(running) })
	return d.loop(ctx)
}

func (d *drive) open(ctx context.Context) error {
	seen, err := d.r.look(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", errLocal, err)
	}
	d.seen, d.changed = seen, seen.changed
	d.s, err = reconcile.New(reconcile.Config{
		Root: d.r.cfg.Root, Own: d.r.cfg.Certificate, Scopes: d.r.cfg.Scopes,
		PeerKey: d.conn.PeerKey(), Peer: d.p.Device, Known: d.r.cfg.Directory.Certificate,
	}, seen.view)
	if err != nil {
		return fmt.Errorf("%w: %w", errLocal, err)
	}
	return nil
}

func (d *drive) read(ctx context.Context) {
	for {
		frame, err := d.conn.ReadFrame()
		if err != nil {
			d.unread <- err
			return
		}
		select {
		case d.frames <- frame:
		case <-ctx.Done():
			return
		}
	}
}

func (d *drive) write(ctx context.Context) {
	for {
		select {
		case frame := <-d.writes:
			if err := d.conn.WriteFrame(frame); err != nil {
				d.unwritten <- err
				return
			}
			d.wrote <- struct{}{}
		case <-ctx.Done():
			return
		}
	}
}

// loop gives the session what happens and does what it says, until it is over.
func (d *drive) loop(ctx context.Context) error {
	late := errSilent // why it is over when the limit is reached
	limit := time.NewTimer(helloWait)
	defer limit.Stop()
	ended, known := ctx.Done(), false
	for {
		if err := d.act(ctx); err != nil {
			return err
		}
		select {
		case frame := <-d.frames:
			d.s.Receive(frame)
			if _, ok := d.s.Peer(); ok && !known {
				known = true
				limit.Stop()
				d.r.note(d.p, true, reconcile.Text{}, "")
			}
			if known {
				d.r.heard(d.p)
			}
		case err := <-d.unread:
			return fmt.Errorf("read: %w", err)
		case <-d.wrote:
			d.s.Written()
		case err := <-d.unwritten: // perhaps a refusal is waiting to be read
			late = fmt.Errorf("write: %w", err)
			limit.Reset(grace)
		case <-d.changed:
			d.refresh(ctx, d.s.Changed)
		case <-limit.C:
			return late
		case <-ended:
			var refusal *reconcile.Refusal
			late = context.Cause(ctx)
			if !errors.As(late, &refusal) {
				return late
			}
			d.s.Refuse(refusal) // Next gives Close when the peer has been told
			ended = nil
			limit.Reset(grace)
		}
	}
}

// act does all that the session wants done now.
func (d *drive) act(ctx context.Context) error {
	for a := d.s.Next(); a != nil; a = d.s.Next() {
		switch a := a.(type) {
		case reconcile.Send:
			d.writes <- a.Frame // has room: the session waits for Written
		case reconcile.Read:
			d.segment(a)
		case reconcile.Look:
			d.look(a.At)
		case reconcile.Ingest:
			d.ingest(ctx, a)
		case reconcile.Keep:
			d.keep(ctx, a)
		case reconcile.Close:
			return errors.Join(a.Refusal, d.own)
		}
	}
	return nil
}

func (d *drive) segment(a reconcile.Read) {
	seg, err := d.r.cfg.Log.Segment(a.Log, a.After)
	if err != nil {
		d.trouble(err)
		return
	}
	d.s.Segment(seg)
}

func (d *drive) look(at []crdt.Pos) {
	hashes := make([]crdt.Hash, len(at))
	for i, p := range at {
		h, held, err := d.r.cfg.Log.HashAt(p.Log, p.Seq)
		if err != nil {
			d.trouble(err)
			return
		}
		if held {
			hashes[i] = h
		}
	}
	d.s.Hashes(hashes)
}

func (d *drive) ingest(ctx context.Context, a reconcile.Ingest) {
	err := d.certify(a.Certificate)
	if err == nil {
		err = d.r.cfg.Ingest(ctx, []*wire.Segment{a.Segment})
	}
	var refusal *reconcile.Refusal
	if errors.As(err, &refusal) {
		d.s.Refuse(refusal)
		return
	}
	if err != nil {
		d.trouble(err)
		return
	}
	d.relayed(a.Segment.Log.Device)
	d.refresh(ctx, d.s.Stored)
}

func (d *drive) keep(ctx context.Context, a reconcile.Keep) {
	err := d.certify(a.Certificate)
	if err == nil {
		err = d.r.cfg.Log.StoreReceipt(a.Receipt)
	}
	if err != nil {
		d.trouble(err)
		return
	}
	d.relayed(a.Receipt.Signer)
	d.refresh(ctx, d.s.Stored)
}

// certify keeps a certificate durably before it is believed. There may be none.
func (d *drive) certify(cert []byte) error {
	if cert == nil {
		return nil
	}
	if err := d.r.cfg.Log.StoreCertificate(cert); err != nil {
		return err
	}
	_, err := d.r.cfg.Directory.Add(cert)
	return err
}

// refresh reads what is held and gives it to the session.
func (d *drive) refresh(ctx context.Context, give func(reconcile.View)) {
	seen, err := d.r.look(ctx)
	if err != nil {
		d.trouble(err)
		return
	}
	if seen.below(d.seen) {
		d.trouble(errHole)
		return
	}
	d.seen, d.changed = seen, seen.changed
	give(seen.view)
}

// errHole ends a session whose peer was told of entries that turn out to be damaged:
// the next one begins with what is held without a gap, and so asks for them.
var errHole = errors.New("a log has a hole, which the next session asks for")

// below says whether a log is held less far than it was.
func (s snapshot) below(before snapshot) bool {
	for scope, h := range before.view {
		for log, head := range h.Heads {
			if s.view[scope].Heads[log].Seq < head.Seq {
				return true
			}
		}
	}
	return false
}

// trouble ends the session because this node can't go on; the peer is told so.
func (d *drive) trouble(err error) {
	d.own = fmt.Errorf("%w: %w", errLocal, err)
	d.changed = nil // nothing is read again
	d.s.Refuse(reconcile.Refuse(reconcile.Unavailable, "store"))
}

// relayed notes that a device was heard from through the peer.
func (d *drive) relayed(device crdt.Device) {
	if device != d.p.Device {
		d.r.cfg.Hear.Heard(device, d.r.nowMS())
	}
}
