package simtest

import (
	"time"

	"github.com/vungxa/vungxa/sync/reconcile"
)

// Contact is a connection between two machines, from its first word to its end.
type Contact struct {
	w      *World
	a, b   *end
	window int
	budget reconcile.Allowance
	began  time.Duration
	last   time.Duration // when the last frame that was sent arrives
	over   bool
}

func (c *Contact) other(e *end) *Machine {
	if e.m == c.a.m {
		return c.b.m
	}
	return c.a.m
}

// connect begins a contact; one that either machine has with that device gives way.
func (w *World) connect(a, b *Machine, p path) *Contact {
	for _, c := range w.open(a, b) {
		c.cut()
	}
	w.Contacts++
	c := &Contact{w: w, window: p.window, budget: p.budget, began: w.now, last: w.now, a: &end{m: a}, b: &end{m: b}}
	x, err := w.newEnd(c, a, b, p.there)
	if !w.must(a, err) {
		return nil
	}
	y, err := w.newEnd(c, b, a, p.back)
	if !w.must(b, err) {
		return nil
	}
	x.far, y.far = y, x
	c.a, c.b = x, y
	a.ends, b.ends = append(a.ends, x), append(b.ends, y)
	w.note("%s and %s meet over %s", a, b, p.name)
	for _, e := range []*end{x, y} {
		w.after(0, e.run)
	}
	return c
}

// open are the contacts that two machines, or clones of them, have with each other.
func (w *World) open(a, b *Machine) (found []*Contact) {
	for _, m := range []*Machine{a, b} {
		other := b
		if m == b {
			other = a
		}
		for _, e := range m.ends {
			if !e.closed && e.c.other(e).id == other.id {
				found = append(found, e.c)
			}
		}
	}
	return found
}

// cut ends the line: what is on its way is lost.
func (c *Contact) cut() {
	for _, e := range []*end{c.a, c.b} {
		e.lost = true
		e.run()
	}
}

// idle says whether both sides have met and nothing is on its way.
func (c *Contact) idle() bool {
	rests := func(e *end) bool {
		return e.closed || e.op == nil && len(e.in) == 0 && e.s.Met() && e.version == e.m.version
	}
	return c.last < c.w.now && rests(c.a) && rests(c.b)
}

// ended notes that a side is gone; the other hears of it when it has read what was
// sent before.
func (c *Contact) ended(e *end) {
	c.w.Frames, c.w.Bytes = c.w.Frames+e.frames, c.w.Bytes+e.bytes
	e.m.drop(e)
	if far := e.far; far != nil && !far.closed {
		c.w.at(max(c.last, c.w.now)+time.Millisecond, func() {
			far.lost = true
			far.run()
		})
	}
	if c.a.closed && c.b.closed {
		c.over = true
		c.w.inspect(c.a.m)
		c.w.inspect(c.b.m)
	}
}
