package crdt

import (
	"cmp"
	"slices"
	"testing"
)

// siblings are three desks that wrote at once, one at each time, and one that
// received them all.
func siblings(t *testing.T, texts ...string) (*desk, []*Entry) {
	reader := newDesk(t, 9, "R")
	var entries []*Entry
	for i, text := range texts {
		entries = append(entries, newDesk(t, i, "A").write(aTime+int64(i), text))
	}
	reader.receive(entries...)
	return reader, entries
}

func TestPolicies(t *testing.T) {
	reader, _ := siblings(t, "5", "3", "4")
	for _, x := range []struct {
		policy Policy
		shown  []string
		review bool
	}{
		{LWW, []string{"4", "3", "5"}, false},
		{Review, []string{"4", "3", "5"}, true},
		{Max, []string{"5", "4", "3"}, false},
		{Min, []string{"3", "4", "5"}, false},
		{Serial, []string{"5", "3", "4"}, true},
		{State, []string{"4", "3", "5"}, true},
	} {
		r := reader.read(nil, x.policy)
		want(t, r, x.shown...)
		if !r.Conflict || r.Review != x.review || r.Provisional != (x.policy == State) {
			t.Errorf("policy %d: conflict %v review %v provisional %v", x.policy, r.Conflict, r.Review, r.Provisional)
		}
		s := r.Siblings[0]
		if s.Officer != "A" || s.Dot.Log.Device == (Device{}) || s.Time.At != s.Stamp {
			t.Errorf("policy %d doesn't say who and when: %+v", x.policy, s)
		}
	}
}

// Values are ordered and compared by whoever knows what they are.
func TestCompareAndSame(t *testing.T) {
	reader, _ := siblings(t, "10", "9", "8,0")
	rd := reader.reader(nil)
	cell := reader.record.Cells[testField]
	rd.Compare = func(a, b []byte) int { return cmp.Compare(len(a), len(b)) }
	if r := rd.Cell(cell, Max); !slices.Equal(r.texts(), []string{"8,0", "10", "9"}) {
		t.Errorf("the longest first: %q", r.texts())
	}
	rd.Same = func(a, b []byte) bool { return true }
	if r := rd.Cell(cell, Review); r.Conflict || r.Review || len(r.Siblings) != 3 {
		t.Errorf("values that read as one are a conflict: %+v", r)
	}
	// At equal values the newest is first.
	reader, _ = siblings(t, "1", "1")
	for _, p := range []Policy{Max, Min} {
		if r := reader.read(nil, p); r.Siblings[0].Stamp != StampAt(aTime+1) || r.Conflict {
			t.Errorf("policy %d: %+v", p, r)
		}
	}
}

// What was printed never changes: neither by a write over it nor by a later one
// beside it. Who claims the earliest time has it, until the hub has committed one.
func TestSerialShowsTheEarliest(t *testing.T) {
	a, b := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	first := a.write(aTime, "số 1")
	a.write(aTime+1, "số 2")
	r := a.read(nil, Serial)
	want(t, r, "số 1", "số 2")
	if !r.Review {
		t.Error("a number written over, and no one is told")
	}
	b.write(aTime-day, "số 0")
	b.receive(a.entries()...)
	want(t, b.read(nil, Serial), "số 0", "số 1", "số 2")
	h := newHub(t)
	h.next(aTime, witness(a.log, first.Seq, aTime))
	want(t, b.read(h.authority, Serial), "số 1", "số 0", "số 2") // a claim puts nothing before what the hub holds
	h.next(aTime+day, witness(b.log, 1, aTime+day))
	h.next(aTime+2*day, witness(a.log, 2, aTime+2*day))
	want(t, b.read(h.authority, Serial), "số 1", "số 0", "số 2")
	h.next(aTime+2*day, ruling(Dot{a.log, 2, 0}, Confirmed))
	want(t, b.read(h.authority, Serial), "số 2", "số 1", "số 0")
	c := newDesk(t, 2, "C")
	c.cites = h.authority.Newest
	c.write(aTime-day, "số 9") // it cites a checkpoint of today
	c.receive(first)
	want(t, c.read(h.authority, Serial), "số 1", "số 9")

	far := newDesk(t, 3, "D") // sorts last before it is witnessed: under Serial too
	far.save(aTime+500*day, far.record.Assign(testField, cborText("xa"), nil))
	far.receive(first)
	want(t, far.read(h.authority, Serial), "số 1", "xa")
}

// Compaction forgets what a cell has superseded. The entries are still held, and
// tell what was printed.
func TestSerialAfterCompaction(t *testing.T) {
	a, b := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	b.receive(a.write(aTime, "số 1"))
	b.write(aTime+1, "số 2")
	b.record.Compact([]Pos{{a.log, 1}, {b.log, 1}})
	if len(b.record.Cells[testField].Over) > 0 {
		t.Fatal("nothing was compacted")
	}
	want(t, b.read(nil, Serial), "số 1", "số 2")
}

// A step that the hub rejects takes along what was built on it by those who didn't
// know; who goes on knowing it stands on what was before.
func TestRejectedStepTakesItsSuccessorsAlong(t *testing.T) {
	d, other := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	h := newHub(t)
	h.next(aTime, nil)
	ok := d.write(aTime, "tiếp nhận")
	bad := d.write(aTime+1, "thẩm định")
	h.next(aTime, ruling(ok.Dot(0), Confirmed))
	other.receive(ok, bad)
	other.cites = h.authority.Newest
	built := other.write(aTime+2, "trình ký")
	r := other.read(h.authority, State)
	want(t, r, "trình ký")
	if !r.Provisional {
		t.Error("an unconfirmed step doesn't look it")
	}
	h.next(aTime, ruling(bad.Dot(0), Rejected))
	r = other.read(h.authority, State)
	want(t, r, "tiếp nhận")
	if r.Provisional || len(r.Hidden) != 2 {
		t.Fatalf("after the rejection: %+v", r)
	}
	for _, hidden := range r.Hidden {
		if want := map[Dot]Why{bad.Dot(0): RejectedBy, built.Dot(0): BuiltOnOne}[hidden.Dot]; hidden.Why != want {
			t.Errorf("%v is hidden for %d; want %d", hidden.Dot, hidden.Why, want)
		}
	}
	want(t, other.read(h.authority, LWW), "trình ký") // under another policy only the step itself is hidden

	other.cites = h.authority.Newest // now it knows
	other.write(aTime+3, "trả lại")
	want(t, other.read(h.authority, State), "trả lại")

	h.next(aTime, ruling(bad.Dot(0), Confirmed)) // and the hub may think again
	d.receive(built)
	want(t, d.read(h.authority, State), "trình ký")
}

// Steps built on a step that was built on a rejected one fall too, though what they
// say of the rejected one hasn't counted where they were made.
func TestRejectionReachesThroughSteps(t *testing.T) {
	a, b := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	bad := a.write(aTime, "một")
	b.receive(bad)
	second := b.write(aTime+1, "hai")
	c := newDesk(t, 2, "C")
	c.receive(second) // without the first
	c.write(aTime+2, "ba")
	c.receive(bad)
	h := newHub(t)
	h.next(aTime, ruling(bad.Dot(0), Rejected))
	r := c.read(h.authority, State)
	if want(t, r); len(r.Hidden) != 3 {
		t.Errorf("hidden: %+v", r.Hidden)
	}
}

// A confirmed step is shown before a provisional one, whatever their times.
func TestConfirmedBeforeProvisional(t *testing.T) {
	reader, entries := siblings(t, "duyệt", "trả")
	h := newHub(t)
	h.next(aTime, ruling(entries[0].Dot(0), Confirmed))
	r := reader.read(h.authority, State)
	want(t, r, "duyệt", "trả")
	if r.Provisional || !r.Siblings[1].Provisional || !r.Review {
		t.Errorf("%+v", r)
	}
}

// An officer's key that was cut hides their steps and not those built on them.
func TestCutOfficerLeavesLaterSteps(t *testing.T) {
	a, b := newDesk(t, 0, "X"), newDesk(t, 1, "B")
	b.receive(a.write(aTime, "một"))
	b.write(aTime+1, "hai")
	h := newHub(t)
	h.next(aTime, cutting(Subject{Kind: SubjectOfficer, Officer: "X"}))
	rd := b.reader(h.authority)
	rd.Whole = true
	want(t, rd.Cell(b.record.Cells[testField], State), "hai")
}

// A verdict that was made before one that is held changes nothing.
func TestOlderVerdictIsDropped(t *testing.T) {
	reader, entries := siblings(t, "a")
	h := newHub(t)
	h.next(aTime, func(c *Checkpoint) {
		c.Verdicts = []Verdict{{Dot: entries[0].Dot(0), Ruling: Confirmed, Index: 7}, {Dot: entries[0].Dot(0), Ruling: Rejected, Index: 6}}
	})
	want(t, reader.read(h.authority, State), "a")
}

// Siblings of which one has a suspect clock wait for a person, even under lww; a
// suspect one that agrees doesn't.
func TestSuspectSiblingGoesToReview(t *testing.T) {
	for text, review := range map[string]bool{"khác": true, "như nhau": false} {
		a, b := newDesk(t, 0, "A"), newDesk(t, 1, "B")
		h := newHub(t)
		b.cites = h.next(aTime, nil).At
		a.write(aTime, "như nhau")
		a.receive(b.write(aTime-30*day, text))
		if r := a.read(h.authority, LWW); r.Review != review {
			t.Errorf("%s: review %v", text, r.Review)
		}
		if r := a.read(h.authority, Max); r.Review {
			t.Error("no time decides under Max")
		}
	}
}

// A payload that was erased by law is no conflict and is never shown before one
// that is there.
func TestErasedPayloadIsLast(t *testing.T) {
	a, b := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	e := b.write(aTime+1, "tên")
	e.Ops[0].Value, e.Ops[0].Erased = nil, Hash{1}
	a.write(aTime, "còn")
	a.record.Apply(e, 0, a.hash)
	r := a.reader(nil).Cell(a.record.Cells[testField], Review)
	if r.Conflict || len(r.Siblings) != 2 || !r.Siblings[1].Erased() || string(r.Shown()) != string(cborText("còn")) {
		t.Errorf("%+v", r)
	}
	set := &Entry{Log: b.log, Seq: 2, Ops: []Op{{Collection: "things", Record: testRef, Field: testSet, Kind: Set, Erased: Hash{1}}}}
	a.record.Apply(set, 0, a.hash)
	if len(a.record.Sets) != 0 {
		t.Error("an erased element was put into the set")
	}
}
