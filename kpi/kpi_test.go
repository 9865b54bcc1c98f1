package kpi

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const office = "c/03646 dossiers"

var (
	october  = MonthOf(2026, time.October)
	november = MonthOf(2026, time.November)
	december = MonthOf(2026, time.December)
)

// on reads an office-time date, "2026-11-23 08:00" or to the millisecond; "" is a
// missing date.
func on(s string) Instant {
	if s == "" {
		return Instant{}
	}
	t, err := time.ParseInLocation("2006-01-02 15:04:05.999", s+":00"[:3*(2-strings.Count(s, ":"))], hanoi)
	if err != nil {
		panic(err)
	}
	return At(t.UnixMilli())
}

func dossier(received, resolved, due string) *Fact {
	return &Fact{office, on(received), on(resolved), on(due)}
}

func engineAt(now string, facts ...*Fact) *Engine {
	e := New(Vietnam)
	e.Advance(on(now))
	for _, f := range facts {
		e.Apply(nil, f)
	}
	return e
}

// tell writes figures as "received/resolved open/overdue punctual:promised undated".
func tell(f Figures) string {
	if f.Values == nil {
		return "unknown"
	}
	v := f.Values
	return fmt.Sprintf("%d/%d %d/%d %d:%d %d", v[Received].Num, v[Resolved].Num,
		v[Open].Num, v[Overdue].Num, v[OnTime].Num, v[OnTime].Den, v[Undated].Num)
}

func expect(t *testing.T, e *Engine, m Month, want string) {
	t.Helper()
	if got := tell(e.Answer(office, m)); got != want {
		t.Errorf("%v: got %s, want %s", m, got, want)
	}
}

func expectTold(t *testing.T, got []Change, want ...Measure) {
	t.Helper()
	var measures []Measure
	for _, c := range got {
		if c.Group != office {
			t.Errorf("told of group %q", c.Group)
		}
		measures = append(measures, c.Measure)
	}
	if !slices.Equal(measures, want) {
		t.Errorf("told %v, want %v", measures, want)
	}
}

func TestOverdueByTimeAlone(t *testing.T) {
	e := engineAt("2026-11-10 09:00", dossier("2026-11-10 08:00", "", "2026-11-20 17:00"))
	expectTold(t, e.Advance(on("2026-11-20 17:00")))
	expect(t, e, november, "1/0 1/0 0:0 0") // the due moment itself is on time
	if next := e.Next(); next != on("2026-11-20 17:00:00.001") {
		t.Errorf("Next is %v", next)
	}
	expectTold(t, e.Advance(on("2026-11-20 17:00:00.001")), Overdue)
	expect(t, e, november, "1/0 1/1 0:0 0")
	if asOf := e.Answer(office, november).AsOf; asOf != on("2026-11-20 17:00:00.001") {
		t.Errorf("as of %v", asOf)
	}
}

func TestDueEditedAfterOverdue(t *testing.T) {
	was, is := dossier("2026-11-02 08:00", "", "2026-11-09 17:00"), dossier("2026-11-02 08:00", "", "2026-11-16 17:00")
	e := engineAt("2026-11-10 09:00", was)
	expect(t, e, november, "1/0 1/1 0:0 0")
	expectTold(t, e.Apply(was, is), Overdue)
	expect(t, e, november, "1/0 1/0 0:0 0")
	expectTold(t, e.Advance(on("2026-11-16 17:01")), Overdue)
	expect(t, e, november, "1/0 1/1 0:0 0")
}

func TestDueDateWithoutHourMeansTheWholeDay(t *testing.T) {
	f := Fact{Group: office, Received: on("2026-11-20 08:00"), Due: Vietnam.EndOfDay(2026, time.November, 20)}
	e := engineAt("2026-11-20 23:59:59.999", &f)
	expect(t, e, november, "1/0 1/0 0:0 0")
	done := f
	done.Resolved = on("2026-11-20 23:59:59.999")
	e.Apply(&f, &done)
	expect(t, e, november, "1/1 0/0 1:1 0")
	e.Apply(&done, &f)
	e.Advance(on("2026-11-21 00:00"))
	expect(t, e, november, "1/0 1/1 0:0 0")
}

func TestDuePutOffLeavesNothingWaiting(t *testing.T) {
	f := dossier("2026-11-02 08:00", "", "2026-11-16 17:00")
	e := engineAt("2026-11-10 09:00", f)
	expectTold(t, e.Apply(f, dossier("2026-11-02 08:00", "", "")))
	expectTold(t, e.Advance(on("2026-11-30 17:00")))
	expect(t, e, november, "1/0 1/0 0:0 0")
}

func TestReopened(t *testing.T) {
	open, done := dossier("2026-11-02 08:00", "", "2026-11-09 17:00"), dossier("2026-11-02 08:00", "2026-11-06 10:00", "2026-11-09 17:00")
	e := engineAt("2026-11-08 09:00", open)
	expectTold(t, e.Apply(open, done), Resolved, Open, OnTime)
	expect(t, e, november, "1/1 0/0 1:1 0")
	expectTold(t, e.Advance(on("2026-11-12 09:00"))) // done, so its due date passes in silence
	expectTold(t, e.Apply(done, open), Resolved, Open, Overdue, OnTime)
	expect(t, e, november, "1/0 1/1 0:0 0")
}

func TestResolvedBeforeReceived(t *testing.T) {
	e := engineAt("2026-11-20 09:00", dossier("2026-11-10 08:00", "2026-10-30 08:00", "2026-10-01 17:00"))
	expect(t, e, october, "0/1 0/0 0:1 0")
	expect(t, e, november, "1/0 0/0 0:0 0")
	same := engineAt("2026-11-20 09:00", dossier("2026-11-10 08:00", "2026-11-10 08:00", ""))
	expect(t, same, november, "1/1 0/0 0:0 0")
}

func TestMissingDates(t *testing.T) {
	for _, c := range []struct {
		fact *Fact
		want string
	}{
		{dossier("", "", ""), "0/0 0/0 0:0 1"},
		{dossier("", "", "2026-11-01 17:00"), "0/0 0/0 0:0 1"},
		{dossier("", "2026-11-02 08:00", ""), "0/1 0/0 0:0 1"},
		{dossier("", "2026-11-02 08:00", "2026-11-01 17:00"), "0/1 0/0 0:1 1"},
		{dossier("2026-11-01 08:00", "", ""), "1/0 1/0 0:0 0"},
		{dossier("2026-11-01 08:00", "2026-11-02 08:00", ""), "1/1 0/0 0:0 0"},
	} {
		expect(t, engineAt("2026-11-20 09:00", c.fact), november, c.want)
	}
}

func TestMissingIsNot1970(t *testing.T) {
	e := engineAt("2026-11-20 09:00", &Fact{Group: office, Received: At(0)}, &Fact{Group: office})
	expect(t, e, MonthOf(1970, time.January), "1/0 1/0 0:0 1")
	for _, ms := range []int64{minMS - 1, maxMS + 1, math.MinInt64, math.MaxInt64} {
		if At(ms) != (Instant{}) {
			t.Errorf("%d is taken for a date", ms)
		}
	}
	for _, ms := range []int64{minMS, 0, maxMS} {
		if got, ok := At(ms).MS(); !ok || got != ms {
			t.Errorf("%d became %d, %v", ms, got, ok)
		}
	}
}

// The last and first dates there are must not wrap round the sentinels.
func TestEndsOfTime(t *testing.T) {
	e := New(Vietnam)
	e.Advance(At(minMS))
	e.Apply(nil, &Fact{office, At(minMS), At(maxMS), At(maxMS)})
	expect(t, e, MonthOf(1, time.January), "1/0 1/0 0:0 0")
	e.Advance(At(maxMS))
	expect(t, e, MonthOf(10000, time.January), "0/1 0/0 1:1 0") // 31/12/9999 in UTC
	expect(t, e, MonthOf(0, time.December), "unknown")
	expect(t, e, Month(math.MinInt32), "unknown")
	expect(t, e, Month(math.MaxInt32), "unknown")
	if next := e.Next(); next != (Instant{}) {
		t.Errorf("after the end of time comes %v", next)
	}
}

func TestMonthBoundary(t *testing.T) {
	e := engineAt("2026-11-30 23:59:59.998",
		dossier("2026-11-30 23:59:59.999", "", "2026-11-30 23:59:59.999"),
		dossier("2026-12-01 00:00", "", ""))
	expect(t, e, november, "0/0 0/0 0:0 0")
	expectTold(t, e.Advance(on("2026-11-30 23:59:59.999")), Received, Open)
	expect(t, e, november, "1/0 1/0 0:0 0")
	expect(t, e, december, "unknown")
	expectTold(t, e.Advance(on("2026-12-01 00:00")), Received, Resolved, Open, Overdue, OnTime, Undated)
	expect(t, e, november, "1/0 1/0 0:0 0") // as of its end nothing was overdue yet
	expect(t, e, december, "1/0 2/1 0:0 0")
	if asOf := e.Answer(office, november).AsOf; asOf != on("2026-11-30 23:59:59.999") {
		t.Errorf("november is as of %v", asOf)
	}
}

func TestPastMonthLearnsLate(t *testing.T) {
	e := engineAt("2026-12-10 09:00", dossier("2026-10-20 08:00", "2026-12-01 00:00", "2026-11-13 17:00"))
	expect(t, e, october, "1/0 1/0 0:0 0")
	expect(t, e, november, "0/0 1/1 0:0 0")
	expect(t, e, december, "0/1 0/0 0:1 0")
}

func TestClockNeverGoesBack(t *testing.T) {
	e := engineAt("2026-11-20 09:00", dossier("2026-11-10 08:00", "", "2026-11-15 17:00"))
	expectTold(t, e.Advance(on("2026-11-11 09:00")))
	expectTold(t, e.Advance(Instant{}))
	expect(t, e, november, "1/0 1/1 0:0 0")
	if e.Now() != on("2026-11-20 09:00") {
		t.Errorf("the clock says %v", e.Now())
	}
}

func TestNothingKnownBeforeFirstAdvance(t *testing.T) {
	e := New(Vietnam)
	expectTold(t, e.Apply(nil, dossier("2026-11-10 08:00", "", "")))
	for _, m := range []Month{MonthOf(1, time.January), november} {
		if f := e.Answer(office, m); f.Values != nil || f.Lacking != 1 || f.AsOf != (Instant{}) {
			t.Errorf("%v: %+v", m, f)
		}
	}
	if e.Now() != (Instant{}) || e.Next() != (Instant{}) {
		t.Errorf("now %v, next %v", e.Now(), e.Next())
	}
	expectTold(t, e.Advance(on("2026-11-20 09:00")), Received, Resolved, Open, Overdue, OnTime, Undated)
	expect(t, e, november, "1/0 1/0 0:0 0")
}

func TestMovedToAnotherGroup(t *testing.T) {
	was := dossier("2026-11-10 08:00", "", "")
	is := *was
	is.Group = "c/03646 petitions"
	e := engineAt("2026-11-20 09:00", was)
	want := []Change{{office, Received}, {office, Open}, {is.Group, Received}, {is.Group, Open}}
	if told := e.Apply(was, &is); !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
	expect(t, e, november, "0/0 0/0 0:0 0")
	if got := tell(e.Answer(is.Group, november)); got != "1/0 1/0 0:0 0" {
		t.Errorf("its new group has %s", got)
	}
}

func TestMerge(t *testing.T) {
	a := engineAt("2026-11-20 09:00", dossier("2026-11-10 08:00", "2026-11-11 08:00", "2026-11-12 17:00"))
	b := engineAt("2026-11-21 09:00", dossier("2026-11-10 08:00", "2026-11-16 08:00", "2026-11-12 17:00"),
		dossier("2026-11-10 08:00", "2026-11-13 08:00", "2026-11-12 17:00"), dossier("", "", ""))
	behind := engineAt("2026-10-31 09:00")
	sum, err := Merge(november, a.Answer(office, november), behind.Answer(office, november), b.Answer(office, november))
	if err != nil {
		t.Fatal(err)
	}
	if got := tell(sum); got != "3/3 0/0 1:3 1" {
		t.Errorf("merged: %s", got)
	}
	if sum.Covered != 2 || sum.Lacking != 1 || sum.AsOf != on("2026-11-20 09:00") {
		t.Errorf("coverage: %+v", sum)
	}
	onTime, known := sum.Get(OnTime)
	if share, ok := onTime.Share(); !known || !ok || share != 1.0/3 { // the mean of the shares would be 1/2
		t.Errorf("share on time %v %v", share, ok)
	}
}

func TestNoShareOfNothing(t *testing.T) {
	v, known := engineAt("2026-11-20 09:00").Answer(office, november).Get(OnTime)
	if _, ok := v.Share(); ok || !known {
		t.Errorf("a share of nothing is %v, known %v", v, known)
	}
	unknown, err := Merge(december, Figures{Month: december, Lacking: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, known := unknown.Get(Received); known || unknown.Lacking != 1 {
		t.Errorf("nothing became %+v", unknown)
	}
}

func TestMergeRefuses(t *testing.T) {
	for _, part := range []Figures{{Month: october}, {Month: november, Values: make([]Figure, 2)}} {
		if sum, err := Merge(november, Figures{Month: november}, part); err == nil || !strings.Contains(err.Error(), "part 2 of 2") {
			t.Errorf("%+v: %+v, %v", part, sum, err)
		}
	}
}

// The groups of one engine merged are the answer for one group with all the facts,
// in any order and nesting.
func TestMergeEqualsOneGroup(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := &history{now: start}
		apart, together := New(Vietnam), New(Vietnam)
		apart.Advance(At(start.UnixMilli()))
		together.Advance(At(start.UnixMilli()))
		names := []string{"a", "b", "c"}
		for range rapid.IntRange(0, 12).Draw(t, "records") {
			f := h.row(t).fact()
			f.Group = rapid.SampledFrom(names).Draw(t, "commune")
			apart.Apply(nil, f)
			f.Group = "all"
			together.Apply(nil, f)
		}
		part := func(name string) Figures { return apart.Answer(name, november) }
		inner, err1 := Merge(november, part("c"), part("b"))
		nested, err2 := Merge(november, inner, part("a"))
		flat, err3 := Merge(november, part("a"), part("b"), part("c"))
		if err1 != nil || err2 != nil || err3 != nil {
			t.Fatal(err1, err2, err3)
		}
		want := together.Answer("all", november)
		want.Covered = len(names)
		if !reflect.DeepEqual(nested, want) || !reflect.DeepEqual(flat, want) {
			t.Fatalf("nested %+v, flat %+v, want %+v", nested, flat, want)
		}
	})
}

func TestCalendarAgreesWithZoneDatabase(t *testing.T) {
	since := time.Date(1976, 1, 1, 0, 0, 0, 0, hanoi)
	rapid.Check(t, func(t *rapid.T) {
		ms := rapid.Int64Range(since.UnixMilli(), time.Date(2200, 1, 1, 0, 0, 0, 0, hanoi).UnixMilli()).Draw(t, "ms")
		local := time.UnixMilli(ms).In(hanoi)
		first := time.Date(local.Year(), local.Month(), 1, 0, 0, 0, 0, hanoi)
		m, ok := Vietnam.Month(At(ms))
		if !ok || m.String() != local.Format("2006-01") {
			t.Fatalf("%v is in %v", local, m)
		}
		if from, to := Vietnam.Span(m); from != At(first.UnixMilli()) || to != At(first.AddDate(0, 1, 0).UnixMilli()) {
			t.Fatalf("%v spans %v to %v", m, from, to)
		}
		midnight := time.Date(local.Year(), local.Month(), local.Day()+1, 0, 0, 0, 0, hanoi)
		if end := Vietnam.EndOfDay(local.Date()); end != At(midnight.UnixMilli()-1) {
			t.Fatalf("%v ends at %v", local, end)
		}
		if back, err := ParseMonth(m.String()); err != nil || back != m {
			t.Fatalf("%v is read back as %v, %v", m, back, err)
		}
	})
}

func TestNoSuchDate(t *testing.T) {
	if end := Vietnam.EndOfDay(2026, time.February, 30); end != (Instant{}) {
		t.Errorf("30 February ends at %v", end)
	}
	if _, ok := Vietnam.Month(Instant{}); ok {
		t.Error("a missing instant has a month")
	}
	for _, s := range []string{"", "2026", "2026-13", "11/2026", "2026-11-01"} {
		if m, err := ParseMonth(s); err == nil {
			t.Errorf("%q is read as %v", s, m)
		}
	}
}

// Definitions are a public contract: what the table says must hold of each row.
func TestDefinitions(t *testing.T) {
	var ids []string
	for i, d := range Definitions() {
		if d.Measure != Measure(i) || (d.Kind == Ratio) != (d.den != nil) || (d.Unit == "1") != (d.Kind == Ratio) {
			t.Errorf("row %d: %+v", i, d)
		}
		ids = append(ids, d.Measure.String())
	}
	if got := strings.Join(ids, " "); got != "received resolved open overdue on_time undated" {
		t.Errorf("ids: %s", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		f := (&history{now: start}).row(t).fact()
		for _, d := range Definitions() {
			if d.Reads == InMonth && (d.num(*f).until != never || d.den != nil && d.den(*f).until != never) {
				t.Fatalf("%v reads what began in a month, but ends for %+v", d.Measure, f)
			}
		}
	})
}

// What a record leaves in memory is not its own: many records, few sums.
func TestNothingPerRecord(t *testing.T) {
	e := engineAt("2026-11-23 09:00")
	for i := range 20_000 {
		f := Sample(office, i, e.Now())
		f.Due = Vietnam.EndOfDay(2026, time.December, 1+i%31)
		e.Apply(nil, &f)
	}
	if years, waiting := len(e.groups[office].years), len(e.waiting.order); years != 1 || waiting > 31 {
		t.Errorf("20,000 records left %d years and %d steps", years, waiting)
	}
}

func TestSampleIsBelievable(t *testing.T) {
	now := on("2026-11-23 09:00")
	e := engineAt("2026-11-23 09:00")
	for i := range 2_000 {
		f := Sample(office, i, now)
		if f != Sample(office, i, now) || f.Received.ms > now.ms || f.Due.ms <= f.Received.ms || f.Resolved.known && f.Resolved.ms < f.Received.ms {
			t.Fatalf("sample %d: %+v", i, f)
		}
		e.Apply(nil, &f)
	}
	for m, v := range e.Answer(office, november).Values {
		if Measure(m) != Undated && v.Num < 20 {
			t.Errorf("%v is only %d", Measure(m), v.Num)
		}
	}
}
