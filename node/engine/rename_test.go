package engine

import (
	"slices"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
)

// compactOwn drops all that a peer has written itself, as the floor lets it, and what made
// the first record of others.
func (p *peer) compactOwn() *province {
	p.t.Helper()
	h := &province{ms: testNow.UnixMilli()}
	p.checkpoint(h.checkpoint(crdt.Checkpoint{}))
	var floor []crdt.Pos
	for _, head := range p.receipt().Heads {
		upTo := head.Head.Seq
		if head.Log.Device != p.device {
			upTo = 1
		}
		if !isBranch(head.Log) {
			floor = append(floor, crdt.Pos{Log: head.Log, Seq: upTo})
		}
	}
	p.checkpoint(h.checkpoint(crdt.Checkpoint{Floor: floor}))
	p.now = testNow.Add(Retention + time.Hour)
	if p.compact() == 0 {
		p.t.Fatal("nothing was compacted")
	}
	return h
}

// What an officer has replaced of a log that has forked, or forks afterwards, stays replaced
// when its entries get other names, also where compaction has taken what the officer wrote.
func TestANewNameRevivesNothingThatACompactedEntryReplaced(t *testing.T) {
	for _, test := range []struct {
		name           string
		forkedBefore   bool // the fork is known when the officer writes
		firstCommitted bool
	}{{"the first is committed", true, true}, {"the second is committed", true, false}, {"the fork comes afterwards", false, true}} {
		others := map[crdt.Device]identity.Role{}
		box := testEngine(t, "box", identity.RoleBox, others)
		id := box.create(map[string]any{"subject": "Chung"})
		box.receipt()
		twin := box.twin()
		box.edit(id, "", map[string]any{"subject": "Nhánh một"})
		twin.create(map[string]any{"subject": "Nhánh hai"})
		laptop := testEngine(t, "laptop", identity.RoleLaptop, others)
		laptop.take(pieces(box)...)
		if test.forkedBefore {
			laptop.take(pieces(twin)...)
		}
		laptop.edit(id, "", map[string]any{"subject": "Đã gộp"})
		h := laptop.compactOwn()
		if !test.forkedBefore {
			laptop.take(pieces(twin)...)
		}
		committed := twin
		if test.firstCommitted {
			committed = box
		}
		head := committed.receipt().Heads[0]
		laptop.checkpoint(h.checkpoint(crdt.Checkpoint{Heads: []crdt.Pin{{Log: head.Log, Seq: head.Head.Seq, Hash: head.Head.Hash}}}))
		if got := laptop.texts(id, "subject"); !slices.Equal(got, []string{"Đã gộp"}) {
			t.Errorf("%s: %q came back", test.name, got)
		}
		laptop.sound()
	}
}
