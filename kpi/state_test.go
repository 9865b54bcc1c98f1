package kpi

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// An engine that is taken up again from its State answers and goes on as the one
// that it was taken from; and engines that came to the same facts on different ways,
// in another order, with changes in between, under other clocks, have equal States.
func TestStateIsAFunctionOfTheFacts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		day := rapid.Int64Range(-400, 400)
		instant := func(name string) Instant {
			if rapid.IntRange(0, 3).Draw(rt, name+" missing") == 0 {
				return Instant{}
			}
			return At(day.Draw(rt, name) * dayMS)
		}
		fact := func() *Fact {
			return &Fact{
				Group:    rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "group"),
				Received: instant("received"), Resolved: instant("resolved"), Due: instant("due"),
			}
		}
		e := New(Vietnam)
		now := int64(-500)
		e.Advance(At(now * dayMS))
		var facts []*Fact
		for range rapid.IntRange(0, 25).Draw(rt, "steps") {
			switch rapid.IntRange(0, 3).Draw(rt, "step") {
			case 0:
				facts = append(facts, fact())
				e.Apply(nil, facts[len(facts)-1])
			case 1:
				if len(facts) > 0 {
					i, f := rapid.IntRange(0, len(facts)-1).Draw(rt, "which"), fact()
					e.Apply(facts[i], f)
					facts[i] = f
				}
			case 2:
				now += rapid.Int64Range(0, 200).Draw(rt, "days")
				e.Advance(At(now * dayMS))
			case 3:
				again, err := Resume(Vietnam, e.State())
				if err != nil {
					rt.Fatal(err)
				}
				if !reflect.DeepEqual(again.State(), e.State()) {
					rt.Fatal("taken up again, it is another")
				}
				e = again
			}
		}
		plain := New(Vietnam)
		plain.Advance(At(now * dayMS))
		for i := range facts {
			plain.Apply(nil, facts[len(facts)-1-i])
		}
		if !reflect.DeepEqual(plain.State(), e.State()) {
			rt.Fatalf("%+v\nanew: %+v", e.State(), plain.State())
		}
		for m := MonthOf(1967, 1); m <= MonthOf(1973, 1); m++ {
			for _, g := range []string{"a", "b"} {
				if !reflect.DeepEqual(plain.Answer(g, m), e.Answer(g, m)) {
					rt.Fatalf("%s in %v: %+v; anew: %+v", g, m, e.Answer(g, m), plain.Answer(g, m))
				}
			}
		}
	})
}

func TestResumeRefusesWhatIsNoState(t *testing.T) {
	e := New(Vietnam)
	e.Advance(At(0))
	e.Apply(nil, &Fact{Group: "a", Received: At(-dayMS), Due: At(dayMS)})
	for name, spoil := range map[string]func(*GroupState){
		"too few sums":       func(g *GroupState) { g.Months[0].Sums = g.Months[0].Sums[1:] },
		"half a step":        func(g *GroupState) { g.Waiting = g.Waiting[1:] },
		"a step of the past": func(g *GroupState) { g.Waiting[0] = 0 },
		"an unknown sum":     func(g *GroupState) { g.Waiting[1] = int64(slots) },
		"a step of nothing":  func(g *GroupState) { g.Waiting[2] = 0 },
	} {
		s := e.State()
		spoil(&s.Groups[0])
		if _, err := Resume(Vietnam, s); err == nil {
			t.Errorf("%s: taken up", name)
		}
	}
}
