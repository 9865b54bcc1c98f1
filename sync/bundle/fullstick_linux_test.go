package bundle_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/bundle"
	"github.com/vungxa/vungxa/sync/identity"
)

// A stick without room for all takes what it can; one without room for anything says so.
func TestFullStick(t *testing.T) {
	dir := smallDir(t, 256)
	office, province := newDesk(t, "laptop", identity.RoleLaptop), newDesk(t, "hub", identity.RoleHub)
	know(t, office, province)
	office.save(1)
	s := stick(t, dir)
	must(t, os.WriteFile(filepath.Join(dir, "BIG"), make([]byte, s.Free()), 0o600))
	if _, err := office.b.Export(context.Background(), s, bundle.Order{To: []crdt.Device{province.Claims.Device}}); !errors.Is(err, bundle.ErrFull) {
		t.Errorf("%v", err)
	}
	if err := s.Write("VXAAAAAA.VXB", make([]byte, 100<<10)); !errors.Is(err, bundle.ErrFull) {
		t.Errorf("%v", err)
	}
	if got := list(t, dir); !slices.Equal(got, []string{"BIG"}) || office.carried(province) != 0 {
		t.Errorf("%v lies there, %d carried", got, office.carried(province))
	}
	must(t, os.Remove(filepath.Join(dir, "BIG")))
	if out := office.export(s, bundle.Order{}, province); out.Entries != 1 {
		t.Errorf("%+v", out)
	}
	must(t, s.Remove(list(t, dir)[0]))
}

// smallDir is a directory with so much room, for which root is needed.
func smallDir(t *testing.T, kib int) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("SKIPPED a full stick: mounting a tmpfs needs root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dk", kib)); err != nil {
		t.Skipf("SKIPPED a full stick: this machine mounts no tmpfs: %v", err)
	}
	t.Cleanup(func() { must(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	return dir
}

func smallStick(t *testing.T, kib int) *bundle.Stick {
	t.Helper()
	return stick(t, smallDir(t, kib))
}

// What had no room goes on with the next stick, also in the middle of one attachment.
func TestAttachmentsGoOn(t *testing.T) {
	office, province, there := withPhotos(t, 2)
	a := smallStick(t, 264)
	out := office.export(a, bundle.Order{}, province)
	if out.Entries != 5 || out.Whole != 1 || !out.More {
		t.Fatalf("%+v", out)
	}
	b := stick(t, t.TempDir())
	if out = office.export(b, bundle.Order{After: true}, province); out.Whole != 1 || out.More || out.Bytes > 150_000 {
		t.Fatalf("the rest: %+v", out)
	}
	if out := office.export(b, bundle.Order{After: true}, province); len(out.Files) > 0 {
		t.Fatalf("nothing is left: %+v", out)
	}
	province.imports(b)
	province.imports(a)
	if len(there.held) != 2 {
		t.Errorf("%d attachments came", len(there.held))
	}
}

// What is still lacking is asked for on the way back, and comes with the next stick,
// however often that is written.
func TestAttachmentsAreAskedFor(t *testing.T) {
	office, province, there := withPhotos(t, 2)
	lost := smallStick(t, 264)
	office.export(lost, bundle.Order{}, province)
	province.imports(lost)                                                    // the rest of them never comes
	office.export(stick(t, t.TempDir()), bundle.Order{After: true}, province) // is lost
	s := stick(t, t.TempDir())
	province.swap(s, office)
	if len(there.held) != 1 || office.imports(s).Receipts != 1 {
		t.Fatalf("%d attachments came", len(there.held))
	}
	for range 2 {
		s = stick(t, t.TempDir())
		if out := office.export(s, bundle.Order{}, province); out.Whole != 1 || out.Entries != 0 || out.Bytes > 150_000 {
			t.Fatalf("%+v", out)
		}
	}
	province.swap(s, office)
	if len(there.held) != 2 {
		t.Fatalf("%d attachments came", len(there.held))
	}
	office.swap(s)
	if out := office.export(stick(t, t.TempDir()), bundle.Order{}, province); out.Whole != 0 {
		t.Errorf("all has come, and yet: %+v", out)
	}
}
