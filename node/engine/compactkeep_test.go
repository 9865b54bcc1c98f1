package engine

import (
	"context"
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
