package reconcile_test

import (
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
)

// A receipt that is asked for as a whole waits for what it names, as every other does: a
// peer passes it over else, and both would go on as if it had it.
func TestAWholeReceiptComesAfterWhatItNames(t *testing.T) {
	laptop, box, hub := newNode(t, "laptop", identity.RoleLaptop), newNode(t, "box", identity.RoleBox), newNode(t, "hub", identity.RoleHub)
	save(t, laptop, crdt.ClassRecords, 1)
	x, y := connect(t, laptop, box)
	settle(t, x, y)
	up, down := connect(t, box, hub)
	settle(t, up, down)
	for i := range 20 {
		if _, err := laptop.Save(scope, 3, noise(i, 3000)); err != nil {
			t.Fatal(err)
		}
	}
	settle(t, x, y)
	for up.notice() || up.ask() || up.work() {
	}
	if !up.write() {
		t.Fatal("nothing is sent of the bulk")
	}
	up.s.Receive(reconcile.WholeFrame(), false)
	up.drain()
	settle(t, x, y, up, down)
	same(t, laptop, box, hub)
}
