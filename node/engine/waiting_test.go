package engine

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/sync/identity"
)

func (p *peer) waits() Waiting {
	p.t.Helper()
	w, err := p.Waiting(100)
	if err != nil {
		p.t.Fatal(err)
	}
	return w
}

// Deleted records are listed, newest deletion first and in pages, as they were, until
// they are restored.
func TestDeletedRecordsAreListed(t *testing.T) {
	box := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	var ids []crdt.RecordID
	for i := range 5 {
		ids = append(ids, box.create(map[string]any{"subject": fmt.Sprint("Việc ", i)}))
	}
	for i, id := range ids[:4] {
		box.now = testNow.Add(time.Duration(i+1) * time.Hour)
		box.change(Change{Record: &id, Delete: true, Seen: box.get(id).Version})
	}
	var told []string
	for cursor := ""; ; {
		page, err := box.Deleted(context.Background(), "cases", cursor, 3)
		if err != nil || page.Total != 4 {
			t.Fatalf("%d in all, %v; want 4", page.Total, err)
		}
		for _, d := range page.Items {
			told = append(told, fmt.Sprint(d.Values["subject"], " ", d.Officer, " ", (d.AtMS-testNow.UnixMilli())/time.Hour.Milliseconds()))
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if want := "[Việc 3 a 4 Việc 2 a 3 Việc 1 a 2 Việc 0 a 1]"; fmt.Sprint(told) != want {
		t.Errorf("%v; want %s", told, want)
	}
	if _, err := box.DeletedRecord(context.Background(), "cases", ids[4]); node.CodeOf(err) != node.NotFound {
		t.Errorf("of one that isn't deleted: %v; want not_found", err)
	}
	d, err := box.DeletedRecord(context.Background(), "cases", ids[3])
	if err != nil {
		t.Fatal(err)
	}
	box.change(Change{Record: &ids[3], Restore: true, Seen: d.Version})
	if page, err := box.Deleted(context.Background(), "cases", "", 3); err != nil || page.Total != 3 || box.get(ids[3]).Values["subject"] != "Việc 3" {
		t.Errorf("after restoring one: %d deleted, %v", page.Total, err)
	}
}

// What was edited after its deletion, and what came too late, is counted, told in
// pages with what it says, and settled.
func TestWhatWaitsIsCountedAndSettled(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, away := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "away", identity.RoleLaptop, others)
	var ids []crdt.RecordID
	for i := range 3 {
		ids = append(ids, box.create(map[string]any{"subject": fmt.Sprint("Việc ", i)}))
	}
	away.pull(box)
	for _, id := range ids {
		box.change(Change{Record: &id, Delete: true})
	}
	for i, id := range ids {
		away.edit(id, "", map[string]any{"subject": fmt.Sprint("Trễ ", i), "note": "xem lại"})
	}
	early := testEngine(t, "early", identity.RoleLaptop, others) // it holds what the box will have forgotten
	early.pull(box)
	early.ingest(pieces(away)...)
	if w := early.waits(); w != (Waiting{Edited: 3}) {
		t.Fatalf("%+v; want 3 edited", w)
	}
	first, next, err := early.Edited(context.Background(), "", 2)
	if err != nil || len(first) != 2 || next == "" || first[0].Device != away.device || !first[0].View.Edited || first[0].View.Values["note"] != "xem lại" || first[0].Deletion.Device != box.device {
		t.Fatalf("%+v, %q, %v", first, next, err)
	}
	if rest, next, err := early.Edited(context.Background(), next, 2); err != nil || len(rest) != 1 || next != "" || rest[0].Record == first[1].Record {
		t.Errorf("the second page: %+v, %q, %v", rest, next, err)
	}

	box.checkpoint((&province{}).floor(box))
	box.now = testNow.Add(Retention + time.Hour)
	box.compact()
	box.ingest(pieces(away)...)
	if w := box.waits(); w != (Waiting{Late: 3}) {
		t.Fatalf("%+v; want 3 late, each Save once", w)
	}
	late, next, err := box.Late(context.Background(), "", 2)
	if err != nil || len(late) != 2 || next == "" || late[0].Device != away.device || len(late[0].Wrote) != 2 || late[0].Wrote[1].Value != "Trễ 0" {
		t.Fatalf("%+v, %q, %v", late, next, err)
	}
	at := box.Position()
	if err := box.Dismiss(late[1].ID); err != nil || box.Position() == at {
		t.Errorf("dismissing: %v, position %d", err, box.Position())
	}
	if rest, next, err := box.Late(context.Background(), next, 2); err != nil || len(rest) != 1 || next != "" || rest[0].Wrote[1].Value != "Trễ 2" {
		t.Errorf("past one that is gone: %+v, %q, %v", rest, next, err)
	}
	if err := box.Dismiss(late[1].ID); node.CodeOf(err) != node.NotFound || box.waits().Late != 2 {
		t.Errorf("dismissing it again: %v; want not_found", err)
	}
	if w, err := box.Waiting(1); err != nil || w.Late != 1 {
		t.Errorf("counted to 1: %+v, %v", w, err)
	}
}
