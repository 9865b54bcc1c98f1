package engine

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
)

// records compares every record with its entries, and looks for its index rows.
func (v *verifier) records() error {
	return v.tx.Places(nil, func(place []byte) (bool, error) {
		id, err := store.IDOf(place)
		if err != nil {
			return false, err
		}
		return true, firstError(v.ctx.Err, func() error { return v.record(recordName{collectionOf(place), id}) })
	})
}

func (v *verifier) record(name recordName) error {
	r, err := v.tx.Record(name.collection, name.id)
	if node.CodeOf(err) == node.Damaged {
		v.report(Finding{Kind: Unreadable, Place: placeOf(name), Do: doRecompute})
		return nil
	}
	if err != nil || r == nil {
		return err
	}
	merged, err := v.merged(name, r)
	switch {
	case node.CodeOf(err) == node.Damaged:
		// An entry of it can't be read, which has been reported: nothing to compare with.
	case err != nil:
		return err
	case merged == nil:
		v.report(Finding{Kind: RecordExtra, Place: placeOf(name), Do: doRecompute})
	default:
		same, err := v.alike(r, merged)
		if err != nil {
			return err
		}
		if !same {
			v.report(Finding{Kind: RecordWrong, Place: placeOf(name), Do: doRecompute})
		}
	}
	read, err := v.engine.read(v.tx, r)
	if err != nil {
		return err
	}
	return v.rowsOf(name, read)
}

// rowsOf looks for the index rows that a record should have.
func (v *verifier) rowsOf(name recordName, read reading) error {
	v.shown[name.collection] += shown(read)
	if v.made == nil {
		return nil
	}
	missing := false
	for _, row := range v.made.shared(v.engine.parts, read.keys) {
		has, err := v.tx.HasRow(row)
		if err != nil && node.CodeOf(err) != node.Damaged {
			return err
		}
		if has {
			v.rows[name.collection]++
		}
		missing = missing || !has
	}
	if missing {
		v.report(Finding{Kind: RowMissing, Place: placeOf(name), Do: doReindex})
	}
	return nil
}

// index compares the number of rows with those that should be there, and looks at
// each only where there are more.
func (v *verifier) index() error {
	if v.made == nil {
		return nil
	}
	there := map[string]uint64{}
	err := v.eachRow(func(row []byte) error {
		there[collectionOf(row)]++
		return nil
	})
	if err != nil {
		return err
	}
	for _, collection := range slices.Sorted(maps.Keys(there)) {
		if there[collection] == v.rows[collection] {
			continue
		}
		if err := v.extraRows(collection); err != nil {
			return err
		}
	}
	return v.counts()
}

// eachRow calls f with every row of a part that the index and today's pack have
// alike. The others are removed with their generation.
func (v *verifier) eachRow(f func(row []byte) error) error {
	unreadable := func([]byte) bool {
		v.report(Finding{Kind: Unreadable, Place: "index", Do: doReindex})
		return true
	}
	return v.tx.ScanRows(store.Scan{Damaged: unreadable}, func(row []byte) (bool, error) {
		if store.IsItem(row) || !v.made.has(v.engine.parts, row) {
			return true, v.ctx.Err()
		}
		return true, f(row)
	})
}

func (v *verifier) extraRows(collection string) error {
	return v.eachRow(func(row []byte) error {
		if collectionOf(row) != collection {
			return nil
		}
		id, err := store.IDOf(row)
		if err != nil {
			return err
		}
		r, err := v.tx.Record(collection, id)
		if err != nil && node.CodeOf(err) != node.Damaged {
			return err
		}
		var read reading
		if r != nil {
			if read, err = v.engine.read(v.tx, r); err != nil {
				return err
			}
		}
		if !containsKey(read.keys, row) {
			v.report(Finding{Kind: RowExtra, Place: fmt.Sprintf("index %q of %s", string(kindOf(row)), placeOf(recordName{collection, id})), Do: doReindex})
		}
		return nil
	})
}

func kindOf(row []byte) byte {
	if i := bytes.IndexByte(row, 0) + 1; i < len(row) {
		return row[i]
	}
	return '?'
}

func (v *verifier) counts() error {
	for _, c := range v.engine.cfg.Pack.Collections {
		if !v.made.knows(c) {
			continue
		}
		n, err := count(v.tx, c.ID)
		if err != nil && node.CodeOf(err) != node.Damaged {
			return err
		}
		if err != nil || n != v.shown[c.ID] {
			v.report(Finding{Kind: CountWrong, Place: "index of " + c.ID, Do: doReindex})
		}
	}
	return nil
}

// histories compares the number of history rows with those that entries account
// for, and looks at each only where there are more.
func (v *verifier) histories() error {
	n, err := v.tx.CountHistories()
	if err != nil || n == v.written {
		return err
	}
	return v.tx.Histories(func(id crdt.RecordID, l store.Log, seq uint64) error {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		if seq != 0 && seq <= l.Dropped.Seq {
			return nil // it is swept with its entry
		}
		entry, err := v.engine.entry(v.tx, l, seq)
		if node.CodeOf(err) == node.Damaged {
			entry, err = nil, nil
		}
		if err != nil {
			return err
		}
		if entry == nil || !slices.ContainsFunc(recordsOf(entry), func(name recordName) bool { return name.id == id }) {
			v.report(Finding{Kind: HistoryExtra, Place: fmt.Sprintf("history of %v, log %d entry %d", id, l.Number(), seq), Do: doRecompute})
		}
		return nil
	})
}
