package engine

import (
	"context"
	"slices"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
)

func (p *peer) refused(stuck ...Stuck) []Refused {
	p.t.Helper()
	var all []Refused
	for cursor := ""; ; { // page by page: none is told twice, and none is passed over
		items, next, err := p.Refused(context.Background(), stuck, cursor, 1)
		if err != nil {
			p.t.Fatal(err)
		}
		all = append(all, items...)
		if cursor = next; next == "" {
			break
		}
	}
	if n, err := p.WaitingRefused(stuck, 1000); err != nil || n != len(all) {
		p.t.Fatalf("%d counted, %v; want %d", n, err, len(all))
	}
	return all
}

// A log that a peer refuses keeps its place. What stands in records by it is told by
// record, is written anew in a log of another name, and leaves the list by that; what
// nobody changed goes on in the new log too.
func TestWhatIsRefusedIsSavedAnew(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, hub := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "hub", identity.RoleHub, others)
	before := box.create(map[string]any{"subject": "Trước"})
	if err := hub.ApplySegments(1, must(box.segmentsAll())); err != nil {
		t.Fatal(err)
	}
	log := box.ownLog(crdt.ClassRecords)
	box.edit(before, "", map[string]any{"note": "một"})
	box.edit(before, "", map[string]any{"note": "hai"})
	made := box.create(map[string]any{"subject": "Mới", "state": "open"})
	stuck := Stuck{Log: log, UpTo: 1}
	items := box.refused(stuck)
	if len(items) != 2 || items[0].Record != before || items[1].Record != made || items[1].Title != "Mới" {
		t.Fatalf("refused: %+v", items)
	}
	if w := items[0].Wrote; len(w) != 1 || w[0].Field != "note" || w[0].Value != "hai" {
		t.Errorf("of the first: %+v; want what stands alone", w)
	}
	if begun, err := box.GoOnElsewhere(log); err != nil || !begun {
		t.Fatal(begun, err)
	}
	if begun, err := box.GoOnElsewhere(log); err != nil || begun {
		t.Fatal("a log that isn't written any more was left once more", err)
	}
	for _, item := range items {
		id, values := item.Record, map[string]any{}
		for _, w := range item.Wrote {
			if w.FieldID != crdt.FieldExistence {
				values[w.Field] = w.Value
			}
		}
		box.change(Change{Record: &id, Seen: box.get(id).Version, Values: values, Anew: true})
	}
	if left := box.refused(stuck); len(left) != 0 {
		t.Errorf("left over: %+v", left)
	}
	for _, s := range must(box.segmentsAll()) { // all but the log that is stuck
		if s.Log != log {
			hub.ingest(s)
		}
	}
	for id, want := range map[crdt.RecordID]string{before: "Trước", made: "Mới"} {
		v := hub.get(id)
		if v.Values["subject"] != want || id == before && v.Values["note"] != "hai" || id == made && v.Values["state"] != "open" || v.Conflicts != nil {
			t.Errorf("at the province %v, conflicts %v", v.Values, v.Conflicts)
		}
	}
	// The stuck log comes in the end: nothing changes.
	hub.pull(box)
	if v := hub.get(made); v.Values["subject"] != "Mới" || v.Conflicts != nil {
		t.Errorf("after the log has come: %v, %v", v.Values, v.Conflicts)
	}
	box.edit(before, "", map[string]any{"state": "done"})
	if left := box.refused(stuck); len(left) != 0 {
		t.Errorf("a save of the new log is called refused: %+v", left)
	}
	box.sound()
}

// What the province's word hides waits for a person, is written anew with a reason seen,
// or is taken off the list until more is hidden.
func TestWhatIsHiddenIsTold(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	ids := []crdt.RecordID{box.create(map[string]any{"subject": "Một"}), box.create(map[string]any{"subject": "Hai"})}
	laptop.pull(box)
	for _, id := range ids {
		laptop.edit(id, "", map[string]any{"note": "của máy bị thu hồi"})
	}
	gone := laptop.create(map[string]any{"subject": "Lập ở đó"})
	box.pull(laptop)
	if all := box.refused(); len(all) != 0 {
		t.Fatalf("before the cut: %+v", all)
	}
	box.checkpoint((&province{}).checkpoint(crdt.Checkpoint{Cuts: []crdt.Cut{cutDevice(laptop)}}))
	hidden := func() (all []Refused) {
		t.Helper()
		for cursor := ""; ; {
			items, next, err := box.Hidden(context.Background(), cursor, 1)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, items...)
			if cursor = next; next == "" {
				return all
			}
		}
	}
	all := hidden()
	if len(all) != 3 || slices.ContainsFunc(all, func(r Refused) bool { return r.Why != crdt.CutDevice || r.Gone != (r.Record == gone) }) {
		t.Fatalf("hidden: %+v", all)
	}
	box.change(Change{Record: &ids[0], Seen: box.get(ids[0]).Version, Values: map[string]any{"note": "đã xem lại"}, Anew: true})
	for _, item := range all {
		if item.Record == ids[1] {
			if err := box.Dismiss(item.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 2 {
		if left := hidden(); len(left) != 1 || left[0].Record != gone {
			t.Errorf("left: %+v; want the record that isn't shown", left)
		}
		if n, err := box.WaitingRefused(nil, 10); n != 1 || err != nil {
			t.Errorf("%d counted, %v; want 1", n, err)
		}
		box.close()
		box.open()
	}
	if v := box.get(ids[0]); v.Values["note"] != "đã xem lại" {
		t.Errorf("after the save: %v", v.Values)
	}
	box.sound()
}

// A laptop's signature and what a stick was given are no arrival: ticks stay, and the
// carriers are told, until the province has signed. What it then covers by a checkpoint
// says so.
func TestCarriedIsNotArrived(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	hub := testEngine(t, "hub", identity.RoleHub, others)
	id := box.create(map[string]any{"subject": "Việc"})
	laptop.pull(box)
	if err := box.StoreReceipt(laptop.receipt()); err != nil {
		t.Fatal(err)
	}
	if err := box.Carry("USB-1", map[crdt.LogID]uint64{box.ownLog(crdt.ClassRecords): 1}); err != nil {
		t.Fatal(err)
	}
	box.create(map[string]any{"subject": "Sau đó"})
	for range 2 {
		loads, err := box.Loads()
		if err != nil || len(loads) != 2 || loads[0].Courier != "USB-1" || loads[0].Count != 1 || loads[1].Device != laptop.device || loads[1].Count != 1 {
			t.Errorf("loads %+v, %v", loads, err)
		}
		v := box.get(id)
		if v.Tick != Office || len(v.Carried) != 2 {
			t.Errorf("tick %v, carried %+v", v.Tick, v.Carried)
		}
		if n, _, err := box.Unsent(); n != 2 || err != nil {
			t.Errorf("%d unsent, %v; want 2", n, err)
		}
		box.close()
		box.open()
	}
	hub.pull(laptop)
	if err := box.StoreReceipt(hub.receipt()); err != nil {
		t.Fatal(err)
	}
	if v := box.get(id); v.Tick != Province || len(v.Carried) != 0 {
		t.Errorf("tick %v, carried %+v once the province has it", v.Tick, v.Carried)
	}
	if loads, err := box.Loads(); len(loads) != 0 || err != nil {
		t.Errorf("loads %+v, %v once the province has it", loads, err)
	}
	head := hub.receipt().Heads[0]
	box.checkpoint((&province{ms: testNow.UnixMilli()}).checkpoint(crdt.Checkpoint{Heads: []crdt.Pin{{Log: head.Log, Seq: head.Head.Seq, Hash: head.Head.Hash}}}))
	if v := box.get(id); v.Tick != Covered {
		t.Errorf("tick %v under a checkpoint", v.Tick)
	}
	tick := Province
	if n := box.search(Query{Tick: &tick}).Total; n != 1 {
		t.Errorf("%d records that the province has; want 1", n)
	}
}
