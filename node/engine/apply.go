package engine

import (
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
)

// batch is one transaction of applied entries. A record that several of them
// touch is read once, and written, indexed and told of once, by finish.
type batch struct {
	engine   *Engine
	tx       *store.Tx
	logs     map[crdt.LogID]*store.Log
	lookup   map[recordName]*touched
	order    []*touched
	moved    bool                  // a log's head or seal has moved
	position uint64                // of the store after it, if it changes records
	from     map[crdt.LogID]uint64 // how far the logs went before
	old, now authorities           // under which records are read before and after
	lates    []written             // to be noted
	again    bool                  // what is held is merged again: what came late was noted when it came
	aside    bool                  // records that can't be read are left aside
	floor    []crdt.Pos            // of a snapshot: the records made there are all loaded
	failed   error                 // of held, whose callers can't return it
}

type recordName struct {
	collection string
	id         crdt.RecordID
}

type touched struct {
	record        *crdt.Record
	before, after reading
	waits         []store.Wait // before
	gone          bool         // compaction has forgotten it
	dirty         bool
}

func (e *Engine) newBatch(tx *store.Tx, old, now authorities) *batch {
	return &batch{
		engine: e, tx: tx, old: old, now: now,
		logs: map[crdt.LogID]*store.Log{}, from: map[crdt.LogID]uint64{}, lookup: map[recordName]*touched{},
	}
}

// update runs one durable transaction and then tells the views of it. The
// caller holds e.write.
func (e *Engine) update(f func(*batch) error) error {
	if err := e.payOwed(); err != nil {
		return err
	}
	return e.transact(f)
}

// transact is update where what is owed is being done, or was done before.
func (e *Engine) transact(f func(*batch) error) error {
	now := e.authorities()
	return e.updateUnder(now, now, f)
}

// updateUnder is transact where records are read by other checkpoints after it than
// before.
func (e *Engine) updateUnder(old, now authorities, f func(*batch) error) error {
	b := e.newBatch(nil, old, now)
	undo := e.remember()
	err := e.cfg.Store.Update(func(tx *store.Tx) error {
		b.tx = tx
		if err := f(b); err != nil {
			return err
		}
		return b.finish()
	})
	if err != nil {
		undo()
		return err
	}
	e.publish(b)
	return nil
}

// remember gives a function that takes back what a transaction that fails has
// changed outside the store.
func (e *Engine) remember() (undo func()) {
	clock, incarnation := e.clock, e.ownLog(0).Incarnation
	return func() {
		e.state.Lock()
		defer e.state.Unlock()
		e.clock, e.incarnation = clock, incarnation
	}
}

func (b *batch) log(id crdt.LogID) (*store.Log, error) {
	if l := b.logs[id]; l != nil {
		return l, nil
	}
	l, err := b.tx.Log(id)
	if err != nil {
		return nil, err
	}
	b.logs[id], b.from[id] = &l, l.Head.Seq
	return &l, nil
}

// record is a record as the transaction sees it; ref names it if it is new.
func (b *batch) record(scope crdt.Scope, collection string, ref crdt.Ref) (*touched, error) {
	name := recordName{collection, ref.ID()}
	if t := b.lookup[name]; t != nil {
		return t, nil
	}
	stored, err := b.tx.Record(collection, name.id)
	if node.CodeOf(err) == node.Damaged {
		stored, err = b.mended(collection, name.id, err)
	}
	if err != nil {
		return nil, err
	}
	if stored == nil {
		stored = crdt.NewRecord(scope, collection, ref)
	}
	return b.touch(stored)
}

// at is the record at a place; nil where there is none.
func (b *batch) at(place []byte) (*touched, error) {
	r, err := recordAt(b.tx, place)
	if err != nil || r == nil {
		return nil, err
	}
	if t := b.lookup[recordName{r.Collection, r.Ref.ID()}]; t != nil {
		return t, nil
	}
	return b.touch(r)
}

func (b *batch) touch(r *crdt.Record) (*touched, error) {
	before, err := b.engine.readUnder(b.tx, r, b.old)
	if err != nil {
		return nil, err
	}
	t := &touched{record: r, before: before, waits: waitsOf(r)}
	b.lookup[recordName{r.Collection, r.Ref.ID()}] = t
	b.order = append(b.order, t)
	return t, nil
}

// apply appends an entry to the log in which it is to lie and merges its operations.
// Its place in the chain has been checked; what it says is not judged.
func (b *batch) apply(lies crdt.LogID, entry *crdt.Entry, raw []byte) error {
	entry, raw, err := b.engine.erased.obey(b.now.forks, lies, entry, raw)
	if err != nil {
		return err
	}
	if err := b.append(lies, entry, raw); err != nil {
		return err
	}
	return b.take(lies, entry, nil)
}

func (b *batch) append(lies crdt.LogID, entry *crdt.Entry, raw []byte) error {
	l, err := b.log(lies)
	if err != nil {
		return err
	}
	if entry.Citing(l.Cite) != nil {
		entry.Cites = l.Cite // it goes back, which no honest device does: what it cited before stands
	}
	l.Cite = entry.Cites
	b.moved = true
	if err := noteFiles(b.tx, entry); err != nil {
		return err
	}
	return b.tx.Append(l, raw)
}

// take merges an entry's operations, or only those on one record, and notes who
// wrote what. A record that can't be read stays as it is: its history names the entry,
// of which it is made anew with the others, or which is merged into the record of a
// snapshot. The history row comes with the record and not with the entry: what a
// record was before is read from its history.
func (b *batch) take(lies crdt.LogID, entry *crdt.Entry, only *recordName) error {
	l, err := b.log(lies)
	if err != nil {
		return err
	}
	if entry, err = b.named(lies, entry); err != nil {
		return err
	}
	b.aside = true
	if err := b.merge(entry, only); err != nil {
		return err
	}
	for _, name := range recordsOf(entry) {
		if only != nil && *only != name {
			continue
		}
		if err := b.tx.PutHistory(name.id, *l, entry.Seq); err != nil {
			return err
		}
		if err := b.noteCite(entry, name); err != nil {
			return err
		}
	}
	return nil
}

// named gives an entry, as it was written, the pins that it left to a checkpoint, and
// the names of today.
func (b *batch) named(lies crdt.LogID, entry *crdt.Entry) (*crdt.Entry, error) {
	b.now.of(entry.Log.Scope).Complete(entry)
	return b.now.forks.resolve(b.tx, b.log, lies, entry)
}

// merge merges the operations of an entry under its name, or only those on one record.
func (b *batch) merge(entry *crdt.Entry, only *recordName) error {
	for i := range entry.Ops {
		op := &entry.Ops[i]
		if only != nil && *only != (recordName{op.Collection, op.Record.ID()}) {
			continue
		}
		t, err := b.record(entry.Log.Scope, op.Collection, op.Record)
		if b.aside && node.CodeOf(err) == node.Damaged {
			continue
		}
		if err != nil {
			return err
		}
		if late, err := b.late(t.record, entry, i); late || err != nil {
			if err != nil {
				return err
			}
			continue
		}
		t.record.Apply(entry, i, b.now.of(entry.Log.Scope).Past(entry.Pos(), b.held))
		t.dirty = true
	}
	return b.failed
}

// finish writes the touched records, and of their indexes what has changed.
func (b *batch) finish() error {
	if err := b.arrivals(); err != nil {
		return err
	}
	for _, op := range b.lates {
		if err := b.noteLate(op.entry, op.index); err != nil {
			return err
		}
	}
	b.order = slices.DeleteFunc(b.order, func(t *touched) bool { return !t.dirty })
	x, err := b.engine.indexes(b.tx)
	if err != nil {
		return err
	}
	for _, t := range b.order {
		if err := b.put(t); err != nil {
			return err
		}
		if !t.gone { // what is forgotten has no row
			if t.after, err = b.engine.readUnder(b.tx, t.record, b.now); err != nil {
				return err
			}
			if err := b.noteClaims(t.record); err != nil {
				return err
			}
		}
		if err := x.change(t.record, t.before, t.after, b.engine.parts); err != nil {
			return err
		}
	}
	if err := x.finish(); err != nil {
		return err
	}
	if err := b.advance(); err != nil {
		return err
	}
	if err := b.engine.writeHeard(b.tx); err != nil {
		return err
	}
	return b.engine.saveClock(b.tx)
}

// put writes a record, or takes it away.
func (b *batch) put(t *touched) error {
	if t.gone {
		if err := b.tx.DeleteRecord(t.record); err != nil {
			return err
		}
		return b.putWaits(t.waits, nil)
	}
	if err := b.tx.PutRecord(t.record); err != nil {
		return err
	}
	return b.putWaits(t.waits, waitsOf(t.record))
}

func shown(r reading) int {
	if r.exists {
		return 1
	}
	return 0
}

// containsKey looks in keys, which are sorted.
func containsKey(keys [][]byte, k []byte) bool {
	_, ok := slices.BinarySearchFunc(keys, k, slices.Compare)
	return ok
}
