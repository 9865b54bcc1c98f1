package kpi

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"
)

var benchNow = At(time.Date(2026, time.November, 23, 2, 0, 0, 0, time.UTC).UnixMilli())

func loaded(n int) *Engine {
	e := New(Vietnam)
	e.Advance(benchNow)
	for i := range n {
		f := Sample(office, i, benchNow)
		e.Apply(nil, &f)
	}
	return e
}

func stored(b *testing.B, run func(*testing.B, *Engine, int)) {
	for _, n := range []int{1_000, 100_000} {
		e := loaded(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			run(b, e, n)
		})
	}
}

// BenchmarkApply puts a due date off and back, record after record: steps leave the
// queue and the sums and others enter.
func BenchmarkApply(b *testing.B) {
	stored(b, func(b *testing.B, e *Engine, n int) {
		for i := range b.N {
			f := Sample(office, i/2%n, benchNow)
			g := f
			g.Due = At(f.Due.ms + 10*dayMS)
			if i%2 == 1 {
				f, g = g, f
			}
			e.Apply(&f, &g)
		}
	})
}

// BenchmarkApplyAllWaiting is BenchmarkApply where every record has a due date of its
// own to come.
func BenchmarkApplyAllWaiting(b *testing.B) {
	fact := func(i int) Fact {
		return Fact{Group: office, Received: benchNow, Due: At(benchNow.ms + dayMS + int64(i)*1_000)}
	}
	e := New(Vietnam)
	e.Advance(benchNow)
	for i := range 100_000 {
		f := fact(i)
		e.Apply(nil, &f)
	}
	b.ReportAllocs()
	for i := range b.N {
		f := fact(i / 2 % 100_000)
		g := f
		g.Due = At(benchNow.ms + dayMS/2 + int64(i/2%1_000)) // to the front of the queue and back
		if i%2 == 1 {
			f, g = g, f
		}
		e.Apply(&f, &g)
	}
}

// BenchmarkLoad times every single Apply while 100,000 records are loaded, and weighs
// the engine that holds them.
func BenchmarkLoad(b *testing.B) {
	const n = 100_000
	for range b.N {
		took := make([]time.Duration, n)
		empty := heapBytes()
		e := New(Vietnam)
		e.Advance(benchNow)
		for i := range n {
			f := Sample(office, i, benchNow)
			began := time.Now()
			e.Apply(nil, &f)
			took[i] = time.Since(began)
		}
		b.ReportMetric(float64(heapBytes()-empty)/1024, "KiB")
		b.ReportMetric(float64(len(e.waiting.order)), "waiting")
		slices.Sort(took)
		b.ReportMetric(float64(took[n/2]), "p50-ns")
		b.ReportMetric(float64(took[n*99/100]), "p99-ns")
		b.ReportMetric(float64(took[n*999/1000]), "p99.9-ns")
		b.ReportMetric(float64(took[n-1]), "max-ns")
	}
}

func heapBytes() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkCreateDelete makes a record that was not there and takes it away.
func BenchmarkCreateDelete(b *testing.B) {
	stored(b, func(b *testing.B, e *Engine, n int) {
		for i := range b.N {
			f := Sample(office, n+i/2, benchNow)
			before, after := (*Fact)(nil), &f
			if i%2 == 1 {
				before, after = after, before
			}
			e.Apply(before, after)
		}
	})
}

func BenchmarkAnswer(b *testing.B) {
	stored(b, func(b *testing.B, e *Engine, n int) {
		for range b.N {
			e.Answer(office, MonthOf(2026, time.November))
		}
	})
}

// BenchmarkAdvance lets one dossier after another become overdue.
func BenchmarkAdvance(b *testing.B) {
	stored(b, func(b *testing.B, e *Engine, n int) {
		f := Fact{Group: office, Received: benchNow}
		for range b.N {
			now, _ := e.Now().MS()
			f.Due = At(now) // overdue 1 ms from now
			e.Apply(nil, &f)
			e.Advance(At(now + 1))
			e.Apply(&f, nil)
		}
	})
}

// BenchmarkAllMonths is the worst that odd dates can do: a record in every month of
// the years 2 to 9999, and then one more in, and out of, the year before them.
func BenchmarkAllMonths(b *testing.B) {
	e := New(Vietnam)
	e.Advance(At(maxMS))
	for m := MonthOf(2, time.January); m < MonthOf(9999, time.December); m++ {
		first, _ := Vietnam.Span(m)
		e.Apply(nil, &Fact{Group: office, Received: first})
	}
	f := Fact{Group: office, Received: At(minMS)}
	b.Run("apply", func(b *testing.B) {
		for range b.N {
			e.Apply(nil, &f)
			e.Apply(&f, nil)
		}
	})
	b.Run("answer", func(b *testing.B) {
		for range b.N {
			e.Answer(office, MonthOf(9999, time.December))
		}
	})
}
