package hub

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/fs"
	"github.com/hashicorp/raft-wal/metadb"
	"github.com/hashicorp/raft-wal/types"
	"go.uber.org/goleak"

	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/link"
)

func TestMain(m *testing.M) {
	if os.Getenv(envDir) != "" {
		os.Exit(child())
	}
	goleak.VerifyTestMain(m)
}

// node is a hub with its store, in one directory.
type node struct {
	*Hub
	store *fileStore
	dir   string
	t     *testing.T
}

func config(dir string, store Store) Config {
	return Config{Dir: filepath.Join(dir, "raft"), Member: "hub", Store: store, Sealer: testSealer(1), Log: slog.New(slog.DiscardHandler)}
}

func open(t *testing.T, dir string, change func(*Config)) (*node, error) {
	t.Helper()
	store, err := openFileStore(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	c := config(dir, store)
	if change != nil {
		change(&c)
	}
	h, err := Open(c)
	if err != nil {
		return nil, errors.Join(err, store.file.Close())
	}
	n := &node{Hub: h, store: store, dir: dir, t: t}
	t.Cleanup(n.close)
	return n, nil
}

// start opens a node and waits until it leads.
func start(t *testing.T, dir string, change func(*Config)) *node {
	t.Helper()
	n, err := open(t, dir, change)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *node) close() {
	if n.Hub == nil {
		return
	}
	if err := errors.Join(n.Hub.Close(), n.store.file.Close()); err != nil {
		n.t.Errorf("close: %v", err)
	}
	n.Hub = nil
}

func (n *node) propose(segments ...*wire.Segment) uint64 {
	n.t.Helper()
	index, err := n.Propose(n.t.Context(), segments)
	if err != nil {
		n.t.Fatal(err)
	}
	return index
}

func (n *node) holds(want int) {
	n.t.Helper()
	if got, _ := n.store.counted(); got != want {
		n.t.Errorf("the store holds %d segments; want %d", got, want)
	}
}

func TestProposeAndReopen(t *testing.T) {
	dir, log := t.TempDir(), newTestLog(1)
	n := start(t, dir, nil)
	if n.Epoch() != 1 || n.Index() != 0 {
		t.Errorf("a new hub has epoch %d and index %d; want 1 and 0", n.Epoch(), n.Index())
	}
	var last uint64
	for i := range 5 {
		index := n.propose(log.next(t))
		if index <= last || n.Index() != index {
			t.Errorf("command %d has index %d after %d; applied %d", i, index, last, n.Index())
		}
		last = index
		n.holds(i + 1)
	}
	if index := n.propose(); index != last {
		t.Errorf("proposing nothing gives %d; want the last index %d", index, last)
	}
	n.close()

	// Started again, nothing is applied again, and indices go on.
	n = start(t, dir, func(c *Config) { c.Epoch = 9 })
	if _, calls := n.store.counted(); calls != 0 || n.Index() != last || n.Epoch() != 1 {
		t.Errorf("%d commands applied again; index %d, want %d; epoch %d, want 1", calls, n.Index(), last, n.Epoch())
	}
	if index := n.propose(log.next(t)); index <= last {
		t.Errorf("the next command has index %d; want more than %d", index, last)
	}
	n.holds(6)
}

// What was proposed twice, by two members or after a lost answer, is there once.
func TestProposeTwice(t *testing.T) {
	n, segments := start(t, t.TempDir(), nil), newTestLog(1).take(t, 3)
	first := n.propose(segments...)
	if second := n.propose(segments...); second <= first {
		t.Errorf("index %d after %d", second, first)
	}
	n.holds(3)
	// What doesn't fit is dropped, and is no failure of the node.
	late := newTestLog(2).take(t, 3)
	n.propose(late[2])
	n.holds(3)
	n.propose(late...)
	n.holds(6)
}

func TestLargeProposalsAreSplit(t *testing.T) {
	n, log := start(t, t.TempDir(), nil), newTestLog(1)
	log.size = 60_000
	first := n.Index()
	last := n.propose(log.take(t, 20)...)
	n.holds(20)
	if _, calls := n.store.counted(); calls < 2 || calls > 3 {
		t.Errorf("1.2 MB in %d commands, indices %d to %d; want about 2", calls, first, last)
	}
	log = newTestLog(2)
	log.size = 5_000
	commands, err := encodeCommands(log.take(t, 230))
	if err != nil {
		t.Fatal(err)
	}
	if len(commands) < 2 {
		t.Errorf("%d commands; want more than one", len(commands))
	}
	for _, c := range commands {
		if len(c) > MaxCommand {
			t.Errorf("a command of %d bytes; at most %d", len(c), MaxCommand)
		}
	}
}

func TestConcurrentProposals(t *testing.T) {
	n := start(t, t.TempDir(), nil)
	done := make(chan error)
	const logs, each = 8, 10
	for i := range logs {
		log := newTestLog(byte(i + 1))
		go func() {
			for range each {
				if _, err := n.Propose(t.Context(), log.take(t, 1)); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range logs {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	n.holds(logs * each)
}

// syncCounter is a file system that counts fsyncs.
type syncCounter struct {
	types.VFS
	syncs *atomic.Int64
}

type syncedFile struct {
	types.WritableFile
	syncs *atomic.Int64
}

func (f syncedFile) Sync() error {
	f.syncs.Add(1)
	return f.WritableFile.Sync()
}

func (c syncCounter) Create(dir, name string, size uint64) (types.WritableFile, error) {
	f, err := c.VFS.Create(dir, name, size)
	return syncedFile{f, c.syncs}, err
}

func (c syncCounter) OpenWriter(dir, name string) (types.WritableFile, error) {
	f, err := c.VFS.OpenWriter(dir, name)
	return syncedFile{f, c.syncs}, err
}

func TestEveryCommandIsFsynced(t *testing.T) {
	var syncs atomic.Int64
	n, log := start(t, t.TempDir(), func(c *Config) { c.vfs = syncCounter{fs.New(), &syncs} }), newTestLog(1)
	for range 5 {
		before := syncs.Load()
		n.propose(log.next(t))
		if got := syncs.Load() - before; got < 1 {
			t.Fatal("answered before raft's log was fsynced")
		}
	}
}

var errDisk = errors.New("the disk is full")

// A store that can't store ends the hub, and what came after the failure isn't
// taken as applied by the next start.
func TestStoreFailureIsFatal(t *testing.T) {
	dir, log := t.TempDir(), newTestLog(1)
	n := start(t, dir, nil)
	n.propose(log.next(t))
	n.store.set(func() { n.store.fail = errDisk })
	lost := log.next(t)
	if _, err := n.Propose(t.Context(), []*wire.Segment{lost}); !errors.Is(err, errDisk) {
		t.Errorf("got %v; want the store's error", err)
	}
	if err := <-n.Fatal(); !errors.Is(err, errDisk) {
		t.Errorf("fatal: %v; want the store's error", err)
	}
	n.store.set(func() { n.store.fail = nil })
	// Past the check of Propose, as a command that was in flight: not applied.
	if f := n.raft.Apply(sealedCommand(log.take(t, 1)), 0); f.Error() != nil || !errors.Is(f.Response().(error), errDisk) {
		t.Errorf("a command after the failure: %v", f.Response())
	}
	if err := n.Snapshot(); !errors.Is(err, errDisk) && !strings.Contains(fmt.Sprint(err), errDisk.Error()) {
		t.Errorf("a snapshot after the failure: %v", err)
	}
	n.holds(1)
	n.close()

	n = start(t, dir, nil) // the disk has room again
	n.holds(3)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestWrongBytesAreFatal(t *testing.T) {
	good := must(encodeCommands(newTestLog(1).take(t, 1)))[0]
	for name, b := range map[string][]byte{
		"nothing":        {},
		"noise":          []byte("garbage"),
		"trailing byte":  append(bytes.Clone(good), 0),
		"another format": append([]byte{good[0], 2}, good[2:]...),
		"another kind":   append([]byte{good[0], good[1], 2}, good[3:]...),
		"no segments":    {0x83, 1, 1, 0x80},
		"no segment":     {0x83, 1, 1, 0x81, 0x41, 0},
		"too large":      make([]byte, MaxCommand+1),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			n := start(t, dir, nil)
			if f := n.raft.Apply(must(testSealer(1).Seal(aboutCommand, b)), 0); f.Error() != nil || !errors.Is(f.Response().(error), ErrCommand) {
				t.Fatalf("got %v, %v; want ErrCommand", f.Error(), f.Response())
			}
			if err := <-n.Fatal(); !errors.Is(err, ErrCommand) {
				t.Errorf("fatal: %v; want ErrCommand", err)
			}
			if _, err := n.Propose(t.Context(), newTestLog(1).take(t, 1)); !errors.Is(err, ErrCommand) {
				t.Errorf("a proposal afterwards: %v; want ErrCommand", err)
			}
			n.holds(0)
			n.close()
			n = must(open(t, dir, nil)) // the same on every start
			if err := n.Ready(t.Context()); !errors.Is(err, ErrCommand) {
				t.Errorf("ready after another start: %v; want ErrCommand", err)
			}
		})
	}
}

// Applying a command again, as raft does after a restart, does nothing.
func TestReplayDoesNothing(t *testing.T) {
	store := must(openFileStore(filepath.Join(t.TempDir(), "store")))
	defer store.file.Close()
	f := must(newFSM(store, testSealer(1)))
	l := &raft.Log{Index: 7, Data: sealedCommand(newTestLog(1).take(t, 1))}
	for range 3 {
		if answer := f.Apply(l); answer != nil {
			t.Fatal(answer)
		}
	}
	if segments, calls := store.counted(); segments != 1 || calls != 1 {
		t.Errorf("%d segments after %d calls; want 1 and 1", segments, calls)
	}
}

// short makes raft forget its log at every snapshot.
func short(c *Config) { c.tune = func(r *raft.Config) { r.TrailingLogs = 0 } }

// A raft directory that is older than the store would give old indices to new
// commands, and the store would pass over them.
func TestStoreAheadOfRaft(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, dir string){
		"raft's directory is gone": func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, "raft")); err != nil {
				t.Fatal(err)
			}
		},
		"raft's directory is an older copy": func(t *testing.T, dir string) {
			old := t.TempDir()
			start(t, old, nil).close()
			if err := errors.Join(os.RemoveAll(filepath.Join(dir, "raft")), os.Rename(filepath.Join(old, "raft"), filepath.Join(dir, "raft"))); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			n, log := start(t, dir, nil), newTestLog(1)
			for range 5 {
				n.propose(log.next(t))
			}
			n.close()
			lose(t, dir)
			if _, err := open(t, dir, nil); !errors.Is(err, ErrBehind) {
				t.Errorf("got %v; want ErrBehind", err)
			}
		})
	}
}

// A crash between the two writes of a bootstrap leaves a term and no entry.
func TestInterruptedBootstrap(t *testing.T) {
	dir := t.TempDir()
	logDir := filepath.Join(dir, "raft", dirLog)
	if err := os.MkdirAll(logDir, 0o700); err != nil {
		t.Fatal(err)
	}
	meta := &metadb.BoltMetaDB{}
	w := must(wal.Open(logDir, wal.WithMetaStore(meta)))
	if err := errors.Join(w.SetUint64([]byte("CurrentTerm"), 1), w.Close(), meta.Close()); err != nil {
		t.Fatal(err)
	}
	n := start(t, dir, func(c *Config) { c.Epoch = 4 })
	n.propose(newTestLog(1).next(t))
	n.holds(1)
	if n.Epoch() != 4 {
		t.Errorf("epoch %d; want 4", n.Epoch())
	}
}

func TestEnds(t *testing.T) {
	n := start(t, t.TempDir(), nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := n.Propose(ctx, newTestLog(1).take(t, 1)); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("propose: %v; want Canceled or success", err)
	}
	if err := n.Hub.Close(); err != nil {
		t.Error(err)
	}
	if _, err := n.Propose(t.Context(), newTestLog(1).take(t, 1)); !errors.Is(err, ErrClosed) {
		t.Errorf("propose after close: %v; want ErrClosed", err)
	}
	if err := n.store.file.Close(); err != nil {
		t.Error(err)
	}
	n.Hub = nil

	waiting := must(open(t, t.TempDir(), nil))
	if err := waiting.Ready(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("ready: %v; want Canceled", err)
	}
	for name, c := range map[string]Config{
		"no store": {Dir: "x", Member: "m", Sealer: testSealer(1)}, "no member": {Dir: "x", Store: n.store, Sealer: testSealer(1)},
		"no directory": {Member: "m", Store: n.store, Sealer: testSealer(1)}, "no sealer": {Dir: "x", Member: "m", Store: n.store},
	} {
		if _, err := Open(c); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

// The same hub over libp2p streams, as members will speak.
func TestOverLink(t *testing.T) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{3}, 32))
	host := must(link.New(link.Config{Key: key, Listen: "127.0.0.1:0", Allow: func(ed25519.PublicKey) bool { return true }}))
	t.Cleanup(func() {
		if err := host.Close(); err != nil {
			t.Error(err)
		}
	})
	n := start(t, t.TempDir(), func(c *Config) {
		c.Layer = host.RaftLayer(func(ed25519.PublicKey) (string, bool) { return "", false })
	})
	n.propose(newTestLog(1).next(t))
	n.holds(1)
}

// A command that the store can't take just now waits, here and in raft's log, and fails
// nothing; an end waits for none.
func TestACommandWaitsForRoom(t *testing.T) {
	dir, log := t.TempDir(), newTestLog(1)
	n := start(t, dir, nil)
	n.fsm.again = time.Millisecond
	n.propose(log.next(t))
	full := fmt.Errorf("%w: %w", ErrReadOnly, errDisk)
	tried := make(chan struct{}, 1)
	n.store.set(func() {
		n.store.fail = full
		n.store.refused = func() {
			select {
			case tried <- struct{}{}:
			default:
			}
		}
	})
	for _, roomAgain := range []bool{true, false} {
		answer := make(chan error, 1)
		segment := log.next(t)
		go func() {
			_, err := n.Propose(t.Context(), []*wire.Segment{segment})
			answer <- err
		}()
		for range 3 {
			<-tried
		}
		if roomAgain {
			n.store.set(func() { n.store.fail = nil })
			if err := <-answer; err != nil {
				t.Errorf("with room: %v", err)
			}
			n.holds(2)
			n.store.set(func() { n.store.fail = full })
			continue
		}
		n.close()
		if err := <-answer; !errors.Is(err, ErrReadOnly) {
			t.Errorf("at the end: %v", err)
		}
	}
	n = start(t, dir, nil)
	n.holds(3)
}
