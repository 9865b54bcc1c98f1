package engine

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
)

// Kinds of local items: the checkpoints held, by scope and place in the chain; and,
// by scope, how far the records that the newest one reaches were read anew.
const (
	localCheckpoint = "checkpoint"
	localFlip       = "flip"
)

// authorities is what the checkpoints held say, by scope, and how the entries of logs
// that have forked are called. It is never changed: the
// next checkpoint makes another.
type authorities struct {
	said  map[crdt.Scope]*crdt.Authority
	forks *forks
}

// of is a scope's; nil, which reads as one that has heard no checkpoint.
func (a authorities) of(s crdt.Scope) *crdt.Authority { return a.said[s] }

// with is a with one more checkpoint.
func (a authorities) with(c *crdt.Checkpoint, hash crdt.Hash) (authorities, error) {
	next := &crdt.Authority{}
	if old := a.of(c.Scope); old != nil {
		next = old.Clone()
	}
	if err := next.Apply(c, hash); err != nil {
		return a, err
	}
	all := maps.Clone(a.said)
	if all == nil {
		all = map[crdt.Scope]*crdt.Authority{}
	}
	all[c.Scope] = next
	return authorities{all, a.forks}, nil
}

func (e *Engine) authorities() authorities {
	if a := e.authority.Load(); a != nil {
		return *a
	}
	return authorities{}
}

// Authority is what the checkpoints held of a scope say; nil where none is. It is
// not to be changed.
func (e *Engine) Authority(scope crdt.Scope) *crdt.Authority { return e.authorities().of(scope) }

type storedCheckpoint struct {
	_          struct{} `cbor:",toarray"`
	Hash       crdt.Hash
	Checkpoint crdt.Checkpoint
}

func checkpointName(c *crdt.Checkpoint) string {
	return fmt.Sprintf("%s/%016x/%016x", c.Scope, c.At.Epoch, c.At.Index)
}

// ApplyCheckpoint takes in a checkpoint whose signatures were verified; hash is that
// of its canonical bytes. It is kept, the records that may read differently under it
// are read anew, and the views are told of those that do. Errors are those of
// crdt.Authority.Apply, which leave all as it was.
func (e *Engine) ApplyCheckpoint(c *crdt.Checkpoint, hash crdt.Hash) error {
	return e.applyCheckpoint(c, hash, nil)
}

// applyCheckpoint keeps with it who has signed it, encoded (nil: nobody says).
func (e *Engine) applyCheckpoint(c *crdt.Checkpoint, hash crdt.Hash, signed []byte) error {
	e.write.Lock()
	defer e.write.Unlock()
	if err := e.payOwed(); err != nil {
		return err
	}
	old := e.authorities()
	if _, err := old.with(c, hash); err != nil {
		return refusedCheckpoint(err)
	}
	if old.of(c.Scope).Holds(c.At, hash) {
		return e.cfg.Store.Update(func(tx *store.Tx) error { return putSigned(tx, c, signed) })
	}
	kept := storedCheckpoint{Hash: hash, Checkpoint: *c}
	b, err := wire.Marshal(kept)
	if err != nil {
		return err
	}
	for _, w := range c.Witnesses {
		e.clock.Trust(w.TimeMS)
	}
	err = e.cfg.Store.Update(func(tx *store.Tx) error {
		if err := tx.PutLocal(localCheckpoint, checkpointName(c), b); err != nil {
			return err
		}
		if err := tx.PutLocal(localFlip, checkpointName(c), []byte{}); err != nil {
			return err
		}
		if err := putSigned(tx, c, signed); err != nil {
			return err
		}
		return e.saveClock(tx)
	})
	if err != nil {
		return fmt.Errorf("keep a checkpoint: %w", err)
	}
	e.owed.checkpoints = append(e.owed.checkpoints, lateCheckpoint{storedCheckpoint: kept})
	return e.payOwed()
}

// obeyCheckpoint gives entries the names that a checkpoint settles, and then reads anew
// what it reaches.
func (e *Engine) obeyCheckpoint(old, now authorities, late lateCheckpoint) error {
	c, from := &late.Checkpoint, late.from
	if at, err := e.Local(localFlip, checkpointName(c)); err != nil || at != nil {
		if from = at; err != nil {
			return err
		}
	}
	if !old.forks.same(now.forks) {
		settled := authorities{old.said, now.forks}
		if err := e.rename(old, settled, nil); err != nil {
			return err
		}
		old = settled
	}
	return e.flip(old, now, c, from)
}

func refusedCheckpoint(err error) error {
	if errors.Is(err, crdt.ErrTwoFaced) {
		return node.Errorf(node.Conflict,
			"Tỉnh đã đưa ra hai điểm kiểm tra khác nhau; cả hai được giữ lại làm bằng chứng, hãy báo người quản trị: %w",
			"the province has shown two different checkpoints; tell the administrator: %w", err)
	}
	return fmt.Errorf("take in a checkpoint: %w", err)
}

// flipRecords is how many records one transaction reads anew.
const flipRecords = crdt.MaxRecords

// flip reads anew the records that a checkpoint reaches, from a place on, and then
// lets it count. A crash in between is taken up where it was.
func (e *Engine) flip(old, now authorities, c *crdt.Checkpoint, from []byte) error {
	before := old.of(c.Scope)
	if before == nil {
		before = &crdt.Authority{}
	}
	next, err := e.nextReached(c.Scope, before, before.Reach(c))
	if err != nil {
		return fmt.Errorf("look for what a checkpoint changes: %w", err)
	}
	for at := from; ; {
		places, err := next(at)
		if err != nil {
			return fmt.Errorf("look for what a checkpoint changes: %w", err)
		}
		if len(places) == 0 {
			break
		}
		at = places[len(places)-1]
		if err := e.flipSome(old, now, c, before.Reach(c), places); err != nil {
			return fmt.Errorf("read anew what a checkpoint changes: %w", err)
		}
	}
	err = e.cfg.Store.Update(func(tx *store.Tx) error { return tx.DeleteLocal(localFlip, checkpointName(c)) })
	if err != nil {
		return err
	}
	e.authority.Store(&now)
	e.announce()
	return nil
}

// nextReached gives the next places past one of the records that a checkpoint may
// change. The first checkpoint of a scope may change any, as from then on a claim far
// in the future isn't believed, and so may one by which others go void.
func (e *Engine) nextReached(scope crdt.Scope, before *crdt.Authority, reach crdt.Reach) (next func(after []byte) ([][]byte, error), err error) {
	if before.Newest == (crdt.Cite{}) || reach.Voids {
		return func(after []byte) (places [][]byte, err error) {
			err = e.cfg.Store.View(func(tx *store.Tx) error {
				places, err = nextPlaces(tx, after, flipRecords)
				return err
			})
			return places, err
		}, nil
	}
	var all []string
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		all, err = e.reached(tx, scope, reach)
		return err
	})
	return func(after []byte) (places [][]byte, _ error) {
		i, found := slices.BinarySearch(all, string(after))
		if found {
			i++
		}
		for _, p := range all[i:min(len(all), i+flipRecords)] {
			places = append(places, []byte(p))
		}
		return places, nil
	}, err
}

func (e *Engine) flipSome(old, now authorities, c *crdt.Checkpoint, reach crdt.Reach, places [][]byte) error {
	return e.updateUnder(old, now, func(b *batch) error {
		cited := map[string]bool{}
		if err := citing(b.tx, c.At, c.Scope, cited); err != nil {
			return err
		}
		for _, place := range places {
			t, err := b.at(place)
			if node.CodeOf(err) == node.Damaged || (err == nil && t == nil) {
				continue
			}
			if err != nil {
				return err
			}
			if t.record.Scope != c.Scope {
				continue
			}
			t.dirty = t.record.Covered(now.of(c.Scope), b.held) || old.of(c.Scope) == nil || reach.Voids || cited[string(place)] || e.mayFlip(t.record, c, reach)
			if err := b.tx.DeleteLocal(localCited, citedName(c.At, c.Scope, string(place))); err != nil {
				return err
			}
			if err := b.noteClaims(t.record); err != nil {
				return err
			}
		}
		if b.failed != nil {
			return b.failed
		}
		return b.tx.PutLocal(localFlip, checkpointName(c), places[len(places)-1])
	})
}

// mayFlip says whether a record may read differently: something of it is cut or
// ruled on, or the time of one of several values has become known.
func (e *Engine) mayFlip(r *crdt.Record, c *crdt.Checkpoint, reach crdt.Reach) bool {
	hides := len(c.Cuts)+len(c.Verdicts) > 0
	may := false
	eachCell(r, func(cell crdt.Cell) {
		several := len(cell.Writes) > 1 || len(cell.Over) > 0
		may = may || (hides || several) && reach.Cell(cell)
	})
	return may
}

// reached is the places of the records that a checkpoint may change, sorted.
func (e *Engine) reached(tx *store.Tx, scope crdt.Scope, reach crdt.Reach) ([]string, error) {
	places := map[string]bool{}
	err := e.logs(tx, func(l store.Log) error {
		if l.ID.Scope != scope {
			return nil
		}
		for _, r := range ranges(l, reach) {
			if err := e.reachedBy(tx, l, r, places); err != nil {
				return err
			}
		}
		ofDevice := func(s crdt.Subject) bool { return s.Kind == crdt.SubjectDevice && s.Device == l.ID.Device }
		if !slices.ContainsFunc(reach.Subjects, ofDevice) {
			return nil
		}
		return waiting(tx, l.ID, places)
	})
	if err != nil {
		return nil, err
	}
	for _, log := range reach.Heads {
		if err := waiting(tx, log, places); err != nil {
			return nil, err
		}
	}
	for _, r := range reach.Writes { // of a log that was cut, nothing may be held
		if err := waiting(tx, r.Log, places); err != nil {
			return nil, err
		}
	}
	if err := aheadUntil(tx, scope, reach.UnwitnessedMS[1], places); err != nil {
		return nil, err
	}
	for _, at := range reach.Cited {
		if err := citing(tx, at, scope, places); err != nil {
			return nil, err
		}
	}
	return slices.Sorted(maps.Keys(places)), nil
}

// ranges is what of a log a checkpoint reaches: all of it, where the subject of a
// cut may have written anywhere.
func ranges(l store.Log, reach crdt.Reach) []crdt.Range {
	for _, s := range reach.Subjects {
		if s.Kind != crdt.SubjectDevice || s.Device == l.ID.Device {
			return []crdt.Range{{Log: l.ID, From: 1, To: l.Head.Seq}}
		}
	}
	var out []crdt.Range
	for _, r := range reach.Writes {
		if r.Log == l.ID {
			out = append(out, r)
		}
	}
	return out
}

func (e *Engine) reachedBy(tx *store.Tx, l store.Log, r crdt.Range, places map[string]bool) error {
	for seq := max(r.From, l.Dropped.Seq+1); seq <= min(r.To, l.Head.Seq); seq++ {
		entry, err := e.entry(tx, l, seq)
		if node.CodeOf(err) == node.Damaged {
			continue
		}
		if err != nil {
			return err
		}
		for _, name := range recordsOf(entry) {
			places[string(store.Place(name.collection, name.id))] = true
		}
	}
	return nil
}

func waiting(tx *store.Tx, log crdt.LogID, places map[string]bool) error {
	found, err := tx.Waiting(log, 0, 1<<64-1)
	for _, p := range found {
		places[string(p)] = true
	}
	return err
}

// loadAuthority folds the checkpoints held, but for the one that came last where a crash
// cut it off: no other has come after it, and it is yet to be obeyed.
func (e *Engine) loadAuthority() error {
	var all []storedCheckpoint
	flips := map[string][]byte{}
	err := e.cfg.Store.View(func(tx *store.Tx) error {
		err := tx.Locals(localCheckpoint, func(name string, b []byte) error {
			var s storedCheckpoint
			if err := wire.Unmarshal(b, store.MaxValue, &s); err != nil {
				return node.Errorf(node.Damaged, "Điểm kiểm tra %s đã lưu bị hỏng: %w", "the stored checkpoint %s is damaged: %w", name, err)
			}
			all = append(all, s)
			return nil
		})
		if err != nil {
			return err
		}
		return tx.Locals(localFlip, func(name string, at []byte) error {
			flips[name] = at
			return nil
		})
	})
	if err != nil {
		return err
	}
	now := authorities{}
	for i, s := range all {
		name := checkpointName(&s.Checkpoint)
		last := i+1 == len(all) || all[i+1].Checkpoint.Scope != s.Checkpoint.Scope
		if at, cut := flips[string(s.Checkpoint.Scope)]; cut && last { // as it was noted before hubs were restored
			flips[name] = at
		}
		if at, cut := flips[name]; cut {
			e.owed.checkpoints = append(e.owed.checkpoints, lateCheckpoint{s, at, true})
		} else if now, err = now.with(&s.Checkpoint, s.Hash); err != nil {
			return fmt.Errorf("the stored checkpoint %s: %w", name, err)
		}
	}
	if now.forks, err = e.forksBefore(now.said); err != nil {
		return err
	}
	e.authority.Store(&now)
	e.owed.names = true
	return nil
}

// nameAnew finishes giving names where a crash cut that off.
func (e *Engine) nameAnew(old authorities) error {
	forks, err := e.forksUnder(old.said)
	if err != nil || old.forks.same(forks) {
		e.owed.names = err != nil
		return err
	}
	return e.rename(old, authorities{old.said, forks}, nil)
}
