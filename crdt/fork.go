package crdt

import (
	"bytes"
	"crypto/sha256"
	"slices"
)

// Branch is where a log parts: its first entry that differs from another's at
// the same seq.
type Branch struct {
	At   uint64 // seq of its first own entry
	Hash Hash   // chain hash there, which names the branch
	Prev Hash   // chain hash before it
	From Hash   // the branch that it left, by its Hash; zero: the trunk
}

// Forks are the logs of which more than one history was seen. All branches stay;
// one of them keeps the log's name, and each other is a log of its own. The zero
// Forks has seen none.
//
// Which branch keeps the name is a function of the branches and of what the hub
// has committed: the one that a checkpoint covers, and until then the one whose
// first entry has the smallest hash. So it can change, and what was written under
// the two names is then read anew.
type Forks struct {
	branches map[LogID][]Branch      // sorted by At and Hash
	settled  map[LogID]map[Hash]bool // as Settle was told
}

// BranchName is the log that a branch is when it doesn't keep its log's name: the
// same device and scope, an incarnation made of its first entry's hash, and a class
// that no entry is written under (ClassBranch), so that nobody can take the name.
func BranchName(l LogID, first Hash) LogID {
	h := sha256.New()
	h.Write([]byte("vungxa fork 1\x00"))
	h.Write(first[:])
	copy(l.Incarnation[:], h.Sum(nil))
	l.Class |= ClassBranch
	return l
}

// Add notes that a log parts. Both sides of a fork are added: the branch that was
// held, and the one that was met. A branch that is added again replaces what was
// said of it: a fork that is met later may lie before it, and be what it left.
func (f *Forks) Add(l LogID, b Branch) {
	if f.branches == nil {
		f.branches = map[LogID][]Branch{}
	}
	i, ok := slices.BinarySearchFunc(f.branches[l], b, compareBranches)
	if ok {
		f.branches[l][i] = b
		return
	}
	f.branches[l] = slices.Insert(f.branches[l], i, b)
}

func compareBranches(a, b Branch) int {
	if a.At != b.At {
		if a.At < b.At {
			return -1
		}
		return 1
	}
	return bytes.Compare(a.Hash[:], b.Hash[:])
}

// Forked says whether more than one history of a log was seen: its device is
// quarantined, and people are told.
func (f *Forks) Forked(l LogID) bool { return len(f.branches[l]) > 1 }

// Settle says that the hub has committed the branch of a log: it keeps the name,
// and so do those that it grew from, by what is known of them when it is asked.
// Where a fork is met later that lies below what the hub has committed, the caller
// settles the branch on which the hub's head lies then.
func (f *Forks) Settle(l LogID, branch Hash) {
	if f.settled == nil {
		f.settled = map[LogID]map[Hash]bool{}
	}
	if f.settled[l] == nil {
		f.settled[l] = map[Hash]bool{}
	}
	f.settled[l][branch] = true
}

// Unsettle forgets what Settle was told. Where a checkpoint made others void, the
// caller settles anew what those say that are not.
func (f *Forks) Unsettle() { f.settled = nil }

// committed are the branches that the hub has committed, and those that they grew
// from.
func (f *Forks) committed(l LogID) map[Hash]bool {
	all := map[Hash]bool{}
	for settled := range f.settled[l] {
		for _, b := range f.path(l, settled) {
			all[b.Hash] = true
		}
	}
	return all
}

// path is the branches that lead to a branch, from the trunk on, itself last.
func (f *Forks) path(l LogID, branch Hash) []Branch {
	var path []Branch
	for branch != (Hash{}) {
		i := slices.IndexFunc(f.branches[l], func(b Branch) bool { return b.Hash == branch })
		if i < 0 {
			break
		}
		path = append(path, f.branches[l][i])
		branch = f.branches[l][i].From
	}
	slices.Reverse(path)
	return path
}

// keeps says whether a branch keeps the name that it had before the fork: one that
// is committed before one that isn't, and then the smaller hash.
func (f *Forks) keeps(l LogID, b Branch) bool {
	committed := f.committed(l)
	for _, other := range f.branches[l] {
		sibling := other.At == b.At && other.Prev == b.Prev && other.Hash != b.Hash
		before := bytes.Compare(other.Hash[:], b.Hash[:]) < 0
		if committed[other.Hash] != committed[b.Hash] {
			before = committed[other.Hash]
		}
		if sibling && before {
			return false
		}
	}
	return true
}

// Name is the log to which an entry belongs: l as it was written, the branch (the
// Hash of the last Branch before the entry; zero: the trunk) and its seq.
func (f *Forks) Name(l LogID, branch Hash, seq uint64) LogID {
	parts := f.parts(l, branch, Head{Seq: seq})
	return parts[len(parts)-1].Log
}

// parts are the logs of which the prefix of a branch consists, up to and with a
// head of it: each with where it ends.
func (f *Forks) parts(l LogID, branch Hash, head Head) []Pin {
	var parts []Pin
	name := l
	for _, b := range f.path(l, branch) {
		if b.At > head.Seq || f.keeps(l, b) {
			continue
		}
		if b.At > 1 {
			parts = append(parts, Pin{Log: name, Seq: b.At - 1, Hash: b.Prev})
		}
		name = BranchName(l, b.Hash)
	}
	return append(parts, Pin{Log: name, Seq: head.Seq, Hash: head.Hash})
}
