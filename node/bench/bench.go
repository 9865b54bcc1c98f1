// Package bench measures what the program promises, on the machine that it runs
// on. Each figure names its unit and, where there is one, its budget; times are
// told, never asserted.
package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"time"
)

// Figure is one measured value.
type Figure struct {
	Name    string   `json:"name"`
	Value   float64  `json:"value"`
	Unit    string   `json:"unit"`
	Budget  *float64 `json:"budget,omitempty"`
	AtLeast bool     `json:"at_least,omitempty"` // more is better
}

// Report takes figures as they are measured.
type Report func(Figure)

// JSON reports one object a line.
func JSON(w io.Writer) Report {
	e := json.NewEncoder(w)
	return func(f Figure) { _ = e.Encode(f) } // a closed pipe ends the program elsewhere
}

// Text reports lines for people.
func Text(w io.Writer) Report {
	return func(f Figure) {
		budget := ""
		if f.Budget != nil {
			budget = fmt.Sprintf("   (budget %v %s)", *f.Budget, f.Unit)
		}
		fmt.Fprintf(w, "%-40s %12.3f %s%s\n", f.Name, f.Value, f.Unit, budget)
	}
}

func budget(v float64) *float64 { return &v }

// percentile of durations, in the unit given.
func percentile(d []time.Duration, p float64, unit time.Duration) float64 {
	s := slices.Sorted(slices.Values(d))
	i := int(math.Ceil(p/100*float64(len(s)))) - 1
	return float64(s[max(i, 0)]) / float64(unit)
}

// spread reports the median and the 99th percentile.
func spread(report Report, name string, d []time.Duration, unit time.Duration, unitName string, limit *float64) {
	report(Figure{Name: name + "_p50", Value: percentile(d, 50, unit), Unit: unitName, Budget: limit})
	report(Figure{Name: name + "_p99", Value: percentile(d, 99, unit), Unit: unitName})
}
