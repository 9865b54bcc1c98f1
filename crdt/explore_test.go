package crdt

import (
	"flag"
	"testing"

	"pgregory.net/rapid"
)

// saves is how many Saves the dearest of the explorations go: histories of all deeds
// mixed, and what is read of a compacted past.
var saves = flag.Int("saves", 3, "how many Saves are explored of all deeds mixed, and under verdicts; make crdt-explore takes 4")

// explorer walks all histories of up to so many Saves.
type explorer struct {
	t         *testing.T
	history   *history
	deeds     []deed
	length    int
	views     [3]vector // what each device has received
	histories int
	pattern   []deed // if set, what each Save does, instead of any of deeds
	forgotten int    // floors that passed a whole deleted record
	floors    bool   // walk every floor that may come between the Saves, too
}

// Every history of up to four Saves by three devices, each in every order in
// which their logs can arrive anywhere. Devices are alike but for their names, so
// the first to save is device 0, and the next new one device 1.
//
// What is kept apart is what doesn't meet: fields and sets have no cell in common,
// so each is walked alone; a deletion meets fields, so existence is walked with a
// field. All deeds mixed are walked to four Saves by make crdt-explore, and to three here.
func TestAllHistoriesOfFour(t *testing.T) {
	for _, x := range []struct {
		name  string
		deeds []deed
		by    Ref
	}{
		{"assign", []deed{assign}, testRef},
		{"set", []deed{put, take}, testRef},
		{"existence", []deed{create, assign, remove}, testRef},
		{"everything", []deed{assign, put, take, create, remove}, testRef},
	} {
		t.Run(x.name, func(t *testing.T) {
			e := &explorer{t: t, history: newHistory(x.by), deeds: x.deeds, length: 4}
			if x.name == "everything" {
				e.length = *saves
			}
			if testing.Short() {
				e.length = 3
			}
			e.walk(0)
			t.Logf("%d histories, %d deliveries compared", e.histories, e.history.checks)
		})
	}
}

// walk tries every next Save: who, having received what, with a page of when, does
// what.
func (e *explorer) walk(known int) {
	e.histories++
	if len(e.history.steps) == e.length {
		return
	}
	if e.floors && e.history.floor == nil {
		e.raise(known)
	}
	for actor := range min(known+1, 3) {
		e.eachView(actor, func(view, seen vector) {
			if e.history.floor != nil {
				e.afterFloor(actor, view, seen, max(known, actor+1))
				return
			}
			for _, d := range e.next() {
				if d == create && !e.history.ref.ByKey() && len(e.history.states[seen].Cells) == 0 {
					continue // a dot makes one record: nobody restores what they don't know
				}
				e.try(&step{actor: actor, view: view, seen: seen, deed: d}, max(known, actor+1))
			}
		})
	}
}

// next is what the next Save may do.
func (e *explorer) next() []deed {
	if n := len(e.history.steps); e.pattern != nil {
		return e.pattern[n : n+1]
	}
	return e.deeds
}

// eachView calls f with every view that the actor may have come to, and with the
// pages that it may look at: the newest, and the one of before it last received.
func (e *explorer) eachView(actor int, f func(view, seen vector)) {
	old, heads := e.views[actor], e.history.heads()
	for a := old[0]; a <= heads[0]; a++ {
		for b := old[1]; b <= heads[1]; b++ {
			for c := old[2]; c <= heads[2]; c++ {
				view := vector{a, b, c} // its own log is whole in it already
				f(view, view)
				if page := old; page != view {
					f(view, page)
				}
			}
		}
	}
}

func (e *explorer) try(s *step, known int) {
	skew := [3]int{0, 25, -15} // clocks differ, so that the newest claim is not the last Save
	before := e.views[s.actor]
	e.history.say(s, StampAt(int64(100+10*len(e.history.steps)+skew[s.actor])))
	if err := s.entry.Validate(); err != nil {
		e.t.Fatalf("%v\n%v", err, e.history)
	}
	if err := e.history.follow(); err != nil {
		e.t.Fatal(err)
	}
	e.views[s.actor] = s.view
	e.views[s.actor][s.actor]++
	e.walk(known)
	e.views[s.actor] = before
	e.history.undo()
}

// Six Saves of every kind, sampled.
func TestSampledHistoriesOfSix(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(testRef)
		var views [3]vector
		var pages [3][]vector // what each device has shown
		for n := range 6 {
			actor := rapid.IntRange(0, 2).Draw(t, "device")
			view, heads := views[actor], h.heads()
			for i := range view {
				view[i] = rapid.IntRange(view[i], heads[i]).Draw(t, "received")
			}
			view[actor] = heads[actor]
			pages[actor] = append(pages[actor], view)
			seen := view
			if rapid.IntRange(0, 2).Draw(t, "stale") == 0 {
				seen = rapid.SampledFrom(pages[actor]).Draw(t, "page")
			}
			h.say(&step{actor: actor, view: view, seen: seen, deed: deed(rapid.IntRange(0, 4).Draw(t, "deed"))},
				StampAt(int64(n)*10+rapid.Int64Range(0, 40).Draw(t, "skew")))
			if err := h.follow(); err != nil {
				t.Fatal(err)
			}
			views[actor] = view
			views[actor][actor]++
		}
	})
}
