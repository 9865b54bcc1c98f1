package replica

import (
	"context"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
)

// Checkpoints are what a hub has decided, as far as a node knows. Its methods are called
// from several goroutines at once.
type Checkpoints interface {
	// Newest names the newest that is held of a scope; zero: none.
	Newest(scope crdt.Scope) (reconcile.Checkpoint, error)
	// Chain gives those after one that somebody holds, in at most so many bytes, signed
	// by most of the group that counts here (identity.ChainTo); nil: there are none.
	Chain(scope crdt.Scope, after reconcile.Named, most int) (*identity.Chain, error)
	// Believe obeys and keeps checkpoints whose signatures were verified: when it returns
	// nil they are durable, and Config.Cut says what they say. A *reconcile.Refusal says
	// that they don't fit what is held.
	Believe(ctx context.Context, b reconcile.Believe) error
	// StoreGroup keeps a verified certificate of a hub's group durably, so that it is in
	// Config.Directory again after a restart.
	StoreGroup(cert []byte) error
}

// decide does what is wanted of checkpoints.
func (d *drive) decide(ctx context.Context, a reconcile.Action) {
	from := d.r.cfg.Checkpoints
	if from == nil {
		from = noCheckpoints{}
	}
	switch a := a.(type) {
	case reconcile.Chained:
		chain, err := from.Chain(a.Scope, a.After, a.Max)
		d.answer(err, func() { d.s.Chain(chain) })
	case reconcile.Believe:
		d.stored(from.Believe(ctx, a), d.p.Device)
	}
}

// keepGroup keeps a group's certificate. There may be none. It is believed before it is
// durable, since it is by the root: forgotten in a crash, it comes again.
func (d *drive) keepGroup(cert []byte) error {
	if cert == nil || d.r.cfg.Checkpoints == nil {
		return nil
	}
	if _, err := d.r.cfg.Directory.AddGroup(cert); err != nil {
		return err
	}
	return d.r.cfg.Checkpoints.StoreGroup(cert)
}

// decided adds to a holding what the hub has decided.
func (r *Replica) decided(scope crdt.Scope, h *reconcile.Holding) (err error) {
	if r.cfg.Checkpoints == nil {
		return nil
	}
	h.Group = r.cfg.Directory.GroupCertificate(scope)
	h.Checkpoint, err = r.cfg.Checkpoints.Newest(scope)
	return err
}

// noCheckpoints is a node that takes none.
type noCheckpoints struct{}

func (noCheckpoints) Newest(crdt.Scope) (c reconcile.Checkpoint, err error) { return c, nil }
func (noCheckpoints) StoreGroup([]byte) error                               { return nil }
func (noCheckpoints) Chain(crdt.Scope, reconcile.Named, int) (*identity.Chain, error) {
	return nil, nil
}
func (noCheckpoints) Believe(context.Context, reconcile.Believe) error {
	return reconcile.Refuse(reconcile.Unproven, "checkpoints are not kept here")
}
