package crdt

import (
	"errors"
	"math"
	"slices"
	"testing"
)

const day = int64(24 * 60 * 60 * 1000)

// aTime is some time in 2026, in milliseconds.
const aTime = int64(1_790_000_000_000)

// Attack 7: a stolen box goes on writing, others build on what it wrote, and its
// cut arrives before those entries, after them, or between. What is shown is the
// same, and so is its hash.
func TestCutBeforeAndAfterTheEntries(t *testing.T) {
	thief, honest := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	good := thief.write(aTime, "đúng")
	honest.receive(good)
	evil := thief.write(aTime+1, "trộm")
	honest.receive(evil)
	after := honest.write(aTime+2, "sửa")
	more := thief.write(aTime+3, "trộm nữa")
	device := Subject{Kind: SubjectDevice, Device: thief.log.Device}
	h := newHub(t)
	h.next(aTime, cutting(device, pinAt(thief, thief.log, 1)))

	late := newDesk(t, 2, "C") // the entries came first
	late.receive(good, evil, after, more)
	early := newDesk(t, 3, "D") // the cut came first: what lies past it stays outside
	early.receive(good, after)
	between := newDesk(t, 4, "E")
	between.receive(after, good, evil)
	if a, b, c := late.digest(h.authority), early.digest(h.authority), between.digest(h.authority); a != b || b != c {
		t.Errorf("after %v, before %v, between %v:\n%q\n%q\n%q", a, b, c,
			late.read(h.authority, LWW).texts(), early.read(h.authority, LWW).texts(), between.read(h.authority, LWW).texts())
	}
	r := late.read(h.authority, Review)
	want(t, r, "sửa") // who replaced what was stolen had seen what was right too
	if !r.Siblings[0].Rests {
		t.Errorf("what rests on a hidden value doesn't say so: %+v", r)
	}
	if n := len(r.Hidden); n != 2 || r.Hidden[0].Why != CutDevice {
		t.Errorf("%d hidden; want the two past the cut", n)
	}
	if got := late.read(nil, LWW); !slices.Equal(got.texts(), []string{"trộm nữa", "sửa"}) {
		t.Errorf("before the cut: %q", got.texts())
	}
	if seq, cut := h.authority.Cut(thief.log); !cut || seq != 1 {
		t.Errorf("the log is cut at %d, %v", seq, cut)
	}
	if _, cut := h.authority.Cut(honest.log); cut {
		t.Error("another device's log is cut")
	}
}

// Attack 5: the revoked device comes back under a new incarnation, which no cut
// could list.
func TestNewIncarnationOfACutDevice(t *testing.T) {
	thief, honest := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	honest.receive(thief.write(aTime, "đúng"))
	h := newHub(t)
	h.next(aTime, cutting(Subject{Kind: SubjectDevice, Device: thief.log.Device}, pinAt(thief, thief.log, 1)))
	thief.log.Incarnation[0]++
	honest.receive(thief.write(aTime+1, "trộm"))
	want(t, honest.read(h.authority, LWW), "đúng")
	if seq, cut := h.authority.Cut(thief.log); !cut || seq != 0 {
		t.Errorf("the new incarnation is cut at %d, %v; want 0", seq, cut)
	}
}

// Attack 12: an officer who was demoted goes on under the epoch in which all was
// still allowed, on a device that was offline. What they wrote before stays; what
// they wrote under a later grant stays too.
func TestDemotedOfficerCitesAnOldEpoch(t *testing.T) {
	d := newDesk(t, 0, "A")
	d.epoch = 4
	d.write(aTime, "trước")
	h := newHub(t)
	h.next(aTime, cutting(Subject{Kind: SubjectGrant, Officer: "A", From: 1, Until: 5}, pinAt(d, d.log, 1)))
	bad := d.write(aTime+1, "sau")
	r := d.read(h.authority, LWW)
	want(t, r, "trước")
	if len(r.Hidden) != 1 || r.Hidden[0].Why != CutGrant || r.Hidden[0].Dot != bad.Dot(0) {
		t.Errorf("hidden: %+v", r.Hidden)
	}
	d.epoch = 0 // an epoch that goes back is no way out
	d.write(aTime+2, "lùi")
	want(t, d.read(h.authority, LWW), "trước")
	d.epoch = 5 // by the next grant
	d.write(aTime+2, "được 5")
	want(t, d.read(h.authority, LWW), "được 5")
	h.next(aTime, cutting(Subject{Kind: SubjectGrant, Officer: "A", From: 7}, pinAt(d, d.log, 4))) // without end
	d.epoch = 9
	d.write(aTime+2, "sau nữa")
	want(t, d.read(h.authority, LWW), "được 5")
	d.epoch = 4 // nor is one that goes back below what the log has named
	d.write(aTime+2, "lùi nữa")
	want(t, d.read(h.authority, LWW), "được 5")
	d.epoch, d.officer = 4, "B" // another officer's grant
	d.write(aTime+3, "người khác")
	want(t, d.read(h.authority, LWW), "người khác")
}

// An officer's key that was cut hides what was written with it and nothing else of
// the device, and gives back what it replaced. A supervisor may adopt.
func TestOfficerCutGivesBackAndAdoption(t *testing.T) {
	d, other := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	first := d.write(aTime, "đầu")
	d.officer = "X"
	bad := d.write(aTime+1, "xấu")
	h := newHub(t)
	h.next(aTime, cutting(Subject{Kind: SubjectOfficer, Officer: "X"}))
	want(t, d.read(h.authority, LWW), "đầu")
	bare := Reader{Authority: h.authority}.Cell(d.record.Cells[testField], LWW)
	if len(bare.Siblings) != 0 || !slices.Equal(bare.Lost, []Pos{first.Pos()}) {
		t.Errorf("with no past held: %+v; want nothing shown, and what was lost told", bare)
	}
	other.receive(first, bad)
	built := other.write(aTime+2, "tiếp")
	r := other.read(h.authority, LWW)
	want(t, r, "tiếp")
	whole := other.reader(h.authority)
	whole.Whole = true
	if r := whole.Cell(other.record.Cells[testField], LWW); len(r.Hidden) != 1 || !r.Siblings[0].Rests || r.Siblings[0].Dot != built.Dot(0) {
		t.Errorf("asked for all: %+v; want the hidden one named, and what rests on it", r)
	}
	h.next(aTime, ruling(bad.Dot(0), Adopted))
	want(t, d.read(h.authority, LWW), "xấu")
}

// What lies at the cut is not past it: whoever replaced it has replaced it.
func TestRestingOnTheLastGoodEntry(t *testing.T) {
	d, other := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	other.receive(d.write(aTime, "một"))
	other.write(aTime+1, "hai")
	h := newHub(t)
	h.next(aTime, cutting(Subject{Kind: SubjectDevice, Device: d.log.Device}, pinAt(d, d.log, 1)))
	whole := other.reader(h.authority)
	whole.Whole = true
	r := whole.Cell(other.record.Cells[testField], LWW)
	want(t, r, "hai")
	if r.Siblings[0].Rests || len(r.Hidden) != 0 {
		t.Errorf("%+v", r)
	}
	if _, cut := (*Authority)(nil).Cut(d.log); cut {
		t.Error("cut by no one")
	}
}

// Whoever built on a hidden write has taken over what it replaced, though they had
// not received that themselves.
func TestBuiltOnHiddenTakesOver(t *testing.T) {
	a, x, q := newDesk(t, 0, "A"), newDesk(t, 1, "X"), newDesk(t, 2, "Q")
	first := a.write(aTime, "đầu")
	x.receive(first)
	hidden := x.write(aTime+1, "ẩn")
	q.receive(hidden)
	last := q.write(aTime+2, "cuối")
	if got := last.Ops[0].Over; !slices.Equal(got, []Pos{hidden.Pos()}) {
		t.Fatalf("it lists %v", got)
	}
	q.receive(first)
	h := newHub(t)
	h.next(aTime, cutting(Subject{Kind: SubjectOfficer, Officer: "X"}))
	for _, whole := range []bool{false, true} {
		rd := q.reader(h.authority)
		rd.Whole = whole
		want(t, rd.Cell(q.record.Cells[testField], LWW), "cuối")
	}
}

// Lost is what something hidden has replaced and is not here; what a device's cut
// took is not missed, nor what is here.
func TestLost(t *testing.T) {
	a, b := testLog(0), testLog(1)
	h := newHub(t)
	h.next(aTime, cutting(Subject{Kind: SubjectOfficer, Officer: "X"}))
	h.next(aTime, cutting(Subject{Kind: SubjectDevice, Device: b.Device}))
	cell := Cell{Writes: []Write{{Dot: Dot{Log: a, Seq: 5}, Officer: "X", Value: []byte{1}, Over: []Pos{{a, 3}, {b, 1}, {testLog(2), 4}}}}}
	for name, x := range map[string]struct {
		prior []Write
		lost  []Pos
	}{
		"nothing":                {nil, []Pos{{a, 3}, {testLog(2), 4}}},
		"the place itself":       {[]Write{{Dot: Dot{Log: a, Seq: 3}}}, []Pos{{testLog(2), 4}}},
		"one before it":          {[]Write{{Dot: Dot{Log: testLog(2), Seq: 3}}}, []Pos{{a, 3}}},
		"one after it":           {[]Write{{Dot: Dot{Log: testLog(2), Seq: 5}}}, []Pos{{a, 3}, {testLog(2), 4}}},
		"one of another log":     {[]Write{{Dot: Dot{Log: testLog(3), Seq: 1}}}, []Pos{{a, 3}, {testLog(2), 4}}},
		"all that could be here": {[]Write{{Dot: Dot{Log: a, Seq: 2}}, {Dot: Dot{Log: testLog(2), Seq: 4}}}, nil},
	} {
		rd := Reader{Authority: h.authority, Prior: func() []Write { return x.prior }}
		if got := rd.Cell(cell, LWW).Lost; !slices.Equal(got, x.lost) {
			t.Errorf("%s: lost %v; want %v", name, got, x.lost)
		}
	}
}

// A rejection of what was cut away takes nothing along: others may never have had it.
func TestRejectedPastACut(t *testing.T) {
	d, other := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	bad := d.write(aTime, "trộm")
	other.receive(bad)
	other.write(aTime+1, "tiếp")
	h := newHub(t)
	h.next(aTime, func(c *Checkpoint) {
		cutting(Subject{Kind: SubjectDevice, Device: d.log.Device})(c)
		ruling(bad.Dot(0), Rejected)(c)
	})
	want(t, other.read(h.authority, State), "tiếp")
}

// A claim on what was cut away is one on what lies below the cut: a rejected step
// there takes along what was built upon what followed it.
func TestRejectedBelowACut(t *testing.T) {
	d, other, early := newDesk(t, 0, "A"), newDesk(t, 1, "B"), newDesk(t, 2, "C")
	step, past := d.write(aTime, "bước"), d.write(aTime+1, "trộm")
	other.receive(step, past)
	built := other.write(aTime+2, "tiếp")
	early.receive(step, built)
	h := newHub(t)
	h.next(aTime, func(c *Checkpoint) {
		cutting(Subject{Kind: SubjectDevice, Device: d.log.Device}, pinAt(d, d.log, 1))(c)
		ruling(step.Dot(0), Rejected)(c)
	})
	want(t, early.read(h.authority, State))
	want(t, other.read(h.authority, State))
	if other.digest(h.authority) != early.digest(h.authority) {
		t.Error("the cut first and the entries first read otherwise")
	}
}

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

// An adopted entry of a cut device may be rested on again.
func TestAdoptedEntryIsRestedOn(t *testing.T) {
	d, other := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	other.receive(d.write(aTime, "một"), d.write(aTime+1, "hai"))
	other.write(aTime+2, "ba")
	h := newHub(t)
	h.next(aTime, cutting(Subject{Kind: SubjectDevice, Device: d.log.Device}, pinAt(d, d.log, 1)))
	want(t, other.read(h.authority, LWW), "ba")
	if r := other.read(h.authority, LWW); !r.Siblings[0].Rests {
		t.Errorf("%+v; want it to say on what it rests", r)
	}
	h.next(aTime, ruling(Dot{Log: d.log, Seq: 2}, Adopted))
	want(t, other.read(h.authority, LWW), "ba")
	if r := other.read(h.authority, LWW); r.Siblings[0].Rests {
		t.Errorf("adopted: %+v", r)
	}
}

// A device's cut gives back nothing that honest officers have replaced or deleted,
// having seen it, whether what lies past the cut was received or not.
func TestCutUndoesNoHonestOverwriting(t *testing.T) {
	d, b := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	all := []*Entry{d.save(aTime, d.record.Create(nil)), d.write(aTime+1, "9"), d.write(aTime+2, "8"), d.write(aTime+3, "7")}
	b.receive(all...)
	last := b.write(aTime+4, "1")
	del := b.save(aTime+5, b.record.Delete(nil))
	h := newHub(t)
	h.next(aTime+10, cutting(Subject{Kind: SubjectDevice, Device: d.log.Device}, pinAt(d, d.log, 2)))
	late, early := newDesk(t, 2, "C"), newDesk(t, 3, "D")
	late.receive(append(all, last, del)...)
	early.receive(all[0], all[1], last, del)
	for name, x := range map[string]*desk{"late": late, "early": early} {
		for _, p := range policies {
			if p != Serial {
				want(t, x.read(h.authority, p), "1")
			}
		}
		is, _ := Reader{Authority: h.authority}.Existence(x.record, func(f uint32, elem string) []Write {
			return h.authority.History(x.entries(), x.hash, x.record.Ref.ID(), f, elem)
		})
		if is != Deleted {
			t.Errorf("%s: existence %d; want deleted", name, is)
		}
	}
	if late.digest(h.authority) != early.digest(h.authority) {
		t.Errorf("%q, %q", late.read(h.authority, LWW).texts(), early.read(h.authority, LWW).texts())
	}
	h.next(aTime+11, ruling(all[2].Dot(0), Adopted))
	early.receive(all[2])
	if late.digest(h.authority) != early.digest(h.authority) {
		t.Errorf("adopted in part: %q, %q", late.read(h.authority, LWW).texts(), early.read(h.authority, LWW).texts())
	}
}

// What an entry names below the cut counts too where its pin lies past it, which
// those can't check who never receive that.
func TestPinPastTheCut(t *testing.T) {
	d, b := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	one := d.write(aTime, "một")
	two := d.save(aTime+1, d.record.Assign(testField+10, cborText("hai"), nil))
	b.receive(one, two)
	e := b.save(aTime+2, b.record.Assign(testField, cborText("ba"), nil), b.record.Assign(testField+10, cborText("bốn"), nil))
	if e.Pins[0].Seq != 2 || e.Ops[0].Over[0].Seq != 1 {
		t.Fatalf("pins %v, over %v", e.Pins, e.Ops[0].Over)
	}
	early := newDesk(t, 2, "C")
	early.receive(one, e)
	h := newHub(t)
	want(t, early.read(h.authority, LWW), "ba", "một")
	h.next(aTime+10, cutting(Subject{Kind: SubjectDevice, Device: d.log.Device}, pinAt(d, d.log, 1)))
	want(t, early.read(h.authority, LWW), "ba")
	if r := early.read(h.authority, LWW); len(r.Waiting) != 0 || b.digest(h.authority) != early.digest(h.authority) {
		t.Errorf("waiting %v; or it reads otherwise where all was received", r.Waiting)
	}
	if !h.reach.Cell(early.record.Cells[testField]) {
		t.Error("it is out of reach")
	}
	h.next(aTime+11, ruling(two.Dot(0), Adopted)) // so it will come, and can be judged
	want(t, early.read(h.authority, LWW), "ba", "một")
	if !h.reach.Cell(early.record.Cells[testField]) {
		t.Error("what waits again is out of reach")
	}
	early.receive(two)
	want(t, early.read(h.authority, LWW), "ba")
}

// An adoption that is replaced by another ruling is taken back; one of another
// operation of the same entry is not.
func TestAdoptionTakenBack(t *testing.T) {
	d, other := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	e := d.save(aTime, d.record.Assign(testField, cborText("một"), nil), d.record.Assign(testField+10, cborText("hai"), nil))
	other.receive(e)
	other.write(aTime+2, "ba")
	h := newHub(t)
	h.next(aTime, cutting(Subject{Kind: SubjectDevice, Device: d.log.Device}))
	rests := func(want bool) {
		t.Helper()
		if r := other.read(h.authority, LWW); len(r.Siblings) != 1 || r.Siblings[0].Rests != want {
			t.Errorf("rests on what was cut away: want %v; %+v", want, r)
		}
	}
	rests(true)
	for _, x := range []struct {
		dot   int
		r     Ruling
		rests bool
	}{{0, Adopted, false}, {0, Adopted, false}, {0, Rejected, true}, {0, Adopted, false}, {1, Adopted, false}, {0, Confirmed, false}, {1, Rejected, true}} {
		h.next(aTime, ruling(e.Dot(x.dot), x.r))
		rests(x.rests)
	}
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

// Attack 9: a step is entered today with a clock set back by a month, to look as
// if it had been in time. Its entry cites a checkpoint, so it wasn't.
func TestBackDatedCompletion(t *testing.T) {
	d := newDesk(t, 0, "A")
	h := newHub(t)
	h.next(aTime, nil)
	d.cites = h.next(aTime+30*day, nil).At
	e := d.write(aTime, "xong")
	w := d.record.Cells[testField].Writes[0]
	got := h.authority.Effective(w)
	if got.At != StampAt(aTime+30*day) || !got.Suspect || got.FromMS != aTime+30*day {
		t.Errorf("effective %+v; want the time of the checkpoint that it cites, and suspect", got)
	}
	h.next(aTime+31*day, witness(d.log, e.Seq, aTime+31*day))
	if got := h.authority.Effective(w); !got.Witnessed || got.UntilMS != aTime+31*day || got.At != StampAt(aTime+30*day) {
		t.Errorf("witnessed: %+v", got)
	}
	// An entry that cites nothing new cites what the one before it did, and none goes back.
	next := &Entry{Log: d.log, Seq: 2}
	if err := next.Citing(d.cites); err != nil || next.Cites != d.cites {
		t.Errorf("cites %v (%v)", next.Cites, err)
	}
	if err := next.Citing(d.cites); err != nil {
		t.Error(err)
	}
	if err := next.Citing(Cite{d.cites.Epoch, d.cites.Index + 1}); !errors.Is(err, ErrEntry) {
		t.Errorf("a cite that goes back: %v", err)
	}
}

// A cite of a checkpoint that is to come, or never will, lifts nothing: it counts
// as the newest that the device can have held before the hub had the entry.
func TestCiteOfTheFuture(t *testing.T) {
	for name, cite := range map[string]Cite{"that comes": {1, 3}, "that never does": {1<<64 - 1, 1<<64 - 1}} {
		evil, honest := newDesk(t, 0, "A"), newDesk(t, 1, "B")
		h := newHub(t)
		h.next(aTime, nil)
		evil.cites, honest.cites = cite, h.authority.Newest
		bad := evil.write(aTime-day, "xấu")
		honest.write(aTime+60_000, "sau một phút")
		honest.receive(bad)
		h.next(aTime+120_000, func(c *Checkpoint) {
			c.Witnesses = []Witness{{evil.log, 1, aTime + 2}, {honest.log, 1, aTime + 60_001}}
		})
		for n := range int64(3) {
			want(t, honest.read(h.authority, LWW), "sau một phút", "xấu")
			got := h.authority.Effective(honest.record.Cells[testField].Writes[1])
			if got.At != StampAt(aTime) || got.FromMS != aTime || !got.Suspect {
				t.Errorf("%s: effective %+v; want what was the newest before it came", name, got)
			}
			h.next(aTime+(n+1)*day, nil)
		}
	}
	d := newDesk(t, 0, "A")
	h := newHub(t)
	d.cites = h.next(aTime+day, nil).At
	d.write(aTime, "x")
	h.next(aTime+day, witness(d.log, 1, aTime))
	if got := h.authority.Effective(d.record.Cells[testField].Writes[0]); got.FromMS > got.UntilMS || got.At != StampAt(aTime) {
		t.Errorf("committed before what it cites: %+v", got)
	}
}

// A checkpoint that is cited before it is held changes the winner when it comes, and
// that is within its reach.
func TestCitedBeforeItIsHeld(t *testing.T) {
	slow, other := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	h := newHub(t)
	h.next(aTime, nil)
	slow.cites = Cite{1, 3}
	e := slow.write(aTime-day, "chậm")
	other.write(aTime+1000, "kia")
	other.receive(e)
	h.next(aTime+2000, nil)
	before := other.read(h.authority, LWW)
	want(t, before, "kia", "chậm")
	h.next(aTime+2000, nil)
	after := other.read(h.authority, LWW)
	want(t, after, "chậm", "kia")
	if !h.reach.Cell(other.record.Cells[testField]) || !h.reach.Reading(before) {
		t.Error("it is out of reach")
	}
}

// A step that was built on a rejected one isn't saved by saying that the rejection
// was known.
func TestRejectionKnownBeforeItWas(t *testing.T) {
	for _, cite := range []Cite{{1, 1}, {1, 2}, {9, 9}} {
		a, evil := newDesk(t, 0, "A"), newDesk(t, 1, "B")
		h := newHub(t)
		step := a.write(aTime, "bước")
		evil.receive(step)
		evil.cites = cite
		a.receive(evil.write(aTime+1, "tiếp"))
		h.next(aTime+10, func(c *Checkpoint) { ruling(step.Dot(0), Rejected)(c); witness(evil.log, 1, aTime+9)(c) })
		want(t, a.read(h.authority, State))
		h.next(aTime+11, nil)
		want(t, a.read(h.authority, State))
	}
	a, b := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	h := newHub(t)
	step := a.write(aTime, "bước")
	b.receive(step)
	b.cites = Cite{1, 2}
	a.receive(b.write(aTime+1, "tiếp"))
	h.next(aTime+10, ruling(step.Dot(0), Rejected))
	before := a.read(h.authority, State)
	want(t, before)
	h.next(aTime+11, nil) // they did know
	want(t, a.read(h.authority, State), "tiếp")
	if !h.reach.Reading(before) {
		t.Error("a step comes back, and is out of reach")
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

// Attack 10: a clock at its maximum. It wins until the next checkpoint is known at
// most, takes no other clock along, and what it wrote goes to a person.
func TestClockAtItsMaximum(t *testing.T) {
	d, other := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	e := d.save(maxMillis, d.record.Assign(testField, cborText("mãi"), nil))
	e.Stamp = math.MaxUint64
	d.record.Cells[testField].Writes[0].Stamp = math.MaxUint64
	other.clock.Next(aTime)
	other.clock.Absorb(e.Stamp, aTime)
	if ahead := other.clock.Last.Millis() - aTime; ahead > MaxAhead.Milliseconds() {
		t.Errorf("another clock went %d ms along", ahead)
	}
	other.write(aTime, "nay")
	other.receive(e)
	h := newHub(t)
	want(t, other.read(h.authority, LWW), "mãi", "nay") // no checkpoint: nothing to judge by
	h.next(aTime, nil)
	r := other.read(h.authority, LWW)
	want(t, r, "nay", "mãi") // not witnessed, more than 400 days ahead: last
	if !r.Review || !r.Siblings[1].Time.Suspect || r.Siblings[1].Time.At != 0 {
		t.Errorf("not suspect, or no one is told: %+v", r)
	}
	h.next(aTime+day, witness(d.log, 1, aTime+day))
	r = other.read(h.authority, LWW)
	want(t, r, "mãi", "nay") // it did come after
	if !r.Review || r.Siblings[0].Time.At != StampAt(aTime+day) {
		t.Errorf("not held to the witness: %+v", r)
	}
	var c Clock
	c.Absorb(math.MaxUint64, maxMillis)
	if last := c.Last; c.Next(maxMillis) < last {
		t.Error("a full clock goes back")
	}
}

// A claim that cites nothing and lies far before all that the hub has said is suspect,
// committed or not, and sorts by itself.
func TestClaimFarInThePast(t *testing.T) {
	d, other := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	e := d.write(1, "1970")
	other.write(aTime, "nay")
	other.receive(e)
	if r := other.read(&Authority{}, LWW); r.Review {
		t.Error("suspect before anything was said")
	}
	h := newHub(t)
	for _, fill := range []func(*Checkpoint){nil, witness(d.log, 1, aTime)} {
		h.next(aTime, fill)
		r := other.read(h.authority, LWW)
		want(t, r, "nay", "1970")
		if !r.Siblings[1].Time.Suspect || !r.Review || r.Siblings[0].Time.Suspect || r.Siblings[1].Time.At != StampAt(1) {
			t.Errorf("%+v", r.Siblings)
		}
	}
	for claim, suspect := range map[int64]bool{aTime - MaxClaimBehind: false, aTime - MaxClaimBehind - 1: true} {
		if got := h.authority.Effective(Write{Dot: Dot{Log: testLog(2), Seq: 1}, Stamp: StampAt(claim)}); got.Suspect != suspect || got.At != StampAt(claim) {
			t.Errorf("%d days before: %+v", (aTime-claim)/day, got)
		}
	}
}

// A claim within 400 days of the newest checkpoint keeps its place, and one within
// the tolerance of its bounds is not suspect.
func TestTimeWithinBoundsIsTheClaim(t *testing.T) {
	d := newDesk(t, 0, "A")
	h := newHub(t)
	d.cites = h.next(aTime, nil).At
	slack := MaxAhead.Milliseconds()
	for _, x := range []struct {
		claim, want, witness int64
		suspect              bool
	}{
		{aTime + MaxClaimAhead, aTime + MaxClaimAhead, 0, false},
		{aTime + MaxClaimAhead + 1, 0, 0, true},
		{aTime, aTime, 0, false},
		{aTime - slack, aTime, 0, false},
		{aTime - slack - 1, aTime, 0, true},
		{aTime + day, aTime + day, aTime + day, false},
		{aTime + day + slack, aTime + day, aTime + day, false},
		{aTime + day + slack + 1, aTime + day, aTime + day, true},
	} {
		a := h.authority.Clone()
		if x.witness > 0 {
			c := &Checkpoint{Scope: testScope, At: Cite{1, 9}, Prev: a.Hash(), TimeMS: x.witness, Witnesses: []Witness{{d.log, 1, x.witness}}}
			if err := a.Apply(c, Hash{9}); err != nil {
				t.Fatal(err)
			}
		}
		got := a.Effective(Write{Dot: Dot{Log: d.log, Seq: 1}, Stamp: StampAt(x.claim), Cite: d.cites})
		if got.At != StampAt(x.want) || got.Suspect != x.suspect || got.Witnessed != (x.witness > 0) {
			t.Errorf("claim %d: %+v; want %d, suspect %v", x.claim-aTime, got, x.want, x.suspect)
		}
	}
}
