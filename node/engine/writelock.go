package engine

import (
	"slices"
	"sync"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node/store"
)

// writeLock is held by whoever writes the store. What takes long and works in pieces
// (share) lets saves go between them that don't concern it; everybody else waits for its
// end.
type writeLock struct {
	mu     sync.Mutex
	ended  sync.Cond
	held   bool       // guarded by mu
	naming crdt.LogID // of what takes long: the log whose entries get other names; guarded by mu
	shared bool       // something takes long; guarded by mu
}

func (w *writeLock) Lock() {
	w.mu.Lock()
	w.ended.L = &w.mu
	for w.shared {
		w.ended.Wait()
	}
	w.held = true
}

func (w *writeLock) Unlock() {
	w.held = false
	w.mu.Unlock()
}

// lockBeside locks between the pieces of what takes long too.
func (w *writeLock) lockBeside() {
	w.mu.Lock()
	w.held = true
}

// share says, by the holder, that it renames a log's entries; end says that it has.
func (w *writeLock) share(naming crdt.LogID) (end func()) {
	w.naming, w.shared = naming, w.held // at a start nobody else is there yet
	return func() {
		w.shared = false
		w.ended.Broadcast()
	}
}

// rest lets saves go, between two pieces of what shares the lock.
func (w *writeLock) rest() {
	if !w.shared {
		return
	}
	w.mu.Unlock()
	w.mu.Lock()
	w.held = true
}

// lockToSave locks for a save: between the pieces of a renaming, if the save doesn't
// write what that touches, and nothing is written down that comes before it.
func (e *Engine) lockToSave(s Save) error {
	e.write.lockBeside()
	if !e.write.shared {
		return nil
	}
	apart, err := len(e.owed.staged) == 0, error(nil)
	if apart {
		apart, err = e.apart(s)
	}
	if err == nil && apart {
		return nil
	}
	e.write.Unlock()
	if err == nil {
		e.write.Lock()
	}
	return err
}

// apart says whether a save writes nothing that the log writes whose entries are just
// getting other names.
func (e *Engine) apart(s Save) (apart bool, err error) {
	apart = true
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		f, err := loadForks(tx, e.authorities().said, nil)
		if err != nil {
			return err
		}
		for _, c := range s.Changes {
			if c.Record == nil {
				apart = apart && c.Key == ""
				continue
			}
			touched, err := e.namesTouch(tx, f, c.Collection, *c.Record)
			if err != nil {
				return err
			}
			apart = apart && !touched
		}
		return nil
	})
	return apart, err
}

// namesTouch says whether a record is written by, or names, a log past its fork, of which
// the entries are getting other names.
func (e *Engine) namesTouch(tx *store.Tx, f *forks, collection string, id crdt.RecordID) (touched bool, err error) {
	written := e.write.naming
	past := func(log crdt.LogID, seq uint64) bool {
		of, forked := f.written(log)
		return forked && of == written && seq >= f.since(written)
	}
	err = tx.History(id, func(l store.Log, seq uint64) (bool, error) {
		touched = touched || past(l.ID, seq)
		return !touched, nil
	})
	if err != nil || touched {
		return touched, err
	}
	r, err := tx.Record(collection, id)
	if err != nil || r == nil {
		return true, nil //nolint:nilerr // the save says what is wrong with it, when it has waited
	}
	return slices.ContainsFunc(r.Known(), func(p crdt.Pos) bool { return past(p.Log, p.Seq) }) ||
		slices.ContainsFunc(waitsOf(r), func(w store.Wait) bool { return past(w.For.Log, w.For.Seq) }), nil
}
