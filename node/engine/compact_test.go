package engine

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/sync/identity"
)

// floor is a checkpoint that says that everyone has what p holds now.
func (h *province) floor(p *peer) *crdt.Checkpoint {
	heads, err := p.Heads(testScope)
	if err != nil {
		p.t.Fatal(err)
	}
	var c crdt.Checkpoint
	for log, head := range heads {
		c.Floor = append(c.Floor, crdt.Pos{Log: log, Seq: head.Seq})
	}
	slices.SortFunc(c.Floor, func(a, b crdt.Pos) int { return a.Log.Compare(b.Log) })
	return h.checkpoint(c)
}

func (p *peer) compact() int {
	p.t.Helper()
	now := p.nowMS() // the hub's clock goes as p's does
	n, err := p.compactUntil(context.Background(), nil, func(*crdt.Authority) int64 { return now - Retention.Milliseconds() })
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

// What lies below the floor and is old goes, on a commune's node; all that is shown
// stays, the next entries come, and whoever asks for what is gone is told.
func TestCompactionDropsWhatEveryoneHas(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	hub := testEngine(t, "hub", identity.RoleHub, others)
	id := box.create(map[string]any{"subject": "Một", "received": testNow.UnixMilli()})
	gone := box.create(map[string]any{"subject": "Xoá"})
	box.edit(id, "", map[string]any{"subject": "Hai"})
	box.change(Change{Record: &gone, Delete: true})
	laptop.pull(box)
	hub.pull(box)
	h := &province{}
	floor := h.floor(box)
	for _, p := range []*peer{box, laptop, hub} {
		p.checkpoint(floor)
	}
	box.edit(id, "", map[string]any{"state": "open"}) // above the floor
	before := box.stateHash()
	if n := box.compact(); n != 0 {
		t.Fatalf("%d entries dropped on the day they were made", n)
	}
	for _, p := range []*peer{box, laptop, hub} {
		p.now = testNow.Add(Retention + time.Hour)
	}
	if n := box.compact(); n != 4 {
		t.Errorf("%d entries dropped; want the 4 at or below the floor", n)
	}
	laptop.compact()
	if n := hub.compact(); n != 0 {
		t.Errorf("the hub dropped %d entries; it keeps all", n)
	}
	log := box.ownLog(crdt.ClassRecords)
	for range 2 {
		if box.stateHash() != before || box.get(id).Values["subject"] != "Hai" || box.search(Query{}).Total != 1 {
			t.Error("compaction changed what is shown")
		}
		if hash, held, err := box.HashAt(log, 4); !held || err != nil || hash == (crdt.Hash{}) {
			t.Errorf("the hash at the floor: %v, %v", held, err)
		}
		if _, err := box.Segment(log, 0, 0); !errors.Is(err, store.ErrDropped) {
			t.Errorf("a peer asks for what is gone: %v; want to be told", err)
		}
		box.close()
		box.open()
	}
	laptop.pull(box)
	laptop.edit(id, "", map[string]any{"subject": "Ba"})
	box.pull(laptop)
	if v := box.get(id); v.Values["subject"] != "Ba" || len(v.Cells["subject"].Siblings) != 1 || v.Values["state"] != "open" {
		t.Errorf("after the floor: %+v", v.Cells["subject"])
	}
}

// What two histories of one log say stays, from the entry on at which they part, and so does
// what is shown of both, whatever the floor says.
func TestCompactionStopsBelowAFork(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	id := box.create(map[string]any{"subject": "Chung"})
	box.receipt()
	twin := box.twin()
	box.edit(id, "", map[string]any{"subject": "Nhánh một"})
	twin.now = twin.now.Add(time.Hour)
	twin.edit(id, "", map[string]any{"subject": "Nhánh hai"})
	laptop.pull(box)
	laptop.take(pieces(twin)...)
	laptop.checkpoint((&province{}).floor(laptop))
	before := laptop.stateHash()
	laptop.now = testNow.Add(Retention + 2*time.Hour)
	if n := laptop.compact(); n != 1 {
		t.Errorf("%d entries dropped; want the one below the fork", n)
	}
	if laptop.stateHash() != before {
		t.Error("compaction changed what is shown")
	}
	laptop.sound()
	laptop.close()
	laptop.open()
	if got := laptop.texts(id, "subject"); !slices.Equal(got, []string{"Nhánh hai", "Nhánh một"}) {
		t.Errorf("shown %q; want what both branches say", got)
	}
}

// An edit of a record that was deleted and forgotten everywhere creates nothing, and
// is shown to a person.
func TestLateEntriesGoToTheInbox(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, away := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "away", identity.RoleLaptop, others)
	id := box.create(map[string]any{"subject": "Việc"})
	away.pull(box)
	box.change(Change{Record: &id, Delete: true})
	box.checkpoint((&province{}).floor(box))
	box.now = testNow.Add(Retention + time.Hour)
	if n := box.compact(); n != 2 {
		t.Fatalf("%d entries dropped; want 2", n)
	}
	away.edit(id, "", map[string]any{"subject": "Trễ"})
	box.ingest(pieces(away)...)
	for range 2 {
		if items := box.inbox(); len(items) != 1 || items[0].Kind != InboxLate || items[0].Record != id || items[0].Device != away.device {
			t.Errorf("inbox %+v; want the late edit", items)
		}
		if n := box.search(Query{}).Total; n != 0 {
			t.Errorf("%d records; want none created again", n)
		}
		box.close()
		box.open()
	}
}

// A node that hasn't received what lies below the floor can't tell that a record was
// deleted: what comes first of it is kept, whatever comes later.
func TestWhoLacksWhatLiesBelowTheFloorJudgesNothing(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	fresh := testEngine(t, "fresh", identity.RoleLaptop, others)
	id := box.create(map[string]any{"subject": "Một"})
	laptop.pull(box)
	laptop.edit(id, "", map[string]any{"subject": "Hai"})
	box.pull(laptop)
	fresh.checkpoint((&province{}).floor(box))
	fresh.ingest(pieces(laptop)...)
	fresh.ingest(pieces(box)...)
	if v := fresh.siblings(id, "subject"); len(v) != 1 || v[0] != "Hai" {
		t.Errorf("shown %v; want the edit that came before its record", v)
	}
	if items := fresh.inbox(); len(items) > 0 {
		t.Errorf("inbox %+v; want nothing, nobody deleted anything", items)
	}
}

// Retention counts from when the hub had an entry, not from what the device's clock
// said: one that was in 2020 loses nothing early.
func TestRetentionCountsFromTheWitness(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	box.now = testNow.AddDate(-6, 0, 0)
	box.create(map[string]any{"subject": "Việc"})
	laptop.pull(box)
	h := &province{}
	log := box.ownLog(crdt.ClassRecords)
	laptop.checkpoint(h.checkpoint(crdt.Checkpoint{
		TimeMS: testNow.UnixMilli(), Witnesses: []crdt.Witness{{Log: log, Seq: 1, TimeMS: testNow.UnixMilli()}},
	}))
	laptop.checkpoint(h.floor(laptop))
	laptop.now = testNow.Add(Retention - time.Hour)
	if n := laptop.compact(); n != 0 {
		t.Errorf("%d entries dropped before the hub had them for as long as they are kept", n)
	}
	laptop.now = testNow.Add(Retention + time.Hour)
	if n := laptop.compact(); n != 1 {
		t.Errorf("%d entries dropped after that; want 1", n)
	}
}
