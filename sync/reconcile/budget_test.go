package reconcile_test

import (
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
	"github.com/vungxa/vungxa/sync/replica/memlog"
)

// What officers save waits for another contact once the budget is used, as imports do.
func TestRecordsWaitForTheBudget(t *testing.T) {
	laptop, box := backlog(t, 30, 1000)
	d := disk{}
	frugal := func(c *reconcile.Config) { c.Budget = reconcile.Allowance{Bytes: 6000} }
	a, b := newEnd(t, laptop, box, d.of(laptop, box), frugal), newEnd(t, box, laptop, d.of(box, laptop))
	a.far, b.far = b, a
	settle(t, a, b)
	if got := heads(t, box)[laptop.Log(scope, crdt.ClassRecords)].Seq; got == 0 || got > 15 {
		t.Errorf("%d of 30 entries came, in %d bytes", got, a.bytes)
	}
}

// Parts of items that are too long for a frame count on the side that reads them, too.
func TestPartsThatAreReadAreCharged(t *testing.T) {
	laptop, box := backlog(t, 8, 5000)
	d := disk{}
	frugal := func(c *reconcile.Config) { c.Budget = reconcile.Allowance{Bytes: 6000, Hard: 9000} }
	a, b := newEnd(t, laptop, box, d.of(laptop, box)), newEnd(t, box, laptop, d.of(box, laptop), frugal)
	a.far, b.far = b, a
	settle(t, a, b)
	if b.refusal == nil || b.refusal.Code != reconcile.Budget {
		t.Errorf("it read %d bytes, and ended with %v", a.bytes, b.refusal)
	}
}

// backlog is a laptop with records that a box lacks, one in a segment.
func backlog(t *testing.T, count, size int) (laptop, box *memlog.Node) {
	t.Helper()
	laptop, box = newNode(t, "laptop", identity.RoleLaptop), newNode(t, "box", identity.RoleBox)
	laptop.SegmentEntries = 1
	for i := range count {
		if _, err := laptop.Save(scope, crdt.ClassRecords, noise(i, size)); err != nil {
			t.Fatal(err)
		}
	}
	return laptop, box
}
