package engine

import (
	"fmt"
	"maps"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node/store"
)

// forks are the logs of which more than one history is held. The first that came lies
// in the store under the log's own name, whole; each other lies from its first
// differing entry on under crdt.BranchName, and says which of these it left. That never
// changes. Which branch has the log's name in records, and how the others are called,
// is worked out of it (named), and changes with what arrives. A nil forks has none.
type forks struct {
	branches map[crdt.LogID][]fork      // by log as it was written, in the order in which they came
	names    map[crdt.LogID]crdt.LogID  // every name that entries of such a log may have: to the log as written
	settled  map[crdt.LogID][]crdt.Hash // which branches the hub has committed
	named    crdt.Forks
	told     crdt.Forks // as peers are told: by the branches alone, whatever the hub has committed
}

// fork is a branch that came later than another of its log.
type fork struct {
	log       crdt.LogID // under which it lies
	parent    crdt.LogID // under which what it left lies
	at        uint64     // seq of its first entry
	hash      crdt.Hash  // chain hash there
	held      crdt.Hash  // chain hash there of what it left
	prev      crdt.Hash  // chain hash before
	noticedMS int64
}

// localFork is the kind of the items that keep forks, by the name that they lie under.
const localFork = "fork"

type storedFork struct {
	_         struct{} `cbor:",toarray"`
	Scope     string
	Log       stagedLog
	Parent    crdt.Hash // the first entry of the branch that it left; zero: what came first
	At        uint64
	Hash      crdt.Hash
	Held      crdt.Hash
	Prev      crdt.Hash
	NoticedMS int64
}

func putFork(tx *store.Tx, written crdt.LogID, f fork) error {
	s := storedFork{
		Scope: string(written.Scope), Log: stagedLog{Device: written.Device, Incarnation: written.Incarnation, Class: uint8(written.Class)},
		At: f.at, Hash: f.hash, Held: f.held, Prev: f.prev, NoticedMS: f.noticedMS,
	}
	if f.parent != written {
		b, err := tx.Local(localFork, f.parent.String())
		if err != nil {
			return err
		}
		var parent storedFork
		if err := wire.Unmarshal(b, store.MaxValue, &parent); err != nil {
			return fmt.Errorf("the fork that a branch left: %w", err)
		}
		s.Parent = parent.Hash
	}
	b, err := wire.Marshal(s)
	if err != nil {
		return err
	}
	return tx.PutLocal(localFork, f.log.String(), b)
}

// loadForks reads the forks that are kept, without those of which skip says so, and
// settles them by what the hub has committed.
func loadForks(tx *store.Tx, said map[crdt.Scope]*crdt.Authority, skip func(fork) bool) (*forks, error) {
	f := &forks{branches: map[crdt.LogID][]fork{}, names: map[crdt.LogID]crdt.LogID{}, settled: map[crdt.LogID][]crdt.Hash{}}
	numbers := map[crdt.LogID]uint32{}
	err := tx.Locals(localFork, func(name string, b []byte) error {
		var s storedFork
		if err := wire.Unmarshal(b, store.MaxValue, &s); err != nil {
			return fmt.Errorf("the stored fork %s: %w", name, err)
		}
		written := crdt.LogID{Device: s.Log.Device, Incarnation: s.Log.Incarnation, Scope: crdt.Scope(s.Scope), Class: crdt.Class(s.Log.Class)}
		branch := fork{
			log: crdt.BranchName(written, s.Hash), parent: written, at: s.At, hash: s.Hash, held: s.Held, prev: s.Prev, noticedMS: s.NoticedMS,
		}
		if s.Parent != (crdt.Hash{}) {
			branch.parent = crdt.BranchName(written, s.Parent)
		}
		l, err := tx.Log(branch.log)
		if err != nil || l.Head.Seq == 0 || skip != nil && skip(branch) {
			return err
		}
		numbers[branch.log] = l.Number()
		f.branches[written] = append(f.branches[written], branch)
		return nil
	})
	if err != nil || len(f.branches) == 0 {
		return nil, err
	}
	for written, branches := range f.branches {
		slices.SortFunc(branches, func(a, b fork) int { return int(numbers[a.log]) - int(numbers[b.log]) })
		f.name(written)
	}
	return f, f.settle(tx, said)
}

// name tells crdt of the branches of a log, and both sides of each parting.
func (f *forks) name(written crdt.LogID) {
	f.names[written] = written
	for _, b := range f.branches[written] {
		from := f.branchAt(written, b.parent, b.at-1)
		for _, hash := range []crdt.Hash{b.hash, b.held} {
			f.names[crdt.BranchName(written, hash)] = written
			part := crdt.Branch{At: b.at, Hash: hash, Prev: b.prev, From: from}
			f.named.Add(written, part)
			f.told.Add(written, part)
		}
	}
}

// settle says which branches the hub has committed, as far as they are held.
func (f *forks) settle(tx *store.Tx, said map[crdt.Scope]*crdt.Authority) error {
	f.named.Unsettle()
	clear(f.settled)
	for written := range f.branches {
		if err := f.settleOne(tx, written, said[written.Scope]); err != nil {
			return err
		}
	}
	return nil
}

func (f *forks) settleOne(tx *store.Tx, written crdt.LogID, a *crdt.Authority) error {
	own, dropped, err := f.kept(tx, written)
	if err != nil {
		return err
	}
	add := func(branch crdt.Hash) {
		if branch != (crdt.Hash{}) && !slices.Contains(f.settled[written], branch) {
			f.settled[written] = append(f.settled[written], branch)
			f.named.Settle(written, branch)
		}
	}
	for _, head := range a.Committed(written) {
		l, err := f.find(tx, logsOf(tx), written, head.Seq, head.Hash)
		if err != nil {
			return err
		}
		if l != nil && f.leaves(written, l.ID) > dropped {
			add(f.branchAt(written, l.ID, head.Seq))
		}
	}
	add(own)
	return nil
}

// logs calls f with the logs that are held. A branch of which a crash has left a part is
// passed over: nothing is said of it until it comes again and has a name.
func (e *Engine) logs(tx *store.Tx, f func(store.Log) error) error {
	forks := e.authorities().forks
	return tx.Logs(func(l store.Log) error {
		if _, named := forks.written(l.ID); isBranch(l.ID) && !named {
			return nil
		}
		return f(l)
	})
}

// logAt finds the state of a log: as a transaction sees it, or as a batch does.
type logAt func(crdt.LogID) (*store.Log, error)

func logsOf(tx *store.Tx) logAt {
	return func(id crdt.LogID) (*store.Log, error) {
		l, err := tx.Log(id)
		return &l, err
	}
}

// written is the log under whose name entries were written that lie, or are called,
// so; false of a log that hasn't forked.
func (f *forks) written(name crdt.LogID) (crdt.LogID, bool) {
	if f == nil {
		return name, false
	}
	log, forked := f.names[name]
	if !forked {
		return name, false
	}
	return log, true
}

// lies is where the entries of a log that has forked lie.
func (f *forks) lies(written crdt.LogID) []crdt.LogID {
	logs := []crdt.LogID{written}
	for _, b := range f.branches[written] {
		logs = append(logs, b.log)
	}
	return logs
}

// branch is the branch that lies so; false of what came first.
func (f *forks) branch(written, lies crdt.LogID) (fork, bool) {
	i := slices.IndexFunc(f.branches[written], func(b fork) bool { return b.log == lies })
	if i < 0 {
		return fork{}, false
	}
	return f.branches[written][i], true
}

// since is the first seq at which a log has parted.
func (f *forks) since(written crdt.LogID) uint64 {
	at := ^uint64(0)
	for _, b := range f.branches[written] {
		at = min(at, b.at)
	}
	return at
}

// partings are the seqs at which a log parts.
func (f *forks) partings(written crdt.LogID) (at []uint64) {
	for _, b := range f.branches[written] {
		at = append(at, b.at)
	}
	return at
}

// branchAt is the branch, as crdt calls it, on which an entry lies.
func (f *forks) branchAt(written, lies crdt.LogID, seq uint64) crdt.Hash {
	own, later := f.branch(written, lies)
	if later && seq < own.at {
		return f.branchAt(written, own.parent, seq)
	}
	at, hash := own.at, own.hash
	for _, b := range f.branches[written] {
		if b.parent == lies && b.at <= seq && b.at >= at {
			at, hash = b.at, b.held
		}
	}
	return hash
}

// nameAt is what an entry is called that lies somewhere.
func (f *forks) nameAt(lies crdt.LogID, seq uint64) crdt.LogID {
	written, forked := f.written(lies)
	if !forked {
		return lies
	}
	return f.named.Name(written, f.branchAt(written, lies, seq), seq)
}

// toldAt is what peers are told that an entry is of which lies somewhere. It depends on
// the branches that are held and on nothing else, so that who holds the same says so.
func (f *forks) toldAt(lies crdt.LogID, seq uint64) crdt.LogID {
	written, forked := f.written(lies)
	if !forked {
		return lies
	}
	return f.told.Name(written, f.branchAt(written, lies, seq), seq)
}

// place is where an entry lies that is called so; what is not held lies nowhere.
func (f *forks) place(log logAt, name crdt.LogID, seq uint64) (*store.Log, error) {
	written, forked := f.written(name)
	if !forked {
		return log(name)
	}
	for _, lies := range f.lies(written) {
		l, err := log(lies)
		if err != nil {
			return nil, err
		}
		own, _ := f.branch(written, lies)
		if own.at <= seq && seq <= l.Head.Seq && f.nameAt(lies, seq) == name {
			return l, nil
		}
	}
	return &store.Log{ID: name}, nil
}

// on is crdt.On of a transaction; what goes wrong is left in fail.
func (f *forks) on(tx *store.Tx, log logAt, fail *error) crdt.On {
	return func(written crdt.LogID, seq uint64, hash crdt.Hash) (crdt.Hash, bool) {
		l, err := f.find(tx, log, written, seq, hash)
		if err != nil {
			*fail = err
		}
		if err != nil || l == nil {
			return crdt.Hash{}, false
		}
		return f.branchAt(written, l.ID, seq), true
	}
}

// resolve gives an entry that lies somewhere the names of today.
func (f *forks) resolve(tx *store.Tx, log logAt, lies crdt.LogID, entry *crdt.Entry) (*crdt.Entry, error) {
	if f == nil {
		return entry, nil
	}
	var branch crdt.Hash
	if written, forked := f.written(lies); forked {
		branch = f.branchAt(written, lies, entry.Seq)
	}
	var failed error
	named := f.named.Resolve(entry, branch, f.on(tx, log, &failed))
	return named, failed
}

// same says whether two forks call everything alike.
func (f *forks) same(g *forks) bool {
	if f == nil || g == nil {
		return f == g
	}
	return maps.EqualFunc(f.branches, g.branches, slices.Equal[[]fork]) && maps.EqualFunc(f.settled, g.settled, slices.Equal[[]crdt.Hash])
}
