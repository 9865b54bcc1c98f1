package engine

import (
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
)

// A hub that was restored from a backup goes on from an older checkpoint: what it had
// signed after that is void on a node that held it, on one to which it comes later,
// and on one that is started again in between.
func TestARestoredHub(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop, late := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others), testEngine(t, "late", identity.RoleLaptop, others)
	id := box.create(map[string]any{"subject": "Thật", "received": testNow.UnixMilli()})
	laptop.pull(box)
	laptop.edit(id, "", map[string]any{"subject": "Của máy xách tay"})
	box.pull(laptop)
	late.pull(box)
	late.pull(laptop)
	h := &province{ms: testNow.UnixMilli()}
	first := h.checkpoint(crdt.Checkpoint{})
	back := *h
	lost := h.checkpoint(crdt.Checkpoint{Cuts: []crdt.Cut{cutDevice(laptop)}})
	back.at.Epoch, back.ms = 2, h.ms
	anew := back.checkpoint(crdt.Checkpoint{})
	box.checkpoint(first)
	box.checkpoint(lost)
	if got := box.get(id).Values["subject"]; got != "Thật" {
		t.Fatalf("under the cut: %v", got)
	}
	box.checkpoint(anew)
	late.checkpoint(first)
	late.checkpoint(anew)
	late.checkpoint(lost)
	for range 2 {
		for name, p := range map[string]*peer{"held what is void": box, "heard of it later": late} {
			if got := p.get(id).Values["subject"]; got != "Của máy xách tay" {
				t.Errorf("%s: shown %v", name, got)
			}
			if !p.Authority(testScope).Holds(lost.At, hashOf(lost)) {
				t.Errorf("%s: what is void isn't held: another backup may go on from it", name)
			}
			p.close()
			p.open()
		}
		if box.stateHash() != late.stateHash() {
			t.Error("two states")
		}
	}
}
