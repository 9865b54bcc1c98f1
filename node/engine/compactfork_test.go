package engine

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/sync/identity"
)

// heads is a checkpoint with which the hub commits what p holds, and says that everyone has it.
func (h *province) heads(p *peer) *crdt.Checkpoint {
	heads, err := p.Heads(testScope)
	if err != nil {
		p.t.Fatal(err)
	}
	var c crdt.Checkpoint
	for log, head := range heads {
		c.Heads = append(c.Heads, crdt.Pin{Log: log, Seq: head.Seq, Hash: head.Hash})
		c.Floor = append(c.Floor, crdt.Pos{Log: log, Seq: head.Seq})
	}
	slices.SortFunc(c.Heads, func(a, b crdt.Pin) int { return a.Log.Compare(b.Log) })
	slices.SortFunc(c.Floor, func(a, b crdt.Pos) int { return a.Log.Compare(b.Log) })
	return h.checkpoint(c)
}

// alike holds one node that has compacted to one that hasn't: what is shown, now and after
// a start.
func alike(t *testing.T, when string, forgets, keeps *peer) {
	t.Helper()
	for range 2 {
		if forgets.stateHash() != keeps.stateHash() {
			t.Fatalf("%s: who has compacted shows something else", when)
		}
		forgets.sound()
		forgets.close()
		forgets.open()
	}
}

// The hub has committed one of two histories, and everyone holds that: what of it is old
// goes, the other stays, and whatever comes afterwards is read as by who keeps all.
func TestCompactionPastAForkThatIsDecided(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, desk := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "desk", identity.RoleLaptop, others)
	forgets, keeps := testEngine(t, "forgets", identity.RoleLaptop, others), testEngine(t, "keeps", identity.RoleLaptop, others)
	give := func(from *peer) {
		for _, s := range pieces(from) {
			for _, p := range []*peer{forgets, keeps} {
				if err := p.take(s)[0]; err != nil && !errors.Is(err, ErrBranch) {
					t.Fatal(err)
				}
			}
		}
	}
	id := box.create(map[string]any{"subject": "Chung", "note": "chung"})
	box.receipt()
	twin := box.twin()
	for i := range 5 {
		box.edit(id, "", map[string]any{"subject": fmt.Sprint("Nhánh một, ", i)})
		if i == 1 {
			box.receipt() // a seal, at which another copy of the disk leaves
		}
	}
	made := box.create(map[string]any{"subject": "Mới ở nhánh một"})
	twin.now = twin.now.Add(time.Hour)
	twin.edit(id, "", map[string]any{"subject": "Nhánh hai"})
	twin.create(map[string]any{"subject": "Mới ở nhánh hai"})
	twin.receipt()
	desk.pull(box)
	desk.edit(id, "", map[string]any{"note": "của văn phòng, đã thấy nhánh một"})
	desk.edit(made, "", map[string]any{"subject": "Sửa ở văn phòng"})
	late := pieces(desk) // pins the first history past the fork
	give(box)
	give(twin)
	log := box.ownLog(crdt.ClassRecords)
	h := &province{ms: testNow.UnixMilli()}
	base, committed := h.checkpoint(crdt.Checkpoint{}), h.heads(box)
	for _, p := range []*peer{forgets, keeps} {
		p.checkpoint(base)
		p.checkpoint(committed)
		p.now = testNow.Add(Retention + 2*time.Hour)
	}
	if n := forgets.compact(); n != 7 {
		t.Fatalf("%d entries dropped; want all 7 of the history that the hub has committed", n)
	}
	alike(t, "compacted", forgets, keeps)
	for _, s := range late {
		if err := errors.Join(forgets.take(s)[0], keeps.take(s)[0]); err != nil {
			t.Fatal(err)
		}
	}
	alike(t, "a claim that names what was dropped", forgets, keeps)
	third := box.twin()
	for name, p := range map[string]*peer{"nhánh hai": twin, "nhánh ba": third, "nhánh một": box} {
		p.now = testNow.Add(3 * time.Hour)
		p.edit(id, "", map[string]any{"note": "tiếp ở " + name})
		p.receipt()
	}
	give(twin)
	alike(t, "the other history goes on", forgets, keeps)
	give(third)
	give(box)
	alike(t, "it forks above what was dropped", forgets, keeps)
	if got := forgets.texts(id, "subject"); !slices.Equal(got, []string{"Nhánh hai", "Nhánh một, 4"}) {
		t.Errorf("shown %q", got)
	}
	if s, err := forgets.Segment(log, 1, 0); !errors.Is(err, store.ErrDropped) {
		t.Errorf("what is dropped is given: %v, %v", s, err)
	}
	fresh := testEngine(t, "fresh", identity.RoleHub, others)
	fresh.take(pieces(box)...)
	heads, err := forgets.Heads(testScope)
	if err != nil || len(heads) != 4 {
		t.Fatalf("peers are told of %v, %v; want three histories and the desk's log", heads, err)
	}
	for name := range heads {
		for after, more := uint64(0), isBranch(name); more; {
			s, err := forgets.Segment(name, after, 0)
			if more = err == nil && s != nil; more {
				after = s.Last()
				fresh.take(s)
			}
		}
	}
	if got := fresh.texts(id, "subject"); !slices.Contains(got, "Nhánh hai") {
		t.Errorf("the history that stays isn't passed on: %q", got)
	}
}

// A history that parts below what was compacted can't be compared: it is refused, and what
// is shown stays as it is. Nor does a hub that was restored and has committed the other
// history give a record another name than that under which it was compacted: whichever of
// the two has the smaller hash.
func TestWhatForksBelowWhatWasCompacted(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box := testEngine(t, "box", identity.RoleBox, others)
	id := box.create(map[string]any{"subject": "Chung"})
	box.receipt()
	twin := box.twin()
	box.create(map[string]any{"subject": "Một"})
	box.receipt()
	low := box.twin()
	for p, subject := range map[*peer]string{box: "Một nữa", twin: "Hai", low: "Ba"} {
		p.create(map[string]any{"subject": subject})
		p.receipt()
	}
	for i, both := range [][2]*peer{{box, twin}, {twin, box}} {
		laptop := testEngine(t, fmt.Sprint("laptop", i), identity.RoleLaptop, others)
		laptop.take(slices.Concat(pieces(both[0]), pieces(both[1]))...)
		h := &province{ms: testNow.UnixMilli()}
		laptop.checkpoint(h.checkpoint(crdt.Checkpoint{}))
		laptop.checkpoint(h.heads(both[0]))
		laptop.now = testNow.Add(Retention + 2*time.Hour)
		if n := laptop.compact(); n != 3-i {
			t.Fatalf("%d entries dropped; want %d", n, 3-i)
		}
		before := laptop.stateHash()
		h.at = crdt.Cite{Epoch: 2}
		other := h.heads(both[1])
		other.Floor = nil
		laptop.checkpoint(other)
		refused := laptop.take(pieces(low)...)
		if !slices.ContainsFunc(refused, func(err error) bool { return errors.Is(err, ErrFork) && !errors.Is(err, ErrBranch) }) && i == 0 {
			t.Errorf("a history that can't be compared: %v; want ErrFork", refused)
		}
		for range 2 {
			if i == 0 && laptop.stateHash() != before {
				t.Error("what is shown has changed")
			}
			if n := laptop.search(Query{}).Total; n != 4+i {
				t.Errorf("%d records; want %d", n, 4+i)
			}
			if v := laptop.get(id).Values["subject"]; v != "Chung" {
				t.Errorf("shown %v", v)
			}
			laptop.sound()
			laptop.close()
			laptop.open()
		}
	}
}

// The first entry of a branch has a hole, and what it left was compacted past the fork:
// peers are told nothing of it that isn't held, and what they send fills it.
func TestAHoleInABranchOfWhatWasCompacted(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box := testEngine(t, "box", identity.RoleBox, others)
	id := box.create(map[string]any{"subject": "Chung"})
	box.receipt()
	twin := box.twin()
	for range 5 {
		box.edit(id, "", map[string]any{"subject": "Nhánh một"})
		box.create(map[string]any{"subject": "Nhánh một"})
	}
	twin.edit(id, "", map[string]any{"subject": "Nhánh hai"})
	twin.edit(id, "", map[string]any{"note": "hai"})
	laptop := testEngine(t, "laptop", identity.RoleLaptop, others)
	laptop.take(slices.Concat(pieces(box), pieces(twin))...)
	h := &province{ms: testNow.UnixMilli()}
	laptop.checkpoint(h.checkpoint(crdt.Checkpoint{}))
	laptop.checkpoint(h.heads(box))
	laptop.now = testNow.Add(Retention + 2*time.Hour)
	if n := laptop.compact(); n < 6 {
		t.Fatalf("%d dropped: the test shows nothing", n)
	}
	whole, err := laptop.Heads(testScope)
	if err != nil || len(whole) != 2 {
		t.Fatal(whole, err)
	}
	log := box.ownLog(crdt.ClassRecords)
	laptop.spoilEntry(laptop.authorities().forks.lies(log)[1], 2)
	if _, err := laptop.Store.Scrub(t.Context(), func(uint64) {}); err != nil || len(laptop.Store.Damage()) == 0 {
		t.Fatal("no damage: the test shows nothing", err)
	}
	heads, err := laptop.Heads(testScope)
	if err != nil {
		t.Fatal(err)
	}
	for name, head := range heads {
		if isBranch(name) || head != whole[name] {
			t.Errorf("peers are told of %v at %v; whole it said %v", name, head, whole[name])
		}
	}
	for _, s := range pieces(twin) {
		if err := laptop.take(s)[0]; err != nil && !errors.Is(err, ErrBranch) {
			t.Errorf("take what peers send: %v", err)
		}
	}
	if damage := laptop.Store.Damage(); len(damage) > 0 {
		t.Errorf("it stays: %+v", damage)
	}
	if heads, err = laptop.Heads(testScope); err != nil || len(heads) != 2 || !slices.ContainsFunc(laptop.receipt().Heads, func(h identity.LogHead) bool { return whole[h.Log] == h.Head }) {
		t.Errorf("%v, %v; want %v", heads, err, whole)
	}
	laptop.sound()
}

// What was compacted keeps its name where a hub was restored that has forgotten to have
// committed it, whether that commits the other history or none yet, and whichever has the
// smaller hash: two records never have one name.
func TestWhatWasCompactedKeepsItsName(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box := testEngine(t, "box", identity.RoleBox, others)
	box.create(map[string]any{"subject": "Chung"})
	box.receipt()
	twin := box.twin()
	for p, subject := range map[*peer]string{box: "Một", twin: "Hai"} {
		p.create(map[string]any{"subject": subject})
		p.receipt()
	}
	for i, both := range [][2]*peer{{box, twin}, {twin, box}} {
		for _, commits := range []bool{false, true} {
			laptop := testEngine(t, fmt.Sprint("laptop", i, commits), identity.RoleLaptop, others)
			laptop.take(slices.Concat(pieces(both[0]), pieces(both[1]))...)
			h := &province{ms: testNow.UnixMilli()}
			laptop.checkpoint(h.checkpoint(crdt.Checkpoint{}))
			restored := *h
			laptop.checkpoint(h.heads(both[0]))
			laptop.now = testNow.Add(Retention + 2*time.Hour)
			if n := laptop.compact(); n != 2 {
				t.Fatalf("%d entries dropped; want 2", n)
			}
			before := laptop.stateHash()
			restored.at = crdt.Cite{Epoch: 2}
			var said crdt.Checkpoint
			if commits {
				head := both[1].receipt().Heads[0]
				said.Heads = []crdt.Pin{{Log: head.Log, Seq: head.Head.Seq, Hash: head.Head.Hash}}
			}
			laptop.checkpoint(restored.checkpoint(said))
			for range 2 {
				var subjects []any
				for _, v := range laptop.search(Query{}).Items {
					subjects = append(subjects, v.Values["subject"])
				}
				if len(subjects) != 3 || laptop.stateHash() != before {
					t.Errorf("%d, the other is committed: %v: records %q; want all three, as before", i, commits, subjects)
				}
				laptop.sound()
				laptop.close()
				laptop.open()
			}
		}
	}
}

// An entry that was compacted had seen a history which comes later: what of its claims lies
// before that parts, counts then too.
func TestACompactedClaimBelowWhereItsHistoryParts(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, desk := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "desk", identity.RoleLaptop, others)
	forgets, keeps := testEngine(t, "forgets", identity.RoleLaptop, others), testEngine(t, "keeps", identity.RoleLaptop, others)
	give := func(from *peer) {
		for _, s := range pieces(from) {
			for _, p := range []*peer{forgets, keeps} {
				if err := p.take(s)[0]; err != nil && !errors.Is(err, ErrBranch) {
					t.Fatal(err)
				}
			}
		}
	}
	id := box.create(map[string]any{"subject": "Chung", "note": "chung"})
	box.create(map[string]any{"subject": "Khác"})
	box.receipt()
	twin := box.twin()
	box.create(map[string]any{"subject": "Nhánh một"})
	box.receipt()
	twin.edit(id, "", map[string]any{"note": "nhánh hai"})
	twin.receipt() // its history comes in two pieces
	twin.edit(id, "", map[string]any{"note": "nhánh hai, sửa"})
	desk.pull(twin)
	desk.edit(id, "", map[string]any{"subject": "Văn phòng", "note": "văn phòng"})
	give(box)
	give(desk)
	h := &province{ms: testNow.UnixMilli()}
	base, committed := h.checkpoint(crdt.Checkpoint{}), h.heads(forgets)
	i := slices.IndexFunc(committed.Floor, func(p crdt.Pos) bool { return p.Log.Device == box.device })
	committed.Floor[i].Seq = 2
	for _, p := range []*peer{forgets, keeps} {
		p.checkpoint(base)
		p.checkpoint(committed)
		p.now = testNow.Add(Retention + 2*time.Hour)
	}
	if n := forgets.compact(); n != 3 {
		t.Fatalf("%d entries dropped; want 3", n)
	}
	alike(t, "compacted", forgets, keeps)
	if got := forgets.texts(id, "subject"); !slices.Equal(got, []string{"Chung", "Văn phòng"}) {
		t.Fatalf("it reads %q: nothing waits", got)
	}
	for i, s := range pieces(twin) {
		for _, p := range []*peer{forgets, keeps} {
			p.take(s)
		}
		alike(t, fmt.Sprint("piece ", i), forgets, keeps)
	}
	if got := keeps.texts(id, "subject"); !slices.Equal(got, []string{"Văn phòng"}) {
		t.Errorf("who keeps all reads %q", got)
	}
}
