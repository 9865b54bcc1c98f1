package crdt

import (
	"errors"
	"fmt"
	"slices"
)

// Errors of Authority.Apply.
var (
	// ErrOrder: the checkpoint before this one isn't held yet. Ask for it.
	ErrOrder = errors.New("a checkpoint is missing before this one")
	// ErrTwoFaced: the hub has said two things. Both are evidence; neither replaces
	// what is held, and people are told.
	ErrTwoFaced = errors.New("the hub has shown different checkpoints")
	// ErrCheckpoint: it takes back what an earlier one has said.
	ErrCheckpoint = errors.New("a checkpoint that no hub may sign")
)

// link is a checkpoint that is held, behind the one that it names. It is shared by
// the clones of an Authority, and never changed.
type link struct {
	*Checkpoint
	hash Hash
	prev *link // nil: it is a first one
}

// covers says whether the checkpoint itself says that the hub holds an entry.
func (l *link) covers(p Pos) bool {
	return slices.ContainsFunc(l.Heads, func(h Pin) bool { return h.Log == p.Log && h.Seq >= p.Seq }) ||
		slices.ContainsFunc(l.Witnesses, func(w Witness) bool { return w.Log == p.Log && w.Seq >= p.Seq })
}

// Apply folds a checkpoint in, which must not be changed from then on; hash is that
// of its canonical bytes. One that is held already changes nothing. Errors:
// ErrOrder, ErrTwoFaced, ErrCheckpoint; on any of them nothing has changed.
//
// A hub that was restored from a backup begins a new epoch with a checkpoint which
// names the last one that it knows. What followed that one is void from then on, and
// everything is as if it had never been said, whichever came first.
func (a *Authority) Apply(c *Checkpoint, hash Hash) error {
	if l := a.said(c.At); l != nil {
		if l.hash == hash {
			return nil
		}
		return fmt.Errorf("%w: two at hub epoch %d, index %d: %v and %v", ErrTwoFaced, c.At.Epoch, c.At.Index, l.hash, hash)
	}
	prev, err := a.follows(c)
	if err != nil {
		return err
	}
	when := a.when(prev)
	if err := when.permits(c); err != nil {
		return err
	}
	l := &link{Checkpoint: c, hash: hash, prev: prev}
	if c.At.Compare(a.Newest) < 0 {
		a.void = append(a.void, l)
		return nil
	}
	if when != a {
		when.void = slices.DeleteFunc(slices.Concat(a.void, a.chain), when.leads)
		*a = *when
	}
	a.take(l)
	return nil
}

// Holds says whether a checkpoint is held, be it void by now.
func (a *Authority) Holds(at Cite, hash Hash) bool {
	l := a.said(at)
	return l != nil && l.hash == hash
}

// find is the place in the chain of what was said at an index.
func (a *Authority) find(at Cite) (int, bool) {
	return slices.BinarySearchFunc(a.chain, at, func(l *link, at Cite) int { return l.At.Compare(at) })
}

// leads says whether a checkpoint is one of those that lead to the newest.
func (a *Authority) leads(l *link) bool {
	i, ok := a.find(l.At)
	return ok && a.chain[i] == l
}

// said is the checkpoint of an index, void or not; nil where none is held.
func (a *Authority) said(at Cite) *link {
	if a == nil {
		return nil
	}
	if i, ok := a.find(at); ok {
		return a.chain[i]
	}
	if i := slices.IndexFunc(a.void, func(l *link) bool { return l.At == at }); i >= 0 {
		return a.void[i]
	}
	return nil
}

// follows gives the checkpoint that c names, and holds c to its place: within a hub
// epoch checkpoints are one chain, and an epoch has one beginning.
func (a *Authority) follows(c *Checkpoint) (prev *link, err error) {
	if len(a.chain) > 0 && c.Scope != a.Scope {
		return nil, fmt.Errorf("%w: of another scope", ErrCheckpoint)
	}
	if l := a.newest(); l != nil && l.hash == c.Prev && l.At.Epoch == c.At.Epoch && c.At.Index > l.At.Index {
		return l, nil // as nearly always
	}
	for _, all := range [][]*link{a.chain, a.void} {
		if i := slices.IndexFunc(all, func(l *link) bool { return l.hash == c.Prev }); i >= 0 {
			prev = all[i]
		}
	}
	if prev == nil && c.Prev != (Hash{}) {
		return nil, fmt.Errorf("%w: %v", ErrOrder, c.Prev)
	}
	opens := prev == nil || prev.At.Epoch != c.At.Epoch
	for _, all := range [][]*link{a.chain, a.void} {
		for _, l := range all {
			if l.At.Epoch == c.At.Epoch && (opens || l.prev == prev) {
				return nil, fmt.Errorf("%w: two follow %v in hub epoch %d", ErrTwoFaced, c.Prev, c.At.Epoch)
			}
		}
	}
	if prev != nil && c.At.Compare(prev.At) <= 0 {
		return nil, fmt.Errorf("%w: index %d of hub epoch %d follows a later one", ErrTwoFaced, c.At.Index, c.At.Epoch)
	}
	return prev, nil
}

// when is what was said up to a checkpoint that is held: a itself, if that is the
// newest.
func (a *Authority) when(l *link) *Authority {
	if l == a.newest() {
		return a
	}
	var path []*link
	for ; l != nil; l = l.prev {
		path = append(path, l)
	}
	before := &Authority{}
	for _, l := range slices.Backward(path) {
		before.take(l)
	}
	return before
}

// Passed is the floors of all checkpoints that are held, be they void by now: what
// everyone had at some time, and may have forgotten. Whether something is late or
// closed is judged by it, and a hub that was restored says it again.
func (a *Authority) Passed() []Pos {
	if a == nil {
		return nil
	}
	passed := a.Floor
	for _, l := range a.void {
		passed = union(passed, l.Floor)
	}
	return passed
}

func (a *Authority) newest() *link {
	if a == nil || len(a.chain) == 0 {
		return nil
	}
	return a.chain[len(a.chain)-1]
}

// Since is the checkpoints that lead to the newest, in their order, without those that lead
// to the one whose hash begins so; and their hashes.
func (a *Authority) Since(known [16]byte) (all []*Checkpoint, hashes []Hash) {
	passed := map[*link]bool{}
	for _, held := range [][]*link{a.chain, a.void} {
		i := slices.IndexFunc(held, func(l *link) bool { return [16]byte(l.hash[:16]) == known })
		if i < 0 {
			continue
		}
		for l := held[i]; l != nil; l = l.prev {
			passed[l] = true
		}
	}
	for l := a.newest(); l != nil && !passed[l]; l = l.prev {
		all, hashes = append(all, l.Checkpoint), append(hashes, l.hash)
	}
	slices.Reverse(all)
	slices.Reverse(hashes)
	return all, hashes
}

// Hash is the hash of the newest checkpoint, the one that the next must name.
func (a *Authority) Hash() Hash {
	if l := a.newest(); l != nil {
		return l.hash
	}
	return Hash{}
}
