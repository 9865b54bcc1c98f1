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

// Where nothing is to be said any more, nothing is written, and writing takes nothing away:
// only the button does, which has read the stick before.
func TestWritingNothingTakesNothingAway(t *testing.T) {
	office, province := newDesk(t, "laptop", identity.RoleLaptop), newDesk(t, "hub", identity.RoleHub)
	know(t, office, province)
	dir := t.TempDir()
	s, back := stick(t, dir), stick(t, t.TempDir())
	office.save(30)
	office.export(s, bundle.Order{}, province)
	before := list(t, dir)
	province.imports(s)
	province.export(back, bundle.Order{}, office)
	office.imports(back)
	for out := range 2 { // the first may answer to the receipt
		if wrote := office.export(stick(t, t.TempDir()), bundle.Order{}, province); out == 1 && len(wrote.Files) > 0 {
			t.Fatalf("there is still something to be said: %+v", wrote)
		}
	}
	if out := office.export(s, bundle.Order{}, province); len(out.Files) > 0 || len(list(t, dir)) != len(before) {
		t.Errorf("wrote %+v; %v are there, and were %v", out, list(t, dir), before)
	}
}
