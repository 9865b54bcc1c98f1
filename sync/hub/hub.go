// Package hub gives a province one order of events: a raft group whose commands
// carry segments, with a state machine so thin that it hardly exists. What the
// segments mean, and whether they fit, the engine behind Store knows; raft's part
// is that every member applies the same commands in the same order, and that a
// command is answered only when it is committed and its effect is durable here.
//
// A proposal goes: segments -> command (canonical CBOR), sealed -> raft's log on a
// majority, fsynced -> opened -> Store.ApplySegments, durable together with the index ->
// answer. Nothing is judged inside raft: what is proposed was verified before.
//
// The state machine keeps its state itself, in the store. After a crash raft
// repeats commands from its last snapshot on; those at or below the store's index
// are passed over. Anything that would make the store and raft's log disagree (a
// failing disk, bytes in the log that are no command, a raft directory older than
// the store) ends the hub through Fatal instead of being passed over. DESIGN.md
// goes through every crash.
//
// Today a hub has one member, which bootstraps itself in an empty directory.
package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/metadb"
	"github.com/hashicorp/raft-wal/types"

	"github.com/vungxa/vungxa/crdt/wire"
)

// Store is where the effects of commands go. The engine is one.
type Store interface {
	// Applied is the highest index given to ApplySegments whose effect is durable;
	// 0 at first.
	Applied() (uint64, error)

	// ApplySegments makes the effect of the command at index durable: the segments,
	// and then, or together with them, the index. Entries that are held already are
	// passed over, and so is what doesn't fit: the same on every member, and never
	// an error. An error that wraps ErrReadOnly means that the store can't store just
	// now: it is asked again, with the same. Any other is final; nothing is applied after
	// it. Indices come in order; Restore repeats one.
	ApplySegments(index uint64, segments []*wire.Segment) error

	// Segments calls yield with everything that is stored, logs from their
	// beginning. It may run while ApplySegments does, and may miss what that adds.
	// An error that wraps ErrHole says that some of it can't be read: what was
	// yielded is not all, and the store goes on storing.
	Segments(yield func(*wire.Segment) error) error
}

// Sealer keeps what raft writes to the disk from who reads the disk: raft itself
// encrypts nothing. All members of a group have the same keys. With one member they
// derive from its data key; a group's come from a cluster key that each member
// holds sealed under its own, and Open knows the keys of before as long as raft's
// log may hold what they sealed.
type Sealer interface {
	// Seal encrypts and authenticates plain, together with what it is about. It adds
	// at most SealOverhead bytes.
	Seal(about string, plain []byte) ([]byte, error)

	// Open gives what Seal was given with the same about, or an error.
	Open(about string, sealed []byte) ([]byte, error)
}

// SealOverhead is what a Sealer may add to an item, in bytes.
const SealOverhead = 256

// Errors of this package, for errors.Is.
var (
	ErrBehind    = errors.New("raft's directory is behind the store: it was lost, replaced or restored from an older copy; put back the newest copy of it, or begin a new hub epoch")
	ErrCommand   = errors.New("raft's log holds bytes that are no command of this program")
	ErrSnapshot  = errors.New("damaged snapshot")
	ErrHole      = errors.New("the store has a hole, so no snapshot of it is taken; until a peer or `vungxa repair` has filled it, raft's log keeps every command, and grows")
	ErrReadOnly  = errors.New("the store can't be written just now")
	ErrNotLeader = raft.ErrNotLeader
	ErrClosed    = raft.ErrRaftShutdown
)

// Config says how a hub is opened.
type Config struct {
	Dir    string           // raft's own, made if it isn't there
	Member string           // this member's name in the group, for ever the same
	Store  Store            //
	Sealer Sealer           // seals commands and snapshots
	Layer  raft.StreamLayer // carries raft between members; nil for one member alone
	Epoch  uint64           // hub epoch of a directory that is empty; 1 when 0
	Log    *slog.Logger     // slog.Default() when nil

	tune func(*raft.Config) // for tests, as is
	vfs  types.VFS          // what raft's log is kept in
}

// Hub is a member of a raft group.
type Hub struct {
	raft      *raft.Raft
	wal       *wal.WAL
	meta      *metadb.BoltMetaDB // of wal
	fsm       *fsm
	transport transport
	epoch     uint64
	leader    chan raft.Observation

	closing sync.Mutex // guards closed, and that nothing is added to work after it
	closed  bool
	work    sync.WaitGroup // what waits for raft, which leaves those who wait at its end waiting
}

type transport interface {
	raft.Transport
	Close() error
}

// Times of a group. One member waits for nobody, so it leads within a quarter of
// a second; members in several places need patience.
const (
	aloneTimeout = 50 * time.Millisecond
	aloneLease   = 25 * time.Millisecond
	groupTimeout = 1000 * time.Millisecond
	groupLease   = 500 * time.Millisecond
	rpcTimeout   = 10 * time.Second
)

const (
	snapshotsKept = 1  // each is a full copy of the store
	commandsAhead = 16 // of MaxCommand bytes, in one append
)

// Open opens a member's directory, and bootstraps the group if it is empty. It
// returns before there is a leader: wait with Ready. Its error wraps ErrBehind or
// ErrSnapshot where that is why.
func Open(c Config) (_ *Hub, err error) {
	if c.Member == "" || c.Store == nil || c.Dir == "" || c.Sealer == nil {
		return nil, errors.New("hub: needs a directory, a member's name, a store and a sealer")
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	c.Epoch = max(c.Epoch, 1)
	h := &Hub{leader: make(chan raft.Observation, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("hub: open %s: %w", c.Dir, err), h.Close())
		}
	}()
	if err := makeDir(c.Dir); err != nil {
		return nil, err
	}
	if h.fsm, err = newFSM(c.Store, c.Sealer); err != nil {
		return nil, err
	}
	return h, h.open(c)
}

func (h *Hub) open(c Config) error {
	logger := newLogger(c.Log)
	snapshots, err := raft.NewFileSnapshotStoreWithLogger(c.Dir, snapshotsKept, logger)
	if err != nil {
		return err
	}
	if h.transport, err = newTransport(c, logger); err != nil {
		return err
	}
	config := raftConfig(c)
	config.Logger = logger
	if err := h.openLog(c, config, snapshots); err != nil {
		return err
	}
	h.fsm.epoch = h.epoch
	if err := h.settle(snapshots); err != nil {
		return err
	}
	if h.raft, err = raft.NewRaft(config, h.fsm, h.wal, h.wal, snapshots, h.transport); err != nil {
		return err
	}
	h.raft.RegisterObserver(raft.NewObserver(h.leader, false, func(o *raft.Observation) bool {
		_, ok := o.Data.(raft.LeaderObservation)
		return ok
	}))
	return nil
}

func raftConfig(c Config) *raft.Config {
	config := raft.DefaultConfig()
	config.LocalID = raft.ServerID(c.Member)
	config.NoSnapshotRestoreOnStart = true // the store holds the state: see DESIGN.md
	config.BatchApplyCh = true
	config.MaxAppendEntries = commandsAhead
	config.HeartbeatTimeout, config.ElectionTimeout, config.LeaderLeaseTimeout = aloneTimeout, aloneTimeout, aloneLease
	if c.Layer != nil {
		config.HeartbeatTimeout, config.ElectionTimeout, config.LeaderLeaseTimeout = groupTimeout, groupTimeout, groupLease
	}
	if c.tune != nil {
		c.tune(config)
	}
	return config
}

func newTransport(c Config, logger hclog.Logger) (transport, error) {
	if c.Layer != nil {
		return raft.NewNetworkTransportWithLogger(c.Layer, 3, rpcTimeout, logger), nil
	}
	_, t := raft.NewInmemTransport(raft.ServerAddress(c.Member))
	return t, nil
}

// Ready waits until there is a leader and, if that is this member, until all that
// was committed before is applied here.
func (h *Hub) Ready(ctx context.Context) error {
	for {
		if _, id := h.raft.LeaderWithID(); id != "" {
			break
		}
		select {
		case <-h.leader:
		case <-h.fsm.broken:
			return h.fsm.err
		case <-ctx.Done():
			return fmt.Errorf("hub: no leader yet: %w", ctx.Err())
		}
	}
	if h.raft.State() != raft.Leader {
		return nil
	}
	if err := h.await(ctx, func() error { return h.raft.Barrier(0).Error() }); err != nil {
		return fmt.Errorf("hub: %w", err)
	}
	return h.fsm.failure()
}

// Propose has segments committed and applied, in as many commands as they need,
// and gives the index of the last. It returns when their effect is durable here.
// After an error, that of ctx included, they may be committed or not; proposing
// them again does no harm. ErrNotLeader: another member leads.
func (h *Hub) Propose(ctx context.Context, segments []*wire.Segment) (uint64, error) {
	if err := h.fsm.failure(); err != nil {
		return 0, err
	}
	commands, err := h.sealed(segments)
	if err != nil {
		return 0, fmt.Errorf("hub: propose: %w", err)
	}
	index := make(chan uint64, 1) // not a variable: f may outlive ctx
	err = h.await(ctx, func() error {
		i, err := h.apply(commands)
		index <- i
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("hub: propose: %w", err)
	}
	return <-index, nil
}

// aboutCommand is what a sealed command is about. Its index isn't known before raft
// has it; a command that is moved within the log or repeated has its effect once.
const aboutCommand = "command"

func (h *Hub) sealed(segments []*wire.Segment) ([][]byte, error) {
	commands, err := encodeCommands(segments)
	if err != nil {
		return nil, err
	}
	for i, c := range commands {
		if commands[i], err = h.fsm.sealer.Seal(aboutCommand, c); err != nil {
			return nil, fmt.Errorf("seal a command: %w", err)
		}
	}
	return commands, nil
}

// apply sends all commands off and then waits for each.
func (h *Hub) apply(commands [][]byte) (uint64, error) {
	index := h.Index()
	futures := make([]raft.ApplyFuture, len(commands))
	for i, c := range commands {
		futures[i] = h.raft.Apply(c, 0)
	}
	for _, f := range futures {
		if err := f.Error(); err != nil {
			return 0, err
		}
		if err, failed := f.Response().(error); failed {
			return 0, err
		}
		index = f.Index()
	}
	return index, nil
}

// await runs f, which ends as long as raft runs, and waits for it or for ctx.
func (h *Hub) await(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	if !h.begin(func() { done <- f() }) {
		return ErrClosed
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin runs f in a goroutine that Close waits for, unless it has begun.
func (h *Hub) begin(f func()) bool {
	h.closing.Lock()
	defer h.closing.Unlock()
	if !h.closed {
		h.work.Go(f)
	}
	return !h.closed
}

// Index is the index of the last command whose effect is durable here; 0 before
// the first.
func (h *Hub) Index() uint64 { return h.fsm.applied.Load() }

// Epoch is the hub epoch of this directory: it goes into receipts beside Index.
func (h *Hub) Epoch() uint64 { return h.epoch }

// Fatal gives the error after which nothing is applied any more. Whoever runs the
// hub must stop the node: only another start, after the cause is gone, helps.
func (h *Hub) Fatal() <-chan error { return h.fsm.fatal }

// Snapshot writes a snapshot now, beside those that raft writes by itself, and
// lets raft shorten its log.
func (h *Hub) Snapshot() error {
	if err := h.raft.Snapshot().Error(); err != nil {
		return fmt.Errorf("hub: snapshot: %w", err)
	}
	return nil
}

// Close lets what was proposed finish, but for what waits for a store that can't be
// written, stops raft and closes its log. The store
// stays open.
func (h *Hub) Close() error {
	h.closing.Lock()
	if !h.closed && h.fsm != nil {
		close(h.fsm.closing)
	}
	h.closed = true
	h.closing.Unlock()
	h.work.Wait()
	var errs []error
	if h.raft != nil {
		errs = append(errs, h.raft.Shutdown().Error())
	}
	if h.transport != nil {
		errs = append(errs, h.transport.Close())
	}
	return errors.Join(append(errs, h.closeWAL())...)
}
