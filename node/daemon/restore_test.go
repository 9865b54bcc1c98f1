package daemon_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/api/client"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/store/keyring"
)

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
	torn := t.TempDir() // killed while it wrote that it had begun
	if err := os.WriteFile(filepath.Join(torn, "restore.begun.new-1"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := restore(torn, to, key); err != nil {
		t.Errorf("where a restore was killed as it began: %v", err)
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
	id := saveText(t, d, "Điều phải xóa")
	backUp(t, d, to, key.Recipient().String())
	eraseText(t, d, id)
	backUp(t, d, to)
	closed(t, d)
	fresh := filepath.Join(t.TempDir(), "new")
	_, err := daemon.Restore(t.Context(), fresh, daemon.RestoreOrder{From: to, Number: 1, Who: []age.Identity{key}, Secret: keyring.BesideSecret()}, restOptions())
	if err != nil {
		t.Fatal(err)
	}
	r := office(t, fresh)
	wantNotShown(t, r, "Điều phải xóa")
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
