//go:build linux

package systemtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFullDiskOfTheBox fills the box's disk while box and laptop save, import and
// sync, with what a neighbour writes. The box goes on showing records and says what
// to do, starts again on the full disk, and goes on by itself when there is room;
// nothing that was acknowledged is gone.
func TestFullDiskOfTheBox(t *testing.T) {
	t.Parallel()
	disk, c := smallDisk(t, "400m"), newCommune(t)
	run(t, "mv", c.box.dir, disk)
	c.box.dir = filepath.Join(disk, c.box.name)
	c.run()
	c.atWork(func() {
		c.received(10)
		neighbour := filepath.Join(disk, "neighbour")
		c.fillsDisk(neighbour)
		c.refusesToSave("on a full disk")
		if _, err := c.box.page.total("dossiers", values{}); err != nil {
			t.Errorf("the box shows nothing on a full disk: %v", err)
		}
		if err := c.box.process.running(); err != nil {
			t.Error(err)
		}
		c.box.kill()
		c.run(c.box)
		c.refusesToSave("after a start on a full disk")
		c.must(os.Remove(neighbour))
		eventually(t, "the box to save again", func() error {
			_, err := c.box.page.create("petitions", values{"NoiDung": "Ổ đĩa đã có chỗ"})
			return err
		})
	})
	c.stop()
	c.sameLogs()
}

// refusesToSave waits until the box refuses a save with the sentence for the
// officer.
func (c *commune) refusesToSave(when string) {
	c.t.Helper()
	eventually(c.t, "the sentence "+when, func() error {
		_, err := c.box.page.create("petitions", values{"NoiDung": "Ổ đĩa đầy"})
		if err == nil || !strings.Contains(err.Error(), "disk is almost full") {
			return fmt.Errorf("a save %s: %w", when, errors.Join(err, errors.New("want the sentence")))
		}
		return nil
	})
}

// smallDisk is a file system in memory.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED full disks: mounting a tmpfs needs root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("SKIPPED full disks: this machine mounts no tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fillsDisk writes a file until nothing is left: in pieces far smaller than low water,
// between which the box has tried a save and so has looked at its disk, until it
// refuses; then the rest at once.
func (c *commune) fillsDisk(name string) {
	c.t.Helper()
	f, err := os.Create(name)
	if err != nil {
		c.t.Fatal(err)
	}
	piece := make([]byte, 4<<20)
	for full := false; !full; {
		if _, err := f.Write(piece); err != nil {
			c.t.Fatal("the box saves on a disk without room", err)
		}
		eventually(c.t, "an answer while the disk fills", func() error {
			_, err := c.box.page.create("petitions", values{"NoiDung": "Ổ đĩa đang đầy"})
			if full = err != nil && strings.Contains(err.Error(), "disk is almost full"); full {
				return nil
			}
			return err
		})
	}
	for err == nil {
		_, err = f.Write(piece)
	}
	if err = errors.Join(err, f.Close()); !errors.Is(err, syscall.ENOSPC) {
		c.t.Fatal(err)
	}
}
