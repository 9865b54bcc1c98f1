package daemon

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"net/netip"

	"github.com/vungxa/vungxa/sync/link/mdns"
	"github.com/vungxa/vungxa/sync/replica"
)

// findsOffice says whether this node looks for others on the local network.
func (d *Daemon) findsOffice() bool { return announced(d.host.Addr(), d.self.config.MDNSOff) }

// announced says whether a node that listens at an address is to be found: it can be
// called from outside its machine, and nobody has turned that off.
func announced(address string, off bool) bool {
	at, err := netip.ParseAddrPort(address)
	return err == nil && !at.Addr().IsLoopback() && !off
}

// findOffice lets the office's devices find each other until ctx ends.
func (d *Daemon) findOffice(ctx context.Context) error {
	if !d.findsOffice() {
		return nil
	}
	at, err := netip.ParseAddrPort(d.host.Addr())
	if err != nil {
		return fmt.Errorf("the address for other nodes: %w", err)
	}
	return mdns.Run(ctx, mdns.Config{
		Key: d.self.claims.PeerKey, Port: at.Port(), Known: d.neighbours, Rand: d.opts.Rand, Log: d.opts.Log,
		Found: func(key ed25519.PublicKey, address string) {
			if err := d.replica.Nearby(key, address); err != nil {
				d.opts.Log.Debug("a device nearby was not taken as a peer", "error", err)
			}
		},
	})
}

// neighbours are the peer keys of the devices that may be met without having been named.
func (d *Daemon) neighbours() (keys []ed25519.PublicKey) {
	for _, c := range d.self.directory.All() {
		if _, ok := d.meets(c.PeerKey); ok {
			keys = append(keys, c.PeerKey)
		}
	}
	return keys
}

// meets says of a device that isn't named in node.json whether it is one of the office:
// certified, for a scope that is kept here. A line that the demonstration has cut stays
// cut.
func (d *Daemon) meets(key ed25519.PublicKey) (replica.Peer, bool) {
	claims, ok := d.self.directory.ByPeerKey(key)
	if !ok || claims.Device == d.self.claims.Device || !d.findsOffice() {
		return replica.Peer{}, false
	}
	shares := false
	for _, scope := range d.self.config.Scopes {
		shares = shares || claims.Covers(scope)
	}
	cut, err := d.engine.Local(cutLines, claims.Device.String())
	return replica.Peer{Device: claims.Device, PeerKey: claims.PeerKey, Cut: string(cut) == "cut"}, shares && err == nil
}
