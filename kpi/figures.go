package kpi

import "fmt"

// Figure is the value of one measure. Of a count, Num is the count and Den is 0;
// a ratio is Num out of Den.
type Figure struct{ Num, Den int64 }

// Share returns a ratio's value, from 0 to 1. With nothing to take a share of,
// ok is false: there is no share, rather than 0.
func (f Figure) Share() (share float64, ok bool) {
	if f.Den == 0 {
		return 0, false
	}
	return float64(f.Num) / float64(f.Den), true
}

func (f Figure) plus(g Figure) Figure { return Figure{f.Num + g.Num, f.Den + g.Den} }

// Figures is the answer for one month, of one group or of several merged.
type Figures struct {
	Month   Month
	AsOf    Instant  // the moment that they describe; of a merge, the earliest; missing when nothing is known
	Covered int      // how many groups are in it
	Lacking int      // how many should be in it, of which nothing is known
	Values  []Figure // indexed by Measure; nil when nothing is known
}

// Get returns the value of one measure; ok is false when nothing is known.
func (f Figures) Get(m Measure) (v Figure, ok bool) {
	if f.Values == nil {
		return Figure{}, false
	}
	return f.Values[m], true
}

// Merge adds up the figures of several groups for one month: counts add, and so do
// both halves of ratios (a mean of shares would be another number). What is not
// known of a part is not taken for 0: Lacking counts it. It fails when a part is of
// another month or of another set of measures.
//
// Order and nesting don't matter, so communes may be merged into provinces and
// those into the country.
func Merge(month Month, parts ...Figures) (Figures, error) {
	sum := Figures{Month: month}
	for i, p := range parts {
		if err := sum.add(p); err != nil {
			return Figures{}, fmt.Errorf("kpi: merging part %d of %d: %w", i+1, len(parts), err)
		}
	}
	return sum, nil
}

func (f *Figures) add(p Figures) error {
	if p.Month != f.Month {
		return fmt.Errorf("it is of %v, not of %v: ask for figures of one month", p.Month, f.Month)
	}
	if p.Values != nil && len(p.Values) != int(measures) {
		return fmt.Errorf("it has %d measures where %d are defined: it comes from another version", len(p.Values), measures)
	}
	f.Covered += p.Covered
	f.Lacking += p.Lacking
	if p.Values == nil {
		return nil
	}
	if f.Values == nil {
		f.Values = make([]Figure, measures)
	}
	for m, v := range p.Values {
		f.Values[m] = f.Values[m].plus(v)
	}
	f.AsOf = earliest(f.AsOf, p.AsOf)
	return nil
}

func earliest(a, b Instant) Instant {
	if a.orNever() <= b.orNever() {
		return a
	}
	return b
}
