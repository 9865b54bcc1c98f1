package line

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const ms = time.Millisecond

func chance(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

func trace(t *testing.T, text string) *Trace {
	t.Helper()
	tr, err := ReadTrace(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// Deliveries that can be computed by hand.
func TestSend(t *testing.T) {
	type sent struct {
		at    time.Duration
		bytes int
		want  time.Duration // -1: dropped
	}
	for name, c := range map[string]struct {
		shape Shape
		sent  []sent
	}{
		"perfect": {Shape{}, []sent{{0, 1500, 0}, {0, 1500, 0}, {5 * ms, 1, 5 * ms}}},
		"delay":   {Shape{Delay: 150 * ms}, []sent{{0, 1500, 150 * ms}, {1 * ms, 40, 151 * ms}}},
		// 8,000 bytes a second: 1,000 bytes take 125 ms, and wait for each other.
		"rate": {Shape{BitsPerSecond: 64e3, Delay: 10 * ms}, []sent{{0, 1000, 135 * ms}, {0, 1000, 260 * ms}, {300 * ms, 80, 320 * ms}}},
		// The one that is being sent counts; when it has gone there is room again.
		"queue": {Shape{BitsPerSecond: 64e3, QueueBytes: 2000}, []sent{
			{0, 1000, 125 * ms}, {0, 1000, 250 * ms}, {0, 1, -1}, {124 * ms, 1, -1}, {125 * ms, 1000, 375 * ms},
		}},
		"opportunities": {Shape{Trace: trace(t, "10\n10\n20\n1000\n")}, []sent{
			{0, 1000, 10 * ms}, {0, 1000, 10 * ms}, // share two
			{0, 1500, 20 * ms},           // 1,000 of the second at 10, the rest at 20
			{0, 1000, 20 * ms},           // the rest of it
			{21 * ms, 40, 1000 * ms},     // 20 is over
			{1001 * ms, 1501, 1010 * ms}, // the trace begins again
		}},
		// 1 Mbit/s for a second, nothing for one, 2 Mbit/s for one; the last line ends it.
		"rates": {Shape{Trace: trace(t, "0 1\n1 0\n2.0 2\n3 99\n")}, []sent{
			{0, 125000 / 2, 500 * ms}, {0, 125000, 2250 * ms}, {2900 * ms, 25000, 2999999999}, {3000 * ms, 12500, 3100 * ms},
		}},
	} {
		l := New(c.shape, chance(1))
		for i, s := range c.sent {
			at, fate := l.Send(s.at, s.bytes)
			if (fate == Dropped) != (s.want < 0) || fate == Delivered && (at-s.want).Abs() > 2 {
				t.Errorf("%s, packet %d: arrives at %v (fate %d); want %v", name, i, at, fate, s.want)
			}
		}
	}
}

// A line that was idle for a year answers at once, and goes on in the trace.
func TestLongIdle(t *testing.T) {
	l := New(Shape{Trace: trace(t, "0\n100\n")}, chance(1))
	year := 365 * 24 * time.Hour
	if at, _ := l.Send(year+ms, 1500); at != year+100*ms {
		t.Errorf("arrives at %v; want %v", at, year+100*ms)
	}
}

func TestChance(t *testing.T) {
	shape := Shape{BitsPerSecond: 1e6, Delay: 50 * ms, Jitter: 30 * ms, Loss: 0.1}
	play := func(shape Shape, seed uint64) (arrivals []time.Duration, lost, overtaken int) {
		l := New(shape, chance(seed))
		for i := range 10000 {
			at, fate := l.Send(time.Duration(i)*ms, 100)
			switch {
			case fate == Lost:
				lost++
			case len(arrivals) > 0 && at < arrivals[len(arrivals)-1]:
				overtaken++
				fallthrough
			default:
				arrivals = append(arrivals, at)
			}
		}
		return arrivals, lost, overtaken
	}
	a, lost, overtaken := play(shape, 1)
	if lost < 900 || lost > 1100 || overtaken != 0 {
		t.Errorf("%d of 10,000 lost (want about 1,000), %d overtaken (want none)", lost, overtaken)
	}
	if b, _, _ := play(shape, 1); !equal(a, b) {
		t.Error("one seed gave two histories")
	}
	if b, _, _ := play(shape, 2); equal(a, b) {
		t.Error("two seeds gave one history")
	}
	shape.Reorder = true
	if _, again, overtaken := play(shape, 1); again != lost || overtaken < 1000 {
		t.Errorf("with Reorder %d lost (want %d as before), %d overtaken (want many)", again, lost, overtaken)
	}
}

func equal(a, b []time.Duration) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestReadTraceRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "no length": "0\n0\n", "never anything": "0 0\n1 5\n", "back in time": "5\n4\n", "two forms": "1\n2 3\n",
		"words": "a\n", "three numbers": "1 2 3\n", "negative": "-1\n", "a rate that is none": "0 NaN\n1 1\n", "endless": "0 1\n1 +Inf\n",
	} {
		if _, err := ReadTrace(strings.NewReader(text)); err == nil {
			t.Errorf("%s: read without an error", name)
		}
	}
}

// The recorded lines carry what their files say.
func TestRecorded(t *testing.T) {
	dir := "../../../../shared/data/traces"
	for name, want := range map[string]float64{ // Mbit/s over the whole trace, by awk
		"umts-driving.up": 0.943227, "umts-driving.down": 2.01971, "norway_bus_1": 2.95286,
	} {
		f, err := os.Open(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			t.Skipf("SKIPPED: no recorded traces: %v", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		tr, err := ReadTrace(f)
		_ = f.Close() // only read
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		l := New(Shape{Trace: tr}, chance(1))
		sent, at := int64(0), time.Duration(0)
		for at < tr.Period() {
			at, _ = l.Send(0, 1500)
			sent += 1500
		}
		if mbit := float64(sent*8) / at.Seconds() / 1e6; mbit < want*0.9999 || mbit > want*1.0001 {
			t.Errorf("%s carries %v Mbit/s; want %v", name, mbit, want)
		}
	}
}
