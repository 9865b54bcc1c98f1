package engine

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node/store"
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

// A segment that fills a hole and reaches past what is held is given back as well: it brings
// more, and whoever filled the hole alone would lose that.
func TestHealGivesBackWhatBringsMore(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, hub := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "hub", identity.RoleHub, others)
	id := box.create(map[string]any{"subject": "Một"})
	box.edit(id, "", map[string]any{"subject": "Hai"})
	hub.pull(box)
	log := box.ownLog(crdt.ClassRecords)
	err := hub.Store.Update(func(tx *store.Tx) error {
		l, err := tx.Log(log)
		if err != nil {
			return err
		}
		return tx.PutEntry(l, 1, store.Stored{})
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hub.Store.Scrub(t.Context(), nil); err != nil || len(hub.Store.Damage()) == 0 {
		t.Fatal("no damage: the test shows nothing", err)
	}
	box.edit(id, "", map[string]any{"subject": "Ba"})
	box.receipt()
	whole := joined(must(box.segmentsAll()), log)
	rest, err := hub.Heal([]*wire.Segment{whole})
	if err != nil || len(rest) != 1 || rest[0] != whole {
		t.Fatalf("given back %v, %v; want the segment, its last entry isn't held", rest, err)
	}
	if left := hub.Store.Damage(); len(left) > 0 {
		t.Errorf("still damaged: %v", left)
	}
	hub.ingest(rest...)
	if got := hub.get(id).Values["subject"]; got != "Ba" {
		t.Errorf("the subject is %v; want what the segment brought", got)
	}
}

// joined are the segments of a log that follow each other, as one.
func joined(all []*wire.Segment, log crdt.LogID) (whole *wire.Segment) {
	for _, s := range all {
		switch {
		case s.Log != log:
		case whole == nil:
			first := *s
			whole = &first
		default:
			whole.Entries, whole.Seal = slices.Concat(whole.Entries, s.Entries), s.Seal
		}
	}
	return whole
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
