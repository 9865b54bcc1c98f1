package bundle_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/bundle"
	"github.com/vungxa/vungxa/sync/identity"
)

var pulls = flag.Int("pulls", 5, "how often a stick is pulled")

// fat is a stick's own file system in a file.
type fat struct {
	t     *testing.T
	image string
	with  []string // what mounts it; the image and the directory follow
}

// newFAT makes an empty stick of so many KiB. The kernel's driver mounts it where there
// is one, else fusefat.
func newFAT(t *testing.T, kib int) *fat {
	t.Helper()
	const missing = "SKIPPED a real FAT image: %s; make fat says what is missing, and installs it"
	if os.Getuid() != 0 {
		t.Skipf(missing, "mounting needs root")
	}
	mkfs, err := exec.LookPath("mkfs.vfat")
	if err != nil {
		t.Skipf(missing, "no mkfs.vfat")
	}
	f := &fat{t: t, image: filepath.Join(t.TempDir(), "image")}
	must(t, os.WriteFile(f.image, nil, 0o600))
	must(t, os.Truncate(f.image, int64(kib)<<10))
	if out, err := exec.CommandContext(t.Context(), mkfs, f.image).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	var said []byte
	for _, with := range [][]string{{"mount", "-t", "vfat", "-o", "loop,flush"}, {"fusefat", "-s", "-o", "rw+"}} {
		f.with = with
		if err := f.mount(t.TempDir()); err == nil {
			return f
		} else {
			said = fmt.Appendf(said, "%s: %v; ", with[0], err)
		}
	}
	t.Skipf(missing, said)
	return nil
}

// mount mounts it until the test ends, or the next umount.
func (f *fat) mount(dir string) error {
	args := append(slices.Clone(f.with), f.image, dir)
	out, err := exec.CommandContext(f.t.Context(), args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	f.t.Cleanup(func() { _ = exec.CommandContext(context.Background(), "umount", dir).Run() }) // if it still is
	return nil
}

// plug mounts it, has it worked on, and unmounts it.
func (f *fat) plug(work func(s *bundle.Stick)) {
	f.t.Helper()
	dir := f.t.TempDir()
	must(f.t, f.mount(dir))
	s, err := bundle.OpenStick(dir)
	must(f.t, err)
	work(s)
	must(f.t, s.Close())
	if out, err := exec.CommandContext(f.t.Context(), "umount", dir).CombinedOutput(); err != nil {
		f.t.Fatalf("%s: %v", out, err)
	}
}

func (f *fat) bytes() []byte {
	f.t.Helper()
	b, err := os.ReadFile(f.image)
	must(f.t, err)
	return b
}

func (f *fat) put(b []byte) {
	f.t.Helper()
	must(f.t, os.WriteFile(f.image, b, 0o600))
}

func offices(t *testing.T) (office, province *desk) {
	office, province = newDesk(t, "laptop", identity.RoleLaptop), newDesk(t, "hub", identity.RoleHub)
	know(t, office, province)
	office.SegmentEntries = 20
	return office, province
}

// A stick with FAT on it goes there and back, has short names alone, and what doesn't fit
// is told of and leaves nothing behind.
func TestFAT(t *testing.T) {
	f := newFAT(t, 4<<10)
	t.Logf("mounted by %s", f.with[0])
	office, province := offices(t)
	office.save(300)
	f.plug(func(s *bundle.Stick) { office.swap(s, province) })
	f.plug(func(s *bundle.Stick) {
		if out := province.swap(s); out.Entries != 300 {
			t.Errorf("%+v", out)
		}
	})
	if f.with[0] != "mount" {
		t.Log("NOT LOOKED AT: short names; fusefat writes a long one for every file")
	} else if names := shortNames(f.bytes()); len(names) != 2 || slices.Contains(names, "a long name") {
		t.Errorf("in the root directory: %q", names)
	}
	f.plug(func(s *bundle.Stick) {
		if out := office.swap(s, province); out.Receipts != 1 || office.carried(province) != 0 {
			t.Errorf("%+v", out)
		}
	})

	office.save(20)
	f.plug(func(s *bundle.Stick) {
		before, err := s.List()
		must(t, err)
		must(t, s.Write("VXBIGBIG.VXB", make([]byte, s.Free()-16<<10)))
		_, err = office.b.Export(context.Background(), s, bundle.Order{To: []crdt.Device{province.Claims.Device}})
		if !errors.Is(err, bundle.ErrFull) || office.carried(province) != 0 {
			t.Errorf("%v; %d carried", err, office.carried(province))
		}
		if now, err := s.List(); err != nil || len(now) != len(before)+1 {
			t.Errorf("%+v, %v", now, err)
		}
		must(t, s.Remove("VXBIGBIG.VXB"))
		if out := office.export(s, bundle.Order{}, province); out.Entries != 20 {
			t.Errorf("%+v", out)
		}
	})
}

// shortNames reads the root directory of a small FAT: names of 8.3, and none that needs
// more than one entry of 32 bytes.
func shortNames(b []byte) (names []string) {
	at := 512 * (int(b[14]) + int(b[15])<<8 + int(b[16])*(int(b[22])+int(b[23])<<8)) // after what is reserved, and the tables
	for e := b[at : at+32*(int(b[17])+int(b[18])<<8)]; len(e) > 0 && e[0] != 0; e = e[32:] {
		switch {
		case e[0] == 0xe5: // removed
		case e[11] == 0x0f:
			names = append(names, "a long name")
		case e[11]&0x08 == 0:
			names = append(names, string(e[:11]))
		}
	}
	return names
}

// A stick that was pulled has any of its sectors written and others not, in whatever
// order. It brings nothing that wasn't written, and harms neither side: what it has is
// taken in or passed over, and the next stick brings all.
func TestFATPulled(t *testing.T) {
	pulled := map[string]int{}
	f := newFAT(t, 1<<10)
	blank := f.bytes()
	for seed := range uint64(*pulls) {
		rng := rand.New(rand.NewPCG(seed, 0))
		office, province := offices(t)
		f.put(blank)
		if seed%2 == 0 { // it is written over what lies there already
			office.save(40)
			f.plug(func(s *bundle.Stick) { office.export(s, bundle.Order{Part: 1700}, province) })
		}
		before := f.bytes()
		office.save(60)
		f.plug(func(s *bundle.Stick) { office.export(s, bundle.Order{Part: 1700}, province) })
		after, saved := f.bytes(), office.entries()
		f.put(torn(before, after, rng))
		f.plug(func(s *bundle.Stick) {
			out, err := province.b.Import(context.Background(), s)
			if err != nil { // the directory itself is damaged
				pulled["unreadable"]++
			}
			for _, file := range out.Files {
				pulled[string(file.State)]++
			}
		})
		if n := province.entries(); n > saved {
			t.Fatalf("seed %d: %d entries came of %d", seed, n, saved)
		}
		s := stick(t, t.TempDir())
		office.swap(s, province)
		province.swap(s)
		office.swap(s, province)
		if a, b := office.holds(), province.holds(); a != b || office.carried(province) != 0 {
			t.Errorf("seed %d: the two differ, or %d entries count as carried", seed, office.carried(province))
		}
	}
	t.Log("what lay on the sticks:", pulled)
	if *pulls >= 20 && len(pulled) < 3 { // a few may well be alike: where a file lies is chance
		t.Errorf("the pulls were all of a kind: %v", pulled)
	}
}

// torn is a stick on which only some of the sectors that changed were written.
func torn(before, after []byte, rng *rand.Rand) []byte {
	var changed []int
	for at := 0; at < len(after); at += 512 {
		if !bytes.Equal(before[at:at+512], after[at:at+512]) {
			changed = append(changed, at)
		}
	}
	if rng.IntN(2) == 0 {
		rng.Shuffle(len(changed), func(i, j int) { changed[i], changed[j] = changed[j], changed[i] })
	}
	now := bytes.Clone(before)
	for _, at := range changed[:rng.IntN(len(changed)+1)] {
		copy(now[at:at+512], after[at:at+512])
	}
	return now
}
