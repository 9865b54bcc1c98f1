package simtest

import (
	"context"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
	"github.com/vungxa/vungxa/sync/replica"
	"github.com/vungxa/vungxa/sync/replica/memlog"
)

// Decider is a Store that keeps what a hub decides, and obeys it. In histories on a Maker
// whose stores don't, nothing is decided.
type Decider interface {
	replica.Checkpoints
	// Ended says where a device's cut ends a log.
	Ended(crdt.LogID) (seq uint64, cut bool)
}

// decider is nil where nothing is kept.
func (m *Machine) decider() Decider {
	d, _ := m.store.(Decider)
	return d
}

// ended is where a log ends, as far as the machine knows.
func (m *Machine) ended(log crdt.LogID) (uint64, bool) {
	if d := m.decider(); d != nil {
		return d.Ended(log)
	}
	return 0, false
}

// decided adds to a holding what the hub has decided.
func (m *Machine) decided(scope crdt.Scope, h *reconcile.Holding) (err error) {
	d := m.decider()
	if d == nil {
		return nil
	}
	h.Group = m.store.Self().Directory.GroupCertificate(scope)
	h.Checkpoint, err = d.Newest(scope)
	return err
}

// planDecisions has the province decide something now and then; from the second day on
// it cuts the thief, perhaps. Its group's members change once.
func (w *World) planDecisions(d int) {
	if w.hub.decider() == nil {
		return
	}
	for range 1 + w.draw.IntN(3) {
		w.at(w.moment(d), func() { w.decide(crdt.Checkpoint{}) })
	}
	if d > 0 && w.draw.IntN(2) == 0 {
		w.at(w.moment(d), w.revoke)
	}
	if w.draw.IntN(4) == 0 {
		w.at(w.moment(d), w.renew)
	}
}

// renew lets another group decide from now on. It signs at once: what the former one has
// signed is believed below what this one has.
func (w *World) renew() {
	switch {
	case w.hub.down:
	case w.province == nil:
		w.announce(memlog.NewProvince(1, 3, communes[0]))
	default:
		w.announce(w.province.Renew(w.province.Group.Epoch + 1))
		w.decide(crdt.Checkpoint{})
		w.note("group %d decides", w.province.Group.Epoch)
	}
}

// announce gives the hub the certificate of a group.
func (w *World) announce(p *memlog.Province) {
	cert, err := identity.IssueGroup(Root, p.Group)
	if w.must(w.hub, err) && w.must(w.hub, w.hub.decider().StoreGroup(cert)) {
		w.province = p
		w.hub.touch(nil)
	}
}

// decide has most of the group sign the next checkpoint.
func (w *World) decide(c crdt.Checkpoint) {
	if w.hub.down {
		return
	}
	if w.province == nil {
		w.announce(memlog.NewProvince(1, 3, communes[0]))
	}
	b, err := w.province.Decide(c, 2)
	if w.must(w.hub, err) && w.must(w.hub, w.hub.decider().Believe(context.Background(), b)) {
		w.Decisions++
		w.hub.touch(nil)
	}
}

// revoke ends all logs of the thief where the province holds them.
func (w *World) revoke() {
	if w.hub.down || w.Cuts > 0 {
		return
	}
	heads, err := w.hub.store.Heads(communes[0])
	if !w.must(w.hub, err) {
		return
	}
	cut := crdt.Cut{Subject: crdt.Subject{Kind: crdt.SubjectDevice, Device: w.thief.id}, Epoch: 1}
	for _, log := range sortedLogs(heads) {
		if log.Device == w.thief.id && log.Class <= crdt.ClassBulk {
			cut.Logs = append(cut.Logs, crdt.Pin{Log: log, Seq: heads[log].Seq, Hash: heads[log].Hash})
		}
	}
	w.note("the thief is cut, in %d logs", len(cut.Logs))
	w.Cuts++
	w.decide(crdt.Checkpoint{Cuts: []crdt.Cut{cut}})
}

// inspectEnded: what a machine holds of a log that was cut grows no more past its end.
func (w *World) inspectEnded(m *Machine, log crdt.LogID, head crdt.Head) {
	end, cut := m.ended(log)
	if !cut {
		return
	}
	first, met := m.cut[log]
	if !met {
		m.cut[log] = max(head.Seq, end)
		return
	}
	if head.Seq > first {
		w.fail("%s holds %v up to %d; it is cut at %d, and was held up to %d then", m, log, head.Seq, end, first)
	}
}

// sameDecisions: in the end everyone has heard of all that was decided.
func (w *World) sameDecisions() {
	if w.province == nil {
		return
	}
	want, err := w.hub.decider().Newest(communes[0])
	w.must(w.hub, err)
	for _, m := range w.machines {
		if !m.covers(communes[0]) {
			continue
		}
		if got, err := m.decider().Newest(communes[0]); w.must(m, err) && got != want {
			w.fail("%s knows of checkpoint %v; the newest is %v", m, got.At, want.At)
		}
	}
}

// believing is what a stick's session does with checkpoints: each write may be the last.
type believing struct {
	Decider
	p *power
}

func (b believing) Believe(ctx context.Context, c reconcile.Believe) error {
	return b.p.write(func() error { return b.Decider.Believe(ctx, c) })
}

func (b believing) StoreGroup(cert []byte) error {
	return b.p.write(func() error { return b.Decider.StoreGroup(cert) })
}

// checkpoints is what replica wants of them; nil where none are kept.
func (p *power) checkpoints() replica.Checkpoints {
	if d := p.m.decider(); d != nil {
		return believing{d, p}
	}
	return nil
}
