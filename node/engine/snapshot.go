package engine

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
)

// Base is how far a snapshot goes in a log: the last entry that is in its records,
// and what that entry cites.
type Base struct {
	Head crdt.Head
	Cite crdt.Cite
}

// maxBlock is how much of a snapshot one transaction takes, in records.
const maxBlock = crdt.MaxRecords

// tailEntries is how many entries may be left to apply when officers are asked to
// wait for the last of them.
const tailEntries = 64

// InstallSnapshot replaces the records by those of a snapshot: the merge of all
// entries up to floor. They are loaded as another generation while the office works;
// the entries held above the floor are merged into them, its own unsent ones among
// them; and one transaction makes that generation the one that is read. A crash
// before it leaves everything as it was, after it everything as it is to be.
//
// A log that goes less far here than the floor goes on from the floor. The snapshot
// must not be older than what compaction has dropped here, must be of the same branch
// of every log, and must not go past unsent entries of this device: else the error is
// node.Conflict. records is read once; an error in it ends the installing.
func (e *Engine) InstallSnapshot(ctx context.Context, records iter.Seq2[*crdt.Record, error], floor map[crdt.LogID]Base) error {
	s := &snapshot{engine: e, floor: floor, done: map[crdt.LogID]uint64{}}
	err := firstError(s.begin, func() error { return s.load(ctx, records) }, func() error { return s.replay(ctx) },
		func() error { return s.finish(ctx) }, s.obey)
	if err != nil {
		return fmt.Errorf("install a snapshot: %w", errors.Join(err, s.abandon()))
	}
	e.rebuild.start(e) // the old generation goes
	return nil
}

// Recompute makes all records and index rows anew from the logs, behind the office,
// as a snapshot of nothing would: what Verify found wrong with them is right then.
// Where compaction has dropped entries, what they said is not in the logs any more:
// then it is node.Conflict, and a snapshot of the hub is what helps.
func (e *Engine) Recompute(ctx context.Context) error {
	return e.InstallSnapshot(ctx, func(func(*crdt.Record, error) bool) {}, nil)
}

type snapshot struct {
	engine  *Engine
	number  uint32 // of the generation that is loaded; 0: none is
	floor   map[crdt.LogID]Base
	done    map[crdt.LogID]uint64 // up to which entries are merged
	waiting []recordName          // records that wait for entries, to be looked at in the end
	newest  crdt.Stamp            // of what the snapshot holds
	erased  int                   // how many operations orders named when it began
	lates   []written             // what comes too late for its records
}

// begin checks that the snapshot fits, and begins its generation.
func (s *snapshot) begin() error {
	e := s.engine
	e.write.Lock()
	defer e.write.Unlock()
	if err := e.payOwed(); err != nil {
		return err
	}
	s.erased = e.erased.size()
	return e.cfg.Store.Update(func(tx *store.Tx) error {
		if err := s.fits(tx); err != nil {
			return err
		}
		if err := e.beginBuild(tx, true); err != nil {
			return err
		}
		g, err := tx.Generations()
		s.number = g.Build.Number
		return err
	})
}

// fits says whether the snapshot and what is held go together.
func (s *snapshot) fits(tx *store.Tx) error {
	return tx.Logs(func(l store.Log) error {
		if isBranch(l.ID) {
			return nil // a snapshot is of what the hub has committed, and what it hasn't is merged into it
		}
		at := s.floor[l.ID].Head
		if at.Seq < l.Dropped.Seq {
			return node.Errorf(node.Conflict,
				"Bản chụp này cũ hơn phần nhật ký còn giữ trên máy. Hãy dùng bản mới hơn.",
				"the snapshot is older than what is still held of log %v; take a newer one", l.ID)
		}
		if at.Seq > l.Head.Seq {
			return s.prefix(l)
		}
		if at.Seq == 0 {
			return nil
		}
		hash, err := tx.HashAt(l, at.Seq)
		if err == nil && hash != at.Hash {
			err = node.Errorf(node.Conflict,
				"Bản chụp này thuộc một nhánh khác của nhật ký trên máy này.",
				"the snapshot is of another branch of log %v than what is held", l.ID)
		}
		return err
	})
}

// prefix says whether what is held of a log that goes on from the floor is surely
// what the snapshot goes past: of this device's own, which a store that was rolled
// back may have continued otherwise, a receipt of the province has to say so.
func (s *snapshot) prefix(l store.Log) error {
	e := s.engine
	if l.ID.Device != e.cfg.Device || l.Head.Seq == l.Dropped.Seq || e.tick(crdt.Pos{Log: l.ID, Seq: l.Head.Seq}) == Province {
		return nil
	}
	return node.Errorf(node.Conflict,
		"Tỉnh giữ nhiều mục của máy này hơn chính nó, và máy còn mục chưa gửi. Hãy đồng bộ trước khi nhận bản chụp.",
		"the province holds more of this device's log %v than the device, which has unsent entries in it; sync before installing a snapshot", l.ID)
}

// load writes the snapshot's records and their index rows.
func (s *snapshot) load(ctx context.Context, records iter.Seq2[*crdt.Record, error]) error {
	var block []*crdt.Record
	put := func() error {
		err := s.put(ctx, block)
		if errors.Is(err, store.ErrTooBig) && len(block) > 1 {
			for _, r := range block { // long records: one by one
				if err := s.put(ctx, []*crdt.Record{r}); err != nil {
					return err
				}
			}
			err = nil
		}
		block = block[:0]
		return err
	}
	for r, err := range records {
		if err != nil {
			return err
		}
		if block = append(block, r); len(block) < maxBlock {
			continue
		}
		if err := put(); err != nil {
			return err
		}
	}
	return put()
}

func (s *snapshot) put(ctx context.Context, records []*crdt.Record) error {
	if len(records) == 0 {
		return nil
	}
	return s.transaction(ctx, "load", func(tx *store.Tx) error {
		b, err := s.batch(tx)
		if err != nil {
			return err
		}
		for _, r := range records {
			t, err := b.record(r.Scope, r.Collection, r.Ref)
			if err != nil {
				return err
			}
			if err := b.obey(r); err != nil {
				return err
			}
			t.record, t.dirty = r, true
			look := &pointing{each: noting(tx)}
			if err := look.record(r); err != nil {
				return err
			}
			eachCell(r, func(c crdt.Cell) {
				for _, w := range c.Writes {
					s.newest = max(s.newest, w.Stamp)
				}
			})
		}
		return s.write(b)
	})
}

// transaction changes the generation that is loaded, between officers' saves.
func (s *snapshot) transaction(ctx context.Context, step string, f func(*store.Tx) error) error {
	e := s.engine
	if err := e.step(ctx, step); err != nil {
		return err
	}
	e.write.Lock()
	defer e.write.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	return e.cfg.Store.Update(f)
}

// batch reads and writes the generation that is loaded, and takes the logs for what
// they will be.
func (s *snapshot) batch(tx *store.Tx) (*batch, error) {
	under := s.engine.authorities()
	b := s.engine.newBatch(tx.In(s.number, s.number), under, under)
	b.again = len(s.floor) == 0
	for id, base := range s.floor {
		l, err := b.log(id)
		if err != nil {
			return nil, err
		}
		if l.Head.Seq < base.Head.Seq {
			l.Head, l.Dropped = base.Head, base.Head
		}
		b.floor = append(b.floor, crdt.Pos{Log: id, Seq: base.Head.Seq})
	}
	slices.SortFunc(b.floor, func(a, b crdt.Pos) int { return a.Log.Compare(b.Log) })
	return b, nil
}

// write is batch.finish for the generation that is loaded: nobody is told of it.
func (s *snapshot) write(b *batch) error {
	counts := map[string]int{}
	for _, t := range b.order {
		if !t.dirty {
			continue
		}
		if err := b.tx.PutRecord(t.record); err != nil {
			return err
		}
		after, err := s.engine.read(b.tx, t.record)
		if err != nil {
			return err
		}
		t.after = after
		if err := putRows(b.tx, t.before.keys, t.after.keys); err != nil {
			return err
		}
		counts[t.record.Collection] += shown(t.after) - shown(t.before)
		if len(waitsOf(t.record)) > 0 {
			s.waiting = append(s.waiting, recordName{t.record.Collection, t.record.Ref.ID()})
		}
	}
	return addCounts(b.tx, counts)
}

// replay merges what is held above the floor, until little is left.
func (s *snapshot) replay(ctx context.Context) error {
	for {
		pieces, entries, err := s.left()
		if err != nil || entries <= tailEntries {
			return err
		}
		err = s.mergeAll(pieces, func(f func(*store.Tx) error) error { return s.transaction(ctx, "replay", f) })
		if err != nil {
			return err
		}
	}
}

// mergeAll merges pieces of logs in transactions that the store takes.
func (s *snapshot) mergeAll(pieces []piece, in func(func(*store.Tx) error) error) error {
	for _, p := range pieces {
		for p.from <= p.to {
			next, err := s.mergeNext(p, in)
			if err != nil {
				return err
			}
			p.from, s.done[p.log] = next, next-1
		}
	}
	return nil
}

// mergeNext merges the next entries of a piece, as many as a transaction takes, and
// says which comes then. An entry that is too much for one goes record by record; a
// record that can't hold it stays as it is, as it did when the entry came.
func (s *snapshot) mergeNext(p piece, in func(func(*store.Tx) error) error) (next uint64, err error) {
	for _, records := range []int{maxBlock, 0} {
		err = in(func(tx *store.Tx) (err error) {
			next, err = s.merge(tx, p, records, nil)
			return err
		})
		if !errors.Is(err, store.ErrTooBig) {
			return next, err
		}
	}
	var entry *crdt.Entry
	err = s.engine.cfg.Store.View(func(tx *store.Tx) error {
		l, err := tx.Log(p.log)
		if err == nil {
			entry, err = s.engine.entry(tx, l, p.from)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, name := range recordsOf(entry) {
		err := in(func(tx *store.Tx) error {
			_, err := s.merge(tx, p, 0, &name)
			return err
		})
		if err != nil && !errors.Is(err, store.ErrTooBig) {
			return 0, err
		}
	}
	return p.from + 1, nil
}

// merge merges entries from the beginning of a piece, on at most so many records,
// or just one entry; or of that only what it says of one record.
func (s *snapshot) merge(tx *store.Tx, p piece, records int, only *recordName) (next uint64, err error) {
	l, err := tx.Log(p.log)
	if err != nil {
		return 0, err
	}
	b, err := s.batch(tx)
	if err != nil {
		return 0, err
	}
	for next = p.from; next <= p.to; next++ {
		entry, err := s.engine.entry(tx, l, next)
		if err != nil {
			return 0, err
		}
		if len(b.order) > 0 && len(b.order)+entry.Records() > records {
			break
		}
		if err := b.merge(entry, only); err != nil {
			return 0, err
		}
	}
	if err := s.write(b); err != nil {
		return 0, err
	}
	s.lates = append(s.lates, b.lates...)
	return next, nil
}

type piece struct {
	log      crdt.LogID
	from, to uint64
}

// left is what is still to be merged.
func (s *snapshot) left() (pieces []piece, entries uint64, err error) {
	err = s.engine.cfg.Store.View(func(tx *store.Tx) error {
		return s.engine.logs(tx, func(l store.Log) error {
			p := piece{l.ID, max(s.floor[l.ID].Head.Seq, s.done[l.ID], base(l)) + 1, l.Head.Seq}
			if p.from <= p.to {
				pieces, entries = append(pieces, p), entries+p.to-p.from+1
			}
			return nil
		})
	})
	return pieces, entries, err
}
