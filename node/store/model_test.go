package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
)

// model is what a store has to answer.
type model struct {
	items map[string]string // by meta name
	logs  map[crdt.LogID][][]byte
}

func newModel() *model {
	return &model{items: map[string]string{}, logs: map[crdt.LogID][][]byte{}}
}

var testLogs = []crdt.LogID{
	{Device: crdt.Device{1}, Scope: "c/1", Class: 2},
	{Device: crdt.Device{2}, Incarnation: crdt.Incarnation{3}, Scope: "c/1", Class: 2},
}

// work writes to a store what it then knows.
func (m *model) work(s *Store, rng *rand.Rand, commits int) error {
	for range commits {
		items, logs := maps.Clone(m.items), maps.Clone(m.logs)
		err := s.Update(func(tx *Tx) error {
			for range 1 + rng.IntN(4) {
				name, value := fmt.Sprintf("item %03d", rng.IntN(200)), fmt.Sprintf("value %d", rng.Uint64())
				items[name] = value
				if err := tx.PutMeta(name, append([]byte(value), bytes.Repeat([]byte{7}, rng.IntN(400))...)); err != nil {
					return err
				}
			}
			id := testLogs[rng.IntN(len(testLogs))]
			raw, err := m.append(tx, id)
			logs[id] = append(slices.Clone(logs[id]), raw)
			return err
		})
		if err != nil {
			return err
		}
		m.items, m.logs = items, logs
	}
	return nil
}

// append writes the log's next entry, and gives its bytes.
func (m *model) append(tx *Tx, id crdt.LogID) ([]byte, error) {
	l, err := tx.Log(id)
	if err != nil {
		return nil, err
	}
	raw, err := testEntry(l)
	if err != nil {
		return nil, err
	}
	return raw, tx.Append(&l, raw)
}

// check reads everything and compares. It gives what the store said of damage, in
// errors or on its list; wrong are answers that are neither right nor an error.
func (m *model) check(s *Store) (told []error, wrong []string) {
	for _, d := range s.Damage() {
		told = append(told, fmt.Errorf("on the list: %s %s", d.Kind, d.Place))
	}
	say := func(err error) { told = append(told, err) }
	err := s.View(func(tx *Tx) error {
		for name, want := range m.items {
			switch got, err := tx.Meta(name); {
			case err != nil:
				say(err)
			case !bytes.HasPrefix(got, []byte(want)):
				wrong = append(wrong, fmt.Sprintf("%s is %.20q; want %q", name, got, want))
			}
		}
		seen := 0
		err := tx.Scan(Scan{Prefix: metaKey("item "), Values: true}, func(k, v []byte) (bool, error) {
			seen++
			return true, nil
		})
		if err != nil {
			say(err)
		} else if seen != len(m.items) {
			wrong = append(wrong, fmt.Sprintf("%d items; want %d", seen, len(m.items)))
		}
		for id, entries := range m.logs {
			wrong = append(wrong, m.checkLog(tx, id, entries, say)...)
		}
		return nil
	})
	if err != nil {
		say(err)
	}
	return told, wrong
}

func (m *model) checkLog(tx *Tx, id crdt.LogID, entries [][]byte, say func(error)) (wrong []string) {
	l, err := tx.Log(id)
	if err != nil {
		say(err)
		return nil
	}
	if l.Head.Seq != uint64(len(entries)) {
		wrong = append(wrong, fmt.Sprintf("log %v has its head at %d; want %d", id, l.Head.Seq, len(entries)))
	}
	for i, want := range entries[:min(len(entries), int(l.Head.Seq))] {
		if got, err := tx.Entry(l, uint64(i+1)); err != nil {
			say(err)
		} else if !bytes.Equal(got, want) {
			wrong = append(wrong, fmt.Sprintf("entry %d of %v differs", i+1, id))
		}
	}
	return wrong
}

// fillStore makes a store with a history: several sessions, tables on several levels.
func fillStore(t *testing.T, dir string) *model {
	t.Helper()
	m, rng := newModel(), rand.New(rand.NewPCG(*seed, 0))
	for range 3 {
		s, err := Open(dir, testOptions())
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(m.work(s, rng, 60), s.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// copyDir copies a store's directory: of one that is open, as it was at a moment in
// which Badger made and removed nothing.
func copyDir(t *testing.T, from, to string) {
	t.Helper()
	for range 100 {
		before, err := filesIn(from)
		if err == nil {
			err = errors.Join(os.RemoveAll(to), copyTree(from, to))
		}
		after, aerr := filesIn(from)
		if err = errors.Join(err, aerr); err == nil && maps.Equal(before, after) {
			return
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	t.Fatalf("%s changes faster than it is copied", from)
}

// filesIn are the files of a directory and those below, with their sizes and when
// they were written.
func filesIn(dir string) (map[string]string, error) {
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			files[p] = fmt.Sprint(info.Size(), info.ModTime())
		}
		return err
	})
	return files, err
}

// copyTree is os.CopyFS for sparse files: what is zero at the end isn't written.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, p)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		name := filepath.Join(to, rel)
		return errors.Join(os.WriteFile(name, bytes.TrimRight(b, "\x00"), 0o600), os.Truncate(name, int64(len(b))))
	})
}

// storeFiles are the files of a store, by what they are: those of a kind together.
func storeFiles(t *testing.T, dir string) map[string][]string {
	t.Helper()
	kinds := map[string][]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		kind := filepath.Ext(p)
		if kind == "" {
			kind = filepath.Base(p)
		}
		rel, err := filepath.Rel(dir, p)
		if kind != "LOCK" && kind != fileLock {
			kinds[kind] = append(kinds[kind], rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return kinds
}

// verdict opens a store, reads all of it and says how it answered: an error counts
// as told only if it is a sentence.
func (m *model) verdict(dir string, o Options) (told []error, wrong []string) {
	s, err := Open(dir, o)
	if err != nil {
		if node.CodeOf(err) == node.Internal {
			wrong = append(wrong, fmt.Sprintf("no sentence: %v", err))
		}
		return []error{err}, wrong
	}
	told, wrong = m.check(s)
	if err := s.Close(); err != nil {
		told = append(told, err)
	}
	return told, wrong
}

func testEntry(l Log) ([]byte, error) {
	ref := crdt.Ref{Dot: crdt.Dot{Log: l.ID, Seq: 1}}
	value, err := wire.Marshal(l.Head.Seq)
	if err != nil {
		return nil, err
	}
	return wire.EncodeEntry(&crdt.Entry{
		Log: l.ID, Seq: l.Head.Seq + 1, Prev: l.Head.Hash, Stamp: crdt.Stamp(l.Head.Seq + 1), Officer: "thử",
		Pack: crdt.Pack{ID: "commune", Version: 1},
		Key:  crdt.Key{1},
		Ops:  []crdt.Op{{Collection: "dossiers", Record: ref, Field: 1, Value: value}},
	})
}
