package imports_test

import (
	"context"
	"maps"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/vungxa/vungxa/node/imports"
	"github.com/vungxa/vungxa/node/packs"
	"github.com/vungxa/vungxa/node/schema"
)

const realFile = "../../../shared/data/requests-2012-11.csv"

// shelf is a sink in memory that keeps records as an engine does: by key, and
// field by field.
type shelf struct {
	c       *schema.Collection
	records map[string]map[string]any
	batches int
}

func newShelf(c *schema.Collection) *shelf {
	return &shelf{c: c, records: map[string]map[string]any{}}
}

func (s *shelf) Upsert(_ context.Context, rows []imports.Row) ([]imports.Outcome, error) {
	s.batches++
	var out []imports.Outcome
	for _, r := range rows {
		old, found := s.records[r.Key]
		merged := maps.Clone(r.Values)
		state := imports.Created
		if found {
			merged = maps.Clone(old)
			maps.Copy(merged, r.Values)
			state = imports.Changed
			if reflect.DeepEqual(merged, old) {
				state = imports.Unchanged
			}
		}
		s.records[r.Key] = merged
		out = append(out, imports.Outcome{State: state, Flags: s.c.Flags(merged)})
	}
	return out, nil
}

func collection(t testing.TB, id string) *schema.Collection {
	t.Helper()
	p, err := packs.Commune()
	if err != nil {
		t.Fatal(err)
	}
	c, ok := p.Collection(id)
	if !ok {
		t.Fatalf("no collection %s", id)
	}
	return c
}

func example(t testing.TB) *imports.Mapping {
	t.Helper()
	const name = "../../deploy/examples/requests-2012-11.yaml"
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	m, err := imports.ReadMapping(name, b)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The thousand real requests all go in, the odd ones flagged, and a second import
// changes nothing. The counts were taken from the file by other means.
func TestRealRequests(t *testing.T) {
	if _, err := os.Stat(realFile); err != nil {
		t.Skip("the real requests are not beside the project: put requests-2012-11.csv into ../shared/data")
	}
	c := collection(t, "petitions")
	sink := newShelf(c)
	planned, err := imports.Plan(t.Context(), imports.File(realFile), example(t), c)
	if err != nil {
		t.Fatal(err)
	}
	report, err := imports.Run(t.Context(), imports.File(realFile), example(t), c, sink)
	if err != nil {
		t.Fatal(err)
	}
	var shown strings.Builder
	if err := report.Print(&shown, false); err != nil {
		t.Fatal(err)
	}
	t.Log(shown.String(), sink.batches, "batches")
	if report.Rows != 1000 || report.Created != 1000 || report.Rejected != 0 || report.Doubtful != 0 || report.Unended {
		t.Errorf("want 1,000 of 1,000 in, got %+v", report)
	}
	want := map[string]int{"resolved-before-received": 7, "resolved-not-marked": 16}
	if !maps.Equal(report.Flagged, want) || !maps.Equal(planned.Flagged, want) {
		t.Errorf("flagged %v, planned %v, want %v", report.Flagged, planned.Flagged, want)
	}
	present := map[string]int{}
	for _, r := range sink.records {
		for name, v := range r {
			if v != nil {
				present[name]++
			}
		}
	}
	for name, n := range map[string]int{"NgayTiepNhan": 1000, "HanGiaiQuyet": 285, "NgayGiaiQuyet": 982, "Kenh": 820, "TraLoi": 999, "DiaDiem": 1000} {
		if present[name] != n {
			t.Errorf("%d records have %s, want %d: what is missing stays missing", present[name], name, n)
		}
	}
	again, err := imports.Run(t.Context(), imports.File(realFile), example(t), c, sink)
	if err != nil || again.Unchanged != 1000 || again.Created+again.Changed != 0 {
		t.Errorf("a second import did %+v, %v; want nothing changed", again, err)
	}
}
