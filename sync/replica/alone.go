package replica

import (
	"context"
	"errors"
	"fmt"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/reconcile"
)

// Order is what a bundle is to hold.
type Order struct {
	To      []crdt.Device                  // its readers, whose certificates are known here
	From    map[crdt.LogID]reconcile.Known // where earlier parts of the same order end
	Room    int                            // bytes for the messages
	Counter uint64                         // of the parts before; 0: the next
	// After begins where the readers' couriers got what is still on its way, instead of
	// where the readers' own words end: what didn't fit on the last stick.
	After  bool
	Heads  bool             // what is held here is stated
	Answer reconcile.Answer // of reading what the only reader wrote
	// Enclosed are attachments that earlier parts of the same order hadn't to their end.
	Enclosed []reconcile.Content
}

// Written is half a session, written down.
type Written struct {
	Scopes   []crdt.Scope
	Messages [][]byte
	Sent     map[crdt.LogID]reconcile.Known // how far the logs go with it
	Signed   []crdt.Scope                   // of which it has this device's receipt
	// Enclosed are attachments that aren't in it to their end, and from where on.
	Enclosed []reconcile.Content
	Whole    int    // attachments that are
	Entries  uint64 // above what the readers are known to hold
	Items    int    // messages beside the word of how this side stands
	Counter  uint64 // of what was written for these readers
	Known    bool   // the readers are known to hold this device's certificate
	Full     bool   // the room was too small for all that there is
	// Unfinished: what was written last for these readers had no room for all.
	Unfinished bool
}

// Write writes down what the readers lack, as a session would send it. Nothing is
// remembered of it before Carry.
func (r *Replica) Write(ctx context.Context, o Order) (*Written, error) {
	seen, err := r.look(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errLocal, err)
	}
	p := newParcel(r, o)
	w := reconcile.Writing{From: o.From, Room: o.Room, Heads: o.Heads, Answer: o.Answer}
	out := &Written{Known: true}
	for _, d := range o.To {
		reader, counts, err := r.reader(d)
		if err != nil {
			return nil, err
		}
		w.Readers = append(w.Readers, reader)
		out.Counter = max(out.Counter, counts.Out+1)
		out.Unfinished = out.Unfinished || counts.Full
		p.owed(counts.Owed)
		out.Known = out.Known && reader.Memory != nil && reader.Memory.Knows(r.cfg.Certificate)
	}
	if o.Counter > 0 {
		out.Counter = o.Counter
	}
	if o.After && o.From == nil {
		w.From = carriedByAll(w.Readers)
	}
	if w.Lacked, err = p.lacked(); err != nil {
		return nil, err
	}
	s, err := reconcile.NewWriting(r.config(), seen.view, w)
	if err != nil {
		return nil, err
	}
	before := s.Sent()
	for _, c := range p.first {
		s.Enclose(c)
	}
	if out.Messages, err = r.written(ctx, s, seen); err != nil {
		return nil, err
	}
	out.Scopes, out.Sent, out.Signed, out.Full, out.Items = s.Sharing(), s.Sent(), s.Signed(), s.Full(), s.Wrote()
	out.Enclosed, out.Whole = s.Enclosed(), s.Enclosures()
	for log, k := range out.Sent {
		out.Entries += k.Seq - min(before[log].Seq, k.Seq)
	}
	return out, nil
}

func (r *Replica) written(ctx context.Context, s *reconcile.Session, seen snapshot) (messages [][]byte, err error) {
	d := &drive{r: r, p: newPeer(Peer{}), s: s, seen: seen, alone: true, writes: make(chan [][]byte, 1)}
	for {
		if err := d.act(ctx); err != nil {
			return nil, err
		}
		if len(d.writes) == 0 {
			return messages, nil
		}
		messages = append(messages, <-d.writes...)
		s.Written()
	}
}

// carriedByAll is where what is on its way to every reader ends.
func carriedByAll(readers []reconcile.Reader) map[crdt.LogID]reconcile.Known {
	var all map[crdt.LogID]reconcile.Known
	for i, reader := range readers {
		var carried map[crdt.LogID]reconcile.Known
		if reader.Memory != nil {
			carried = reader.Memory.Carried
		}
		if i == 0 {
			all = carried
			continue
		}
		least := map[crdt.LogID]reconcile.Known{}
		for log, k := range all {
			if other := carried[log]; other.Seq < k.Seq {
				k = other
			}
			if k.Seq > 0 {
				least[log] = k
			}
		}
		all = least
	}
	return all
}

// Carry remembers that what was written is on its way to its readers: it is durable on
// what carries it. It counts as carried, not as arrived, and is written again until
// their word for it comes. While a line to a reader is up, the line is what counts.
func (r *Replica) Carry(to []crdt.Device, w *Written) error {
	for _, d := range to {
		err := r.amend(d, func(m *reconcile.Memory) *reconcile.Memory {
			m.Carry(w.Sent, w.Signed)
			return m
		})
		if err != nil {
			return err
		}
		_, counts, err := r.reader(d)
		if err != nil {
			return err
		}
		counts.Out, counts.Full = max(counts.Out, w.Counter), w.Full
		counts.Owed = carriedOwed(counts.Owed, w)
		if err := r.putCounts(d, counts); err != nil {
			return err
		}
	}
	return nil
}

// Carried is how many entries are on their way to a device that are not known to have
// arrived.
func (r *Replica) Carried(to crdt.Device) (entries uint64, err error) {
	reader, _, err := r.reader(to)
	if err != nil || reader.Memory == nil {
		return 0, err
	}
	for log, k := range reader.Memory.Carried {
		entries += k.Seq - min(k.Seq, reader.Memory.Given[log].Seq)
	}
	return entries, nil
}

// Carrying is half a session that a device wrote, whose signature over it has been
// verified.
type Carrying struct {
	By          crdt.Device
	Certificate []byte
	Counter     uint64
	Scopes      []crdt.Scope
	Messages    [][]byte
}

// Took is what came of reading.
type Took struct {
	Entries, Receipts int
	Pieces            int // of attachments, that were new
	Answer            reconcile.Answer
}

// Take takes in what a device wrote, with the checks of a session. What it took is
// durable when it returns. A *reconcile.Refusal says why nothing more of it is taken.
func (r *Replica) Take(ctx context.Context, c Carrying) (took Took, err error) {
	seen, err := r.look(ctx)
	if err != nil {
		return took, fmt.Errorf("%w: %w", errLocal, err)
	}
	m, err := r.memory(c.By)
	if err != nil {
		return took, err
	}
	counts := r.counts(c.By)
	config := r.config()
	config.Memory = m
	s, err := reconcile.NewReading(config, seen.view, reconcile.Reading{By: c.Certificate, Scopes: c.Scopes, Old: c.Counter < counts.In})
	if err != nil {
		return took, err
	}
	d := &drive{r: r, p: newPeer(Peer{Device: c.By}), s: s, seen: seen, alone: true}
	defer r.fetching.release(d)
	err = d.act(ctx)
	for i := 0; err == nil && i < len(c.Messages); i++ {
		s.Take(c.Messages[i])
		err = d.act(ctx)
	}
	took.Entries, took.Receipts, took.Pieces = d.entries, d.receipts, d.pieces
	if err == nil {
		d.refresh(ctx)
		err = d.act(ctx)
	}
	if err != nil {
		return took, err
	}
	took.Answer = s.Answer()
	learned := s.Learned()
	if err := r.amend(c.By, func(now *reconcile.Memory) *reconcile.Memory { return learned.Beside(now) }); err != nil {
		return took, err
	}
	if c.Counter >= counts.In {
		counts.Owed = askedOwed(counts, c.Counter, took.Answer.Asked)
	}
	counts.In = max(counts.In, c.Counter)
	return took, r.putCounts(c.By, counts)
}

func (r *Replica) config() reconcile.Config {
	return reconcile.Config{Root: r.cfg.Root, Own: r.cfg.Certificate, Scopes: r.cfg.Scopes, Known: r.cfg.Directory.Certificate, Cut: r.cfg.Cut}
}

// counts number what was written for a device, and what was read of it.
type counts struct {
	_       struct{} `cbor:",toarray"`
	Out, In uint64
	Full    bool // there was no room for all of what was written last
	Owed    []owed
}

// counted is what programs kept that didn't remember whether there was room.
type counted struct {
	_       struct{} `cbor:",toarray"`
	Out, In uint64
}

const noteCarried = "carried"

func (r *Replica) reader(d crdt.Device) (reconcile.Reader, counts, error) {
	cert, ok := r.cfg.Directory.Certificate(d)
	if !ok {
		return reconcile.Reader{}, counts{}, fmt.Errorf("device %s has no certificate here", d)
	}
	m, err := r.memory(d)
	return reconcile.Reader{Certificate: cert, Memory: m}, r.counts(d), err
}

// memory is what is remembered of a device; what can't be read is forgotten.
func (r *Replica) memory(d crdt.Device) (*reconcile.Memory, error) {
	if r.cfg.Notes == nil {
		return nil, nil
	}
	b, err := r.cfg.Notes.Note(d, noteMemory)
	if err != nil || len(b) == 0 {
		return nil, err
	}
	m, err := reconcile.DecodeMemory(b)
	return m, ignore(err)
}

func (r *Replica) counts(d crdt.Device) (c counts) {
	if r.cfg.Notes == nil {
		return c
	}
	b, err := r.cfg.Notes.Note(d, noteCarried)
	if err == nil && len(b) > 0 {
		err = wire.Unmarshal(b, maxCounts, &c)
	}
	if err != nil {
		var before counted
		if err = wire.Unmarshal(b, 64, &before); err == nil {
			return counts{Out: before.Out, In: before.In}
		}
	}
	if err != nil { // it only saves bytes
		return counts{}
	}
	return c
}

func (r *Replica) putCounts(d crdt.Device, c counts) error {
	if r.cfg.Notes == nil {
		return nil
	}
	b, err := wire.Marshal(c)
	if err != nil {
		return err
	}
	return r.cfg.Notes.PutNote(d, noteCarried, b)
}

// amend changes what is remembered of a device, unless a line to it is up: what its
// session remembers is newer.
func (r *Replica) amend(d crdt.Device, change func(*reconcile.Memory) *reconcile.Memory) error {
	if r.cfg.Notes == nil {
		return nil
	}
	if p := r.peer(d); p != nil && p.get().Connected {
		return nil
	}
	m, err := r.memory(d)
	if err != nil {
		return err
	}
	if m == nil {
		m = &reconcile.Memory{}
	}
	b, err := change(m).Encode()
	if err != nil {
		return errors.Join(errLocal, err)
	}
	return r.cfg.Notes.PutNote(d, noteMemory, b)
}
