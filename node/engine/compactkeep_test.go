package engine

import (
	"context"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/sync/identity"
)

// A record that can't be read keeps its entries, of which it is made anew.
func TestCompactionKeepsTheEntriesOfADamagedRecord(t *testing.T) {
	box := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	id := box.create(map[string]any{"subject": "Một"})
	box.create(map[string]any{"subject": "Khác"})
	box.checkpoint((&province{}).floor(box))
	if err := box.Store.Update(func(tx *store.Tx) error { return tx.Put(recordKey(id), []byte("hỏng")) }); err != nil {
		t.Fatal(err)
	}
	box.now = testNow.Add(Retention + time.Hour)
	if n := box.compact(); n != 0 {
		t.Errorf("%d entries dropped from one on that the damaged record needs", n)
	}
	scrubbed, err := box.Store.Scrub(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := box.compact(); n != 0 {
		t.Errorf("%d entries dropped with %+v known", n, scrubbed.Damage)
	}
	if err := box.Mend(); err != nil {
		t.Fatal(err)
	}
	if got := box.get(id).Values["subject"]; got != "Một" {
		t.Errorf("made anew it reads %v", got)
	}
	if n := box.compact(); n != 2 {
		t.Errorf("%d entries dropped after that; want 2", n)
	}
	box.sound()
}

// A Save that came too late is in no record: its entry stays until a person has looked
// at it, however old it is.
func TestCompactionKeepsWhatNobodyHasLookedAt(t *testing.T) {
	box, away, _ := late(t)
	box.ingest(pieces(away)...)
	records, base := box.snapshotOf()
	box.install(records, base) // and a snapshot changes nothing of it
	h := &province{at: crdt.Cite{Epoch: 1, Index: 1}, prev: box.Authority(testScope).Hash(), ms: 1}
	box.checkpoint(h.floor(box))
	box.now = box.now.Add(Retention + time.Hour)
	if n := box.compact(); n != 0 {
		t.Errorf("%d entries dropped before anyone saw them", n)
	}
	items, _, err := box.Late(context.Background(), "", 10)
	if err != nil || len(items) != 1 || len(items[0].Wrote) != 1 {
		t.Fatalf("a person is shown %+v, %v; want what was saved", items, err)
	}
	if err := box.Dismiss(items[0].ID); err != nil {
		t.Fatal(err)
	}
	if n := box.compact(); n != 1 {
		t.Errorf("%d entries dropped after that; want 1", n)
	}
	box.sound()
	err = box.Store.View(func(tx *store.Tx) error {
		return tx.Locals(localLate, func(name string, _ []byte) error {
			t.Errorf("the item %s outlives its entry", name)
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A record that can't hold what an entry says is noted, and the entry is all there is
// of it.
func TestCompactionKeepsWhatARecordCouldNotHold(t *testing.T) {
	box := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	id := box.create(map[string]any{"subject": "Một"})
	if err := box.overfull(crdt.Pos{Log: box.ownLog(crdt.ClassRecords), Seq: 1}, recordName{"cases", id}); err != nil {
		t.Fatal(err)
	}
	box.checkpoint((&province{}).floor(box))
	box.now = testNow.Add(Retention + time.Hour)
	if n := box.compact(); n != 0 {
		t.Errorf("%d entries dropped; want it kept", n)
	}
}

// Nothing is old because the clock of this device says 2099.
func TestRetentionNeedsTheHubsClock(t *testing.T) {
	box := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	box.create(map[string]any{"subject": "Một"})
	h := &province{ms: testNow.UnixMilli()}
	box.checkpoint(h.floor(box))
	box.now = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, step := range []struct {
		said time.Duration // by the hub, after the entry was made
		want int
	}{{0, 0}, {Retention - time.Hour, 0}, {Retention + time.Hour, 1}} {
		box.checkpoint(h.checkpoint(crdt.Checkpoint{TimeMS: testNow.Add(step.said).UnixMilli()}))
		n, err := box.Compact(context.Background(), Retention, nil)
		if n != step.want || err != nil {
			t.Errorf("%v after it: %d entries dropped, %v; want %d", step.said, n, err, step.want)
		}
	}
}
