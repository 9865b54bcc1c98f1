package engine

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/schema"
	"github.com/vungxa/vungxa/node/store"
)

// indexDeleted is the kind of the rows of records that are deleted: the moment of the
// deletion as its clock claimed it, so that the newest is found first.
const indexDeleted = 'd'

// Deletion is who deleted a record, of several the newest.
type Deletion struct {
	Officer string
	Device  crdt.Device
	AtMS    int64 // as its device's clock claimed
}

// Deleted is a record that was deleted and isn't forgotten: it can be restored until
// compaction has dropped all of it.
type Deleted struct {
	View // what it said; CreatedMS is 0: the deletion took its place
	Deletion
}

// DeletedPage is a part of the deleted records of a collection.
type DeletedPage struct {
	Items []Deleted
	Total int
	Next  string // cursor of the page after; empty at the end
}

// hiddenKeys is the index rows of a record that isn't shown.
func hiddenKeys(c *schema.Collection, r *crdt.Record, is crdt.Existence) [][]byte {
	switch is {
	case crdt.EditedAfter:
		return [][]byte{store.Row(c.ID, []byte{indexEdited}, idBytes(r))}
	case crdt.Deleted:
		return [][]byte{store.Row(c.ID, []byte{indexDeleted}, momentBytes(newestOfExistence(r).Stamp.Millis()), idBytes(r))}
	}
	return nil
}

func deletionOf(r *crdt.Record) Deletion {
	by := newestOfExistence(r)
	return Deletion{by.Officer, by.Dot.Log.Device, by.Stamp.Millis()}
}

func newestOfExistence(r *crdt.Record) (newest crdt.Write) {
	for _, w := range r.Cells[crdt.FieldExistence].Writes {
		if w.Stamp >= newest.Stamp {
			newest = w
		}
	}
	return newest
}

// Deleted is a page of the records of a collection that are deleted, newest deletion
// first. It costs their number, not that of all records.
func (e *Engine) Deleted(_ context.Context, collection, cursor string, limit int) (page DeletedPage, err error) {
	c, ok := e.cfg.Pack.Collection(collection)
	if !ok {
		return page, notFound()
	}
	if limit < 1 || limit > MaxPage {
		return page, node.Errorf(node.Invalid, "Một trang có từ 1 đến %d hồ sơ.", "a page holds 1 to %d records", MaxPage)
	}
	prefix := store.Row(c.ID, []byte{indexDeleted})
	after, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || (cursor != "" && !bytes.HasPrefix(after, prefix)) {
		return page, node.Errorf(node.Invalid, "Dấu trang không đọc được.", "the cursor can't be read")
	}
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		s := &search{engine: e, tx: tx, c: c}
		if err := s.lookUp(); err != nil {
			return err
		}
		if err := s.current(prefix); err != nil {
			return err
		}
		all, err := s.prefix(indexDeleted)
		if err != nil {
			return err
		}
		page.Total = len(all)
		return e.deletedFrom(tx, c, store.Scan{Prefix: prefix, After: after, Reverse: true}, limit, &page)
	})
	return page, err
}

func (e *Engine) deletedFrom(tx *store.Tx, c *schema.Collection, scan store.Scan, limit int, page *DeletedPage) error {
	if len(scan.After) == 0 {
		scan.After = nil
	}
	var last []byte
	return tx.ScanRows(scan, func(row []byte) (bool, error) {
		if len(page.Items) == limit {
			page.Next = base64.RawURLEncoding.EncodeToString(last)
			return false, nil
		}
		id, err := store.IDOf(row)
		if err != nil {
			return false, err
		}
		last = bytes.Clone(row)
		d, err := e.deleted(tx, c, id)
		if node.CodeOf(err) == node.Damaged {
			d, err = &Deleted{View: View{ID: id, Collection: c.ID, Damaged: true, Values: map[string]any{}}}, nil
		}
		if err != nil {
			return false, err
		}
		page.Items = append(page.Items, *d)
		return true, nil
	})
}

// DeletedRecord is one record that is deleted, or was edited since, as it was;
// node.NotFound if it isn't.
func (e *Engine) DeletedRecord(_ context.Context, collection string, id crdt.RecordID) (d *Deleted, err error) {
	c, ok := e.cfg.Pack.Collection(collection)
	if !ok {
		return nil, notFound()
	}
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		d, err = e.deleted(tx, c, id)
		return err
	})
	return d, err
}

func (e *Engine) deleted(tx *store.Tx, c *schema.Collection, id crdt.RecordID) (*Deleted, error) {
	r, err := tx.Record(c.ID, id)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, notFound()
	}
	x := e.reader(tx, r, e.authorities())
	is, _ := x.existence()
	if is != crdt.Deleted && is != crdt.EditedAfter {
		return nil, cmp.Or(x.err, notFound())
	}
	seen, err := version(r)
	if err != nil {
		return nil, err
	}
	d := &Deleted{
		View:     View{ID: id, Collection: c.ID, Version: seen, Values: map[string]any{}, Edited: is == crdt.EditedAfter, Tick: e.recordTick(r)},
		Deletion: deletionOf(r),
	}
	d.readDeleted(x, c)
	d.dates(r)
	d.CreatedMS = 0
	return d, x.err
}
