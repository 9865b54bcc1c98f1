//go:build linux

package systemtest

import (
	"context"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
	"github.com/vungxa/vungxa/sync/simtest"
)

// What the hub decides is kept and obeyed by the engine, as the daemon has it.
var _ simtest.Decider = (*engineStore)(nil)

func (s *engineStore) Believe(_ context.Context, b reconcile.Believe) error {
	return s.Engine.Believe(b)
}

func (s *engineStore) Chain(scope crdt.Scope, after reconcile.Named, most int) (*identity.Chain, error) {
	g, known := s.card.Directory.Group(scope)
	if !known {
		return nil, nil
	}
	return s.Engine.Chain(&g, scope, after, most)
}

// StoreGroup is also the directory's, into which the daemon puts a group before.
func (s *engineStore) StoreGroup(cert []byte) error {
	if _, err := s.card.Directory.AddGroup(cert); err != nil {
		return err
	}
	return s.Engine.StoreGroup(cert)
}

func (s *engineStore) Ended(log crdt.LogID) (uint64, bool) {
	return s.Authority(log.Scope).Cut(log)
}
