package imports

import (
	"fmt"
	"strings"
	"time"
)

// The parts of a date format and what Go calls them, longest first.
var formatParts = []struct{ ours, layout string }{
	{"yyyy", "2006"}, {"SSS", "000"}, {"XXX", "Z07:00"}, {"MM", "01"}, {"dd", "02"}, {"HH", "15"},
	{"hh", "03"}, {"mm", "04"}, {"ss", "05"}, {"M", "1"}, {"d", "2"}, {"h", "3"}, {"a", "PM"},
}

// layout turns a format such as dd/MM/yyyy HH:mm into Go's. The letter T may
// stand between date and time; other letters have no meaning and are refused.
func layout(format string) (string, error) {
	var out strings.Builder
	seen := map[byte]bool{}
	for rest := format; rest != ""; {
		part, n := formatPart(rest)
		switch {
		case n == 0:
			return "", fmt.Errorf("a format has the parts yyyy MM dd HH mm ss SSS XXX (also M d hh h a) and T, not %q", rest)
		case n > 1 && seen[rest[0]]:
			return "", fmt.Errorf("the part %q stands twice", rest[:n])
		case part == "000" && !strings.HasSuffix(out.String(), ".") && !strings.HasSuffix(out.String(), ","):
			return "", fmt.Errorf("SSS stands after a point or a comma")
		}
		seen[rest[0]] = true
		out.WriteString(part)
		rest = rest[n:]
	}
	if !seen['y'] || !seen['M'] || !seen['d'] {
		return "", fmt.Errorf("a format has at least year, month and day, as dd/MM/yyyy")
	}
	return out.String(), nil
}

// formatPart gives the layout of what s begins with and its length, or 0.
func formatPart(s string) (string, int) {
	for _, p := range formatParts {
		if strings.HasPrefix(s, p.ours) {
			return p.layout, len(p.ours)
		}
	}
	if strings.IndexByte("T ./-:,_", s[0]) >= 0 {
		return s[:1], 1
	}
	return "", 0
}

// clockOdd says what is odd about a local time.
type clockOdd int

const (
	clockPlain   clockOdd = iota
	clockTwice            // the clocks went back: the time occurred twice
	clockSkipped          // the clocks went forward: the time never was
)

// moment is when a clock in zone showed wall, which carries the reading as if it
// were UTC. A time that occurred twice is the first of the two. One that never
// was is what a clock would have shown that had not been put forward.
func moment(wall time.Time, zone *time.Location) (time.Time, clockOdd) {
	before, after := wall.Add(-offset(wall.Add(-24*time.Hour), zone)), wall.Add(-offset(wall.Add(24*time.Hour), zone))
	first, second := before, after
	if second.Before(first) {
		first, second = second, first
	}
	shows := func(t time.Time) bool { return t.Add(offset(t, zone)).Equal(wall) }
	switch {
	case shows(first) && shows(second) && !first.Equal(second):
		return first, clockTwice
	case shows(first):
		return first, clockPlain
	case shows(second):
		return second, clockPlain
	}
	return before, clockSkipped
}

func offset(t time.Time, zone *time.Location) time.Duration {
	_, seconds := t.In(zone).Zone()
	return time.Duration(seconds) * time.Second
}
