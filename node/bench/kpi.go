package bench

import (
	"fmt"
	"time"

	"github.com/vungxa/vungxa/kpi"
)

// KPI times one change of one record beside 10^3 and 10^5 stored ones: the
// record's resolved date is taken away or given back.
func KPI(now func() time.Time, report Report) {
	for _, n := range []int{1_000, 100_000} {
		at := kpi.At(now().UnixMilli())
		e := kpi.New(kpi.Vietnam)
		e.Advance(at)
		for i := range n {
			f := kpi.Sample("bench", i, at)
			e.Apply(nil, &f)
		}
		var took []time.Duration
		for i := range 100_000 {
			before := kpi.Sample("bench", i%n, at)
			after := before
			after.Resolved = at
			began := now()
			e.Apply(&before, &after)
			e.Apply(&after, &before)
			took = append(took, now().Sub(began)/2)
		}
		spread(report, fmt.Sprintf("kpi_change_of_%d", n), took, time.Microsecond, "µs", budget(50))
	}
}
