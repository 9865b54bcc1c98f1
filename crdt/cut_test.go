package crdt

import (
	"slices"
	"testing"
)

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

// Whoever had seen what lies past a cut had seen what was adopted below it: of the
// adopted entries that they replaced none comes back beside theirs.
func TestSeenPastAdoptedEntries(t *testing.T) {
	d, e := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	for i, text := range []string{"một", "hai", "ba", "bốn", "năm"} {
		e.receive(d.write(aTime+int64(i), text))
	}
	e.write(aTime+9, "sáu")
	h := newHub(t)
	h.next(aTime+10, cutting(Subject{Kind: SubjectDevice, Device: d.log.Device}, pinAt(d, d.log, 1)))
	want(t, e.read(h.authority, LWW), "sáu")
	h.next(aTime+10, func(c *Checkpoint) {
		for _, seq := range []uint64{2, 3} {
			ruling(Dot{Log: d.log, Seq: seq}, Adopted)(c)
		}
		ruling(Dot{Log: e.log, Seq: 9}, Adopted)(c) // of another log, which is not cut
	})
	for range 20 { // in any order of a map
		if got := h.authority.upTo(Pos{d.log, 5}); got != (Pos{d.log, 3}) {
			t.Fatalf("up to %d of the log counts; want 3, the last that was adopted", got.Seq)
		}
	}
	want(t, e.read(h.authority, LWW), "sáu")
	for i := range 2 { // with one taken back the other is as far as anyone can have seen
		h.next(aTime+11, ruling(Dot{Log: d.log, Seq: 3 - uint64(i)}, Rejected))
		if got, last := h.authority.upTo(Pos{d.log, 5}).Seq, uint64(2-i); got != last {
			t.Errorf("up to %d of the log counts; want %d", got, last)
		}
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
