package engine

import (
	"context"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
)

// Two offices import one source. The one deletes the record, and the other, which
// knows nothing of that, makes it: what was deleted stands beside the new values
// nowhere, be it forgotten yet or not.
func TestARecordMadeAnewByItsKey(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	put := func(p *peer, subject string) crdt.RecordID {
		t.Helper()
		o, err := p.Upsert(context.Background(), "nhập", "cases", []Row{{Key: "17", Values: map[string]any{"subject": subject}}}, false)
		if err != nil || o[0].Err != nil {
			t.Fatal(err, o)
		}
		return o[0].Record
	}
	id := put(box, "cũ")
	box.change(Change{Collection: "cases", Record: &id, Delete: true})
	put(laptop, "mới")
	box.pull(laptop)
	laptop.pull(box)
	for name, p := range map[string]*peer{"deleted the old one": box, "made the new one": laptop} {
		if got := p.siblings(id, "subject"); len(got) != 1 || got[0] != "mới" {
			t.Errorf("%s: reads %v", name, got)
		}
	}
	if box.stateHash() != laptop.stateHash() {
		t.Error("two states")
	}
}
