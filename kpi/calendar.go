package kpi

import (
	"fmt"
	"time"
)

// Calendar says which month an instant lies in: the Gregorian calendar in a zone
// of fixed offset.
type Calendar struct {
	OffsetMinutes int // east of UTC, and within a day of it, as every zone is
}

// Vietnam is +07:00 all year: Asia/Ho_Chi_Minh in the IANA time zone database,
// whose last change there was on 1975-06-13.
var Vietnam = Calendar{OffsetMinutes: 7 * 60}

func (c Calendar) offsetMS() int64 { return int64(c.OffsetMinutes) * 60_000 }

// Month returns the month that i lies in; ok is false when i is missing.
func (c Calendar) Month(i Instant) (m Month, ok bool) {
	if !i.known {
		return 0, false
	}
	return c.month(i.ms), true
}

func (c Calendar) month(ms int64) Month {
	year, month, _ := time.UnixMilli(ms + c.offsetMS()).UTC().Date()
	return MonthOf(year, month)
}

// Span returns the month's first moment and the first moment after it, missing
// where that is outside the years 1 to 9999.
func (c Calendar) Span(m Month) (start, end Instant) {
	return At(c.start(m)), At(c.start(m + 1))
}

func (c Calendar) start(m Month) int64 {
	return time.Date(0, time.January+time.Month(m), 1, 0, 0, 0, 0, time.UTC).UnixMilli() - c.offsetMS()
}

// EndOfDay returns the last millisecond of a day, which is what a due date without
// an hour means. It is missing when there is no such day (30 February).
func (c Calendar) EndOfDay(year int, month time.Month, day int) Instant {
	start := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	if y, m, d := start.Date(); y != year || m != month || d != day {
		return Instant{}
	}
	return At(start.AddDate(0, 0, 1).UnixMilli() - 1 - c.offsetMS())
}

// Month is a month of a year, counted from January of year 0, so that months
// compare and step as numbers do.
type Month int

// MonthOf returns the given month of the year.
func MonthOf(year int, month time.Month) Month { return Month(12*year + int(month) - 1) }

// ParseMonth reads a month written as 2026-11.
func ParseMonth(s string) (Month, error) {
	t, err := time.Parse("2006-01", s)
	if err != nil {
		return 0, fmt.Errorf("kpi: month %q: write year and month as 2026-11: %w", s, err)
	}
	return MonthOf(t.Year(), t.Month()), nil
}

// String writes the month as 2026-11.
func (m Month) String() string {
	number, index := m.split()
	return fmt.Sprintf("%04d-%02d", number, index+1)
}

// split returns the year and the index of the month in it, from 0.
func (m Month) split() (number, index int) { return int(m) / 12, int(m) % 12 }
