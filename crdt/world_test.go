package crdt

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
)

// vector is how many entries of each of three logs have arrived somewhere.
type vector [3]int

func (v vector) atMost(w vector) bool { return v[0] <= w[0] && v[1] <= w[1] && v[2] <= w[2] }

func (v vector) positions() []Pos {
	ps := []Pos{} // not nil, which would be all
	for i, n := range v {
		if n > 0 {
			ps = append(ps, Pos{testLog(i), uint64(n)})
		}
	}
	return ps
}

// deed is what an officer does in one Save.
type deed uint8

const (
	assign deed = iota
	put
	take
	create
	remove
)

// step is one Save: who, having received what, by a page that showed what.
type step struct {
	actor int
	view  vector // what the actor's device held, its own log included
	seen  vector // what the officer's page showed
	deed  deed
	base  *Record // of which the entry is made: what the device keeps at its view
	entry *Entry
}

// history is Saves of three devices on one record, and the states that follow of
// them: one for each vector of what may have arrived.
type history struct {
	ref    Ref
	steps  []*step
	logs   [3][]*step
	states map[vector]*Record
	checks int // transitions that were compared
	floor  *passed

	verdicts int // rejections under which a compacted record was compared
}

const (
	testField uint32 = 1
	testSet   uint32 = 2
)

var testElem = []byte{0x61, 'x'}

func newHistory(ref Ref) *history {
	return &history{ref: ref, states: map[vector]*Record{{}: NewRecord(testScope, "things", ref)}}
}

func testHash(log int, seq uint64) Hash { return Hash{byte(log + 1), byte(seq)} }

func logIndex(l LogID) int { return int(l.Device[0]) - 1 }

// heldAt is what a device holds that has received v.
func heldAt(v vector) Held {
	return func(l LogID, seq uint64) (Hash, bool) {
		i := logIndex(l)
		return testHash(i, seq), seq <= uint64(v[i])
	}
}

func (h *history) heads() vector { return vector{len(h.logs[0]), len(h.logs[1]), len(h.logs[2])} }

// say makes the entry of a step, and appends it.
func (h *history) say(s *step, stamp Stamp) {
	seq := uint64(len(h.logs[s.actor]) + 1)
	e := &Entry{Log: testLog(s.actor), Seq: seq, Stamp: stamp, Pack: Pack{ID: "test", Version: 1}}
	if seq > 1 {
		e.Prev = testHash(s.actor, seq-1)
	}
	r, seen := s.base, s.seen.positions()
	if r == nil {
		r = h.states[s.view]
	}
	switch s.deed {
	case assign:
		e.Ops = []Op{r.Assign(testField, []byte{0x18, byte(20 + len(h.steps))}, seen)}
	case put, take:
		e.Ops = []Op{r.Put(testSet, testElem, s.deed == put, seen)}
	case create:
		e.Ops = []Op{r.Create(seen)}
	case remove:
		e.Ops = []Op{r.Delete(seen)}
	}
	e.Pins = e.PinsOf(heldAt(s.view))
	s.entry = e
	h.steps, h.logs[s.actor] = append(h.steps, s), append(h.logs[s.actor], s)
}

// undo takes the last step back, and the states that rest on it.
func (h *history) undo() {
	last := h.steps[len(h.steps)-1]
	gone := func(v vector) bool { return v[last.actor] == len(h.logs[last.actor]) }
	maps.DeleteFunc(h.states, func(v vector, _ *Record) bool { return gone(v) })
	if h.floor != nil {
		maps.DeleteFunc(h.floor.states, func(v vector, _ []*Record) bool { return gone(v) })
	}
	h.steps, h.logs[last.actor] = h.steps[:len(h.steps)-1], h.logs[last.actor][:len(h.logs[last.actor])-1]
}

// arrive brings one log's entry seq to a record of what has come before.
func arrive(r *Record, e *Entry, v vector) *Record {
	after := r.Clone()
	for i := range e.Ops {
		after.Apply(e, i, heldAt(v))
	}
	after.Arrived(e.Log, heldAt(v))
	return after
}

// follow works out the states that the last step makes possible. Every way to a
// state is compared: by induction every order of delivery leads to it.
func (h *history) follow() error {
	actor, heads := h.steps[len(h.steps)-1].actor, h.heads()
	for a := range heads[0] + 1 {
		for b := range heads[1] + 1 {
			for c := range heads[2] + 1 {
				if v := (vector{a, b, c}); v[actor] == heads[actor] {
					if err := h.arrive(v); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

func (h *history) arrive(v vector) error {
	var state *Record
	for i := range v {
		if v[i] == 0 {
			continue
		}
		before := v
		before[i]--
		after := arrive(h.states[before], h.logs[i][v[i]-1].entry, v)
		h.checks++
		if state != nil && !sameRecord(state, after) {
			return fmt.Errorf("at %v: by log %d last\n%v\nby an earlier one\n%v\n%v", v, i, dump(after), dump(state), h)
		}
		state = after
	}
	h.states[v] = state
	if h.floor != nil {
		return h.compacts(v)
	}
	return h.specified(v)
}

func (h *history) String() string {
	var b bytes.Buffer
	for _, s := range h.steps {
		fmt.Fprintf(&b, "  device %d having %v, page %v: deed %d over %v pins %v made %v\n",
			s.actor, s.view, s.seen, s.deed, short(s.entry.Ops[0].Over), shortPins(s.entry.Pins), short([]Pos{s.entry.Ops[0].Made}))
	}
	return b.String()
}

func short(ps []Pos) (out []string) {
	for _, p := range ps {
		out = append(out, fmt.Sprintf("%d:%d", logIndex(p.Log), p.Seq))
	}
	return out
}

func shortPins(ps []Pin) (out []string) {
	for _, p := range ps {
		out = append(out, fmt.Sprintf("%d:%d", logIndex(p.Log), p.Seq))
	}
	return out
}

func sameRecord(a, b *Record) bool {
	return maps.EqualFunc(a.Cells, b.Cells, sameCell) && maps.EqualFunc(a.Sets, b.Sets, func(s, t map[string]Cell) bool {
		return maps.EqualFunc(s, t, sameCell)
	})
}

func sameCell(a, b Cell) bool {
	return slices.Equal(a.Over, b.Over) && slices.Equal(a.Pending, b.Pending) && slices.EqualFunc(a.Writes, b.Writes, sameWrite)
}

func sameWrite(a, b Write) bool {
	return a.Dot == b.Dot && a.Stamp == b.Stamp && a.Officer == b.Officer && a.Epoch == b.Epoch && a.Cite == b.Cite &&
		slices.Equal(a.Over, b.Over) && bytes.Equal(a.Value, b.Value)
}

func dump(r *Record) string {
	var b bytes.Buffer
	cell := func(name string, c Cell) {
		fmt.Fprintf(&b, "    %s over %v pending %d:", name, short(c.Over), len(c.Pending))
		for _, w := range c.Writes {
			fmt.Fprintf(&b, " %d:%d=%x(over %v)", logIndex(w.Dot.Log), w.Dot.Seq, w.Value, short(w.Over))
		}
		b.WriteByte('\n')
	}
	for _, f := range slices.Sorted(maps.Keys(r.Cells)) {
		cell(fmt.Sprint("field ", f), r.Cells[f])
	}
	for _, f := range slices.Sorted(maps.Keys(r.Sets)) {
		for _, e := range slices.Sorted(maps.Keys(r.Sets[f])) {
			cell(fmt.Sprintf("set %d %x", f, e), r.Sets[f][e])
		}
	}
	return b.String()
}
