package bundle_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vungxa/vungxa/sync/bundle"
	"github.com/vungxa/vungxa/sync/identity"
)

// A file that is on the stick by its name is there whole, if the stick is pulled in the
// next moment: none of its pages waits to be written. The kernel tells.
func TestWhatIsWrittenIsDurable(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "loose"), make([]byte, 1<<20), 0o600))
	if unwritten(t, filepath.Join(dir, "loose")) == 0 {
		t.Skip("this file system doesn't tell what it has still to write")
	}
	s := stick(t, dir)
	must(t, s.Write("VXAAAAAA.VXB", make([]byte, 1<<20)))
	if n := unwritten(t, filepath.Join(dir, "VXAAAAAA.VXB")); n > 0 {
		t.Errorf("%d pages of a file that was written are still in memory alone", n)
	}
}

// unwritten is how many pages of a file aren't on the disk.
func unwritten(t *testing.T, file string) uint64 {
	f, err := os.Open(file)
	must(t, err)
	defer func() { must(t, f.Close()) }()
	var st unix.Cachestat_t
	if err := unix.Cachestat(uint(f.Fd()), &unix.CachestatRange{}, &st, 0); err != nil {
		t.Skipf("this kernel doesn't tell what a file has still to be written: %v", err)
	}
	return st.Dirty + st.Writeback
}

// Writing again where nothing is to be said leaves what is on the stick, on its way.
func TestWritingNothingTakesNothingAway(t *testing.T) {
	office, province := newDesk(t, "laptop", identity.RoleLaptop), newDesk(t, "hub", identity.RoleHub)
	know(t, office, province)
	dir := t.TempDir()
	s := stick(t, dir)
	office.save(30)
	office.swap(s, province)
	province.swap(s) // writes the receipt
	before := list(t, dir)
	out := province.export(s, bundle.Order{}, office)
	if after := list(t, dir); len(after) != len(before) {
		t.Errorf("wrote %+v; %v are there, and were %v", out, after, before)
	}
}
