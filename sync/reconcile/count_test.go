package reconcile_test

import (
	"slices"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
)

// An item counts once it is durable: what is remembered while it is being stored doesn't
// contain it.
func TestAnItemCountsOnceItIsStored(t *testing.T) {
	b := newBench(t)
	b.greet()
	save(b, b.laptop, crdt.ClassRecords, 1)
	raw, err := wire.EncodeSegment(b.segment(b.laptop, 2, nil))
	b.must(err)
	before := b.e.s.Memory().Took
	b.e.s.Receive(reconcile.SegmentFrame(raw), false)
	if a, ok := b.e.s.Next().(reconcile.Ingest); !ok || b.e.s.Memory().Took != before {
		t.Errorf("while %+v is being stored %d items count; want %d", a, b.e.s.Memory().Took, before)
	}
	b.e.s.Stored()
	if now := b.e.s.Memory().Took; now != before+1 {
		t.Errorf("%d items count when it is stored; want %d", now, before+1)
	}
}

// A peer that has taken fewer items than it once said remembers another time: both say
// what they hold at once.
func TestCountsOfAnotherTimeLeadToHeads(t *testing.T) {
	laptop, box := newNode(t, "laptop", identity.RoleLaptop), newNode(t, "box", identity.RoleBox)
	d := disk{}
	var said []string
	meet := func() {
		save(t, laptop, crdt.ClassRecords, 1)
		x, y := resume(t, d, laptop, box)
		said = nil
		x.hook = func(frame []byte) { said = append(said, parse(t, frame).Kind) }
		settle(t, x, y)
		hangUp(x, y)
	}
	meet()
	old := d.clone()
	for range 2 {
		meet()
	}
	if slices.Contains(said, "heads") {
		t.Fatalf("two that remember each other say %v", said)
	}
	of := [2]crdt.Device{box.Claims.Device, laptop.Claims.Device}
	d[of] = old[of]
	meet()
	if !slices.Contains(said, "heads") {
		t.Errorf("to a peer whose memory is of another time the laptop says %v; want its heads among it", said)
	}
	same(t, laptop, box)
}
