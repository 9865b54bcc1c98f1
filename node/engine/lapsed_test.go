package engine

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
)

// lapsedSaves is how many saves the device makes that was away for a year; make lapsed
// takes 10,000.
var lapsedSaves = flag.Int("lapsed.saves", 300, "saves of the device that comes back after a year")

// A laptop comes back after 365 days with all that it has saved. The office has gone on,
// deleted, and compacted below a floor that the laptop never acknowledged: it had lapsed.
// In every inbox are the true conflicts, and nothing else; nothing that either saved is
// missing, and nothing that was deleted is there again.
// So it is whether it meets the province first, or the box, which no longer has what the
// laptop lacks.
func TestALapsedDeviceComesBack(t *testing.T) {
	for name, boxFirst := range map[string]bool{"province first": false, "box first": true} {
		t.Run(name, func(t *testing.T) { comeBack(t, boxFirst) })
	}
}

func comeBack(t *testing.T, boxFirst bool) {
	const shared, disputed, deleted, forgotten = 40, 7, 4, 3
	others := map[crdt.Device]identity.Role{}
	w := newTown(t)
	box := w.join("box", testEngine(t, "box", identity.RoleBox, others))
	laptop := w.join("laptop", testEngine(t, "laptop", identity.RoleLaptop, others))
	hub := w.join("hub", testEngine(t, "hub", identity.RoleHub, others))
	var ids []crdt.RecordID
	for i := range shared {
		ids = append(ids, box.create(map[string]any{"subject": fmt.Sprint("Chung ", i), "note": "đầu"}))
	}
	w.meet(laptop, box, toTheEnd)
	w.meet(box, hub, toTheEnd)
	w.meet(laptop, box, toTheEnd)

	// The first disputed are changed by both; of the next some are deleted by the office
	// and edited by the laptop, and some deleted alone; the others are the laptop's alone.
	edited, gone := ids[disputed:disputed+deleted], ids[disputed+deleted:disputed+deleted+forgotten]
	for i, id := range ids[:disputed] {
		box.edit(id, "", map[string]any{"subject": fmt.Sprint("Hộp ", i)})
	}
	for _, id := range slices.Concat(edited, gone) {
		box.change(Change{Record: &id, Delete: true})
	}
	w.meet(box, hub, toTheEnd)
	h := &province{ms: testNow.UnixMilli()}
	floor := h.floor(hub.peer)
	for _, p := range []*townsman{box, hub} {
		p.checkpoint(floor)
	}

	made := 0
	step := 365 * 24 * time.Hour / time.Duration(*lapsedSaves)
	for i := range *lapsedSaves {
		laptop.now = testNow.Add(time.Duration(i+1) * step)
		switch {
		case i < disputed:
			laptop.edit(ids[i], "", map[string]any{"subject": fmt.Sprint("Máy xách tay ", i)})
		case i < disputed+deleted:
			laptop.edit(ids[i], "", map[string]any{"subject": fmt.Sprint("Sửa ", i)})
		case i%5 == 0:
			laptop.edit(ids[disputed+deleted+forgotten+i%(shared-disputed-deleted-forgotten)], "", map[string]any{"note": fmt.Sprint("lần ", i)})
		default:
			laptop.create(map[string]any{"subject": fmt.Sprint("Năm ấy ", i)})
			made++
		}
	}
	for _, p := range []*townsman{box, hub} {
		p.now = testNow.Add(365 * 24 * time.Hour)
	}
	if n := box.compact(); n == 0 {
		t.Fatal("the office has compacted nothing")
	}
	if boxFirst {
		laptop.checkpoint(floor) // what is decided goes first on every line
		w.partly = true
		bytes := w.meet(laptop, box, toTheEnd)
		w.partly = false
		if n, want := box.search(Query{}).Total, shared-deleted-forgotten+made; n != want {
			t.Errorf("after the first meeting the box shows %d records; want %d", n, want)
		}
		t.Logf("at the box first: %d bytes up, %d down", bytes[0], bytes[1])
	}
	bytes := w.meet(laptop, hub, toTheEnd) // it holds what the office has dropped
	if !boxFirst {
		laptop.checkpoint(floor)
	}
	for _, line := range [][2]*townsman{{laptop, box}, {box, hub}, {laptop, hub}} {
		w.meet(line[0], line[1], toTheEnd)
	}
	t.Logf("%d saves of a year came back: %d bytes up, %d down", *lapsedSaves, bytes[0], bytes[1])

	for _, p := range []*townsman{box, laptop, hub} {
		waiting, err := p.Waiting(1000)
		if err != nil {
			t.Fatal(err)
		}
		if waiting.Conflicts != disputed || waiting.Edited+waiting.Late != deleted {
			t.Errorf("%s: %+v; want %d conflicts, and %d that were edited or too late", p.place, waiting, disputed, deleted)
		}
		page := p.search(Query{Conflicted: true})
		var found []crdt.RecordID
		for _, v := range page.Items {
			found = append(found, v.ID)
		}
		for i, id := range ids[:disputed] {
			both := p.siblings(id, "subject")
			if !slices.Contains(found, id) || len(both) != 2 || !slices.Contains(both, any(fmt.Sprint("Hộp ", i))) {
				t.Errorf("%s: the conflict %d says %v", p.place, i, both)
			}
		}
		for _, item := range p.inbox() {
			if !slices.Contains(edited, item.Record) {
				t.Errorf("%s: in the inbox without need: %+v", p.place, item)
			}
		}
		if n, want := p.search(Query{}).Total, shared-deleted-forgotten+made; n != want {
			t.Errorf("%s shows %d records; want %d", p.place, n, want)
		}
		if refused, err := p.WaitingRefused(nil, 10); refused != 0 || err != nil {
			t.Errorf("%s: %d refused, %v", p.place, refused, err)
		}
		for _, id := range slices.Concat(edited, gone) {
			if v, err := p.Get(context.Background(), "cases", id); err == nil && !v.Edited {
				t.Errorf("%s: a record that was deleted is there again", p.place)
			}
		}
	}
	if n, _, err := laptop.Unsent(); n != 0 || err != nil {
		t.Errorf("%d unsent, %v once all is there", n, err)
	}
	t.Logf("conflicts: %d expected, %d found; deleted meanwhile and edited: %d", disputed, laptop.search(Query{Conflicted: true}).Total, deleted)
}
