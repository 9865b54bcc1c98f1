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

// ApplySegments says in the hub's words that nothing can be stored now.
func (s hubStore) ApplySegments(index uint64, segments []*wire.Segment) error {
	err := s.Engine.ApplySegments(index, segments)
	if readOnly(err) {
		err = fmt.Errorf("%w: %w", hub.ErrReadOnly, err)
	}
	return err
}

// Segments says in the hub's words that something can't be read.
func (s hubStore) Segments(yield func(*wire.Segment) error) error {
	err := s.Engine.Segments(yield)
	if node.CodeOf(err) == node.Damaged {
		err = fmt.Errorf("%w: %w", hub.ErrHole, err)
	}
	return err
}
