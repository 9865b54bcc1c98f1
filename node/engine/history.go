package engine

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/schema"
	"github.com/vungxa/vungxa/node/store"
)

// Event is one write of a record, as its entry tells it: everything that was ever
// written is here, also what no longer stands, as long as its entry is held.
type Event struct {
	Dot      crdt.Dot
	Field    string // the pack's name; empty of a field that it doesn't know
	FieldID  uint32 // crdt.FieldExistence: created or deleted
	Value    any    // as schema.Field.Decode gives it; of existence, a bool
	Elem     any    // of a set: what Value says is in it or not
	Unread   bool   // written in a form of another pack, or erased
	Officer  string
	AtMS     int64 // as its device's clock claimed
	Tick     Tick
	Replaced []crdt.Dot // the writes of the same cell that it names as replaced
}

// History is every write of a record whose entry is held, newest claim first.
func (e *Engine) History(_ context.Context, collection string, id crdt.RecordID) ([]Event, error) {
	c, known := e.cfg.Pack.Collection(collection)
	if !known {
		return nil, notFound()
	}
	var ops []written
	err := e.cfg.Store.View(func(tx *store.Tx) error {
		r, err := tx.Record(collection, id)
		if err != nil {
			return err
		}
		if r == nil {
			return notFound()
		}
		ops, err = e.written(tx, collection, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	events := make([]Event, len(ops))
	for i, w := range ops {
		events[i] = e.event(c, w)
		events[i].Replaced = replaced(w, ops)
	}
	slices.SortStableFunc(events, func(a, b Event) int {
		return cmp.Or(cmp.Compare(b.AtMS, a.AtMS), b.Dot.Compare(a.Dot))
	})
	return events, nil
}

// written is one operation with its entry.
type written struct {
	entry *crdt.Entry
	index int
}

func (w written) op() *crdt.Op { return &w.entry.Ops[w.index] }

// written is the operations of all entries held that write a record.
func (e *Engine) written(tx *store.Tx, collection string, id crdt.RecordID) (ops []written, err error) {
	err = tx.History(id, func(l store.Log, seq uint64) (bool, error) {
		entry, err := e.entry(tx, l, seq)
		if node.CodeOf(err) == node.Damaged || errors.Is(err, store.ErrDropped) {
			return true, nil // Damage tells of it; what is dropped is about to be swept
		}
		if err != nil {
			return false, err
		}
		for i := range entry.Ops {
			if op := &entry.Ops[i]; op.Collection == collection && op.Record.ID() == id {
				ops = append(ops, written{entry, i})
			}
		}
		return true, nil
	})
	return ops, err
}

func (e *Engine) event(c *schema.Collection, w written) Event {
	op := w.op()
	v := Event{
		Dot: w.entry.Dot(w.index), FieldID: op.Field, Officer: w.entry.Officer, AtMS: w.entry.Stamp.Millis(),
		Tick: e.tick(crdt.Pos{Log: w.entry.Log, Seq: w.entry.Seq}),
	}
	f, known := c.FieldByID(op.Field)
	switch {
	case op.Erased != (crdt.Hash{}):
		v.Unread = true
	case op.Field == crdt.FieldExistence || op.Kind == crdt.Set:
		v.Value = len(op.Value) == 1 && op.Value[0] == crdt.True
	}
	if !known {
		v.Unread = v.Unread || op.Field != crdt.FieldExistence
		return v
	}
	v.Field = f.Name
	if v.Unread {
		return v
	}
	var err error
	if op.Kind == crdt.Set {
		v.Elem, err = f.DecodeElem(op.Elem)
	} else {
		v.Value, err = f.Decode(op.Value)
	}
	v.Unread = err != nil
	return v
}

// replaced is which of a record's writes one names: those of its cell that lie
// just where its list of positions says.
func replaced(w written, ops []written) (dots []crdt.Dot) {
	for _, old := range ops {
		a, b := w.op(), old.op()
		if a.Field != b.Field || a.Kind != b.Kind || !slices.Equal(a.Elem, b.Elem) {
			continue
		}
		if slices.Contains(a.Over, crdt.Pos{Log: old.entry.Log, Seq: old.entry.Seq}) {
			dots = append(dots, old.entry.Dot(old.index))
		}
	}
	return dots
}
