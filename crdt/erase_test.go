package crdt

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func (d *desk) put(ms int64, elem string, present bool) *Entry {
	d.t.Helper()
	return d.save(ms, d.record.Put(testSet, cborText(elem), present, nil))
}

// struck is an entry of which operations were erased by an order.
func struck(e *Entry, order []Dot) *Entry {
	gone := *e
	gone.Ops = slices.Clone(e.Ops)
	for i := range gone.Ops {
		if slices.Contains(order, e.Dot(i)) {
			gone.Ops[i].Elem, gone.Ops[i].Value, gone.Ops[i].Erased = nil, nil, Hash{1}
		}
	}
	return &gone
}

// Erasing a removal takes what it removed along, else the element would be back.
func TestErasedRemoval(t *testing.T) {
	a, b := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	in, other := a.put(aTime, "x", true), a.put(aTime, "y", true)
	b.receive(in, other)
	out := b.put(aTime+1, "x", false)
	text := b.write(aTime+2, "một")
	entries := []*Entry{in, other, out, text}
	none := (*Authority)(nil)
	for name, x := range map[string]struct{ order, all []Dot }{
		"the removal":       {[]Dot{out.Dot(0)}, []Dot{in.Dot(0), out.Dot(0)}},
		"the addition":      {[]Dot{in.Dot(0)}, []Dot{in.Dot(0)}},
		"another element":   {[]Dot{other.Dot(0)}, []Dot{other.Dot(0)}},
		"a text":            {[]Dot{text.Dot(0)}, []Dot{text.Dot(0)}},
		"what isn't here":   {[]Dot{{Log: testLog(2), Seq: 1}}, []Dot{{Log: testLog(2), Seq: 1}}},
		"unsorted, and all": {[]Dot{out.Dot(0), in.Dot(0)}, []Dot{in.Dot(0), out.Dot(0)}},
		"nothing":           {nil, nil},
	} {
		if all, missing := none.Widen(entries, x.order, b.hash); !slices.Equal(all, x.all) || len(missing) != 0 {
			t.Errorf("%s: %v, missing %v; want %v", name, all, missing, x.all)
		}
	}
	late := newDesk(t, 2, "C")
	late.receive(out)
	all, missing := none.Widen([]*Entry{out}, []Dot{out.Dot(0)}, late.hash)
	if !slices.Equal(all, []Dot{out.Dot(0)}) || !slices.Equal(missing, []Pos{{a.log, 1}}) {
		t.Errorf("before what it removed has come: %v, missing %v", all, missing)
	}
	if _, missing := none.Widen([]*Entry{out, text}, []Dot{text.Dot(0)}, late.hash); len(missing) != 0 {
		t.Errorf("of what isn't ordered %v is missing", missing)
	}
	// What a lie says it has removed isn't taken along.
	lie := *out
	lie.Pins = nil
	if all, _ := none.Widen([]*Entry{in, &lie}, []Dot{lie.Dot(0)}, b.hash); len(all) != 1 {
		t.Errorf("of a claim that doesn't count: %v", all)
	}
}

// What a removal has replaced may itself have replaced an addition that its officer never
// held: that goes along too, else the element would be back.
func TestErasedRemovalTakesAllBeforeIt(t *testing.T) {
	a, b, c := newDesk(t, 0, "A"), newDesk(t, 1, "B"), newDesk(t, 2, "C")
	in := c.put(aTime, "x", true)
	b.receive(in)
	again := b.put(aTime+1, "x", true)
	a.receive(again) // and not in
	out := a.put(aTime+2, "x", false)
	c.receive(again, out)
	if over := out.Ops[0].Over; len(over) != 1 {
		t.Fatalf("the removal names %v; want what its officer held alone", over)
	}
	entries := []*Entry{in, again, out}
	all, missing := (*Authority)(nil).Widen(entries, []Dot{out.Dot(0)}, c.hash)
	if len(all) != 3 || len(missing) != 0 {
		t.Errorf("%v, missing %v; want all three", all, missing)
	}
	r := NewRecord(testScope, "things", testRef)
	for _, e := range entries {
		r.Apply(struck(e, all), 0, c.hash)
	}
	for elem, cell := range r.Sets[testSet] {
		if len(cell.Writes) > 0 {
			t.Errorf("%x stands again: %v", elem, cell.Writes)
		}
	}
}

// Whatever is erased of a set, nothing stands after it that didn't stand before, in
// whatever order the erased and the whole entries come.
func TestErasureBringsNothingBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSaga(t)
		for range rapid.IntRange(2, 10).Draw(t, "steps") {
			d := s.desks[s.int("device", 0, 2)]
			if s.int("deed", 0, 1) == 0 {
				d.put(s.now, fmt.Sprint(s.int("element", 0, 1)), s.int("present", 0, 2) > 0)
			} else {
				s.deliver(d)
			}
		}
		one := s.observer(true)
		var order []Dot
		for _, e := range one.entries() {
			if s.int("erase", 0, 2) == 0 {
				order = append(order, e.Dot(0))
			}
		}
		all, missing := (*Authority)(nil).Widen(one.entries(), order, one.hash)
		if len(missing) != 0 {
			t.Fatalf("all is held, and %v is missing", missing)
		}
		two := NewRecord(testScope, "things", testRef)
		for _, e := range rapid.Permutation(one.entries()).Draw(t, "order") {
			two.Apply(struck(e, all), 0, one.hash)
		}
		for elem, cell := range two.Sets[testSet] {
			for _, w := range cell.Writes {
				if !slices.ContainsFunc(one.record.Sets[testSet][elem].Writes, func(x Write) bool { return x.Dot == w.Dot }) {
					t.Fatalf("%v stands once %v was erased of\n%v", w.Dot, all, dump(one.record))
				}
			}
		}
	})
}
