package store

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"github.com/vungxa/vungxa/node"
)

// beside changes Badger's items without the store, as rot in memory would.
func beside(t *testing.T, s *Store, f func(*badger.Txn) error) {
	t.Helper()
	if err := s.db.Update(f); err != nil {
		t.Fatal(err)
	}
}

func scrub(t *testing.T, s *Store) Scrubbed {
	t.Helper()
	done, err := s.Scrub(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func TestScrubFindsHolesAndTheyAreFilled(t *testing.T) {
	dir := t.TempDir()
	m := fillStore(t, dir)
	s := open(t, dir)
	id := testLogs[0]
	var l Log
	view(t, s, func(tx *Tx) (err error) {
		l, err = tx.Log(id)
		return err
	})
	if len(scrub(t, s).Damage) > 0 {
		t.Fatalf("a whole store has damage: %v", s.Damage())
	}
	head := uint64(len(m.logs[id]))
	beside(t, s, func(txn *badger.Txn) error {
		for _, seq := range []uint64{3, 4, head} {
			if err := txn.Delete(seqKey(keyEntry, l.number, seq)); err != nil {
				return err
			}
		}
		return nil
	})
	scrub(t, s)
	want := []Want{{id, 3, 4}, {id, head, head}}
	if got := s.Wants(); !slices.Equal(got, want) {
		t.Fatalf("wants %v; want %v", got, want)
	}
	wrong := s.Update(func(tx *Tx) error { return tx.Restore(l, 3, [][]byte{m.logs[id][2], m.logs[id][4]}) })
	if node.CodeOf(wrong) != node.Conflict {
		t.Errorf("entries of elsewhere: %v; want a refusal", wrong)
	}
	update(t, s, func(tx *Tx) error {
		if err := tx.Restore(l, 3, m.logs[id][2:4]); err != nil {
			return err
		}
		return tx.Restore(l, head, m.logs[id][head-1:])
	})
	if d := scrub(t, s).Damage; len(d) > 0 {
		t.Errorf("after the holes were filled: %v", d)
	}
	if told, wrong := m.check(s); len(told) > 0 || len(wrong) > 0 {
		t.Errorf("told %v, wrong %v", told, wrong)
	}
}

// That a log was once longer stays known until it is again: no scrub can see what the
// lost commits held.
func TestLostEntriesAreWantedUntilTheyComeBack(t *testing.T) {
	dir := t.TempDir()
	m := deleteWALs(t, dir)
	s := open(t, dir)
	behind := s.Recovered().Behind
	if len(behind) == 0 {
		t.Fatal("no log is behind: the test shows nothing")
	}
	for range 2 {
		wants := s.Wants()
		for _, b := range behind {
			if !slices.Contains(wants, Want{b.Log, b.Held.Seq + 1, uint64(len(m.logs[b.Log]))}) {
				t.Errorf("wants %v; want entries %d to %d of %v, too", wants, b.Held.Seq+1, len(m.logs[b.Log]), b.Log)
			}
		}
		scrub(t, s)
	}
}

func TestADamagedValueIsToldUntilItIsWrittenAnew(t *testing.T) {
	dir := t.TempDir()
	m := fillStore(t, dir)
	s := open(t, dir)
	name := slices.Sorted(maps.Keys(m.items))[5]
	beside(t, s, func(txn *badger.Txn) error { return txn.Set(metaKey(name), []byte("nothing that the store wrote")) })
	read := func() (err error) {
		view(t, s, func(tx *Tx) error {
			_, err = tx.Meta(name)
			return nil
		})
		return err
	}
	if err := read(); node.CodeOf(err) != node.Damaged {
		t.Fatalf("a damaged value: %v", err)
	}
	view(t, s, func(tx *Tx) error {
		seen, bad := 0, 0
		count := func([]byte, []byte) (bool, error) { seen++; return true, nil }
		if err := tx.Scan(Scan{Prefix: metaKey("item ")}, count); node.CodeOf(err) != node.Damaged {
			t.Errorf("a scan of keys over a damaged value: %v", err)
		}
		seen = 0
		err := tx.Scan(Scan{Prefix: metaKey("item "), Damaged: func([]byte) bool { bad++; return true }}, count)
		if bad != 1 || seen != len(m.items)-1 {
			t.Errorf("a scan that goes on: %d damaged, %d of %d seen", bad, seen, len(m.items))
		}
		return err
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if d := s.Damage(); len(d) != 1 || d[0].Kind != DamagedValue || d[0].Since.UnixMilli() != 1_800_000_000_000 {
		t.Fatalf("the next session knows of %v", d)
	}
	update(t, s, func(tx *Tx) error { return tx.PutMeta(name, []byte(m.items[name])) })
	if d := scrub(t, s).Damage; len(d) > 0 || read() != nil {
		t.Errorf("after it was written anew: %v", d)
	}
}

// A save costs two of the disk's own fsyncs: Badger's, which SyncWrites makes of
// each commit, and the heads file's.
func TestACommitSyncsTheHeadsOnce(t *testing.T) {
	s := open(t, t.TempDir())
	if !s.db.Opts().SyncWrites {
		t.Error("Badger doesn't sync")
	}
	syncs := 0
	s.heads.sync = func(f *os.File) error { syncs++; return f.Sync() }
	m, rng := newModel(), rand.New(rand.NewPCG(*seed, 0))
	before := s.tables.Number
	if err := m.work(s, rng, 50); err != nil {
		t.Fatal(err)
	}
	if syncs != 50 || s.tables.Number != before {
		t.Errorf("%d fsyncs of the heads file and %d of the tables file in 50 commits; want 50 and 0", syncs, s.tables.Number-before)
	}
	update(t, s, func(*Tx) error { return nil })
	if syncs != 50 {
		t.Error("a transaction that writes nothing is synced")
	}
}

// A frame that can't be read is a torn end only if it is the last.
func TestADamagedFrameIsNoTornEnd(t *testing.T) {
	s := open(t, t.TempDir())
	var frames []int64
	for i := range byte(3) {
		frames = append(frames, s.heads.at)
		update(t, s, func(tx *Tx) error { return tx.PutMeta("a", []byte{i}) })
	}
	whole, err := os.ReadFile(s.path(fileHeads))
	if err != nil {
		t.Fatal(err)
	}
	for i, at := range frames {
		spoiled := filepath.Join(t.TempDir(), fileHeads)
		b := bytes.Clone(whole)
		b[at+5] ^= 1
		if err := os.WriteFile(spoiled, b, 0o600); err != nil {
			t.Fatal(err)
		}
		last := i == len(frames)-1
		if k, err := readHeads(spoiled, testKeys); errors.Is(err, errHeads) == last || last && k.Commit != s.commit-1 {
			t.Errorf("frame %d of %d spoiled: commit %d of %d, %v", i+1, len(frames), k.Commit, s.commit, err)
		}
	}
}

// A heads file that is full is written anew with all heads.
func TestTheHeadsFileStartsAnew(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	m, rng := newModel(), rand.New(rand.NewPCG(*seed, 0))
	nonce := string(s.heads.nonce)
	for string(s.heads.nonce) == nonce {
		if err := m.work(s, rng, 100); err != nil {
			t.Fatal(err)
		}
	}
	k, err := readHeads(s.path(fileHeads), testKeys)
	if err != nil || k.Commit != s.commit || len(k.heads) != len(m.logs) {
		t.Fatalf("commit %d with %d logs: %v; want %d with %d", k.Commit, len(k.heads), err, s.commit, len(m.logs))
	}
	for id, entries := range m.logs {
		if k.heads[id].Seq != uint64(len(entries)) {
			t.Errorf("the head of %v is at %d; want %d", id, k.heads[id].Seq, len(entries))
		}
	}
}

func view(t *testing.T, s *Store, f func(*Tx) error) {
	t.Helper()
	if err := s.View(f); err != nil {
		t.Fatal(err)
	}
}

// A file that was put right is told of by the opening that found it, however often
// the store is read then, and until a later one has found it right.
func TestAFileThatWasPutRightIsToldUntilItWasFoundRight(t *testing.T) {
	dir := t.TempDir()
	fillStore(t, dir)
	name := filepath.Join(dir, fileHeads)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[headsAlign+8] ^= 1
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for opening, want := range []int{1, 1, 0} { // how much is told of when it is opened
		s, err := Open(dir, testOptions())
		if err != nil {
			t.Fatal(err)
		}
		if told := s.Damage(); len(told) != want {
			t.Errorf("opening %d: %d told; want %d", opening, len(told), want)
		}
		update(t, s, func(tx *Tx) error { return tx.PutMeta("a", []byte{1}) }) // the engine's answer
		if done := scrub(t, s); opening == 0 && len(done.Damage) != 1 {
			t.Errorf("the opening that found it tells %d after a scrub; want 1", len(done.Damage))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
