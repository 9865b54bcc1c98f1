package engine

import (
	"errors"
	"fmt"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
)

// Fill puts the entries of a segment back where the store has holes or damaged ones,
// and makes the records that they write anew from their entries. The seal's signature
// was verified; that the entries are those that stood there, the chain tells: what is
// of another branch is ErrFork, and what nothing held vouches for stays away.
func (e *Engine) Fill(s *wire.Segment) error {
	entries, err := s.Open()
	if err != nil {
		return err
	}
	e.write.Lock()
	defer e.write.Unlock()
	path, vouched, err := e.vouched(s)
	if err != nil {
		return err
	}
	return e.fill(s, entries, path, vouched)
}

// Heal fills what holes the segments reach, and gives those that bring more: a
// member of a hub fills its own holes without asking raft, which has committed the
// entries before.
func (e *Engine) Heal(segments []*wire.Segment) (rest []*wire.Segment, err error) {
	e.write.Lock()
	defer e.write.Unlock()
	for _, s := range segments {
		all, err := s.Open()
		if err != nil {
			return nil, err
		}
		whole, err := e.heal(s, all)
		if err != nil && !errors.Is(err, ErrFork) {
			return nil, fmt.Errorf("fill %v from %d: %w", s.Log, s.First, err)
		}
		if !whole {
			rest = append(rest, s)
		}
	}
	return rest, nil
}

func (e *Engine) head(log crdt.LogID) (head crdt.Head, gap uint64, err error) {
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		l, err := tx.Log(log)
		if err != nil {
			return err
		}
		gaps, err := tx.Gaps()
		head, gap = l.Head, gaps[log]
		return err
	})
	return head, gap, err
}

// heal fills a hole that is known and that a segment reaches, if there is one. whole says
// that it did, and that all of the segment is held.
func (e *Engine) heal(s *wire.Segment, entries []*crdt.Entry) (whole bool, err error) {
	if len(e.cfg.Store.Damage()) == 0 {
		return false, nil
	}
	path, vouched, err := e.vouched(s)
	if err != nil {
		return false, err
	}
	gap := uint64(0)
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		gaps, err := tx.Gaps()
		gap = gapOf(gaps, path)
		return err
	})
	if err != nil || gap == 0 || gap > s.Last() {
		return false, err
	}
	return path[len(path)-1].Head.Seq >= s.Last(), e.fill(s, entries, path, vouched)
}

// fill is Fill, along the branch that the segment is of; the caller holds e.write.
func (e *Engine) fill(s *wire.Segment, entries []*crdt.Entry, path []store.Log, vouched int) error {
	filled := false
	for i, entry := range entries[:vouched] {
		put, err := e.fillOne(path, entry, s.Entries[i])
		if err != nil {
			return fmt.Errorf("fill entry %d of %v: %w", entry.Seq, entry.Log, err)
		}
		filled = filled || put
	}
	if vouched == len(entries) {
		put, err := e.fillSeal(lyingAt(path, s.Last()).ID, s)
		if err != nil {
			return fmt.Errorf("fill the seal of entry %d of %v: %w", s.Last(), s.Log, err)
		}
		filled = filled || put
	}
	if !filled {
		return nil
	}
	for _, entry := range entries[:vouched] {
		if err := e.mend(lyingAt(path, entry.Seq).ID, entry); err != nil {
			return fmt.Errorf("mend what entry %d of %v wrote: %w", entry.Seq, entry.Log, err)
		}
	}
	return e.mendRecords()
}

// vouched is the branch held that a segment is of, and how many of the segment's entries
// are that branch's: up to the last one whose hash is known here. ErrFork says that it has
// another hash on every branch.
func (e *Engine) vouched(s *wire.Segment) (path []store.Log, n int, err error) {
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		logs, err := e.heldOf(tx, s.Log)
		if err != nil {
			return err
		}
		for _, l := range logs {
			along, err := e.lyingPath(tx, l.ID)
			if err != nil {
				return err
			}
			known, same, err := vouchedBy(tx, along, s)
			if err != nil {
				return err
			}
			if same && (path == nil || known > n) {
				path, n = along, known
			}
		}
		if path == nil {
			return ErrFork
		}
		return nil
	})
	return path, n, err
}

// vouchedBy is how many of a segment's entries a branch vouches for; same is false where
// the newest that both know differs.
func vouchedBy(tx *store.Tx, path []store.Log, s *wire.Segment) (n int, same bool, err error) {
	for seq := min(s.Last(), path[len(path)-1].Head.Seq); seq >= s.First && seq > lyingAt(path, seq).Dropped.Seq; seq-- {
		hash, known, err := hashAlong(tx, path, seq)
		if err != nil {
			return 0, false, err
		}
		if known {
			return int(seq - s.First + 1), hash == wire.ChainHash(s.Entries[seq-s.First]), nil
		}
	}
	return 0, true, nil
}

// hashAlong is knownHash of a branch: it knows from where it left another.
func hashAlong(tx *store.Tx, path []store.Log, seq uint64) (hash crdt.Hash, known bool, err error) {
	for _, l := range path[1:] {
		if seq == base(l) {
			return l.Dropped.Hash, true, nil
		}
	}
	return knownHash(tx, lyingAt(path, seq), seq)
}

// knownHash is the chain hash of a log at a seq, as far as the head, the entry
// itself, the one after it or a seal tells.
func knownHash(tx *store.Tx, l store.Log, seq uint64) (hash crdt.Hash, known bool, err error) {
	if seq == l.Head.Seq {
		return l.Head.Hash, true, nil
	}
	at, err := tx.Stored(l, seq)
	if node.CodeOf(err) != node.Damaged {
		return at.Hash, err == nil, err
	}
	if next, err := tx.Stored(l, seq+1); err == nil {
		entry, err := wire.DecodeEntry(next.Raw)
		if err != nil {
			return hash, false, err
		}
		return entry.Prev, true, nil
	}
	seal, err := tx.SealAt(l, seq)
	if errors.Is(err, store.ErrNoSeal) || node.CodeOf(err) == node.Damaged {
		return hash, false, nil
	}
	return seal.Hash, err == nil, err
}

// fillOne writes an entry again if what is stored of it can't be read, and the one
// before it can.
func (e *Engine) fillOne(path []store.Log, entry *crdt.Entry, raw []byte) (filled bool, err error) {
	l := lyingAt(path, entry.Seq)
	entry, raw, err = e.erased.obey(e.authorities().forks, l.ID, entry, raw)
	if err != nil {
		return false, err
	}
	damaged := func(err error) bool { return node.CodeOf(err) == node.Damaged }
	missing := false
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		if entry.Seq > l.Head.Seq || entry.Seq <= l.Dropped.Seq {
			return nil
		}
		if _, err = tx.Stored(l, entry.Seq); !damaged(err) {
			return err
		}
		missing = true
		return nil
	})
	if err != nil || !missing {
		return false, err
	}
	err = e.cfg.Store.Update(func(tx *store.Tx) error {
		before := store.Stored{Hash: l.Dropped.Hash}
		if left := lyingAt(path, entry.Seq-1); entry.Seq > left.Dropped.Seq+1 {
			if before, err = tx.Stored(left, entry.Seq-1); damaged(err) {
				return nil // it is filled from its first entry on
			}
		}
		if err != nil {
			return err
		}
		if before.Hash != entry.Prev {
			return ErrFork
		}
		if entry.Citing(before.Cite) != nil {
			entry.Cites = before.Cite
		}
		filled = true
		return tx.PutEntry(l, entry.Seq, store.Stored{Raw: raw, Hash: wire.ChainHash(raw), Cite: entry.Cites})
	})
	return filled, err
}

// fillSeal writes a segment's seal again if that is the newest of its log, and can't
// be read.
func (e *Engine) fillSeal(lies crdt.LogID, s *wire.Segment) (filled bool, err error) {
	var l store.Log
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		if l, err = tx.Log(lies); err != nil || l.Sealed != s.Seal.Head() {
			return err
		}
		_, err := tx.SealAt(l, s.Seal.Seq)
		if filled = errors.Is(err, store.ErrNoSeal) || node.CodeOf(err) == node.Damaged; filled {
			return nil
		}
		return err
	})
	if err != nil || !filled {
		return false, err
	}
	return true, e.cfg.Store.Update(func(tx *store.Tx) error { return tx.Seal(&l, s.Seal) })
}

// mend makes the records of an entry anew where they can't be read, and merges the
// entry into the others: that changes nothing where it was merged before.
func (e *Engine) mend(lies crdt.LogID, entry *crdt.Entry) error {
	return e.update(func(b *batch) error {
		l, err := b.log(lies)
		if err != nil {
			return err
		}
		held, err := e.carried(b.tx, *l, entry.Seq)
		if errors.Is(err, store.ErrDropped) || node.CodeOf(err) == node.Damaged {
			return nil
		}
		if err != nil {
			return err
		}
		err = b.take(lies, held, nil)
		if node.CodeOf(err) == node.Damaged { // a record of which more is missing
			return nil
		}
		return err
	})
}

// Mend makes what it can of the damaged records anew, strikes off the list what is
// well again, and wakes the lines to the peers, whom the holes are asked for. If
// entries of this device are gone that nobody is known to have, what it writes from
// now on goes into logs of a new name: nothing could be sent past the hole. What lies
// before it is sealed, to be sent.
func (e *Engine) Mend() error {
	if len(e.cfg.Store.Damage()) == 0 {
		return nil
	}
	e.write.Lock()
	defer e.write.Unlock()
	if err := e.mendSeals(); err != nil {
		return fmt.Errorf("mend seals: %w", err)
	}
	if err := e.leaveHoles(); err != nil {
		return fmt.Errorf("begin new logs: %w", err)
	}
	return e.mendRecords()
}

// mendSeals seals anew where seals of this device can't be read, and takes those of
// others away that a newer one covers: nobody misses them.
func (e *Engine) mendSeals() error {
	var seals []crdt.Pos
	err := e.cfg.Store.View(func(tx *store.Tx) (err error) {
		seals, err = tx.DamagedSeals()
		return err
	})
	for _, at := range seals {
		if err == nil {
			err = e.cfg.Store.Update(func(tx *store.Tx) error { return e.mendSeal(tx, at) })
		}
	}
	return err
}

func (e *Engine) mendSeal(tx *store.Tx, at crdt.Pos) error {
	l, err := tx.Log(at.Log)
	if err != nil {
		return err
	}
	head, known := l.Sealed, true
	if at.Seq < l.Sealed.Seq {
		head.Seq = at.Seq
		if head.Hash, known, err = sealedHash(tx, l, at.Seq); err != nil {
			return err
		}
	}
	switch {
	case known && at.Log.Device == e.cfg.Device:
		seal, err := wire.Sign(at.Log, head, e.cfg.Sign)
		if err != nil {
			return fmt.Errorf("seal a log: %w", err)
		}
		return tx.Seal(&l, seal)
	case at.Seq < l.Sealed.Seq:
		return tx.DropSeal(l, at.Seq)
	}
	return nil // a peer has it
}

// sealedHash is knownHash; of what compaction took away nothing is known.
func sealedHash(tx *store.Tx, l store.Log, seq uint64) (hash crdt.Hash, known bool, err error) {
	if seq <= l.Dropped.Seq {
		return hash, false, nil
	}
	return knownHash(tx, l, seq)
}

func (e *Engine) leaveHoles() error {
	var gaps map[crdt.LogID]uint64
	err := e.cfg.Store.View(func(tx *store.Tx) (err error) {
		gaps, err = tx.Gaps()
		return err
	})
	leave := false
	for log, seq := range gaps {
		if err != nil || log != e.ownLog(log.Class) || e.receivedBy(crdt.Pos{Log: log, Seq: seq}) {
			continue
		}
		leave = true
		err = e.sealBelow(log, seq)
	}
	if err != nil || !leave {
		return err
	}
	return e.beginAnew()
}

// sealBelow seals a log of this device just below a hole, so that what lies before it
// can be sent.
func (e *Engine) sealBelow(log crdt.LogID, hole uint64) error {
	return e.cfg.Store.Update(func(tx *store.Tx) error {
		l, err := tx.Log(log)
		if err != nil {
			return err
		}
		below, err := tx.SealedBelow(l, hole)
		if err != nil || below.Seq+1 >= hole {
			return err
		}
		hash, known, err := sealedHash(tx, l, hole-1)
		if err != nil || !known {
			return err
		}
		seal, err := wire.Sign(log, crdt.Head{Seq: hole - 1, Hash: hash}, e.cfg.Sign)
		if err != nil {
			return fmt.Errorf("seal a log: %w", err)
		}
		return tx.Seal(&l, seal)
	})
}

// receivedBy says whether any receipt held names an entry.
func (e *Engine) receivedBy(p crdt.Pos) bool {
	e.state.Lock()
	defer e.state.Unlock()
	for role := range e.covered {
		if e.covered[role][p.Log] >= p.Seq {
			return true
		}
	}
	return false
}

// mendRecords makes the records on the damage list anew of which every entry is
// here, and looks at the list again.
func (e *Engine) mendRecords() error {
	var places [][]byte
	err := e.cfg.Store.View(func(tx *store.Tx) (err error) {
		places, err = tx.DamagedRecords()
		return err
	})
	if err != nil {
		return err
	}
	for _, place := range places {
		if err := e.mendRecord(place); err != nil {
			return fmt.Errorf("make a record anew: %w", err)
		}
	}
	if err := e.cfg.Store.Recheck(); err != nil {
		return err
	}
	e.figures.again(e)
	e.announce()
	return nil
}

func (e *Engine) mendRecord(place []byte) error {
	id, err := store.IDOf(place)
	if err != nil {
		return err
	}
	return e.update(func(b *batch) error {
		collection := collectionOf(place)
		_, err := b.tx.Record(collection, id)
		if node.CodeOf(err) != node.Damaged {
			return err
		}
		r, err := b.mended(collection, id, err)
		if node.CodeOf(err) == node.Damaged {
			return nil // it stays on the list
		}
		if err != nil {
			return err
		}
		t, err := b.touch(r)
		if err == nil {
			t.dirty = true
		}
		return err
	})
}
