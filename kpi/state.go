package kpi

import (
	"cmp"
	"fmt"
	"slices"
)

// State is an Engine as plain data, to be kept and taken up again by Resume. It is
// a function of the facts that the engine holds and of its clock: two engines that
// came to the same facts on different ways have equal States.
type State struct {
	NowMS  int64 // the engine's clock; meaningless before its first Advance, when it holds nothing
	Begun  bool  // the clock was advanced
	Groups []GroupState
}

// GroupState is one group: what its sums are, and what waits for its time.
type GroupState struct {
	Name   string
	Months []MonthState // ascending, only those in which something changed
	// Waiting is triples (moment in ms, place among the sums, how much), ascending.
	Waiting []int64
}

// MonthState is what came into the sums in one month.
type MonthState struct {
	Month Month
	Sums  []int64
}

// State returns the engine as plain data.
func (e *Engine) State() State {
	s := State{Begun: e.now != beforeAll}
	if s.Begun {
		s.NowMS = e.now
	}
	waiting := map[*group][]step{}
	for at := range e.waiting.byStep {
		waiting[at.group] = append(waiting[at.group], at)
	}
	for _, g := range e.groups {
		state := GroupState{Name: g.name, Months: g.state()}
		slices.SortFunc(waiting[g], func(a, b step) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.slot, b.slot)) })
		for _, w := range waiting[g] {
			state.Waiting = append(state.Waiting, w.at, int64(w.slot), e.waiting.byStep[w].n)
		}
		if len(state.Months) > 0 || len(state.Waiting) > 0 {
			s.Groups = append(s.Groups, state)
		}
	}
	slices.SortFunc(s.Groups, func(a, b GroupState) int { return cmp.Compare(a.Name, b.Name) })
	return s
}

func (g *group) state() (months []MonthState) {
	for _, y := range g.years {
		for i, m := range y.months {
			if m != (sums{}) {
				months = append(months, MonthState{Month: Month(12*y.number + i), Sums: slices.Clone(m[:])})
			}
		}
	}
	return months
}

// Resume returns the engine that a State is of. It fails when the state can't be
// one of this version's.
func Resume(c Calendar, s State) (*Engine, error) {
	e := New(c)
	if s.Begun {
		e.Advance(At(s.NowMS))
	}
	for _, state := range s.Groups {
		if err := e.resume(state); err != nil {
			return nil, fmt.Errorf("kpi: taking up the group %q: %w", state.Name, err)
		}
	}
	return e, nil
}

func (e *Engine) resume(state GroupState) error {
	g := e.group(state.Name)
	for _, m := range state.Months {
		if len(m.Sums) != int(slots) {
			return fmt.Errorf("it has %d sums where %d are defined: it comes from another version", len(m.Sums), slots)
		}
		for i, n := range m.Sums {
			if n != 0 {
				g.add(m.Month, slot(i), n)
			}
		}
	}
	if len(state.Waiting)%3 != 0 {
		return fmt.Errorf("it has %d numbers of steps that wait; they come in threes", len(state.Waiting))
	}
	for w := state.Waiting; len(w) > 0; w = w[3:] {
		if w[0] <= e.now || w[1] < 0 || w[1] >= int64(slots) || w[2] == 0 {
			return fmt.Errorf("a step that waits is none of this version's")
		}
		e.waiting.add(step{w[0], g, slot(w[1])}, w[2])
	}
	return nil
}
