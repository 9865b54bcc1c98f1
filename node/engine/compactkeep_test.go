package engine

import (
	"context"
	"fmt"
	"slices"
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

// Two records of two histories change names when the hub decides, or when the second
// history comes: what others wrote into the one isn't left in the other, as it isn't compacted
// before the name is for good. Then it is.
func TestCompactionKeepsWhatRecordsWithoutANameForGoodSay(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box := testEngine(t, "box", identity.RoleBox, others)
	box.create(map[string]any{"subject": "Chung"})
	box.receipt()
	twin := box.twin()
	subjects := []string{"Một", "Hai"}
	box.create(map[string]any{"subject": subjects[0]})
	twin.create(map[string]any{"subject": subjects[1]})
	histories := []*peer{box, twin}
	for i, decides := range []int{0, 1, 0, 1} {
		known := 2 - i/2 // histories when others write, and when compaction comes
		desk := testEngine(t, fmt.Sprint("desk", i), identity.RoleLaptop, others)
		forgets, keeps := testEngine(t, fmt.Sprint("forgets", i), identity.RoleLaptop, others), testEngine(t, fmt.Sprint("keeps", i), identity.RoleLaptop, others)
		for _, p := range []*peer{desk, forgets, keeps} {
			for _, from := range histories[:known] {
				p.take(pieces(from)...)
			}
		}
		for _, s := range subjects[:known] {
			desk.edit(laptopsName(t, desk, s), "", map[string]any{"note": "của " + s})
		}
		h := &province{ms: testNow.UnixMilli()}
		base := h.checkpoint(crdt.Checkpoint{})
		floor := h.checkpoint(crdt.Checkpoint{Floor: []crdt.Pos{{Log: desk.ownLog(crdt.ClassRecords), Seq: uint64(known)}}})
		head := histories[decides].receipt().Heads[0]
		decided := h.checkpoint(crdt.Checkpoint{Heads: []crdt.Pin{{Log: head.Log, Seq: head.Head.Seq, Hash: head.Head.Hash}}})
		for _, p := range []*peer{forgets, keeps} {
			p.take(pieces(desk)...)
			p.checkpoint(base)
			p.checkpoint(floor)
			p.now = testNow.Add(Retention + 2*time.Hour)
			if p == forgets {
				p.compact()
			}
			for _, from := range histories[known:] {
				p.take(pieces(from)...)
			}
			p.checkpoint(decided)
			for _, s := range subjects[:known] {
				if got := p.texts(laptopsName(t, p, s), "note"); !slices.Equal(got, []string{"của " + s}) {
					t.Errorf("%d: %q has the note %q", i, s, got)
				}
			}
		}
		alike(t, fmt.Sprint(i), forgets, keeps)
		forgets.checkpoint(h.checkpoint(crdt.Checkpoint{Floor: []crdt.Pos{{Log: head.Log, Seq: head.Head.Seq}}}))
		dropped := 0
		for range 2 { // the log that made the record goes first
			dropped += forgets.compact()
		}
		if want := 3 - 2*decides; dropped != want {
			t.Errorf("%d: %d entries dropped behind the hub's word; want %d", i, dropped, want)
		}
		alike(t, fmt.Sprint(i), forgets, keeps)
	}
}
