package replica_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/reconcile"
)

// A contact is counted on disk before the peer hears it: a peer that has heard of one which
// this node then forgets would take its disk for a restored one.
func TestAContactIsCountedBeforeItIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, laptop, box, _ := office(t)
		start(box)
		c, err := net.host("laptop", laptop.node.Claims.PeerKey).Dial(t.Context(), "box", box.node.Claims.PeerKey)
		must(t, err)
		_, err = c.ReadFrame()
		must(t, err)
		b, err := box.Note(laptop.node.Claims.Device, "memory")
		must(t, err)
		m, err := reconcile.DecodeMemory(b)
		if err != nil || m.Mine != 1 {
			t.Errorf("at the first word %+v is on disk, %v; want the first contact counted", m, err)
		}
		must(t, c.Close())
		halt(box)
	})
}

// What has come of a long item is on disk before it is acknowledged, not only when the
// line ends: nobody tells a node that its power goes.
func TestWhatCameInPartIsKeptWhileItComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		laptop, box, bulk := slowOffice(t)
		start(laptop, box)
		time.Sleep(10 * time.Second) // 80 kB of a segment of 150 kB, and a window isn't acknowledged
		b, err := box.Note(laptop.node.Claims.Device, "staged/3")
		must(t, err)
		p, err := reconcile.DecodeStaged(b)
		if err != nil || p.Lane != uint8(crdt.ClassBulk) || len(p.Bytes) < 50_000 || box.upTo(bulk) != 0 {
			t.Errorf("%d bytes of lane %d are on disk, %v; want most of 80 kB", len(p.Bytes), p.Lane, err)
		}
		halt(laptop, box)
	})
}
