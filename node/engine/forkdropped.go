package engine

import (
	"fmt"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node/store"
)

// localPassed is the kind of the items that keep the chain hashes of entries which
// compaction took away past a fork. Which branch a pin means there is told by its hash
// alone: without, a claim on the one history would take away what the other says.
const localPassed = "passed"

func passedName(lies crdt.LogID, seq uint64) string { return fmt.Sprintf("%v/%016x", lies, seq) }

// hashHeld is hashHeld of a transaction, past a fork also of what compaction took away.
func (f *forks) hashHeld(tx *store.Tx, l store.Log, seq uint64) (hash crdt.Hash, held bool, err error) {
	written, forked := f.written(l.ID)
	if !forked || seq > l.Dropped.Seq || seq < f.since(written) {
		return hashHeld(tx, l, seq)
	}
	b, err := tx.Local(localPassed, passedName(l.ID, seq))
	copy(hash[:], b)
	return hash, err == nil, err
}

// namedForGood is how far what lies under a log's own name has that name for good: below
// where it parts first, and beyond that as far as the hub has committed it. A branch that lies
// beside it is never compacted: what the floor has passed under the log's name, it
// has passed of the other history.
func (b *batch) namedForGood(a *crdt.Authority, name crdt.LogID) (upTo uint64, err error) {
	f := b.now.forks
	written, forked := f.written(name)
	if !forked {
		return ^uint64(0), nil
	}
	upTo = f.since(written) - 1
	if isBranch(name) {
		return upTo, nil
	}
	for _, head := range a.Committed(written) {
		l, err := f.find(b.tx, b.log, written, head.Seq, head.Hash)
		if err != nil || l == nil {
			return upTo, err
		}
		trunk := min(head.Seq, f.leaves(written, l.ID)-1)
		if trunk > upTo && f.nameAt(written, trunk) == written {
			upTo = trunk
		}
	}
	return upTo, nil
}

// leaves is the first seq at which a branch isn't what lies under the log's own name.
func (f *forks) leaves(written, lies crdt.LogID) (at uint64) {
	for at = ^uint64(0); lies != written; {
		own, known := f.branch(written, lies)
		if !known {
			break
		}
		at, lies = own.at, own.parent
	}
	return at
}

// find is where an entry with a hash lies; nil where it isn't held.
func (f *forks) find(tx *store.Tx, log logAt, written crdt.LogID, seq uint64, hash crdt.Hash) (unknown *store.Log, err error) {
	for _, lies := range f.lies(written) {
		l, err := log(lies)
		if err != nil {
			return nil, err
		}
		if own, _ := f.branch(written, lies); seq < own.at {
			continue
		}
		held, ok, err := f.hashHeld(tx, *l, seq)
		if err != nil || ok && held == hash {
			return l, err
		}
		if ok && unknown == nil && held == (crdt.Hash{}) {
			unknown = l // it was compacted: there is nothing left to compare
		}
	}
	return unknown, nil
}

// kept is what of a log's own history was dropped past a fork: from there on its name
// stays here, whatever a hub says that was restored and has forgotten.
func (f *forks) kept(tx *store.Tx, written crdt.LogID) (branch crdt.Hash, dropped uint64, err error) {
	l, err := tx.Log(written)
	if err != nil || l.Dropped.Seq < f.since(written) {
		return branch, 0, err
	}
	return f.branchAt(written, written, l.Dropped.Seq), l.Dropped.Seq, nil
}

// dropNext takes the next entry of a log away. Past a fork its hash stays.
func (b *batch) dropNext(l *store.Log) error {
	if err := b.tx.DropNext(l); err != nil {
		return err
	}
	written, forked := b.now.forks.written(l.ID)
	if !forked || l.Dropped.Seq < b.now.forks.since(written) {
		return nil
	}
	return b.tx.PutLocal(localPassed, passedName(l.ID, l.Dropped.Seq), slices.Clone(l.Dropped.Hash[:]))
}

// wasDropped says whether a write under its name of before lies in what compaction took
// away: then it stands in its record alone.
func (b *batch) wasDropped(p crdt.Pos) bool {
	l, err := b.old.forks.place(b.log, p.Log, p.Seq)
	if err != nil {
		b.failed = err
		return true
	}
	return !isBranch(l.ID) && p.Seq <= l.Dropped.Seq
}

// waitsNow is a claim that an entry made which was compacted: what it waits for is
// told by its pin.
func (b *batch) waitsNow(c crdt.Claim) []crdt.Claim {
	f := b.now.forks
	if written, forked := f.written(c.Over.Log); !forked || max(c.Over.Seq, c.Pin.Seq) < f.since(written) {
		return []crdt.Claim{c}
	}
	entry := crdt.Entry{Log: c.By.Log, Seq: c.By.Seq, Ops: []crdt.Op{{Over: []crdt.Pos{c.Over}}}}
	if c.Pin.Seq > 0 {
		entry.Pins = []crdt.Pin{{Log: c.Over.Log, Seq: c.Pin.Seq, Hash: c.Pin.Hash}}
	}
	named := f.named.Resolve(&entry, crdt.Hash{}, f.on(b.tx, b.log, &b.failed))
	var all []crdt.Claim
	for _, over := range named.Ops[0].Over {
		claim := crdt.Claim{By: c.By, Over: over, Cite: c.Cite}
		for _, pin := range named.Pins {
			if pin.Log == over.Log {
				claim.Pin = crdt.Head{Seq: pin.Seq, Hash: pin.Hash}
			}
		}
		all = append(all, claim)
	}
	return all
}
