package replica_test

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/link"
	"github.com/vungxa/vungxa/sync/replica"
)

// The same story over real connections: a laptop's save reaches the hub through
// the box, and its receipt comes back; then a cut holds, and is mended.
func TestOverLink(t *testing.T) {
	_, laptop, box, hub := office(t)
	laptop.save(3)
	var stop []func()
	addresses := map[string]string{}
	for _, s := range []*station{hub, box, laptop} { // who is called comes first
		for i, p := range s.peers {
			s.peers[i].Address = addresses[p.Address]
		}
		h := listen(t, s)
		addresses[s.name] = h.Addr()
		stop = append(stop, runOver(t, s, h))
	}
	log := laptop.node.Log(scope, crdt.ClassRecords)
	await(t, laptop, func() bool { return laptop.received(hub, log, 3) })
	laptop.save(1)
	await(t, laptop, func() bool { return laptop.received(hub, log, 4) })

	must(t, box.r.SetCut(laptop.node.Claims.Device, true))
	awaitLine(t, laptop, func() bool { return !laptop.state(box).Connected && laptop.state(box).Detail != "" })
	laptop.save(1)
	must(t, box.r.SetCut(laptop.node.Claims.Device, false))
	await(t, laptop, func() bool { laptop.r.Kick(); return laptop.received(hub, log, 5) })
	for _, s := range []*station{laptop, box, hub} { // the box's own receipt is behind the hub's
		await(t, s, func() bool { return s.received(box, log, 5) && s.received(hub, log, 5) })
	}
	same(t, laptop, box, hub)
	for _, f := range slices.Backward(stop) {
		f()
	}
}

func listen(t *testing.T, s *station) *link.Host {
	t.Helper()
	h, err := link.New(link.Config{
		Key: s.node.Keys.Peer, Listen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler),
		Allow: func(key ed25519.PublicKey) bool {
			return slices.ContainsFunc(s.peers, func(p replica.Peer) bool { return p.PeerKey.Equal(key) })
		},
	})
	must(t, err)
	return h
}

func runOver(t *testing.T, s *station, h *link.Host) (stop func()) {
	t.Helper()
	var err error
	s.r, err = replica.New(replica.Config{
		Root: identity.Public(root), Certificate: s.node.Certificate, Directory: s.node.Directory,
		Scopes: s.node.Claims.Scopes, Peers: s.peers,
		Log: s.node, Ingest: s.node.Ingest, Sign: s.node.Sign, Hear: s, Carrier: replica.Over(h),
		Now: time.Now, Rand: rand.NewChaCha8([32]byte{1}), RetryMin: 10 * time.Millisecond, RetryMax: 100 * time.Millisecond,
	})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.r.Run(ctx) }()
	return func() {
		cancel()
		must(t, <-done)
		must(t, h.Close())
	}
}

// await waits until something holds, which a change of the node may bring.
func await(t *testing.T, s *station, holds func() bool) {
	t.Helper()
	wait(t, s.node.Changed, holds)
}

func awaitLine(t *testing.T, s *station, holds func() bool) {
	t.Helper()
	wait(t, s.r.Changed, holds)
}

func wait(t *testing.T, changed func() <-chan struct{}, holds func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		c := changed()
		if holds() {
			return
		}
		select {
		case <-c:
		case <-deadline:
			t.Fatal("nothing came of it in a minute")
		}
	}
}
