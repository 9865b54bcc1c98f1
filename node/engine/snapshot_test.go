package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"reflect"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/sync/identity"
)

// snapshotOf is what a hub would send: the records of p as they are, and how far
// its logs go.
func (p *peer) snapshotOf() (records []*crdt.Record, floor map[crdt.LogID]Base) {
	p.t.Helper()
	if _, err := p.Heads(testScope); err != nil {
		p.t.Fatal(err)
	}
	floor = map[crdt.LogID]Base{}
	err := p.Store.View(func(tx *store.Tx) error {
		err := tx.Logs(func(l store.Log) error {
			floor[l.ID] = Base{Head: l.Head, Cite: l.Cite}
			return nil
		})
		if err != nil {
			return err
		}
		records, err = tx.RecordsAfter(nil, 1<<20)
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return records, floor
}

func each(records []*crdt.Record) iter.Seq2[*crdt.Record, error] {
	return func(yield func(*crdt.Record, error) bool) {
		for _, r := range records {
			if !yield(r.Clone(), nil) {
				return
			}
		}
	}
}

// state is all records as they lie here.
func (p *peer) state() (all [][]byte) {
	p.t.Helper()
	err := p.Store.View(func(tx *store.Tx) error {
		records, err := tx.RecordsAfter(nil, 1<<20)
		for _, r := range records {
			b, encodeErr := wire.EncodeRecord(r)
			all, err = append(all, b), errors.Join(err, encodeErr)
		}
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return all
}

// A laptop that has unsent saves installs a snapshot while its officer goes on. What
// it had and what comes meanwhile is there afterwards, and when both have exchanged
// what lies above the floor, both show the same.
func TestSnapshotIsInstalledBehindTheOffice(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box := testEngine(t, "box", identity.RoleBox, others)
	laptop := testEngine(t, "laptop", identity.RoleLaptop, others)
	box.fill(0, 200)
	shared := box.search(Query{}).Items[0].ID
	laptop.pull(box)
	laptop.edit(shared, "", map[string]any{"subject": "Sửa trên máy xách tay"})
	for range 100 {
		laptop.create(map[string]any{"subject": "Chưa gửi", "received": testNow.UnixMilli()})
	}
	box.edit(shared, "", map[string]any{"state": "done"})
	box.fill(1000, 60)
	records, floor := box.snapshotOf()
	box.edit(shared, "", map[string]any{"subject": "Sửa trên máy xã"}) // above the floor
	box.fill(2000, 10)

	steps := map[string]int{}
	saved := 0
	laptop.close()
	laptop.onStep = func(_ context.Context, name string) error {
		if name == "figures" || name == "behind" {
			return nil // of other goroutines
		}
		if steps[name]++; name == "load" || name == "replay" {
			laptop.create(map[string]any{"subject": "Trong khi nạp"})
			laptop.edit(shared, "", map[string]any{"note": fmt.Sprint(saved)})
			saved++
		}
		return nil
	}
	laptop.open()
	if err := laptop.InstallSnapshot(context.Background(), each(records), floor); err != nil {
		t.Fatal(err)
	}
	laptop.onStep = nil
	laptop.settle()
	if steps["load"] < 5 || steps["replay"] < 2 || steps["switch"] != 1 {
		t.Fatalf("steps %v; want to look between them", steps)
	}
	laptop.sound()
	laptop.onlyRead()
	if n := laptop.search(Query{Text: "trong khi nap"}).Total; n != saved {
		t.Errorf("%d of %d records saved meanwhile", n, saved)
	}
	if n := laptop.search(Query{Text: "chua gui"}).Total; n != 100 {
		t.Errorf("%d of 100 unsent records", n)
	}
	if kept, rebuilt := laptop.kept(), laptop.rebuilt(); !reflect.DeepEqual(kept, rebuilt) {
		t.Error("the figures are not those of the records")
	}
	laptop.close()
	laptop.open()
	laptop.sound()
	laptop.pull(box)
	box.pull(laptop)
	laptop.sound()
	box.sound()
	a, b := box.state(), laptop.state()
	if len(a) != len(b) {
		t.Fatalf("%d and %d records", len(a), len(b))
	}
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			t.Errorf("record %d differs after the exchange", i)
		}
	}
}

// A snapshot that doesn't fit, or that ends in the middle, changes nothing.
func TestSnapshotThatDoesNotFit(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box := testEngine(t, "box", identity.RoleBox, others)
	laptop := testEngine(t, "laptop", identity.RoleLaptop, others)
	box.fill(0, 100)
	laptop.pull(box)
	old, oldFloor := box.snapshotOf()
	box.fill(100, 100)
	records, floor := box.snapshotOf()
	before := laptop.state()
	same := func(what string) {
		t.Helper()
		laptop.settle()
		if !reflect.DeepEqual(before, laptop.state()) {
			t.Errorf("%s: the records have changed", what)
		}
		laptop.sound()
		laptop.onlyRead()
	}
	cut := errors.New("the line was cut")
	err := laptop.InstallSnapshot(context.Background(), func(yield func(*crdt.Record, error) bool) {
		for i, r := range records {
			if i == 70 {
				yield(nil, cut)
				return
			}
			if !yield(r, nil) {
				return
			}
		}
	}, floor)
	if !errors.Is(err, cut) {
		t.Errorf("%v; want why the line ended", err)
	}
	same("cut")

	fork := map[crdt.LogID]Base{}
	for id, base := range oldFloor {
		base.Head.Hash[0] ^= 1
		fork[id] = base
	}
	if err := laptop.InstallSnapshot(context.Background(), each(old), fork); node.CodeOf(err) != node.Conflict {
		t.Errorf("another branch: %v; want a conflict", err)
	}
	same("another branch")

	if err := laptop.InstallSnapshot(context.Background(), each(records), floor); err != nil {
		t.Fatal(err)
	}
	before = box.state()
	same("installed")
	if err := laptop.InstallSnapshot(context.Background(), each(old), oldFloor); node.CodeOf(err) != node.Conflict {
		t.Errorf("an older snapshot: %v; want a conflict", err)
	}
	same("an older one")
}

// Of a device whose store was rolled back, the snapshot holds more than the device
// does: it goes on under a new name. What it has written meanwhile under the old one
// is not passed over.
func TestSnapshotAheadOfItsOwnDevice(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box := testEngine(t, "box", identity.RoleBox, others)
	box.fill(0, 40)
	records, floor := box.snapshotOf()
	own := box.ownLog(crdt.ClassBulk) // incarnations are drawn from one seed here: the copy has the same

	again := newPeer(t, "box", identity.RoleBox, t.TempDir(), others)
	again.open()
	t.Cleanup(again.close)
	if again.ownLog(crdt.ClassBulk) != own {
		t.Fatal("the copy is no copy")
	}
	if err := again.InstallSnapshot(context.Background(), each(records), floor); err != nil {
		t.Fatal(err)
	}
	again.settle()
	if again.ownLog(crdt.ClassBulk) == own {
		t.Error("the device goes on under the name that is ahead of it")
	}
	again.create(map[string]any{"subject": "Sau khi khôi phục"})
	again.sound()
	if n := again.search(Query{}).Total; n != 41 {
		t.Errorf("%d records; want 41", n)
	}

	third := newPeer(t, "box", identity.RoleBox, t.TempDir(), others)
	third.open()
	t.Cleanup(third.close)
	third.fill(900, 1) // under the old name
	if err := third.InstallSnapshot(context.Background(), each(records), floor); node.CodeOf(err) != node.Conflict {
		t.Errorf("unsent entries under the old name: %v; want a conflict", err)
	}
	third.settle()
	third.sound()
	if n := third.search(Query{}).Total; n != 1 {
		t.Errorf("%d records; want what was saved", n)
	}
}

const childSnapshot = "VUNGXA_TEST_SNAPSHOT_DIR"

// A process is killed at each step of installing a snapshot. What the next process
// finds is the state before or the state after, whole, and what was saved is there.
func TestKilledWhileInstalling(t *testing.T) {
	if dir := os.Getenv(childSnapshot); dir != "" {
		installUntilKilled(t, dir)
		return
	}
	if testing.Short() {
		t.Skip("kills processes: left out of short runs")
	}
	for kill := 1; kill <= 15; kill += 2 {
		laptop := testEngine(t, "laptop", identity.RoleLaptop, map[crdt.Device]identity.Role{})
		for range 80 {
			laptop.create(map[string]any{"subject": "Chưa gửi"})
		}
		laptop.close()
		_ = killedAfter(t, childSnapshot, laptop.dir, kill)
		laptop.open()
		laptop.sound()
		laptop.onlyRead()
		switch n := laptop.search(Query{}).Total; n {
		case 80, 80 + 150:
		default:
			t.Errorf("killed after step %d: %d records; want 80 or 230", kill, n)
		}
		laptop.close()
	}
}

// installUntilKilled installs a snapshot that is made on the spot, and waits.
func installUntilKilled(t *testing.T, dir string) {
	others := map[crdt.Device]identity.Role{}
	box := testEngine(t, "box", identity.RoleBox, others)
	box.fill(0, 150)
	records, floor := box.snapshotOf()
	laptop := newPeer(t, "laptop", identity.RoleLaptop, dir, others)
	laptop.onStep = func(_ context.Context, name string) error {
		if name != "figures" {
			fmt.Println("step")
		}
		return nil
	}
	laptop.open()
	laptop.rebuild.idle()
	if err := laptop.InstallSnapshot(context.Background(), each(records), floor); err != nil {
		t.Fatal(err)
	}
	laptop.rebuild.idle()
	for {
		fmt.Println("step")
	}
}
