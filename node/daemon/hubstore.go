package daemon

import (
	"fmt"

	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/engine"
	"github.com/vungxa/vungxa/sync/hub"
)

// hubStore is the engine as a hub takes it: what is damaged is a hole.
type hubStore struct{ *engine.Engine }

// Segments says in the hub's words that something can't be read.
func (s hubStore) Segments(yield func(*wire.Segment) error) error {
	err := s.Engine.Segments(yield)
	if node.CodeOf(err) == node.Damaged {
		err = fmt.Errorf("%w: %w", hub.ErrHole, err)
	}
	return err
}
