package daemon

import (
	"context"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
)

// decided is what hubs have decided, as sessions see it.
type decided struct{ d *Daemon }

func (c decided) Newest(scope crdt.Scope) (reconcile.Checkpoint, error) {
	return c.d.engine.Newest(scope)
}

func (c decided) StoreGroup(cert []byte) error { return c.d.engine.StoreGroup(cert) }

func (c decided) Believe(_ context.Context, b reconcile.Believe) error { return c.d.engine.Believe(b) }

func (c decided) Chain(scope crdt.Scope, after reconcile.Named, most int) (*identity.Chain, error) {
	g, known := c.d.self.directory.Group(scope)
	if !known {
		return nil, nil
	}
	return c.d.engine.Chain(&g, scope, after, most)
}
