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
	dirty   bool            // something was stored since
	viewed  time.Time

	frames    chan []byte   // read; what waits there is taken in before the view is read again
	unread    chan error    // why there are no more
	writes    chan [][]byte // to be written; holds one batch
	wrote     chan struct{}
	unwritten chan error // why writing has ended

	more  chan struct{} // attachments may be asked for that were not before
	began uint64        // how much lay here of the one that is fetched

	alone             bool             // there is no line: half a session is written or read
	entries, receipts int              // stored
	pieces            int              // of attachments, read without a line
	held              int              // how many logs the peer doesn't take
	kept              []byte           // the memory as it was written last
	keep              <-chan time.Time // when it is written again
	overtime          bool             // the time of the contact is used
	spoke             bool             // the peer said something
	own               error            // what went wrong on this node
}

// How many frames may wait, and how long memory and view may be behind while they do.
const (
	framesWaiting = 64
	memoryEvery   = 10 * time.Second
	viewEvery     = time.Second
)

// hold runs a session until it ends, and notes why it did.
func (r *Replica) hold(ctx context.Context, p *peer, conn Conn) {
	ctx, cancel := p.begin(ctx)
	defer cancel(nil)
	begun := r.cfg.Now()
	err := r.session(ctx, p, conn)
	r.ended(ctx, p, begun)
	var refusal *reconcile.Refusal
	switch {
	case ctx.Err() != nil:
		r.note(p, false, whyLost, fmt.Sprint(context.Cause(ctx)))
	case errors.As(err, &refusal) && refusal.Code == reconcile.Budget:
		r.spent(p, refusal.Reason)
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

// session runs a session and leaves nothing of it behind but what is remembered.
func (r *Replica) session(ctx context.Context, p *peer, conn Conn) (err error) {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	d := &drive{
		r: r, p: p, conn: conn, frames: make(chan []byte, framesWaiting), unread: make(chan error, 1),
		more: make(chan struct{}, 1), writes: make(chan [][]byte, 1), wrote: make(chan struct{}, 1), unwritten: make(chan error, 1),
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer func() { _ = conn.Close() }() // what matters of it was read and written
	defer stop()
	r.fetching.join(d)
	defer r.fetching.leave(d)
	if err := d.open(ctx); err != nil {
		return err
	}
	wg.Go(func() { d.read(running) })
	wg.Go(func() { d.write(running) })
	defer func() { err = errors.Join(err, d.end()) }()
	return d.loop(ctx)
}

func (d *drive) open(ctx context.Context) error {
	seen, err := d.r.look(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", errLocal, err)
	}
	d.seen, d.changed, d.viewed = seen, seen.changed, d.r.cfg.Now()
	config := reconcile.Config{
		Root: d.r.cfg.Root, Own: d.r.cfg.Certificate, Scopes: d.r.cfg.Scopes,
		PeerKey: d.conn.PeerKey(), Peer: d.p.Device, Known: d.r.cfg.Directory.Certificate,
		Cut: d.r.cfg.Cut, Window: d.conn.Window(), Budget: d.r.allowance(d.p),
	}
	d.recall(&config)
	if d.s, err = reconcile.New(config, seen.view); err != nil {
		return fmt.Errorf("%w: %w", errLocal, err)
	}
	return d.remember(d.s.Memory()) // the count of contacts is durable before the peer hears it
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
		case frames := <-d.writes:
			if err := d.conn.WriteFrames(frames); err != nil {
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
	spent := d.timer()
	ended, known := ctx.Done(), false
	for {
		if err := d.act(ctx); err != nil {
			return err
		}
		if d.behind() {
			d.refresh(ctx)
			continue
		}
		select {
		case frame := <-d.frames:
			d.spoke = true
			d.s.Receive(frame, len(d.frames) > 0)
			if _, ok := d.s.Peer(); ok && !known {
				known = true
				limit.Stop()
				d.r.noteHeld(d.p, d.s.Memory())
				d.r.note(d.p, true, reconcile.Text{}, "")
			}
			if known {
				d.r.heard(d.p)
				d.soon()
			}
			if n := d.s.HeldCount(); n != d.held {
				d.held = n
				d.r.noteHeld(d.p, d.s.Memory())
			}
		case err := <-d.unread:
			if len(d.frames) > 0 { // they came before the end
				d.unread <- err
				break
			}
			return fmt.Errorf("read: %w", err)
		case <-d.wrote:
			d.s.Written()
		case err := <-d.unwritten: // perhaps a refusal is waiting to be read
			late = fmt.Errorf("write: %w", err)
			limit.Reset(grace)
		case <-d.changed:
			d.refresh(ctx)
		case <-d.more:
			d.moreContent()
		case <-d.keep:
			d.keep = nil
			if err := d.remember(d.s.Memory()); err != nil {
				d.trouble(err)
			}
		case <-spent:
			spent = d.late()
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
			d.writes <- a.Frames // has room: the session waits for Written
		case reconcile.Read:
			seg, err := d.r.cfg.Log.Segment(a.Log, a.After, a.UpTo)
			if errors.Is(err, reconcile.ErrCompacted) {
				d.s.Dropped()
				break
			}
			if err == nil {
				err = d.enclose(seg)
			}
			d.answer(err, func() { d.s.Segment(seg) })
		case reconcile.Look:
			hashes, err := d.look(a.At)
			d.answer(err, func() { d.s.Hashes(hashes) })
		case reconcile.Base:
			d.base(a.At)
		case reconcile.Ingest:
			d.ingest(ctx, a)
		case reconcile.Keep:
			d.store(a)
		case reconcile.Stage:
			d.answer(d.stage(a.Staged), d.s.Kept)
		case reconcile.Chained, reconcile.Believe:
			d.decide(ctx, a)
		case reconcile.Seek, reconcile.Fetch, reconcile.Append:
			d.content(a)
		case reconcile.Close:
			return errors.Join(a.Refusal, d.own)
		}
	}
	return nil
}

// answer gives an answer, unless this node could find none.
func (d *drive) answer(err error, give func()) {
	if err != nil {
		d.trouble(err)
		return
	}
	give()
}

func (d *drive) look(at []crdt.Pos) ([]crdt.Hash, error) {
	hashes := make([]crdt.Hash, len(at))
	for i, p := range at {
		h, held, err := d.r.cfg.Log.HashAt(p.Log, p.Seq)
		if err != nil {
			return nil, err
		}
		if held {
			hashes[i] = h
		}
	}
	return hashes, nil
}

func (d *drive) base(at crdt.Pos) {
	entry, err := d.r.cfg.Log.Entry(at.Log, at.Seq)
	if err != nil {
		d.trouble(err)
		return
	}
	salt, err := d.r.cfg.Log.Salt(at.Log, wire.Span(at.Seq))
	d.answer(err, func() { d.s.Based(entry, salt) })
}

func (d *drive) ingest(ctx context.Context, a reconcile.Ingest) {
	err := d.certify(a.Certificate)
	if err == nil {
		err = d.r.cfg.Ingest(ctx, []*wire.Segment{a.Segment})
	}
	if err == nil {
		d.entries += len(a.Segment.Entries)
	}
	d.stored(err, a.Segment.Log.Device)
}

func (d *drive) store(a reconcile.Keep) {
	err := errors.Join(d.certify(a.Certificate), d.keepGroup(a.Group))
	if err != nil || a.Receipt == nil {
		d.stored(err, d.p.Device)
		return
	}
	d.receipts++
	d.stored(d.r.cfg.Log.StoreReceipt(a.Receipt), a.Receipt.Signer)
}

// stored answers that something of a device's was stored, or why it wasn't.
func (d *drive) stored(err error, by crdt.Device) {
	var refusal *reconcile.Refusal
	switch {
	case errors.As(err, &refusal) && refusal.Code != reconcile.Unavailable:
		d.s.Declined(refusal)
	case err != nil:
		d.trouble(err)
	default:
		d.dirty = true
		d.s.Stored()
		if by != d.p.Device { // it was heard from through the peer
			d.r.cfg.Hear.Heard(by, d.r.nowMS())
		}
	}
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

// behind says whether the view is to be read again: something was stored, and
// nothing waits, or has waited for long.
func (d *drive) behind() bool {
	return d.dirty && d.own == nil && (len(d.frames) == 0 || d.r.cfg.Now().Sub(d.viewed) >= viewEvery)
}

// refresh reads what is held and gives it to the session.
func (d *drive) refresh(ctx context.Context) {
	d.dirty = false
	seen, err := d.r.look(ctx)
	if err != nil {
		d.trouble(err)
		return
	}
	d.seen, d.changed, d.viewed = seen, seen.changed, d.r.cfg.Now()
	d.s.Changed(seen.view)
	d.s.MoreContent()
}

// trouble ends the session because this node can't go on; the peer is told so.
func (d *drive) trouble(err error) {
	if d.own == nil {
		d.own = fmt.Errorf("%w: %w", errLocal, err)
	}
	d.changed = nil // nothing is read again
	d.s.Refuse(reconcile.Refuse(reconcile.Unavailable, "store"))
}

// timer tells when the time of the contact is used; nil: never.
func (d *drive) timer() <-chan time.Time {
	limit := d.r.limit(d.p)
	if limit < 0 {
		return nil
	}
	return time.After(limit)
}

// late lets only what is urgent go on, for as long again; then, and where the hours are
// over, it ends the session.
func (d *drive) late() <-chan time.Time {
	if d.overtime || d.p.Terms.opens(d.r.cfg.Now()) > 0 {
		d.s.Refuse(reconcile.Refuse(reconcile.Budget, "time"))
		return nil
	}
	d.overtime = true
	d.s.Late()
	return d.timer()
}
