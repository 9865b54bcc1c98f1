package reconcile_test

import (
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
	"github.com/vungxa/vungxa/sync/replica/memlog"
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

// A device whose disk is new gets its own receipt back with what it names, so that nobody
// waits for it to sign once more.
func TestARestoredDeviceGetsItsReceiptBack(t *testing.T) {
	laptop, box := newNode(t, "laptop", identity.RoleLaptop), newNode(t, "box", identity.RoleBox)
	save(t, box, crdt.ClassRecords, 1)
	meets := func(n *memlog.Node) (back bool) {
		x, y := connect(t, n, box)
		y.hook = func(frame []byte) {
			if said, err := reconcile.Parse(frame); err == nil && said.Kind == "receipt" && said.Signer == laptop.Claims.Device {
				back = true
			}
		}
		settle(t, x, y)
		return back
	}
	if meets(laptop) {
		t.Fatal("the box sends a receipt back that it has just got")
	}
	if !meets(newNode(t, "laptop", identity.RoleLaptop)) {
		t.Error("the box keeps the receipt of a device that has lost it")
	}
}
