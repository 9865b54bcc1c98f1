package hub

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/vungxa/vungxa/crdt/wire"
)

// fsm is raft's state machine: it hands commands to the store, once each.
type fsm struct {
	store   Store
	sealer  Sealer
	epoch   uint64
	applied atomic.Uint64 // written by raft's own goroutine

	once   sync.Once
	err    error         // set before broken closes
	broken chan struct{} // closed at the first failure; nothing is applied after it
	fatal  chan error    // gets err

	again   time.Duration // after which a command is tried again that the store can't take now
	closing chan struct{} // closed when the hub ends, and nothing is waited for any more
}

const tryAgain = 250 * time.Millisecond

func newFSM(store Store, sealer Sealer) (*fsm, error) {
	applied, err := store.Applied()
	if err != nil {
		return nil, fmt.Errorf("how far the store is: %w", err)
	}
	f := &fsm{store: store, sealer: sealer, broken: make(chan struct{}), fatal: make(chan error, 1), closing: make(chan struct{}), again: tryAgain}
	f.applied.Store(applied)
	return f, nil
}

// Apply hands a command to the store. What it returns, nil or an error, is the
// answer of Propose. After a failure it does nothing: a later command that went
// through would raise the store's index past the one that didn't, and the next
// start would pass over it.
func (f *fsm) Apply(l *raft.Log) any {
	if err := f.failure(); err != nil {
		return err
	}
	if l.Index <= f.applied.Load() {
		return nil // repeated after a restart
	}
	segments, err := f.open(l.Data)
	if err != nil {
		return f.fail(fmt.Errorf("hub: command %d: %w", l.Index, err))
	}
	if err := f.put(l.Index, segments); err != nil {
		return f.fail(fmt.Errorf("hub: command %d: store: %w", l.Index, err))
	}
	f.applied.Store(l.Index)
	return nil
}

// put has the store make a command durable. While it can't store anything (ErrReadOnly)
// the command waits, and all that come after it: it is raft's to keep them.
func (f *fsm) put(index uint64, segments []*wire.Segment) error {
	for {
		err := f.store.ApplySegments(index, segments)
		if !errors.Is(err, ErrReadOnly) {
			return err
		}
		select {
		case <-f.closing:
			return err
		case <-time.After(f.again):
		}
	}
}

// open unseals a command and reads it.
func (f *fsm) open(sealed []byte) ([]*wire.Segment, error) {
	b, err := f.sealer.Open(aboutCommand, sealed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCommand, err)
	}
	return decodeCommand(b)
}

// fail keeps the first failure and tells of it.
func (f *fsm) fail(err error) error {
	f.once.Do(func() {
		f.err = err
		close(f.broken)
		f.fatal <- err
	})
	return f.err
}

// failure is the first failure, or nil.
func (f *fsm) failure() error {
	select {
	case <-f.broken:
		return f.err
	default:
		return nil
	}
}
