package replica_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/replica"
	"github.com/vungxa/vungxa/sync/replica/memlog"
)

// A laptop learns through the box that the province has received its save.
func TestReceiptsComeBackThroughTheBox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, laptop, box, hub := office(t)
		laptop.save(3)
		start(laptop, box, hub)
		time.Sleep(5 * time.Second)
		log := laptop.node.Log(scope, crdt.ClassRecords)
		if !laptop.received(box, log, 3) || !laptop.received(hub, log, 3) {
			t.Errorf("the laptop holds %s", laptop.holds())
		}
		laptop.save(1) // while everything is connected
		time.Sleep(time.Second)
		if !laptop.received(hub, log, 4) {
			t.Error("a save on an open line was not answered within a second")
		}
		same(t, laptop, box, hub)
		if hub.heardFrom()[laptop.node.Claims.Device] == 0 {
			t.Error("the hub has not heard from the laptop through the box")
		}
		if hub.kept.Load() == 0 {
			t.Error("the hub did not keep the laptop's certificate")
		}
		if s := laptop.state(box); !s.Connected || s.LastContactMS == nil || s.Why.VI != "" {
			t.Errorf("state: %+v", s)
		}
		halt(laptop, box, hub)
	})
}

// Whoever shows the lines is told when one of them changes, and not otherwise.
func TestChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, laptop, box, _ := office(t)
		net.setDown("laptop", "box", true)
		box.peers = box.peers[:1]
		start(laptop, box)
		time.Sleep(10 * time.Second)
		changes := func(within time.Duration) (n int) {
			end := time.After(within)
			for {
				select {
				case <-laptop.r.Changed():
					n++
				case <-end:
					return n
				}
			}
		}
		net.setDown("laptop", "box", false)
		if n := changes(time.Minute); n == 0 || !laptop.state(box).Connected {
			t.Errorf("%d changes while the line came up: %+v", n, laptop.state(box))
		}
		if n := changes(time.Hour); n != 0 {
			t.Errorf("%d changes while nothing did", n)
		}
		laptop.save(1)
		if n := changes(time.Minute); n != 0 {
			t.Errorf("%d changes of the lines by a save", n)
		}
		must(t, laptop.r.SetCut(box.node.Claims.Device, true))
		if n := changes(time.Minute); n == 0 {
			t.Error("no change when the line was cut")
		}
		halt(laptop, box)
	})
}

// New refuses what could never work.
func TestNewRefuses(t *testing.T) {
	_, laptop, box, _ := office(t)
	good := replica.Config{
		Root: identity.Public(root), Certificate: laptop.node.Certificate, Directory: laptop.node.Directory,
		Scopes: laptop.node.Claims.Scopes, Peers: laptop.peers,
	}
	if _, err := replica.New(good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*replica.Config){
		"no certificate":       func(c *replica.Config) { c.Certificate = nil },
		"a scope outside":      func(c *replica.Config) { c.Scopes = []crdt.Scope{"c/99999"} },
		"a peer without a key": func(c *replica.Config) { c.Peers = []replica.Peer{{Device: box.node.Claims.Device}} },
		"a peer twice":         func(c *replica.Config) { c.Peers = append(c.Peers[:1:1], c.Peers[0]) },
		"the device itself as peer": func(c *replica.Config) {
			c.Peers = []replica.Peer{{Device: laptop.node.Claims.Device, PeerKey: box.node.Claims.PeerKey}}
		},
	} {
		c := good
		spoil(&c)
		if _, err := replica.New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// The operator of either side can cut a line and restore it. Saves wait.
func TestCut(t *testing.T) {
	for _, by := range []string{"caller", "called"} {
		t.Run(by, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, laptop, box, hub := office(t)
				laptop.retry = 5 * time.Second
				start(laptop, box, hub)
				time.Sleep(5 * time.Second)
				cutter, other := laptop, box
				if by == "called" {
					cutter, other = box, laptop
				}
				must(t, cutter.r.SetCut(other.node.Claims.Device, true))
				time.Sleep(100 * time.Millisecond)
				laptop.save(2)
				time.Sleep(time.Hour)
				log := laptop.node.Log(scope, crdt.ClassRecords)
				if _, held, _ := box.node.HashAt(log, 1); held {
					t.Fatal("an entry crossed a line that was cut")
				}
				if s := cutter.state(other); !s.Cut || s.Connected || !strings.Contains(s.Why.VI, "ngắt") {
					t.Errorf("who cut it sees %+v", s)
				}
				if s := other.state(cutter); s.Cut || s.Connected || !strings.Contains(s.Why.VI, "ngắt") && by == "called" {
					t.Errorf("the other side sees %+v", s)
				}
				must(t, cutter.r.SetCut(other.node.Claims.Device, false))
				time.Sleep(7 * time.Second)
				same(t, laptop, box, hub)
				if !laptop.received(hub, log, 2) {
					t.Error("no tick after the line was restored")
				}
				halt(laptop, box, hub)
			})
		})
	}
}

// A line that was cut before the last stop is cut after the start.
func TestCutFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, laptop, box, hub := office(t)
		laptop.peers[0].Cut = true
		start(laptop, box, hub)
		time.Sleep(time.Hour)
		if s := laptop.state(box); s.Connected || !s.Cut || net.count() != 1 {
			t.Errorf("%d calls, %+v", net.count(), s)
		}
		must(t, laptop.r.SetCut(box.node.Claims.Device, false))
		time.Sleep(time.Second)
		if s := laptop.state(box); !s.Connected {
			t.Errorf("restored, but %+v", s)
		}
		if err := laptop.r.SetCut(crdt.Device{9}, true); err == nil {
			t.Error("cut a line that there isn't")
		}
		halt(laptop, box, hub)
	})
}

// Calls to a peer that doesn't answer become rare, and Kick calls at once.
func TestBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, laptop, box, _ := office(t)
		start(laptop) // the box is off
		time.Sleep(time.Hour)
		if n := net.count(); n < 60 || n > 130 {
			t.Errorf("%d calls in an hour; want about one every 30 to 60 s", n)
		}
		if s := laptop.state(box); s.Why.EN == "" || s.Why.VI == "" || s.Detail == "" {
			t.Errorf("no reason: %+v", s)
		}
		box.peers = box.peers[:1]
		start(box)
		before := net.count()
		laptop.r.Kick()
		time.Sleep(50 * time.Millisecond)
		if net.count() != before+1 || !laptop.state(box).Connected {
			t.Errorf("%d calls after Kick, %+v", net.count()-before, laptop.state(box))
		}
		halt(laptop, box)
	})
}

// A peer that lost its line calls again, and its new session takes the place of
// the old one, which this side still believes in.
func TestNewConnectionReplacesOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, laptop, box, _ := office(t)
		start(laptop, box)
		time.Sleep(time.Second)
		// Another host with the laptop's key: what a restarted laptop is to the box.
		again := net.host("laptop again", laptop.node.Claims.PeerKey)
		c, err := again.Dial(t.Context(), "box", box.node.Claims.PeerKey)
		must(t, err)
		hello, err := c.ReadFrame()
		must(t, err)
		if len(hello) == 0 {
			t.Error("no hello")
		}
		must(t, c.Close())
		time.Sleep(5 * time.Second)
		laptop.save(1)
		time.Sleep(time.Second)
		same(t, laptop, box)
		halt(laptop, box)
	})
}

// Whoever is not on the list gets nothing, and who says nothing is left.
func TestStrangersAndTheSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, laptop, box, _ := office(t)
		start(box)
		stranger := net.host("stranger", identity.Public(memlog.Key("stranger")))
		c, err := stranger.Dial(t.Context(), "box", box.node.Claims.PeerKey)
		must(t, err)
		if f, err := c.ReadFrame(); !errors.Is(err, io.EOF) {
			t.Errorf("a stranger was told %x, %v", f, err)
		}
		silent := net.host("silent", laptop.node.Claims.PeerKey)
		c, err = silent.Dial(t.Context(), "box", box.node.Claims.PeerKey)
		must(t, err)
		_, err = c.ReadFrame()
		must(t, err)
		began := time.Now()
		if _, err := c.ReadFrame(); !errors.Is(err, io.EOF) || time.Since(began) > time.Minute {
			t.Errorf("a silent peer was kept for %s: %v", time.Since(began), err)
		}
		if box.state(laptop).Connected {
			t.Error("a peer that never said hello counts as connected")
		}
		halt(box)
	})
}

// A node whose store fails says so, to its people and to the peer, keeps
// everything as it was, and goes on when the store does.
func TestStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, laptop, box, _ := office(t)
		full := true
		var mu sync.Mutex
		box.ingest = func(ctx context.Context, segments []*wire.Segment) error {
			mu.Lock()
			defer mu.Unlock()
			if full {
				return errors.New("disk full")
			}
			return box.node.Ingest(ctx, segments)
		}
		laptop.save(1)
		start(laptop, box)
		time.Sleep(10 * time.Second)
		if s := laptop.state(box); s.Connected || !strings.Contains(s.Why.EN, "refused") {
			t.Errorf("the laptop sees %+v", s)
		}
		if s := box.state(laptop); s.Connected || !strings.Contains(s.Detail, "disk full") {
			t.Errorf("the box sees %+v", s)
		}
		if laptop.received(box, laptop.node.Log(scope, crdt.ClassRecords), 1) {
			t.Error("a receipt for what was not stored")
		}
		mu.Lock()
		full = false
		mu.Unlock()
		time.Sleep(2 * time.Minute)
		same(t, laptop, box)
		halt(laptop, box)
	})
}

// Run ends with an error when its carrier does, and leaves nothing running.
func TestCarrierFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, laptop, _, _ := office(t)
		r, err := replica.New(replica.Config{
			Root: identity.Public(root), Certificate: laptop.node.Certificate, Directory: laptop.node.Directory,
			Scopes: laptop.node.Claims.Scopes, Peers: laptop.peers, Log: laptop.node, Ingest: laptop.node.Ingest,
			Sign: laptop.node.Sign, Hear: laptop, Carrier: brokenCarrier{}, Now: time.Now, Rand: &bytes.Buffer{},
		})
		must(t, err)
		if err := r.Run(t.Context()); !errors.Is(err, errNoRoute) {
			t.Errorf("got %v", err)
		}
	})
}

type brokenCarrier struct{ replica.Carrier }

func (brokenCarrier) Dial(ctx context.Context, _ string, _ ed25519.PublicKey) (replica.Conn, error) {
	return nil, errNoRoute
}
func (brokenCarrier) Accept(context.Context) (replica.Conn, error) { return nil, errNoRoute }
