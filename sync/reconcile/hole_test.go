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

// A device of which there is a copy signs for all that lies under its name, as the copy may
// have written it; one that has written one history signs for nothing of its own.
func TestACopiedDeviceSignsForItsOwnLogs(t *testing.T) {
	own := crdt.Device{1}
	log := crdt.LogID{Device: own, Incarnation: crdt.Incarnation{1}, Scope: scope, Class: crdt.ClassRecords}
	branch := crdt.BranchName(log, crdt.Hash{9})
	said := &identity.Receipt{Signer: own, Scope: scope, Heads: []identity.LogHead{
		{Log: log, Head: crdt.Head{Seq: 2, Hash: crdt.Hash{2}}}, {Log: branch, Head: crdt.Head{Seq: 3, Hash: crdt.Hash{3}}},
	}}
	copies := &identity.Receipt{Signer: own, Scope: scope, Heads: []identity.LogHead{{Log: log, Head: crdt.Head{Seq: 5, Hash: crdt.Hash{5}}}}}
	h := reconcile.Holding{Heads: map[crdt.LogID]crdt.Head{log: copies.Heads[0].Head}, Receipts: []*identity.Receipt{said}}
	if heads, owes := (reconcile.Holding{Heads: h.Heads}).Owes(own); owes {
		t.Errorf("without a copy it owes a receipt of %v", heads)
	}
	h.Heads[branch] = said.Heads[1].Head
	heads, owes := h.Owes(own)
	if !owes {
		t.Fatal("it owes nothing for what its copy wrote under its name")
	}
	next := &identity.Receipt{Signer: own, Scope: scope, Heads: heads}
	if !reconcile.Newer(next, said) || !reconcile.Newer(next, copies) {
		t.Errorf("its next receipt, of %v, doesn't take the place of both", heads)
	}
	h.Receipts[0] = next
	if heads, owes := h.Owes(own); owes {
		t.Errorf("when it has signed, it owes a receipt of %v again", heads)
	}
}

// Who lacks what a segment goes on from asks for it, and it is sent at once: nobody has
// to state what he holds.
func TestAGapIsFilledWithoutHeads(t *testing.T) {
	d := disk{}
	laptop, box := newNode(t, "laptop", identity.RoleLaptop), newNode(t, "box", identity.RoleBox)
	log := laptop.Log(scope, crdt.ClassRecords)
	save(t, laptop, crdt.ClassRecords, 2)
	a, b := resume(t, d, laptop, box)
	settle(t, a, b)
	hangUp(a, b)
	save(t, laptop, crdt.ClassRecords, 4)
	wrong, err := reconcile.DecodeMemory(d.of(laptop, box).memory)
	if err != nil {
		t.Fatal(err)
	}
	wrong.Given[log] = reconcile.Known{Seq: 5} // it has 2
	if d.of(laptop, box).memory, err = wrong.Encode(); err != nil {
		t.Fatal(err)
	}
	a, b = resume(t, d, laptop, box)
	kinds := map[string]int{}
	for _, e := range []*end{a, b} {
		e.hook = func(frame []byte) { kinds[parse(t, frame).Kind]++ }
	}
	settle(t, a, b)
	same(t, laptop, box)
	if kinds["want"] != 1 || kinds["heads"] != 0 {
		t.Errorf("what crossed the line: %v; one want, and no heads", kinds)
	}
}
