package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/kpi"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/sync/identity"
)

// twin is a second box with a copy of p's disk: what each writes from now on are two
// histories under one name.
func (p *peer) twin() *peer {
	p.t.Helper()
	p.close()
	dir := p.t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(p.dir)); err != nil {
		p.t.Fatal(err)
	}
	c := &peer{t: p.t, key: p.key, device: p.device, role: p.role, dir: dir, now: p.now, others: p.others, opened: 100} // draws otherwise
	p.open()
	c.open()
	p.t.Cleanup(c.close)
	return c
}

// take gives a peer segments in their order, and says how each was taken.
func (p *peer) take(segments ...*wire.Segment) (errs []error) {
	p.t.Helper()
	for _, s := range segments {
		errs = append(errs, p.Ingest(context.Background(), []*wire.Segment{s}))
	}
	return errs
}

func (p *peer) texts(id crdt.RecordID, field string) (texts []string) {
	p.t.Helper()
	for _, v := range p.siblings(id, field) {
		texts = append(texts, fmt.Sprint(v))
	}
	slices.Sort(texts)
	return texts
}

// A copied disk writes a second history: both are kept and read, people are told, and the
// log goes on for those who know its first.
func TestBothBranchesAreKept(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	id := box.create(map[string]any{"subject": "Chung"})
	box.receipt()
	twin := box.twin()
	box.edit(id, "", map[string]any{"subject": "Nhánh một"})
	made := box.create(map[string]any{"subject": "Mới ở nhánh một"})
	twin.now = twin.now.Add(time.Hour)
	twin.edit(id, "", map[string]any{"subject": "Nhánh hai"})
	twin.create(map[string]any{"subject": "Mới ở nhánh hai"})
	laptop.pull(box)
	wire1 := laptop.receipt().Heads
	for _, s := range pieces(twin) {
		if err := laptop.take(s)[0]; !errors.Is(err, ErrBranch) || !errors.Is(err, ErrFork) {
			t.Fatalf("a second branch: %v; want ErrBranch", err)
		}
	}
	for range 2 {
		if got, want := laptop.texts(id, "subject"), []string{"Nhánh hai", "Nhánh một"}; !slices.Equal(got, want) {
			t.Errorf("siblings %q; want %q", got, want)
		}
		if n := laptop.search(Query{}).Total; n != 3 {
			t.Errorf("%d records; want 3", n)
		}
		heads := laptop.receipt().Heads
		if len(heads) != 2 || !slices.ContainsFunc(heads, func(h identity.LogHead) bool { return h.Head == wire1[0].Head }) {
			t.Errorf("heads %v; want both branches, one of them %v", heads, wire1)
		}
		told, err := laptop.Forks()
		if err != nil || len(told) != 1 || told[0].Device != box.device || told[0].Since != 2 || len(told[0].Branches) != 2 || told[0].Decided {
			t.Fatalf("people are told %+v, %v", told, err)
		}
		if got := told[0].Branches; got[0].Keeps == got[1].Keeps || got[0].Entries != 2 || got[1].Entries != 2 {
			t.Errorf("branches %+v; want one that has the name", got)
		}
		if !laptop.Quarantined(box.device) || laptop.Quarantined(laptop.device) {
			t.Error("the device that forked isn't quarantined, or another is")
		}
		laptop.sound()
		laptop.close()
		laptop.open()
	}
	// The first branch goes on, for peers and in records.
	box.edit(made, "", map[string]any{"note": "tiếp"})
	laptop.pull(box)
	if got := laptop.get(laptopsName(t, laptop, "Mới ở nhánh một")).Values["note"]; got != "tiếp" {
		t.Errorf("the first branch went on to %v", got)
	}
	laptop.sound()
}

// laptopsName finds a record by its subject: which of two records has the id that its own
// device gave it, is decided by who has the log's name.
func laptopsName(t *testing.T, p *peer, subject string) crdt.RecordID {
	t.Helper()
	for _, v := range p.search(Query{}).Items {
		if v.Values["subject"] == subject {
			return v.ID
		}
	}
	t.Fatalf("no record %q", subject)
	return crdt.RecordID{}
}

// What the hub has committed keeps the name in records, whichever came first and whichever
// hash is smaller; peers are told of both, whatever the hub has committed.
func TestACheckpointSettlesAFork(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box := testEngine(t, "box", identity.RoleBox, others)
	id := box.create(map[string]any{"subject": "Chung"})
	box.receipt()
	twin := box.twin()
	box.edit(id, "", map[string]any{"subject": "Nhánh một"})
	twin.edit(id, "", map[string]any{"subject": "Nhánh hai"})
	box.receipt()
	twin.receipt()
	log := crdt.LogID{}
	for name, settles := range map[string]*peer{"the first": box, "the second": twin} {
		laptop := testEngine(t, name, identity.RoleLaptop, others)
		laptop.take(slices.Concat(pieces(box), pieces(twin))...)
		head := settles.receipt().Heads[0]
		log = head.Log
		h := &province{ms: testNow.UnixMilli()}
		laptop.checkpoint(h.checkpoint(crdt.Checkpoint{}))
		laptop.checkpoint(h.checkpoint(crdt.Checkpoint{Heads: []crdt.Pin{{Log: log, Seq: head.Head.Seq, Hash: head.Head.Hash}}}))
		for range 2 {
			told, err := laptop.Forks()
			if err != nil || len(told) != 1 || !told[0].Decided {
				t.Fatalf("%s: %+v, %v; want it decided", name, told, err)
			}
			for _, b := range told[0].Branches {
				if b.Keeps != (b.Head == head.Head) || b.Committed != b.Keeps {
					t.Errorf("%s: branch %+v; the hub has committed %v", name, b, head.Head)
				}
			}
			if got := laptop.receipt().Heads; len(got) != 2 || got[0].Head != head.Head && got[1].Head != head.Head {
				t.Errorf("%s: peers are told of %v; want both branches, one of them %v", name, got, head)
			}
			s, err := laptop.Segment(log, 0, 0)
			if err != nil || s == nil || s.Seal.Hash == (crdt.Hash{}) {
				t.Fatal(s, err)
			}
			if entries, err := s.Open(); err != nil || entries[len(entries)-1].Seq != s.Seal.Seq {
				t.Errorf("%s: a segment that doesn't hold: %v", name, err)
			}
			laptop.sound()
			laptop.close()
			laptop.open()
		}
		settles.edit(id, "", map[string]any{"note": "tiếp " + name})
		laptop.take(pieces(settles)...)
		if got := laptop.texts(id, "note"); !slices.Contains(got, "tiếp "+name) {
			t.Errorf("%s: the log that keeps its name went on to %q", name, got)
		}
		laptop.sound()
	}
}

// A branch that its device meets itself: it goes on under another name.
func TestAForkedDeviceBeginsANewIncarnation(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box := testEngine(t, "box", identity.RoleBox, others)
	id := box.create(map[string]any{"subject": "Chung"})
	box.receipt()
	twin := box.twin()
	box.edit(id, "", map[string]any{"subject": "Nhánh một"})
	twin.edit(id, "", map[string]any{"subject": "Nhánh hai"})
	old, ofBox := box.ownLog(crdt.ClassRecords), pieces(box)
	box.take(pieces(twin)...)
	twin.take(ofBox...)
	if a, b := box.ownLog(crdt.ClassRecords), twin.ownLog(crdt.ClassRecords); a == old || b == old || a == b {
		t.Errorf("they go on as %v and %v; want new names, each its own, after %v", a, b, old)
	}
	if got := box.texts(id, "subject"); len(got) != 2 {
		t.Errorf("siblings %q; want both", got)
	}
	box.edit(id, "", map[string]any{"subject": "Đã gộp"})
	if got := box.texts(id, "subject"); !slices.Equal(got, []string{"Đã gộp"}) {
		t.Errorf("after a person settled it: %q", got)
	}
	laptop := testEngine(t, "laptop", identity.RoleLaptop, others)
	laptop.take(pieces(twin)...)
	laptop.take(must(box.segmentsAll())...)
	if laptop.stateHash() != box.stateHash() {
		t.Error("the laptop shows something else than the box")
	}
}

// The order in which two branches come to real stores, and with what others wrote over
// them, doesn't matter, with and without the checkpoint that settles them.
func TestForksConverge(t *testing.T) {
	fewer(t, 6)
	rapid.Check(t, func(rt *rapid.T) {
		others := map[crdt.Device]identity.Role{}
		dir := func() string {
			d, err := os.MkdirTemp("", "fork")
			if err != nil {
				rt.Fatal(err)
			}
			rt.Cleanup(func() { os.RemoveAll(d) })
			return d
		}
		begin := func(name string, role identity.Role) *peer {
			p := newPeer(t, name, role, dir(), others)
			p.open()
			rt.Cleanup(p.close)
			return p
		}
		box, laptop := begin("box", identity.RoleBox), begin("laptop", identity.RoleLaptop)
		box.create(map[string]any{"subject": "0", "received": testNow.UnixMilli()})
		box.receipt()
		laptop.pull(box)
		write := func(p *peer, n int) {
			p.now = p.now.Add(time.Duration(rapid.IntRange(0, 90).Draw(rt, "minutes")) * time.Minute)
			all := p.search(Query{}).Items
			switch id := all[rapid.IntRange(0, len(all)-1).Draw(rt, "record")].ID; rapid.IntRange(0, 4).Draw(rt, "deed") {
			case 0:
				p.create(map[string]any{"subject": fmt.Sprint("mới ", n), "received": p.now.UnixMilli()})
			case 1:
				if len(all) > 1 {
					p.change(Change{Record: &id, Delete: true})
				}
			default:
				p.edit(id, "", map[string]any{"subject": fmt.Sprint(n), "note": fmt.Sprint("ghi ", n)})
			}
			p.receipt()
		}
		var twins []*peer
		for range rapid.IntRange(1, 2).Draw(rt, "copies") {
			box.close()
			d := dir()
			if err := os.CopyFS(d, os.DirFS(box.dir)); err != nil {
				rt.Fatal(err)
			}
			box.open()
			c := &peer{t: t, key: box.key, device: box.device, role: box.role, dir: d, now: box.now, others: others, opened: byte(100 * (1 + len(twins)))}
			c.open()
			rt.Cleanup(c.close)
			twins = append(twins, c)
			write(box, len(twins)*100)
		}
		writers := append(twins, box)
		one := func(why string) *peer { return writers[rapid.IntRange(0, len(writers)-1).Draw(rt, why)] }
		knows := one("whom the laptop knows")
		for i := range rapid.IntRange(2, 7).Draw(rt, "saves") {
			switch rapid.IntRange(0, 3).Draw(rt, "who") {
			case 0:
				laptop.take(pieces(knows)...)
				write(laptop, 1000+i)
			default:
				write(one("writer"), 2000+i)
			}
		}
		var segments []*wire.Segment
		for _, p := range append(writers, laptop) {
			segments = append(segments, pieces(p)...)
		}
		h := &province{ms: testNow.UnixMilli()}
		checkpoints := []*crdt.Checkpoint{h.checkpoint(crdt.Checkpoint{})}
		if rapid.Bool().Draw(rt, "settled") {
			var heads []crdt.Pin
			for _, r := range one("committed").receipt().Heads {
				if r.Log.Device == box.device {
					heads = append(heads, crdt.Pin{Log: r.Log, Seq: r.Head.Seq, Hash: r.Head.Hash})
				}
			}
			checkpoints = append(checkpoints, h.checkpoint(crdt.Checkpoint{Heads: heads}))
		}
		seed := rapid.Uint64().Draw(rt, "order")
		var want crdt.Hash
		var total int
		for i := range 2 {
			r := begin(fmt.Sprint("reader ", i), identity.RoleLaptop)
			deliverForked(rt, r, rand.New(rand.NewPCG(seed, uint64(i))), segments, checkpoints)
			if rapid.Bool().Draw(rt, "started again") {
				r.close()
				r.open()
			}
			if i == 0 {
				want, total = r.stateHash(), r.search(Query{}).Total
			}
			if r.stateHash() != want || r.search(Query{}).Total != total {
				rt.Fatalf("reader %d shows something else than reader 0", i)
			}
			if n, m := r.received(), int64(r.recount()[kpi.Received]); n != m {
				rt.Fatalf("reader %d: figures say %d, a recount %d", i, n, m)
			}
			if found := r.verify(); len(found) > 0 {
				rt.Fatalf("reader %d: verify finds %v", i, found)
			}
			r.close()
		}
	})
}

// deliverForked is deliver where segments may come before those that they go on from:
// they come again, as they would from a peer.
func deliverForked(rt *rapid.T, r *peer, rng *rand.Rand, segments []*wire.Segment, checkpoints []*crdt.Checkpoint) {
	next := append([]*wire.Segment{}, segments...)
	rng.Shuffle(len(next), func(i, j int) { next[i], next[j] = next[j], next[i] })
	for tries := 0; len(next)+len(checkpoints) > 0; tries++ {
		if tries > 1000 {
			rt.Fatal("segments are never taken")
		}
		if len(checkpoints) > 0 && (len(next) == 0 || rng.IntN(4) == 0) {
			if err := r.ApplyCheckpoint(checkpoints[0], hashOf(checkpoints[0])); err != nil {
				rt.Fatal(err)
			}
			checkpoints = checkpoints[1:]
			continue
		}
		s := next[0]
		next = next[1:]
		switch err := r.Engine.Ingest(context.Background(), []*wire.Segment{s}); {
		case errors.Is(err, ErrBranch), err == nil:
		case errors.Is(err, ErrGap), errors.Is(err, ErrFork):
			next = append(next, s)
		default:
			rt.Fatal(err)
		}
	}
}

// A crash, or a full disk, while records are made anew: the next start, or the next
// change, finishes it.
func TestAForkThatWasCutOff(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box := testEngine(t, "box", identity.RoleBox, others)
	var ids []crdt.RecordID
	for i := range 30 {
		ids = append(ids, box.create(map[string]any{"subject": fmt.Sprint(i)}))
	}
	box.receipt()
	twin := box.twin()
	for i, p := range []*peer{box, twin} {
		for _, id := range ids {
			p.edit(id, "", map[string]any{"subject": fmt.Sprint("nhánh ", i)})
		}
		p.create(map[string]any{"subject": fmt.Sprint("mới ", i)})
	}
	segments := slices.Concat(pieces(box), pieces(twin))
	whole := testEngine(t, "whole", identity.RoleLaptop, others)
	whole.take(segments...)
	for _, again := range []bool{false, true} {
		laptop := testEngine(t, fmt.Sprint("laptop ", again), identity.RoleLaptop, others)
		laptop.close()
		steps := 0
		laptop.onStep = func(_ context.Context, name string) error {
			if name != "rename" {
				return nil
			}
			if steps++; steps == 3 {
				return errors.New("cut off")
			}
			return nil
		}
		laptop.open()
		for _, err := range laptop.take(segments...) {
			if err != nil && !errors.Is(err, ErrBranch) && steps < 3 {
				t.Fatal(err)
			}
		}
		if steps < 3 {
			t.Fatalf("%d pieces; want more than one", steps)
		}
		if again {
			laptop.create(map[string]any{"subject": "lưu tiếp"})
			whole.pull(laptop)
		} else {
			laptop.close()
			laptop.onStep = nil
			laptop.open()
		}
		if laptop.stateHash() != whole.stateHash() {
			t.Errorf("in one process: %v: it shows something else than what was not cut off", again)
		}
		laptop.sound()
	}
}

// A fork doesn't stop a province: every member applies it alike, also one that is made of
// another's snapshot.
func TestMembersOfAHubApplyAForkAlike(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box := testEngine(t, "box", identity.RoleBox, others)
	id := box.create(map[string]any{"subject": "Chung"})
	box.receipt()
	twin := box.twin()
	box.edit(id, "", map[string]any{"subject": "Nhánh một"})
	twin.edit(id, "", map[string]any{"subject": "Nhánh hai"})
	twin.create(map[string]any{"subject": "Mới"})
	segments := slices.Concat(pieces(box), pieces(twin), pieces(twin))
	var hubs []*peer
	for i := range 3 {
		hub := testEngine(t, fmt.Sprint("hub ", i), identity.RoleHub, others)
		hubs = append(hubs, hub)
		if i == 2 {
			segments = must(hubs[0].segmentsAll())
		}
		for n, s := range segments {
			if err := hub.ApplySegments(uint64(n+1), []*wire.Segment{s}); err != nil {
				t.Fatal(err)
			}
		}
		if at, err := hub.Applied(); at != uint64(len(segments)) || err != nil {
			t.Errorf("hub %d: applied %d, %v; want %d", i, at, err, len(segments))
		}
		if hub.stateHash() != hubs[0].stateHash() || len(hub.texts(id, "subject")) != 2 || hub.receipt().Heads[0] != hubs[0].receipt().Heads[0] {
			t.Errorf("hub %d holds %v and shows %q; hub 0 %v", i, hub.receipt().Heads, hub.texts(id, "subject"), hubs[0].receipt().Heads)
		}
		hub.sound()
	}
}

// An overwriting that names a branch further than it is held counts once that much of it
// has come.
func TestAnOverwriteWaitsForItsBranch(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box := testEngine(t, "box", identity.RoleBox, others)
	id := box.create(map[string]any{"subject": "Chung"})
	box.receipt()
	twin := box.twin()
	for _, p := range []*peer{box, twin} { // several pieces
		for i := range 3 {
			p.edit(id, "", map[string]any{"note": fmt.Sprint(p == box, i)})
			p.receipt()
		}
	}
	laptop := testEngine(t, "laptop", identity.RoleLaptop, others)
	laptop.pull(twin)
	laptop.edit(id, "", map[string]any{"note": "sau nhánh hai"})
	want := []string{"sau nhánh hai", "true 2"}
	one := func(p *peer, log crdt.LogID, n uint64) *wire.Segment {
		whole := pieces(p)[0]
		seals := p.sealsOf(log)
		return &wire.Segment{Log: log, First: 1, Entries: whole.Entries[:n], Seal: seals[n], Salts: whole.Salts}
	}
	log := box.ownLog(crdt.ClassRecords)
	reader := testEngine(t, "reader", identity.RoleLaptop, others)
	reader.take(pieces(box)...)
	reader.take(one(twin, log, 2))
	reader.take(pieces(laptop)...)
	if got := reader.texts(id, "note"); len(got) != 3 {
		t.Errorf("before the branch has come so far: %q; want it beside what is held", got)
	}
	reader.take(pieces(twin)...)
	if got := reader.texts(id, "note"); !slices.Equal(got, want) {
		t.Errorf("after it: %q; want %q", got, want)
	}
	reader.sound()
}

// sealsOf is the seals of a log by seq.
func (p *peer) sealsOf(log crdt.LogID) map[uint64]wire.Seal {
	p.t.Helper()
	seals := map[uint64]wire.Seal{}
	err := p.Store.View(func(tx *store.Tx) error {
		l, err := tx.Log(log)
		if err != nil {
			return err
		}
		return tx.Seals(l, 0, func(s wire.Seal) (bool, error) {
			seals[s.Seq] = s
			return true, nil
		})
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return seals
}
