package imports

import (
	"strings"
	"testing"
	"time"
)

func TestLayout(t *testing.T) {
	for format, want := range map[string]string{
		"dd/MM/yyyy":                  "02/01/2006",
		"d/M/yyyy H":                  "", // no such part
		"yyyy-MM-ddTHH:mm:ss.SSS":     "2006-01-02T15:04:05.000",
		"MM/dd/yyyy hh:mm:ss a":       "01/02/2006 03:04:05 PM",
		"yyyy-MM-ddTHH:mm:ssXXX":      "2006-01-02T15:04:05Z07:00",
		"yyyy-MM-dd HH:mm:ss,SSS":     "2006-01-02 15:04:05,000",
		"yyyy-MM-dd HH:mm:ssSSS":      "",
		"SSSyyyy-MM-dd":               "",
		"yyyy-MM":                     "",
		"MM/dd HH":                    "",
		"yyyy-MM-dd MM":               "",
		"2006-01-02":                  "",
		"yyyy 'năm' MM dd":            "",
		"":                            "",
		"dd.MM.yyyy":                  "02.01.2006",
		"yyyyMMdd":                    "20060102",
		"dd/MM/yyyy HH:mm:ss.SSS XXX": "02/01/2006 15:04:05.000 Z07:00",
	} {
		got, err := layout(format)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v; want %q", format, got, err, want)
		}
	}
}

// Every format reads back what it writes.
func TestLayoutReadsWhatItWrites(t *testing.T) {
	moment := time.Date(2026, 11, 23, 15, 4, 5, 678e6, time.UTC)
	for _, format := range []string{"dd/MM/yyyy HH:mm:ss.SSS", "MM/dd/yyyy hh:mm:ss.SSS a", "yyyy-MM-ddTHH:mm:ss.SSSXXX", "d.M.yyyy h:mm:ss,SSS a"} {
		l, err := layout(format)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := time.Parse(l, moment.Format(l)); err != nil || !back.Equal(moment) {
			t.Errorf("%s: %s came back as %s, %v", format, moment.Format(l), back, err)
		}
	}
}

func TestMomentWhereClocksChange(t *testing.T) {
	for _, c := range []struct {
		zone, wall, want string
		odd              clockOdd
	}{
		{"America/New_York", "2012-11-20T07:50:59", "2012-11-20T12:50:59Z", clockPlain},
		{"America/New_York", "2012-06-20T07:50:59", "2012-06-20T11:50:59Z", clockPlain},
		{"America/New_York", "2012-11-04T01:30:00", "2012-11-04T05:30:00Z", clockTwice},
		{"America/New_York", "2012-11-04T00:59:59", "2012-11-04T04:59:59Z", clockPlain},
		{"America/New_York", "2012-11-04T02:00:00", "2012-11-04T07:00:00Z", clockPlain},
		{"America/New_York", "2012-03-11T01:59:59", "2012-03-11T06:59:59Z", clockPlain},
		{"America/New_York", "2012-03-11T02:30:00", "2012-03-11T07:30:00Z", clockSkipped},
		{"America/New_York", "2012-03-11T03:00:00", "2012-03-11T07:00:00Z", clockPlain},
		{"Asia/Ho_Chi_Minh", "2026-11-23T00:00:00", "2026-11-22T17:00:00Z", clockPlain},
		{"Pacific/Apia", "2011-12-30T12:00:00", "2011-12-30T22:00:00Z", clockSkipped}, // the day that Samoa left out
		{"Australia/Lord_Howe", "2012-04-01T01:45:00", "2012-03-31T14:45:00Z", clockTwice},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		wall, err := time.Parse("2006-01-02T15:04:05", c.wall)
		if err != nil {
			t.Fatal(err)
		}
		got, odd := moment(wall, zone)
		if got.UTC().Format(time.RFC3339) != c.want || odd != c.odd {
			t.Errorf("%s in %s: got %s, %d; want %s, %d", c.wall, c.zone, got.UTC().Format(time.RFC3339), odd, c.want, c.odd)
		}
	}
}

// The guard passes on exactly the text, however the file comes in pieces, and
// stops at the first byte that is none.
func TestGuardInPieces(t *testing.T) {
	text := strings.Repeat("ặ漢a\n", 20000)
	for piece := 1; piece <= 7; piece++ {
		for _, tail := range []string{"", "\xff", "x\x00", "\xe1\xba"} {
			g, err := newGuard(&pieces{strings.NewReader(text + tail), piece})
			if err != nil {
				t.Fatal(err)
			}
			g.limit = 1 << 30
			got, err := readAll(g)
			want := text + strings.TrimSuffix(tail, tail[min(len(tail), strings.Count(tail, "x")):])
			if got != want || (err != nil) != (tail != "") {
				t.Fatalf("pieces of %d and %q after: %d bytes of %d, %v", piece, tail, len(got), len(want), err)
			}
		}
	}
}
