package engine

import (
	"maps"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
)

// held gives the chain hash that the transaction holds of a log at a seq: what
// decides whether an entry's word about a foreign log counts. Of what compaction
// took away it is the zero Hash.
func (b *batch) held(log crdt.LogID, seq uint64) (crdt.Hash, bool) {
	l, err := b.now.forks.place(b.log, log, seq)
	if err != nil {
		b.failed = err
		return crdt.Hash{}, false
	}
	hash, ok, err := b.now.forks.hashHeld(b.tx, *l, seq)
	if err != nil {
		b.failed = err
	}
	return hash, ok
}

// arrivals looks again at the records that waited for entries which the
// transaction has brought, and at no other.
func (b *batch) arrivals() error {
	for lies, l := range maps.Clone(b.logs) {
		if l.Head.Seq == b.from[lies] {
			continue
		}
		log := b.now.forks.nameAt(lies, l.Head.Seq)
		if err := b.branchArrivals(lies, log); err != nil {
			return err
		}
		places, err := b.tx.Waiting(log, b.from[lies], l.Head.Seq)
		if err != nil {
			return err
		}
		for _, place := range places {
			t, err := b.at(place)
			if node.CodeOf(err) == node.Damaged {
				continue // filled again, it is merged anew from its entries
			}
			if err != nil {
				return err
			}
			if t != nil && t.record.Arrived(log, b.held) {
				t.dirty = true
			}
		}
	}
	return b.failed
}

// branchArrivals makes anew what waited for entries under the name of a log that has
// forked, where those of another branch have come: they may be what was meant.
func (b *batch) branchArrivals(lies, name crdt.LogID) error {
	written, forked := b.now.forks.written(lies)
	if !forked || name == written {
		return nil
	}
	places, err := b.tx.Waiting(written, b.from[lies], b.logs[lies].Head.Seq)
	for _, place := range places {
		if err == nil {
			err = b.remake(place)
		}
	}
	return err
}

// waitsOf is what a record waits for, sorted.
func waitsOf(r *crdt.Record) []store.Wait {
	var waits []store.Wait
	place := string(store.Place(r.Collection, r.Ref.ID()))
	eachCell(r, func(c crdt.Cell) {
		for _, p := range c.Pending {
			waits = append(waits, store.Wait{For: crdt.Pos{Log: p.Over.Log, Seq: max(p.Over.Seq, p.Pin.Seq)}, Place: place})
		}
	})
	slices.SortFunc(waits, compareWaits)
	return slices.Compact(waits)
}

func compareWaits(a, b store.Wait) int {
	if c := a.For.Log.Compare(b.For.Log); c != 0 {
		return c
	}
	return int(min(max(int64(a.For.Seq)-int64(b.For.Seq), -1), 1))
}

// eachCell calls f with every cell of a record.
func eachCell(r *crdt.Record, f func(crdt.Cell)) {
	for _, c := range r.Cells {
		f(c)
	}
	for _, set := range r.Sets {
		for _, c := range set {
			f(c)
		}
	}
}

// putWaits writes which entries a record waits for, where that has changed.
func (b *batch) putWaits(before, after []store.Wait) error {
	for _, w := range before {
		if !slices.Contains(after, w) {
			if err := b.tx.DeleteWait(w); err != nil {
				return err
			}
		}
	}
	for _, w := range after {
		if !slices.Contains(before, w) {
			if err := b.tx.PutWait(w); err != nil {
				return err
			}
		}
	}
	return nil
}

// entry is an entry that is held, with what it cites filled in, under the names of
// today.
func (e *Engine) entry(tx *store.Tx, l store.Log, seq uint64) (*crdt.Entry, error) {
	return e.entryUnder(tx, l, seq, e.authorities())
}

func (e *Engine) entryUnder(tx *store.Tx, l store.Log, seq uint64, under authorities) (*crdt.Entry, error) {
	entry, err := e.carried(tx, l, seq)
	if err != nil || under.forks == nil {
		return entry, err
	}
	under.of(l.ID.Scope).Complete(entry)
	return under.forks.resolve(tx, logsOf(tx), l.ID, entry)
}

// carried is an entry that is held, with what it cites filled in, as it was written.
func (e *Engine) carried(tx *store.Tx, l store.Log, seq uint64) (*crdt.Entry, error) {
	s, err := tx.Stored(l, seq)
	if err != nil {
		return nil, err
	}
	entry, err := wire.DecodeEntry(s.Raw)
	if err != nil {
		return nil, err
	}
	entry.Cites = s.Cite
	return entry, nil
}
