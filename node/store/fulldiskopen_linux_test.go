package store

import (
	"os"
	"path/filepath"
	"strings"
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
