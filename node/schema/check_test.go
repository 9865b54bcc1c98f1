package schema

import (
	"slices"
	"testing"
	"time"

	"github.com/vungxa/vungxa/node"
)

func yes(b bool) *bool { return &b }

// sheet is a collection with one check of each form.
func sheet() *Collection {
	c := &Collection{
		ID: "sheet", office: zone(7 * 60),
		KPI: &KPIFields{Received: "From", Resolved: "Done", Due: "To"},
		Fields: []*Field{
			{Name: "Name", Type: Text, Required: true},
			{Name: "Code", Type: Text, Required: true, Generated: GeneratedTemporary},
			{Name: "From", Type: Datetime}, {Name: "To", Type: Date}, {Name: "Done", Type: Datetime},
			{Name: "Status", Type: Code}, {Name: "Kinds", Type: List},
		},
		Checks: []Check{
			{ID: "order", Order: []string{"From", "To"}, Severity: SeverityFlag, Message: node.Text{EN: "order"}},
			{ID: "done", When: &Condition{Field: "Done", Set: yes(true)}, Then: &Condition{Field: "Status", In: []string{"9", "10"}}, Severity: SeverityFlag},
			{ID: "empty", When: &Condition{Field: "Status", NotIn: []string{"1"}}, Then: &Condition{Field: "Kinds", Set: yes(true)}, Severity: SeverityFlag},
			{ID: "kinds", When: &Condition{Field: "Kinds", In: []string{"x"}}, Then: &Condition{Field: "Status", Set: yes(false)}, Severity: SeverityRefuse, Message: node.Text{EN: "x has no status"}},
		},
	}
	return c
}

func at(s string) int64 {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t.UnixMilli()
}

func TestFlags(t *testing.T) {
	for name, c := range map[string]struct {
		values map[string]any
		want   []string
	}{
		"nothing is odd about nothing":        {map[string]any{}, nil},
		"one date alone is in order":          {map[string]any{"From": at("2026-11-23T09:00:00+07:00")}, nil},
		"the last minute of the day is in it": {map[string]any{"From": at("2026-11-23T23:59:00+07:00"), "To": "2026-11-23"}, nil},
		"the next midnight is after it":       {map[string]any{"From": at("2026-11-24T00:00:00+07:00"), "To": "2026-11-23"}, []string{"order"}},
		"done without a status":               {map[string]any{"Done": int64(1)}, []string{"done"}},
		"done with another status":            {map[string]any{"Done": int64(1), "Status": "1"}, []string{"done"}},
		"done and marked":                     {map[string]any{"Done": int64(1), "Status": "10", "Kinds": []string{"a"}}, nil},
		"not_in asks only of what is there":   {map[string]any{"Status": "1"}, nil},
		"not_in":                              {map[string]any{"Status": "2"}, []string{"empty"}},
	} {
		var got []string
		for _, f := range sheet().Flags(c.values) {
			got = append(got, f.Check)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestFlagNamesItsFields(t *testing.T) {
	flags := sheet().Flags(map[string]any{"From": at("2026-11-24T00:00:00+07:00"), "To": "2026-11-23"})
	if len(flags) != 1 || !slices.Equal(flags[0].Fields, []string{"From", "To"}) || flags[0].Message.EN != "order" {
		t.Fatalf("got %+v", flags)
	}
}

func TestValidate(t *testing.T) {
	for name, c := range map[string]struct {
		values   map[string]any
		creating bool
		want     []string
	}{
		"a new record lacks what is required, unless it is generated": {map[string]any{}, true, []string{"Name"}},
		"a change that leaves it alone":                               {map[string]any{}, false, nil},
		"a change that empties it":                                    {map[string]any{"Name": nil}, false, []string{"Name"}},
		"whole":                                                       {map[string]any{"Name": "a"}, true, nil},
		"a check that refuses names both fields":                      {map[string]any{"Name": "a", "Kinds": []string{"y", "x"}, "Status": "1"}, true, []string{"Kinds", "Status"}},
	} {
		var got []string
		for _, f := range sheet().Validate(c.values, c.creating) {
			got = append(got, f.Field)
			if f.Message.EN == "" {
				t.Errorf("%s: no message for %s", name, f.Field)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestFact(t *testing.T) {
	received, resolved, due := sheet().Fact(map[string]any{"From": at("2026-11-23T09:00:00+07:00"), "To": "2026-11-30"})
	if received == nil || *received != at("2026-11-23T09:00:00+07:00") || resolved != nil {
		t.Errorf("received %v, resolved %v", received, resolved)
	}
	if want := at("2026-12-01T00:00:00+07:00") - 1; due == nil || *due != want {
		t.Errorf("due %v, want the last millisecond of the day, %d", due, want)
	}
	c := sheet()
	c.KPI = &KPIFields{Received: "To"}
	received, resolved, due = c.Fact(map[string]any{"To": "2026-11-30"})
	if received == nil || *received != at("2026-11-30T00:00:00+07:00") || resolved != nil || due != nil {
		t.Errorf("received %v, want the first millisecond of the day", received)
	}
	if a, b, d := (&Collection{}).Fact(map[string]any{"From": int64(1)}); a != nil || b != nil || d != nil {
		t.Error("a collection without figures has a fact")
	}
}
