package kpi_test

import (
	"fmt"
	"time"

	"github.com/vungxa/vungxa/kpi"
)

func Example() {
	hour := func(day, hour int) kpi.Instant {
		zone := time.FixedZone("", 60*kpi.Vietnam.OffsetMinutes)
		return kpi.At(time.Date(2026, time.November, day, hour, 0, 0, 0, zone).UnixMilli())
	}
	e := kpi.New(kpi.Vietnam)
	e.Advance(hour(10, 9))

	dossier := kpi.Fact{Group: "c/03646 dossiers", Received: hour(10, 8), Due: kpi.Vietnam.EndOfDay(2026, time.November, 20)}
	fmt.Println(e.Apply(nil, &dossier))
	fmt.Println(e.Advance(hour(21, 0))) // time alone

	done := dossier
	done.Resolved = hour(23, 10)
	e.Apply(&dossier, &done)
	e.Advance(hour(23, 10))

	f := e.Answer("c/03646 dossiers", kpi.MonthOf(2026, time.November))
	for _, d := range kpi.Definitions() {
		v, _ := f.Get(d.Measure)
		fmt.Println(d.ID, v.Num, v.Den)
	}
	// Output:
	// [{c/03646 dossiers received} {c/03646 dossiers open}]
	// [{c/03646 dossiers overdue}]
	// received 1 0
	// resolved 1 0
	// open 0 0
	// overdue 0 0
	// on_time 0 1
	// undated 0 0
}
