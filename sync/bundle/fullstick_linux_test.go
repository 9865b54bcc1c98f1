package bundle_test

import (
	"context"
	"errors"
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
	if os.Getuid() != 0 {
		t.Skip("SKIPPED a full stick: mounting a tmpfs needs root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("SKIPPED a full stick: this machine mounts no tmpfs: %v", err)
	}
	t.Cleanup(func() { must(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
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
