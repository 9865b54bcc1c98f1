package engine

import (
	"context"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/sync/identity"
)

// Records whose entries lie at or below a floor are there however often they are made
// anew, and whoever edited them.
func TestRecordsAtAFloorAreMadeAnew(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	id := box.create(map[string]any{"subject": "Một"})
	box.create(map[string]any{"subject": "Hai"})
	laptop.pull(box)
	laptop.edit(id, "", map[string]any{"note": "sửa"}) // in the store's first log there, before the record's own
	box.pull(laptop)
	floor := (&province{}).floor(box)
	for _, p := range []*peer{box, laptop} {
		p.checkpoint(floor)
		p.edit(id, "", map[string]any{"state": "open"})
		p.sound()
		before := p.stateHash()
		if err := p.Recompute(context.Background()); err != nil {
			t.Fatal(err)
		}
		p.sound()
		if n := p.search(Query{}).Total; n != 2 || p.stateHash() != before || len(p.inbox()) > 0 {
			t.Errorf("%d records after Recompute; want 2; inbox %+v", n, p.inbox())
		}
	}
}

// A device that hears of a floor before it has anything takes in what made the floor.
func TestANewDeviceHearsTheFloorFirst(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, fresh := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "fresh", identity.RoleLaptop, others)
	box.create(map[string]any{"subject": "Một"})
	box.create(map[string]any{"subject": "Hai"})
	fresh.checkpoint((&province{}).floor(box))
	fresh.pull(box)
	if n := fresh.search(Query{}).Total; n != 2 || len(fresh.inbox()) > 0 {
		t.Errorf("%d records; want 2; inbox %+v", n, fresh.inbox())
	}
	fresh.sound()
}

// late is a box that has compacted a deleted record away, and a device with an edit of it.
func late(t *testing.T) (box, away *peer, id crdt.RecordID) {
	others := map[crdt.Device]identity.Role{}
	box, away = testEngine(t, "box", identity.RoleBox, others), testEngine(t, "away", identity.RoleLaptop, others)
	id = box.create(map[string]any{"subject": "Việc"})
	away.pull(box)
	box.change(Change{Record: &id, Delete: true})
	box.checkpoint((&province{}).floor(box))
	box.now = testNow.Add(Retention + time.Hour)
	if n := box.compact(); n != 2 {
		t.Fatalf("%d entries dropped; want 2", n)
	}
	away.edit(id, "", map[string]any{"subject": "Trễ"})
	return box, away, id
}

// What came too late is no fault that Verify finds, and stays late when the records
// are replaced by a snapshot, also once a person has looked at it.
func TestLateStaysLate(t *testing.T) {
	box, away, _ := late(t)
	box.sound() // what was forgotten has no row left
	records, floor := box.snapshotOf()
	box.ingest(pieces(away)...)
	for _, want := range []int{1, 0} {
		box.sound()
		box.install(records, floor)
		box.sound()
		items, _, err := box.Late(context.Background(), "", 10)
		if err != nil || len(items) != want || box.search(Query{}).Total != 0 {
			t.Fatalf("%d late, %v, %d records; want %d and none", len(items), err, box.search(Query{}).Total, want)
		}
		if want == 1 {
			if err := box.Dismiss(items[0].ID); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A snapshot that lacks a record which was made below its floor says that it was
// deleted: an edit of it that is held here is shown to a person, and only then.
func TestASnapshotJudgesByItsOwnFloor(t *testing.T) {
	box, away, id := late(t)
	records, floor := box.snapshotOf()
	away.install(records, floor)
	if items := away.inbox(); len(items) != 1 || items[0].Kind != InboxLate || items[0].Record != id || away.search(Query{}).Total != 0 {
		t.Errorf("inbox %+v; want the edit that came too late", items)
	}
	away.sound()
}

// It says so of what comes later, too, though no checkpoint that is held has that floor.
func TestASnapshotsFloorIsKept(t *testing.T) {
	box, away, id := late(t)
	fresh := testEngine(t, "fresh", identity.RoleLaptop, box.others)
	fresh.install(box.snapshotOf())
	own := fresh.create(map[string]any{"subject": "Của máy mới"})
	fresh.close()
	fresh.open()
	fresh.ingest(pieces(away)...)
	for range 2 {
		if items := fresh.inbox(); len(items) != 1 || items[0].Kind != InboxLate || items[0].Record != id {
			t.Errorf("inbox %+v; want the edit that came too late", items)
		}
		if n := fresh.search(Query{}).Total; n != 1 || fresh.get(own).Values["subject"] != "Của máy mới" {
			t.Errorf("%d records; want its own alone", n)
		}
		fresh.sound()
		fresh.install(fresh.snapshotOf())
	}
}

func (p *peer) install(records []*crdt.Record, floor map[crdt.LogID]Base) {
	p.t.Helper()
	if err := p.InstallSnapshot(context.Background(), each(records), floor); err != nil {
		p.t.Fatal(err)
	}
	p.settle()
}

// A floor lies on the history that the hub has committed. Who holds another one under
// the log's name has what is below the floor only when that has come.
func TestAFloorOfAnotherBranch(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box := testEngine(t, "box", identity.RoleBox, others)
	box.create(map[string]any{"subject": "Chung"})
	box.receipt()
	twin := box.twin()
	for _, subject := range []string{"một", "hai", "ba"} {
		box.create(map[string]any{"subject": subject})
	}
	id := twin.create(map[string]any{"subject": "ở nhánh hai"})
	away := testEngine(t, "away", identity.RoleLaptop, others)
	away.pull(twin)
	away.edit(id, "", map[string]any{"note": "phải còn"})
	laptop := testEngine(t, "laptop", identity.RoleLaptop, others)
	laptop.take(pieces(box)...)
	h, head := &province{ms: testNow.UnixMilli()}, twin.receipt().Heads[0]
	laptop.checkpoint(h.checkpoint(crdt.Checkpoint{
		Heads: []crdt.Pin{{Log: head.Log, Seq: head.Head.Seq, Hash: head.Head.Hash}},
		Floor: []crdt.Pos{{Log: head.Log, Seq: head.Head.Seq}},
	}))
	laptop.now = testNow.Add(Retention + time.Hour)
	if n := laptop.compact(); n != 0 {
		t.Errorf("%d entries dropped of another history than the floor's", n)
	}
	laptop.take(pieces(away)...)
	laptop.take(pieces(twin)...)
	if items := laptop.inbox(); len(items) > 0 {
		t.Errorf("inbox %+v: nobody deleted anything", items)
	}
	if got := laptop.texts(id, "note"); len(got) != 1 || got[0] != "phải còn" {
		t.Errorf("note %q", got)
	}
	laptop.sound()
}

// A record that a fork or damage has made anew from its entries takes nothing that came
// too late.
func TestLateIsNotMadeAnew(t *testing.T) {
	box, away, id := late(t)
	box.ingest(pieces(away)...)
	box.write.Lock()
	err := box.update(func(b *batch) error { return b.remake(store.Place("cases", id)) })
	box.write.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	err = box.Store.View(func(tx *store.Tx) error {
		made, err := tx.HasRecord("cases", id)
		if made || len(box.inbox()) != 1 {
			t.Errorf("made anew: %v, inbox %+v; want nothing made of what came too late", made, box.inbox())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	box.sound()
}
