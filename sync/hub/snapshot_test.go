package hub

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/raft"

	"github.com/vungxa/vungxa/crdt/wire"
)

func TestSnapshotFillsAnEmptyStore(t *testing.T) {
	dir, log := t.TempDir(), newTestLog(1)
	log.size = 50_000 // more than one batch of Restore
	n := start(t, dir, short)
	n.propose(log.take(t, 22)...)
	if err := n.Snapshot(); err != nil {
		t.Fatal(err)
	}
	n.propose(log.take(t, 2)...) // in the log alone
	index := n.Index()
	n.close()

	n = start(t, dir, short)
	if _, calls := n.store.counted(); calls != 0 {
		t.Errorf("a store that lacks nothing got %d commands", calls)
	}
	n.close()

	if err := os.Remove(filepath.Join(dir, "store")); err != nil {
		t.Fatal(err)
	}
	n = start(t, dir, short)
	n.holds(24)
	if n.Index() != index {
		t.Errorf("index %d; want %d", n.Index(), index)
	}
	n.propose(log.next(t))
	n.holds(25)
}

// sink is a snapshot in memory.
type sink struct {
	bytes.Buffer
	cancelled bool
}

func (s *sink) ID() string    { return "test" }
func (s *sink) Cancel() error { s.cancelled = true; return nil }
func (s *sink) Close() error  { return nil }

func testFSM(t *testing.T, segments []*wire.Segment) *fsm {
	t.Helper()
	store := must(openFileStore(filepath.Join(t.TempDir(), "store")))
	t.Cleanup(func() { store.file.Close() })
	f := must(newFSM(store, testSealer(1)))
	f.epoch = 1
	for i, s := range segments {
		if answer := f.Apply(&raft.Log{Index: uint64(i + 3), Data: sealedCommand([]*wire.Segment{s})}); answer != nil {
			t.Fatal(answer)
		}
	}
	return f
}

func TestSnapshotRoundTrip(t *testing.T) {
	segments := append(newTestLog(1).take(t, 20), newTestLog(2).take(t, 20)...)
	full := testFSM(t, segments)
	snapshot := must(full.Snapshot())
	var s sink
	if err := snapshot.Persist(&s); err != nil {
		t.Fatal(err)
	}
	snapshot.Release()
	for name, start := range map[string]int{"empty": 0, "behind": 25, "equal": 40} {
		t.Run(name, func(t *testing.T) {
			f := testFSM(t, segments[:start])
			if err := f.Restore(io.NopCloser(bytes.NewReader(s.Bytes()))); err != nil {
				t.Fatal(err)
			}
			applied, err := f.store.Applied()
			if err != nil || applied != full.applied.Load() || f.applied.Load() != applied {
				t.Errorf("applied %d and %d, %v; want %d", applied, f.applied.Load(), err, full.applied.Load())
			}
			if n, _ := f.store.(*fileStore).counted(); n != 40 {
				t.Errorf("%d segments; want 40", n)
			}
		})
	}
	// Cut anywhere, changed in its frame, or with something behind it: refused, and
	// the index hasn't moved.
	bad := map[string][]byte{"a byte more": append(bytes.Clone(s.Bytes()), 0), "empty": nil}
	for _, cut := range []int{1, 3, 4, 20, 100, s.Len() / 2, s.Len() - 12, s.Len() - 8, s.Len() - 1} {
		bad[fmt.Sprintf("cut at %d", cut)] = s.Bytes()[:cut]
	}
	for _, at := range []int{0, 4, 10, s.Len() - 12, s.Len() - 1} {
		b := bytes.Clone(s.Bytes())
		b[at] ^= 0x40
		bad[fmt.Sprintf("byte %d changed", at)] = b
	}
	for name, b := range bad {
		f := testFSM(t, nil)
		if err := f.Restore(io.NopCloser(bytes.NewReader(b))); !errors.Is(err, ErrSnapshot) {
			t.Errorf("%s: got %v; want ErrSnapshot", name, err)
		}
		if applied, err := f.store.Applied(); applied != 0 || err != nil {
			t.Errorf("%s: the index moved to %d (%v)", name, applied, err)
		}
	}
	elsewhere := testFSM(t, nil)
	elsewhere.epoch = 2
	if err := elsewhere.Restore(io.NopCloser(bytes.NewReader(s.Bytes()))); !errors.Is(err, ErrSnapshot) {
		t.Errorf("a snapshot of another epoch: %v; want ErrSnapshot", err)
	}
}

func TestSnapshotOfADamagedStore(t *testing.T) {
	f := testFSM(t, newTestLog(1).take(t, 3))
	store := f.store.(*fileStore)
	store.set(func() { store.fail = errDisk })
	var s sink
	if err := must(f.Snapshot()).Persist(&s); !errors.Is(err, errDisk) || !s.cancelled {
		t.Errorf("got %v, cancelled %v; want the store's error", err, s.cancelled)
	}
	if err := <-f.fatal; !errors.Is(err, errDisk) {
		t.Errorf("fatal: %v", err)
	}
}

// A hole in the store puts a snapshot off, and the hub goes on: raft keeps its log,
// and the next try takes the snapshot when the hole is filled.
func TestASnapshotIsPutOffForAHole(t *testing.T) {
	dir, log := t.TempDir(), newTestLog(1)
	n := start(t, dir, short)
	for range 3 {
		n.propose(log.next(t))
	}
	hole := fmt.Errorf("entry 2 can't be read: %w", ErrHole)
	n.store.set(func() { n.store.hole = hole })
	before := must(n.wal.FirstIndex())
	if err := n.Snapshot(); err == nil || !strings.Contains(err.Error(), "until a peer or `vungxa repair` has filled it") {
		t.Errorf("a snapshot of a store with a hole: %v; want the sentence", err)
	}
	if first := must(n.wal.FirstIndex()); first != before {
		t.Errorf("raft's log begins at %d, and began at %d: what could fill the hole is cut off", first, before)
	}
	if names := must(filepath.Glob(filepath.Join(dir, "raft", "snapshots", "*"))); len(names) > 0 {
		t.Errorf("there is %v; want no snapshot", names)
	}
	n.propose(log.next(t))
	n.holds(4)
	n.store.set(func() { n.store.hole = nil })
	if err := n.Snapshot(); err != nil {
		t.Errorf("a snapshot when the hole is filled: %v", err)
	}
	if first := must(n.wal.FirstIndex()); first == before {
		t.Error("the snapshot shortens no log: the test shows nothing")
	}
}
