package daemon

import (
	"context"
	"crypto/ed25519"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
	"github.com/vungxa/vungxa/sync/replica"
)

// WorthLeaving says which logs a new name may help.
func WorthLeaving(own crdt.Device, held map[crdt.LogID]reconcile.Held, taken map[crdt.LogID]bool) []crdt.LogID {
	return worthLeaving(own, held, taken)
}

// Misseal has what f seals sealed as by another device, as failing memory would. The node
// doesn't run yet.
func (d *Daemon) Misseal(f func()) {
	right := d.self.keys.Seal
	d.self.keys.Seal = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	defer func() { d.self.keys.Seal = right }()
	f()
}

// OnRotationStep sets what is told of every step of a change of the data key.
func OnRotationStep(f func(string)) { rotationStep = f }

// DeviceKeys are the node's keys in the clear.
func (d *Daemon) DeviceKeys() Keys { return d.self.keys }

// Compact is what is done behind each reading of the store, too.
func (d *Daemon) Compact(ctx context.Context) { d.compact(ctx) }

// Collect is what is done behind each reading of the store.
func (d *Daemon) Collect(ctx context.Context) { d.collect(ctx) }

// StoreOf is the node's store.
func (d *Daemon) StoreOf() *store.Store { return d.store }

// ReplicaConfig is what the node's lines are made with.
func (d *Daemon) ReplicaConfig(peers []replica.Peer, carrier replica.Carrier) replica.Config {
	return d.replicaConfig(peers, carrier)
}

// Peer is the node as another one's peer.
func (d *Daemon) Peer(address string) replica.Peer {
	return replica.Peer{Device: d.self.claims.Device, PeerKey: d.self.claims.PeerKey, Address: address}
}

// TakeIn takes segments in, as they come from a peer: on a hub through raft.
func (d *Daemon) TakeIn(ctx context.Context, segments []*wire.Segment) error {
	return d.takeIn(ctx, segments)
}

// WithRoom is what a node does four times a second, while there is room.
func (d *Daemon) WithRoom() error {
	if err := d.store.Tend(); err != nil {
		return err
	}
	d.engine.Resume()
	d.writeLater()
	return nil
}

// Ready waits until the hub leads.
func (d *Daemon) Ready(ctx context.Context) error { return d.hub.Ready(ctx) }

// OnRenewalStep sets what is told of every step of Renew.
func OnRenewalStep(f func(string)) { renewalStep = f }

// ThinAddr is where the node's thin link listens.
func (d *Daemon) ThinAddr() string { return d.thin.Addr() }

// ClaimsOf are the node's own.
func (d *Daemon) ClaimsOf() identity.Claims { return d.self.claims }
