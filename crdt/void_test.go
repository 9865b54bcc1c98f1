package crdt

import (
	"testing"
)

// Where exactly what is void ends, and what a restored hub may say again.

// A checkpoint covers a log up to what it names, inclusively, and no other log.
func TestWhatACheckpointCovers(t *testing.T) {
	a, b, c := testLog(0), testLog(1), testLog(2)
	l := &link{Checkpoint: &Checkpoint{Heads: []Pin{{a, 5, Hash{1}}}, Witnesses: []Witness{{b, 5, 1}}}}
	for p, want := range map[Pos]bool{
		{a, 4}: true, {a, 5}: true, {a, 6}: false, {b, 4}: true, {b, 5}: true, {b, 6}: false, {c, 1}: false,
	} {
		if l.covers(p) != want {
			t.Errorf("%v: covered %v", p, !want)
		}
	}
}

// What a hub held before it was restored is proved again: a head may be lower than one of
// the epoch before, or another at its seq; and its time may be the first of all.
func TestARestoredHubsHeadsAreProvedAgain(t *testing.T) {
	a := testLog(0)
	o := &office{t: t}
	head := func(seq uint64, hash byte) func(*Checkpoint) {
		return func(c *Checkpoint) { c.Heads = []Pin{{a, seq, Hash{hash}}} }
	}
	c1 := o.sign(nil, false, 0, head(5, 1))
	for _, n := range []*Checkpoint{o.sign(c1, true, 0, head(3, 1)), o.sign(c1, true, 0, head(5, 2))} {
		x := fold(t, c1, n)
		if got, ok := x.Head(a); !ok || got.Seq != n.Heads[0].Seq || got.Hash != n.Heads[0].Hash {
			t.Errorf("head %v", got)
		}
	}
	if err := fold(t, c1).permits(o.sign(c1, false, 0, head(3, 1))); err == nil {
		t.Error("a head goes back in one epoch")
	}
}

// An entry that left a pin to a checkpoint of a chain that is void from its beginning
// gets it from that chain alone, though the chain that holds knows the log.
func TestAPinLeftToAChainThatIsVoid(t *testing.T) {
	a, b := testLog(0), testLog(1)
	o := &office{t: t}
	c1 := o.sign(nil, false, aTime, nil)
	n := o.sign(nil, true, aTime, func(c *Checkpoint) { c.Heads = []Pin{{a, 5, Hash{1}}} })
	e := &Entry{Log: b, Seq: 1, Cites: c1.At, Ops: []Op{{Record: testRef, Field: testField, Value: old, Over: []Pos{{a, 1}}}}}
	if fold(t, c1, n).Complete(e); len(e.Pins) != 0 {
		t.Errorf("pins %v", e.Pins)
	}
}

// A cite of what was signed after the hub had the entry stands for what was said before
// that, also where the cited one is void and the one that covers the entry is not.
func TestPinningBeforeWhatCoversTheEntry(t *testing.T) {
	a, b := testLog(0), testLog(1)
	o := &office{t: t}
	c1 := o.sign(nil, false, aTime, func(c *Checkpoint) { c.Heads = []Pin{{b, 1, Hash{1}}} })
	c2 := o.sign(c1, false, aTime, witness(a, 1, aTime))
	lost := o.sign(c2, false, aTime, func(c *Checkpoint) { c.Heads = []Pin{{b, 2, Hash{2}}} })
	n := o.sign(c2, true, aTime, nil)
	for _, cs := range [][]*Checkpoint{{c1, c2, lost}, {c1, c2, lost, n}} {
		if l := fold(t, cs...).pinning(Pos{a, 1}, lost.At); l == nil || l.At != c1.At {
			t.Errorf("of %d checkpoints: %v", len(cs), l)
		}
		if l := fold(t, cs...).pinning(Pos{a, 2}, lost.At); l == nil || l.At != lost.At {
			t.Errorf("not covered, of %d checkpoints: %v", len(cs), l)
		}
	}
}

// A clock that can't go further stands still: it doesn't begin anew.
func TestAClockThatIsFull(t *testing.T) {
	c := Clock{Last: 1<<64 - 1}
	if got := c.Next(aTime); got != 1<<64-1 || c.Next(aTime) != got {
		t.Errorf("stamp %d", got)
	}
}

// Of what a void floor had passed all counts that was said by what it hadn't, and nothing
// that was said by what the chain before it had passed already.
func TestWhatAVoidFloorHadPassed(t *testing.T) {
	o := &office{t: t}
	floor := func(p Pos) func(*Checkpoint) { return func(c *Checkpoint) { c.Floor = []Pos{p} } }
	c1 := o.sign(nil, false, aTime, floor(posAt(1, 1)))
	lost := o.sign(c1, false, aTime, floor(posAt(0, 1)))
	x := fold(t, c1, lost, o.sign(c1, true, aTime, nil))
	for _, c := range []struct {
		p, by Pos
		want  bool
	}{
		{posAt(0, 1), posAt(1, 2), true}, {posAt(0, 1), posAt(1, 1), false}, {posAt(0, 2), posAt(1, 2), false}, {posAt(1, 1), posAt(0, 1), true},
	} {
		if x.passed(c.p, c.by) != c.want {
			t.Errorf("%v before %v: %v", c.p, c.by, !c.want)
		}
	}
}
