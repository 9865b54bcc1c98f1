package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/vungxa/vungxa/node"
)

// laterFormats are two steps as later programs may bring them: format 2 gives every
// local item's value a prefix, format 3 splits each in two.
func laterFormats() {
	newest = 3
	migrations = []migration{
		{1, func(k, v []byte, put func(k, v []byte) error) error {
			if k[0] == keyLocal {
				v = append([]byte("two:"), v...)
			}
			return put(k, v)
		}},
		{2, func(k, v []byte, put func(k, v []byte) error) error {
			if k[0] != keyLocal {
				return put(k, v)
			}
			return errors.Join(put(append(bytes.Clone(k), 'a'), v[:4]), put(append(bytes.Clone(k), 'b'), v[4:]))
		}},
	}
}

func withLaterFormats(t *testing.T) {
	t.Helper()
	laterFormats()
	t.Cleanup(func() { newest, migrations = Format, nil })
}

// oldStore is a store of format 1 with n local items.
func oldStore(t *testing.T, dir string, n int) {
	t.Helper()
	s, err := Open(dir, testOptions())
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < n; i += 100 {
		update(t, s, func(tx *Tx) error {
			for j := i; j < i+100; j++ {
				if err := tx.PutLocal("thing", fmt.Sprintf("%05d", j), bytes.Repeat([]byte{byte(j)}, 300)); err != nil {
					return err
				}
			}
			return tx.PutMeta("clock", []byte{7})
		})
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// wantMigrated opens the store and compares all of it.
func wantMigrated(t *testing.T, dir string, n int) {
	t.Helper()
	s, err := Open(dir, testOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got := map[string]string{}
	err = s.View(func(tx *Tx) error {
		if v, err := tx.Meta("clock"); err != nil || !bytes.Equal(v, []byte{7}) {
			t.Errorf("the clock is % x, %v", v, err)
		}
		return tx.Locals("thing", func(name string, v []byte) error {
			got[name] = string(v)
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		name, value := fmt.Sprintf("%05d", i), strings.Repeat(string([]byte{byte(i)}), 300)
		if got[name+"a"] != "two:" || got[name+"b"] != value {
			t.Fatalf("item %d isn't what two steps make of it", i)
		}
	}
	if len(got) != 2*n || len(s.Damage()) > 0 {
		t.Errorf("%d items and damage %v; want %d and none", len(got), s.Damage(), 2*n)
	}
	if c, err := ReadCurrent(dir); err != nil || c.Format != 3 {
		t.Errorf("format %d, %v; want 3", c.Format, err)
	}
	left, err := filepath.Glob(dir + ".*")
	if err != nil || len(left) > 0 {
		t.Errorf("%v lies there, %v", left, err)
	}
}

func TestOlderFormatsAreOpened(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	oldStore(t, dir, 2000)
	withLaterFormats(t)
	wantMigrated(t, dir, 2000)
	wantMigrated(t, dir, 2000)
	newest, migrations = Format, nil
	if _, err := Open(dir, testOptions()); node.CodeOf(err) != node.Damaged || !strings.Contains(err.Error(), "format 3") {
		t.Errorf("a program of format 1 opens it: %v; want a sentence", err)
	}
}

// A damaged store isn't brought to a newer format, which would forget what it lacks: it
// stays as it is.
func TestADamagedStoreIsNotMigrated(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	deleteWALs(t, dir)
	withLaterFormats(t)
	if _, err := Open(dir, testOptions()); node.CodeOf(err) != node.Damaged {
		t.Errorf("opened: %v; want node.Damaged", err)
	}
	if c, err := ReadCurrent(dir); err != nil || c.Format != 1 {
		t.Errorf("format %d, %v; want 1", c.Format, err)
	}
}

const killedStep = "VUNGXA_STORE_KILLED_AT"

// TestKilledWhileMigrating is run by itself in a process that kills itself at a step
// of the way from format 1 to 3; then a new process has to find everything.
func TestKilledWhileMigrating(t *testing.T) {
	if at := os.Getenv(killedStep); at != "" {
		migrateAndDie(t, os.Getenv("VUNGXA_STORE_DIR"), at)
		return
	}
	const n = 2000
	pristine := filepath.Join(t.TempDir(), "store")
	oldStore(t, pristine, n)
	var names []string
	for at, whole := 1, false; !whole; at++ {
		dir := filepath.Join(t.TempDir(), "store")
		if err := os.CopyFS(dir, os.DirFS(pristine)); err != nil {
			t.Fatal(err)
		}
		name, killed := runKilled(t, dir, at)
		names = append(names, name)
		if whole = !killed; !whole && at%2 == 0 {
			again, _ := runKilled(t, dir, 1) // and again at once
			names = append(names, again)
		}
		withLaterFormats(t)
		wantMigrated(t, dir, n)
		newest, migrations = Format, nil
	}
	slices.Sort(names)
	for _, step := range []string{
		"before the new store", "some items are written", "the new store is built", "the new store is ready",
		"the old store is aside", "the new store is in its place",
	} {
		if _, found := slices.BinarySearch(names, step); !found {
			t.Errorf("no process was killed at %q", step)
		}
	}
	t.Logf("killed %d times", len(names)-1)
}

func migrateAndDie(t *testing.T, dir, at string) {
	laterFormats()
	last, err := strconv.Atoi(at)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	step = func(name string) {
		if n++; n == last {
			fmt.Fprintf(os.Stderr, "step: %s\n", name)
			self, err := os.FindProcess(os.Getpid())
			if err = errors.Join(err, self.Kill()); err != nil {
				t.Error(err)
			}
			select {} // until it is dead
		}
	}
	s, err := Open(dir, testOptions())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// runKilled migrates a store in a process that kills itself at a step, if there are
// so many, and says which it was.
func runKilled(t *testing.T, dir string, at int) (name string, killed bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestKilledWhileMigrating$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", killedStep, at), "VUNGXA_STORE_DIR="+dir)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if err == nil {
		return "", false
	}
	_, rest, ok := strings.Cut(string(out), "step: ")
	if !ok {
		t.Fatalf("the process failed by itself: %v\n%s", err, out)
	}
	name, _, _ = strings.Cut(rest, "\n")
	return name, true
}

// Whatever lies where the new store is built, and a build that fails, leave the old
// store as it was.
func TestAReplacementThatFailsChangesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	oldStore(t, dir, 100)
	fails := errors.New("no")
	_, err := Replace(dir, func(next string) error {
		return errors.Join(os.MkdirAll(next, 0o700), os.WriteFile(filepath.Join(next, "half"), nil, 0o600), fails)
	})
	if !errors.Is(err, fails) || exists(dir+nextSuffix) {
		t.Errorf("%v, and the half is there: %v", err, exists(dir+nextSuffix))
	}
	if err := os.MkdirAll(filepath.Join(dir+nextSuffix, "g1"), 0o700); err != nil {
		t.Fatal(err)
	}
	withLaterFormats(t)
	wantMigrated(t, dir, 100)
}
