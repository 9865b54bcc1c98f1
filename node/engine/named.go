package engine

import (
	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node/attach"
)

// Named gives the attachments to which an entry points.
func Named(entry *crdt.Entry) (all []attach.Hash) {
	_ = inEntry(entry, func(value []byte) error { // it fails where its function does
		all = append(all, attach.References(value)...)
		return nil
	})
	return all
}
