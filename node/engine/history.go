package engine

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/schema"
	"github.com/vungxa/vungxa/node/store"
)

// History is a part of what was ever saved of a record, newest claim first: also
// what no longer stands, as long as its entry is held.
type History struct {
	Saves []Saved
	Total int    // how many are held
	Next  string // cursor of the part after; empty at the end
	// Older says that logs which wrote the record were dropped here up to some point:
	// what they may have written before, the province tells.
	Older bool
	// Damaged is how many of those asked for can't be read; they are not in Saves.
	Damaged int
}

// Saved is one Save, as far as it wrote the record.
type Saved struct {
	At          crdt.Pos
	Officer     string
	AtMS        int64 // as its device's clock claimed
	EffectiveMS int64 // held between the checkpoint that it cites and the witness; 0: not believed
	Witnessed   bool  // the hub has committed it
	Suspect     bool  // its clock was wrong
	Tick        Tick
	Wrote       []Wrote
}

// Wrote is one operation of a Save.
type Wrote struct {
	Said
	Why      crdt.Why // it is hidden, if not crdt.Visible
	Stands   bool     // it stands in its field now
	Conflict bool     // and something that differs stands beside it
	Replaced []Past   // what stood there before, as far as its officer had seen it
	Lost     int      // how much more did, whose entries are no longer held
}

// Said is what an operation says.
type Said struct {
	Field   string // the pack's name; empty of a field that it doesn't know
	FieldID uint32 // crdt.FieldExistence: created or deleted
	Value   any    // as schema.Field.Decode gives it; of existence and sets, a bool
	Elem    any    // of a set: what Value says is in it or not
	Again   bool   // of existence: what was there before is created or deleted again
	Erased  bool   // by law
	Unread  bool   // in a form of another pack
}

// Past is a write that another one has replaced.
type Past struct {
	Said
	Officer string
	Device  crdt.Device
	AtMS    int64
}

// History is a part of at most limit Saves of a record, from cursor on; the first
// where it is empty. It reads the entries of that part and what they replaced, and
// of the others their places.
func (e *Engine) History(_ context.Context, collection string, id crdt.RecordID, cursor string, limit int) (History, error) {
	c, known := e.cfg.Pack.Collection(collection)
	if !known {
		return History{}, notFound()
	}
	if limit < 1 || limit > MaxPage {
		return History{}, node.Errorf(node.Invalid, "Một trang có từ 1 đến %d lần lưu.", "a page holds 1 to %d saves", MaxPage)
	}
	var out History
	err := e.cfg.Store.View(func(tx *store.Tx) error {
		r, err := tx.Record(collection, id)
		if err != nil {
			return err
		}
		if r == nil {
			return notFound()
		}
		h := &history{engine: e, tx: tx, collection: c, record: r, under: e.authorities()}
		if err := h.open(cursor); err != nil {
			return err
		}
		out, err = h.page(limit)
		return err
	})
	return out, err
}

// history reads what was saved of one record.
type history struct {
	engine     *Engine
	tx         *store.Tx
	collection *schema.Collection
	record     *crdt.Record
	under      authorities
	logs       []*track
	standing   map[crdt.Dot]stance
	total      int
	older      bool
	damaged    int
}

// track is the places of one log that wrote the record, oldest first, and how many
// of them are still to be told.
type track struct {
	log  store.Log
	seqs []uint64
	left int
	next *crdt.Entry // the newest of those left; nil: not read yet
}

// stance is what is shown of a write that stands.
type stance struct {
	conflict bool
	why      crdt.Why
}

func (h *history) open(cursor string) error {
	byLog := map[crdt.LogID]*track{}
	err := h.tx.History(h.record.Ref.ID(), func(l store.Log, seq uint64) (bool, error) {
		t := byLog[l.ID]
		if t == nil {
			t = &track{log: l}
			byLog[l.ID], h.logs = t, append(h.logs, t)
			h.older = h.older || l.Dropped.Seq > 0
		}
		if seq > l.Dropped.Seq {
			t.seqs = append(t.seqs, seq)
			h.total++
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	if ref := h.record.Ref; !ref.ByKey() && !h.older {
		l, err := h.tx.Log(ref.Dot.Log)
		if err != nil {
			return err
		}
		h.older = l.Dropped.Seq >= ref.Dot.Seq
	}
	return h.seek(cursor)
}

// seek goes to where the page before ended: a cursor is how far each log is left.
func (h *history) seek(cursor string) error {
	for _, t := range h.logs {
		t.left = len(t.seqs)
	}
	if cursor == "" {
		return nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return node.Errorf(node.Invalid, "Dấu trang không đọc được: %w", "the cursor can't be read: %w", err)
	}
	ends, err := wire.DecodePositions(b)
	if err != nil {
		return node.Errorf(node.Invalid, "Dấu trang không đọc được: %w", "the cursor can't be read: %w", err)
	}
	for _, t := range h.logs {
		var end uint64
		if i := slices.IndexFunc(ends, func(p crdt.Pos) bool { return p.Log == t.log.ID }); i >= 0 {
			end = ends[i].Seq
		}
		t.left, _ = slices.BinarySearch(t.seqs, end+1)
	}
	return nil
}

func (h *history) cursor() (string, error) {
	var ends []crdt.Pos
	for _, t := range h.logs {
		if t.left > 0 {
			ends = append(ends, crdt.Pos{Log: t.log.ID, Seq: t.seqs[t.left-1]})
		}
	}
	if len(ends) == 0 {
		return "", nil
	}
	slices.SortFunc(ends, func(a, b crdt.Pos) int { return a.Log.Compare(b.Log) })
	b, err := wire.EncodePositions(ends)
	return base64.RawURLEncoding.EncodeToString(b), err
}

func (h *history) page(limit int) (History, error) {
	if err := h.stand(); err != nil {
		return History{}, err
	}
	out := History{Total: h.total, Older: h.older}
	for len(out.Saves) < limit {
		entry, err := h.take()
		if err != nil {
			return out, err
		}
		if entry == nil {
			break
		}
		saved, err := h.saved(entry)
		if err != nil {
			return out, err
		}
		out.Saves = append(out.Saves, saved)
	}
	out.Damaged = h.damaged
	var err error
	out.Next, err = h.cursor()
	return out, err
}

// take is the newest of the entries that are left, over all logs; nil at the end.
func (h *history) take() (*crdt.Entry, error) {
	var newest *track
	for _, t := range h.logs {
		for t.next == nil && t.left > 0 {
			entry, err := h.read(t, t.seqs[t.left-1])
			if err != nil {
				return nil, err
			}
			if t.next = entry; entry == nil {
				t.left--
				h.damaged++
			}
		}
		if t.next != nil && (newest == nil || later(t.next, newest.next)) {
			newest = t
		}
	}
	if newest == nil {
		return nil, nil
	}
	entry := newest.next
	newest.next, newest.left = nil, newest.left-1
	return entry, nil
}

func later(a, b *crdt.Entry) bool {
	return cmp.Or(cmp.Compare(a.Stamp, b.Stamp), a.Log.Compare(b.Log)) > 0
}

// read is an entry; nil where it is damaged or about to be swept.
func (h *history) read(t *track, seq uint64) (*crdt.Entry, error) {
	entry, err := h.engine.entry(h.tx, t.log, seq)
	if node.CodeOf(err) == node.Damaged || errors.Is(err, store.ErrDropped) {
		return nil, nil
	}
	return entry, err
}

// stand notes what stands in the record, and what of it differs or is hidden.
func (h *history) stand() error {
	h.standing = map[crdt.Dot]stance{}
	eachCell(h.record, func(c crdt.Cell) {
		for _, w := range c.Writes {
			h.standing[w.Dot] = stance{}
		}
	})
	x := h.engine.reader(h.tx, h.record, h.under)
	for _, f := range h.collection.Fields {
		if f.IsSet() {
			continue
		}
		said := x.cell(f)
		for _, s := range said.Siblings {
			h.standing[s.Dot] = stance{conflict: said.Conflict}
		}
		for _, s := range said.Hidden {
			h.standing[s.Dot] = stance{why: s.Why}
		}
	}
	return x.err
}

func (h *history) saved(entry *crdt.Entry) (Saved, error) {
	out := Saved{
		At: entry.Pos(), Officer: entry.Officer, AtMS: entry.Stamp.Millis(), EffectiveMS: entry.Stamp.Millis(),
		Tick: h.engine.tick(entry.Pos()),
	}
	for i := range entry.Ops {
		op := &entry.Ops[i]
		if !h.ours(op) {
			continue
		}
		w := written{entry, i}
		wrote := Wrote{Said: said(h.collection, op)}
		at := h.standing[entry.Dot(i)]
		_, wrote.Stands = h.standing[entry.Dot(i)]
		t, why := h.judge(w)
		out.EffectiveMS, out.Witnessed, out.Suspect = t.At.Millis(), t.Witnessed, t.Suspect
		wrote.Conflict, wrote.Why = at.conflict, max(why, at.why)
		if err := h.replaced(&wrote, op); err != nil {
			return out, err
		}
		out.Wrote = append(out.Wrote, wrote)
	}
	return out, nil
}

func (h *history) ours(op *crdt.Op) bool {
	return op.Collection == h.collection.ID && op.Record.ID() == h.record.Ref.ID()
}

// judge is what the checkpoints say of one write by itself.
func (h *history) judge(w written) (crdt.Time, crdt.Why) {
	a := h.under.of(h.record.Scope)
	write := crdt.Write{
		Dot: w.entry.Dot(w.index), Stamp: w.entry.Stamp, Officer: w.entry.Officer, Epoch: w.entry.Epoch, Cite: w.entry.Cites, Value: w.op().Value,
	}
	read := crdt.Reader{Authority: a}.Cell(crdt.Cell{Writes: []crdt.Write{write}}, crdt.LWW)
	if len(read.Hidden) > 0 {
		return a.Effective(write), read.Hidden[0].Why
	}
	return a.Effective(write), crdt.Visible
}

// replaced finds what an operation replaced: of each log that it names the newest
// write of the cell so far, without those that another of them had replaced before.
func (h *history) replaced(out *Wrote, op *crdt.Op) error {
	if op.Field == crdt.FieldExistence {
		return nil
	}
	var past []written
	for _, p := range op.Over {
		w, found, err := h.newestOf(op, p)
		if err != nil {
			return err
		}
		if found {
			past = append(past, w)
		} else {
			out.Lost++
		}
	}
	for _, w := range past {
		taken := func(by written) bool { return crdt.Covers(by.op().Over, w.entry.Pos()) }
		if slices.ContainsFunc(past, taken) {
			continue
		}
		out.Replaced = append(out.Replaced, Past{
			Said: said(h.collection, w.op()), Officer: w.entry.Officer, Device: w.entry.Log.Device, AtMS: w.entry.Stamp.Millis(),
		})
	}
	return nil
}

// back is how many Saves of the record are looked through for the one that wrote a
// cell, before the place that an operation names: mostly it is that place itself.
const back = 32

// newestOf is the newest write of an operation's cell at or below a place.
func (h *history) newestOf(op *crdt.Op, p crdt.Pos) (written, bool, error) {
	i := slices.IndexFunc(h.logs, func(t *track) bool { return t.log.ID == p.Log })
	if i < 0 {
		return written{}, false, nil
	}
	t := h.logs[i]
	end, _ := slices.BinarySearch(t.seqs, p.Seq+1)
	for at := end - 1; at >= max(0, end-back); at-- {
		entry, err := h.read(t, t.seqs[at])
		if err != nil {
			return written{}, false, err
		}
		for i := 0; entry != nil && i < len(entry.Ops); i++ {
			o := &entry.Ops[i]
			if h.ours(o) && o.Field == op.Field && o.Kind == op.Kind && slices.Equal(o.Elem, op.Elem) {
				return written{entry, i}, true, nil
			}
		}
	}
	return written{}, false, nil
}

// written is one operation with its entry.
type written struct {
	entry *crdt.Entry
	index int
}

func (w written) op() *crdt.Op { return &w.entry.Ops[w.index] }

// said reads an operation by the pack.
func said(c *schema.Collection, op *crdt.Op) Said {
	v := Said{FieldID: op.Field, Erased: op.Erased != (crdt.Hash{})}
	f, known := c.FieldByID(op.Field)
	if known {
		v.Field = f.Name
	}
	if v.Erased {
		return v
	}
	var err error
	switch {
	case op.Field == crdt.FieldExistence:
		v.Value, v.Again = len(op.Value) == 1 && op.Value[0] == crdt.True, len(op.Over) > 0
	case !known:
		v.Unread = true
	case op.Kind == crdt.Set:
		v.Value = len(op.Value) == 1 && op.Value[0] == crdt.True
		v.Elem, err = f.DecodeElem(op.Elem)
	default:
		v.Value, err = f.Decode(op.Value)
	}
	v.Unread = v.Unread || err != nil
	return v
}
