package engine

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/kpi"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/sync/identity"
)

// rebuilt is the KPI view as it is when it is made of the records alone.
func (p *peer) rebuilt() kpi.State {
	p.t.Helper()
	view := kpi.New(kpi.Calendar{OffsetMinutes: p.cfg.Pack.OffsetMinutes})
	view.Advance(kpi.At(p.now.UnixMilli()))
	err := p.Store.View(func(tx *store.Tx) error {
		return tx.Records("cases", func(r *crdt.Record) error {
			read, err := p.read(tx, r)
			if read.fact != nil {
				view.Apply(nil, read.fact)
			}
			return err
		})
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return view.State()
}

// kept is the KPI view as it was kept up by what changed.
func (p *peer) kept() kpi.State {
	p.t.Helper()
	if answer, err := p.KPIs(0); err != nil || !answer.Ready {
		p.t.Fatalf("not ready: %v", err)
	}
	p.figures.mu.Lock()
	defer p.figures.mu.Unlock()
	return p.figures.kpi.State()
}

// Whatever officers do, however often the node ends and begins again, the view that
// is kept up, that is kept over an end, and that is made anew are one.
func TestViewsKeptAndRebuiltAreOne(t *testing.T) {
	fewer(t, 12)
	rapid.Check(t, func(rt *rapid.T) {
		p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
		defer p.close()
		var ids []crdt.RecordID
		day := func(name string) any {
			if rapid.IntRange(0, 3).Draw(rt, name+" missing") == 0 {
				return nil
			}
			return testNow.UnixMilli() + rapid.Int64Range(-60, 60).Draw(rt, name)*86_400_000
		}
		for range rapid.IntRange(2, 15).Draw(rt, "steps") {
			values := map[string]any{"received": day("received"), "resolved": day("resolved"), "due": day("due")}
			switch rapid.IntRange(0, 5).Draw(rt, "step") {
			case 0, 1:
				values["subject"] = "Việc"
				ids = append(ids, p.create(values))
			case 2:
				if len(ids) > 0 {
					p.edit(rapid.SampledFrom(ids).Draw(rt, "record"), "", values)
				}
			case 3:
				p.now = p.now.Add(time.Duration(rapid.Int64Range(0, 40).Draw(rt, "days")) * 24 * time.Hour)
			case 4:
				p.now = p.now.Add(-time.Duration(rapid.Int64Range(0, 40).Draw(rt, "days back")) * 24 * time.Hour)
				if _, err := p.KPIs(0); err != nil { // which begins to compute anew
					rt.Fatal(err)
				}
				p.figures.wait()
			case 5:
				p.close()
				p.open()
			}
			if kept, rebuilt := p.kept(), p.rebuilt(); !reflect.DeepEqual(kept, rebuilt) {
				rt.Fatalf("kept up: %+v\nrebuilt: %+v", kept, rebuilt)
			}
			views, err := p.Views()
			if err != nil || views[0].Behind() || views[0].Position != uint64(views[0].Store) {
				rt.Fatalf("the view is behind: %+v, %v", views, err)
			}
		}
	})
}

// reads is how many records the open view was made of by reading them.
func (p *peer) reads() uint64 {
	p.figures.mu.Lock()
	defer p.figures.mu.Unlock()
	return p.figures.read
}

// After a clean end no record is read; after any other, or with another pack's
// figures, all are.
func TestKeptViewIsTakenUpOnlyAtItsPosition(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	p.fill(0, 50)
	p.close()
	p.open()
	if n := p.reads(); n != 0 {
		t.Errorf("after a clean end %d records were read; want none", n)
	}
	p.fill(50, 10)
	if err := p.Store.Close(); err != nil { // the engine never ended
		t.Fatal(err)
	}
	p.rebuild.stop()
	p.open()
	if n := p.reads(); n != 60 {
		t.Errorf("after a crash %d records were read; want 60", n)
	}
	p.close()
	p.openWith(strings.Replace(testPack, "kpi: {received: received, resolved: resolved, due: due}", "kpi: {received: received, resolved: resolved}", 1))
	if n := p.reads(); n != 60 {
		t.Errorf("with other figures %d records were read; want 60", n)
	}
	if kept, rebuilt := p.kept(), p.rebuilt(); !reflect.DeepEqual(kept, rebuilt) {
		t.Errorf("kept up: %+v\nrebuilt: %+v", kept, rebuilt)
	}
}

// Officers save while the records are read: what they save is counted once, and
// until all is read the answer is that nothing is known.
func TestSavesWhileTheViewIsComputed(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	p.fill(0, 20)
	id := p.search(Query{}).Items[0].ID
	if err := p.Store.Close(); err != nil {
		t.Fatal(err)
	}
	p.rebuild.stop()
	g := newGate("figures")
	p.onStep = g.step
	p.open()
	for i := range 20 {
		<-g.arrived
		p.create(map[string]any{"subject": "Mới", "received": testNow.UnixMilli()})
		p.edit(id, "", map[string]any{"received": testNow.UnixMilli() - int64(i)*86_400_000})
		answer, err := p.KPIs(0)
		if err != nil || answer.Ready || len(answer.Sets) > 0 || answer.Read != uint64(i) {
			t.Fatalf("after %d records: %+v, %v; want that nothing is known", i, answer, err)
		}
		if views, err := p.Views(); err != nil || !views[0].Behind() {
			t.Fatalf("%+v, %v; want a view that is behind", views, err)
		}
		g.pass <- struct{}{}
	}
	p.figures.wait()
	if kept, rebuilt := p.kept(), p.rebuilt(); !reflect.DeepEqual(kept, rebuilt) {
		t.Errorf("kept up: %+v\nrebuilt: %+v", kept, rebuilt)
	}
	if _, err := p.Get(context.Background(), "cases", id); err != nil {
		t.Error(err)
	}
}

// A damaged record stops nobody: the figures are of the others, and say so.
func TestADamagedRecordIsInNoFigure(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	p.fill(0, 10)
	id := p.search(Query{}).Items[3].ID
	err := p.Store.Update(func(tx *store.Tx) error { return tx.Put(recordKey(id), []byte("rác")) })
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Store.Close(); err != nil {
		t.Fatal(err)
	}
	p.rebuild.stop()
	p.open()
	answer, err := p.KPIs(0)
	if err != nil || !answer.Ready || answer.Unread != 1 || answer.Read != 9 {
		t.Errorf("%+v, %v; want 9 records read and 1 unread", answer, err)
	}
	p.close() // figures that lack something aren't kept
	p.open()
	if n := p.reads(); n != 9 {
		t.Errorf("%d records were read again; want 9", n)
	}
}
