package reconcile_test

import (
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
)

// A log with a hole has a lower head. What its holder has signed stands meanwhile: it
// signs nothing for the lower head, and what it signs for another log still names
// what it named.
func TestALoweredHeadTakesNoReceiptBack(t *testing.T) {
	box, laptop := newNode(t, "box", identity.RoleBox), newNode(t, "laptop", identity.RoleLaptop)
	save(t, laptop, crdt.ClassRecords, 5)
	a, b := connect(t, laptop, box)
	settle(t, a, b)
	own := box.Claims.Device
	whole := holding(t, box, scope)
	log := laptop.Log(scope, crdt.ClassRecords)
	full := whole.Heads[log]
	if _, owes := whole.Owes(own); owes || full.Seq != 5 {
		t.Fatalf("the box owes %v, and holds %v: the test shows nothing", owes, full)
	}
	for _, lowered := range []crdt.Head{{}, {Seq: 2, Hash: crdt.Hash{1}}} {
		h := reconcile.Holding{Heads: map[crdt.LogID]crdt.Head{log: lowered}, Receipts: whole.Receipts}
		if lowered.Seq == 0 {
			delete(h.Heads, log)
		}
		if heads, owes := h.Owes(own); owes {
			t.Errorf("with the head %v the box owes a receipt of %v", lowered, heads)
		}
		other := log
		other.Class = crdt.ClassUrgent
		h.Heads[other] = crdt.Head{Seq: 1, Hash: crdt.Hash{2}}
		heads, owes := h.Owes(own)
		if !owes {
			t.Errorf("with the head %v nothing is owed for what came in another log", lowered)
		}
		r := &identity.Receipt{Signer: own, Scope: scope, Heads: heads}
		if named, _ := r.Head(log); named != full {
			t.Errorf("with the head %v the next receipt names %v; want %v as before", lowered, named, full)
		}
		if !reconcile.Newer(r, whole.Receipts[0]) {
			t.Error("the next receipt takes something back")
		}
	}
}
