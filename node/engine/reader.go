package engine

import (
	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/normal"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/schema"
	"github.com/vungxa/vungxa/node/store"
)

// reader reads one record by a pack and by the checkpoints that are held. What was
// written before what stands is read from the log, and only where what stands
// doesn't tell.
type reader struct {
	crdt.Reader
	engine *Engine
	tx     *store.Tx
	record *crdt.Record
	under  authorities

	past []*crdt.Entry // every entry held that wrote the record, once it was asked for
	read bool
	err  error
}

func (e *Engine) reader(tx *store.Tx, r *crdt.Record, under authorities) *reader {
	x := &reader{
		Reader: crdt.Reader{Authority: under.of(r.Scope), Same: normal.Same},
		engine: e, tx: tx, record: r, under: under,
	}
	if r.Ref.ByKey() { // what a deletion took stays away from who makes the record anew
		x.Reader = x.In(r, func() []crdt.Write { return x.prior(crdt.FieldExistence, "") })
	}
	return x
}

// prior is the writes of a cell whose entries are held.
func (x *reader) prior(field uint32, elem string) []crdt.Write {
	return x.Authority.History(x.entries(), heldIn(x.tx, x.under.forks, &x.err), x.record.Ref.ID(), field, elem)
}

func (x *reader) entries() []*crdt.Entry {
	if x.read {
		return x.past
	}
	x.read = true
	err := x.tx.History(x.record.Ref.ID(), func(l store.Log, seq uint64) (bool, error) {
		if !x.under.forks.knows(l.ID) {
			return true, nil
		}
		entry, err := x.engine.entryUnder(x.tx, l, seq, x.under)
		if node.CodeOf(err) == node.Damaged {
			return true, nil // the store has noted it
		}
		if err != nil {
			return false, err
		}
		for i := range entry.Ops {
			if entry.Ops[i].Collection != x.record.Collection {
				entry.Ops[i].Record = crdt.Ref{} // the same id in another collection is another record
			}
		}
		x.past = append(x.past, entry)
		return true, nil
	})
	if err != nil {
		x.err, x.past = err, nil
	}
	return x.past
}

// heldIn is crdt.Held of a transaction, by the names of f; what goes wrong is left in
// fail.
func heldIn(tx *store.Tx, f *forks, fail *error) crdt.Held {
	return func(log crdt.LogID, seq uint64) (crdt.Hash, bool) {
		l, err := f.place(logsOf(tx), log, seq)
		if err != nil {
			*fail = err
			return crdt.Hash{}, false
		}
		hash, ok, err := f.hashHeld(tx, *l, seq)
		if err != nil {
			*fail = err
		}
		return hash, ok
	}
}

// hashHeld is the chain hash that is held of a log at a seq; of what compaction took
// away, the zero Hash.
func hashHeld(tx *store.Tx, l store.Log, seq uint64) (crdt.Hash, bool, error) {
	switch {
	case seq == 0 || seq > l.Head.Seq:
		return crdt.Hash{}, false, nil
	case seq <= l.Dropped.Seq:
		return crdt.Hash{}, true, nil
	}
	hash, err := tx.HashAt(l, seq)
	if node.CodeOf(err) == node.Damaged {
		return crdt.Hash{}, false, nil // until the hole is filled
	}
	return hash, err == nil, err
}

// existence reads whether the record is, and what was written after its deletion.
func (x *reader) existence() (crdt.Existence, []crdt.Write) {
	return x.Existence(x.record, x.prior)
}

// cell reads a field of kind assign.
func (x *reader) cell(f *schema.Field) crdt.Reading {
	rd := x.Reader
	rd.Compare = f.Compare
	rd.Prior = func() []crdt.Write { return x.prior(f.ID, "") }
	return rd.Cell(x.record.Cells[f.ID], f.Reading())
}

// set reads a field of kind set; nil where nothing is in it.
func (x *reader) set(f *schema.Field) []string {
	var items []string
	elems := x.Set(x.record.Sets[f.ID], func(elem string) []crdt.Write { return x.prior(f.ID, elem) })
	for _, elem := range elems {
		if item, err := f.DecodeElem([]byte(elem)); err == nil {
			items = append(items, item)
		}
	}
	return items
}
