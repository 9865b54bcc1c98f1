package engine

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
)

// A store whose newest commits are gone goes on under a new incarnation: at the seq
// that is gone stands an entry which may be elsewhere.
func TestLostCommitsMakeNoFork(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	p.create(map[string]any{"subject": "a"})
	p.close()
	p.open()
	before := p.ownLog(crdt.ClassRecords)
	lost := p.create(map[string]any{"subject": "b"})
	logs := copyWithoutLogs(t, p)
	p.close()
	p.dir = logs
	p.open()
	after := p.ownLog(crdt.ClassRecords)
	if before == after {
		t.Fatal("the device writes on in a log that had come further")
	}
	if _, err := p.Get(context.Background(), "cases", lost); err == nil {
		t.Fatal("what was lost is there: the test shows nothing")
	}
	if w := p.Store.Wants(); len(w) != 1 || w[0].Log != before || w[0].From != 2 || w[0].To != 2 {
		t.Errorf("wants %+v; want entry 2 of %v", w, before)
	}
	p.create(map[string]any{"subject": "c"})
	p.close()
	p.open() // and keeps the new name
	if again := p.ownLog(crdt.ClassRecords); again != after {
		t.Errorf("the incarnation changed again, to %v", again)
	}
	heads, err := p.Heads(before.Scope) // what was left of the old log is to be sent
	if err != nil || heads[before].Seq != 1 {
		t.Errorf("the old log's head is %+v, %v; want seq 1", heads[before], err)
	}
}

// copyWithoutLogs is what a disk holds that lost the newest write-ahead log while
// the store was open.
func copyWithoutLogs(t *testing.T, p *peer) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(p.dir)); err != nil {
		t.Fatal(err)
	}
	gone, err := filepath.Glob(filepath.Join(to, "g1", "*.mem"))
	if err != nil || len(gone) == 0 {
		t.Fatal(gone, err)
	}
	for _, name := range gone {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	return to
}
