package engine

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
)

// Waiting is how much waits for a person, each kind counted no further than it was
// asked for.
type Waiting struct{ Conflicts, Edited, Late int }

// Waiting counts what waits, from index rows: it costs at most limit of each kind,
// whatever is stored.
func (e *Engine) Waiting(limit int) (w Waiting, err error) {
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		for _, c := range e.cfg.Pack.Collections {
			for kind, n := range map[byte]*int{indexConflict: &w.Conflicts, indexEdited: &w.Edited} {
				err := tx.ScanRows(store.Scan{Prefix: store.Row(c.ID, []byte{kind})}, func([]byte) (bool, error) {
					if *n < limit {
						*n++
					}
					return *n < limit, nil
				})
				if err != nil {
					return err
				}
			}
		}
		return e.lates(tx, "", func(lateSave) (bool, error) {
			w.Late++
			return w.Late < limit, nil
		})
	})
	return w, err
}

// EditedRecord is a record that was edited by someone who didn't know of its
// deletion, with what stands in it.
type EditedRecord struct {
	InboxItem
	View     *View
	Deletion Deletion
}

// Edited is a part of the records that were edited after their deletion, from cursor
// on, and the cursor of what follows; empty at the end.
func (e *Engine) Edited(_ context.Context, cursor string, limit int) (items []EditedRecord, next string, err error) {
	after, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return nil, "", node.Errorf(node.Invalid, "Dấu trang không đọc được.", "the cursor can't be read")
	}
	var last []byte
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		for _, c := range e.cfg.Pack.Collections {
			scan := store.Scan{Prefix: store.Row(c.ID, []byte{indexEdited})}
			if len(after) > 0 {
				if !bytes.HasPrefix(after, scan.Prefix) {
					continue // told before
				}
				scan.After, after = after, nil
			}
			err := tx.ScanRows(scan, func(row []byte) (bool, error) {
				if len(items) == limit {
					next = base64.RawURLEncoding.EncodeToString(last)
					return false, nil
				}
				last = bytes.Clone(row)
				item, err := e.editedItem(tx, c.ID, row)
				if err != nil && node.CodeOf(err) != node.Damaged {
					return false, err
				}
				edited, err := e.edited(tx, item)
				items = append(items, edited)
				return true, err
			})
			if err != nil || next != "" {
				return err
			}
		}
		return nil
	})
	return items, next, err
}

func (e *Engine) edited(tx *store.Tx, item InboxItem) (out EditedRecord, err error) {
	out.InboxItem = item
	if out.View, err = e.listed(tx, item.Collection, item.Record); err != nil || out.View.Damaged {
		return out, err
	}
	r, err := tx.Record(item.Collection, item.Record)
	if err == nil {
		out.Deletion = deletionOf(r)
	}
	return out, err
}

// LateSave is what one Save would have written of a record that had been deleted
// everywhere: the Save is kept, and the record isn't created again.
type LateSave struct {
	InboxItem
	ID    string // what Dismiss takes
	Wrote []Said // empty where its entry is no longer held
}

// Late is a part of the Saves that came too late, from cursor on, and the cursor of
// what follows; empty at the end.
func (e *Engine) Late(_ context.Context, cursor string, limit int) (items []LateSave, next string, err error) {
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		return e.lates(tx, cursor, func(s lateSave) (bool, error) {
			if len(items) == limit {
				next = items[limit-1].ID
				return false, nil
			}
			item, err := e.lateSave(tx, s)
			items = append(items, item)
			return true, err
		})
	})
	return items, next, err
}

// Dismiss takes a Save that came too late off the list of this device; its entry
// stays until it is compacted. node.NotFound if it isn't there. So it takes off what is
// refused.
func (e *Engine) Dismiss(id string) error {
	if strings.HasPrefix(id, localRefused+".") {
		return e.dismissRefused(id)
	}
	e.write.Lock()
	defer e.write.Unlock()
	found := false
	err := e.cfg.Store.Update(func(tx *store.Tx) error {
		var done lateSave
		err := e.lates(tx, "", func(s lateSave) (bool, error) {
			if s.id() == id {
				done, found = s, true
			}
			return !found, nil
		})
		for _, name := range done.names {
			if err == nil {
				err = dismiss(tx, name)
			}
		}
		return err
	})
	if err == nil && !found {
		return node.Errorf(node.NotFound, "Việc này không còn trong danh sách.", "this is no longer on the list")
	}
	if err == nil {
		e.announce()
	}
	return err
}

func dismiss(tx *store.Tx, name string) error {
	item, err := tx.Local(localLate, name)
	if err != nil {
		return err
	}
	return tx.PutLocal(localLate, name, append(bytes.Clone(dismissed), item...))
}

// lateSave is the items of one Save about one record.
type lateSave struct {
	entry string // what their names begin with
	item  lateItem
	names []string
	ops   []uint16
}

func (s lateSave) id() string {
	return base64.RawURLEncoding.EncodeToString([]byte(s.entry)) + "." + s.item.Record.String()
}

var errEnough = errors.New("enough")

// lates calls f with the late Saves behind the one of that id, until it says false.
// Their items lie by name: log, seq, index.
func (e *Engine) lates(tx *store.Tx, after string, f func(lateSave) (bool, error)) error {
	var of []lateSave // of one entry, by record
	from, _, _ := strings.Cut(after, ".")
	begin, err := base64.RawURLEncoding.DecodeString(from)
	if err != nil {
		return node.Errorf(node.Invalid, "Dấu trang không đọc được.", "the cursor can't be read")
	}
	passed := after == ""
	tell := func() error {
		for _, s := range of {
			if !passed && s.entry <= string(begin) { // the one named may be gone since
				passed = s.id() == after
				continue
			}
			more, err := f(s)
			if err != nil {
				return err
			}
			if !more {
				return errEnough
			}
		}
		of = nil
		return nil
	}
	err = lateItems(tx, func(name string, b []byte) error {
		entry := name[:max(0, strings.LastIndexByte(name, '/'))]
		if len(of) > 0 && of[0].entry != entry {
			if err := tell(); err != nil {
				return err
			}
		}
		var item lateItem
		if err := wire.Unmarshal(b, store.MaxValue, &item); err != nil {
			return err
		}
		of = joinLate(of, entry, name, item)
		return nil
	})
	if err == nil {
		err = tell()
	}
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

func joinLate(of []lateSave, entry, name string, item lateItem) []lateSave {
	for i := range of {
		if of[i].item.Record == item.Record && of[i].item.Collection == item.Collection {
			of[i].names, of[i].ops = append(of[i].names, name), append(of[i].ops, item.Index)
			return of
		}
	}
	return append(of, lateSave{entry, item, []string{name}, []uint16{item.Index}})
}

func (e *Engine) lateSave(tx *store.Tx, s lateSave) (LateSave, error) {
	out := LateSave{InboxItem: InboxItem{Kind: InboxLate, Collection: s.item.Collection, Record: s.item.Record}, ID: s.id()}
	at, err := wire.DecodePositions(s.item.Entry)
	if err != nil || len(at) != 1 {
		return out, errors.Join(errors.New("a late operation: its entry's place"), err)
	}
	l, err := tx.Log(at[0].Log)
	if err != nil {
		return out, err
	}
	entry, err := e.entry(tx, l, at[0].Seq)
	if errors.Is(err, store.ErrDropped) || node.CodeOf(err) == node.Damaged {
		return out, nil
	}
	if err != nil {
		return out, err
	}
	out.Officer, out.Device, out.AtMS = entry.Officer, entry.Log.Device, entry.Stamp.Millis()
	c, known := e.cfg.Pack.Collection(s.item.Collection)
	for _, i := range s.ops {
		if int(i) >= len(entry.Ops) {
			continue
		}
		if op := &entry.Ops[i]; known && op.Field != crdt.FieldExistence {
			out.Wrote = append(out.Wrote, said(c, op))
		}
	}
	return out, nil
}
