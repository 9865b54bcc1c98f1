package engine

import (
	"errors"
	"maps"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
)

// touch is what a fork touches: the places of records, and the history rows that change.
// It is all that is kept of what was looked at.
type touch struct {
	engine    *Engine
	tx        *store.Tx
	old, now  authorities
	records   map[string]bool
	seen      map[crdt.Pos]bool // in this piece
	add, drop []historyRow
}

// lookEntries is how many entries, or records, one look is at.
const lookEntries = 256

// piece looks at some of it, and lets saves go.
func (t *touch) piece(look func() error) error {
	t.seen = map[crdt.Pos]bool{}
	err := t.engine.cfg.Store.View(func(tx *store.Tx) error {
		t.tx = tx
		return look()
	})
	t.engine.write.rest()
	return err
}

// look finds what may be called otherwise, or wait otherwise, under now than under old:
// the records that entries of a log write from where it parts on, under any of their
// names, and those that wait for such entries.
func (t *touch) look(written crdt.LogID) error {
	since := t.now.forks.since(written)
	if err := t.piece(func() error { return t.waiting(written, since) }); err != nil {
		return err
	}
	for _, lies := range t.now.forks.lies(written) {
		for from, more := since, true; more; from += lookEntries {
			err := t.piece(func() (err error) {
				more, err = t.entries(lies, from)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	for places := range slices.Chunk(slices.Sorted(maps.Keys(t.records)), lookEntries) {
		if err := t.piece(func() error { return t.others(places, since, written) }); err != nil {
			return err
		}
	}
	return nil
}

func (t *touch) waiting(written crdt.LogID, since uint64) error {
	for name, of := range t.now.forks.names {
		if of != written {
			continue
		}
		places, err := t.tx.Waiting(name, since-1, 1<<64-1)
		if err != nil {
			return err
		}
		for _, p := range places {
			t.records[string(p)] = true
		}
	}
	return nil
}

// entries looks at the next entries of a log from a seq on.
func (t *touch) entries(lies crdt.LogID, from uint64) (more bool, err error) {
	l, err := t.tx.Log(lies)
	if err != nil {
		return false, err
	}
	for seq := max(from, l.Dropped.Seq+1); seq <= min(l.Head.Seq, from+lookEntries-1); seq++ {
		if err := t.entry(l, seq, func(recordName) bool { return true }); err != nil {
			return false, err
		}
	}
	return l.Head.Seq >= from+lookEntries, nil
}

// others looks at the other entries that write records.
func (t *touch) others(places []string, since uint64, written crdt.LogID) error {
	for _, place := range places {
		id, err := store.IDOf([]byte(place))
		if err != nil {
			return err
		}
		err = t.tx.History(id, func(l store.Log, seq uint64) (bool, error) {
			if of, forked := t.now.forks.written(l.ID); forked && of == written && seq >= since {
				return true, nil // it has been looked at
			}
			return true, t.entry(l, seq, func(name recordName) bool {
				return t.records[string(store.Place(name.collection, name.id))]
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// entry notes the records that an entry writes, of those that are asked for.
func (t *touch) entry(l store.Log, seq uint64, asked func(recordName) bool) error {
	if t.seen[crdt.Pos{Log: l.ID, Seq: seq}] {
		return nil
	}
	t.seen[crdt.Pos{Log: l.ID, Seq: seq}] = true
	raw, err := t.engine.carried(t.tx, l, seq)
	if node.CodeOf(err) == node.Damaged || errors.Is(err, store.ErrDropped) {
		return nil
	}
	if err != nil {
		return err
	}
	names := recordsOf(raw)
	var was []recordName
	today, err := t.engine.entryUnder(t.tx, l, seq, t.now)
	if err != nil {
		return err
	}
	if t.old.forks.knows(l.ID) {
		before, err := t.engine.entryUnder(t.tx, l, seq, t.old)
		if err != nil {
			return err
		}
		was = recordsOf(before)
	}
	is := recordsOf(today)
	for _, name := range slices.Concat(names, was, is) {
		if !asked(name) {
			continue
		}
		t.records[string(store.Place(name.collection, name.id))] = true
		row := historyRow{name.id, l.ID, seq}
		switch {
		case !slices.Contains(is, name):
			t.drop = append(t.drop, row)
		case !slices.Contains(was, name):
			t.add = append(t.add, row)
		}
	}
	return nil
}

// knows says whether what lies in a log has a name: a branch that has just come has none
// before.
func (f *forks) knows(lies crdt.LogID) bool {
	if lies.Class&crdt.ClassBranch == 0 {
		return true
	}
	_, known := f.written(lies)
	return known
}
