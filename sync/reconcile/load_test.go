package reconcile_test

import (
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
)

// A hub's receipts reach the third device also while the second never rests:
// each newest receipt names entries that the third has not been sent yet.
func TestReceiptsArriveUnderLoad(t *testing.T) {
	box, laptop, hub := newNode(t, "box", identity.RoleBox), newNode(t, "laptop", identity.RoleLaptop), newNode(t, "hub", identity.RoleHub)
	x, y := connect(t, box, laptop)
	settle(t, x, y)
	if err := box.StoreCertificate(hub.Certificate); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		save(t, box, crdt.ClassRecords, 1)
		heads, _ := holding(t, box, scope).Owes(box.Claims.Device)
		r, err := hub.Sign(t.Context(), scope, heads)
		if err != nil {
			t.Fatal(err)
		}
		if err := box.StoreReceipt(r); err != nil {
			t.Fatal(err)
		}
		for _, e := range []*end{x, y} {
			for _, step := range steps {
				step(e)
			}
		}
	}
	log := box.Log(scope, crdt.ClassRecords)
	held := holding(t, laptop, scope)
	for _, r := range held.Receipts {
		if h, _ := r.Head(log); r.Signer == hub.Claims.Device && h.Seq > held.Heads[log].Seq/2 {
			return
		}
	}
	t.Errorf("the laptop holds %d entries, and the receipts %v", held.Heads[log].Seq, held.Receipts)
}
