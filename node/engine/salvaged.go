package engine

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node/store"
)

// Items of a store that is made anew which are to be looked at once the logs are there
// again.
const (
	// KindStaged is of what was written down and not wholly applied.
	KindStaged = localStaged
	// KindLate is of operations that came too late.
	KindLate = localLate
)

// StagedSegment is what such an item says, as a segment. What was to lie as a branch
// is of the log under whose name it was written. Of a seal it had one only if others
// made it: an own Save's is made by sign.
func StagedSegment(value []byte, sign func([]byte) []byte) (*wire.Segment, error) {
	var s staged
	if err := wire.Unmarshal(value, maxStaged, &s); err != nil || len(s.Entries) == 0 {
		return nil, fmt.Errorf("what was being taken in can't be read: %w", errors.Join(err, wire.ErrFormat))
	}
	entry, err := wire.DecodeEntry(s.Entries[0])
	if err != nil {
		return nil, err
	}
	out := &wire.Segment{Log: entry.Log, First: s.First, Entries: s.Entries}
	if len(s.Seals) > 0 {
		out.Seal = s.Seals[len(s.Seals)-1]
		return out, nil
	}
	head := crdt.Head{Seq: s.last(), Hash: wire.ChainHash(s.Entries[len(s.Entries)-1])}
	out.Seal, err = wire.Sign(out.Log, head, sign)
	return out, err
}

// CheckLate looks at an item of what came too late, which has to be there before the
// entries come, and takes it away where its entry isn't held, nor was compacted.
func (e *Engine) CheckLate(name string, value []byte) error {
	e.write.Lock()
	defer e.write.Unlock()
	var item lateItem
	if err := wire.Unmarshal(bytes.TrimPrefix(value, dismissed), store.MaxValue, &item); err != nil {
		return fmt.Errorf("a late operation: %w", err)
	}
	at, err := wire.DecodePositions(item.Entry)
	if err != nil || len(at) != 1 {
		return fmt.Errorf("a late operation: its entry's place: %w", errors.Join(err, wire.ErrFormat))
	}
	return e.cfg.Store.Update(func(tx *store.Tx) error {
		l, err := tx.Log(at[0].Log)
		if err != nil || at[0].Seq <= l.Head.Seq {
			return err
		}
		return tx.DeleteLocal(localLate, name)
	})
}
