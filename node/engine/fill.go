package engine

import (
	"errors"
	"fmt"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
)

// Fill puts the entries of a segment back where the store has holes or damaged ones,
// and makes the records that they write anew from their entries. The seal's signature
// was verified; that the entries are those that stood there, their hashes tell.
func (e *Engine) Fill(s *wire.Segment) error {
	entries, err := s.Open()
	if err != nil {
		return err
	}
	e.write.Lock()
	defer e.write.Unlock()
	filled := false
	for i, entry := range entries {
		put, err := e.fillOne(entry, s.Entries[i])
		if err != nil {
			return fmt.Errorf("fill entry %d of %v: %w", entry.Seq, entry.Log, err)
		}
		filled = filled || put
	}
	if !filled {
		return nil
	}
	for _, entry := range entries {
		if err := e.mend(entry); err != nil {
			return fmt.Errorf("mend what entry %d of %v wrote: %w", entry.Seq, entry.Log, err)
		}
	}
	return e.settle(s.Log)
}

// fillOne writes an entry again if what is stored of it can't be read. It continues
// the one before it, which was filled before.
func (e *Engine) fillOne(entry *crdt.Entry, raw []byte) (filled bool, err error) {
	entry, raw, err = e.erased.obey(entry, raw)
	if err != nil {
		return false, err
	}
	err = e.cfg.Store.Update(func(tx *store.Tx) error {
		l, err := tx.Log(entry.Log)
		if err != nil || entry.Seq > l.Head.Seq || entry.Seq <= l.Dropped.Seq {
			return err
		}
		if _, err = tx.Stored(l, entry.Seq); node.CodeOf(err) != node.Damaged {
			return err
		}
		before := store.Stored{Hash: l.Dropped.Hash}
		if entry.Seq > l.Dropped.Seq+1 {
			if before, err = tx.Stored(l, entry.Seq-1); err != nil {
				return err
			}
		}
		if before.Hash != entry.Prev {
			return ErrFork
		}
		if entry.Citing(before.Cite) != nil {
			entry.Cites = before.Cite
		}
		filled = true
		return tx.PutEntry(l, entry.Seq, store.Stored{Raw: raw, Hash: wire.ChainHash(raw), Cite: entry.Cites})
	})
	return filled, err
}

// mend makes the records of an entry anew where they can't be read, and merges the
// entry into the others: that changes nothing where it was merged before.
func (e *Engine) mend(entry *crdt.Entry) error {
	return e.update(func(b *batch) error {
		l, err := b.log(entry.Log)
		if err != nil {
			return err
		}
		held, err := e.entry(b.tx, *l, entry.Seq)
		if errors.Is(err, store.ErrDropped) {
			return nil
		}
		if err != nil {
			return err
		}
		b.now.of(entry.Log.Scope).Complete(held)
		return b.take(held, nil)
	})
}

// settle strikes the holes of a log that are filled off the list of damage.
func (e *Engine) settle(log crdt.LogID) error {
	mended := map[store.Want]bool{}
	err := e.cfg.Store.View(func(tx *store.Tx) error {
		for _, w := range e.cfg.Store.Wants() {
			l, err := tx.Log(w.Log)
			if err != nil {
				return err
			}
			mended[w] = w.Log == log && w.To <= l.Head.Seq
			for seq := max(w.From, l.Dropped.Seq+1); seq <= w.To && mended[w]; seq++ {
				_, err := tx.Stored(l, seq)
				mended[w] = err == nil
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return e.cfg.Store.Settle(func(d store.Damage) bool {
		return d.Kind == store.DamagedLog && mended[store.Want{Log: d.Log, From: d.From, To: d.To}]
	})
}

// mended is a record that can't be read, made anew from the entries that wrote it;
// the error says so where some of them are not here.
func (b *batch) mended(collection string, id crdt.RecordID, damage error) (*crdt.Record, error) {
	ops, whole, err := b.engine.allWritten(b.tx, collection, id)
	if err != nil {
		return nil, err
	}
	if !whole || len(ops) == 0 {
		return nil, damage
	}
	first := ops[0].entry
	r := crdt.NewRecord(first.Log.Scope, collection, ops[0].op().Record)
	for _, w := range ops {
		b.now.of(w.entry.Log.Scope).Complete(w.entry)
		r.Apply(w.entry, w.index, b.held)
	}
	return r, b.failed
}

// allWritten is written, and whether that is all that was ever written: no entry is
// damaged, and none of the scope was dropped.
func (e *Engine) allWritten(tx *store.Tx, collection string, id crdt.RecordID) (ops []written, whole bool, err error) {
	whole = true
	err = tx.History(id, func(l store.Log, seq uint64) (bool, error) {
		entry, err := e.entry(tx, l, seq)
		if node.CodeOf(err) == node.Damaged {
			whole = false
			return true, nil
		}
		if err != nil {
			return false, err
		}
		for i, op := range entry.Ops {
			if op.Collection == collection && op.Record.ID() == id {
				ops = append(ops, written{entry, i})
			}
		}
		return true, nil
	})
	if err != nil {
		return nil, false, err
	}
	return ops, whole, tx.Logs(func(l store.Log) error {
		whole = whole && l.Dropped.Seq == 0
		return nil
	})
}
