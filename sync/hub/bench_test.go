package hub

import (
	"errors"
	"path/filepath"
	"testing"
)

// What one command costs: raft's log and the store, fsynced one after the other.
func BenchmarkPropose(b *testing.B) {
	dir := b.TempDir()
	store := must(openFileStore(filepath.Join(dir, "store")))
	defer store.file.Close()
	h := must(Open(config(dir, store)))
	defer h.Close()
	if err := h.Ready(b.Context()); err != nil {
		b.Fatal(err)
	}
	log := newTestLog(1)
	log.size = 500
	for b.Loop() {
		if _, err := h.Propose(b.Context(), log.take(b, 1)); err != nil {
			b.Fatal(err)
		}
	}
}

// From Open to the first command, in an empty directory.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		dir := b.TempDir()
		store := must(openFileStore(filepath.Join(dir, "store")))
		h := must(Open(config(dir, store)))
		if err := errors.Join(h.Ready(b.Context()), h.Close(), store.file.Close()); err != nil {
			b.Fatal(err)
		}
	}
}
