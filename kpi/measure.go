package kpi

// Measure names one of the figures. It indexes Figures.Values and Definitions.
type Measure int

// The measures. Undated is not a result of the office: it says how many records
// Received, Open and Overdue cannot count.
const (
	Received Measure = iota
	Resolved
	Open
	Overdue
	OnTime
	Undated
	measures // how many there are
)

// Kind says how a figure's value is read and merged.
type Kind string

// Counts add up; of ratios, the two halves do.
const (
	Count Kind = "count"
	Ratio Kind = "ratio"
)

// Reads says what time a figure is about.
type Reads string

// A figure is about what happened in the month, or about what stood at its end
// (in the current month: now).
const (
	InMonth  Reads = "month"
	AtMoment Reads = "moment"
)

// Definition describes a measure to whoever shows it. ID and Unit are stable:
// other programs may store them.
type Definition struct {
	Measure Measure
	ID      string
	Unit    string // "records", or "1" for a share between 0 and 1
	Kind    Kind
	Reads   Reads

	num, den func(Fact) span // when a record counts; den only for a ratio
}

// String returns the measure's ID.
func (m Measure) String() string { return definitions[m].ID }

// Definitions returns the description of every measure, in the order of Measure.
func Definitions() []Definition { return append([]Definition(nil), definitions[:]...) }

// definitions is all there is to a measure: a row here is all that a new one needs.
// What reads InMonth must have a span without end: it counts the spans that began.
var definitions = [measures]Definition{
	{Measure: Received, ID: "received", Unit: "records", Kind: Count, Reads: InMonth, num: sinceReceived},
	{Measure: Resolved, ID: "resolved", Unit: "records", Kind: Count, Reads: InMonth, num: sinceResolved},
	{Measure: Open, ID: "open", Unit: "records", Kind: Count, Reads: AtMoment, num: whileOpen},
	{Measure: Overdue, ID: "overdue", Unit: "records", Kind: Count, Reads: AtMoment, num: whileOverdue},
	{Measure: OnTime, ID: "on_time", Unit: "1", Kind: Ratio, Reads: InMonth, num: sinceResolvedOnTime, den: sinceResolvedWithDue},
	{Measure: Undated, ID: "undated", Unit: "records", Kind: Count, Reads: AtMoment, num: ifUndated},
}

// span is when a record belongs to a set: [from, until), and not at all when that
// is empty.
type span struct{ from, until int64 }

var nowhere = span{never, never}

func sinceReceived(f Fact) span { return span{f.Received.orNever(), never} }

func sinceResolved(f Fact) span { return span{f.Resolved.orNever(), never} }

func whileOpen(f Fact) span { return span{f.Received.orNever(), f.Resolved.orNever()} }

// whileOverdue begins after the due millisecond, which is still on time.
func whileOverdue(f Fact) span {
	if !f.Due.known {
		return nowhere
	}
	return span{max(f.Received.orNever(), f.Due.ms+1), f.Resolved.orNever()}
}

func sinceResolvedWithDue(f Fact) span {
	if !f.Due.known {
		return nowhere
	}
	return sinceResolved(f)
}

func sinceResolvedOnTime(f Fact) span {
	if !f.Due.known || f.Resolved.orNever() > f.Due.ms {
		return nowhere
	}
	return sinceResolved(f)
}

// ifUndated is for all time: a record without a date belongs to no month.
func ifUndated(f Fact) span {
	if f.Received.known {
		return nowhere
	}
	return span{minMS, never}
}
