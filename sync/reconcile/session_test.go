package reconcile_test

import (
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
)

func TestTwoNodesExchange(t *testing.T) {
	box, laptop := newNode(t, "box", identity.RoleBox), newNode(t, "laptop", identity.RoleLaptop)
	save(t, box, crdt.ClassRecords, 3)
	save(t, laptop, crdt.ClassBulk, 20)
	save(t, laptop, crdt.ClassUrgent, 1)
	box.SegmentEntries, laptop.SegmentEntries = 2, 2
	a, b := connect(t, laptop, box)
	settle(t, a, b)
	if a.refusal != nil || b.refusal != nil {
		t.Fatalf("refused: %v, %v", a.refusal, b.refusal)
	}
	same(t, box, laptop)
	save(t, box, crdt.ClassRecords, 1)
	settle(t, a, b)
	same(t, box, laptop)
	t.Logf("%d and %d frames, %d and %d bytes", a.frames, b.frames, a.bytes, b.bytes)
}
