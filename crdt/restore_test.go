package crdt

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// office signs checkpoints as a hub would that is restored from backups: each is put
// behind any that was signed, under the epoch of that, or a new one.
type office struct {
	t     tester
	epoch uint64
	all   []*Checkpoint
}

// after is what was said up to a checkpoint; nil: nothing.
func (o *office) after(c *Checkpoint) *Authority {
	a := &Authority{}
	for _, x := range o.path(c) {
		if err := a.Apply(x, checkpointHash(x)); err != nil {
			o.t.Fatalf("%v: %v", x.At, err)
		}
	}
	return a
}

func (o *office) path(c *Checkpoint) (path []*Checkpoint) {
	for c != nil {
		path = append([]*Checkpoint{c}, path...)
		i := slices.IndexFunc(o.all, func(x *Checkpoint) bool { return checkpointHash(x) == c.Prev })
		if i < 0 {
			break
		}
		c = o.all[i]
	}
	return path
}

// sign makes the next checkpoint after one; restored: under a new epoch.
func (o *office) sign(prev *Checkpoint, restored bool, ms int64, fill func(*Checkpoint)) *Checkpoint {
	c := &Checkpoint{Scope: testScope, At: Cite{1, 1}, TimeMS: ms}
	if prev != nil {
		c.At, c.Prev = Cite{prev.At.Epoch, prev.At.Index + 1}, checkpointHash(prev)
	}
	if restored {
		o.epoch = max(o.epoch, 1) + 1
		c.At.Epoch = o.epoch
	}
	if fill != nil {
		fill(c)
	}
	o.all = append(o.all, c)
	return c
}

// fold applies checkpoints in an order, each again until what it names is held.
func fold(t tester, cs ...*Checkpoint) *Authority {
	a := &Authority{}
	for len(cs) > 0 {
		before := len(cs)
		cs = slices.DeleteFunc(slices.Clone(cs), func(c *Checkpoint) bool {
			err := a.Apply(c, checkpointHash(c))
			if err != nil && !errors.Is(err, ErrOrder) {
				t.Fatalf("%v: %v", c.At, err)
			}
			return err == nil
		})
		if len(cs) == before {
			t.Fatalf("%d checkpoints follow nothing", len(cs))
		}
	}
	return a
}

// A hub that was restored names the last checkpoint that it knows. What followed
// that one is void where it was held, where it comes later, and where it never does.
func TestHubRestored(t *testing.T) {
	d, other := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	e := d.write(aTime, "một")
	other.receive(e)
	other.write(aTime+1, "hai")
	device := Subject{Kind: SubjectDevice, Device: other.log.Device}
	for name, x := range map[string]struct {
		lost, again func(*Checkpoint)
		want        []string
	}{
		"a witness":    {witness(d.log, 1, aTime+50), witness(d.log, 1, aTime+150), []string{"hai"}},
		"a cut":        {cutting(device), nil, []string{"hai"}},
		"a cut, again": {cutting(device), cutting(device), []string{"một"}},
		"a cut, anew":  {nil, cutting(device), []string{"một"}},
		"a verdict":    {ruling(Dot{Log: other.log, Seq: 1}, Rejected), nil, []string{"hai"}},
		"a later index": {func(c *Checkpoint) {
			c.Verdicts = []Verdict{{Dot: Dot{Log: other.log, Seq: 1}, Ruling: Confirmed, Index: 99}}
		}, ruling(Dot{Log: other.log, Seq: 1}, Rejected), []string{"một"}},
		"a floor": {func(c *Checkpoint) { c.Floor = []Pos{{other.log, 1}} }, cutting(device), []string{"một"}},
		"a lapse": {func(c *Checkpoint) { c.Lapsed = []Device{other.log.Device} }, nil, []string{"hai"}},
		"a time":  {func(c *Checkpoint) { c.TimeMS += day }, nil, []string{"hai"}},
		"a head":  {func(c *Checkpoint) { c.Heads = []Pin{{other.log, 1, Hash{9}}} }, func(c *Checkpoint) { c.Heads = []Pin{pinAt(other, other.log, 1)} }, []string{"hai"}},
	} {
		o := &office{t: t}
		c1 := o.sign(nil, false, aTime, nil)
		c2 := o.sign(c1, false, aTime+1, nil)
		c3 := o.sign(c2, false, aTime+100, x.lost)
		c4 := o.sign(c3, false, aTime+100+day, nil)
		n := o.sign(c2, true, aTime+200, x.again)
		want := o.after(n)
		for _, cs := range [][]*Checkpoint{{c1, c2, c3, c4, n}, {c1, c2, n, c3, c4}, {c1, c2, c3, n, c4}, {c1, c2, n}} {
			a := fold(t, cs...)
			if a.Newest != n.At || a.TimeMS != n.TimeMS || a.Hash() != checkpointHash(n) || !slices.Equal(a.Floor, want.Floor) || len(a.Lapsed) != 0 {
				t.Errorf("%s: of %d checkpoints %v is the newest, floor %v", name, len(cs), a.Newest, a.Floor)
			}
			if other.digest(a) != other.digest(want) || !slices.Equal(other.read(a, State).texts(), x.want) {
				t.Errorf("%s: %q; want %q as without what is void", name, other.read(a, State).texts(), x.want)
			}
			if got := a.Effective(other.record.Cells[testField].Writes[0]); got != want.Effective(other.record.Cells[testField].Writes[0]) {
				t.Errorf("%s: time %+v", name, got)
			}
			for _, c := range cs {
				if !a.Holds(c.At, checkpointHash(c)) || a.Holds(c.At, Hash{1}) {
					t.Errorf("%s: %v is not held, or another there is", name, c.At)
				}
			}
		}
	}
}

// What goes void may hold again: a backup is restored that knows more than the one
// before. An epoch has one beginning, and what is void still can't be said otherwise.
func TestRestoredTwice(t *testing.T) {
	d := newDesk(t, 0, "A")
	d.write(aTime, "một")
	o := &office{t: t}
	c1 := o.sign(nil, false, aTime, nil)
	c2 := o.sign(c1, false, aTime+1, cutting(Subject{Kind: SubjectDevice, Device: d.log.Device}))
	n := o.sign(c1, true, aTime+2, nil)
	n2 := o.sign(n, false, aTime+3, nil)
	again := o.sign(c2, true, aTime+4, nil)
	for _, cs := range [][]*Checkpoint{{c1, c2, n, n2, again}, {c1, n, n2, c2, again}, {c1, c2, again, n, n2}} {
		a := fold(t, cs...)
		if a.Newest != again.At || a.Hash() != checkpointHash(again) {
			t.Errorf("%v is the newest", a.Newest)
		}
		want(t, d.read(a, LWW))
	}
	a := fold(t, c1, c2, n, n2)
	want(t, d.read(a, LWW), "một")
	for name, c := range map[string]*Checkpoint{
		"the epoch begins twice":      {At: Cite{2, 9}, Prev: checkpointHash(c2)},
		"the epoch begins at nothing": {At: Cite{2, 9}},
		"two in what is void":         {At: Cite{1, 5}, Prev: checkpointHash(c1)},
		"another in what is void":     {At: c2.At, Prev: checkpointHash(c1), Lapsed: []Device{{1}}},
		"an epoch back":               {At: Cite{1, 9}, Prev: checkpointHash(n2)},
	} {
		c.Scope, c.TimeMS = testScope, aTime+9
		if err := a.Apply(c, checkpointHash(c)); !errors.Is(err, ErrTwoFaced) {
			t.Errorf("%s: %v", name, err)
		}
		if r := a.Reach(c); len(r.Cited)+len(r.Heads) != 0 || r.Voids {
			t.Errorf("%s reaches %+v", name, r)
		}
	}
	other := &Checkpoint{Scope: "c/1", At: Cite{9, 9}, TimeMS: aTime + 9}
	if err := a.Apply(other, checkpointHash(other)); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("of another scope: %v", err)
	}
	back := &Checkpoint{Scope: testScope, At: Cite{1, 3}, Prev: checkpointHash(c2), TimeMS: aTime}
	if err := a.Apply(back, checkpointHash(back)); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("in what is void, a time back: %v", err)
	}
	// A hub that knows nothing begins anew, and all that was said is void.
	nothing := o.sign(nil, true, aTime-MaxClaimBehind-9, nil)
	r := a.Reach(nothing)
	if err := a.Apply(nothing, checkpointHash(nothing)); err != nil || a.Newest != nothing.At || !r.Voids || r.BeforeMS != c1.TimeMS-MaxClaimBehind {
		t.Errorf("%v; %v is the newest; reach %+v", err, a.Newest, r)
	}
}

// A clone is left alone by what the other takes in, void or not.
func TestRestoredClone(t *testing.T) {
	o := &office{t: t}
	c1 := o.sign(nil, false, aTime, nil)
	c2, n := o.sign(c1, false, aTime+1, nil), o.sign(c1, true, aTime+2, nil)
	a := fold(t, c1, n)
	b := a.Clone()
	if err := a.Apply(c2, checkpointHash(c2)); err != nil {
		t.Fatal(err)
	}
	if b.Holds(c2.At, checkpointHash(c2)) || !a.Clone().Holds(c2.At, checkpointHash(c2)) {
		t.Error("the clone holds what came later, or lost what is void")
	}
	b = fold(t, c1, c2)
	a = b.Clone()
	if err := b.Apply(n, checkpointHash(n)); err != nil || a.Newest != c2.At || b.Newest != n.At {
		t.Errorf("%v, %v (%v)", a.Newest, b.Newest, err)
	}
}

// What an entry left to a checkpoint that went void since still counts, on nodes that
// had it before, and once it comes to those that had not: where a log lay is no
// decision. A claim on the future counts by no way.
func TestPinLeftToAVoidCheckpoint(t *testing.T) {
	a, b := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	b.receive(a.write(aTime, "một"))
	o := &office{t: t}
	c1 := o.sign(nil, false, aTime, nil)
	c2 := o.sign(c1, false, aTime+1, func(c *Checkpoint) { c.Heads = []Pin{pinAt(a, a.log, 1)} })
	c3 := o.sign(c2, false, aTime+2, func(c *Checkpoint) { c.Heads = []Pin{{b.log, 1, Hash{1}}} })
	c4 := o.sign(c3, false, aTime+3, nil)
	n := o.sign(c1, true, aTime+4, nil)
	for _, x := range []struct {
		cites  Cite
		counts bool
	}{{c1.At, false}, {c2.At, true}, {c4.At, true}, {n.At, false}, {Cite{1, 9}, false}} {
		w := newDesk(t, 1, "B")
		w.receive(a.held[a.log][0])
		w.cites = x.cites
		e := w.write(aTime+1, "hai")
		e.Pins = nil
		early, late := newDesk(t, 2, "C"), newDesk(t, 3, "D")
		early.receive(a.held[a.log][0], e)
		now := &Authority{}
		for _, c := range []*Checkpoint{c1, n, c2, c3, c4} {
			before := early.read(now, LWW)
			reach := now.Reach(c)
			if err := now.Apply(c, checkpointHash(c)); err != nil {
				t.Fatal(err)
			}
			reached := reach.Cell(early.record.Cells[testField])
			early.record.Covered(now, early.hash)
			if early.read(now, LWW).Differs(before) && !reached {
				t.Errorf("citing %v: %v changes what is read, and doesn't reach it: %+v", x.cites, c.At, reach)
			}
		}
		whole := *e
		fold(t, c1, c2, c3, c4, n).Complete(&whole)
		late.receive(a.held[a.log][0], &whole)
		if !sameRecord(early.record, late.record) || (len(early.record.Cells[testField].Writes) == 1) != x.counts {
			t.Errorf("citing %v: %v\n%v", x.cites, dump(early.record), dump(late.record))
		}
	}
	// The hub had the entry before what it cites covers what it names, in what is void too.
	evil := newDesk(t, 1, "B")
	evil.cites = Cite{1, 4}
	e := evil.save(aTime, Op{Collection: "things", Record: testRef, Field: testField, Value: cborText("xấu")})
	e.Ops[0].Over = []Pos{{a.log, 2}}
	o = &office{t: t}
	c1 = o.sign(nil, false, aTime, nil)
	c2 = o.sign(c1, false, aTime+1, witness(evil.log, 1, aTime+1))
	c3 = o.sign(c2, false, aTime+1, witness(evil.log, 2, aTime+1))
	c4 = o.sign(c3, false, aTime+2, func(c *Checkpoint) { c.Heads = []Pin{{a.log, 2, Hash{7}}} })
	n = o.sign(c1, true, aTime+4, nil)
	for _, cs := range [][]*Checkpoint{{c1, c2, c3, c4}, {c1, c2, c3, c4, n}} {
		said := *e
		if fold(t, cs...).Complete(&said); len(said.Pins) != 0 {
			t.Errorf("of %d checkpoints: a claim on what wasn't written yet has a pin", len(cs))
		}
	}
}

// A floor that went void was true, and who compacted under it shows what the others
// do, as long as nothing is decided between the two floors. What is, a hub that says
// the floor again first can't.
func TestFloorThatWentVoid(t *testing.T) {
	a, b := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	one := a.write(aTime, "một")
	b.receive(one)
	two := b.write(aTime+1, "hai")
	floor := []Pos{{a.log, 1}}
	o := &office{t: t}
	c1 := o.sign(nil, false, aTime, nil)
	lost := o.sign(c1, false, aTime+2, func(c *Checkpoint) { c.Floor = floor })
	n := o.sign(c1, true, aTime+3, nil)
	compacted, whole := b.record.Clone(), newDesk(t, 2, "C")
	whole.receive(one, two)
	compacted.Compact(floor)
	held, without := fold(t, c1, lost, n), fold(t, c1, n)
	for _, x := range []*Authority{held, without} {
		if len(x.Floor) != 0 {
			t.Errorf("floor %v", x.Floor)
		}
		less := Reader{Authority: x}.Cell(compacted.Cells[testField], LWW)
		if less.Differs(whole.read(x, LWW)) {
			t.Errorf("compacted %q, whole %q", less.texts(), whole.read(x, LWW).texts())
		}
	}
	if got := held.Passed(); !slices.Equal(got, floor) || len(without.Passed()) != 0 || len((*Authority)(nil).Passed()) != 0 {
		t.Errorf("was once everyone's: %v, where it isn't known %v", got, without.Passed())
	}
	// The hub learns of it, and says it again: then no cut comes to lie below it.
	again := o.sign(n, false, aTime+4, func(c *Checkpoint) { c.Floor = held.Passed() })
	cut := o.sign(again, false, aTime+5, cutting(Subject{Kind: SubjectDevice, Device: a.log.Device}))
	x := fold(t, c1, n, again, lost)
	if err := x.Apply(cut, checkpointHash(cut)); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("a cut below it: %v", err)
	}
	// One that doesn't is obeyed by all, and who had forgotten says what is lost.
	below := o.sign(n, false, aTime+5, cutting(Subject{Kind: SubjectOfficer, Officer: "B"}))
	x = fold(t, c1, lost, n, below)
	want(t, whole.read(x, LWW), "một")
	less := Reader{Authority: x}.Cell(compacted.Cells[testField], LWW)
	if want(t, less); !slices.Equal(less.Lost, floor) {
		t.Errorf("lost %v", less.Lost)
	}
}

// Whatever three devices write, and whatever a hub decides that is restored from any
// of its backups, any number of times: entries and checkpoints in any order give one
// record and one reading, that of the checkpoints which lead to the newest alone (of
// those that are void only the pins which were left to them are kept); and at each
// checkpoint all that reads otherwise is within its reach.
func TestRestoredHubInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, o := newSaga(t), &office{t: t}
		var newest *Checkpoint
		for n := range rapid.IntRange(4, 18).Draw(t, "steps") {
			d := s.desks[s.int("device", 0, 2)]
			s.now += int64(s.int("pause", 0, 3)) * day
			switch k := s.int("deed", 0, 9); {
			case k < 3:
				s.write(d, n)
				leavePins(s, o, d)
			case k < 5:
				s.deliver(d)
			case k < 6 && newest != nil && newest.At.Compare(d.cites) > 0:
				d.cites = newest.At
			case k < 7 && newest != nil:
				back := rapid.SampledFrom(append([]*Checkpoint{nil}, o.all...)).Draw(t, "backup")
				newest = o.sign(back, true, s.now, s.decision(o.after(back)))
			default:
				newest = o.sign(newest, false, s.now, s.decision(o.after(newest)))
			}
		}
		one, two := &node{desk: newDesk(t, 7, "one"), a: &Authority{}}, &node{desk: newDesk(t, 7, "two"), a: &Authority{}}
		one.receiveAll(s, o)
		two.receiveAll(s, o)
		if !sameRecord(one.record, two.record) || one.digest(one.a) != two.digest(two.a) {
			t.Fatalf("two orders: %q %q\n%v\n%v", one.read(one.a, LWW).texts(), two.read(two.a, LWW).texts(), dump(one.record), dump(two.record))
		}
		if alone := o.after(newest); one.judgedBy(alone) != one.digest(one.a) || alone.Newest != one.a.Newest {
			t.Fatalf("what is void is seen: %q; without it %q", one.read(one.a, LWW).texts(), one.read(alone, LWW).texts())
		}
	})
}

// leavePins takes the pins of the newest entry away that the checkpoint which it
// cites stands for.
func leavePins(s *saga, o *office, d *desk) {
	own := d.held[d.log]
	e := own[len(own)-1]
	i := slices.IndexFunc(o.all, func(c *Checkpoint) bool { return c.At == e.Cites })
	if i < 0 || s.int("leave pins", 0, 1) == 0 {
		return
	}
	a := o.after(o.all[i])
	e.Pins = slices.DeleteFunc(slices.Clone(e.Pins), func(p Pin) bool {
		head, ok := a.headAt(p.Log, a.said(e.Cites))
		return ok && head.Seq >= p.Seq
	})
}

// decision is what a hub may say that has said a.
func (s *saga) decision(a *Authority) func(*Checkpoint) {
	d := s.desks[s.int("subject", 0, 2)]
	n := uint64(len(d.held[d.log]))
	seq := uint64(s.int("seq", 0, int(n)))
	what := s.int("decision", 0, 7)
	return func(c *Checkpoint) {
		c.TimeMS = max(c.TimeMS, a.TimeMS)
		switch {
		case what <= 1 && seq > lastWitness(a.witnesses[d.log]).Seq:
			witness(d.log, seq, c.TimeMS)(c)
		case what <= 3 && n > 0:
			head, ok := a.Head(d.log)
			if !ok || head.Seq <= n || c.At.Epoch != a.Newest.Epoch {
				c.Heads = []Pin{pinAt(d, d.log, n)}
			}
		case what == 4:
			cutting(Subject{Kind: SubjectDevice, Device: d.log.Device}, Pin{Log: d.log, Seq: seq})(c)
		case what == 5:
			cutting(Subject{Kind: SubjectOfficer, Officer: "guest"}, Pin{Log: d.log, Seq: seq})(c)
		case n > 0:
			ruling(Dot{Log: d.log, Seq: max(seq, 1)}, Ruling(1+what%3))(c)
		}
	}
}

// node receives entries and checkpoints as the engine does.
type node struct {
	*desk
	a *Authority
}

func (n *node) receiveAll(s *saga, o *office) {
	n.each(s, o, func(e *Entry, c *Checkpoint) {
		if e == nil {
			n.checkpoint(s, c)
			return
		}
		own := *e
		n.a.Complete(&own)
		n.held[e.Log] = append(n.held[e.Log], e)
		n.record.Apply(&own, 0, n.a.Past(own.Pos(), n.hash))
		n.record.Arrived(own.Log, n.hash)
	})
}

// each brings what was written and signed in some order: f takes one of the two.
func (n *node) each(s *saga, o *office, f func(*Entry, *Checkpoint)) {
	left := slices.Clone(o.all)
	for {
		var next []*Entry
		for _, w := range s.desks {
			if own, have := w.held[w.log], len(n.held[w.log]); have < len(own) {
				next = append(next, own[have])
			}
		}
		if len(next)+len(left) == 0 {
			return
		}
		i := s.int("next", 0, len(next)+len(left)-1)
		if i < len(next) {
			f(next[i], nil)
			continue
		}
		i -= len(next)
		if _, err := n.a.follows(left[i]); err == nil {
			f(nil, left[i])
			left = slices.Delete(left, i, i+1)
		}
	}
}

func (n *node) checkpoint(s *saga, c *Checkpoint) {
	before := n.readings()
	reach := n.a.Reach(c)
	if err := n.a.Apply(c, checkpointHash(c)); err != nil {
		s.t.Fatal(err)
	}
	reached := reach.Cell(n.record.Cells[testField])
	n.record.Covered(n.a, n.hash)
	for i, r := range n.readings() {
		if r.Differs(before[i]) && !reached && !reach.Reading(before[i]) {
			s.t.Fatalf("policy %d: %v changes %q to %q, out of reach of %+v", policies[i], c.At, before[i].texts(), r.texts(), reach)
		}
	}
}

// judgedBy is the digest under another authority of the entries as they are held here:
// a pin that was left to a void checkpoint is its head, as where logs lay is no decision.
func (n *node) judgedBy(a *Authority) Hash {
	rd := Reader{Authority: a, Prior: n.reader(n.a).Prior}
	return digest(func(p Policy) Reading { return rd.Cell(n.record.Cells[testField], p) })
}

func (n *node) readings() (all []Reading) {
	for _, p := range policies {
		all = append(all, n.read(n.a, p))
	}
	return all
}

// What goes void, and what comes in its place, is within reach.
func TestReachOfARestoredHub(t *testing.T) {
	a, b := testLog(0), testLog(1)
	o := &office{t: t}
	c1 := o.sign(nil, false, aTime, nil)
	lost := o.sign(c1, false, aTime, func(c *Checkpoint) {
		witness(a, 2, aTime)(c)
		cutting(Subject{Kind: SubjectOfficer, Officer: "A"})(c)
		c.Floor, c.Heads = []Pos{{testLog(2), 1}}, []Pin{{b, 2, Hash{2}}}
	})
	more := o.sign(lost, false, aTime, witness(a, 4, aTime))
	n := o.sign(c1, true, aTime, ruling(Dot{Log: b, Seq: 9}, Rejected))
	r := fold(t, c1, lost, more).Reach(n)
	if want := []Range{{b, 1, 2}, {a, 1, 2}, {a, 3, 4}, {b, 9, end}}; !slices.Equal(r.Writes, want) || len(r.Subjects) != 1 || !r.Voids {
		t.Errorf("writes %v, subjects %v", r.Writes, r.Subjects)
	}
	if !slices.Equal(r.Cited, []Cite{lost.At, more.At, n.At}) || !slices.Equal(r.Heads, []LogID{b, testLog(2)}) {
		t.Errorf("cited %v, heads %v", r.Cited, r.Heads)
	}
	r = fold(t, c1, n).Reach(lost)
	if !slices.Equal(r.Heads, []LogID{b, testLog(2)}) || len(r.Writes)+len(r.Cited) != 0 || r.Voids {
		t.Errorf("void from the start: %+v", r)
	}
}
