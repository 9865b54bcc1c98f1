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
// when the box or the province refuses the one that it writes, at the first refusal: a
// line may hold for weeks, and until it ends what is refused isn't offered again. What
// lies in the old log stays there, is told to people (the inbox), who save it again, and
// is offered again (package replica): a peer that was wrong takes it in the end.

// stuckEvery is how often this happens at most: where each save is refused, the fault is
// this device's, and no name helps.
const stuckEvery = time.Hour

// leaveStuck does it until ctx ends.
func (d *Daemon) leaveStuck(ctx context.Context) error {
	look := time.NewTicker(stuckEvery)
	defer look.Stop()
	var last time.Time
	for {
		changed := d.replica.Changed()
		if last.IsZero() || d.opts.Now().Sub(last).Abs() >= stuckEvery {
			left, err := d.leave()
			if err != nil {
				return err
			}
			if left {
				last = d.opts.Now()
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-look.C:
		}
	}
}

// leave begins logs of a new name if the one that is written is stuck, and says whether.
func (d *Daemon) leave() (bool, error) {
	logs, err := d.stuckLogs()
	if err != nil {
		return false, err
	}
	for _, log := range logs {
		begun, err := d.engine.GoOnElsewhere(log)
		if node.CodeOf(err) == node.ReadOnly {
			return false, nil // nothing is saved now either
		}
		if err != nil {
			return false, fmt.Errorf("begin a log in the place of one that a peer refuses: %w", err)
		}
		if begun {
			d.opts.Log.Warn("a peer refuses this device's log; what is saved from now on goes into a new one", "log", log)
			return true, nil
		}
	}
	return false, nil
}

// stuckLogs are the logs that a new name may help.
func (d *Daemon) stuckLogs() (logs []crdt.LogID, err error) {
	for _, s := range d.replica.Peers() {
		peer, _ := d.self.directory.ByDevice(s.Device)
		if peer.Role == identity.RoleLaptop || len(s.Held) == 0 {
			continue // it isn't on the way to the province, or takes everything
		}
		taken, err := d.takenBy(s.Device)
		if err != nil {
			return nil, err
		}
		logs = append(logs, worthLeaving(d.self.claims.Device, s.Held, taken)...)
	}
	return logs, nil
}

// takenBy are the logs of which a peer has signed for something.
func (d *Daemon) takenBy(peer crdt.Device) (map[crdt.LogID]bool, error) {
	taken := map[crdt.LogID]bool{}
	for _, scope := range d.self.config.Scopes {
		receipts, err := d.engine.Receipts(scope)
		if err != nil {
			return nil, fmt.Errorf("see what a peer takes: %w", err)
		}
		for _, r := range receipts {
			for _, h := range r.Heads {
				taken[h.Log] = taken[h.Log] || r.Signer == peer
			}
		}
	}
	return taken, nil
}

// worthLeaving are this device's logs among those that a peer refuses, but for the ones
// of which it has taken nothing where a second log fares so too: then it refuses the
// device, whatever the name, and each name costs every peer a row for ever.
func worthLeaving(own crdt.Device, held map[crdt.LogID]reconcile.Held, taken map[crdt.LogID]bool) (logs []crdt.LogID) {
	whole := map[crdt.Class]int{}
	for log, h := range held {
		if log.Device == own && another(h) && !taken[log] {
			whole[log.Class]++
		}
	}
	for log, h := range held {
		if log.Device == own && another(h) && (taken[log] || whole[log.Class] == 1) {
			logs = append(logs, log)
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
