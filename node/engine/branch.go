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

// isBranch says whether a name is that of a branch: under which the store keeps one.
func isBranch(l crdt.LogID) bool { return l.Class&crdt.ClassBranch != 0 }

// fit is what is held of the branch that a segment continues; or, where the segment
// parts from all that is held, where it does. ErrGap: entries before it are missing.
// ErrFork: it is of a branch of which the beginning isn't here, and has to come first.
func (e *Engine) fit(s *wire.Segment) (held store.Log, parts *fork, err error) {
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		logs, err := e.heldOf(tx, s.Log)
		if err != nil {
			return err
		}
		gap, found := false, false
		for _, l := range logs {
			fits, err := e.continues(tx, l, s)
			if err != nil && !errors.Is(err, ErrGap) {
				return err
			}
			gap = gap || err != nil
			if fits && (!found || l.Head.Seq > held.Head.Seq) {
				held, found = l, true
			}
		}
		if found {
			return nil
		}
		if parts, err = e.parting(tx, logs, s); err != nil || parts != nil {
			return err
		}
		if gap {
			return ErrGap
		}
		return ErrFork
	})
	return held, parts, err
}

// heldOf is what is held of a log: what came first, and other branches.
func (e *Engine) heldOf(tx *store.Tx, written crdt.LogID) (logs []store.Log, err error) {
	lies := []crdt.LogID{written}
	if f := e.authorities().forks; f != nil {
		lies = f.lies(written)
	}
	for _, id := range lies {
		l, err := tx.Log(id)
		if err != nil {
			return nil, err
		}
		logs = append(logs, l)
	}
	return logs, nil
}

// base is before the first entry that a log keeps itself: those of a branch begin where
// it left another.
func base(l store.Log) uint64 {
	if isBranch(l.ID) {
		return l.Dropped.Seq
	}
	return 0
}

// continues says whether a segment goes on from what is held, or is held. It compares
// the last entry before the new ones, or the segment's last where nothing is new: the
// chain vouches for those before it.
func (e *Engine) continues(tx *store.Tx, l store.Log, s *wire.Segment) (bool, error) {
	if s.First > l.Head.Seq+1 {
		return false, ErrGap
	}
	at := min(l.Head.Seq, s.Last())
	if at < base(l) {
		return false, nil
	}
	if at == 0 {
		return true, nil
	}
	if at < l.Dropped.Seq {
		return e.continuedDropped(tx, l, s, at)
	}
	ours, known, err := beginHash(tx, l, at)
	if err != nil || !known {
		return at == s.Last(), err // where nothing new comes, nothing could vouch for what was there
	}
	theirs, err := hashIn(s, at)
	return ours == theirs, err
}

// continuedDropped is continues where compaction has taken what a segment ends with: a
// seal may have stayed, or past a fork the hash. Where neither has, it is taken for what
// was held.
func (e *Engine) continuedDropped(tx *store.Tx, l store.Log, s *wire.Segment, at uint64) (bool, error) {
	theirs, err := hashIn(s, at)
	if err != nil {
		return false, err
	}
	ours, _, err := e.authorities().forks.hashHeld(tx, l, at)
	if err != nil || ours != (crdt.Hash{}) {
		return ours == theirs, err
	}
	seal, err := tx.SealAt(l, at)
	if errors.Is(err, store.ErrNoSeal) || node.CodeOf(err) == node.Damaged {
		return true, nil
	}
	return seal.Hash == theirs, err
}

// hashIn is the chain hash that a segment has at a seq, or before its first entry.
func hashIn(s *wire.Segment, seq uint64) (crdt.Hash, error) {
	if seq >= s.First {
		return wire.ChainHash(s.Entries[seq-s.First]), nil
	}
	first, err := wire.DecodeEntry(s.Entries[0])
	if err != nil {
		return crdt.Hash{}, err
	}
	return first.Prev, nil
}

// parting is where a segment leaves what is held, as late as can be; nil where no entry
// before it is held.
func (e *Engine) parting(tx *store.Tx, logs []store.Log, s *wire.Segment) (parts *fork, err error) {
	for _, l := range logs {
		for seq := min(l.Head.Seq, s.Last()); seq+1 >= s.First && seq >= base(l); seq-- {
			if parts != nil && seq < parts.at {
				break
			}
			same, err := sameAt(tx, l, s, seq)
			if err != nil {
				return nil, err
			}
			if same {
				parts, err = e.partAt(tx, logs, l, s, seq)
				if err != nil {
					return nil, err
				}
				break
			}
			if seq == 0 {
				break
			}
		}
	}
	return parts, nil
}

// sameAt says whether a segment is what is held, up to a seq. Below what compaction has
// left nothing can be compared.
func sameAt(tx *store.Tx, l store.Log, s *wire.Segment, seq uint64) (bool, error) {
	if seq < l.Dropped.Seq {
		return false, nil
	}
	ours, known, err := beginHash(tx, l, seq)
	if err != nil || !known {
		return false, err
	}
	theirs, err := hashIn(s, seq)
	return ours == theirs, err
}

// beginHash is knownHash, before the first entry and after what was dropped too.
func beginHash(tx *store.Tx, l store.Log, seq uint64) (hash crdt.Hash, known bool, err error) {
	switch seq {
	case 0:
		return crdt.Hash{}, true, nil
	case l.Dropped.Seq:
		return l.Dropped.Hash, true, nil
	}
	return knownHash(tx, l, seq)
}

// partAt is the fork that a segment makes past a seq of a log. Where that is where the
// log itself left another, it has left that one too.
func (e *Engine) partAt(tx *store.Tx, logs []store.Log, l store.Log, s *wire.Segment, seq uint64) (*fork, error) {
	hash, err := hashIn(s, seq+1)
	if err != nil {
		return nil, err
	}
	prev, err := hashIn(s, seq)
	if err != nil {
		return nil, err
	}
	f := &fork{log: crdt.BranchName(s.Log, hash), parent: l.ID, at: seq + 1, hash: hash, prev: prev, noticedMS: e.nowMS()}
	if isBranch(l.ID) && seq == base(l) {
		own, _ := e.authorities().forks.branch(s.Log, l.ID)
		f.parent, f.held = own.parent, own.held
		left := slices.IndexFunc(logs, func(l store.Log) bool { return l.ID == f.parent })
		if logs[left].Dropped.Seq >= f.at { // it may part later: there is nothing left to compare
			return nil, nil
		}
		return f, nil
	}
	held, known, err := knownHash(tx, l, seq+1)
	if err != nil || !known {
		return nil, err
	}
	f.held = held
	return f, nil
}

// path is the logs in which that lies which peers are told of under a name, from the
// first entry on. Of a log that has forked each branch has a name (told).
func (e *Engine) path(tx *store.Tx, id crdt.LogID) (path []store.Log, err error) {
	f := e.authorities().forks
	written, forked := f.written(id)
	if !forked {
		l, err := tx.Log(id)
		return []store.Log{l}, err
	}
	for _, lies := range f.lies(written) {
		l, err := tx.Log(lies)
		if err != nil {
			return nil, err
		}
		if f.toldAt(lies, l.Head.Seq) == id {
			return e.lyingPath(tx, lies)
		}
	}
	return []store.Log{{ID: id}}, nil
}

// ownFrom is the first entry that is told under a name: 1, but for a branch that has not
// kept its log's name.
func (e *Engine) ownFrom(id crdt.LogID, path []store.Log) uint64 {
	f := e.authorities().forks
	tip := path[len(path)-1]
	written, forked := f.written(id)
	if !forked || !isBranch(id) {
		return 1
	}
	from := tip.Head.Seq
	for _, at := range f.partings(written) {
		if at <= from && f.toldAt(tip.ID, at) == id {
			from = at
		}
	}
	return from
}

// lyingPath is a log as it lies, after those that it left: all that one branch says, from
// the first entry on.
func (e *Engine) lyingPath(tx *store.Tx, lies crdt.LogID) (path []store.Log, err error) {
	f := e.authorities().forks
	written, _ := f.written(lies)
	for {
		l, err := tx.Log(lies)
		if err != nil {
			return nil, err
		}
		path = append([]store.Log{l}, path...)
		if !isBranch(lies) || f == nil {
			return path, nil
		}
		own, known := f.branch(written, lies)
		if !known {
			return path, nil // it is being stored, and has no name yet
		}
		lies = own.parent
	}
}

// begins is before the first entry of a log's own segments: where it parts from what it
// left, or before what of that has no seal of its own.
func begins(path []store.Log) uint64 {
	after := path[len(path)-1].Dropped.Seq
	for i := len(path) - 2; i >= 0 && path[i].Sealed.Seq < after; i-- {
		after = max(path[i].Sealed.Seq, path[i].Dropped.Seq)
	}
	return after
}

// gapOf is the first entry of a path that can't be read; 0 where all can.
func gapOf(gaps map[crdt.LogID]uint64, path []store.Log) uint64 {
	for _, l := range path {
		if gap := gaps[l.ID]; gap > 0 && lyingAt(path, gap).ID == l.ID {
			return gap
		}
	}
	return 0
}

// sealedBelow is the newest sealed entry of a path below a seq.
func sealedBelow(tx *store.Tx, path []store.Log, seq uint64) (head crdt.Head, err error) {
	for i := len(path) - 1; i >= 0; i-- {
		if seq <= base(path[i]) && i > 0 {
			continue
		}
		head, err = tx.SealedBelow(path[i], seq)
		if head.Seq >= seq { // compaction went on past where the branch left
			head = path[i+1].Dropped
		}
		if err != nil || head.Seq > base(path[i]) || i == 0 {
			return head, err
		}
		seq = base(path[i]) + 1
	}
	return head, nil
}

// lyingAt is which log of a path an entry lies in.
func lyingAt(path []store.Log, seq uint64) store.Log {
	for i := len(path) - 1; i > 0; i-- {
		if seq > base(path[i]) {
			return path[i]
		}
	}
	return path[0]
}

// pathSeals calls f with the seals of a path past a seq.
func pathSeals(tx *store.Tx, path []store.Log, after uint64, f func(wire.Seal) (bool, error)) error {
	for i, l := range path {
		more := true
		err := tx.SoundSeals(l, max(after, base(l)), func(s wire.Seal) (bool, error) {
			if i+1 < len(path) && s.Seq > base(path[i+1]) {
				return false, nil
			}
			var err error
			more, err = f(s)
			return more, err
		})
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// part takes in a branch: its entries, durably, and then what they say. Where its device
// is this one, it goes on under a name of its own.
func (e *Engine) part(s *wire.Segment, all []*crdt.Entry, f fork, last func(*store.Tx) error) error {
	from := f.at - s.First
	for n := 64; ; n = 1 { // less, where a transaction doesn't take as much
		err := e.storeBranch(s, all[from:], s.Entries[from:], f, n)
		if n == 1 || !errors.Is(err, store.ErrTooBig) {
			if err != nil {
				return fmt.Errorf("store a branch: %w", err)
			}
			break
		}
	}
	old := e.authorities()
	forks, err := e.forksUnder(old.said)
	if err != nil {
		return err
	}
	return e.rename(old, authorities{old.said, forks}, last)
}

// storeBranch stores the entries of a branch, so many at a time. It is known as one with
// the last.
func (e *Engine) storeBranch(s *wire.Segment, entries []*crdt.Entry, raw [][]byte, f fork, n int) error {
	undo := e.remember()
	err := e.cfg.Store.Update(func(tx *store.Tx) error {
		l, err := tx.Log(f.log)
		if err != nil {
			return err
		}
		cite, err := citeAt(tx, f)
		if err != nil {
			return err
		}
		return tx.GoOn(&l, crdt.Head{Seq: f.at - 1, Hash: f.prev}, cite)
	})
	for at := 0; at < len(raw) && err == nil; at += n {
		to := min(at+n, len(raw))
		err = e.cfg.Store.Update(func(tx *store.Tx) error {
			l, err := tx.Log(f.log)
			if err != nil {
				return err
			}
			for i := at; i < to; i++ {
				if err := e.appendBranch(tx, &l, entries[i], raw[i]); err != nil {
					return err
				}
			}
			if to < len(raw) {
				return nil
			}
			if err := tx.Seal(&l, s.Seal); err != nil {
				return err
			}
			return e.noteBranch(tx, s.Log, f)
		})
	}
	if err != nil {
		undo()
	}
	return err
}

// citeAt is what the entry before a branch cites.
func citeAt(tx *store.Tx, f fork) (crdt.Cite, error) {
	l, err := tx.Log(f.parent)
	if err != nil || f.at-1 <= l.Dropped.Seq {
		return crdt.Cite{}, err
	}
	stored, err := tx.Stored(l, f.at-1)
	return stored.Cite, err
}

func (e *Engine) appendBranch(tx *store.Tx, l *store.Log, entry *crdt.Entry, raw []byte) error {
	entry, raw, err := e.erased.obey(e.authorities().forks, l.ID, entry, raw)
	if err != nil {
		return err
	}
	if entry.Citing(l.Cite) != nil {
		entry.Cites = l.Cite
	}
	l.Cite = entry.Cites
	e.clock.Absorb(entry.Stamp, e.nowMS())
	return tx.Append(l, raw)
}

func (e *Engine) noteBranch(tx *store.Tx, written crdt.LogID, f fork) error {
	if err := putFork(tx, written, f); err != nil {
		return err
	}
	s := storedRename{
		Scope: string(written.Scope), New: f.hash,
		Log: stagedLog{Device: written.Device, Incarnation: written.Incarnation, Class: uint8(written.Class)},
	}
	if known := e.authorities().forks; known != nil {
		s.Settled = known.settled[written]
	}
	if err := putRename(tx, s); err != nil {
		return err
	}
	if written == e.ownLog(written.Class) {
		if err := e.newIncarnation(tx); err != nil {
			return err
		}
	}
	return e.saveClock(tx)
}

// settleForks looks again which branch of a log the hub has committed, after more of it
// has come.
func (e *Engine) settleForks(written crdt.LogID) error {
	old := e.authorities()
	if _, forked := old.forks.written(written); !forked {
		return nil
	}
	now, err := e.forksUnder(old.said)
	if err != nil || old.forks.same(now) {
		return err
	}
	return e.rename(old, authorities{old.said, now}, nil)
}
