// Package sample makes up half a year of a commune office's work, to try the
// program on: 2,000 dossiers and 300 petitions, as they stand at a given now.
//
// Everything in it is generated. Names are put together from common parts and
// addresses say that they are sample data; there are no identity numbers, no
// e-mail addresses, and telephone numbers begin with 0000, as none does. The
// same seed, now and pack give the same records.
//
// What is believable about it: certified copies are the heaviest procedure;
// mornings and Mondays are busy and nights and week-ends idle; most work is done
// before it is due, some late, some is open, some of that overdue, and a few
// records are odd in ways that the pack's checks flag. The proportions are
// guesses, and so are the terms of the procedures for which no text was at hand.
// Nothing may be concluded from them about any office.
package sample

import (
	"iter"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/vungxa/vungxa/node/schema"
)

// How much is made.
const (
	Dossiers  = 2000
	Petitions = 300
	months    = 6
)

// Record is one generated record, as an officer would have left it.
type Record struct {
	Collection string
	Values     map[string]any // Go values by field name
	Officer    string
	At         time.Time // when it was last touched; not after now
}

// Generate makes the office's records in the order of At. pack is the commune's;
// the collections dossiers and petitions are made of it, where it has them.
func Generate(seed uint64, now time.Time, pack *schema.Pack) iter.Seq[Record] {
	return func(yield func(Record) bool) {
		for _, r := range generate(seed, now, pack) {
			if !yield(r) {
				return
			}
		}
	}
}

func generate(seed uint64, now time.Time, pack *schema.Pack) []Record {
	// One source for each collection: more of the one leaves the other as it was.
	const dossierStream, petitionStream = 1, 2
	hours := newHours(now.In(pack.Zone()))
	var out []Record
	if _, ok := pack.Collection("dossiers"); ok {
		m := &maker{rand.New(rand.NewPCG(seed, dossierStream)), hours}
		for range Dossiers {
			out = append(out, m.dossier(pack.CodeLists["ThuTuc"]))
		}
	}
	if _, ok := pack.Collection("petitions"); ok {
		m := &maker{rand.New(rand.NewPCG(seed, petitionStream)), hours}
		for range Petitions {
			out = append(out, m.petition())
		}
	}
	slices.SortStableFunc(out, func(a, b Record) int { return a.At.Compare(b.At) })
	return out
}

// maker draws records.
type maker struct {
	*rand.Rand
	hours *hours
}

// chance is true with probability p.
func (m *maker) chance(p float64) bool { return m.Float64() < p }

// among draws one of the options.
func among[T any](m *maker, options []T) T { return options[m.IntN(len(options))] }

// weighted draws an index by weight.
func (m *maker) weighted(weights []float64) int {
	total := 0.0
	for _, w := range weights {
		total += w
	}
	x := m.Float64() * total
	for i, w := range weights {
		if x -= w; x < 0 {
			return i
		}
	}
	return len(weights) - 1
}

// record finishes a record. At is the latest of the moments, which are those of
// its values that have been.
func (m *maker) record(collection string, values map[string]any, moments ...time.Time) Record {
	at := slices.MaxFunc(moments, time.Time.Compare)
	return Record{Collection: collection, Values: values, Officer: onDuty(at), At: at}
}

// onDuty is who enters what comes in: the office has two who take turns by days.
func onDuty(at time.Time) string {
	if at.YearDay()%2 == 0 {
		return "Cán bộ một cửa"
	}
	return "Cán bộ hộ tịch"
}
