package daemon_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/api/client"
	"github.com/vungxa/vungxa/node/attach"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/demo"
	"github.com/vungxa/vungxa/node/engine"
	"github.com/vungxa/vungxa/node/store/keyring"
)

func restOptions() daemon.Options {
	return daemon.Options{Now: time.Now, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler)}
}

// office opens a box at rest; it is closed with the test, or before.
func office(t *testing.T, dir string) *daemon.Daemon {
	t.Helper()
	d, err := daemon.OpenOffice(dir, restOptions())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func closed(t *testing.T, d *daemon.Daemon) {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

func save(t *testing.T, d *daemon.Daemon, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		_, err := d.Engine().Save(t.Context(), engine.Save{Officer: "mot-cua", Class: crdt.ClassRecords, Changes: []engine.Change{{
			Collection: "petitions", Values: map[string]any{"NoiDung": fmt.Sprintf("Đường hỏng số %d", i), "NgayTiepNhan": int64(1_790_000_000_000 + i)},
		}}})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// shown is what all petitions show, sorted.
func shown(t *testing.T, d *daemon.Daemon) (all []string) {
	t.Helper()
	err := d.Engine().Each("petitions", func(values map[string]any) error {
		b, err := json.Marshal(values)
		all = append(all, string(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

func wantSound(t *testing.T, d *daemon.Daemon) {
	t.Helper()
	_, err := d.Verify(t.Context(), func(f daemon.Finding) error {
		t.Errorf("%+v", f)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func attachTo(t *testing.T, dir string) (all map[attach.Hash][]byte) {
	t.Helper()
	s := attachmentsOf(t, dir)
	all = map[attach.Hash][]byte{}
	for _, size := range []int{0, 1, 700_000} {
		b := bytes.Repeat([]byte{byte(size), 7}, size)
		h, _, err := s.Put(t.Context(), bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		all[h] = b
	}
	return all
}

func wantAttached(t *testing.T, dir string, want map[attach.Hash][]byte) {
	t.Helper()
	s := attachmentsOf(t, dir)
	for h, b := range want {
		f, err := s.Open(h)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(f)
		if err = errors.Join(err, f.Close()); err != nil || !bytes.Equal(got, b) {
			t.Errorf("attachment %v: %d bytes, %v; want %d", h, len(got), err, len(b))
		}
	}
}

func attachmentsOf(t *testing.T, dir string) *attach.Store {
	t.Helper()
	ring, err := keyring.Open(dir, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := attach.OpenStore(filepath.Join(dir, "attachments"), attach.Options{Keys: ring.Keys()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func recoveryKey(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func backUp(t *testing.T, d *daemon.Daemon, to string, recipients ...string) daemon.BackupReport {
	t.Helper()
	r, err := d.Backup(t.Context(), daemon.BackupOrder{To: to, Recipients: recipients, Program: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func restore(dir, from string, who age.Identity) (daemon.Restored, error) {
	return daemon.Restore(context.Background(), dir, daemon.RestoreOrder{From: from, Who: []age.Identity{who}, Secret: keyring.BesideSecret()}, restOptions())
}

// incarnations are those under which the box's own logs were written.
func incarnations(t *testing.T, d *daemon.Daemon) map[crdt.Incarnation]uint64 {
	t.Helper()
	heads, err := d.Engine().Heads(demo.Scope())
	if err != nil {
		t.Fatal(err)
	}
	all := map[crdt.Incarnation]uint64{}
	for log, head := range heads {
		all[log.Incarnation] += head.Seq
	}
	return all
}

// A box burns down. Its backup and the recovery key are elsewhere.
func TestARestoredNodeIsTheSameDeviceWithNewLogs(t *testing.T) {
	dir, to, key := filepath.Join(provision(t), "box"), filepath.Join(t.TempDir(), "backups"), recoveryKey(t)
	d := office(t, dir)
	save(t, d, 0, 40)
	backUp(t, d, to, key.Recipient().String())
	save(t, d, 40, 50)
	attached := attachTo(t, dir)
	first := backUp(t, d, to)
	want := shown(t, d)
	save(t, d, 50, 60) // these burn
	before := incarnations(t, d)
	closed(t, d)

	fresh := filepath.Join(t.TempDir(), "new")
	done, err := restore(fresh, to, key)
	if err != nil {
		t.Fatal(err)
	}
	if done.Number != 2 || done.Items != first.Items || done.Name == "" {
		t.Errorf("%+v; want backup 2", done)
	}
	r := office(t, fresh)
	if got := shown(t, r); len(want) != 50 || !slices.Equal(got, want) {
		t.Errorf("%d petitions came back; want %d, the same", len(got), len(want))
	}
	wantSound(t, r)
	wantAttached(t, fresh, attached)
	save(t, r, 100, 103)
	after := incarnations(t, r)
	for name, seqs := range after {
		if old, is := before[name]; is && seqs > old {
			t.Errorf("the restored node wrote under its old incarnation")
		}
	}
	if len(after) != 2 || len(before) != 1 {
		t.Errorf("%d incarnations, %d before; want 2 and 1", len(after), len(before))
	}
	old, err := daemon.ReadDevice(dir)
	again, err2 := daemon.ReadDevice(fresh)
	if err = errors.Join(err, err2); err != nil || old != again {
		t.Errorf("devices %v and %v, %v; want one", old, again, err)
	}
	oldKeys, err := keyring.Read(dir)
	newKeys, err2 := keyring.Read(fresh)
	if err = errors.Join(err, err2); err != nil || oldKeys.StoreID == newKeys.StoreID {
		t.Errorf("the store id is that of the old store, %v", err)
	}
	wantSound(t, r)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestARestoreIsWholeOrNotThere(t *testing.T) {
	dir, to, key := filepath.Join(provision(t), "box"), filepath.Join(t.TempDir(), "backups"), recoveryKey(t)
	d := office(t, dir)
	save(t, d, 0, 5)
	backUp(t, d, to, key.Recipient().String())
	want := shown(t, d)
	closed(t, d)

	fresh := filepath.Join(t.TempDir(), "new")
	ctx, cancel := context.WithCancel(t.Context())
	opts := restOptions()
	opts.Rand = readerFunc(func(p []byte) (int, error) { cancel(); return rand.Read(p) }) // asked for the new keys
	_, err := daemon.Restore(ctx, fresh, daemon.RestoreOrder{From: to, Who: []age.Identity{key}, Secret: keyring.BesideSecret()}, opts)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("a restore that is stopped: %v", err)
	}
	if _, err := daemon.OpenOffice(fresh, restOptions()); node.CodeOf(err) != node.NotFound {
		t.Errorf("what it left is opened: %v; want that no node is there", err)
	}
	if _, err := restore(fresh, to, key); err != nil {
		t.Fatal(err)
	}
	if got := shown(t, office(t, fresh)); !slices.Equal(got, want) {
		t.Errorf("%d petitions came back; want %d, the same", len(got), len(want))
	}
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "photo.jpg"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := restore(full, to, key); node.CodeOf(err) != node.Conflict {
		t.Errorf("into a directory with something in it: %v; want a sentence", err)
	}
	if _, err := os.Stat(filepath.Join(full, "photo.jpg")); err != nil {
		t.Error(err)
	}
	if _, err := restore(filepath.Join(t.TempDir(), "x"), to, recoveryKey(t)); node.CodeOf(err) != node.Damaged {
		t.Errorf("by a stranger's key: %v; want a sentence", err)
	}
}

// What was erased by order after a backup was made is not in what is restored from it.
func TestARestoreObeysLaterErasures(t *testing.T) {
	dir, to, key := filepath.Join(provision(t), "box"), filepath.Join(t.TempDir(), "backups"), recoveryKey(t)
	d := office(t, dir)
	save(t, d, 0, 3)
	ids, err := d.Engine().Save(t.Context(), engine.Save{Officer: "mot-cua", Class: crdt.ClassRecords, Changes: []engine.Change{{
		Collection: "petitions", Values: map[string]any{"NoiDung": "Điều phải xóa"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	backUp(t, d, to, key.Recipient().String())
	order, err := d.Engine().ErasureOf(t.Context(), "12/QĐ", "petitions", ids[0], "NoiDung")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Engine().Erase(order); err != nil {
		t.Fatal(err)
	}
	backUp(t, d, to)
	closed(t, d)
	fresh := filepath.Join(t.TempDir(), "new")
	_, err = daemon.Restore(t.Context(), fresh, daemon.RestoreOrder{From: to, Number: 1, Who: []age.Identity{key}, Secret: keyring.BesideSecret()}, restOptions())
	if err != nil {
		t.Fatal(err)
	}
	r := office(t, fresh)
	for _, what := range []daemon.DumpOrder{{}, {Log: true}} {
		lines := 0
		_, err := r.Dump(t.Context(), what, func(line any) error {
			b, err := json.Marshal(line)
			if lines++; strings.Contains(string(b), "Điều phải xóa") {
				t.Errorf("it is there: %s", b)
			}
			return err
		})
		if err != nil || lines == 0 {
			t.Errorf("%d lines, %v", lines, err)
		}
	}
	wantSound(t, r)
	if orders, err := r.Engine().Erasures(); err != nil || len(orders) != 1 {
		t.Errorf("%d orders, %v; want the one", len(orders), err)
	}
}

// Who knows the recovery recipient can make a backup for it, of a node of their own.
func TestAForeignBackupIsKnownByItsAuthority(t *testing.T) {
	ours, to, key := provision(t), filepath.Join(t.TempDir(), "backups"), recoveryKey(t)
	c, err := daemon.ReadConfig(filepath.Join(ours, "box"))
	if err != nil {
		t.Fatal(err)
	}
	theirs := office(t, filepath.Join(provision(t), "box"))
	backUp(t, theirs, to, key.Recipient().String())
	dir := filepath.Join(t.TempDir(), "new")
	_, err = daemon.Restore(t.Context(), dir, daemon.RestoreOrder{
		From: to, Who: []age.Identity{key}, Secret: keyring.BesideSecret(), Authority: c.Authority,
	}, restOptions())
	if node.CodeOf(err) != node.Forbidden {
		t.Errorf("%v; want that it is of another system", err)
	}
	if _, err := daemon.OpenOffice(dir, restOptions()); node.CodeOf(err) != node.NotFound {
		t.Errorf("it is a node: %v", err)
	}
}

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
	ids, err := d.Engine().Save(t.Context(), engine.Save{Officer: "mot-cua", Class: crdt.ClassRecords, Changes: []engine.Change{{
		Collection: "petitions", Values: map[string]any{"NoiDung": "Điều phải xóa"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	backUp(t, d, to)
	order, err := d.Engine().ErasureOf(t.Context(), "12/QĐ", "petitions", ids[0], "NoiDung")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Engine().Erase(order); err != nil {
		t.Fatal(err)
	}
	closed(t, d)
	if _, err := daemon.Repair(t.Context(), dir, daemon.RepairOrder{From: to}, restOptions()); err != nil {
		t.Fatal(err)
	}
	r := office(t, dir)
	for _, what := range []daemon.DumpOrder{{}, {Log: true}} {
		lines := 0
		_, err := r.Dump(t.Context(), what, func(line any) error {
			b, err := json.Marshal(line)
			if lines++; strings.Contains(string(b), "Điều phải xóa") {
				t.Errorf("it is there: %s", b)
			}
			return err
		})
		if err != nil || lines == 0 {
			t.Errorf("%d lines, %v", lines, err)
		}
	}
	wantSound(t, r)
}

func contains(all, some []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { _, found := slices.BinarySearch(all, s); return !found })
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

func send(t *testing.T, from, to *daemon.Daemon) error {
	t.Helper()
	if _, err := from.Engine().Heads(demo.Scope()); err != nil { // seals
		return err
	}
	return from.Engine().Segments(func(s *wire.Segment) error { return to.Engine().Ingest(t.Context(), []*wire.Segment{s}) })
}

// A backup of a running node is made by the node, as the command line asks it to.
func TestARunningNodeIsBackedUp(t *testing.T) {
	dir, to := filepath.Join(provision(t), "box"), filepath.Join(t.TempDir(), "backups")
	d := open(t, dir)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	defer func() {
		stop()
		if err := errors.Join(<-ended, d.Close()); err != nil {
			t.Error(err)
		}
	}()
	save(t, d, 0, 3)
	control, err := daemon.Running(dir)
	if err != nil || control == nil {
		t.Fatal(control, err)
	}
	door := client.Door{Page: control.URL, Secret: control.Secret, English: true}
	var report daemon.BackupReport
	if err := door.Do(ctx, "backup", daemon.BackupOrder{To: to}, nil, &report); err != nil || report.Number != 1 || report.Items == 0 {
		t.Errorf("%+v, %v", report, err)
	}
	var sum daemon.Verified
	err = door.Do(ctx, "verify", struct{}{}, func(b json.RawMessage) error { t.Errorf("%s", b); return nil }, &sum)
	if err != nil || !sum.Records || sum.Keys == 0 {
		t.Errorf("%+v, %v", sum, err)
	}
	err = door.Do(ctx, "backup", daemon.BackupOrder{To: filepath.Join(dir, "node.json")}, nil, &report)
	if node.CodeOf(err) != node.Unavailable || !strings.Contains(err.Error(), "backup") {
		t.Errorf("to a place that is no directory: %v; want a sentence", err)
	}
	if err := door.Do(ctx, "no-such", struct{}{}, nil, &report); node.CodeOf(err) != node.NotFound {
		t.Errorf("a job that there isn't: %v", err)
	}
	door.Secret += "x"
	if err := door.Do(ctx, "backup", daemon.BackupOrder{To: to}, nil, &report); node.CodeOf(err) != node.Unauthenticated {
		t.Errorf("with a wrong secret: %v", err)
	}
	for name, do := range map[string]func() error{
		"a second node": func() error { _, err := daemon.OpenOffice(dir, restOptions()); return err },
		"a repair":      func() error { _, err := daemon.Repair(ctx, dir, daemon.RepairOrder{}, restOptions()); return err },
		"a bare store":  func() error { _, err := daemon.OpenStore(dir, restOptions()); return err },
	} {
		if err := do(); node.CodeOf(err) != node.Unavailable || !strings.Contains(err.Error(), "another copy") {
			t.Errorf("%s beside it: %v; want a sentence", name, err)
		}
	}
}
