package bundle_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/bundle"
	"github.com/vungxa/vungxa/sync/identity"
)

// A file that comes again, whether it was the first of all, the last, or one between, is
// here already: nothing before it is missing, and nothing of it is kept waiting.
func TestTakenBefore(t *testing.T) {
	office, province := newDesk(t, "laptop", identity.RoleLaptop), newDesk(t, "hub", identity.RoleHub)
	know(t, office, province)
	s := stick(t, t.TempDir())
	office.SegmentEntries = 5
	var old []*bundle.Stick // as the stick left the office
	for round := range 4 {
		for range round + 1 {
			office.save(5)
			office.seal()
		}
		office.swap(s, province)
		again := stick(t, t.TempDir())
		found, err := s.List()
		must(t, err)
		for _, f := range found {
			raw, err := s.Read(f.Name)
			must(t, err)
			must(t, again.Write(f.Name, raw))
		}
		old = append(old, again)
		province.save(2) // so the office signs for something, and its receipts grow
		province.swap(s)
		for i, again := range old {
			out := province.imports(again)
			for _, f := range out.Files {
				if out.Entries != 0 || f.State != bundle.Taken && f.State != bundle.Ours {
					t.Errorf("round %d, file of round %d: %+v", round, i, f)
				}
			}
		}
		if n := len(list(t, province.waiting)); n > 0 {
			t.Errorf("round %d: %d files are kept waiting", round, n)
		}
		office.swap(s, province)
	}
}

// Going on writes what had no room, and nothing where there is nothing to go on with.
func TestNothingToGoOnWith(t *testing.T) {
	office, province := newDesk(t, "laptop", identity.RoleLaptop), newDesk(t, "hub", identity.RoleHub)
	know(t, office, province)
	on := bundle.Order{After: true}
	office.save(10)
	a := stick(t, t.TempDir())
	if out := office.export(a, on, province); out.Entries != 10 {
		t.Fatalf("nothing was written before: %+v", out)
	}
	for range 2 {
		if out := office.export(a, on, province); len(out.Files) > 0 || out.More {
			t.Fatalf("all is on its way: %+v", out)
		}
	}
	if out := office.export(a, bundle.Order{}, province); out.Entries != 10 {
		t.Fatalf("all of it once more: %+v", out)
	}
	office.save(1)
	if out := office.export(stick(t, t.TempDir()), on, province); out.Entries != 1 {
		t.Fatalf("what is new: %+v", out)
	}
	if out, err := office.b.Swap(t.Context(), a, []crdt.Device{province.Claims.Device}, true); err != nil || len(out.Exported[province.Claims.Device].Files) > 0 {
		t.Fatalf("by the button: %+v, %v", out, err)
	}
}

// A path to a file is told of as what it is.
func TestNoDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	if _, err := bundle.OpenStick(file); !errors.Is(err, bundle.ErrNotDirectory) {
		t.Error(err)
	}
}
