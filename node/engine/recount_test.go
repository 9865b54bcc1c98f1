package engine

import (
	"context"
	"flag"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/kpi"
	"github.com/vungxa/vungxa/sync/identity"
)

// recount is the figures of the current month, counted over what the records
// show: nothing incremental in it.
func (p *peer) recount() map[kpi.Measure]int64 {
	now := p.now.UnixMilli()
	month := func(ms any) bool {
		v, ok := ms.(int64)
		if !ok || v > now {
			return false
		}
		at := time.UnixMilli(v).In(p.now.Location())
		return at.Year() == p.now.Year() && at.Month() == p.now.Month()
	}
	past := func(ms any) bool { v, ok := ms.(int64); return ok && v <= now }
	n := map[kpi.Measure]int64{}
	count := func(m kpi.Measure, yes bool) {
		if yes {
			n[m]++
		}
	}
	err := p.Each("cases", func(v map[string]any) error {
		count(kpi.Received, month(v["received"]))
		count(kpi.Resolved, month(v["resolved"]))
		open := past(v["received"]) && !past(v["resolved"])
		count(kpi.Open, open)
		due, promised := v["due"].(int64)
		count(kpi.Overdue, open && promised && due < now)
		resolved, _ := v["resolved"].(int64)
		count(kpi.OnTime, month(v["resolved"]) && promised && resolved <= due)
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

// Two engines save, edit, exchange and let time pass, in any order. After every
// step the figures of both are what a plain recount gives, and so are they when
// a view is built again from the records.
func TestFiguresEqualARecount(t *testing.T) {
	fewer(t, 20)
	rapid.Check(t, func(rt *rapid.T) {
		others := map[crdt.Device]identity.Role{}
		peers := []*peer{testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)}
		defer func() { // many stores are opened: none waits for the test's end
			for _, p := range peers {
				p.close()
			}
		}()
		var ids []crdt.RecordID
		hours := rapid.Int64Range(-40*24, 40*24)
		date := func(name string) any {
			if rapid.IntRange(0, 4).Draw(rt, name+" missing") == 0 {
				return nil
			}
			return testNow.UnixMilli() + hours.Draw(rt, name)*3_600_000
		}
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			p := peers[rapid.IntRange(0, 1).Draw(rt, "peer")]
			values := map[string]any{"received": date("received"), "resolved": date("resolved"), "due": date("due")}
			switch rapid.IntRange(0, 4).Draw(rt, "step") {
			case 0, 1:
				values["subject"] = "Việc"
				ids = append(ids, p.create(values))
			case 2:
				if len(ids) > 0 {
					id := rapid.SampledFrom(ids).Draw(rt, "record")
					if _, err := p.Get(context.Background(), "cases", id); err == nil {
						p.edit(id, "", values)
					}
				}
			case 3:
				p.pull(peers[0])
				p.pull(peers[1])
			case 4:
				p.now = p.now.Add(time.Duration(rapid.Int64Range(0, 20*24).Draw(rt, "hours")) * time.Hour)
			}
			for i, p := range peers {
				answer, err := p.KPIs(0)
				if err != nil || !answer.Ready {
					rt.Fatalf("not ready: %v", err)
				}
				recount := p.recount()
				for _, m := range []kpi.Measure{kpi.Received, kpi.Resolved, kpi.Open, kpi.Overdue, kpi.OnTime} {
					want := recount[m]
					if got, ok := answer.Sets[0].Figures.Get(m); !ok || got.Num != want {
						rt.Fatalf("peer %d: %v is %d (%v); a recount gives %d", i, m, got.Num, ok, want)
					}
				}
			}
		}
	})
}

// fewer makes rapid try a property of real stores, each with its fsyncs, less
// often than its default of 100; -rapid.checks still rules.
func fewer(t *testing.T, n int) {
	t.Helper()
	checks := flag.Lookup("rapid.checks")
	if before := checks.Value.String(); before == checks.DefValue {
		if err := checks.Value.Set(strconv.Itoa(n)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := checks.Value.Set(before); err != nil {
				t.Error(err)
			}
		})
	}
}
