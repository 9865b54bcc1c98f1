package store

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/vungxa/vungxa/node"
)

// Badger can't be opened anew for a full disk while somebody reads. So an export makes
// way when the disk fills meanwhile; on one that was full before it goes through.
func TestAnExportMakesWayForAFullDisk(t *testing.T) {
	free := uint64(1 << 30)
	o := testOptions()
	o.Room = func(string) (Room, error) { return Room{Free: free, Total: 2 << 30}, nil }
	s, err := Open(filepath.Join(t.TempDir(), "store"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	const items = 3 * exportLooks
	update(t, s, func(tx *Tx) error {
		for i := range items {
			if err := tx.PutLocal("kind", fmt.Sprintf("%05d", i), []byte{1}); err != nil {
				return err
			}
		}
		return nil
	})
	export := func(fills bool) (n int, err error) {
		err = s.Export(func(_, _ []byte) error {
			if n++; fills && n == items/2 {
				free = 0
			}
			return nil
		})
		return n, err
	}
	if n, err := export(false); err != nil || n < items {
		t.Errorf("with room: %d items, %v", n, err)
	}
	if n, err := export(true); node.CodeOf(err) != node.Unavailable || n > items/2+exportLooks {
		t.Errorf("when it fills: %d items, %v; want that it makes way", n, err)
	}
	if err := s.Tend(); node.CodeOf(err) != node.ReadOnly || !s.space.resting {
		t.Errorf("behind it: %v, resting %v; want that the store rests", err, s.space.resting)
	}
	if n, err := export(false); err != nil || n < items {
		t.Errorf("on a disk that was full before: %d items, %v", n, err)
	}
}
