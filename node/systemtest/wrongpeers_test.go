//go:build linux

package systemtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/demo"
	"github.com/vungxa/vungxa/node/engine"
	"github.com/vungxa/vungxa/node/store/keyring"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/link"
	"github.com/vungxa/vungxa/sync/reconcile"
	"github.com/vungxa/vungxa/sync/replica/memlog"
)

// The authority that all believe, and another that nobody does.
var authority, elsewhere = memlog.Key("authority"), memlog.Key("another authority")

// victim is a node that runs, and a device of the attacker's that may call it:
// its keys and certificate are right, and all that it says may be wrong.
type victim struct {
	*testing.T
	name string
	*daemon.Daemon
	self   *memlog.Node // its keys and certificate
	sync   string       // where it listens
	thief  *memlog.Node
	other  *memlog.Node // a third device, certified, that the victim is to hear of
	abroad *memlog.Node // a device that is certified for another commune
	log    *output
}

// wrong is what an attacker does once it is connected under the thief's key, and how
// it fares: the session ends, or what was sent is refused alone, or passed over.
type wrong struct {
	name    string
	code    reconcile.Code
	ends    bool
	ignored bool
	do      func(*attack)
}

var wrongs = []wrong{
	{"garbage", reconcile.Malformed, true, false, func(a *attack) { a.send([]byte("GET / HTTP/1.1\r\n\r\n")) }},
	{"garbage after hello", reconcile.Malformed, true, false, func(a *attack) { a.greet(); a.send(bytes.Repeat([]byte{0xff}, link.MaxFrame)) }},
	{"an unknown message", reconcile.Unknown, true, false, func(a *attack) { a.greet(); a.say(15, []byte("?")) }},
	{"the first format", reconcile.Format, true, false, func(a *attack) {
		a.say(0, 0, a.thief.Certificate, []any{[]any{string(demo.Scope()), [16]byte{}}})
	}},
	{"another root's certificate", reconcile.Certificate, true, false, func(a *attack) {
		a.hello(a.certified(elsewhere, "thief", identity.RoleLaptop, demo.Scope()).Certificate, demo.Scope())
	}},
	{"another device's certificate", reconcile.PeerKey, true, false, func(a *attack) { a.hello(a.other.Certificate, demo.Scope()) }},
	{"a scope outside the certificate", reconcile.Scope, true, false, func(a *attack) { a.hello(a.thief.Certificate, "c/99999") }},
	{"entries of a device outside its scope", reconcile.Scope, false, false, func(a *attack) {
		a.greet()
		a.say(20, a.abroad.Certificate)
		a.segment(a.abroad, 0, nil)
	}},
	{"entries of a device without a certificate", reconcile.Certificate, false, false, func(a *attack) {
		a.greet()
		a.segment(a.certified(elsewhere, "unknown", identity.RoleLaptop, demo.Scope()), 0, nil)
	}},
	{"a wrong seal", reconcile.Seal, false, false, func(a *attack) {
		a.greet()
		a.segment(a.thief, 0, func(s *wire.Segment) { s.Seal.Signature[7] ^= 1 })
	}},
	{"entries that leave a gap", 0, false, true, func(a *attack) { a.greet(); a.segment(a.thief, 1, nil) }},
	{"entries in another order", reconcile.Chain, false, false, func(a *attack) {
		a.greet()
		a.segment(a.thief, 0, func(s *wire.Segment) { slices.Reverse(s.Entries) })
	}},
	{"a forged receipt", reconcile.Receipt, false, false, func(a *attack) {
		a.greet()
		a.say(20, a.other.Certificate)
		a.receipt(&identity.Receipt{Signer: a.other.Claims.Device, HubEpoch: a.other.HubEpoch, Heads: a.heads()}, a.thief.Keys.Seal)
	}},
	{"a receipt for what is not held", 0, false, true, func(a *attack) {
		a.greet()
		head := identity.LogHead{Log: a.thief.Log(demo.Scope(), crdt.ClassRecords), Head: crdt.Head{Seq: 9, Hash: crdt.Hash{9}}}
		a.receipt(&identity.Receipt{Signer: a.thief.Claims.Device, Heads: []identity.LogHead{head}}, a.thief.Keys.Seal)
	}},
}

// TestWrongPeers attacks a running box and a running province over real
// connections. Whatever is wrong is refused with a reason, the connection ends,
// nothing has changed, and box and province go on with each other.
func TestWrongPeers(t *testing.T) {
	left := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, left) })
	box, province := besieged(t)
	good := func(t *testing.T) {
		t.Helper()
		received(t, box.Daemon)
	}
	good(t)
	for _, v := range []*victim{box, province} {
		for _, w := range wrongs {
			t.Run(v.name+"/"+w.name, func(t *testing.T) {
				v.unchanged(t, func() { v.attack(t, w) })
				good(t)
			})
		}
		for name, f := range map[string]func(*victim, *testing.T){
			"garbage on the port": (*victim).garbage, "an unknown key": (*victim).unknownKey,
			"an oversized frame": (*victim).oversized, "a device that is not on the list": (*victim).unlisted,
		} {
			t.Run(v.name+"/"+name, func(t *testing.T) {
				v.unchanged(t, func() { f(v, t) })
				good(t)
			})
		}
	}
	for _, v := range []*victim{box, province} {
		t.Run(v.name+"/what is right, from the same device", v.believes)
	}
}

// besieged starts a province and a box, each with a thief among those that may
// call it.
func besieged(t *testing.T) (box, province *victim) {
	t.Helper()
	certified := func(name string, role identity.Role, scope crdt.Scope) *memlog.Node {
		n, err := memlog.New(authority, name, role, scope)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	scope := demo.Scope()
	hub, office := certified("province", identity.RoleHub, scope), certified("box", identity.RoleBox, scope)
	abroad := certified("abroad", identity.RoleLaptop, "c/99999")
	province = &victim{T: t, name: "province", self: hub, sync: freePort(t), other: office, abroad: abroad, thief: certified("another box", identity.RoleBox, scope)}
	box = &victim{T: t, name: "box", self: office, sync: freePort(t), other: hub, abroad: abroad, thief: certified("laptop", identity.RoleLaptop, scope)}
	province.start(daemon.Peer{Device: office.Claims.Device.String()})
	box.start(daemon.Peer{Device: hub.Claims.Device.String(), Address: province.sync})
	return box, province
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

// start enrols the victim, with a good peer and the thief, and runs it.
func (v *victim) start(good daemon.Peer) {
	v.Helper()
	dir := filepath.Join(v.TempDir(), v.name)
	v.log = &output{}
	config := &daemon.Config{
		Scopes: []crdt.Scope{demo.Scope()}, HTTP: "127.0.0.1:0", Sync: v.sync, Authority: hex.EncodeToString(identity.Public(authority)),
		Peers: []daemon.Peer{good, {Device: v.thief.Claims.Device.String()}}, Officers: []daemon.Officer{{ID: "lan", Name: "Lan"}},
	}
	ring, err := keyring.Create(dir, keyring.BesideSecret(), "", rand.Reader)
	v.must(err)
	v.must(daemon.Enrol(dir, config, daemon.Keys(v.self.Keys), ring.Keys(), v.self.Certificate, v.other.Certificate, v.thief.Certificate, v.abroad.Certificate))
	v.Daemon, err = daemon.New(dir, daemon.Options{
		UI: fstest.MapFS{}, Now: time.Now, Rand: rand.Reader, Log: slog.New(slog.NewTextHandler(v.log, nil)),
	})
	v.must(err)
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- v.Daemon.Run(ctx) }()
	v.Cleanup(func() {
		stop()
		v.must(<-ran)
		v.must(v.Close())
	})
}

func (v *victim) must(err error) {
	v.Helper()
	if err != nil {
		v.Fatalf("%s: %v", v.name, err)
	}
}

// received saves at a node, and waits until the province has received it.
func received(t *testing.T, d *daemon.Daemon) {
	t.Helper()
	ids, err := d.Engine().Save(t.Context(), engine.Save{Officer: "Lan", Class: crdt.ClassRecords, Changes: []engine.Change{{
		Collection: "petitions", Values: map[string]any{"NoiDung": "Đường hỏng"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "a good save at the province", func() error {
		r, err := d.Engine().Get(t.Context(), "petitions", ids[0])
		if err == nil && r.Tick != engine.Province {
			err = fmt.Errorf("its tick is %v", r.Tick)
		}
		return err
	})
}

// believes shows that the attacks failed by what was wrong in them alone: the
// same device is believed when it says what is right.
func (v *victim) believes(t *testing.T) {
	_, conn, err := v.dial(t, v.thief.Keys.Peer)
	if err != nil {
		t.Fatal(err)
	}
	a := &attack{t, v, conn}
	a.greet()
	a.segment(v.thief, 0, nil)
	eventually(t, "entries of the thief's", func() error {
		heads, err := v.Engine().Heads(demo.Scope())
		if err == nil && heads[v.thief.Log(demo.Scope(), crdt.ClassRecords)].Seq < 3 {
			err = fmt.Errorf("the heads are %v", heads)
		}
		return err
	})
}

// unchanged fails if the victim holds anything else after f.
func (v *victim) unchanged(t *testing.T, f func()) {
	t.Helper()
	before := v.holds(t)
	f()
	if after := v.holds(t); after != before {
		t.Errorf("the %s held\n%s\nand now holds\n%s", v.name, before, after)
	}
}

// holds is what the victim holds: logs, receipts, records.
func (v *victim) holds(t *testing.T) string {
	t.Helper()
	heads, err := v.Engine().Heads(demo.Scope())
	if err != nil {
		t.Fatal(err)
	}
	receipts, err := v.Engine().Receipts(demo.Scope())
	if err != nil {
		t.Fatal(err)
	}
	said := fmt.Sprintln(heads)
	for _, r := range receipts {
		said += fmt.Sprintln(r.Signer, r.Heads)
	}
	for _, collection := range collections {
		page, err := v.Engine().Search(t.Context(), engine.Query{Collection: collection, Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		said += fmt.Sprintln(collection, page.Total)
	}
	return said
}
