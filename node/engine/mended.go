package engine

import (
	"errors"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
)

// mended is a record that can't be read, made anew from the entries that wrote it;
// the error says so where some of them are not here.
func (b *batch) mended(collection string, id crdt.RecordID, damage error) (*crdt.Record, error) {
	ops, whole, err := b.engine.allWritten(b.tx, collection, id, b.now)
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
		r.Apply(w.entry, w.index, b.now.of(w.entry.Log.Scope).Past(w.entry.Pos(), b.held))
	}
	return r, b.failed
}

// allWritten is written, without what came too late, and whether that is all that was ever written: no entry is
// damaged, and none of the scope was dropped.
func (e *Engine) allWritten(tx *store.Tx, collection string, id crdt.RecordID, under authorities) (ops []written, whole bool, err error) {
	whole = true
	err = tx.History(id, func(l store.Log, seq uint64) (bool, error) {
		if !under.forks.knows(l.ID) {
			return true, nil
		}
		entry, err := e.entryUnder(tx, l, seq, under)
		if node.CodeOf(err) == node.Damaged || errors.Is(err, store.ErrDropped) {
			whole = false
			return true, nil
		}
		if err != nil {
			return false, err
		}
		for i, op := range entry.Ops {
			if op.Collection != collection || op.Record.ID() != id {
				continue
			}
			late, err := lateItemAt(tx, l.ID, entry, i)
			if err != nil {
				return false, err
			}
			if late == nil {
				ops = append(ops, written{entry, i})
			}
		}
		return true, nil
	})
	if err != nil {
		return nil, false, err
	}
	return ops, whole, tx.Logs(func(l store.Log) error {
		whole = whole && (l.Dropped.Seq == 0 || isBranch(l.ID))
		return nil
	})
}
