package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/sync/identity"
)

// settles gives a peer the checkpoints by which the hub has committed what another holds of
// its own first log.
func (p *peer) settles(by *peer) {
	p.t.Helper()
	h := &province{ms: testNow.UnixMilli()}
	head := by.receipt().Heads[0]
	p.checkpoint(h.checkpoint(crdt.Checkpoint{}))
	p.checkpoint(h.checkpoint(crdt.Checkpoint{Heads: []crdt.Pin{{Log: head.Log, Seq: head.Head.Seq, Hash: head.Head.Hash}}}))
}

// A hub's snapshot, and a store that another is repaired from, hold both branches, whichever
// of them the hub has committed.
func TestSegmentsHoldBothBranchesOfASettledFork(t *testing.T) {
	for _, first := range []bool{true, false} {
		others := map[crdt.Device]identity.Role{}
		box := testEngine(t, "box", identity.RoleBox, others)
		id := box.create(map[string]any{"subject": "Chung"})
		box.receipt()
		twin := box.twin()
		box.edit(id, "", map[string]any{"subject": "Nhánh một"})
		twin.edit(id, "", map[string]any{"subject": "Nhánh hai"})
		box.receipt()
		twin.receipt()
		laptop := testEngine(t, "laptop", identity.RoleLaptop, others)
		laptop.take(slices.Concat(pieces(box), pieces(twin))...)
		committed := twin
		if first {
			committed = box
		}
		laptop.settles(committed)
		fresh := testEngine(t, "fresh", identity.RoleLaptop, others)
		fresh.take(must(laptop.segmentsAll())...)
		if got := fresh.texts(id, "subject"); !slices.Equal(got, []string{"Nhánh hai", "Nhánh một"}) {
			t.Errorf("committed the first: %v; made of another's segments, a node reads %q", first, got)
		}
		fresh.sound()
	}
}

// What the hub has committed of a log has a hole, below the fork or past it: peers are told
// of no more than what lies before it, and what they send fills it where it lies.
func TestAHoleInAForkedLogIsFilled(t *testing.T) {
	for _, below := range []bool{true, false} {
		others := map[crdt.Device]identity.Role{}
		box := testEngine(t, "box", identity.RoleBox, others)
		id := box.create(map[string]any{"subject": "Chung"})
		box.edit(id, "", map[string]any{"subject": "Chung 2"})
		box.receipt()
		twin := box.twin()
		box.edit(id, "", map[string]any{"subject": "Nhánh một"})
		for n := range 3 {
			twin.edit(id, "", map[string]any{"subject": "Nhánh hai", "note": fmt.Sprint(n)})
			twin.receipt()
		}
		laptop := testEngine(t, "laptop", identity.RoleLaptop, others)
		laptop.take(slices.Concat(pieces(box), pieces(twin))...)
		laptop.settles(twin)
		head := laptop.receipt().Heads[0]
		err := laptop.Store.Update(func(tx *store.Tx) error {
			lies, seq := laptop.authorities().forks.lies(head.Log)[1], uint64(4)
			if below {
				lies, seq = head.Log, 2
			}
			l, err := tx.Log(lies)
			if err != nil {
				return err
			}
			return tx.PutEntry(l, seq, store.Stored{})
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := laptop.Store.Scrub(context.Background(), func(uint64) {}); err != nil {
			t.Fatal(err)
		}
		if len(laptop.Store.Damage()) == 0 {
			t.Fatal("no damage was made")
		}
		held := uint64(0)
		if heads := laptop.receipt().Heads; len(heads) > 0 {
			held = heads[0].Head.Seq
		}
		if below && held > 1 || held > 3 {
			t.Errorf("hole below the fork: %v; it says that it holds %d", below, held)
		}
		for _, s := range pieces(twin) {
			if err := laptop.take(s)[0]; err != nil && !errors.Is(err, ErrBranch) {
				t.Errorf("take what peers send: %v", err)
			}
		}
		if damage := laptop.Store.Damage(); len(damage) > 0 {
			t.Errorf("hole below the fork: %v; it stays: %+v", below, damage)
		}
		if got := laptop.receipt().Heads[0]; got != head {
			t.Errorf("peers are told of %v; want %v again", got, head)
		}
		laptop.sound()
	}
}

// A part of a branch that a crash has left is no history yet: nothing is told of it or
// counted, no record is made of it, and when the branch comes again it is whole.
func TestAPartOfABranchSaysNothing(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box := testEngine(t, "box", identity.RoleBox, others)
	box.create(map[string]any{"subject": "Chung"})
	box.receipt()
	twin := box.twin()
	box.create(map[string]any{"subject": "một"})
	for i := range 70 { // more than one transaction stores
		twin.create(map[string]any{"subject": fmt.Sprint("hai ", i)})
	}
	laptop := testEngine(t, "laptop", identity.RoleLaptop, others)
	laptop.take(pieces(box)...)
	told := func() string {
		n, _, err := laptop.Unsent()
		devices, derr := laptop.Devices()
		forks, ferr := laptop.Forks()
		if err := errors.Join(err, derr, ferr); err != nil || len(devices) != 1 {
			t.Fatal(len(devices), err)
		}
		return fmt.Sprint(n, devices[0].Entries, devices[0].Forked, *devices[0].NewestEntryMS, forks, laptop.stateHash())
	}
	branch, before, d := pieces(twin), told(), &filling{}
	for _, stored := range []int64{1, 2} { // where the branch begins, and its first entries
		d.looks.Store(never)
		laptop.openOn(d)
		d.looks.Store(stored)
		if err := laptop.take(branch...)[0]; node.CodeOf(err) != node.ReadOnly {
			t.Fatalf("cut off after %d: %v", stored, err)
		}
		d.looks.Store(never)
		laptop.openOn(d)
		if now := told(); now != before {
			t.Errorf("cut off after %d: told %s; want %s", stored, now, before)
		}
		laptop.sound()
		if err := laptop.Recompute(t.Context()); err != nil {
			t.Fatal(err)
		}
		if now := told(); now != before {
			t.Errorf("cut off after %d, made anew: told %s; want %s", stored, now, before)
		}
	}
	laptop.take(branch...)
	if n := laptop.search(Query{}).Total; n != 72 {
		t.Errorf("%d records", n)
	}
	laptop.sound()
}
