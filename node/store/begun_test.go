package store

import (
	"os"
	"path/filepath"
	"testing"
)

// A process that is killed while it opens or grows a store leaves a log of
// Badger's without a byte. The store opens, with everything that was in it.
func TestLogsThatACrashLeftEmpty(t *testing.T) {
	dir := t.TempDir()
	reopen := func(f func(*Store)) {
		t.Helper()
		s, err := Open(dir, testOptions())
		if err != nil {
			t.Fatal(err)
		}
		f(s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	reopen(func(s *Store) {
		if err := s.Update(func(tx *Tx) error { return tx.Put([]byte("key"), []byte("value")) }); err != nil {
			t.Fatal(err)
		}
	})
	for _, name := range []string{"000099.vlog", "00099.mem", "00098.mem"} {
		if err := os.WriteFile(filepath.Join(dir, firstGen, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	reopen(func(s *Store) {
		err := s.View(func(tx *Tx) error {
			v, err := tx.Get([]byte("key"))
			if string(v) != "value" {
				t.Errorf("the key holds %q", v)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
