package engine

import (
	"cmp"
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
	Number string // of the order, for people; no personal data
	AtMS   int64
	Ops    []ErasedOp
}

// ErasedOp names an operation: by the log under whose name it was written, and the chain
// hash of its entry, as there may be two histories under that name. Which of them is
// called how in records changes; these don't.
type ErasedOp struct {
	Device      crdt.Device
	Incarnation crdt.Incarnation
	Scope       crdt.Scope
	Class       crdt.Class
	Seq         uint64
	Index       uint16
	Entry       crdt.Hash // zero: it was compacted away where it was ordered, so it is of the history that has the name
	Collection  string
	Record      crdt.RecordID // as it was called then; the entry, where it is held, says how today
}

func (o ErasedOp) log() crdt.LogID {
	return crdt.LogID{Device: o.Device, Incarnation: o.Incarnation, Scope: o.Scope, Class: o.Class}
}

func (o ErasedOp) pos() crdt.Pos { return crdt.Pos{Log: o.log(), Seq: o.Seq} }

func (o ErasedOp) record() recordName { return recordName{o.Collection, o.Record} }

// localErasure is the kind of the items that keep the orders: their bytes behind a
// byte that says whether they were carried out.
const localErasure = "erasure"

const (
	erasureOrdered byte = 0
	erasureDone    byte = 1
	erasureObeyed  byte = 2 // in records and logs, but not yet by what lies beside them
)

// erasedOps is which operations of which entries are not to be stored, by the place
// under which the entry was written. It is only read and written under Engine.write.
type erasedOps map[crdt.Pos][]ErasedOp

func (ops erasedOps) add(er Erasure) {
	for _, o := range er.Ops {
		if p := o.pos(); !slices.Contains(ops[p], o) {
			ops[p] = append(ops[p], o)
		}
	}
}

func (ops erasedOps) size() (n int) {
	for _, at := range ops {
		n += len(at)
	}
	return n
}

// of is which operations of an entry, as it was written and in its carried form, are not
// to be stored where it is to lie.
func (ops erasedOps) of(f *forks, lies crdt.LogID, entry *crdt.Entry, raw []byte) (indexes []int) {
	if len(ops[entry.Pos()]) == 0 {
		return nil
	}
	hash := wire.ChainHash(raw)
	for _, o := range ops[entry.Pos()] {
		if (o.Entry == hash || o.Entry == crdt.Hash{} && o.may(f, lies, entry)) && !slices.Contains(indexes, int(o.Index)) {
			indexes = append(indexes, int(o.Index))
		}
	}
	return indexes
}

// may says whether an operation that names no hash is that of an entry: of the history
// that is meant, writing the record that was ordered. A record that was made past a fork
// may have been called otherwise.
func (o ErasedOp) may(f *forks, lies crdt.LogID, entry *crdt.Entry) bool {
	if int(o.Index) >= len(entry.Ops) || !f.ordinary(lies, o.Seq) {
		return false
	}
	op := &entry.Ops[o.Index]
	by, forked := f.written(op.Record.Dot.Log)
	renamed := forked && op.Record.Dot.Seq >= f.since(by)
	return op.Collection == o.Collection && (op.Record.ID() == o.Record || !op.Record.ByKey() && renamed)
}

// ordinary says whether an entry is what a log's name and a seq mean without a hash: of the
// history that the hub has committed, and until it has, of the one that came first.
func (f *forks) ordinary(lies crdt.LogID, seq uint64) bool {
	written, forked := f.written(lies)
	if !forked || len(f.settled[written]) == 0 {
		return !isBranch(lies)
	}
	return f.nameAt(lies, seq) == written
}

// obey takes out of an entry what was erased, before anything of it is stored.
func (ops erasedOps) obey(f *forks, lies crdt.LogID, entry *crdt.Entry, raw []byte) (*crdt.Entry, []byte, error) {
	indexes := ops.of(f, lies, entry, raw)
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
	byEntry := map[entryName][]ErasedOp{}
	for _, o := range er.Ops {
		byEntry[entryName{o.pos(), o.Entry}] = append(byEntry[entryName{o.pos(), o.Entry}], o)
	}
	for _, at := range slices.SortedFunc(maps.Keys(byEntry), entryName.compare) {
		met, err := e.eraseEntry(byEntry[at])
		if err != nil {
			return nil, fmt.Errorf("erase in entry %d of %v: %w", at.Seq, at.Log, err)
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
func (e *Engine) eraseEntry(ops []ErasedOp) (damage, err error) {
	all := []func(*batch) error{func(b *batch) error { return b.eraseInLog(ops) }}
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
	for _, f := range append(all, func(b *batch) error { return b.dropSalt(ops[0].pos()) }) {
		err := e.update(f)
		if err != nil && node.CodeOf(err) != node.Damaged {
			return nil, err
		}
		damage = errors.Join(damage, err)
	}
	return damage, nil
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

// entryName is an entry as it was written.
type entryName struct {
	crdt.Pos
	hash crdt.Hash
}

func (a entryName) compare(b entryName) int {
	return cmp.Or(a.Log.Compare(b.Log), cmp.Compare(a.Seq, b.Seq), slices.Compare(a.hash[:], b.hash[:]))
}

// eraseInRecord takes a payload out of a record.
func (b *batch) eraseInRecord(o ErasedOp) error {
	at, held, err := b.engine.today(b.tx, b.log, b.now, o)
	if err != nil || !held {
		return err
	}
	t, err := b.at(store.Place(at.record.collection, at.record.id))
	if err != nil || t == nil {
		return err
	}
	payload, was := eraseWrite(t.record, at.dot)
	t.dirty = t.dirty || was
	return b.pointedTo(payload)
}

// eraseInLog takes payloads of one entry out of its log, and what its keys could be
// derived from.
func (b *batch) eraseInLog(ops []ErasedOp) error {
	o := ops[0]
	l, err := b.engine.lying(b.tx, b.log, b.now.forks, o)
	if err != nil || l == nil || o.Seq <= l.Dropped.Seq {
		return err // still to come, or compacted
	}
	s, err := b.tx.Stored(*l, o.Seq)
	if err != nil {
		return err
	}
	entry, err := wire.DecodeEntry(s.Raw)
	if err != nil {
		return err
	}
	if o.Entry == (crdt.Hash{}) && !slices.ContainsFunc(ops, func(o ErasedOp) bool { return o.may(b.now.forks, l.ID, entry) }) {
		return nil // what was ordered has another history there
	}
	if err := b.pointedToIn(s.Raw, ops); err != nil {
		return err
	}
	if s.Raw, err = eraseRaw(s.Raw, b.engine.erased.of(b.now.forks, l.ID, entry, s.Raw)); err != nil {
		return err
	}
	if err := b.tx.PutEntry(*l, o.Seq, s); err != nil {
		return err
	}
	return b.dropSalt(o.pos())
}

// obey takes out of a record that comes whole what was erased: whoever made it may not
// have heard of the orders.
func (b *batch) obey(r *crdt.Record) (err error) {
	var dots []crdt.Dot
	eachCell(r, func(c crdt.Cell) {
		for _, w := range c.Writes {
			erased, wErr := b.isErased(w.Dot)
			if err = errors.Join(err, wErr); erased {
				dots = append(dots, w.Dot)
			}
		}
	})
	for _, dot := range dots {
		payload, _ := eraseWrite(r, dot)
		err = errors.Join(err, b.pointedTo(payload))
	}
	return err
}

// isErased says whether an order names a write, by what it is called today. Of an entry
// that isn't held that is taken to be of the history that has its log's name.
func (b *batch) isErased(dot crdt.Dot) (bool, error) {
	written, _ := b.now.forks.written(dot.Log)
	p := crdt.Pos{Log: written, Seq: dot.Seq}
	for _, o := range b.engine.erased[p] {
		if o.Index != dot.Index {
			continue
		}
		l, err := b.engine.lying(b.tx, b.log, b.now.forks, o)
		if err != nil {
			return false, err
		}
		name := written
		if l != nil {
			name = b.now.forks.nameAt(l.ID, dot.Seq)
		}
		if name == dot.Log {
			return true, nil
		}
	}
	return false, nil
}

// obey carries orders out again that were given while a snapshot was loaded: they
// reached what was read until then.
func (s *snapshot) obey() error {
	e := s.engine
	e.write.Lock()
	defer e.write.Unlock()
	if e.erased.size() == s.erased {
		return nil
	}
	var all []Erasure
	err := e.eachErasure(func(er Erasure, _ byte) { all = append(all, er) })
	for _, er := range all {
		if err == nil {
			_, err = e.erase(er) // what is damaged stays ordered
		}
	}
	return err
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
			er, err := decodeErasure(b[min(1, len(b)):])
			if err != nil {
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
	return e.obeyHeld(due)
}

func (e *Engine) obeyHeld(due []Erasure) (left, err error) {
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
	e.owed.orders = err != nil
	e.owed.note()
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
