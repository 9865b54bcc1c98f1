package engine

import "bytes"

// Orders of erasure travel outside the logs where a store is made anew: those that
// were given after a backup was made must be obeyed by what is restored from it.

// KindErasure is the kind of the local items that are orders of erasure.
const KindErasure = localErasure

// Reorder is such an item's value as that of an order which is yet to be carried
// out: the engine does it when it opens, before it shows anything.
func Reorder(value []byte) []byte {
	again := bytes.Clone(value)
	if len(again) > 0 {
		again[0] = erasureOrdered
	}
	return again
}
