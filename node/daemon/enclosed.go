package daemon

import (
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node/attach"
	"github.com/vungxa/vungxa/node/engine"
)

// Named implements replica.Parcels.
func (f *files) Named(seg *wire.Segment) (all [][32]byte, err error) {
	entries, err := seg.Open()
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		for _, h := range engine.Named(entry) {
			all = append(all, h)
		}
	}
	return all, nil
}

// Have implements replica.Parcels.
func (f *files) Have(hash [32]byte) (uint64, bool, error) {
	h := attach.Hash(hash)
	whole, err := f.has(h)
	if err != nil || whole {
		return 0, whole, err
	}
	have, err := f.d.attached.Have(h)
	return have, false, err
}
