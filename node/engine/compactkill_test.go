package engine

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
)

// A kill between any two pieces of a compaction loses nothing that is shown and leaves
// nothing that contradicts itself; the next compaction goes on from there. A kill
// within a piece is one within a transaction.
func TestKilledInACompaction(t *testing.T) {
	box := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	id := box.create(map[string]any{"subject": "Một"})
	for i := range 3 * compactEntries {
		box.edit(id, "", map[string]any{"subject": "Hai", "note": time.Duration(i).String()})
	}
	h := &province{ms: testNow.Add(Retention + time.Hour).UnixMilli()}
	box.checkpoint(h.floor(box))
	box.now = testNow.Add(Retention + time.Hour)
	before := box.stateHash()
	var killed []string
	all, err := box.Compact(context.Background(), Retention, func(context.Context) {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(box.dir)); err != nil {
			t.Fatal(err)
		}
		killed = append(killed, dir)
	})
	if err != nil || all != 3*compactEntries+1 || len(killed) < 3 {
		t.Fatalf("%d entries dropped in %d pieces, %v: the test shows nothing", all, len(killed), err)
	}
	log := box.ownLog(crdt.ClassRecords)
	for i, dir := range killed {
		p := newPeer(t, "box", identity.RoleBox, dir, box.others)
		p.now = box.now
		p.open()
		if p.stateHash() != before || p.ownLog(crdt.ClassRecords) != log {
			t.Errorf("killed after piece %d: another state or other logs", i)
		}
		p.sound()
		if n := p.compact(); n != all-min(all, (i+1)*compactEntries) {
			t.Errorf("killed after piece %d: the next compaction drops %d entries", i, n)
		}
		if p.stateHash() != before {
			t.Errorf("killed after piece %d: the next compaction changed what is shown", i)
		}
		p.sound()
		p.close()
	}
}
