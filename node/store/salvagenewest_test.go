package store

import (
	"context"
	"path/filepath"
	"testing"
)

// Of a local item in the store's files and the same in a backup it can be known which is
// newer, by the mark that the backup left; of another backup it can't.
func TestWhichCopyIsNewer(t *testing.T) {
	dir, set := filepath.Join(t.TempDir(), "store"), [16]byte{1}
	s := open(t, dir)
	write := func(name string) {
		update(t, s, func(tx *Tx) error { return tx.PutLocal("officers", name, []byte("x")) })
	}
	write("before")
	write("both")
	update(t, s, func(tx *Tx) error { return tx.MarkBackup(set, 1000) })
	write("both")
	write("after")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	disk, err := Salvage(context.Background(), dir, testOptions())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := disk.Close(); err != nil {
			t.Error(err)
		}
	})
	if whole, err := disk.Whole(); err != nil || !whole {
		t.Errorf("a store in good order: %v, %v", whole, err)
	}
	for name, want := range map[string]Age{"before": Older, "both": Newer, "after": Newer} {
		if age, err := disk.Than(set, 1000, "officers", name); err != nil || age != want {
			t.Errorf("%s: %v, %v; want %v", name, age, err, want)
		}
		for _, other := range []struct {
			set [16]byte
			ms  int64
		}{{set, 999}, {[16]byte{2}, 1000}} {
			if age, err := disk.Than(other.set, other.ms, "officers", name); err != nil || age != Unknown {
				t.Errorf("%s, by another backup: %v, %v; want that nobody knows", name, age, err)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
