package engine

import (
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node/store"
)

// Fork is a log of which more than one history is held: its device was copied, or went on
// from an older disk. All branches are kept and read; people are told, and the device is
// quarantined: nothing that it wrote past the fork counts as received before the hub has
// said which branch has the log's name, and what of it isn't to be shown, a cut says.
type Fork struct {
	Log       crdt.LogID // under which name its entries were written
	Device    crdt.Device
	Since     uint64 // seq of the first entries that differ
	NoticedMS int64  // by this device's clock
	Decided   bool   // the hub has committed one of the branches
	Branches  []Branch
}

// Branch is one of a log's histories, from where it parts from the others.
type Branch struct {
	Name      crdt.LogID // by which records, histories and pins call its newest entry
	Since     uint64     // seq of its first own entry
	Head      crdt.Head  // its newest entry here
	Entries   uint64     // from the log's fork on, with those that it shares with later branches
	Keeps     bool       // it has the log's name
	Committed bool       // by the hub
	Told      bool       // it is what peers are told of under the log's name
}

// Forks is what people must be told of logs with two histories, by log.
func (e *Engine) Forks() (all []Fork, err error) {
	f := e.authorities().forks
	if f == nil {
		return nil, nil
	}
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		for written, branches := range f.branches {
			fork := Fork{
				Log: written, Device: written.Device, Since: f.since(written), NoticedMS: branches[0].noticedMS,
				Decided: len(f.settled[written]) > 0,
			}
			if fork.Branches, err = e.branchesOf(tx, f, written); err != nil {
				return err
			}
			all = append(all, fork)
		}
		return nil
	})
	slices.SortFunc(all, func(a, b Fork) int { return a.Log.Compare(b.Log) })
	return all, err
}

func (e *Engine) branchesOf(tx *store.Tx, f *forks, written crdt.LogID) (all []Branch, err error) {
	path, err := e.path(tx, written)
	if err != nil {
		return nil, err
	}
	for _, lies := range f.lies(written) {
		l, err := tx.Log(lies)
		if err != nil {
			return nil, err
		}
		hash := f.branchAt(written, lies, l.Head.Seq)
		b := Branch{
			Name: f.nameAt(lies, l.Head.Seq), Head: l.Head, Since: f.since(written),
			Entries: l.Head.Seq - f.since(written) + 1, Told: path[len(path)-1].ID == lies,
			Committed: slices.Contains(f.settled[written], hash),
		}
		if own, later := f.branch(written, lies); later {
			b.Since = own.at
		}
		b.Keeps = b.Name == written
		all = append(all, b)
	}
	return all, nil
}

// Quarantined says whether a device has written two histories under one name. What it
// writes is still taken in, kept and shown.
func (e *Engine) Quarantined(d crdt.Device) bool {
	f := e.authorities().forks
	if f == nil {
		return false
	}
	for written := range f.branches {
		if written.Device == d {
			return true
		}
	}
	return false
}
