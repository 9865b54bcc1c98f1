package crdt

import (
	"slices"
	"testing"
)

// Claims that wait are kept once, and looked at when their log has come, not before.
func TestClaimsWait(t *testing.T) {
	a, b, c := newDesk(t, 0, "A"), newDesk(t, 1, "B"), newDesk(t, 2, "C")
	one := a.write(aTime, "một")
	b.receive(one)
	two := b.write(aTime+1, "hai")
	c.receive(two)
	waiting := c.record.Clone()
	c.record.Apply(two, 0, c.hash)
	if !sameRecord(c.record, waiting) || len(waiting.Cells[testField].Pending) != 1 {
		t.Errorf("applied twice:\n%v\n%v", dump(c.record), dump(waiting))
	}
	if c.record.Arrived(a.log, c.hash) || c.record.Arrived(b.log, trusting) || !sameRecord(c.record, waiting) {
		t.Error("something counts before its log is here")
	}
	before, kept := waiting.Cells[testField].Writes[0], c.record.Cells[testField]
	if !c.record.Arrived(a.log, trusting) {
		t.Error("nothing counts after it has come")
	}
	if w := c.record.Cells[testField].Writes[0]; !slices.Equal(w.Over, []Pos{one.Pos()}) || len(before.Over) != 0 || len(waiting.Cells[testField].Writes[0].Over) != 0 {
		t.Errorf("it replaced %v; the copy %v", w.Over, waiting.Cells[testField].Writes[0].Over)
	}
	if len(kept.Writes[0].Over) != 0 || len(kept.Pending) != 1 {
		t.Errorf("a copy of the cell has changed: %+v", kept)
	}
	c.receive(one)
	want(t, c.read(nil, LWW), "hai")
}

// Attack 8: a write that claims to have replaced what doesn't exist yet. The pin
// would need a hash that no one can know.
func TestOverwriteOfTheFuture(t *testing.T) {
	victim, attacker, reader := newDesk(t, 0, "A"), newDesk(t, 1, "B"), newDesk(t, 2, "C")
	e := &Entry{
		Log: attacker.log, Seq: 1, Stamp: StampAt(aTime), Pack: Pack{ID: "test"},
		Pins: []Pin{{Log: victim.log, Seq: 2, Hash: Hash{0xee}}},
		Ops: []Op{{Collection: "things", Record: testRef, Field: testField, Value: cborText("xấu"),
			Over: []Pos{{victim.log, 2}}}},
	}
	if err := e.Validate(); err != nil {
		t.Fatal(err)
	}
	reader.receive(e, victim.write(aTime+1, "một"), victim.write(aTime+2, "hai"))
	r := reader.read(nil, LWW)
	want(t, r, "hai", "xấu")
	if len(r.Waiting) != 1 || r.Waiting[0].By != e.Dot(0) {
		t.Errorf("waiting: %+v; want the claim, until the floor has passed", r.Waiting)
	}
	reader.record.Compact([]Pos{{victim.log, 1}})
	if len(reader.record.Cells[testField].Pending) != 1 {
		t.Error("forgotten before what it names is everyone's")
	}
	reader.record.Compact([]Pos{{victim.log, 2}})
	if r := reader.read(nil, LWW); len(r.Waiting) != 0 || len(r.Siblings) != 2 {
		t.Errorf("past the floor: %+v", r)
	}

	unpinned := *e
	unpinned.Pins, unpinned.Cites = nil, Cite{1, 9} // "the checkpoint that I cite covers it"
	other := newDesk(t, 3, "D")
	other.receive(&unpinned, victim.held[victim.log][0], victim.held[victim.log][1])
	want(t, other.read(nil, LWW), "hai", "xấu")
	h := newHub(t)
	h.next(aTime, func(c *Checkpoint) { c.Heads = []Pin{pinAt(victim, victim.log, 1)}; c.At.Index = 9 })
	if other.record.Covered(h.authority, other.hash) {
		t.Error("a checkpoint that covers less than what is named made it count")
	}
	want(t, other.read(h.authority, LWW), "hai", "xấu")
}

// What an entry leaves to the checkpoint which it cites counts once that is held
// and covers it, whichever comes first.
func TestCitedCheckpointStandsForAPin(t *testing.T) {
	a, b := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	b.receive(a.write(aTime, "một"))
	h := newHub(t)
	c := h.next(aTime, func(c *Checkpoint) { c.Heads = []Pin{pinAt(a, a.log, 1)} })
	b.cites = c.At
	e := b.write(aTime+1, "hai")
	e.Pins = nil
	before, after := newDesk(t, 2, "C"), newDesk(t, 3, "D")
	before.receive(a.held[a.log][0], e)
	want(t, before.read(nil, LWW), "hai", "một")
	kept := before.record.Cells[testField]
	defer func() {
		if kept.Pending[0].Pin != (Head{}) {
			t.Error("a copy of the cell has changed")
		}
	}()
	if !before.record.Covered(h.authority, before.hash) {
		t.Error("nothing counts after the checkpoint")
	}
	want(t, before.read(nil, LWW), "hai")
	whole := *e
	h.authority.Complete(&whole)
	after.receive(a.held[a.log][0], &whole)
	if !sameRecord(before.record, after.record) {
		t.Errorf("%v\n%v", dump(before.record), dump(after.record))
	}
	again := before.record.Clone()
	if again.Covered(h.authority, before.hash) || !sameRecord(again, before.record) {
		t.Error("looking again changed something")
	}
}

// Attack 8 by way of a cite: the hub holds the entry before the checkpoint that it
// cites, and that covers what was not yet written.
func TestOverwriteOfTheFutureByCite(t *testing.T) {
	for _, complete := range []bool{false, true} {
		victim, evil, reader := newDesk(t, 0, "A"), newDesk(t, 1, "B"), newDesk(t, 2, "C")
		h := newHub(t)
		one := victim.write(aTime, "một")
		h.next(aTime, func(c *Checkpoint) { c.Heads = []Pin{pinAt(victim, victim.log, 1)} })
		evil.cites = Cite{1, 4}
		e := evil.save(aTime, Op{Collection: "things", Record: testRef, Field: testField, Value: cborText("xấu")})
		e.Ops[0].Over = []Pos{{victim.log, 3}}
		two, three := victim.write(aTime+1, "hai"), victim.write(aTime+2, "ba")
		if !complete {
			reader.receive(one, e, two, three)
		}
		h.next(aTime+3, func(c *Checkpoint) { c.Heads = []Pin{pinAt(victim, victim.log, 3), {evil.log, 1, chainHash(e)}} })
		h.next(aTime+4, nil)
		h.next(aTime+5, nil)
		if complete {
			h.authority.Complete(e)
			reader.receive(one, e, two, three)
		}
		if reader.record.Covered(h.authority, reader.hash) {
			t.Error("a claim on what wasn't written yet counts")
		}
		want(t, reader.read(h.authority, LWW), "ba", "xấu")
	}
}
