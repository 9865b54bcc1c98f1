package kpi

import (
	"slices"
	"sort"
)

// slot is a half of a measure: numerator and denominator in turn.
type slot uint8

const slots = 2 * measures

func (s slot) measure() Measure { return Measure(s / 2) }

// sums is what steps add up to.
type sums [slots]int64

func (s *sums) add(t *sums) {
	for i := range s {
		s[i] += t[i]
	}
}

// group is the steps of one group whose time has come. It is never dropped: there
// are as many as offices times collections.
type group struct {
	name  string
	years []*year // ascending; only those in which something changed
}

// year adds the steps of its months up once more, so that odd dates (a record in
// every month since the year 1) make neither a change nor an answer slow.
type year struct {
	number int
	whole  sums
	months [12]sums
}

// find returns where a year is, or would be.
func (g *group) find(number int) int {
	return sort.Search(len(g.years), func(i int) bool { return g.years[i].number >= number })
}

// add changes one sum. A year whose sums are all 0 leaves nothing behind.
func (g *group) add(month Month, s slot, n int64) {
	number, index := month.split()
	i := g.find(number)
	if i == len(g.years) || g.years[i].number != number {
		g.years = slices.Insert(g.years, i, &year{number: number})
	}
	y := g.years[i]
	y.whole[s] += n
	y.months[index][s] += n
	if *y == (year{number: number}) {
		g.years = slices.Delete(g.years, i, i+1)
	}
}

// upTo returns the sums of everything up to the end of the month, and of the month
// alone.
func (g *group) upTo(month Month) (all, alone sums) {
	number, index := month.split()
	for _, y := range g.years {
		if y.number > number {
			break
		}
		if y.number < number {
			all.add(&y.whole)
			continue
		}
		for i := range index + 1 {
			all.add(&y.months[i])
		}
		alone = y.months[index]
	}
	return all, alone
}

// figures reads the sums as each measure is read. A nil group has no records.
func (g *group) figures(month Month) []Figure {
	var all, alone sums
	if g != nil {
		all, alone = g.upTo(month)
	}
	values := make([]Figure, measures)
	for m, d := range definitions {
		from := &all
		if d.Reads == InMonth {
			from = &alone
		}
		values[m] = Figure{from[2*m], from[2*m+1]}
	}
	return values
}
