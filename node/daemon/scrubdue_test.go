package daemon

import (
	"testing"
	"time"
)

func TestScrubIsDueOnceADay(t *testing.T) {
	last := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	for after, want := range map[time.Duration]bool{
		time.Hour: false, 23*time.Hour + 59*time.Minute: false, 24 * time.Hour: true, 1000 * 24 * time.Hour: true,
		-time.Hour: false, -56 * 365 * 24 * time.Hour: true, // a clock that was set back to 1970
	} {
		if got := scrubDue(last, last.Add(after)); got != want {
			t.Errorf("after %v it is due: %v; want %v", after, got, want)
		}
	}
}
