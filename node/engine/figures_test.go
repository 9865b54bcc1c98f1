package engine

import (
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/kpi"
	"github.com/vungxa/vungxa/sync/identity"
)

func TestFiguresFollowAndAreRebuilt(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	id := p.create(map[string]any{"subject": "Việc", "received": testNow.UnixMilli(), "due": testNow.Add(time.Hour).UnixMilli()})
	want := func(received, open, overdue, resolved int64) {
		t.Helper()
		answer, err := p.KPIs(0)
		if err != nil || !answer.Ready {
			t.Fatalf("not ready: %v", err)
		}
		for m, n := range map[kpi.Measure]int64{kpi.Received: received, kpi.Open: open, kpi.Overdue: overdue, kpi.Resolved: resolved} {
			if v, ok := answer.Sets[0].Figures.Get(m); !ok || v.Num != n {
				t.Errorf("%v: %v, %v; want %d", m, v.Num, ok, n)
			}
		}
	}
	want(1, 1, 0, 0)
	p.now = testNow.Add(2 * time.Hour)
	want(1, 1, 1, 0)
	p.close()
	p.open()
	want(1, 1, 1, 0)
	p.now = testNow.AddDate(1, 0, 0) // the clock leaps ahead, and is put right
	want(0, 1, 1, 0)
	p.now = testNow.Add(time.Minute)
	if _, err := p.KPIs(0); err != nil {
		t.Fatal(err)
	}
	p.settle()
	want(1, 1, 0, 0)
	p.now = testNow.Add(2 * time.Hour)
	p.edit(id, "", map[string]any{"resolved": p.now.UnixMilli()})
	want(1, 0, 0, 1)
}

// What is saved while the records are being read is counted when they are.
func TestFiguresCountWhatWaited(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	p.figures.mu.Lock()
	p.figures.ready = false
	p.figures.mu.Unlock()
	p.create(map[string]any{"subject": "Việc", "received": testNow.UnixMilli()})
	if answer, err := p.KPIs(0); answer.Ready || err != nil {
		t.Fatalf("ready %v, %v; want not yet", answer.Ready, err)
	}
	p.figures.finish(p.figures.kpi, nil)
	answer, err := p.KPIs(0)
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := answer.Sets[0].Figures.Get(kpi.Received); !ok || v.Num != 1 {
		t.Errorf("received %v, %v; want 1", v.Num, ok)
	}
}
