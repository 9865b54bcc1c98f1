package engine

import (
	"context"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
)

func TestUpsert(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	row := Row{Key: "17", Values: map[string]any{"subject": "Rác", "received": testNow.UnixMilli(), "resolved": testNow.UnixMilli() - 1, "source": "17"}}
	put := func(dry bool, rows ...Row) []Outcome {
		t.Helper()
		o, err := p.Upsert(context.Background(), "nhập", "cases", rows, dry)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	if o := put(true, row); !o[0].Created || len(o[0].Flags) != 1 || p.search(Query{}).Total != 0 {
		t.Errorf("dry run: %+v; want created and flagged, and nothing stored", o)
	}
	if o := put(false, row); !o[0].Created || len(o[0].Flags) != 1 {
		t.Errorf("first: %+v; want created and flagged", o)
	}
	id := crdt.RefByKey(testScope, "cases", "17").ID()
	p.edit(id, "", map[string]any{"subject": "Rác thải"})
	before := p.get(id).Version
	if o := put(false, row); o[0].Created || o[0].Changed || p.get(id).Version != before {
		t.Errorf("again: %+v; want nothing, and the officer's edit kept", o)
	}
	row.Values["state"] = "done"
	if o := put(false, row); !o[0].Changed || p.get(id).Values["state"] != "done" {
		t.Errorf("the source says more: %+v", o)
	}
	if o := put(false, Row{Key: "18", Values: map[string]any{}}, Row{Key: "19", Values: map[string]any{"subject": "x"}}, Row{Key: "19", Values: map[string]any{"subject": "y"}}); o[0].Err == nil || !o[1].Created || o[2].Err == nil {
		t.Errorf("a bad row, a good one and its double: %+v", o)
	}
	if n := p.search(Query{}).Total; n != 2 {
		t.Errorf("%d records; want 2", n)
	}
}

// The digest follows what the source says: its newest row, again, changes nothing.
func TestUpsertRemembersTheNewestRow(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	put := func(subject string) Outcome {
		t.Helper()
		o, err := p.Upsert(context.Background(), "nhập", "cases", []Row{{Key: "17", Values: map[string]any{"subject": subject}}}, false)
		if err != nil {
			t.Fatal(err)
		}
		return o[0]
	}
	put("Rác")
	id := put("Rác nhiều").Record
	p.edit(id, "", map[string]any{"subject": "Rác thải"})
	if o := put("Rác nhiều"); o.Changed || p.get(id).Values["subject"] != "Rác thải" {
		t.Errorf("again: %+v, %v; want nothing, and the officer's edit kept", o, p.get(id).Values["subject"])
	}
}
