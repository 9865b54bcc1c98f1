package replica_test

import (
	"crypto/ed25519"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/replica"
)

// meeting lets stations take each other as peers.
func meeting(all ...*station) {
	for _, s := range all {
		s.meets = func(k ed25519.PublicKey) (replica.Peer, bool) {
			for _, o := range all {
				if o.node.Claims.PeerKey.Equal(k) {
					return replica.Peer{Device: o.node.Claims.Device, PeerKey: k}, true
				}
			}
			return replica.Peer{}, false
		}
	}
}

// Devices that nobody has named find each other, and share what they hold; a stranger at
// the same place doesn't become a peer, by being found or by calling.
func TestNearby(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork()
		laptop, box := newStation(t, net, "laptop", identity.RoleLaptop), newStation(t, net, "box", identity.RoleBox)
		stranger := newStation(t, net, "stranger", identity.RoleLaptop)
		meeting(laptop, box)
		stranger.peers = []replica.Peer{{Device: box.node.Claims.Device, PeerKey: box.node.Claims.PeerKey, Address: "box"}}
		laptop.save(3)
		start(laptop, box, stranger)
		for range 3 { // as announcements come, again and again
			must(t, laptop.r.Nearby(box.node.Claims.PeerKey, "box"))
			must(t, box.r.Nearby(laptop.node.Claims.PeerKey, "laptop"))
			must(t, box.r.Nearby(stranger.node.Claims.PeerKey, "stranger"))
			must(t, box.r.Nearby(box.node.Claims.PeerKey, "box"))
			time.Sleep(10 * time.Second)
		}
		same(t, laptop, box)
		if n := len(box.r.Peers()); n != 1 || !box.state(laptop).Connected || !laptop.state(box).Connected {
			t.Errorf("the box has %d peers: %+v", n, box.r.Peers())
		}
		if net.dials > 8 { // the stranger's calls among them
			t.Errorf("%d calls for one meeting", net.dials)
		}
		halt(laptop, box, stranger)
	})
}

// A box that is named with an address which leads nowhere any more is called where it was
// heard; a laptop that has moved is called at its new place.
func TestNearbyInstead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork()
		laptop, box := newStation(t, net, "laptop", identity.RoleLaptop), newStation(t, net, "box", identity.RoleBox)
		join(laptop, box)
		laptop.peers[0].Address = "elsewhere"
		start(laptop, box)
		time.Sleep(time.Minute)
		must(t, laptop.r.Nearby(box.node.Claims.PeerKey, "nowhere"))
		time.Sleep(time.Minute)
		if laptop.state(box).Connected {
			t.Fatal("connected to nowhere")
		}
		must(t, laptop.r.Nearby(box.node.Claims.PeerKey, "box"))
		time.Sleep(time.Second)
		if !laptop.state(box).Connected {
			t.Errorf("not connected: %+v", laptop.state(box))
		}
		halt(laptop, box)
	})
}
