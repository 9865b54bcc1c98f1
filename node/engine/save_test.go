package engine

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/sync/identity"
)

func TestSaveIsThereAfterReopening(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	id := p.create(map[string]any{"subject": "Khai sinh", "received": testNow.UnixMilli()})
	before := p.get(id)
	p.close()
	p.open()
	after := p.get(id)
	if after.Values["subject"] != "Khai sinh" || after.Version != before.Version || after.CreatedMS != testNow.UnixMilli() {
		t.Errorf("after reopening: %+v; before: %+v", after, before)
	}
	if code, _ := after.Values["code"].(string); code != TemporaryCode(id) {
		t.Errorf("code %q; want the temporary %q", code, TemporaryCode(id))
	}
	p.now = testNow.Add(-time.Hour) // the clock was set back
	p.edit(id, "", map[string]any{"subject": "Khai tử"})
	if v := p.get(id); v.Values["subject"] != "Khai tử" || len(v.Cells["subject"].Siblings) != 1 {
		t.Errorf("an edit under a clock that was set back: %+v", v.Cells["subject"])
	}
}

func TestBothValuesSurvive(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	id := box.create(map[string]any{"subject": "Chung", "state": "open"})
	laptop.pull(box)
	box.now = testNow.Add(time.Minute)
	box.edit(id, "", map[string]any{"subject": "Của hộp"})
	laptop.edit(id, "", map[string]any{"subject": "Của máy tính", "state": "done"})
	laptop.pull(box)
	box.pull(laptop)
	for name, p := range map[string]*peer{"box": box, "laptop": laptop} {
		v := p.get(id)
		cell := v.Cells["subject"]
		if len(cell.Siblings) != 2 || !cell.Conflict || v.Values["subject"] != "Của hộp" {
			t.Errorf("%s: siblings %+v; want both, the box's later one shown", name, cell.Siblings)
		}
		if v.Values["state"] != "done" || len(v.Conflicts) != 1 {
			t.Errorf("%s: state %v, conflicts %v; want done and the subject's", name, v.Values["state"], v.Conflicts)
		}
		if n := p.search(Query{Conflicted: true}).Total; n != 1 {
			t.Errorf("%s: %d records to settle; want 1", name, n)
		}
	}
	laptop.edit(id, laptop.get(id).Version, map[string]any{"subject": "Của máy tính"})
	box.pull(laptop)
	if v := box.get(id); len(v.Conflicts) != 0 || v.Values["subject"] != "Của máy tính" {
		t.Errorf("after settling: %v, conflicts %v", v.Values["subject"], v.Conflicts)
	}
	if n := box.search(Query{Conflicted: true}).Total; n != 0 {
		t.Errorf("%d records to settle after settling; want 0", n)
	}
}

// An officer supersedes what the form showed, and nothing that arrived since.
func TestWhatWasNotSeenIsNotOverwritten(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	id := box.create(map[string]any{"subject": "Đầu"})
	laptop.pull(box)
	form := box.get(id).Version
	laptop.edit(id, "", map[string]any{"subject": "Từ xa"})
	box.pull(laptop)
	box.edit(id, form, map[string]any{"subject": "Từ biểu mẫu cũ"})
	if cell := box.get(id).Cells["subject"]; len(cell.Siblings) != 2 || !cell.Conflict {
		t.Errorf("siblings %+v; want both values", cell.Siblings)
	}
}

func TestRefusedSavesLeaveNothing(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	for name, c := range map[string]struct {
		change Change
		code   node.Code
	}{
		"no such collection":  {Change{Collection: "none"}, node.NotFound},
		"no required field":   {Change{Collection: "cases", Values: map[string]any{"state": "open"}}, node.Invalid},
		"no such field":       {Change{Collection: "cases", Values: map[string]any{"subject": "x", "none": "y"}}, node.Invalid},
		"no such record":      {Change{Collection: "cases", Record: &crdt.RecordID{1}, Values: map[string]any{"state": "open"}}, node.NotFound},
		"an unread version":   {Change{Collection: "cases", Seen: "!", Values: map[string]any{"subject": "x"}}, node.Invalid},
		"more than one entry": {Change{Collection: "cases", Values: map[string]any{"subject": string(bytes.Repeat([]byte("x"), 70<<10))}}, node.TooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			good := Change{Collection: "cases", Values: map[string]any{"subject": "Tốt"}}
			_, err := p.Save(context.Background(), Save{Officer: "a", Class: crdt.ClassRecords, Changes: []Change{good, c.change}})
			if node.CodeOf(err) != c.code {
				t.Errorf("got %v; want %s", err, c.code)
			}
			if n := p.search(Query{}).Total; n != 0 {
				t.Errorf("%d records after a refused save; want 0", n)
			}
		})
	}
	hub := testEngine(t, "hub", identity.RoleHub, map[crdt.Device]identity.Role{})
	if _, err := hub.Save(context.Background(), Save{Changes: []Change{{Collection: "cases"}}}); node.CodeOf(err) != node.ReadOnly {
		t.Errorf("a save on a hub: %v; want read_only", err)
	}
}
