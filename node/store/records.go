package store

import (
	"bytes"
	"errors"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
)

// Place is where a record lies among all: Records and RecordsAfter go in its order.
func Place(collection string, id crdt.RecordID) []byte { return Row(collection, id[:]) }

// Record is a record, nil where nothing of it is stored.
func (t *Tx) Record(collection string, id crdt.RecordID) (*crdt.Record, error) {
	k, err := t.recordsKey(Place(collection, id))
	if err != nil {
		return nil, err
	}
	b, err := t.Get(k)
	if err != nil || b == nil {
		return nil, err
	}
	r, err := decodeRecord(id, b)
	if err != nil {
		t.store.noteValue(k)
	}
	return r, err
}

func decodeRecord(id crdt.RecordID, b []byte) (*crdt.Record, error) {
	r, err := wire.DecodeRecord(b)
	if err != nil {
		return nil, node.Errorf(node.Damaged, "Bản ghi %v bị hỏng: %w", "record %v is damaged: %w", id, err)
	}
	if r.Ref.ID() != id {
		return nil, node.Errorf(node.Damaged, "Bản ghi %v bị hỏng: nó mang tên khác.", "record %v is damaged: it names another record", id)
	}
	return r, nil
}

// PutRecord writes a record.
func (t *Tx) PutRecord(r *crdt.Record) error {
	b, err := wire.EncodeRecord(r)
	if err != nil {
		return err
	}
	k, err := t.recordsKey(Place(r.Collection, r.Ref.ID()))
	if err != nil {
		return err
	}
	return t.Put(k, b)
}

// DeleteRecord takes a record away that compaction has forgotten.
func (t *Tx) DeleteRecord(r *crdt.Record) error {
	k, err := t.recordsKey(Place(r.Collection, r.Ref.ID()))
	if err != nil {
		return err
	}
	return t.Delete(k)
}

// Records calls f with every record of a collection.
func (t *Tx) Records(collection string, f func(*crdt.Record) error) error {
	return t.walk(Scan{Prefix: Row(collection)}, func(r *crdt.Record) (bool, error) { return true, f(r) })
}

// RecordsAfter gives the next n records of all collections past a Place; nil begins.
func (t *Tx) RecordsAfter(at []byte, n int) (records []*crdt.Record, err error) {
	err = t.walk(Scan{After: at}, func(r *crdt.Record) (bool, error) {
		records = append(records, r)
		return len(records) < n, nil
	})
	return records, err
}

// Places calls f with the Place of every record past one; nil begins. It reads no
// record, so that one that is damaged stops nobody.
func (t *Tx) Places(after []byte, f func(place []byte) (bool, error)) error {
	s, err := t.recordScan(Scan{After: after})
	if err != nil {
		return err
	}
	return t.Scan(s, func(k, _ []byte) (bool, error) { return f(k[generationKey:]) })
}

func (t *Tx) recordScan(s Scan) (Scan, error) {
	head, err := t.recordsKey(nil)
	if err != nil {
		return s, err
	}
	s.Prefix = append(bytes.Clone(head), s.Prefix...)
	if s.After != nil {
		s.After = append(bytes.Clone(head), s.After...)
	}
	return s, nil
}

func (t *Tx) walk(s Scan, f func(*crdt.Record) (bool, error)) error {
	s, err := t.recordScan(s)
	if err != nil {
		return err
	}
	s.Values = true
	return t.Scan(s, func(k, v []byte) (bool, error) {
		id, err := IDOf(k)
		if err != nil {
			return false, err
		}
		r, err := decodeRecord(id, v)
		if err != nil {
			return false, err
		}
		return f(r)
	})
}

// Sound calls f with every record of a collection that can be read, and skip with
// the place of every one that can't. What f returns ends it.
func (t *Tx) Sound(collection string, f func(*crdt.Record) error, skip func(place []byte, err error)) error {
	last := Row(collection)
	for {
		var stopped error
		err := t.walk(Scan{Prefix: Row(collection), After: last}, func(r *crdt.Record) (bool, error) {
			last = Place(collection, r.Ref.ID())
			stopped = f(r)
			return stopped == nil, nil
		})
		if stopped != nil || node.CodeOf(err) != node.Damaged {
			return errors.Join(stopped, err)
		}
		var bad []byte
		err2 := t.Places(last, func(place []byte) (bool, error) {
			bad = bytes.Clone(place)
			return false, nil
		})
		if err2 != nil {
			return err2
		}
		if !bytes.HasPrefix(bad, Row(collection)) {
			return err
		}
		skip(bad, err)
		last = bad
	}
}
