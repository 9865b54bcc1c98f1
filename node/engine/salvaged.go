package engine

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
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

// ReadableLate is an item of what came too late as it is to be there before the entries
// come: itself, or, where it can't be decoded, one that says what its name does, which
// CheckLate completes. It is nil where the name says nothing either.
func ReadableLate(name string, value []byte) []byte {
	var item lateItem
	if wire.Unmarshal(bytes.TrimPrefix(value, dismissed), store.MaxValue, &item) == nil {
		if at, err := wire.DecodePositions(item.Entry); err == nil && len(at) == 1 {
			return value
		}
	}
	at, index, ok := parseLateName(name)
	if !ok {
		return nil
	}
	pos, err := wire.EncodePositions([]crdt.Pos{at})
	if err != nil {
		return nil
	}
	anew, err := wire.Marshal(lateItem{Entry: pos, Index: index})
	if err != nil {
		return nil
	}
	return anew
}

// parseLateName reads what lateNameAt has written.
func parseLateName(name string) (at crdt.Pos, index uint16, ok bool) {
	parts := strings.Split(name, "/")
	n := len(parts) - 3
	if n < 2 {
		return at, 0, false
	}
	device, incarnation, _ := strings.Cut(parts[0], ".")
	d, err := crdt.ParseDevice(device)
	i, iErr := hex.DecodeString(incarnation)
	class, cErr := strconv.ParseUint(parts[n], 10, 8)
	seq, sErr := strconv.ParseUint(parts[n+1], 16, 64)
	index64, xErr := strconv.ParseUint(parts[n+2], 16, 16)
	if errors.Join(err, iErr, cErr, sErr, xErr) != nil || len(i) != len(crdt.Incarnation{}) {
		return at, 0, false
	}
	scope := crdt.Scope(strings.Join(parts[1:n], "/"))
	log := crdt.LogID{Device: d, Incarnation: crdt.Incarnation(i), Scope: scope, Class: crdt.Class(class)}
	return crdt.Pos{Log: log, Seq: seq}, uint16(index64), true
}

// CheckLate looks at an item of what came too late, which has to be there before the
// entries come, and takes it away where its entry isn't held, nor was compacted. One that
// was made of its name alone is completed from the entry.
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
		if err != nil {
			return err
		}
		switch held := at[0].Seq <= l.Head.Seq; {
		case !held:
			return tx.DeleteLocal(localLate, name)
		case item.Collection != "":
			return nil
		}
		entry, err := e.entry(tx, l, at[0].Seq)
		if node.CodeOf(err) == node.NotFound || node.CodeOf(err) == node.Damaged || err == nil && int(item.Index) >= len(entry.Ops) {
			return tx.DeleteLocal(localLate, name)
		}
		if err != nil {
			return err
		}
		op := &entry.Ops[item.Index]
		item.Collection, item.Record = op.Collection, op.Record.ID()
		raw, err := wire.Marshal(item)
		if err != nil {
			return err
		}
		return tx.PutLocal(localLate, name, raw)
	})
}
