package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
)

// storedErasure is the form in which orders are kept, number 2.
type storedErasure struct {
	_      struct{} `cbor:",toarray"`
	Form   uint8
	Number string
	AtMS   int64
	Ops    []storedErasedOp
}

type storedErasedOp struct {
	_     struct{} `cbor:",toarray"`
	Op    plainErasedOp
	Entry crdt.Hash
}

// plainErasure is form 1: of orders none of which names an entry by its hash.
type plainErasure struct {
	_      struct{} `cbor:",toarray"`
	Number string
	AtMS   int64
	Ops    []plainErasedOp
}

type plainErasedOp struct {
	_           struct{} `cbor:",toarray"`
	Device      crdt.Device
	Incarnation crdt.Incarnation
	Scope       crdt.Scope
	Class       crdt.Class
	Seq         uint64
	Index       uint16
	Collection  string
	Record      crdt.RecordID
}

const erasureForm = 2

func (o ErasedOp) plain() plainErasedOp {
	return plainErasedOp{
		Device: o.Device, Incarnation: o.Incarnation, Scope: o.Scope, Class: o.Class,
		Seq: o.Seq, Index: o.Index, Collection: o.Collection, Record: o.Record,
	}
}

func (o plainErasedOp) of(entry crdt.Hash) ErasedOp {
	return ErasedOp{
		Device: o.Device, Incarnation: o.Incarnation, Scope: o.Scope, Class: o.Class,
		Seq: o.Seq, Index: o.Index, Entry: entry, Collection: o.Collection, Record: o.Record,
	}
}

// encodeErasure gives an order the oldest form that says all of it: so one that is kept
// already keeps its name.
func encodeErasure(er Erasure) ([]byte, error) {
	hashed := storedErasure{Form: erasureForm, Number: er.Number, AtMS: er.AtMS}
	plain := plainErasure{Number: er.Number, AtMS: er.AtMS}
	for _, o := range er.Ops {
		hashed.Ops = append(hashed.Ops, storedErasedOp{Op: o.plain(), Entry: o.Entry})
		plain.Ops = append(plain.Ops, o.plain())
	}
	if slices.ContainsFunc(er.Ops, func(o ErasedOp) bool { return o.Entry != crdt.Hash{} }) {
		return wire.Marshal(hashed)
	}
	return wire.Marshal(plain)
}

func decodeErasure(b []byte) (er Erasure, err error) {
	var plain plainErasure
	if wire.Unmarshal(b, store.MaxValue, &plain) == nil {
		er.Number, er.AtMS = plain.Number, plain.AtMS
		for _, o := range plain.Ops {
			er.Ops = append(er.Ops, o.of(crdt.Hash{}))
		}
		return er, nil
	}
	var hashed storedErasure
	if err := wire.Unmarshal(b, store.MaxValue, &hashed); err != nil {
		return er, err
	}
	if hashed.Form != erasureForm {
		return er, fmt.Errorf("an order to erase of form %d, which this build doesn't know", hashed.Form)
	}
	er.Number, er.AtMS = hashed.Number, hashed.AtMS
	for _, o := range hashed.Ops {
		er.Ops = append(er.Ops, o.Op.of(o.Entry))
	}
	return er, nil
}

func (e *Engine) noteErasure(er Erasure, state byte) error {
	b, err := encodeErasure(er)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(b)
	err = e.cfg.Store.Update(func(tx *store.Tx) error {
		return tx.PutLocal(localErasure, hex.EncodeToString(sum[:]), append([]byte{state}, b...))
	})
	if err != nil {
		return fmt.Errorf("keep an order to erase: %w", err)
	}
	return nil
}

// opAt is an operation of an entry as it was written.
func opAt(p crdt.Pos, index uint16, entry crdt.Hash) ErasedOp {
	return ErasedOp{
		Device: p.Log.Device, Incarnation: p.Log.Incarnation, Scope: p.Log.Scope, Class: p.Log.Class,
		Seq: p.Seq, Index: index, Entry: entry,
	}
}

// lying is where the entry of an operation lies; nil where it isn't held. Of what was
// compacted the hash is known past a fork alone: below it there is one history.
func (e *Engine) lying(tx *store.Tx, log logAt, f *forks, o ErasedOp) (*store.Log, error) {
	lies := []crdt.LogID{o.log()}
	if _, forked := f.written(o.log()); forked {
		lies = f.lies(o.log())
	}
	var damage error
	for _, id := range lies {
		l, err := log(id)
		if err != nil {
			return nil, err
		}
		switch {
		case o.Seq > l.Head.Seq || o.Seq <= base(*l):
			continue
		case o.Seq <= l.Dropped.Seq:
			hash, _, err := f.hashHeld(tx, *l, o.Seq)
			if err != nil || hash == o.Entry || hash == (crdt.Hash{}) || o.Entry == (crdt.Hash{}) && f.ordinary(id, o.Seq) {
				return l, err
			}
			continue
		case o.Entry == crdt.Hash{}:
			if f.ordinary(id, o.Seq) {
				return l, nil
			}
			continue
		}
		hash, known, err := knownHash(tx, *l, o.Seq)
		if err != nil {
			return nil, err
		}
		if known && hash == o.Entry {
			return l, nil
		}
		if !known {
			damage = node.Errorf(node.Damaged, "Mục %d của nhật ký %v bị hỏng.", "entry %d of log %v is damaged", o.Seq, id)
		}
	}
	return nil, damage
}

// target is an operation by the names of today.
type target struct {
	dot    crdt.Dot
	record recordName
}

// today finds an operation, if its entry is held or was compacted here.
func (e *Engine) today(tx *store.Tx, log logAt, under authorities, o ErasedOp) (at target, held bool, err error) {
	l, err := e.lying(tx, log, under.forks, o)
	if err != nil || l == nil {
		return at, false, err
	}
	name := under.forks.nameAt(l.ID, o.Seq)
	at = target{crdt.Dot{Log: name, Seq: o.Seq, Index: o.Index}, o.record()}
	if o.Seq <= l.Dropped.Seq {
		return at, true, nil
	}
	entry, err := e.entryUnder(tx, *l, o.Seq, under)
	if node.CodeOf(err) == node.Damaged {
		return at, true, nil
	}
	if err == nil && o.Entry == (crdt.Hash{}) {
		written, err := e.carried(tx, *l, o.Seq)
		if err != nil || !o.may(under.forks, l.ID, written) {
			return at, false, err
		}
	}
	if err == nil && int(o.Index) < len(entry.Ops) {
		at.record = recordName{entry.Ops[o.Index].Collection, entry.Ops[o.Index].Record.ID()}
	}
	return at, err == nil, err
}

// ErasureOf is the order that takes away all that was ever written into fields of a
// record, as far as it is held here; no fields: all of them. What a source said of
// the record goes too: from its digest a short number could be guessed. Of what was
// compacted that is what still stands in the record. Where something of it can't be read
// an order would be incomplete, and nobody would see it: then it is node.Unavailable.
func (e *Engine) ErasureOf(_ context.Context, number, collection string, id crdt.RecordID, fields ...string) (Erasure, error) {
	er := Erasure{Number: number, AtMS: e.nowMS()}
	c, known := e.cfg.Pack.Collection(collection)
	if !known {
		return er, notFound()
	}
	ids := map[uint32]bool{fieldSource: true}
	for _, name := range fields {
		f, ok := c.Field(name)
		if !ok {
			return er, unknownField(name)
		}
		ids[f.ID] = true
	}
	asked := func(field uint32) bool {
		return field != crdt.FieldExistence && (len(fields) == 0 || ids[field])
	}
	err := e.cfg.Store.View(func(tx *store.Tx) error { return e.nameAll(tx, &er, recordName{collection, id}, asked) })
	if err == nil && len(er.Ops) == 0 {
		err = notFound()
	}
	if err != nil {
		return er, err
	}
	return e.widen(er)
}

// nameAll adds to an order what wrote fields of a record: by its entries, and where
// they were compacted, by what stands in it.
func (e *Engine) nameAll(tx *store.Tx, er *Erasure, name recordName, asked func(field uint32) bool) error {
	ops, damaged, err := e.operations(tx, name)
	if err == nil && damaged {
		err = node.Errorf(node.Unavailable,
			"Có mục nhật ký của hồ sơ này không đọc được nên lệnh xoá sẽ thiếu. Hãy đồng bộ hoặc chạy `vungxa repair` rồi ra lệnh lại.",
			"an entry that wrote this record can't be read, so an order to erase would be incomplete; sync, or run `vungxa repair`, and order it again")
	}
	if err != nil {
		return err
	}
	named := map[crdt.Dot]bool{}
	for _, w := range ops {
		named[w.dot()] = true
		if asked(w.op().Field) {
			er.Ops = append(er.Ops, w.erased(name))
		}
	}
	r, err := tx.Record(name.collection, name.id)
	if err != nil || r == nil {
		return err
	}
	forks := e.authorities().forks
	stands := func(field uint32, c crdt.Cell) {
		for _, w := range c.Writes {
			if asked(field) && !named[w.Dot] {
				written, _ := forks.written(w.Dot.Log)
				o := opAt(crdt.Pos{Log: written, Seq: w.Dot.Seq}, w.Dot.Index, crdt.Hash{})
				o.Collection, o.Record = name.collection, name.id
				er.Ops = append(er.Ops, o)
			}
		}
	}
	for _, field := range slices.Sorted(maps.Keys(r.Cells)) {
		stands(field, r.Cells[field])
	}
	for _, field := range slices.Sorted(maps.Keys(r.Sets)) {
		for _, elem := range slices.Sorted(maps.Keys(r.Sets[field])) {
			stands(field, r.Sets[field][elem])
		}
	}
	return nil
}

// operation is one that is held, under its name of today, and where its entry is.
type operation struct {
	written
	at   crdt.Pos // as it was written
	hash crdt.Hash
}

func (o operation) dot() crdt.Dot { return o.entry.Dot(o.index) }

func (o operation) erased(name recordName) ErasedOp {
	out := opAt(o.at, uint16(o.index), o.hash)
	out.Collection, out.Record = name.collection, name.id
	return out
}

// operations are those of all entries held that write a record; damaged says that some
// can't be read.
func (e *Engine) operations(tx *store.Tx, name recordName) (ops []operation, damaged bool, err error) {
	under := e.authorities()
	err = tx.History(name.id, func(l store.Log, seq uint64) (bool, error) {
		entry, err := e.entryUnder(tx, l, seq, under)
		if errors.Is(err, store.ErrDropped) {
			return true, nil // what is dropped is about to be swept
		}
		if node.CodeOf(err) == node.Damaged {
			damaged = true
			return true, nil
		}
		if err != nil {
			return false, err
		}
		hash, err := tx.HashAt(l, seq)
		if err != nil {
			return false, err
		}
		log, _ := under.forks.written(l.ID)
		for i := range entry.Ops {
			if op := &entry.Ops[i]; op.Collection == name.collection && op.Record.ID() == name.id {
				ops = append(ops, operation{written{entry, i}, crdt.Pos{Log: log, Seq: seq}, hash})
			}
		}
		return true, nil
	})
	return ops, damaged, err
}

// widen adds to an order what its operations on sets have replaced: without their
// payloads they take nothing out any more, and it would be back. What hasn't come yet
// can't be named: then the error is node.Unavailable.
func (e *Engine) widen(er Erasure) (Erasure, error) {
	var missing []crdt.Pos
	err := e.cfg.Store.View(func(tx *store.Tx) error {
		orders := map[recordName][]crdt.Dot{}
		for _, o := range er.Ops {
			at, held, err := e.today(tx, logsOf(tx), e.authorities(), o)
			if err != nil && node.CodeOf(err) != node.Damaged {
				return err
			}
			if held {
				orders[at.record] = append(orders[at.record], at.dot)
			}
		}
		for name, order := range orders {
			more, err := e.widenIn(tx, &er, name, order)
			if err != nil {
				return err
			}
			missing = append(missing, more...)
		}
		return nil
	})
	if err == nil && len(missing) > 0 {
		err = node.Errorf(node.Unavailable,
			"Lệnh xoá có mục của nhật ký %v chưa về tới máy này. Hãy đồng bộ rồi ra lệnh lại, kẻo nội dung đã bỏ hiện lại.",
			"the order takes out something of log %v that hasn't come to this device yet; sync and order it again, or what was taken out would be shown again", missing[0].Log)
	}
	return er, err
}

// widenIn widens an order by what is held of one record; order is what it names there.
func (e *Engine) widenIn(tx *store.Tx, er *Erasure, name recordName, order []crdt.Dot) (missing []crdt.Pos, err error) {
	ops, _, err := e.operations(tx, name)
	if err != nil {
		return nil, err
	}
	var entries []*crdt.Entry
	for _, w := range ops {
		if !slices.Contains(entries, w.entry) {
			entries = append(entries, w.entry)
		}
	}
	under := e.authorities()
	var failed error
	all, missing := under.of(order[0].Log.Scope).Widen(entries, order, heldIn(tx, under.forks, &failed))
	for _, dot := range all {
		if slices.Contains(order, dot) {
			continue
		}
		i := slices.IndexFunc(ops, func(o operation) bool { return o.dot() == dot })
		er.Ops = append(er.Ops, ops[i].erased(name))
	}
	return missing, failed
}
