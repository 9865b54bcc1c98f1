package reconcile_test

import (
	"crypto/sha256"

	"github.com/vungxa/vungxa/sync/reconcile"
)

// files are the attachments of a node.
type files struct {
	held   map[[32]byte][]byte
	wanted [][32]byte
	part   map[[32]byte][]byte
}

func (f *files) lacks(except map[[32]byte]bool) *reconcile.Content {
	if f == nil {
		return nil
	}
	for _, h := range f.wanted {
		if f.held[h] == nil && !except[h] {
			return &reconcile.Content{Hash: h, Have: uint64(len(f.part[h]))}
		}
	}
	return nil
}

func (f *files) piece(a reconcile.Fetch) ([]byte, uint64) {
	if f == nil || f.held[a.Hash] == nil {
		return nil, 0
	}
	all := f.held[a.Hash]
	from := min(a.Offset, uint64(len(all)))
	return all[from:min(from+uint64(a.Max), uint64(len(all)))], uint64(len(all))
}

func (f *files) append(a reconcile.Append) bool {
	if uint64(len(f.part[a.Hash])) != a.Offset {
		return false
	}
	f.part[a.Hash] = append(f.part[a.Hash], a.Bytes...)
	if uint64(len(f.part[a.Hash])) < a.Total {
		return true
	}
	whole := f.part[a.Hash]
	delete(f.part, a.Hash)
	if sha256.Sum256(whole) != a.Hash {
		return false
	}
	f.held[a.Hash] = whole
	return true
}
