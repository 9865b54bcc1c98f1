package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/sync/identity"
)

// With a flipped bit in one of its tables a node is either told where the damage lies,
// or shows what isn't touched by it and refuses to save.
func TestAStoreForReadingOnlyIsShown(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	id := p.create(map[string]any{"subject": "a"})
	noise := rand.NewChaCha8([32]byte{1})
	for i := range 48 { // behind all other items, so that some table holds nothing else
		b := make([]byte, 250_000)
		noise.Read(b)
		if err := p.Store.Update(func(tx *store.Tx) error { return tx.PutMeta(fmt.Sprintf("~%02d", i), b) }); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.Store.Purge(); err != nil { // merges: level 0 would span all items
		t.Fatal(err)
	}
	sane := p.cfg
	p.close()
	sound := p.dir
	tables, err := filepath.Glob(filepath.Join(sound, "g1", "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatal(tables, err)
	}
	shown := 0
	for _, name := range tables {
		p.dir = filepath.Join(t.TempDir(), "store")
		if err := os.CopyFS(p.dir, os.DirFS(sound)); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/2] ^= 1
		if err := os.WriteFile(filepath.Join(p.dir, "g1", filepath.Base(name)), b, 0o600); err != nil {
			t.Fatal(err)
		}
		if p.Bare, err = OpenBare(p.dir, p.key, sane); node.CodeOf(err) == node.ReadOnly {
			t.Errorf("%s: %v; want it shown, or told where the damage lies", filepath.Base(name), err)
		}
		if err == nil {
			shown++
			// A table on which no answer rests is read behind the answers, and a save that comes
			// before that is taken: here all are read first.
			if _, err := p.Store.Scrub(context.Background(), nil); err != nil {
				t.Fatal(err)
			}
			if _, err := p.Get(context.Background(), "cases", id); err != nil {
				t.Errorf("%s: a record out of its range: %v", filepath.Base(name), err)
			}
			_, err := p.Save(context.Background(), Save{Officer: "a", Class: crdt.ClassRecords, Changes: []Change{{Collection: "cases", Values: map[string]any{"subject": "x"}}}})
			if node.CodeOf(err) != node.ReadOnly {
				t.Errorf("%s: a save: %v; want a refusal", filepath.Base(name), err)
			}
			p.close()
		}
	}
	if shown == 0 {
		t.Errorf("with none of %d tables damaged is anything shown", len(tables))
	}
}
