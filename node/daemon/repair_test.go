package daemon_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/demo"
	"github.com/vungxa/vungxa/node/engine"
)

// harms are ways in which a store gets damaged, each on a closed store.
var harms = map[string]func(store string) error{
	"a bit of the data flipped": func(s string) error { return flip(s, "*.sst", 0.5) },
	"a bit of an index flipped": func(s string) error { return flip(s, "*.sst", 0.995) },
	"the data file is gone":     func(s string) error { return remove(s, "*.sst") },
	"MANIFEST is gone":          func(s string) error { return remove(s, "MANIFEST") },
	"KEYREGISTRY flipped":       func(s string) error { return flip(s, "KEYREGISTRY", 0.5) },
	"CURRENT and heads flipped": func(s string) error { return errors.Join(flip(s, "CURRENT", 0.5), flip(s, "heads", 0)) },
	"a write-ahead log cut":     func(s string) error { return cut(s, "*.mem") },
	"everything but the keys":   func(s string) error { return errors.Join(remove(s, "*.sst"), remove(s, "*.mem"), remove(s, "heads")) },
}

func find(store, pattern string) (names []string, err error) {
	err = filepath.WalkDir(store, func(name string, d fs.DirEntry, err error) error {
		if ok, _ := filepath.Match(pattern, filepath.Base(name)); ok && err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	return names, err
}

func flip(store, pattern string, where float64) error {
	names, err := find(store, pattern)
	for _, name := range names {
		b, readErr := os.ReadFile(name)
		if err = errors.Join(err, readErr); err != nil {
			return err
		}
		b[int(float64(len(b)-1)*where)] ^= 0x10
		err = os.WriteFile(name, b, 0o600)
	}
	return err
}

func remove(store, pattern string) error {
	names, err := find(store, pattern)
	for _, name := range names {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

func cut(store, pattern string) error {
	names, err := find(store, pattern)
	for _, name := range names {
		err = errors.Join(err, os.Truncate(name, 300))
	}
	return err
}

// Whatever happens to the store's files, a repair with the backup brings back all
// that was backed up, and what verify says afterwards is that all is well.
func TestRepair(t *testing.T) {
	pristine, to := filepath.Join(provision(t), "box"), filepath.Join(t.TempDir(), "backups")
	d := office(t, pristine)
	save(t, d, 0, 60)
	backUp(t, d, to)
	backedUp := shown(t, d)
	save(t, d, 60, 80)
	all := shown(t, d)
	closed(t, d)
	for _, name := range slices.Sorted(maps.Keys(harms)) {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "box")
			if err := errors.Join(os.CopyFS(dir, os.DirFS(pristine)), harms[name](filepath.Join(dir, "store"))); err != nil {
				t.Fatal(err)
			}
			done, err := daemon.Repair(t.Context(), dir, daemon.RepairOrder{From: to}, restOptions())
			if name == "KEYREGISTRY flipped" && node.CodeOf(err) == node.Damaged {
				t.Fatalf("the registry's copy is not used: %v", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			r := office(t, dir)
			got := shown(t, r)
			told := len(done.Lost) > 0
			switch {
			case !contains(got, backedUp):
				t.Errorf("%d petitions; some that were backed up are gone", len(got))
			case !contains(all, got):
				t.Errorf("petitions that nobody wrote")
			case len(got) < len(all) && !told && name != "everything but the keys" && name != "CURRENT and heads flipped":
				t.Errorf("%d petitions of %d, and nothing is said to be lost: %+v", len(got), len(all), done)
			}
			t.Logf("%d of %d petitions; %+v", len(got), len(all), done)
			wantSound(t, r)
			save(t, r, 200, 201)
			if n := len(incarnations(t, r)); n != 2 {
				t.Errorf("%d incarnations; want a new one", n)
			}
			if _, err := os.Stat(done.Was); err != nil {
				t.Errorf("the old store: %v", err)
			}
		})
	}
}

// A repair that begins with a backup obeys the orders which the damaged store had
// carried out since.
func TestARepairObeysLaterErasures(t *testing.T) {
	dir, to := filepath.Join(provision(t), "box"), filepath.Join(t.TempDir(), "backups")
	d := office(t, dir)
	id := saveText(t, d, "Điều phải xóa")
	backUp(t, d, to)
	eraseText(t, d, id)
	closed(t, d)
	done, err := daemon.Repair(t.Context(), dir, daemon.RepairOrder{From: to}, restOptions())
	if err != nil || done.Orders != 1 {
		t.Fatal(done, err)
	}
	r := office(t, dir)
	wantNotShown(t, r, "Điều phải xóa")
	wantFindings(t, r, "erasure aside store.was-1") // it holds what the backup brought, or may
	if err := os.RemoveAll(done.Was); err != nil {
		t.Fatal(err)
	}
	wantSound(t, r)
}

// A damaged box takes back from the province's directory what the province received.
func TestRepairFromAnotherNode(t *testing.T) {
	dir := provision(t)
	box, province := office(t, filepath.Join(dir, "box")), office(t, filepath.Join(dir, "province"))
	save(t, box, 0, 60)
	if err := send(t, box, province); err != nil {
		t.Fatal(err)
	}
	want := shown(t, box)
	closed(t, box)
	closed(t, province)
	if err := remove(filepath.Join(dir, "box", "store"), "*.sst"); err != nil {
		t.Fatal(err)
	}
	done, err := daemon.Repair(t.Context(), filepath.Join(dir, "box"), daemon.RepairOrder{From: filepath.Join(dir, "province")}, restOptions())
	if err != nil || len(done.Lost) > 0 {
		t.Fatal(done, err)
	}
	r := office(t, filepath.Join(dir, "box"))
	if got := shown(t, r); !slices.Equal(got, want) {
		t.Errorf("%d petitions came back; want %d, the same", len(got), len(want))
	}
	wantSound(t, r)
}

// Compaction has taken entries away: what they said is in the records alone. A repair
// without a backup saves those, and the entries that follow.
func TestRepairOfACompactedLog(t *testing.T) {
	pristine := filepath.Join(provision(t), "box")
	d := office(t, pristine)
	save(t, d, 0, 5)
	deleted := saveText(t, d, "Đã xóa")
	_, err := d.Engine().Save(t.Context(), engine.Save{Officer: "mot-cua", Class: crdt.ClassRecords, Changes: []engine.Change{{Collection: "petitions", Record: &deleted, Delete: true}}})
	if err != nil {
		t.Fatal(err)
	}
	heads, err := d.Engine().Heads(demo.Scope())
	if err != nil {
		t.Fatal(err)
	}
	floor := &crdt.Checkpoint{Scope: demo.Scope(), At: crdt.Cite{Epoch: 1, Index: 1}, TimeMS: time.Now().Add(engine.Retention + time.Hour).UnixMilli()}
	for log, head := range heads {
		floor.Floor = append(floor.Floor, crdt.Pos{Log: log, Seq: head.Seq})
	}
	if err := d.Engine().ApplyCheckpoint(floor, crdt.Hash{1}); err != nil {
		t.Fatal(err)
	}
	save(t, d, 5, 7)
	closed(t, d)
	later := restOptions()
	later.Now = func() time.Time { return time.Now().Add(engine.Retention + time.Hour) }
	if d, err = daemon.OpenOffice(pristine, later); err != nil {
		t.Fatal(err)
	}
	if n, err := d.Engine().Compact(t.Context(), engine.Retention, nil); err != nil || n != 7 {
		t.Fatalf("%d entries dropped, %v; want the 7 at or below the floor", n, err)
	}
	save(t, d, 7, 9)
	want := shown(t, d)
	hash, err := d.Engine().StateHash()
	if err != nil {
		t.Fatal(err)
	}
	closed(t, d)
	for name, harm := range map[string]func(store string) error{
		"nothing":    func(string) error { return nil },
		"MANIFEST":   func(s string) error { return remove(s, "MANIFEST") },
		"the tables": func(s string) error { return remove(s, "*.sst") },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "box")
			if err := errors.Join(os.CopyFS(dir, os.DirFS(pristine)), harm(filepath.Join(dir, "store"))); err != nil {
				t.Fatal(err)
			}
			done, err := daemon.Repair(t.Context(), dir, daemon.RepairOrder{}, later)
			if err != nil {
				t.Fatal(err)
			}
			r := office(t, dir)
			if name == "the tables" {
				if len(done.Lost) == 0 {
					t.Errorf("%+v; want that entries are lost", done)
				}
				return
			}
			got, err := r.Engine().StateHash()
			if err != nil || got != hash || !slices.Equal(shown(t, r), want) || len(done.Lost)+len(done.Unused) > 0 {
				t.Errorf("%d petitions of %d, %v; %+v", len(shown(t, r)), len(want), err, done)
			}
			if len(done.Older) > 0 {
				t.Errorf("told to be older: %v; all was there", done.Older)
			}
			wantSound(t, r)
			save(t, r, 20, 21)
		})
	}
}

// What is in no log may come back as it was earlier: a repair says so, unless all that
// was written is surely there.
func TestARepairTellsWhatMayBeOlder(t *testing.T) {
	dir := filepath.Join(provision(t), "box")
	d := office(t, dir)
	save(t, d, 0, 2)
	if err := d.Engine().StoreLocal("officers", "all", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	closed(t, d)
	for _, told := range []bool{false, true} {
		done, err := daemon.Repair(t.Context(), dir, daemon.RepairOrder{}, restOptions())
		if err != nil || slices.Contains(done.Older, "officers") != told {
			t.Errorf("%+v, %v; want that the officers may be older: %v", done, err, told)
		}
		if err := os.Remove(filepath.Join(dir, "store", "tables")); err != nil {
			t.Fatal(err)
		}
	}
}
