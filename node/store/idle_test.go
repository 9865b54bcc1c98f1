package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// until waits for something that Badger does behind the writes.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	limit := time.After(time.Minute)
	for !done() {
		select {
		case <-limit:
			t.Fatalf("waited a minute until %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// idle is a store in which a table was made while somebody read, and the last save
// came between the table and the end of its write-ahead log. Then nobody saved.
func idle(t *testing.T, dir string) *Store {
	t.Helper()
	s := open(t, dir)
	gen := filepath.Join(dir, firstGen)
	put := func(i int) {
		update(t, s, func(tx *Tx) error {
			return tx.PutMeta(fmt.Sprint("item ", i%20), bytes.Repeat([]byte{byte(i)}, 100_000))
		})
	}
	for i := range 20 {
		put(i)
	}
	first := slices.Clone(s.wals)
	err := s.View(func(tx *Tx) error {
		// As any reader's, this iterator keeps the memory tables.
		return tx.Scan(Scan{Prefix: []byte{keyMeta}}, func(_, _ []byte) (bool, error) {
			for i := range 40 {
				put(i)
			}
			until(t, "the table is in the MANIFEST", func() bool {
				m, _, err := readManifest(gen, 0)
				return err == nil && m.flushed > 0
			})
			put(1) // its frame knows of the table
			return false, nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the log of the table is gone", func() bool { return !exists(walName(gen, first[0].ID)) })
	return s
}

// A program that is ended on an idle machine leaves a store in good order.
func TestAnIdleStoreThatIsKilledTellsNoDamage(t *testing.T) {
	dir := t.TempDir()
	work, killed := filepath.Join(dir, "work"), filepath.Join(dir, "killed")
	idle(t, work)
	copyDir(t, work, killed)
	s, err := Open(killed, testOptions())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range s.Damage() {
		t.Errorf("told of %s %s", d.Kind, d.Place)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// The same, where the machine is so busy that a log has become a table before the save
// that began the next log is noted, also when the tables file finds no room just then.
func TestALogThatIsATableBeforeItsSuccessorIsNoted(t *testing.T) {
	for name, replace := range map[string]func(string, []byte) error{
		"room": nil, "no room": func(string, []byte) error { return syscall.ENOSPC },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			work, killed := filepath.Join(dir, "work"), filepath.Join(dir, "killed")
			s := open(t, work)
			log, next := s.lastWAL, s.lastWAL+1
			for i := byte(1); !exists(walName(s.gen, next)); i++ { // what Update does, with a pause in it
				txn := s.db.NewTransaction(true)
				tx := &Tx{store: s, txn: txn, does: &change{}}
				number := binary.BigEndian.AppendUint64(nil, s.commit+1)
				err := errors.Join(tx.PutMeta("item", bytes.Repeat([]byte{i}, 100_000)), tx.PutMeta(metaCommit, number), txn.Commit())
				if err != nil {
					t.Fatal(err)
				}
				s.commit++
				if exists(walName(s.gen, next)) {
					until(t, "the log is a table", func() bool { return !exists(walName(s.gen, log)) })
					s.opts.replace = replace
				}
				if err := s.noteWithRoom(nil); err != nil {
					t.Fatal(err)
				}
			}
			s.opts.replace = nil
			copyDir(t, work, killed)
			k, err := readHeads(filepath.Join(killed, fileHeads), testKeys)
			if n := len(k.WALs); err != nil || n == 0 || k.WALs[n-1].ID != next {
				t.Errorf("the heads file names the logs %v, %v; want %d to be the last", k.WALs, err, next)
			}
			again := open(t, killed)
			for _, d := range again.Damage() {
				t.Errorf("told of %s %s", d.Kind, d.Place)
			}
			if again.commit < s.commit {
				t.Errorf("commit %d of %d", again.commit, s.commit)
			}
		})
	}
}

// The same, where Badger is opened anew just then, which begins its logs at 1 again.
func TestAStoreThatIsKilledWhileItIsOpenedAnewTellsNoDamage(t *testing.T) {
	for name, anew := range map[string]func(s *Store, look func()) error{
		"compactors": func(s *Store, look func()) error {
			err := errors.Join(s.shut(), s.openBadger())
			look()
			return errors.Join(err, s.restartWALs())
		},
		"purge": func(s *Store, _ func()) error { _, err := s.Purge(); return err },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, filepath.Join(dir, "work"))
			update(t, s, func(tx *Tx) error { return tx.PutMeta("item", []byte("saved")) })
			commit, killed := s.commit, []string(nil)
			look := func() {
				to := filepath.Join(dir, fmt.Sprint("killed ", len(killed)))
				copyDir(t, s.dir, to)
				killed = append(killed, to)
			}
			s.opts.replace = func(name string, b []byte) error { // when it was closed, and when it is open again
				look()
				return replaceFile(name, b)
			}
			if err := anew(s, look); err != nil || len(killed) < 2 {
				t.Fatal(len(killed), err)
			}
			s.opts.replace = nil
			for _, dir := range killed {
				again := open(t, dir)
				for _, d := range again.Damage() {
					t.Errorf("%s: told of %s %s", filepath.Base(dir), d.Kind, d.Place)
				}
				if again.commit != commit {
					t.Errorf("%s: commit %d; want %d", filepath.Base(dir), again.commit, commit)
				}
			}
		})
	}
}

// The same, where Badger has written its MANIFEST anew just before the end, so that
// nothing says any more what was flushed since the last save.
func TestAMANIFESTWrittenAnewBeforeTheEndTellsNoDamage(t *testing.T) {
	dir := t.TempDir()
	work, killed := filepath.Join(dir, "work"), filepath.Join(dir, "killed")
	s := open(t, work)
	log := ""
	for i := 0; log == "" || exists(log); i++ { // until a log has become a table behind the newest save
		update(t, s, func(tx *Tx) error {
			return tx.PutMeta(fmt.Sprint("item ", i%20), bytes.Repeat([]byte{byte(i)}, 100_000))
		})
		if len(s.wals) > 1 {
			log = walName(s.gen, s.wals[0].ID)
			until(t, "a log is gone", func() bool { return !exists(log) })
		}
	}
	copyDir(t, work, killed)
	gen := filepath.Join(killed, firstGen)
	m, _, err := readManifest(gen, 0)
	if err != nil {
		t.Fatal(err)
	}
	var tables []tableMark
	for id, e := range m.live {
		tables = append(tables, tableMark{ID: id, Level: e.level, Key: e.key, Compression: e.compression})
	}
	whole, err := encodeManifest(tables)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(manifestName(gen), whole, 0o600); err != nil {
		t.Fatal(err)
	}
	again := open(t, killed)
	for _, d := range again.Damage() {
		t.Errorf("told of %s %s", d.Kind, d.Place)
	}
}
