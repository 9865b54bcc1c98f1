package line

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Trace is the recorded capacity of a line. When it is over it begins again.
type Trace struct {
	slots  []slot
	period time.Duration
}

// slot is a time from which on bytes can be sent, evenly until the next slot, or all
// at its beginning.
type slot struct {
	at    time.Duration
	bytes float64 // that go at once
	rate  float64 // bytes a second from then on
}

const (
	opportunityBytes = 1500     // of one line in mahimahi's form
	traceBytesMax    = 64 << 20 // of a file
)

// ReadTrace reads one of two forms, told apart by the numbers on a line. In
// mahimahi's, each line is the millisecond at which 1,500 bytes can be sent, several
// lines for several; packets share one, and what isn't used is gone. In the other,
// each line is a moment in seconds and the rate in Mbit/s until the next; the last
// line only ends the trace.
func ReadTrace(r io.Reader) (*Trace, error) {
	b, err := io.ReadAll(io.LimitReader(r, traceBytesMax+1))
	if err != nil {
		return nil, fmt.Errorf("line: read a trace: %w", err)
	}
	if len(b) > traceBytesMax {
		return nil, fmt.Errorf("line: a trace of more than %d bytes", traceBytesMax)
	}
	t := &Trace{}
	lines := bufio.NewScanner(bytes.NewReader(b))
	for n := 1; lines.Scan(); n++ {
		s, err := readSlot(strings.Fields(lines.Text()))
		if err == nil && len(t.slots) > 0 && (s.at < t.period || (s.bytes > 0) != (t.slots[0].bytes > 0)) {
			err = errors.New("goes back in time, or is of the other form than the lines before")
		}
		if err != nil {
			return nil, fmt.Errorf("line: trace, line %d: %w", n, err)
		}
		t.slots, t.period = append(t.slots, s), s.at
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line: read a trace: %w", err)
	}
	return t, t.check()
}

func readSlot(fields []string) (slot, error) {
	switch len(fields) {
	case 1:
		ms, err := strconv.ParseInt(fields[0], 10, 32)
		if err == nil && ms < 0 {
			err = errors.New("a moment before the beginning")
		}
		return slot{at: time.Duration(ms) * time.Millisecond, bytes: opportunityBytes}, err
	case 2:
		seconds, err := strconv.ParseFloat(fields[0], 64)
		mbit, rateErr := strconv.ParseFloat(fields[1], 64)
		if err = errors.Join(err, rateErr); err == nil && !(seconds >= 0 && seconds < 1e6 && mbit >= 0 && mbit < 1e6) {
			err = errors.New("no moment and rate of a line")
		}
		return slot{at: time.Duration(seconds * float64(time.Second)), rate: mbit * 1e6 / 8}, err
	}
	return slot{}, errors.New("want one number (milliseconds) or two (seconds, Mbit/s)")
}

// check refuses a trace in which nothing is ever sent.
func (t *Trace) check() error {
	carries := false
	for i, s := range t.slots {
		carries = carries || s.bytes > 0 || s.rate > 0 && i < len(t.slots)-1
	}
	if t.period <= 0 || !carries {
		return errors.New("line: a trace of no length, or that never carries anything")
	}
	return nil
}

// Period is how long the trace is.
func (t *Trace) Period() time.Duration { return t.period }

// play is the trace as a line goes through it.
func (t *Trace) play() capacity { return &player{trace: t, left: t.slots[0].bytes} }

type player struct {
	trace *Trace
	slot  int           // index
	round time.Duration // when this run through the trace began
	left  float64       // of the slot's bytes
}

// serve lets time pass from slot to slot until the bytes are sent.
func (p *player) serve(from time.Duration, bytes int) time.Duration {
	if rounds := (from-p.round)/p.trace.period - 1; rounds > 0 { // a line that was long idle
		p.slot, p.round, p.left = 0, p.round+rounds*p.trace.period, p.trace.slots[0].bytes
	}
	for need := float64(bytes); ; {
		s := p.trace.slots[p.slot]
		at, until := p.round+s.at, p.next()
		if s.bytes > 0 && at >= from {
			take := min(p.left, need)
			p.left, need = p.left-take, need-take
			from = at
		}
		begin := max(at, from)
		if s.rate > 0 && begin < until {
			took := time.Duration(need / s.rate * float64(time.Second))
			if begin+took <= until {
				return begin + took
			}
			need, from = need-(until-begin).Seconds()*s.rate, until
		}
		if need <= 0 {
			return from
		}
		p.advance()
	}
}

// next is when the slot ends.
func (p *player) next() time.Duration {
	if p.slot+1 < len(p.trace.slots) {
		return p.round + p.trace.slots[p.slot+1].at
	}
	return p.round + p.trace.period + p.trace.slots[0].at
}

func (p *player) advance() {
	p.slot++
	// The last line of rates only ends the trace.
	if last := len(p.trace.slots) - 1; p.slot > last || p.slot == last && p.trace.slots[last].bytes == 0 {
		p.slot, p.round = 0, p.round+p.trace.period
	}
	p.left = p.trace.slots[p.slot].bytes
}
