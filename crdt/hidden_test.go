package crdt

import (
	"slices"
	"testing"
)

// What a Reader makes of what is hidden, cut away, or not asked for: each by the
// smallest cells that tell it from a fault.

// cutFrom is an authority by which log 0 ends at a seq, and some dots are ruled on.
func cutFrom(t *testing.T, seq uint64, rulings ...func(*Checkpoint)) *Authority {
	h := newHub(t)
	h.next(aTime, func(c *Checkpoint) {
		cutting(Subject{Kind: SubjectDevice, Device: testLog(0).Device}, Pin{Log: testLog(0), Seq: seq})(c)
		for _, rule := range rulings {
			rule(c)
		}
	})
	return h.authority
}

func dotAt(p Pos) Dot { return Dot{Log: p.Log, Seq: p.Seq} }

// ending is a claim on what lies below the cut at 2, whose pin lies past it.
func ending(by, over Pos) []Claim {
	return []Claim{{By: dotAt(by), Over: over, Pin: Head{Seq: 5, Hash: Hash{1}}}}
}

// A deletion that meant a log past its cut has seen what lies below it, whether the
// deletion stands, was deleted over, or stands beside one that is hidden.
func TestADeletionRestsOnWhatLiesBelowACut(t *testing.T) {
	a2, b1, c1, d1 := posAt(0, 2), posAt(1, 1), posAt(2, 1), posAt(3, 1)
	stands := cellOfWrites(deleted(c1))
	stands.Pending = ending(c1, a2)
	over := cellOfWrites(deleted(c1), deleted(d1, c1))
	over.Pending = stands.Pending
	hidden := cellOfWrites(deleted(c1), created(d1))
	hidden.Pending = stands.Pending
	beside := cellOfWrites(deleted(c1), deleted(d1, c1), deleted(b1))
	beside.Pending = stands.Pending
	cut, uncut := cutFrom(t, 2, ruling(dotAt(b1), Confirmed)), rejecting(dotAt(posAt(4, 1)))
	for name, x := range map[string]struct {
		ref       Ref
		existence Cell
		a         *Authority
		want      Existence
	}{
		"it stands":                     {dotRef, stands, cut, Deleted},
		"it stands, by key":             {testRef, stands, cut, Deleted},
		"not cut":                       {dotRef, stands, uncut, EditedAfter},
		"nothing said":                  {dotRef, stands, nil, EditedAfter},
		"it was deleted over":           {testRef, over, cut, Deleted},
		"it was deleted over, not cut":  {testRef, over, uncut, EditedAfter},
		"it was deleted over, nil":      {testRef, over, nil, EditedAfter},
		"it was deleted over, by a dot": {dotRef, over, cut, EditedAfter},
		"beside what is hidden":         {testRef, beside, cutFrom(t, 2, ruling(dotAt(b1), Rejected)), EditedAfter},
	} {
		r := recordOf(x.ref, x.existence, cellOfWrites(written(a2, old)))
		before := r.Clone()
		if is, _ := (Reader{Authority: x.a}).Existence(r, nil); is != x.want || !sameRecord(r, before) {
			t.Errorf("%s: existence %d; want %d; the record is as it was: %v", name, is, x.want, sameRecord(r, before))
		}
	}
	anew := cellOfWrites(deleted(c1), created(b1), deleted(d1))
	anew.Pending = stands.Pending
	r := recordOf(testRef, anew, cellOfWrites(written(a2, old)))
	rd := Reader{Authority: cutFrom(t, 2, ruling(dotAt(d1), Rejected))}.In(r, nil)
	want(t, rd.Cell(r.Cells[testField], LWW))
}

// A claim that waits takes nothing, though the cell is judged by its whole history.
func TestAWaitingClaimTakesNothing(t *testing.T) {
	a1, b1, c1 := posAt(0, 1), posAt(1, 1), posAt(2, 1)
	c := cellOfWrites(written(a1, old), written(b1, cborText("mới")), written(c1, cborText("sai")))
	c.Pending = ending(b1, a1)
	want(t, Reader{Authority: rejecting(dotAt(c1))}.Cell(c, LWW), "mới", "cũ")
	want(t, Reader{Authority: cutFrom(t, 2, ruling(dotAt(c1), Rejected))}.Cell(c, LWW), "mới")
}

// A step of a cut device that was rejected takes none along, even where a later entry of
// that device was adopted: who has the cut may never receive what lies between.
func TestWhatWasCutAwayTakesNoneAlong(t *testing.T) {
	a5, a9, b1 := posAt(0, 5), posAt(0, 9), posAt(1, 1)
	c := cellOfWrites(written(a5, old), written(b1, cborText("mới"), a9))
	a := cutFrom(t, 1, ruling(dotAt(a5), Rejected), ruling(dotAt(posAt(0, 7)), Adopted))
	for name, past := range map[string][]Write{"received": {written(a5, old)}, "never": nil} {
		r := Reader{Authority: a, Prior: func() []Write { return past }}.Cell(c, State)
		if got := r.texts(); !slices.Equal(got, []string{"mới"}) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// Who built on what is hidden has taken over what that replaced, through any number of
// hidden writes and in whichever order their logs sort; they are listed by their dots.
func TestBuiltOnAChainOfHidden(t *testing.T) {
	a1, b1, c1, d1 := posAt(0, 1), posAt(1, 1), posAt(2, 1), posAt(3, 1)
	past := []Write{written(c1, cborText("hai"), b1), written(b1, cborText("một"), d1), written(d1, old)}
	c := cellOfWrites(written(a1, cborText("mới"), c1))
	a := cutFrom(t, 9, ruling(dotAt(b1), Rejected), ruling(dotAt(c1), Rejected))
	r := Reader{Authority: a, Prior: func() []Write { return past }}.Cell(c, LWW)
	want(t, r, "mới")
	r = Reader{Authority: a, Whole: true, Prior: func() []Write { return past }}.Cell(c, LWW)
	want(t, r, "mới")
	if len(r.Hidden) != 2 || r.Hidden[0].Dot != dotAt(b1) || r.Hidden[1].Dot != dotAt(c1) {
		t.Errorf("hidden %+v", r.Hidden)
	}
}

// The past is asked only where what stands doesn't tell, and of no cell but the reader's.
func TestThePastIsNotAskedInVain(t *testing.T) {
	a1, b1 := posAt(0, 1), posAt(1, 1)
	prior := func() []Write { t.Error("the past was asked"); return nil }
	once, twice := cellOfWrites(written(a1, old)), cellOfWrites(written(a1, old), written(b1, cborText("mới"), a1))
	nothing := cutFrom(t, 9)
	Reader{Prior: prior}.Cell(twice, LWW)
	Reader{Prior: prior, Authority: nothing}.Cell(twice, State)
	Reader{Prior: prior, Authority: nothing}.Cell(once, Serial)
	Reader{Prior: prior, Authority: nothing, Whole: true}.Cell(once, LWW)
	rd := Reader{Prior: prior, Authority: rejecting(dotAt(b1))}
	hidden := cellOfWrites(created(a1), created(b1, a1))
	rd.Set(map[string]Cell{"x": hidden}, nil)
	rd.Existence(recordOf(dotRef, hidden, Cell{}), nil)
}

// What deletions took of one record says nothing of the existence of another.
func TestAReaderOfOneRecordAskedOfAnother(t *testing.T) {
	a1, b1, c1 := posAt(0, 1), posAt(1, 1), posAt(2, 1)
	one := recordOf(testRef, cellOfWrites(deleted(c1, a1), created(b1)), Cell{})
	other := recordOf(testRef, cellOfWrites(created(a1)), Cell{})
	if is, _ := (Reader{}).In(one, nil).Existence(other, nil); is != Present {
		t.Errorf("existence %d", is)
	}
}

// The history of a cell counts what an entry left to the checkpoint which it cites.
func TestHistoryCountsWhatWasLeftToACheckpoint(t *testing.T) {
	d, other := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	one := d.write(aTime, "một")
	other.receive(one)
	h := newHub(t)
	other.cites = h.next(aTime+1, func(c *Checkpoint) { c.Heads = []Pin{pinAt(d, d.log, 1)} }).At
	e := other.write(aTime+2, "hai")
	e.Pins = nil
	past := h.authority.History([]*Entry{one, e}, d.hash, testRef.ID(), testField, "")
	if len(past) != 2 || !slices.Equal(past[1].Over, []Pos{one.Pos()}) || e.Pins != nil {
		t.Errorf("%+v, and the entry has pins %v", past, e.Pins)
	}
}
