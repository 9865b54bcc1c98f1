package engine

import (
	"context"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/sync/identity"
)

// A record that can't be read nor, since something was compacted, made anew stops
// nobody's log: what is written to it is held, and is in it again when a snapshot of
// the hub has brought it back.
func TestADamagedRecordIsLeftAside(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	id := box.create(map[string]any{"subject": "Một"})
	other := box.create(map[string]any{"subject": "Khác"})
	laptop.pull(box)
	records, floor := box.snapshotOf()
	laptop.checkpoint((&province{}).floor(box))
	laptop.now = testNow.Add(Retention + time.Hour)
	if n := laptop.compact(); n != 2 {
		t.Fatalf("%d entries dropped; want 2", n)
	}
	if err := laptop.Store.Update(func(tx *store.Tx) error { return tx.Put(recordKey(id), []byte("hỏng")) }); err != nil {
		t.Fatal(err)
	}
	box.edit(id, "", map[string]any{"subject": "Hai"})
	box.edit(other, "", map[string]any{"subject": "Khác hai"})
	laptop.pull(box)
	if got := laptop.get(other).Values["subject"]; got != "Khác hai" {
		t.Errorf("a sound record of the same log reads %v", got)
	}
	if _, err := laptop.Get(context.Background(), "cases", id); node.CodeOf(err) != node.Damaged {
		t.Errorf("the damaged record: %v; want it said", err)
	}
	laptop.install(records, floor)
	if got := laptop.get(id).Values["subject"]; got != "Hai" {
		t.Errorf("brought back it reads %v; want what was written meanwhile", got)
	}
	laptop.sound()
}
