package engine

import (
	"errors"
	"fmt"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
)

// staged is entries that are too much for one transaction of the store. They are
// written down whole before the first of them is applied, and taken away with the
// last: what a crash leaves is completed when the engine opens, so that an entry
// is never half there, and none is dropped for its size. Merging an operation
// again changes nothing, so all of them are merged again.
type staged struct {
	_       struct{} `cbor:",toarray"`
	Scope   string
	Log     stagedLog
	First   uint64
	Entries [][]byte
	Seals   []wire.Seal // of the last entry, if it has one yet
}

type stagedLog struct {
	_           struct{} `cbor:",toarray"`
	Device      crdt.Device
	Incarnation crdt.Incarnation
	Class       uint8
}

const localStaged = "staged"

// maxStaged bounds what is read back: a segment, with all that stands around it.
const maxStaged = store.MaxValue

func (s *staged) log() crdt.LogID {
	return crdt.LogID{Device: s.Log.Device, Incarnation: s.Log.Incarnation, Scope: crdt.Scope(s.Scope), Class: crdt.Class(s.Log.Class)}
}

func (s *staged) last() uint64 { return s.First + uint64(len(s.Entries)) - 1 }

func stage(log crdt.LogID, first uint64, raw [][]byte, seals ...wire.Seal) *staged {
	return &staged{
		Scope: string(log.Scope), Log: stagedLog{Device: log.Device, Incarnation: log.Incarnation, Class: uint8(log.Class)},
		First: first, Entries: raw, Seals: seals,
	}
}

// applyStaged writes entries down and applies them in as many transactions as
// they need; last, if set, writes into the last of them. What the store refuses in
// between (a full disk) is completed before anything else is written.
func (e *Engine) applyStaged(s *staged, last func(*store.Tx) error) error {
	if err := e.payOwed(); err != nil {
		return err
	}
	b, err := wire.Marshal(s)
	if err != nil {
		return err
	}
	err = e.cfg.Store.Update(func(tx *store.Tx) error { return tx.PutLocal(localStaged, s.log().String(), b) })
	if err != nil {
		return fmt.Errorf("write down what is to be applied: %w", err)
	}
	if err := e.complete(s, last); err != nil {
		e.owed.staged = append(e.owed.staged, s)
		e.owed.note()
		return node.Errorf(node.Unavailable,
			"Đã ghi lại; phần còn dở sẽ tự hoàn tất ngay khi kho ghi được tiếp, xin đừng nhập lại: %w",
			"this is written down, and is completed as soon as the store can be written again; don't enter it again: %w", err)
	}
	return nil
}

// complete applies what was written down.
func (e *Engine) complete(s *staged, last func(*store.Tx) error) error {
	for i := range s.Entries {
		if err := e.applyLong(s, i); err != nil {
			return err
		}
	}
	return e.transact(func(b *batch) error {
		l, err := b.log(s.log())
		if err != nil {
			return err
		}
		for _, seal := range s.Seals {
			b.moved = true
			if err := b.tx.Seal(l, seal); err != nil {
				return err
			}
		}
		if err := b.tx.DeleteLocal(localStaged, l.ID.String()); err != nil || last == nil {
			return err
		}
		return last(b.tx)
	})
}

// applyLong applies one entry: whole if the store can take it, and else the
// entry first and its records one by one.
func (e *Engine) applyLong(s *staged, i int) error {
	entry, err := wire.DecodeEntry(s.Entries[i])
	if err != nil {
		return err
	}
	entry, raw, err := e.erased.obey(e.authorities().forks, s.log(), entry, s.Entries[i])
	if err != nil {
		return err
	}
	appendIt := func(b *batch) error {
		l, err := b.log(s.log())
		if err != nil {
			return err
		}
		if l.Head.Seq >= entry.Seq { // it was appended before a crash
			stored, err := e.carried(b.tx, *l, entry.Seq)
			if err == nil {
				*entry = *stored
			}
			return err
		}
		if err := e.meetOwn(b.tx, s); err != nil {
			return err
		}
		e.clock.Absorb(entry.Stamp, e.nowMS())
		if len(s.Seals) == 0 { // its own stamp
			e.clock.Last = max(e.clock.Last, entry.Stamp)
		}
		return b.append(s.log(), entry, raw)
	}
	err = e.transact(func(b *batch) error {
		if err := appendIt(b); err != nil {
			return err
		}
		return b.take(s.log(), entry, nil)
	})
	if !errors.Is(err, store.ErrTooBig) {
		return err
	}
	if err := e.transact(appendIt); err != nil {
		return err
	}
	names, err := e.namedRecords(s.log(), entry)
	if err != nil {
		return err
	}
	for _, id := range names {
		err := e.transact(func(b *batch) error { return b.take(s.log(), entry, &id) })
		if errors.Is(err, store.ErrTooBig) {
			err = e.overfull(crdt.Pos{Log: s.log(), Seq: entry.Seq}, id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// namedRecords is recordsOf an entry under its name.
func (e *Engine) namedRecords(lies crdt.LogID, entry *crdt.Entry) (names []recordName, err error) {
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		b := e.newBatch(tx, e.authorities(), e.authorities())
		named, err := b.named(lies, entry)
		if err == nil {
			names = recordsOf(named)
		}
		return err
	})
	return names, err
}

// recordsOf is the ids of the records that an entry touches, each once.
func recordsOf(entry *crdt.Entry) []recordName {
	var names []recordName
	for _, op := range entry.Ops {
		if name := (recordName{op.Collection, op.Record.ID()}); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// overfull notes that a record can't hold what an entry writes into it: with it
// the record would be larger than any value of the store. The entry itself is
// held, counted and passed on like any other.
func (e *Engine) overfull(at crdt.Pos, name recordName) error {
	note, err := overfullName(at, name)
	if err != nil {
		return err
	}
	pos, err := wire.EncodePositions([]crdt.Pos{at})
	if err != nil {
		return err
	}
	return e.cfg.Store.Update(func(tx *store.Tx) error {
		l, err := tx.Log(at.Log)
		if err != nil {
			return err
		}
		if err := tx.PutHistory(name.id, l, at.Seq); err != nil {
			return err
		}
		return tx.PutLocal(localOverfull, note, pos)
	})
}

func overfullName(at crdt.Pos, name recordName) (string, error) {
	pos, err := wire.EncodePositions([]crdt.Pos{at})
	return fmt.Sprintf("%s/%v/%x", name.collection, name.id, pos), err
}

const localOverfull = "overfull"

// loadStaged reads what a crash interrupted.
func (e *Engine) loadStaged() error {
	return e.cfg.Store.View(func(tx *store.Tx) error {
		return tx.Locals(localStaged, func(name string, b []byte) error {
			s := &staged{}
			if err := wire.Unmarshal(b, maxStaged, s); err != nil {
				return node.Errorf(node.Damaged, "Phần đang nhập dở của nhật ký %s bị hỏng: %w", "what was being taken in of log %s is damaged: %w", name, err)
			}
			e.owed.staged = append(e.owed.staged, s)
			return nil
		})
	})
}
