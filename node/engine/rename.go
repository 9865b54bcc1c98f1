package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
)

// localRename is the kind of the items that say that entries of a log are being given
// other names, by the log's name. A crash in between is taken up where it was.
const localRename = "rename"

type storedRename struct {
	_       struct{} `cbor:",toarray"`
	Scope   string
	Log     stagedLog
	New     crdt.Hash   // the branch that came; zero: none did
	Settled []crdt.Hash // before
	At      []byte      // the last record that was made anew
}

func (s storedRename) log() crdt.LogID {
	return crdt.LogID{Device: s.Log.Device, Incarnation: s.Log.Incarnation, Scope: crdt.Scope(s.Scope), Class: crdt.Class(s.Log.Class)}
}

func putRename(tx *store.Tx, s storedRename) error {
	b, err := wire.Marshal(s)
	if err != nil {
		return err
	}
	return tx.PutLocal(localRename, s.log().String(), b)
}

func (e *Engine) renames(tx *store.Tx) (all []storedRename, err error) {
	err = tx.Locals(localRename, func(_ string, b []byte) error {
		var s storedRename
		if err := wire.Unmarshal(b, store.MaxValue, &s); err != nil {
			return node.Errorf(node.Damaged, "Ghi chú về một nhật ký tách nhánh bị hỏng: %w", "a stored note of a fork is damaged: %w", err)
		}
		all = append(all, s)
		return nil
	})
	return all, err
}

// forksUnder is the forks that are held, as checkpoints settle them.
func (e *Engine) forksUnder(said map[crdt.Scope]*crdt.Authority) (f *forks, err error) {
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		f, err = loadForks(tx, said, nil)
		return err
	})
	return f, err
}

// forksBefore is forksUnder, as it was before what was being renamed when a crash came.
func (e *Engine) forksBefore(said map[crdt.Scope]*crdt.Authority) (f *forks, err error) {
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		begun, err := e.renames(tx)
		if err != nil {
			return err
		}
		f, err = loadForks(tx, said, func(b fork) bool {
			return slices.ContainsFunc(begun, func(s storedRename) bool { return crdt.BranchName(s.log(), s.New) == b.log })
		})
		if err != nil || f == nil {
			return err
		}
		for _, s := range begun {
			f.settleAs(s.log(), s.Settled)
		}
		return nil
	})
	return f, err
}

// settleAs takes what the hub has committed of one log for what it was.
func (f *forks) settleAs(written crdt.LogID, settled []crdt.Hash) {
	f.settled[written] = settled
	f.named.Unsettle()
	for l, branches := range f.settled {
		for _, b := range branches {
			f.named.Settle(l, b)
		}
	}
}

// rename lets entries have the names that now's forks give them: the records that are
// concerned are made anew, and found where their entries say. last, if set, writes into
// the last transaction. From then on now is what the engine reads by. The caller holds
// e.write.
func (e *Engine) rename(old, now authorities, last func(*store.Tx) error) error {
	e.owed.names = false
	again, err := e.renameAll(old, now, last)
	e.owed.names = err != nil
	e.owed.orders = e.owed.orders || again
	e.owed.note()
	if err != nil || !again {
		return err
	}
	if !e.owed.paying { // what else is owed isn't done in the middle of this
		e.owed.paying = true
		defer func() { e.owed.paying = false }()
	}
	_, err = e.obeyHeld(nil) // what is damaged stays ordered
	return err
}

// reorder has orders carried out again that name no hash, where names of a log have
// changed hands: what they mean may be another entry. Others mean what they did.
func reorder(tx *store.Tx, renamed []crdt.LogID) (again bool, err error) {
	changed := map[string][]byte{}
	err = tx.Locals(localErasure, func(name string, b []byte) error {
		er, err := decodeErasure(b[min(1, len(b)):])
		if err != nil {
			return nil // it is told where orders are read
		}
		if slices.ContainsFunc(er.Ops, func(o ErasedOp) bool { return o.Entry == crdt.Hash{} && slices.Contains(renamed, o.log()) }) {
			changed[name] = append([]byte{erasureOrdered}, b[1:]...)
		}
		return nil
	})
	for name, b := range changed {
		err = errors.Join(err, tx.PutLocal(localErasure, name, b))
	}
	return len(changed) > 0, err
}

// renameAll is rename, but for orders to erase: again says that some have to be carried
// out anew.
func (e *Engine) renameAll(old, now authorities, last func(*store.Tx) error) (again bool, err error) {
	var logs, renamed []crdt.LogID
	begun := map[crdt.LogID]storedRename{}
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		all, err := e.renames(tx)
		for _, s := range all {
			begun[s.log()] = s
		}
		return err
	})
	if err != nil {
		return false, err
	}
	if now.forks != nil {
		logs = slices.SortedFunc(maps.Keys(now.forks.branches), crdt.LogID.Compare)
	}
	for _, written := range logs {
		s, cut := begun[written]
		if !cut && old.forks != nil && slices.Equal(old.forks.branches[written], now.forks.branches[written]) &&
			slices.Equal(old.forks.settled[written], now.forks.settled[written]) {
			continue
		}
		if !cut {
			s = storedRename{
				Scope: string(written.Scope), Log: stagedLog{Device: written.Device, Incarnation: written.Incarnation, Class: uint8(written.Class)},
			}
			if old.forks != nil {
				s.Settled = old.forks.settled[written]
			}
			if err := e.cfg.Store.Update(func(tx *store.Tx) error { return putRename(tx, s) }); err != nil {
				return false, err
			}
		}
		end := e.write.share(written)
		err := e.renameOne(old, now, s)
		end()
		if err != nil {
			return false, fmt.Errorf("make anew what a fork of log %v touches: %w", written, err)
		}
		renamed = append(renamed, written)
	}
	err = e.cfg.Store.Update(func(tx *store.Tx) error {
		for written := range begun {
			if err := tx.DeleteLocal(localRename, written.String()); err != nil {
				return err
			}
		}
		for _, written := range logs {
			if err := tx.DeleteLocal(localRename, written.String()); err != nil {
				return err
			}
		}
		if again, err = reorder(tx, renamed); err != nil || last == nil {
			return err
		}
		return last(tx)
	})
	if err != nil {
		return false, err
	}
	e.authority.Store(&now)
	e.announce()
	return again, nil
}

// renameOne gives the entries of one log their names of now.
func (e *Engine) renameOne(old, now authorities, s storedRename) error {
	t := &touch{engine: e, old: old, now: now, records: map[string]bool{}}
	if err := t.look(s.log()); err != nil {
		return err
	}
	if err := e.changeHistory(t.add, (*store.Tx).PutHistory); err != nil {
		return err
	}
	places := slices.Sorted(maps.Keys(t.records))
	i, done := slices.BinarySearch(places, string(s.At))
	if done {
		i++
	}
	for places = places[i:]; len(places) > 0; {
		n := min(len(places), renameRecords)
		err := e.remakeSome(old, now, &s, places[:n])
		if errors.Is(err, store.ErrTooBig) {
			n = 1
			err = e.remakeSome(old, now, &s, places[:n])
		}
		if err != nil {
			return err
		}
		places = places[n:]
		e.write.rest()
	}
	return e.changeHistory(t.drop, (*store.Tx).DeleteHistory)
}

// renameRecords is how many records one transaction makes anew.
const renameRecords = 8

func (e *Engine) remakeSome(old, now authorities, s *storedRename, places []string) error {
	if err := e.step(context.Background(), "rename"); err != nil {
		return err
	}
	return e.updateUnder(old, now, func(b *batch) error {
		for _, place := range places {
			if err := b.remake([]byte(place)); err != nil {
				return err
			}
		}
		s.At = []byte(places[len(places)-1])
		return putRename(b.tx, *s)
	})
}

// historyRow is that an entry which lies somewhere writes a record.
type historyRow struct {
	id  crdt.RecordID
	log crdt.LogID
	seq uint64
}

func (e *Engine) changeHistory(rows []historyRow, change func(*store.Tx, crdt.RecordID, store.Log, uint64) error) error {
	for some := range slices.Chunk(rows, 256) {
		err := e.cfg.Store.Update(func(tx *store.Tx) error {
			for _, r := range some {
				l, err := tx.Log(r.log)
				if err != nil {
					return err
				}
				if err := change(tx, r.id, l, r.seq); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		e.write.rest()
	}
	return nil
}

// remake makes the record at a place anew from its entries, under their names of today;
// one that no entry writes any more goes.
func (b *batch) remake(place []byte) error {
	id, err := store.IDOf(place)
	if err != nil {
		return err
	}
	name := recordName{collectionOf(place), id}
	t, err := b.at(place)
	if err != nil && node.CodeOf(err) != node.Damaged {
		return err
	}
	var base *crdt.Record
	if t != nil {
		base = t.record
	}
	r, err := b.remade(name, base)
	if err != nil {
		return err
	}
	switch {
	case r == nil && t == nil:
		return nil
	case r == nil:
		t.record, t.gone = crdt.NewRecord(t.record.Scope, name.collection, t.record.Ref), true
	case t == nil:
		t = &touched{record: r}
		b.lookup[name] = t
		b.order = append(b.order, t)
	default:
		t.record, t.gone = r, false
	}
	t.dirty = true
	return nil
}

// remade is a record as the entries held make it; nil where none writes it. Where
// compaction has taken entries, what they said stands in the record alone: then all
// that isn't of a log that forked stays of it.
func (b *batch) remade(name recordName, base *crdt.Record) (*crdt.Record, error) {
	ops, whole, err := b.engine.allWritten(b.tx, name.collection, name.id, b.now)
	if err != nil {
		return nil, err
	}
	var r *crdt.Record
	if !whole && base != nil {
		r = b.without(base)
	}
	if r == nil && len(ops) > 0 {
		r = crdt.NewRecord(ops[0].entry.Log.Scope, name.collection, ops[0].op().Record)
	}
	if r == nil || len(ops) == 0 && len(r.Cells) == 0 && len(r.Sets) == 0 {
		return nil, b.failed
	}
	for _, w := range ops {
		r.Apply(w.entry, w.index, b.now.of(w.entry.Log.Scope).Past(w.entry.Pos(), b.held))
	}
	r.Covered(b.now.of(r.Scope), b.held) // claims of entries that were compacted wait under names of today
	return r, b.failed
}

// without is a record without what a log that has forked says from there on: its
// entries say it again. What others have replaced of it has its name of today: the
// entries that said so may have been compacted.
func (b *batch) without(r *crdt.Record) *crdt.Record {
	r = r.Clone()
	f := b.now.forks
	gone := func(p crdt.Pos) bool {
		written, forked := f.written(p.Log)
		return forked && p.Seq >= f.since(written) && !b.wasDropped(p)
	}
	strip := func(c crdt.Cell) crdt.Cell {
		c.Writes = slices.DeleteFunc(slices.Clone(c.Writes), func(w crdt.Write) bool { return gone(w.Pos()) })
		for i := range c.Writes {
			c.Writes[i].Over = b.calledNow(c.Writes[i].Over)
		}
		c.Pending = b.pendingNow(c.Pending, gone)
		c.Over = b.calledNow(c.Over)
		return c
	}
	for field, c := range r.Cells {
		if r.Cells[field] = strip(c); empty(r.Cells[field]) {
			delete(r.Cells, field)
		}
	}
	for field, set := range r.Sets {
		for elem, c := range set {
			if set[elem] = strip(c); empty(set[elem]) {
				delete(set, elem)
			}
		}
		if len(set) == 0 {
			delete(r.Sets, field)
		}
	}
	return r
}

// pendingNow is what of a record's claims isn't said again by entries that are held.
func (b *batch) pendingNow(pending []crdt.Claim, gone func(crdt.Pos) bool) (all []crdt.Claim) {
	for _, c := range pending {
		by := crdt.Pos{Log: c.By.Log, Seq: c.By.Seq}
		switch {
		case gone(by):
		case b.wasDropped(by):
			all = append(all, b.waitsNow(c)...)
		case !gone(c.Over):
			all = append(all, c)
		}
	}
	return all
}

// calledNow gives positions of before their names of today: one past a fork becomes those
// of the branch on which it lies, and of what that left.
func (b *batch) calledNow(over []crdt.Pos) []crdt.Pos {
	furthest := map[crdt.LogID]uint64{}
	for _, p := range over {
		for _, is := range b.posNow(p) {
			furthest[is.Log] = max(furthest[is.Log], is.Seq)
		}
	}
	var all []crdt.Pos
	for _, log := range slices.SortedFunc(maps.Keys(furthest), crdt.LogID.Compare) {
		if furthest[log] > 0 {
			all = append(all, crdt.Pos{Log: log, Seq: furthest[log]})
		}
	}
	return all
}

func (b *batch) posNow(p crdt.Pos) []crdt.Pos {
	f := b.now.forks
	written, forked := f.written(p.Log)
	if !forked || p.Seq < f.since(written) {
		return []crdt.Pos{p}
	}
	l, err := b.old.forks.place(b.log, p.Log, p.Seq)
	if err != nil {
		b.failed = err
		return nil
	}
	if l.Head.Seq < p.Seq { // which branch was meant isn't known
		return []crdt.Pos{{Log: written, Seq: f.since(written) - 1}}
	}
	asWritten := crdt.Entry{Log: written, Seq: p.Seq, Ops: []crdt.Op{{Over: []crdt.Pos{{Log: written, Seq: p.Seq}}}}}
	return f.named.Resolve(&asWritten, f.branchAt(written, l.ID, p.Seq), nil).Ops[0].Over
}

func empty(c crdt.Cell) bool { return len(c.Writes) == 0 && len(c.Over) == 0 && len(c.Pending) == 0 }
