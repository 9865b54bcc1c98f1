package crdt

import (
	"cmp"
	"slices"
)

// Policy is a way of reading a cell of kind Assign: which of the writes that
// stand is shown, and whether a person has to look. A pack may change it, as it
// changes nothing that is stored.
type Policy uint8

// The policies.
const (
	LWW    Policy = iota // the newest by effective time
	Review               // the newest is shown, and differing writes wait for a person
	Max                  // the largest value
	Min                  // the smallest value
	// Serial shows the first of all that was ever written, even if something has
	// superseded it since: what was printed never changes. First is what the hub has
	// confirmed, then what it committed earliest, then the earliest claim: a clock
	// that is set back puts nothing before what the hub holds. More than one value
	// waits for a person.
	Serial
	// State is a step of a workflow: confirmed before provisional, then the
	// newest. A step that was rejected isn't shown, nor what is built on it.
	State
)

// order sorts what is visible by what a policy prefers. Payloads that were erased
// come last: there is nothing to show of them.
func (rd Reader) order(sibs []Sibling, p Policy) {
	by := newest
	switch p {
	case Max:
		by = func(a, b Sibling) int { return cmp.Or(rd.compare(b.Value, a.Value), newest(a, b)) }
	case Min:
		by = func(a, b Sibling) int { return cmp.Or(rd.compare(a.Value, b.Value), newest(a, b)) }
	case Serial:
		by = rd.first
	case State:
		by = func(a, b Sibling) int { return cmp.Or(falseFirst(a.Provisional, b.Provisional), newest(a, b)) }
	}
	slices.SortFunc(sibs, func(a, b Sibling) int {
		return cmp.Or(falseFirst(a.Erased(), b.Erased()), by(a, b))
	})
}

// first orders by what the hub has said of a write, and last by what it claims.
func (rd Reader) first(a, b Sibling) int {
	return cmp.Or(
		falseFirst(!rd.Authority.confirmed(a.Dot), !rd.Authority.confirmed(b.Dot)),
		falseFirst(!a.Time.Witnessed, !b.Time.Witnessed), cmp.Compare(a.Time.UntilMS, b.Time.UntilMS),
		cmp.Compare(serialTime(a), serialTime(b)), a.Dot.Compare(b.Dot))
}

// serialTime is the effective time, in an order in which what sorts last does.
func serialTime(s Sibling) Stamp { return s.Time.At - 1 }

func falseFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// waits says whether a person has to look at what is visible.
func (r Reading) waits(p Policy) bool {
	if !r.Conflict {
		return false
	}
	if p == Review || p == Serial || p == State {
		return true
	}
	return p == LWW && slices.ContainsFunc(r.Siblings, func(s Sibling) bool { return s.Time.Suspect })
}
