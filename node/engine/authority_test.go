package engine

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/kpi"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/sync/identity"
)

// province makes the checkpoints of a hub that has seen what a test says.
type province struct {
	at   crdt.Cite
	prev crdt.Hash
	ms   int64
}

func (h *province) checkpoint(c crdt.Checkpoint) *crdt.Checkpoint {
	h.at.Epoch = max(h.at.Epoch, 1)
	h.at.Index++
	h.ms = max(h.ms+1, c.TimeMS)
	c.Scope, c.At, c.Prev, c.TimeMS = testScope, h.at, h.prev, h.ms
	h.prev = hashOf(&c)
	return &c
}

func hashOf(c *crdt.Checkpoint) crdt.Hash {
	b, err := wire.Marshal(c)
	if err != nil {
		panic(err)
	}
	return sha256.Sum256(b)
}

func (p *peer) checkpoint(c *crdt.Checkpoint) {
	p.t.Helper()
	if err := p.ApplyCheckpoint(c, hashOf(c)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) stateHash() crdt.Hash {
	p.t.Helper()
	h, err := p.StateHash()
	if err != nil {
		p.t.Fatal(err)
	}
	return h
}

func cutDevice(p *peer, logs ...crdt.Pin) crdt.Cut {
	return crdt.Cut{Subject: crdt.Subject{Kind: crdt.SubjectDevice, Device: p.device}, Epoch: 1, Logs: logs}
}

func (p *peer) received() int64 {
	p.t.Helper()
	answer, err := p.KPIs(0)
	if err != nil || !answer.Ready {
		p.t.Fatal(answer.Ready, err)
	}
	v, _ := answer.Sets[0].Figures.Get(kpi.Received)
	return v.Num
}

// A cut of a device hides what it wrote past it, in the record, in lists, in
// figures, and shows again what that had replaced; another start shows the same.
func TestACutHidesValuesEverywhere(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	id := box.create(map[string]any{"subject": "Thật", "received": testNow.UnixMilli()})
	laptop.pull(box)
	laptop.edit(id, "", map[string]any{"subject": "Giả mạo"})
	laptop.create(map[string]any{"subject": "Bịa", "received": testNow.UnixMilli()})
	box.pull(laptop)
	if n := box.received(); n != 2 {
		t.Fatalf("%d received before the cut; want 2", n)
	}
	box.checkpoint((&province{}).checkpoint(crdt.Checkpoint{Cuts: []crdt.Cut{cutDevice(laptop)}}))
	for range 2 {
		v := box.get(id)
		if v.Values["subject"] != "Thật" || len(v.Cells["subject"].Hidden) != 1 || v.Cells["subject"].Hidden[0].Why != crdt.CutDevice {
			t.Errorf("after the cut %v, hidden %+v; want Thật, and the other hidden", v.Values["subject"], v.Cells["subject"].Hidden)
		}
		if all, fake := box.search(Query{}).Total, box.search(Query{Text: "gia mao"}).Total; all != 1 || fake != 0 {
			t.Errorf("%d records, %d found by what is hidden; want 1 and 0", all, fake)
		}
		if n := box.received(); n != 1 {
			t.Errorf("%d received; want 1", n)
		}
		box.close()
		box.open()
	}
}

// The witness tells when something was written, whatever a clock claims: the winner
// changes, and lists and figures with it.
func TestAWitnessFlipsAWinner(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	id := box.create(map[string]any{"subject": "Việc", "state": "open", "received": testNow.UnixMilli()})
	laptop.pull(box)
	laptop.now = testNow.Add(30 * 24 * time.Hour) // a clock that is a month ahead
	laptop.edit(id, "", map[string]any{"state": "open", "received": testNow.AddDate(0, -2, 0).UnixMilli()})
	box.now = testNow.Add(time.Hour)
	box.edit(id, "", map[string]any{"state": "done", "received": testNow.UnixMilli() + 1})
	box.pull(laptop)
	if n := box.received(); n != 0 {
		t.Fatalf("received %d; want the laptop's claim to win at first", n)
	}
	h := &province{ms: testNow.UnixMilli()}
	box.checkpoint(h.checkpoint(crdt.Checkpoint{}))
	box.checkpoint(h.checkpoint(crdt.Checkpoint{TimeMS: testNow.UnixMilli() + 60_000, Witnesses: []crdt.Witness{
		{Log: laptop.ownLog(crdt.ClassRecords), Seq: 1, TimeMS: testNow.UnixMilli() + 60_000},
	}}))
	v := box.get(id)
	if v.Values["received"] != testNow.UnixMilli()+1 || box.received() != 1 {
		t.Errorf("after the witness: received %v, figures %d; want the box's later value", v.Values["received"], box.received())
	}
	if !v.Cells["received"].Siblings[1].Suspect || !v.Cells["received"].Review {
		t.Errorf("siblings %+v; want the laptop's suspect, and for review", v.Cells["received"].Siblings)
	}
}

// An entry that comes before the checkpoint which it cites reads otherwise once that
// is here, in the record, in lists and in figures.
func TestACheckpointThatWasCitedBefore(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop, reader := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others), testEngine(t, "reader", identity.RoleLaptop, others)
	id := box.create(map[string]any{"subject": "Việc", "state": "open", "received": testNow.UnixMilli()})
	laptop.pull(box)
	h := &province{ms: testNow.UnixMilli()}
	first, second := h.checkpoint(crdt.Checkpoint{}), h.checkpoint(crdt.Checkpoint{TimeMS: testNow.UnixMilli() + 3_600_000})
	box.checkpoint(first)
	box.checkpoint(second)
	box.edit(id, "", map[string]any{"received": testNow.UnixMilli() - 1}) // by a clock that is slow
	laptop.now = testNow.Add(time.Minute)
	laptop.edit(id, "", map[string]any{"received": testNow.AddDate(0, -2, 0).UnixMilli()})
	reader.pull(box)
	reader.pull(laptop)
	reader.checkpoint(first)
	if n := reader.received(); n != 0 {
		t.Fatalf("received %d; want the laptop's claim to win at first", n)
	}
	reader.checkpoint(second)
	box.pull(laptop)
	if v := reader.get(id); v.Values["received"] != testNow.UnixMilli()-1 || reader.received() != 1 || reader.stateHash() != box.stateHash() {
		t.Errorf("received %v, figures %d; want the box's, as the box shows it", v.Values["received"], reader.received())
	}
}

func TestCheckpointsThatDoNotFollow(t *testing.T) {
	box := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	h := &province{}
	first, second := h.checkpoint(crdt.Checkpoint{}), h.checkpoint(crdt.Checkpoint{})
	if err := box.ApplyCheckpoint(second, hashOf(second)); err == nil {
		t.Error("a checkpoint after a gap was taken")
	}
	for range 2 {
		box.checkpoint(first)
	}
	other := *first
	other.TimeMS++
	if err := box.ApplyCheckpoint(&other, hashOf(&other)); node.CodeOf(err) != node.Conflict {
		t.Errorf("another checkpoint at the same place: %v; want a conflict", err)
	}
	id := box.create(map[string]any{"subject": "Việc"})
	if err := box.Store.View(box.citesNewest(first.At)); err != nil {
		t.Error(err)
	}
	box.close()
	box.open()
	if box.Authority(testScope).Hash() != hashOf(first) || box.get(id) == nil {
		t.Error("the checkpoint is forgotten at the next start")
	}
}

// Entries and checkpoints in any order, on real stores: what is shown is the same.
func TestShownStateIsAFunctionOfEntriesAndCheckpoints(t *testing.T) {
	fewer(t, 6)
	rapid.Check(t, func(rt *rapid.T) {
		others := map[crdt.Device]identity.Role{}
		box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
		readers := []*peer{testEngine(t, "one", identity.RoleLaptop, others), testEngine(t, "two", identity.RoleLaptop, others), testEngine(t, "three", identity.RoleHub, others)}
		defer func() {
			for _, p := range append(readers, box, laptop) {
				p.close()
			}
		}()
		write := func(p *peer, i int) {
			p.now = testNow.Add(time.Duration(rapid.IntRange(-48, 48).Draw(rt, "hour")) * time.Hour)
			page := p.search(Query{})
			values := map[string]any{"subject": fmt.Sprint("Việc ", i), "state": rapid.SampledFrom([]any{"open", "done", nil}).Draw(rt, "state")}
			switch n := rapid.IntRange(0, 5).Draw(rt, "act"); {
			case n < 2 || len(page.Items) == 0:
				p.create(values)
			case n == 5:
				p.change(Change{Record: &page.Items[0].ID, Delete: true})
			default:
				p.edit(page.Items[n%len(page.Items)].ID, "", values)
			}
		}
		h := &province{ms: testNow.UnixMilli() - 3_600_000}
		var checkpoints []*crdt.Checkpoint
		for i := range rapid.IntRange(4, 16).Draw(rt, "steps") {
			switch rapid.IntRange(0, 5).Draw(rt, "what") {
			case 5: // what the box writes from now on cites it
				checkpoints = append(checkpoints, h.checkpoint(crdt.Checkpoint{}))
				box.checkpoint(checkpoints[len(checkpoints)-1])
			case 0, 1:
				write(box, i)
			case 2, 3:
				write(laptop, i)
			case 4:
				laptop.pull(box)
				box.pull(laptop)
			}
		}
		log := laptop.ownLog(crdt.ClassRecords)
		heads, err := laptop.Heads(testScope)
		if err != nil {
			rt.Fatal(err)
		}
		checkpoints = append(checkpoints, h.checkpoint(crdt.Checkpoint{}))
		if n := heads[log].Seq; n > 0 {
			checkpoints = append(checkpoints, h.checkpoint(crdt.Checkpoint{
				TimeMS: testNow.UnixMilli(), Witnesses: []crdt.Witness{{Log: log, Seq: n, TimeMS: testNow.UnixMilli()}},
			}))
		}
		if rapid.Bool().Draw(rt, "cut") {
			checkpoints = append(checkpoints, h.checkpoint(crdt.Checkpoint{Cuts: []crdt.Cut{cutDevice(laptop)}}))
		}
		segments := append(pieces(box), pieces(laptop)...)
		seed := rapid.Uint64().Draw(rt, "order")
		for i, r := range readers {
			deliver(rt, r, rand.New(rand.NewPCG(seed, uint64(i))), segments, checkpoints)
		}
		want := readers[0].stateHash()
		for i, r := range readers {
			if r.stateHash() != want {
				rt.Fatalf("reader %d shows something else than reader 0", i)
			}
			if n, m := r.search(Query{}).Total, readers[0].search(Query{}).Total; n != m {
				rt.Fatalf("reader %d lists %d records, reader 0 %d", i, n, m)
			}
			if n, m := r.received(), int64(r.recount()[kpi.Received]); n != m {
				rt.Fatalf("reader %d: figures say %d, a recount %d", i, n, m)
			}
		}
	})
}

// pieces is a device's own logs in segments of one seal each.
func pieces(p *peer) (all []*wire.Segment) {
	p.t.Helper()
	for _, s := range must(p.segmentsAll()) {
		if s.Log.Device != p.device {
			continue
		}
		all = append(all, s)
	}
	return all
}

// deliver gives a reader all segments and checkpoints, in an order of its own.
func deliver(rt *rapid.T, r *peer, rng *rand.Rand, segments []*wire.Segment, checkpoints []*crdt.Checkpoint) {
	next := append([]*wire.Segment{}, segments...)
	rng.Shuffle(len(next), func(i, j int) { next[i], next[j] = next[j], next[i] })
	for len(next)+len(checkpoints) > 0 {
		if len(checkpoints) > 0 && (len(next) == 0 || rng.IntN(2) == 0) {
			if err := r.ApplyCheckpoint(checkpoints[0], hashOf(checkpoints[0])); err != nil {
				rt.Fatal(err)
			}
			checkpoints = checkpoints[1:]
			continue
		}
		if err := r.Engine.Ingest(context.Background(), next[:1]); err != nil {
			rt.Fatal(err)
		}
		next = next[1:]
	}
}
