package reconcile_test

import (
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
	"github.com/vungxa/vungxa/sync/replica/memlog"
)

// A device that a checkpoint has cut gets nothing more: not at the next contact, though both
// remember each other, and not on a line that is open when the cut comes. It is told why,
// and others go on.
func TestARevokedDeviceIsGivenNothing(t *testing.T) {
	hub, box, laptop := newNode(t, "hub", identity.RoleHub), newNode(t, "box", identity.RoleBox), newNode(t, "laptop", identity.RoleLaptop)
	d := disk{}
	save(t, laptop, crdt.ClassRecords, 1)
	x, y := resume(t, d, laptop, box)
	settle(t, x, y)
	p := memlog.NewProvince(1, 3, scope)
	announce(t, p, hub)
	decide(t, p, cutOf(laptop, 1), 2, hub)
	up, down := resume(t, d, box, hub)
	save(t, box, crdt.ClassRecords, 1) // known to the box alone when the cut comes
	settle(t, up, down)
	settle(t, x, y)
	for contact, e := range []*end{x, y} {
		if e.refusal == nil || e.refusal.Code != reconcile.Revoked || e.refusal.Remote != (e == x) {
			t.Errorf("end %d: %v; want it refused as revoked, by the box", contact, e.refusal)
		}
	}
	hangUp(x, y)
	for _, again := range []disk{d, {}} {
		save(t, box, crdt.ClassRecords, 1)
		settle(t, up, down)
		x, y = resume(t, again, laptop, box)
		settle(t, x, y)
		if y.frames != 1 || x.refusal == nil || x.refusal.Code != reconcile.Revoked {
			t.Errorf("the box sends a revoked device %d frames, which ends with %v; want the refusal alone", y.frames, x.refusal)
		}
		hangUp(x, y)
	}
	if got := heads(t, laptop)[box.Log(scope, crdt.ClassRecords)].Seq; got != 0 {
		t.Errorf("the revoked device holds %d entries that were written after its cut", got)
	}
	if got := heads(t, hub)[box.Log(scope, crdt.ClassRecords)].Seq; got != 3 || !up.s.Met() {
		t.Errorf("the hub holds %d entries of the box; want 3", got)
	}
}
