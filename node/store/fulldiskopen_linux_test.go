package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vungxa/vungxa/node"
)

// A store whose CURRENT is damaged writes it anew while it is opened: on a full disk
// with the ballast's room, and without one it says what is wrong, and nothing is lost.
func TestADamagedCurrentOnAFullDisk(t *testing.T) {
	for ballast, opens := range map[int64]bool{defaultBallast: true, -1: false} {
		disk := smallDisk(t, 120)
		dir, o := filepath.Join(disk, "store"), testOptions()
		o.Ballast = ballast
		s, err := Open(dir, o)
		if err == nil {
			err = put(s, "a")
		}
		if err == nil {
			err = s.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(filepath.Join(dir, fileCurrent), 20); err != nil {
			t.Fatal(err)
		}
		other := newNeighbour(t, disk)
		other.rest()
		s, err = Open(dir, o)
		if opens != (err == nil) {
			t.Fatalf("ballast %d: %v; want that it opens: %v", ballast, err, opens)
		}
		if !opens && (node.CodeOf(err) != node.Unavailable || !strings.Contains(err.Error(), "the disk is full")) {
			t.Errorf("%v; want a sentence", err)
		}
		if opens {
			holds(t, s, "a")
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		other.leave()
		s = open(t, dir)
		holds(t, s, "a")
	}
}

// Whatever on the way meets the disk's last block, whoever opens a store is told that it
// is the disk, and not to repair.
func TestOpeningMeetsTheLastBlock(t *testing.T) {
	o := testOptions()
	o.Room = func(string) (Room, error) { return Room{}, syscall.ENOSPC }
	_, plain := Open(t.TempDir(), o)
	badgers := errors.New("Cannot write pid file err: " + syscall.ENOSPC.Error()) // as Badger wraps it
	for name, err := range map[string]error{"a file of the store's": plain, "Badger": openError("store", badgers)} {
		if said := fmt.Sprint(err); node.CodeOf(err) != node.Unavailable || !strings.Contains(said, "the disk is full") || strings.Contains(said, "repair") {
			t.Errorf("%s: %v; want the sentence about the disk", name, err)
		}
	}
}
