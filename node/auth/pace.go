package auth

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/vungxa/vungxa/node"
)

// maxPaced bounds how many sources and users are remembered.
const maxPaced = 4096

// forget is how long after the last try a source or user begins anew.
const forget = 30 * time.Minute

// A mark is what tries are counted by: a source, a user, or a source of codes.
type mark struct{ kind, name string }

const (
	bySource = "source"
	byUser   = "user"
	byCode   = "code"
)

// A step says how many tries are free, and how long the delay may grow. The
// delays are 1 s, 2 s, 4 s and so on.
type step struct {
	free int
	most time.Duration
}

// A source may be a whole office behind one address, or all users of one
// machine; a user is one person.
var steps = map[string]step{
	bySource: {free: 10, most: time.Minute},
	byUser:   {free: 3, most: 5 * time.Minute},
	byCode:   {free: 10, most: time.Minute},
}

type tries struct {
	count int
	last  time.Time
	next  time.Time // none is let through before
}

// pacer spaces out guesses.
type pacer map[mark]tries

// enter counts a try of all marks, as if it would fail, or says how long to
// wait. Counting before the outcome is known is what stops a hundred at once.
func (p pacer) enter(now time.Time, marks ...mark) time.Duration {
	var wait time.Duration
	for _, m := range marks {
		wait = max(wait, p[m].next.Sub(now))
	}
	if wait > 0 {
		return wait
	}
	for _, m := range marks {
		p.count(now, m)
	}
	return 0
}

func (p pacer) count(now time.Time, m mark) {
	t, known := p[m]
	if !known && len(p) >= maxPaced {
		p.shrink()
	}
	if now.Sub(t.last) > forget {
		t = tries{}
	}
	t.count, t.last = t.count+1, now
	if over := t.count - steps[m.kind].free; over >= 0 {
		t.next = now.Add(min(time.Second<<min(over, 20), steps[m.kind].most))
	}
	p[m] = t
}

// undo takes back one try of each mark: it was right, or it was never judged.
// It doesn't clear what others from the same source have tried.
func (p pacer) undo(marks ...mark) {
	for _, m := range marks {
		if t := p[m]; t.count > 1 {
			p[m] = tries{count: t.count - 1, last: t.last}
		} else {
			delete(p, m)
		}
	}
}

// shrink drops the quarter that was tried longest ago: a whole quarter, so that a
// flood of sources doesn't pay for sorting at every try.
func (p pacer) shrink() {
	oldest := slices.SortedFunc(maps.Keys(p), func(a, b mark) int { return p[a].last.Compare(p[b].last) })
	for _, m := range oldest[:len(oldest)/4] {
		delete(p, m)
	}
}

// Delayed is the error of a try that came too soon.
type Delayed struct {
	Wait time.Duration
}

// Error says how long to wait, in whole seconds.
func (d *Delayed) Error() string { return d.Unwrap().Error() }

func (d *Delayed) Unwrap() error {
	return &node.Error{Code: node.RateLimited, Message: node.Text{
		VI: fmt.Sprintf("Đã thử sai nhiều lần. Hãy chờ %d giây rồi thử lại.", d.Seconds()),
		EN: fmt.Sprintf("too many wrong tries; wait %d seconds and try again", d.Seconds()),
	}}
}

// Seconds is Wait, rounded up.
func (d *Delayed) Seconds() int { return int((d.Wait + time.Second - 1) / time.Second) }
