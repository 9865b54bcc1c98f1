package engine

import (
	"bytes"
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

// dismissed stands before an item that a person has taken off the list. The item stays
// as long as its entry: what came too late doesn't count when it is merged again.
var dismissed = []byte{0} // no item begins so

// late says whether an operation comes too late to create its record. What was noted
// as late stays so, and where entries are merged again nothing else is: whether its
// record was there when it came can't be seen any more.
func (b *batch) late(r *crdt.Record, entry *crdt.Entry, i int) (bool, error) {
	if entry.Makes(i) {
		return false, nil
	}
	if b.floor == nil {
		noted, err := b.notedLate(entry, i)
		if noted || b.again || err != nil {
			return noted, err
		}
	}
	if len(r.Cells) > 0 {
		return false, nil
	}
	late, err := b.comesLate(entry, i)
	if late {
		b.lates = append(b.lates, written{entry, i})
	}
	return late, err
}

// comesLate judges it. Only a device that holds all that lies at or below the floor
// may say that the record was deleted.
func (b *batch) comesLate(entry *crdt.Entry, i int) (bool, error) {
	if b.floor != nil {
		return entry.Late(i, b.floor), nil
	}
	a := b.now.of(entry.Log.Scope)
	installed, err := snapshotFloor(b.tx)
	if err != nil {
		return false, err
	}
	for _, floor := range [][]crdt.Pos{a.Passed(), installed} {
		if !entry.Late(i, floor) {
			continue
		}
		if late, err := b.reaches(a, floor); late || err != nil {
			return late, err
		}
	}
	return false, nil
}

// lateName is what the item of an operation is called: by where its entry lies.
func (b *batch) lateName(entry *crdt.Entry, i int) (at crdt.Pos, name string, err error) {
	l, err := b.now.forks.place(b.log, entry.Log, entry.Seq)
	if err != nil {
		return at, "", err
	}
	return crdt.Pos{Log: l.ID, Seq: entry.Seq}, lateNameAt(l.ID, entry, i), nil
}

func lateNameAt(lies crdt.LogID, entry *crdt.Entry, i int) string {
	return fmt.Sprintf("%v/%016x/%04x", lies, entry.Seq, i)
}

func (b *batch) notedLate(entry *crdt.Entry, i int) (bool, error) {
	item, err := b.lateItem(entry, i)
	return item != nil, err
}

// lateItem is the item of an operation, also one that was dismissed; nil where there
// is none.
func (b *batch) lateItem(entry *crdt.Entry, i int) ([]byte, error) {
	at, _, err := b.lateName(entry, i)
	if err != nil {
		return nil, err
	}
	return lateItemAt(b.tx, at.Log, entry, i)
}

func lateItemAt(tx *store.Tx, lies crdt.LogID, entry *crdt.Entry, i int) ([]byte, error) {
	if entry.Makes(i) {
		return nil, nil
	}
	return tx.Local(localLate, lateNameAt(lies, entry, i))
}

// dropLates takes the items of an entry away that goes itself.
func (b *batch) dropLates(entry *crdt.Entry) error {
	for i := range entry.Ops {
		item, err := b.lateItem(entry, i)
		if err != nil {
			return err
		}
		if item == nil {
			continue
		}
		_, name, err := b.lateName(entry, i)
		if err != nil {
			return err
		}
		if err := b.tx.DeleteLocal(localLate, name); err != nil {
			return err
		}
	}
	return nil
}

// noteLate shows an operation to a person, unless someone has looked at it before.
func (b *batch) noteLate(entry *crdt.Entry, i int) error {
	if noted, err := b.notedLate(entry, i); noted || err != nil {
		return err
	}
	at, name, err := b.lateName(entry, i)
	if err != nil {
		return err
	}
	pos, err := wire.EncodePositions([]crdt.Pos{at})
	if err != nil {
		return err
	}
	op := &entry.Ops[i]
	raw, err := wire.Marshal(lateItem{Collection: op.Collection, Record: op.Record.ID(), Entry: pos, Index: uint16(i)})
	if err != nil {
		return err
	}
	return b.tx.PutLocal(localLate, name, raw)
}

// lateItems calls f with the items that nobody has looked at yet.
func lateItems(tx *store.Tx, f func(name string, b []byte) error) error {
	return tx.Locals(localLate, func(name string, b []byte) error {
		if bytes.HasPrefix(b, dismissed) {
			return nil
		}
		return f(name, b)
	})
}

// noteLates notes what came too late for the snapshot's records, and strikes off what
// was noted of records that are there: it is in them.
func (s *snapshot) noteLates(tx *store.Tx) error {
	if len(s.floor) == 0 {
		return nil
	}
	b, err := s.batch(tx)
	if err != nil {
		return err
	}
	var gone []string
	err = tx.Locals(localLate, func(name string, raw []byte) error {
		var item lateItem
		if err := wire.Unmarshal(bytes.TrimPrefix(raw, dismissed), store.MaxValue, &item); err != nil {
			return fmt.Errorf("a late operation: %w", err)
		}
		there, err := b.tx.HasRecord(item.Collection, item.Record)
		if there {
			gone = append(gone, name)
		}
		return err
	})
	for _, name := range gone {
		err = errors.Join(err, tx.DeleteLocal(localLate, name))
	}
	for _, op := range s.lates {
		err = errors.Join(err, b.noteLate(op.entry, op.index))
	}
	return err
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
		return lateItems(tx, func(_ string, b []byte) error {
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
