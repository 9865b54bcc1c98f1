package daemon

import (
	"context"
	"fmt"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
)

// A log is a chain: behind an entry that a peer doesn't take nothing of that log gets
// on. So that one such entry blocks nothing else, this device begins logs of a new name
// when the box or the province refuses the one that it writes. What lies in the old one
// is told to people (the inbox), who save it again.

// stuckEvery is how often this happens at most: a peer that refuses everything, for
// reasons of its own, makes no new log at each save.
const stuckEvery = time.Hour

// leaveStuck does it until ctx ends.
func (d *Daemon) leaveStuck(ctx context.Context) error {
	var last time.Time
	for {
		changed := d.replica.Changed()
		for _, log := range d.stuckLogs() {
			if !last.IsZero() && d.opts.Now().Sub(last) < stuckEvery {
				break
			}
			begun, err := d.engine.GoOnElsewhere(log)
			if node.CodeOf(err) == node.ReadOnly {
				break // nothing is saved now either
			}
			if err != nil {
				return fmt.Errorf("begin a log in the place of one that a peer refuses: %w", err)
			}
			if begun {
				last = d.opts.Now()
				d.opts.Log.Warn("a peer refuses this device's log; what is saved from now on goes into a new one", "log", log)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// stuckLogs are the logs that a new name may help.
func (d *Daemon) stuckLogs() (logs []crdt.LogID) {
	for _, s := range d.replica.Peers() {
		peer, _ := d.self.directory.ByDevice(s.Device)
		if peer.Role == identity.RoleLaptop {
			continue // it isn't on the way to the province
		}
		for log, held := range s.Held {
			if log.Device == d.self.claims.Device && another(held) {
				logs = append(logs, log)
			}
		}
	}
	return logs
}

// another says whether a log of another name may be taken: not where the device itself
// is refused, nor its scope, nor one log more.
func another(h reconcile.Held) bool {
	switch h.Code {
	case reconcile.Seal, reconcile.Chain, reconcile.Fork, reconcile.Malformed:
		return true
	}
	return false
}
