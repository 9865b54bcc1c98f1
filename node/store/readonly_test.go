package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vungxa/vungxa/node"
)

// A store with a flipped bit in each of its tables is opened, for reading only, and
// what its heads file knows of the logs outlives that.
func TestAStoreWithDamagedTablesIsOpenedForReading(t *testing.T) {
	dir := t.TempDir()
	fillStore(t, dir)
	before, err := readHeads(filepath.Join(dir, fileHeads), testKeys)
	if err != nil || len(before.heads) == 0 {
		t.Fatal(len(before.heads), err)
	}
	tables, err := filepath.Glob(filepath.Join(dir, firstGen, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatal(tables, err)
	}
	for _, name := range tables {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/3] ^= 1
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		s, err := Open(dir, testOptions())
		if err != nil {
			t.Fatal(err)
		}
		if !s.ReadOnly() || !s.Recovered().Unknown {
			t.Errorf("read only %v, recovered %+v; want it told", s.ReadOnly(), s.Recovered())
		}
		err = s.Update(func(tx *Tx) error { return tx.PutMeta("a", []byte{1}) })
		if node.CodeOf(err) != node.ReadOnly {
			t.Errorf("a write: %v; want a refusal", err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	after, err := readHeads(filepath.Join(dir, fileHeads), testKeys)
	if err != nil {
		t.Fatal(err)
	}
	for id, h := range before.heads {
		if after.heads[id] != h {
			t.Errorf("the head of %v is %d; want %d", id, after.heads[id].Seq, h.Seq)
		}
	}
}

// What a store that can't be opened is said to be is the same in both languages, and
// doesn't promise that nothing was touched: the copy opened it for writing.
func TestTheSentenceOfTheProbePromisesNothing(t *testing.T) {
	dir := t.TempDir()
	fillStore(t, dir)
	tables, err := filepath.Glob(filepath.Join(dir, firstGen, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatal(tables, err)
	}
	if err := os.Truncate(tables[0], 100); err != nil {
		t.Fatal(err)
	}
	_, err = Open(dir, testOptions())
	var told *node.Error
	if !errors.As(err, &told) || !strings.Contains(told.Message.VI, "vungxa repair") {
		t.Fatalf("%v; want a sentence that says what to do", err)
	}
	if strings.Contains(told.Message.VI, "chưa bị đụng tới") {
		t.Errorf("told %q", told.Message.VI)
	}
}
