package hub

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/fs"
	"github.com/hashicorp/raft-wal/metadb"
	"github.com/hashicorp/raft-wal/segment"
)

const (
	dirLog   = "log"
	keyEpoch = "vungxa hub epoch"
)

// openLog opens raft's log, and fills an empty one with the group of this member
// alone. A bootstrap that a crash cut short left a term and no entry, which raft
// takes for a member that waits to be told its group: it is begun again.
func (h *Hub) openLog(c Config, config *raft.Config, snapshots raft.SnapshotStore) error {
	if err := h.openWAL(c, config); err != nil {
		return err
	}
	last, err := h.wal.LastIndex()
	if err != nil {
		return err
	}
	list, err := snapshots.List()
	if err != nil {
		return err
	}
	if last > 0 || len(list) > 0 {
		h.epoch, err = h.wal.GetUint64([]byte(keyEpoch))
		return err
	}
	if h.fsm.applied.Load() > 0 {
		return fmt.Errorf("%w: the store has applied index %d, the log is empty", ErrBehind, h.fsm.applied.Load())
	}
	return h.bootstrap(c, config, snapshots)
}

func (h *Hub) openWAL(c Config, config *raft.Config) (err error) {
	dir := filepath.Join(c.Dir, dirLog)
	if err := makeDir(dir); err != nil {
		return err
	}
	vfs := c.vfs
	if vfs == nil {
		vfs = fs.New()
	}
	// Every append is fsynced before it counts: raft-wal has no other way. Its small
	// database is ours to close: the log leaves it open, and so locked.
	h.meta = &metadb.BoltMetaDB{}
	h.wal, err = wal.Open(dir, wal.WithLogger(config.Logger), wal.WithMetaStore(h.meta), wal.WithSegmentFiler(segment.NewFiler(dir, vfs)))
	return err
}

func (h *Hub) closeWAL() error {
	var errs []error
	if h.wal != nil {
		errs = append(errs, h.wal.Close())
	}
	if h.meta != nil {
		errs = append(errs, h.meta.Close())
	}
	h.wal, h.meta = nil, nil
	return errors.Join(errs...)
}

func (h *Hub) bootstrap(c Config, config *raft.Config, snapshots raft.SnapshotStore) error {
	if err := errors.Join(h.closeWAL(), os.RemoveAll(filepath.Join(c.Dir, dirLog))); err != nil {
		return err
	}
	if err := h.openWAL(c, config); err != nil {
		return err
	}
	h.epoch = c.Epoch
	if err := h.wal.SetUint64([]byte(keyEpoch), h.epoch); err != nil {
		return err
	}
	alone := raft.Configuration{Servers: []raft.Server{{ID: config.LocalID, Address: h.transport.LocalAddr()}}}
	return raft.BootstrapCluster(config, h.wal, h.wal, snapshots, h.transport, alone)
}

// settle compares the store with raft's directory. A store that is ahead of it
// would pass over new commands, taking them for repeated ones: refused. A store
// that lacks commands which raft will not repeat, since a snapshot covers them, is
// filled from the snapshot.
func (h *Hub) settle(snapshots raft.SnapshotStore) error {
	list, err := snapshots.List()
	if err != nil {
		return err
	}
	last, err := h.wal.LastIndex()
	if err != nil {
		return err
	}
	applied := h.fsm.applied.Load()
	if len(list) > 0 {
		last = max(last, list[0].Index)
	}
	if applied > last {
		return fmt.Errorf("%w: the store has applied index %d, the log ends at %d", ErrBehind, applied, last)
	}
	if len(list) == 0 {
		return nil
	}
	missing, err := h.commandAbove(applied, list[0].Index)
	if err != nil || !missing {
		return err
	}
	_, source, err := snapshots.Open(list[0].ID)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	return errors.Join(h.fsm.Restore(source), source.Close())
}

// commandAbove says whether there is, or may be, a command above one index and up
// to another. Entries that the log no longer has may be any; those that raft adds
// at every start are none.
func (h *Hub) commandAbove(from, to uint64) (bool, error) {
	first, err := h.wal.FirstIndex()
	if err != nil {
		return false, err
	}
	for i := to; i > from; i-- {
		if first == 0 || i < first {
			return true, nil
		}
		var l raft.Log
		if err := h.wal.GetLog(i, &l); err != nil {
			return false, err
		}
		if l.Type == raft.LogCommand {
			return true, nil
		}
	}
	return false, nil
}

// makeDir makes a directory that a power cut doesn't take away again.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if runtime.GOOS == "windows" {
		return nil // directories can't be synced there, and needn't be
	}
	parent, err := os.Open(filepath.Dir(filepath.Clean(dir)))
	if err != nil {
		return err
	}
	return errors.Join(parent.Sync(), parent.Close())
}
