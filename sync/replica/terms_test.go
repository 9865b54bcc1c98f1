package replica_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
	"github.com/vungxa/vungxa/sync/replica"
)

// A box with a laptop and no line to the province: the laptop goes to town, and what it
// brings there is the office's; the province's receipt comes back with it. Nothing says
// before that the province has anything.
func TestALaptopCarriesTheOfficeToTown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork()
		box, laptop, hub := newStation(t, net, "box", identity.RoleBox), newStation(t, net, "laptop", identity.RoleLaptop), newStation(t, net, "hub", identity.RoleHub)
		join(laptop, box)
		join(laptop, hub)
		net.setDown("laptop", "hub", true)
		box.save(5)
		log := box.node.Log(scope, crdt.ClassRecords)
		start(box, laptop, hub)
		time.Sleep(time.Minute)
		if !box.received(laptop, log, 5) || box.received(hub, log, 1) {
			t.Fatalf("in the office: the laptop has signed %v, the province %v", box.received(laptop, log, 5), box.received(hub, log, 1))
		}
		net.setDown("laptop", "box", true) // on the road
		net.cutAll()
		time.Sleep(24 * time.Hour)
		box.save(2)
		net.setDown("laptop", "hub", false) // in town
		time.Sleep(10 * time.Minute)
		if !laptop.received(hub, log, 5) || box.received(hub, log, 1) {
			t.Fatal("in town: the province hasn't signed, or the box knows of it by magic")
		}
		if hub.heardFrom()[box.node.Claims.Device] == 0 {
			t.Error("the province hasn't heard from the box through the laptop")
		}
		net.setDown("laptop", "hub", true) // and back
		net.cutAll()
		time.Sleep(24 * time.Hour)
		net.setDown("laptop", "box", false)
		time.Sleep(10 * time.Minute)
		if !box.received(hub, log, 5) || box.received(hub, log, 6) {
			t.Errorf("back in the office: five %v, six %v", box.received(hub, log, 5), box.received(hub, log, 6))
		}
		halt(box, laptop, hub)
	})
}

// A metered line is used in its hours only: no call before, and what isn't urgent stops
// when they end. Virtual time begins at midnight UTC.
func TestHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, laptop, box, _ := office(t)
		box.peers = box.peers[:1]
		laptop.peers[0].Terms = replica.Terms{Hours: []replica.Hours{{From: 22 * time.Hour, To: 30 * time.Minute}, {From: 30 * time.Minute, To: time.Hour}, {From: 5 * time.Hour, To: 6 * time.Hour}}}
		midnight := time.Now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
		time.Sleep(time.Until(midnight.Add(90 * time.Minute)))
		laptop.save(1)
		start(laptop, box)
		time.Sleep(3 * time.Hour)
		if net.count() != 0 {
			t.Fatalf("%d calls outside of the hours", net.count())
		}
		time.Sleep(time.Until(midnight.Add(5*time.Hour + time.Minute)))
		log := laptop.node.Log(scope, crdt.ClassRecords)
		if net.count() != 1 || !laptop.received(box, log, 1) {
			t.Fatalf("%d calls in the hours; received %v", net.count(), laptop.received(box, log, 1))
		}
		time.Sleep(2 * time.Hour)
		laptop.save(1)
		time.Sleep(time.Hour)
		if laptop.received(box, log, 2) {
			t.Error("a save went out when the hours were over")
		}
		time.Sleep(time.Until(midnight.Add(22*time.Hour + 40*time.Minute)))
		if !laptop.received(box, log, 2) {
			t.Error("the save hasn't gone out in the evening's hours")
		}
		before := net.count()
		time.Sleep(time.Until(midnight.Add(24*time.Hour + 50*time.Minute)))
		if s := laptop.state(box); !s.Connected || net.count() != before {
			t.Errorf("hours that follow each other over midnight are not one: %+v", s)
		}
		halt(laptop, box)
	})
}

// How a line was is known after a restart: whom it couldn't reach isn't called at once,
// and when it last could is said.
func TestALineIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, laptop, box, _ := office(t)
		box.peers = box.peers[:1]
		start(laptop, box)
		time.Sleep(2 * time.Hour) // quiet, and alive
		must(t, laptop.r.SetCut(box.node.Claims.Device, true))
		cut := time.Now()
		time.Sleep(time.Second)
		near := func() bool {
			ms := laptop.state(box).LastContactMS
			return ms != nil && cut.Sub(time.UnixMilli(*ms)).Abs() < time.Minute
		}
		if !near() {
			t.Errorf("last contact %v; the line was alive until it was cut", laptop.state(box).LastContactMS)
		}
		net.setDown("laptop", "box", true)
		must(t, laptop.r.SetCut(box.node.Claims.Device, false))
		time.Sleep(time.Hour)
		laptop.halt()
		before := net.count()
		laptop.start()
		time.Sleep(10 * time.Second)
		if n := net.count() - before; n > 1 || !near() {
			t.Errorf("%d calls in ten seconds after a restart, last contact %v", n, laptop.state(box).LastContactMS)
		}
		halt(laptop, box)
	})
}

func TestTermsOfNoDayAreRefused(t *testing.T) {
	_, laptop, _, _ := office(t)
	for _, h := range []replica.Hours{{From: 5, To: 5}, {From: -1, To: 5}, {From: 25 * time.Hour, To: 5}} {
		peer := laptop.peers[0]
		peer.Terms = replica.Terms{Hours: []replica.Hours{h}, Budget: reconcile.Allowance{}}
		_, err := replica.New(replica.Config{
			Root: identity.Public(root), Certificate: laptop.node.Certificate, Directory: laptop.node.Directory,
			Scopes: laptop.node.Claims.Scopes, Peers: []replica.Peer{peer},
		})
		if err == nil {
			t.Errorf("hours %v are taken", h)
		}
	}
}
