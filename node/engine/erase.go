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

// Erasure is an order by law that what was written is taken away: the payloads of
// the operations that it names, wherever they are. What remains of them is that they
// were, who made them and when; the chains hold as before.
type Erasure struct {
	_      struct{} `cbor:",toarray"`
	Number string   // of the order, for people; no personal data
	AtMS   int64
	Ops    []ErasedOp
}

// ErasedOp names an operation by its dot.
type ErasedOp struct {
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

func (o ErasedOp) log() crdt.LogID {
	return crdt.LogID{Device: o.Device, Incarnation: o.Incarnation, Scope: o.Scope, Class: o.Class}
}

func (o ErasedOp) dot() crdt.Dot { return crdt.Dot{Log: o.log(), Seq: o.Seq, Index: o.Index} }

// localErasure is the kind of the items that keep the orders: their bytes behind a
// byte that says whether they were carried out.
const localErasure = "erasure"

const (
	erasureOrdered byte = 0
	erasureDone    byte = 1
	erasureObeyed  byte = 2 // in records and logs, but not yet by what lies beside them
)

// erasedOps is which operations of which entries are not to be stored, by their
// entry. It is only read and written under Engine.write.
type erasedOps map[crdt.Pos][]int

func (ops erasedOps) add(er Erasure) {
	for _, o := range er.Ops {
		p := crdt.Pos{Log: o.log(), Seq: o.Seq}
		if !slices.Contains(ops[p], int(o.Index)) {
			ops[p] = append(ops[p], int(o.Index))
		}
	}
}

// obey takes out of an entry what was erased, before anything of it is stored.
func (ops erasedOps) obey(entry *crdt.Entry, raw []byte) (*crdt.Entry, []byte, error) {
	indexes := ops[entry.Pos()]
	if len(indexes) == 0 {
		return entry, raw, nil
	}
	erased, err := eraseRaw(raw, indexes)
	if err != nil {
		return nil, nil, err
	}
	without, err := wire.DecodeEntry(erased)
	if err != nil {
		return nil, nil, err
	}
	without.Cites, without.Pins = entry.Cites, entry.Pins
	return without, erased, nil
}

// eraseRaw takes payloads out of an entry in its carried form. Its chain hash stays.
func eraseRaw(raw []byte, indexes []int) ([]byte, error) {
	hash := wire.ChainHash(raw)
	for _, i := range indexes {
		erased, err := wire.EraseOp(raw, i)
		if err != nil {
			return nil, fmt.Errorf("erase operation %d: %w", i, err)
		}
		raw = erased
	}
	if wire.ChainHash(raw) != hash {
		return nil, errors.New("an erased entry has another chain hash")
	}
	return raw, nil
}

// ErasureOf is the order that takes away all that was ever written into fields of a
// record, as far as it is held here; no fields: all of them. What a source said of
// the record goes too: from its digest a short number could be guessed.
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
	var ops []written
	err := e.cfg.Store.View(func(tx *store.Tx) (err error) {
		ops, err = e.written(tx, collection, id)
		return err
	})
	for _, w := range ops {
		op := w.op()
		if op.Field == crdt.FieldExistence || (len(fields) > 0 && !ids[op.Field]) {
			continue
		}
		l := w.entry.Log
		er.Ops = append(er.Ops, ErasedOp{
			Device: l.Device, Incarnation: l.Incarnation, Scope: l.Scope, Class: l.Class,
			Seq: w.entry.Seq, Index: uint16(w.index), Collection: collection, Record: id,
		})
	}
	if err == nil && len(er.Ops) == 0 {
		err = notFound()
	}
	if err != nil {
		return er, err
	}
	return e.widen(er)
}

// widen adds to an order what its operations on sets have replaced: without their
// payloads they take nothing out any more, and it would be back. What hasn't come yet
// can't be named: then the error is node.Unavailable.
func (e *Engine) widen(er Erasure) (Erasure, error) {
	var missing []crdt.Pos
	err := e.cfg.Store.View(func(tx *store.Tx) error {
		records := map[recordName]bool{}
		for _, o := range er.Ops {
			records[recordName{o.Collection, o.Record}] = true
		}
		for name := range records {
			more, err := e.widenIn(tx, &er, name)
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

func (e *Engine) widenIn(tx *store.Tx, er *Erasure, name recordName) (missing []crdt.Pos, err error) {
	ops, err := e.written(tx, name.collection, name.id)
	if err != nil {
		return nil, err
	}
	var entries []*crdt.Entry
	for _, w := range ops {
		if !slices.Contains(entries, w.entry) {
			entries = append(entries, w.entry)
		}
	}
	var order []crdt.Dot
	for _, o := range er.Ops {
		if (recordName{o.Collection, o.Record}) == name {
			order = append(order, o.dot())
		}
	}
	under := e.authorities()
	var failed error
	all, missing := under.of(scopeOf(order)).Widen(entries, order, heldIn(tx, under.forks, &failed))
	for _, dot := range all {
		if !slices.Contains(order, dot) {
			l := dot.Log
			er.Ops = append(er.Ops, ErasedOp{
				Device: l.Device, Incarnation: l.Incarnation, Scope: l.Scope, Class: l.Class,
				Seq: dot.Seq, Index: dot.Index, Collection: name.collection, Record: name.id,
			})
		}
	}
	return missing, failed
}

func scopeOf(order []crdt.Dot) crdt.Scope {
	if len(order) == 0 {
		return ""
	}
	return order[0].Log.Scope
}

// Erase carries an order out, durably, and keeps it: what comes later of what it
// names (from another device, a stick, a backup) is taken away before it is stored.
// Whoever calls it has checked that the order is one. Carrying one out again changes
// nothing. An order counts as carried out when Config.Forget has done its part, too;
// until then each start, and Obey, tries again. What an operation on a set that is named
// has replaced goes with it, as far as it is here. What is damaged, and so shown
// nowhere, is left for Obey: then the error is node.Damaged, behind all the rest.
func (e *Engine) Erase(er Erasure) error {
	e.write.Lock()
	defer e.write.Unlock()
	er, err := e.widen(er)
	if err != nil && node.CodeOf(err) != node.Unavailable {
		return err
	}
	damage, err := e.erase(er)
	if err != nil {
		return err
	}
	if damage != nil {
		return errors.Join(unfinished(er, damage), e.forget())
	}
	return e.forget(er)
}

// unfinished says that an order met what can't be read.
func unfinished(er Erasure, damage error) error {
	return node.Errorf(node.Damaged,
		"Lệnh xoá %s đã được ghi và sẽ thực hiện tiếp khi chỗ hỏng được sửa (đồng bộ, hoặc `vungxa repair`): %w",
		"the order to erase %s is kept, and is carried out in what is damaged once that is mended (by syncing, or `vungxa repair`): %w", er.Number, damage)
}

// erase has records and logs obey an order. What can't be read is passed over: damage
// says what, and the order stays ordered.
func (e *Engine) erase(er Erasure) (damage, err error) {
	if err := e.noteErasure(er, erasureOrdered); err != nil {
		return nil, err
	}
	e.erased.add(er)
	byEntry := map[crdt.Pos][]ErasedOp{}
	for _, o := range er.Ops {
		p := crdt.Pos{Log: o.log(), Seq: o.Seq}
		byEntry[p] = append(byEntry[p], o)
	}
	for _, p := range slices.SortedFunc(maps.Keys(byEntry), comparePos) {
		met, err := e.eraseEntry(p, byEntry[p])
		if err != nil {
			return nil, fmt.Errorf("erase in entry %d of %v: %w", p.Seq, p.Log, err)
		}
		damage = errors.Join(damage, met)
	}
	if damage != nil {
		return damage, nil
	}
	return nil, e.noteErasure(er, erasureObeyed)
}

// eraseEntry takes payloads of one entry away, in one transaction; where that meets
// damage, in one for each place, so that the others obey.
func (e *Engine) eraseEntry(p crdt.Pos, ops []ErasedOp) (damage, err error) {
	all := []func(*batch) error{func(b *batch) error { return b.eraseInLog(p, ops) }}
	for _, o := range ops {
		all = append(all, func(b *batch) error { return b.eraseInRecord(o) })
	}
	err = e.update(func(b *batch) error {
		for _, f := range all {
			if err := f(b); err != nil {
				return err
			}
		}
		return nil
	})
	if node.CodeOf(err) != node.Damaged {
		return nil, err
	}
	for _, f := range append(all, func(b *batch) error { return b.dropSalt(p) }) {
		err := e.update(f)
		if err != nil && node.CodeOf(err) != node.Damaged {
			return nil, err
		}
		damage = errors.Join(damage, err)
	}
	return damage, nil
}

func (e *Engine) noteErasure(er Erasure, state byte) error {
	b, err := wire.Marshal(er)
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

// forget has what lies beside the store's items obey orders, too.
func (e *Engine) forget(orders ...Erasure) error {
	noted, orphans, err := e.orphaned()
	if err == nil && e.cfg.Forget != nil {
		err = e.cfg.Forget(orphans)
	}
	if err == nil && len(noted) > 0 {
		err = e.unnoteFiles(noted)
	}
	for _, er := range orders {
		if err == nil {
			err = e.noteErasure(er, erasureDone)
		}
	}
	if err != nil {
		return fmt.Errorf("records and logs obey an order to erase, and something beside them doesn't yet: %w", err)
	}
	return nil
}

func comparePos(a, b crdt.Pos) int {
	if c := a.Log.Compare(b.Log); c != 0 {
		return c
	}
	return int(min(max(int64(a.Seq)-int64(b.Seq), -1), 1))
}

// eraseInRecord takes a payload out of a record.
func (b *batch) eraseInRecord(o ErasedOp) error {
	t, err := b.at(store.Place(o.Collection, o.Record))
	if err != nil || t == nil {
		return err
	}
	payload, was := eraseWrite(t.record, o.dot())
	t.dirty = t.dirty || was
	return b.pointedTo(payload)
}

// eraseInLog takes payloads of one entry out of its log, and what its keys could be
// derived from.
func (b *batch) eraseInLog(p crdt.Pos, ops []ErasedOp) error {
	l, err := b.log(p.Log)
	if err != nil {
		return err
	}
	if p.Seq <= l.Dropped.Seq || p.Seq > l.Head.Seq {
		return nil // not in the log: compacted, or still to come
	}
	s, err := b.tx.Stored(*l, p.Seq)
	if err != nil {
		return err
	}
	if err := b.pointedToIn(s.Raw, ops); err != nil {
		return err
	}
	if s.Raw, err = eraseRaw(s.Raw, b.engine.erased[p]); err != nil {
		return err
	}
	if err := b.tx.PutEntry(*l, p.Seq, s); err != nil {
		return err
	}
	return b.dropSalt(p)
}

// obey takes out of a record that comes whole what was erased: whoever made it may not
// have heard of the orders.
func (b *batch) obey(r *crdt.Record) error {
	var dots []crdt.Dot
	eachCell(r, func(c crdt.Cell) {
		for _, w := range c.Writes {
			if slices.Contains(b.engine.erased[w.Pos()], int(w.Dot.Index)) {
				dots = append(dots, w.Dot)
			}
		}
	})
	for _, dot := range dots {
		payload, _ := eraseWrite(r, dot)
		if err := b.pointedTo(payload); err != nil {
			return err
		}
	}
	return nil
}

// dropSalt takes the salt of an entry's span away. An empty item in its place keeps it
// from coming back with a segment.
func (b *batch) dropSalt(p crdt.Pos) error {
	return b.tx.PutLocal(localSalt, saltName(p.Log, wire.Span(p.Seq)), []byte{})
}

// eraseWrite takes the payload of one write out of a record, and gives it; was says
// whether the write was there.
func eraseWrite(r *crdt.Record, dot crdt.Dot) (payload []byte, was bool) {
	is := func(w crdt.Write) bool { return w.Dot == dot }
	for field, c := range r.Cells {
		if i := slices.IndexFunc(c.Writes, is); i >= 0 {
			payload, c.Writes = c.Writes[i].Value, slices.Clone(c.Writes)
			c.Writes[i].Value = nil
			r.Cells[field] = c
			return payload, true
		}
	}
	for _, set := range r.Sets {
		for elem, c := range set {
			if slices.ContainsFunc(c.Writes, is) {
				c.Writes = slices.DeleteFunc(slices.Clone(c.Writes), is)
				set[elem] = c
				if len(c.Writes) == 0 {
					delete(set, elem) // the element itself is the payload
				}
				return []byte(elem), true
			}
		}
	}
	return nil, false
}

// Erasures are the orders that were given here, for whoever keeps them beside
// a backup.
func (e *Engine) Erasures() (all []Erasure, err error) {
	err = e.eachErasure(func(er Erasure, _ byte) { all = append(all, er) })
	return all, err
}

func (e *Engine) eachErasure(f func(er Erasure, state byte)) error {
	return e.cfg.Store.View(func(tx *store.Tx) error {
		return tx.Locals(localErasure, func(name string, b []byte) error {
			var er Erasure
			if err := wire.Unmarshal(b[min(1, len(b)):], store.MaxValue, &er); err != nil {
				return node.Errorf(node.Damaged, "Lệnh xoá dữ liệu %s đã lưu bị hỏng: %w", "the stored order to erase %s is damaged: %w", name, err)
			}
			f(er, b[0])
			return nil
		})
	})
}

// loadErased reads what is not to be stored.
func (e *Engine) loadErased() error {
	e.erased = erasedOps{}
	return e.eachErasure(func(er Erasure, _ byte) { e.erased.add(er) })
}

// obeyAll carries out, before anything is shown, the orders that a crash cut off and
// those that the configuration brings: a store that was restored has forgotten them.
// What only lies beside what is shown is told of by Unobeyed, and keeps nobody from
// working.
func (e *Engine) obeyAll() error {
	_, err := e.obey(e.cfg.Erasures)
	return err
}

// Obey tries again what was left of orders to erase. What still can't be is an error.
func (e *Engine) Obey() error {
	left, err := e.obey(nil)
	return errors.Join(err, left)
}

// obey carries out what is to be; left is why something beside records and logs
// doesn't obey yet.
func (e *Engine) obey(due []Erasure) (left, err error) {
	e.write.Lock()
	defer e.write.Unlock()
	due, obeyed := slices.Clone(due), []Erasure(nil)
	err = e.eachErasure(func(er Erasure, state byte) {
		switch state {
		case erasureOrdered:
			due = append(due, er)
		case erasureObeyed:
			obeyed = append(obeyed, er)
		}
	})
	for _, er := range due {
		var damage error
		if err == nil {
			damage, err = e.erase(er)
		}
		if damage != nil {
			left = errors.Join(left, unfinished(er, damage))
		} else {
			obeyed = append(obeyed, er)
		}
	}
	if err == nil && len(obeyed) > 0 {
		left = errors.Join(left, e.forget(obeyed...))
	}
	return left, err
}

// Unobeyed are the orders that were given here and not wholly carried out.
func (e *Engine) Unobeyed() (due []Erasure, err error) {
	err = e.eachErasure(func(er Erasure, state byte) {
		if state != erasureDone {
			due = append(due, er)
		}
	})
	return due, err
}
