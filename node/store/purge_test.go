package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/y"

	"github.com/vungxa/vungxa/node"
)

// versions are all keys and values, of every version, that any file of Badger's in a
// store's directory holds: what the data key would open.
func versions(t *testing.T, dir string) (all []byte) {
	t.Helper()
	opts := testOptions()
	still := filepath.Join(t.TempDir(), "still") // Badger may compact meanwhile
	copyDir(t, dir, still)
	dir = still
	s := &Salvaged{scratch: t.TempDir()}
	gens, err := filepath.Glob(filepath.Join(dir, "g*"))
	if err != nil || len(gens) != 1 {
		t.Fatal(gens, err)
	}
	key, err := s.dataKey(dir, gens[0], opts)
	if err != nil {
		t.Fatal(err)
	}
	files, bad := 0, uint64(0)
	r := fileReader{key: key, bad: &bad, item: func(versioned []byte, _ byte, value []byte) error {
		all = append(append(all, y.ParseKey(versioned)...), value...)
		return nil
	}}
	for pattern, read := range map[string]func([]byte) error{"*.sst": r.table, "*" + walSuffix: r.wal} {
		names, err := filepath.Glob(filepath.Join(gens[0], pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err == nil {
				err = read(b)
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			files++
		}
	}
	for _, r := range s.registries {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if files == 0 || bad > 0 {
		t.Fatalf("%d files read, %d items of them not", files, bad)
	}
	return all
}

const erasedText = "079123456789 điều phải xóa"

// What was deleted or written over is in no file any more, however Badger had spread
// it: over a log, level 0 and below, and kept there for readers; and the rest is there.
func TestPurgeLeavesNoOlderVersion(t *testing.T) {
	for _, size := range []int{0, 24 << 20} { // a new store's lone level 0; several levels
		t.Run(fmt.Sprint(size>>20, " MiB"), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "store")
			s := open(t, dir)
			m := newModel()
			rng, noise := rand.New(rand.NewPCG(*seed, 7)), rand.NewChaCha8([32]byte{byte(*seed)})
			text := func(tx *Tx, n int) error {
				for i := range 3 {
					value := fmt.Appendf(nil, "%s %d", erasedText, n)
					if err := tx.PutMeta(fmt.Sprintf("text %d", i), value); err != nil {
						return err
					}
				}
				return tx.PutLocal("kind", erasedText, nil)
			}
			update(t, s, func(tx *Tx) error { return text(tx, 0) })
			for n := range max(1, size>>10/256) {
				err := s.View(func(*Tx) error { // keeps what is written over
					update(t, s, func(tx *Tx) error { return text(tx, n) })
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				for i := 0; i < min(size, 256<<10); i += 64 << 10 {
					update(t, s, func(tx *Tx) error {
						b := make([]byte, 64<<10)
						if _, err := noise.Read(b); err != nil {
							return err
						}
						return tx.PutLocal("filler", fmt.Sprint(n, i), b)
					})
				}
			}
			if err := s.Close(); err != nil { // level 0
				t.Fatal(err)
			}
			s = open(t, dir)
			if err := m.work(s, rng, 20); err != nil {
				t.Fatal(err)
			}
			update(t, s, func(tx *Tx) error {
				for i := range 3 {
					if err := tx.PutMeta(fmt.Sprintf("text %d", i), []byte("không còn")); err != nil {
						return err
					}
				}
				return tx.DeleteLocal("kind", erasedText)
			})
			if !bytes.Contains(versions(t, dir), []byte(erasedText)) {
				t.Fatal("it isn't there before: the test shows nothing")
			}
			if _, err := s.Purge(); err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(versions(t, dir), []byte(erasedText)) {
				t.Error("an older version is still there")
			}
			crash := filepath.Join(t.TempDir(), "crash")
			copyDir(t, dir, crash)
			if err := m.work(s, rng, 20); err != nil {
				t.Fatal(err)
			}
			if told, wrong := m.check(s); len(told)+len(wrong) > 0 {
				t.Errorf("told %v, wrong %v", told, wrong)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			after := open(t, crash)
			if told := after.Damage(); len(told) > 0 {
				t.Errorf("killed behind it: %+v", told)
			}
			if _, err := after.Scrub(context.Background(), nil); err != nil || len(after.Damage()) > 0 {
				t.Errorf("%v, %+v", err, after.Damage())
			}
		})
	}
}

// A merge that ran while somebody read keeps what he might read, beside what has taken
// its place, where no later merge looks at it by itself.
func TestPurgeTakesWhatAMergeKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := open(t, dir)
	update(t, s, func(tx *Tx) error {
		for i := range 100 {
			if err := tx.PutLocal("kind", fmt.Sprintf("%s %d", erasedText, i), nil); err != nil {
				return err
			}
		}
		return tx.PutMeta("text", []byte(erasedText))
	})
	update(t, s, func(tx *Tx) error {
		for i := range 100 {
			if err := tx.DeleteLocal("kind", fmt.Sprintf("%s %d", erasedText, i)); err != nil {
				return err
			}
		}
		return tx.PutMeta("text", []byte("không còn"))
	})
	mergeForAReader(t, s)
	if !bytes.Contains(versions(t, dir), []byte(erasedText)) {
		t.Fatal("it isn't there before: the test shows nothing")
	}
	if _, err := s.Purge(); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(versions(t, dir), []byte(erasedText)) {
		t.Error("an older version is still there")
	}
	if _, err := s.Scrub(context.Background(), nil); err != nil || len(s.Damage()) > 0 {
		t.Errorf("%v, %+v", err, s.Damage())
	}
	err := s.View(func(tx *Tx) error {
		value, err := tx.Meta("text")
		if string(value) != "không còn" {
			t.Errorf("the newest version is %q", value)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// mergeForAReader merges all into one level and drops nothing, as a merge does that
// begins before Badger knows what nobody reads any more.
func mergeForAReader(t *testing.T, s *Store) {
	t.Helper()
	s.write.Lock()
	defer s.write.Unlock()
	s.gate.Lock()
	defer s.gate.Unlock()
	merge := func() error {
		db, err := badger.OpenManaged(badgerOptions(s.gen, s.badgerKey(), s.opts).WithCompactL0OnClose(true).WithNumCompactors(0))
		if err != nil {
			return err
		}
		return errors.Join(db.Flatten(1), db.Close())
	}
	for _, step := range []func() error{s.closeBadger, merge, s.openBadger, s.restartWALs, func() error { return s.noteWithRoom(nil) }} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
}

// While the store itself is damaged, in a table that nobody has read yet, what lies aside may
// be all that is left of something: Purge reads first, and then removes nothing.
func TestPurgeOfADamagedStoreRemovesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	spoilt[1].spoil(t, dir, deepStore(t, dir))
	aside := dir + ".was-1"
	if err := os.Mkdir(aside, 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, held())
	if err != nil {
		t.Fatal(err)
	}
	if told := s.Damage(); len(told) > 0 {
		t.Errorf("told of at once: %v; want it in a table that isn't read yet", told)
	}
	removed, err := s.Purge()
	if node.CodeOf(err) != node.ReadOnly || !s.ReadOnly() || len(removed) > 0 || !exists(aside) {
		t.Errorf("removed %v, %v, read only %v; want a refusal, and nothing removed", removed, err, s.ReadOnly())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	isDoubted(t, dir)
}

// Copies that were put aside hold what an order names, in files of which some can't be
// read: they go, and are named. A reader is waited for, and not for ever.
func TestPurgeRemovesWhatLiesAside(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	opts := testOptions()
	paused := 0
	opts.Pause = func() { paused++ }
	s, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	aside := []string{dir + ".was-1", dir + ".was-2", dir + ".older-1", dir + ".salvage", filepath.Join(dir, "lost", "000001.sst-1")}
	for _, name := range aside {
		if err := os.MkdirAll(name, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	err = s.View(func(*Tx) error {
		removed, err := s.Purge()
		if node.CodeOf(err) != node.Unavailable || paused != aloneTries || len(removed) != len(aside) {
			t.Errorf("%v, %v after %d pauses; want a sentence, and what was removed", removed, err, paused)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if removed, err := s.Purge(); err != nil || len(removed) > 0 {
		t.Errorf("again: %v, %v; want nothing more", removed, err)
	}
	for _, name := range aside {
		if exists(name) {
			t.Errorf("%s is there", name)
		}
	}
}
