package daemon_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/daemon"
)

// A store that was there and isn't is no new office: not by an unmounted disk, not by
// files that someone deleted. Nothing that opens the node makes another one.
func TestAStoreThatIsGoneIsTold(t *testing.T) {
	for name, lose := range map[string]func(store string) error{
		"the directory": os.RemoveAll,
		"its content": func(store string) error {
			if err := os.RemoveAll(store); err != nil {
				return err
			}
			return os.Mkdir(store, 0o700)
		},
		"CURRENT and heads": func(store string) error {
			if err := os.Remove(filepath.Join(store, "CURRENT")); err != nil {
				return err
			}
			return os.Remove(filepath.Join(store, "heads"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, to, key := filepath.Join(provision(t), "box"), filepath.Join(t.TempDir(), "backups"), recoveryKey(t)
			d := office(t, dir)
			save(t, d, 0, 5)
			backUp(t, d, to, key.Recipient().String())
			want := shown(t, d)
			closed(t, d)
			if err := lose(filepath.Join(dir, "store")); err != nil {
				t.Fatal(err)
			}
			left := names(t, filepath.Join(dir, "store"))
			for how, open := range map[string]func(string, daemon.Options) (*daemon.Daemon, error){
				"run": daemon.New, "import": daemon.OpenOffice, "verify": daemon.OpenStored, "back up": daemon.OpenStore,
			} {
				_, err := open(dir, restOptions())
				if node.CodeOf(err) != node.Damaged || daemon.Unopened(err) == nil {
					t.Errorf("%s: %v; want that the store is gone", how, err)
				}
			}
			_, err := daemon.Rotate(t.Context(), dir, restOptions(), true, func() {})
			if node.CodeOf(err) != node.Damaged {
				t.Errorf("change the key: %v; want that the store is gone", err)
			}
			if now := names(t, filepath.Join(dir, "store")); !slices.Equal(now, left) {
				t.Errorf("opening left %v; want %v", now, left)
			}
			if _, err := daemon.Repair(t.Context(), dir, daemon.RepairOrder{From: to}, restOptions()); err != nil {
				t.Fatal(err)
			}
			if got := shown(t, office(t, dir)); !slices.Equal(got, want) {
				t.Errorf("repaired, %d petitions are there; want %d", len(got), len(want))
			}
		})
	}
}

// What only reads makes no store, at a node that never ran either; running does.
func TestReadingMakesNoStore(t *testing.T) {
	dir := filepath.Join(provision(t), "laptop")
	for _, name := range []string{"store", "store.made"} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, open := range []func(string, daemon.Options) (*daemon.Daemon, error){daemon.OpenStored, daemon.OpenStore} {
		if _, err := open(dir, restOptions()); node.CodeOf(err) != node.NotFound {
			t.Errorf("%v; want that nothing is stored", err)
		}
	}
	if left := names(t, filepath.Join(dir, "store")); left != nil {
		t.Errorf("a store was made: %v", left)
	}
	closed(t, office(t, dir))
}

// A directory from before there was a mark is opened, and gets it.
func TestAnOlderDirectoryGetsTheMark(t *testing.T) {
	dir := filepath.Join(provision(t), "box")
	d := office(t, dir)
	save(t, d, 0, 2)
	closed(t, d)
	if err := os.Remove(filepath.Join(dir, "store.made")); err != nil {
		t.Fatal(err)
	}
	d, err := daemon.OpenStored(dir, restOptions())
	if err != nil {
		t.Fatal(err)
	}
	if got := shown(t, d); len(got) != 2 {
		t.Errorf("%d petitions; want 2", len(got))
	}
	closed(t, d)
	if err := os.RemoveAll(filepath.Join(dir, "store")); err != nil {
		t.Fatal(err)
	}
	if _, err := daemon.OpenOffice(dir, restOptions()); node.CodeOf(err) != node.Damaged {
		t.Errorf("%v; want that the store is gone", err)
	}
}

// names are those of all files below a directory; none where it isn't.
func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, _ os.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		all = append(all, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A restore may end after the directory has become a node and before its mark is
// gone. What the node has done since is not the next restore's to take away.
func TestAFinishedRestoreIsNotBegunAgain(t *testing.T) {
	dir, to, key := filepath.Join(provision(t), "box"), filepath.Join(t.TempDir(), "backups"), recoveryKey(t)
	d := office(t, dir)
	save(t, d, 0, 2)
	backUp(t, d, to, key.Recipient().String())
	closed(t, d)
	fresh := filepath.Join(t.TempDir(), "new")
	if _, err := restore(fresh, to, key); err != nil {
		t.Fatal(err)
	}
	mark := filepath.Join(fresh, "restore.begun")
	begun := func() {
		if err := os.WriteFile(mark, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	unmarked := func(after string) {
		if _, err := os.Stat(mark); !os.IsNotExist(err) {
			t.Errorf("%s, the mark: %v; want that it is gone", after, err)
		}
	}
	begun()
	d = office(t, fresh)
	unmarked("opened")
	save(t, d, 2, 5)
	closed(t, d)
	begun()
	if _, err := restore(fresh, to, key); node.CodeOf(err) != node.Conflict {
		t.Errorf("a second restore: %v; want a sentence", err)
	}
	unmarked("refused")
	if got := shown(t, office(t, fresh)); len(got) != 5 {
		t.Errorf("%d petitions; want the 5", len(got))
	}
}

// A certificate that is gone or damaged gets a sentence that names it.
func TestABadCertificateIsNamed(t *testing.T) {
	dir := filepath.Join(provision(t), "box")
	name := filepath.Join(dir, "certificate.cose")
	sound, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for what, harm := range map[string]func() error{
		"damaged": func() error { return os.WriteFile(name, []byte("x"), 0o600) },
		"gone":    func() error { return os.Remove(name) },
	} {
		if err := harm(); err != nil {
			t.Fatal(err)
		}
		_, err := daemon.OpenOffice(dir, restOptions())
		if node.CodeOf(err) != node.Damaged || !strings.Contains(err.Error(), "the certificate certificate.cose is gone or damaged") {
			t.Errorf("%s: %v; want a sentence", what, err)
		}
		if err := os.WriteFile(name, sound, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// Certificates of others that are gone or damaged are told, each with what to do, and a
// repair takes them back from a backup; the node's own as well.
func TestCertificatesAreVerifiedAndRepaired(t *testing.T) {
	pristine, to := filepath.Join(provision(t), "box"), filepath.Join(t.TempDir(), "backups")
	d := office(t, pristine)
	save(t, d, 0, 2)
	backUp(t, d, to)
	closed(t, d)
	c, err := daemon.ReadConfig(pristine)
	if err != nil {
		t.Fatal(err)
	}
	var gone []string
	for _, p := range c.Peers {
		gone = append(gone, "certificates missing "+p.Device)
	}
	for what, harm := range map[string]struct {
		do   func(dir string) error
		want []string // nil: the node can't be opened
	}{
		"others' gone":    {func(dir string) error { return remove(filepath.Join(dir, "certificates"), "*.cose") }, gone},
		"others' flipped": {func(dir string) error { return flip(filepath.Join(dir, "certificates"), "*.cose", 0.5) }, append(damagedNames(t, pristine), gone...)},
		"its own flipped": {func(dir string) error { return flip(dir, "certificate.cose", 0.5) }, nil},
		"its own gone":    {func(dir string) error { return os.Remove(filepath.Join(dir, "certificate.cose")) }, nil},
	} {
		t.Run(what, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "box")
			if err := errors.Join(os.CopyFS(dir, os.DirFS(pristine)), harm.do(dir)); err != nil {
				t.Fatal(err)
			}
			d, err := daemon.OpenStored(dir, restOptions())
			if (harm.want == nil) != (daemon.Unopened(err) != nil) || err != nil && harm.want != nil {
				t.Fatalf("%v; want that %v is told", err, harm.want)
			}
			if err == nil {
				wantFindings(t, d, harm.want...)
				closed(t, d)
			} else if f := daemon.Unopened(err); f.Part != "certificates" || f.Place != "certificate.cose" {
				t.Errorf("%+v; want the certificate named", f)
			}
			done, err := daemon.Repair(t.Context(), dir, daemon.RepairOrder{From: to}, restOptions())
			if err != nil || len(done.Certificates) == 0 {
				t.Fatalf("%+v, %v", done, err)
			}
			r := office(t, dir)
			wantSound(t, r)
		})
	}
}

// What was damaged already when it was backed up is put in no place, and isn't said to be
// mended.
func TestACertificateDamagedInTheBackupIsNotTaken(t *testing.T) {
	dir, to := filepath.Join(provision(t), "box"), filepath.Join(t.TempDir(), "backups")
	d := office(t, dir)
	save(t, d, 0, 2)
	others := filepath.Join(dir, "certificates")
	if err := flip(others, "*.cose", 0.5); err != nil {
		t.Fatal(err)
	}
	backUp(t, d, to)
	closed(t, d)
	if err := remove(others, "*.cose"); err != nil {
		t.Fatal(err)
	}
	done, err := daemon.Repair(t.Context(), dir, daemon.RepairOrder{From: to}, restOptions())
	left, findErr := find(others, "*.cose")
	if err != nil || findErr != nil || len(done.Certificates)+len(left) > 0 {
		t.Errorf("taken from the backup: %v, there: %v, %v; want none, the backup has none that is sound", done.Certificates, left, errors.Join(err, findErr))
	}
}

func damagedNames(t *testing.T, dir string) (all []string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "certificates", "*.cose"))
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		all = append(all, "certificates damaged certificates/"+filepath.Base(name))
	}
	return all
}
