package engine

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/vungxa/vungxa/node"
)

// owed is what a crash or a write that failed has left undone. Where the store can't be
// written (a full disk, damage that nobody knows the extent of), the engine opens and
// shows records all the same; what is owed is done, in this order, before anything else
// is written, and behind the office as soon as there is room (Resume). Guarded by
// Engine.write, but for some.
type owed struct {
	checkpoints []lateCheckpoint // kept, and not yet obeyed: none counts before it is
	names       bool             // a fork is held whose entries haven't all their names
	staged      []*staged        // written down, and not wholly applied
	orders      bool             // to erase, which were given and may not be carried out
	paying      bool             // it is being done: saves that go between the pieces leave it alone
	some        atomic.Bool      // any of it
}

// lateCheckpoint is one that is kept, and the place from which records are still to be
// read anew under it.
type lateCheckpoint struct {
	storedCheckpoint
	from []byte
	cut  bool // a crash came since: the figures count some records by it, and others not yet
}

func (o *owed) note() {
	o.some.Store(len(o.checkpoints)+len(o.staged) > 0 || o.names || o.orders)
}

// takeUp does at a start what is owed. What can't be written waits; but orders to erase
// that the configuration brings are carried out before anything is shown.
func (e *Engine) takeUp() error {
	e.owed.orders = true
	e.write.Lock()
	err := e.payOwed()
	e.write.Unlock()
	if err == nil || len(e.cfg.Erasures) > 0 {
		err = errors.Join(err, e.obeyAll())
	}
	if len(e.cfg.Erasures) > 0 {
		return err
	}
	return unlessReadOnly(err)
}

// unlessReadOnly is an error, but for that the store can't be written now.
func unlessReadOnly(err error) error {
	if node.CodeOf(err) == node.ReadOnly {
		return nil
	}
	return err
}

// settle does what is owed, when nobody waits for it.
func (e *Engine) settle() error {
	if !e.owed.some.Load() || e.cfg.Store.ReadOnly() {
		return nil
	}
	e.write.Lock()
	err := e.payOwed()
	orders := e.owed.orders
	e.write.Unlock()
	if err == nil && orders {
		_, err = e.obey(nil) // what lies beside the records is tried again behind each scrub
	}
	return unlessReadOnly(err) // then it is still owed
}

// payOwed does what has to be done before anything else is written. The caller holds
// e.write.
func (e *Engine) payOwed() error {
	if e.owed.paying {
		return nil
	}
	e.owed.paying = true
	defer func() {
		e.owed.paying = false
		e.owed.note()
	}()
	return firstError(e.obeyCheckpoints, e.giveNames, e.completeStaged)
}

// obeyCheckpoints lets checkpoints that are kept count, in their order.
func (e *Engine) obeyCheckpoints() error {
	for len(e.owed.checkpoints) > 0 {
		c := e.owed.checkpoints[0]
		old := e.authorities()
		now, err := old.with(&c.Checkpoint, c.Hash)
		if err != nil {
			return fmt.Errorf("the stored checkpoint %s: %w", checkpointName(&c.Checkpoint), err)
		}
		if now.forks, err = e.forksUnder(now.said); err != nil {
			return err
		}
		if err := e.obeyCheckpoint(old, now, c); err != nil {
			return err
		}
		e.owed.checkpoints = e.owed.checkpoints[1:]
		if c.cut && e.figures.done != nil {
			e.figures.start(e)
		}
	}
	return nil
}

func (e *Engine) giveNames() error {
	if !e.owed.names {
		return nil
	}
	return e.nameAnew(e.authorities())
}

// completeStaged completes what was written down and not wholly applied.
func (e *Engine) completeStaged() error {
	for len(e.owed.staged) > 0 {
		s := e.owed.staged[0]
		if err := e.complete(s, nil); err != nil {
			return fmt.Errorf("complete entries %d to %d of %v: %w", s.First, s.last(), s.log(), err)
		}
		e.owed.staged = e.owed.staged[1:]
	}
	return nil
}
