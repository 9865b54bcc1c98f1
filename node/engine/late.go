package engine

import (
	"errors"
	"fmt"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node/store"
)

// localLate is the kind of the items that name operations which came too late.
const localLate = "late"

// lateItem is an operation on a record that was deleted and forgotten below the
// floor.
type lateItem struct {
	_          struct{} `cbor:",toarray"`
	Collection string
	Record     crdt.RecordID
	Entry      []byte // its position, as wire.EncodePositions gives it
	Index      uint16
}

// late says whether an operation comes too late to create its record. Only a device
// that holds all that lies at or below the floor may judge that it was deleted.
func (b *batch) late(entry *crdt.Entry, i int) bool {
	a := b.now.of(entry.Log.Scope)
	floor := a.Passed()
	if len(floor) == 0 || !entry.Late(i, floor) {
		return false
	}
	for _, p := range floor {
		if l, err := b.log(p.Log); err != nil || l.Head.Seq < p.Seq {
			return false
		}
	}
	return true
}

func (b *batch) noteLate(entry *crdt.Entry, i int) error {
	pos, err := wire.EncodePositions([]crdt.Pos{entry.Pos()})
	if err != nil {
		return err
	}
	op := &entry.Ops[i]
	raw, err := wire.Marshal(lateItem{Collection: op.Collection, Record: op.Record.ID(), Entry: pos, Index: uint16(i)})
	if err != nil {
		return err
	}
	return b.tx.PutLocal(localLate, fmt.Sprintf("%v/%016x/%04x", entry.Log, entry.Seq, i), raw)
}

// InboxKind is why a person has to look at a record that isn't shown.
type InboxKind string

// The kinds.
const (
	InboxEdited InboxKind = "edited" // edited by someone who didn't know of its deletion: restore it, or delete it again
	InboxLate   InboxKind = "late"   // written after it was deleted everywhere: it is not created again
)

// InboxItem is a record that waits for a person.
type InboxItem struct {
	Kind       InboxKind
	Collection string
	Record     crdt.RecordID
	Officer    string // who wrote it; of several the newest
	Device     crdt.Device
	AtMS       int64 // as its device's clock claimed
}

// Inbox is what waits for a person besides conflicts, which Search finds.
func (e *Engine) Inbox() ([]InboxItem, error) {
	var items []InboxItem
	err := e.cfg.Store.View(func(tx *store.Tx) error {
		for _, c := range e.cfg.Pack.Collections {
			err := tx.ScanRows(store.Scan{Prefix: store.Row(c.ID, []byte{indexEdited})}, func(row []byte) (bool, error) {
				item, err := e.editedItem(tx, c.ID, row)
				items = append(items, item)
				return true, err
			})
			if err != nil {
				return err
			}
		}
		return tx.Locals(localLate, func(_ string, b []byte) error {
			item, err := e.lateItem(tx, b)
			items = append(items, item)
			return err
		})
	})
	return items, err
}

func (e *Engine) editedItem(tx *store.Tx, collection string, row []byte) (InboxItem, error) {
	id, err := store.IDOf(row)
	if err != nil {
		return InboxItem{}, err
	}
	item := InboxItem{Kind: InboxEdited, Collection: collection, Record: id}
	r, err := tx.Record(collection, id)
	if err != nil || r == nil {
		return item, err
	}
	x := e.reader(tx, r, e.authorities())
	_, after := x.existence()
	for _, w := range after {
		if ms := w.Stamp.Millis(); ms >= item.AtMS {
			item.Officer, item.Device, item.AtMS = w.Officer, w.Dot.Log.Device, ms
		}
	}
	return item, x.err
}

func (e *Engine) lateItem(tx *store.Tx, b []byte) (InboxItem, error) {
	var s lateItem
	if err := wire.Unmarshal(b, store.MaxValue, &s); err != nil {
		return InboxItem{}, fmt.Errorf("a late operation: %w", err)
	}
	item := InboxItem{Kind: InboxLate, Collection: s.Collection, Record: s.Record}
	at, err := wire.DecodePositions(s.Entry)
	if err != nil || len(at) != 1 {
		return item, fmt.Errorf("a late operation: its entry's place: %w", err)
	}
	l, err := tx.Log(at[0].Log)
	if err != nil {
		return item, err
	}
	entry, err := e.entry(tx, l, at[0].Seq)
	if errors.Is(err, store.ErrDropped) {
		return item, nil
	}
	if err != nil {
		return item, err
	}
	item.Officer, item.Device, item.AtMS = entry.Officer, entry.Log.Device, entry.Stamp.Millis()
	return item, nil
}
