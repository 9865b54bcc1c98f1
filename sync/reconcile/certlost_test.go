package reconcile_test

import (
	"slices"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
)

// A certificate that was lost with the line goes again before what it vouches for: nothing
// is refused for the lack of it.
func TestALostCertificateGoesAgain(t *testing.T) {
	laptop, box, hub := newNode(t, "laptop", identity.RoleLaptop), newNode(t, "box", identity.RoleBox), newNode(t, "hub", identity.RoleHub)
	save(t, box, crdt.ClassRecords, 1)
	d := disk{}
	a, b := resume(t, d, box, hub)
	settle(t, a, b)
	hangUp(a, b)
	save(t, laptop, crdt.ClassRecords, 3)
	c, e := connect(t, laptop, box)
	settle(t, c, e)
	a, b = resume(t, d, box, hub)
	lost := false
	b.spoil = func(frame []byte) [][]byte {
		if lost = lost || parse(t, frame).Kind == "cert"; lost {
			return nil
		}
		return [][]byte{frame}
	}
	settle(t, a, b)
	hangUp(a, b)
	if !lost {
		t.Fatal("the laptop's certificate was not sent")
	}
	a, b = resume(t, d, box, hub)
	var said []string
	for _, x := range []*end{a, b} {
		x.hook = func(frame []byte) {
			p := parse(t, frame)
			said = append(said, p.Kind)
			if p.Refusal != nil && p.Refusal.Code == reconcile.Certificate {
				t.Errorf("refused: %+v", p.Refusal)
			}
		}
	}
	settle(t, a, b)
	if at := slices.Index(said, "cert"); at < 0 || at > slices.Index(said, "segment") {
		t.Errorf("said %v", said)
	}
	same(t, box, hub)
}
