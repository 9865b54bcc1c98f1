package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node/store"
)

// KindFloor is of the floors of snapshots that were installed: what lies below them and is
// in no record was deleted, whatever floor the checkpoints held say.
const KindFloor = "floor"

const floorName = "snapshots"

// noteFloor adds the snapshot's floor to those of earlier ones.
func (s *snapshot) noteFloor(tx *store.Tx) error {
	if len(s.floor) == 0 {
		return nil
	}
	all, err := snapshotFloor(tx)
	if err != nil {
		return err
	}
	furthest := map[crdt.LogID]uint64{}
	for _, p := range all {
		furthest[p.Log] = p.Seq
	}
	for id, base := range s.floor {
		furthest[id] = max(furthest[id], base.Head.Seq)
	}
	all = all[:0]
	for _, id := range slices.SortedFunc(maps.Keys(furthest), crdt.LogID.Compare) {
		if furthest[id] > 0 {
			all = append(all, crdt.Pos{Log: id, Seq: furthest[id]})
		}
	}
	b, err := wire.EncodePositions(all)
	if err != nil {
		return err
	}
	return tx.PutLocal(KindFloor, floorName, b)
}

// snapshotFloor is up to where the records of snapshots said everything, sorted by log.
func snapshotFloor(tx *store.Tx) ([]crdt.Pos, error) {
	b, err := tx.Local(KindFloor, floorName)
	if err != nil || b == nil {
		return nil, err
	}
	all, err := wire.DecodePositions(b)
	if err != nil {
		return nil, fmt.Errorf("the stored floor of snapshots: %w", err)
	}
	return all, nil
}

// finish merges the last entries and switches, while officers wait.
func (s *snapshot) finish(ctx context.Context) error {
	e := s.engine
	if err := e.step(ctx, "finish"); err != nil {
		return err
	}
	e.write.Lock()
	defer e.write.Unlock()
	if err := e.payOwed(); err != nil { // or it would be below the floor when its turn comes
		return err
	}
	pieces, _, err := s.left()
	if err != nil {
		return err
	}
	if err := s.mergeAll(pieces, e.cfg.Store.Update); err != nil {
		return err
	}
	if err := s.arrivals(); err != nil {
		return err
	}
	if err := e.step(ctx, "switch"); err != nil {
		return err
	}
	undo := e.remember()
	if err := e.cfg.Store.Update(s.commit); err != nil {
		undo()
		return err
	}
	s.number = 0
	if err := e.cfg.Store.View(func(tx *store.Tx) error { return tx.Logs(e.keepDropped) }); err != nil {
		return err
	}
	e.figures.start(e)
	e.state.Lock()
	for _, c := range e.cfg.Pack.Collections {
		e.revisions[c.ID]++
	}
	e.state.Unlock()
	e.announce()
	return nil
}

// arrivals looks again at the records that waited for entries, now that all are
// known that are held, and notes what they still wait for.
func (s *snapshot) arrivals() error {
	slices.SortFunc(s.waiting, func(a, b recordName) int { return slices.Compare(a.id[:], b.id[:]) })
	s.waiting = slices.Compact(s.waiting)
	for block := range slices.Chunk(s.waiting, maxBlock) {
		err := s.engine.cfg.Store.Update(func(tx *store.Tx) error {
			b, err := s.batch(tx)
			if err != nil {
				return err
			}
			for _, name := range block {
				if err := s.arrived(b, name); err != nil {
					return err
				}
			}
			if err := s.write(b); err != nil {
				return err
			}
			return b.failed
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *snapshot) arrived(b *batch, name recordName) error {
	r, err := b.tx.Record(name.collection, name.id)
	if err != nil || r == nil {
		return err
	}
	t, err := b.touch(r)
	if err != nil {
		return err
	}
	for _, w := range t.waits {
		t.dirty = r.Arrived(w.For.Log, b.held) || t.dirty
	}
	return b.putWaits(nil, waitsOf(r))
}

// commit makes the generation the one that is read, and lets the logs go on from
// the floor.
func (s *snapshot) commit(tx *store.Tx) error {
	e := s.engine
	g, err := tx.Generations()
	if err != nil {
		return err
	}
	if g.Build.Number != s.number {
		return fmt.Errorf("generation %d was given up", s.number)
	}
	for _, id := range slices.SortedFunc(maps.Keys(s.floor), crdt.LogID.Compare) {
		l, err := tx.Log(id)
		if err != nil {
			return err
		}
		base := s.floor[id]
		if base.Head.Seq <= l.Head.Seq {
			continue
		}
		if id == e.ownLog(id.Class) { // ahead of this device: its store was rolled back
			if err := e.newIncarnation(tx); err != nil {
				return err
			}
		}
		if err := tx.GoOn(&l, base.Head, base.Cite); err != nil {
			return err
		}
	}
	if err := s.noteLates(tx); err != nil {
		return err
	}
	if err := s.noteFloor(tx); err != nil {
		return err
	}
	e.clock.Absorb(s.newest, e.nowMS())
	if err := e.saveClock(tx); err != nil {
		return err
	}
	at, err := position(tx)
	if err != nil {
		return err
	}
	if err := putPosition(tx, at+1); err != nil {
		return err
	}
	return tx.PutGenerations(switchTo(g))
}

// abandon gives up a generation that didn't come to be read.
func (s *snapshot) abandon() error {
	if s.number == 0 {
		return nil
	}
	e := s.engine
	e.write.Lock()
	err := e.cfg.Store.Update(func(tx *store.Tx) error {
		g, err := tx.Generations()
		if err != nil || g.Build.Number != s.number {
			return err
		}
		g.Drop = append(g.Drop, g.Build.Number)
		g.Build = store.Build{}
		return tx.PutGenerations(g)
	})
	e.write.Unlock()
	if err != nil {
		return err
	}
	if err := e.planIndex(); err != nil {
		return err
	}
	e.rebuild.start(e)
	return nil
}
