package store

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/vungxa/vungxa/crdt"
)

// A store that was closed and then came back as it was before, beside newer heads, is
// told of once: after the commit that answers it the heads are those that are held.
func TestARollbackIsAnsweredOnce(t *testing.T) {
	dir := t.TempDir()
	work, old := filepath.Join(dir, "work"), filepath.Join(dir, "old")
	id := crdt.LogID{Device: crdt.Device{7}, Scope: "c/1", Class: 2}
	session := func(dir string, behind bool) {
		t.Helper()
		s, err := Open(dir, testOptions())
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Recovered().OwnAhead(id.Device); got != behind {
			t.Errorf("behind %v; want %v", got, behind)
		}
		if behind {
			id.Incarnation[0]++ // as the engine does
		}
		update(t, s, func(tx *Tx) error {
			l, err := tx.Log(id)
			if err != nil {
				return err
			}
			return tx.Append(&l, []byte("entry"))
		})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	session(work, false)
	copyDir(t, work, old)
	session(work, false)
	heads, err := os.ReadFile(filepath.Join(work, fileHeads))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(old, fileHeads), heads, 0o600); err != nil {
		t.Fatal(err)
	}
	session(old, true)
	session(old, false)
	s := open(t, old)
	if w := s.Wants(); len(w) != 1 || w[0].To != 2 {
		t.Errorf("wants %+v; want the entry that is gone", w)
	}
}
