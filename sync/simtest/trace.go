package simtest

import (
	"bufio"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Trace is what a line was once seen to carry: at each moment one packet of so many
// bytes could go. It begins anew when it is over.
type Trace struct {
	Name    string
	at      []time.Duration // rising
	packet  int             // bytes
	Delay   time.Duration   // one way
	Window  int
	covered time.Duration // how long the record is
}

// packetBytes is what a chance of the mahimahi format carries.
const packetBytes = 1500

// ReadMahimahi reads a recorded line: each line of the file is the millisecond at
// which one packet of 1,500 bytes could be delivered.
func ReadMahimahi(name string, r io.Reader) (*Trace, error) {
	t := &Trace{Name: name, packet: packetBytes}
	err := eachLine(name, r, func(fields []string) error {
		ms, err := strconv.ParseUint(fields[0], 10, 40)
		t.at = append(t.at, time.Duration(ms)*time.Millisecond)
		return err
	})
	return t.ready(err)
}

// ReadRates reads a recorded line: a second and the rate in Mbit/s from there on.
func ReadRates(name string, r io.Reader) (*Trace, error) {
	t := &Trace{Name: name, packet: packetBytes}
	var from, credit float64
	rate := 0.0
	err := eachLine(name, r, func(fields []string) error {
		if len(fields) < 2 {
			return fmt.Errorf("%d columns; want a second and a rate", len(fields))
		}
		second, err := strconv.ParseFloat(fields[0], 64)
		if err != nil || second < from || second > 1e6 {
			return fmt.Errorf("second %q: it isn't later than the one before", fields[0])
		}
		for need := 8 * packetBytes / 1e6; rate > 0; credit -= need {
			step := (need - credit) / rate
			if from+step > second {
				credit += (second - from) * rate
				break
			}
			from, credit = from+step, need
			t.at = append(t.at, time.Duration(from*float64(time.Second)))
		}
		from = second
		rate, err = strconv.ParseFloat(fields[1], 64)
		return err
	})
	return t.ready(err)
}

func (t *Trace) ready(err error) (*Trace, error) {
	if err == nil && len(t.at) < 2 {
		err = fmt.Errorf("trace %s: %d packets; want at least two", t.Name, len(t.at))
	}
	if err != nil {
		return nil, err
	}
	t.covered = t.at[len(t.at)-1] + time.Millisecond
	t.Delay, t.Window = 50*time.Millisecond, 8<<10
	return t, nil
}

func eachLine(name string, r io.Reader, f func(fields []string) error) error {
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 {
			continue
		}
		if err := f(fields); err != nil {
			return fmt.Errorf("trace %s, line %d: %w", name, n, err)
		}
	}
	return lines.Err()
}

// Open is a direction of the line, beginning at a place in the record.
func (t *Trace) Open(offset time.Duration) Line { return &traced{Trace: t, offset: offset % t.covered} }

type traced struct {
	*Trace
	offset, free time.Duration
}

func (l *traced) Send(now time.Duration, bytes int) (left, arrives time.Duration) {
	left = max(now, l.free)
	for n := bytes + headers; n > 0; n -= l.packet {
		left = l.next(left)
	}
	l.free = left
	return left, left + l.Delay
}

// next is the first chance past a moment.
func (l *traced) next(now time.Duration) time.Duration {
	at := now + l.offset
	round, within := at/l.covered, at%l.covered
	i := sort.Search(len(l.at), func(i int) bool { return l.at[i] > within })
	if i == len(l.at) {
		round, i = round+1, 0
	}
	return round*l.covered + l.at[i] - l.offset
}
