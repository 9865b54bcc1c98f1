package crdt

import (
	"slices"
	"testing"
)

// What Compact keeps and forgets, and what a Reader makes of that, each by the smallest
// record that shows it. The explorations of compact_test.go find most of it too, in half
// a minute; these do in no time, so that a planted fault costs nothing to find.

func posAt(log int, seq uint64) Pos { return Pos{testLog(log), seq} }

func written(at Pos, value []byte, over ...Pos) Write {
	return Write{Dot: Dot{Log: at.Log, Seq: at.Seq}, Stamp: StampAt(aTime), Over: over, Value: value}
}

func created(at Pos, over ...Pos) Write { return written(at, boolean(true), over...) }

func deleted(at Pos, over ...Pos) Write { return written(at, boolean(false), over...) }

// cellOfWrites is a cell in which writes stand.
func cellOfWrites(ws ...Write) (c Cell) {
	for _, w := range ws {
		c = c.apply(w, nil)
	}
	return c
}

var (
	dotRef = Ref{Dot: Dot{Log: testLog(0), Seq: 1}}
	old    = cborText("cũ")
)

func recordOf(ref Ref, existence, field Cell) *Record {
	r := NewRecord(testScope, "things", ref)
	if !existence.empty() {
		r.Cells[FieldExistence] = existence
	}
	if !field.empty() {
		r.Cells[testField] = field
	}
	return r
}

func TestWhatIsForgottenWhole(t *testing.T) {
	a1, b1, b2 := posAt(0, 1), posAt(1, 1), posAt(1, 2)
	gone := cellOfWrites(created(a1), deleted(b1, a1))
	waiting := gone.clone()
	waiting.Pending = []Claim{{By: Dot{Log: b1.Log, Seq: 1}, Over: posAt(2, 9)}}
	taken := NewRecord(testScope, "things", testRef)
	taken.Sets[testSet] = map[string]Cell{"x": cellOfWrites(deleted(b1, a1))}
	for name, x := range map[string]struct {
		record *Record
		floor  []Pos
		keep   bool
	}{
		"deleted, all below":                         {recordOf(dotRef, gone, Cell{}), []Pos{a1, b1}, false},
		"deleted by who saw what lies above":         {recordOf(dotRef, gone, Cell{}), []Pos{b1}, true},
		"deleted above":                              {recordOf(dotRef, gone, Cell{}), []Pos{a1}, true},
		"deleted, a claim waits":                     {recordOf(dotRef, waiting, Cell{}), []Pos{a1, b1}, true},
		"edited after that":                          {recordOf(dotRef, gone, cellOfWrites(written(b2, old))), []Pos{a1, b2}, true},
		"an element that was taken out, and no more": {taken, []Pos{a1, b1}, false},
		"a field of which no creation is known":      {recordOf(testRef, Cell{}, cellOfWrites(written(a1, old))), []Pos{a1}, true},
		"nothing":                                    {recordOf(testRef, Cell{}, Cell{}), []Pos{a1}, false},
	} {
		if x.record.Compact(x.floor) != x.keep {
			t.Errorf("%s: kept %v", name, !x.keep)
		}
	}
}

// A record that was made anew by its key by someone who knew nothing of the old one is
// rid of that as soon as all of it lies below the floor, and not before.
func TestWhatIsForgottenOfARecordMadeAnew(t *testing.T) {
	a1, a2, b1, c1, above := posAt(0, 1), posAt(0, 2), posAt(1, 1), posAt(2, 1), posAt(0, 9)
	anew := func(more ...Pos) *Record {
		r := recordOf(testRef, cellOfWrites(created(a1), deleted(c1, append([]Pos{a1, a2}, more...)...), created(b1)), cellOfWrites(written(a2, old)))
		r.Sets[testSet] = map[string]Cell{"x": cellOfWrites(created(a2))}
		return r
	}
	r := anew()
	trimmed := r.Cells[FieldExistence]
	trimmed.Over = nil // by an earlier floor
	for name, existence := range map[string]Cell{"whole": r.Cells[FieldExistence], "compacted before": trimmed} {
		r := anew()
		r.Cells[FieldExistence] = existence
		if keep := r.Compact([]Pos{a2, b1, c1}); !keep || len(r.Cells) != 1 || len(r.Sets) != 0 || len(r.Cells[FieldExistence].Writes) != 1 {
			t.Errorf("%s: kept %v\n%s", name, keep, dump(r))
		}
	}
	late := anew()
	more := cellOfWrites(late.Cells[FieldExistence].Writes...)
	more = more.apply(deleted(posAt(1, 2), above), nil)
	for name, existence := range map[string]Cell{
		"it saw what lies above":      anew(above).Cells[FieldExistence],
		"another saw what lies above": more,
	} {
		r := anew()
		r.Cells[FieldExistence] = existence
		if r.Compact([]Pos{a2, posAt(1, 2), c1}); !sameCell(r.Cells[FieldExistence], existence) || len(r.Cells[testField].Writes) != 1 {
			t.Errorf("%s: not whole\n%s", name, dump(r))
		}
	}
}

// What an earlier deletion took is forgotten with it, and what the one that stands has
// seen is kept for as long as the record is.
func TestWhatIsBuried(t *testing.T) {
	a1, a2, b1, c1 := posAt(0, 1), posAt(0, 2), posAt(1, 1), posAt(2, 1)
	existence := cellOfWrites(deleted(c1, a1, a2))
	existence.Over = union(existence.Over, []Pos{b1})
	field := cellOfWrites(written(a2, old, posAt(1, 9)), written(c1, old))
	field.Writes = append(field.Writes, written(b1, old))
	r := recordOf(testRef, existence, field)
	if !r.Compact([]Pos{a2, b1, c1}) {
		t.Fatal("forgotten, though it has replaced what lies above the floor")
	}
	if got := dotsOf(r.Cells[testField]); !slices.Equal(got, []Dot{{Log: a2.Log, Seq: 2}}) {
		t.Errorf("%v stand; want what the deletion saw\n%s", got, dump(r))
	}
}

// An operation needs nothing that came before it if its own entry makes its record: the
// same log and the same seq, or a key. All else on a record below the floor comes late.
func TestLate(t *testing.T) {
	floor := []Pos{posAt(0, 5), posAt(1, 5)}
	dot := func(log int, seq uint64) Ref { return Ref{Dot: Dot{Log: testLog(log), Seq: seq}} }
	for name, x := range map[string]struct {
		op          Op
		makes, late bool
	}{
		"it makes it":              {Op{Record: dot(0, 3)}, true, false},
		"another entry of its log": {Op{Record: dot(0, 2)}, false, true},
		"the seq of another log":   {Op{Record: dot(1, 3)}, false, true},
		"another of another":       {Op{Record: dot(1, 4)}, false, true},
		"above the floor":          {Op{Record: dot(1, 6)}, false, false},
		"it makes it by its key":   {Op{Record: testRef}, true, false},
		"made by its key":          {Op{Record: testRef, Made: posAt(1, 3)}, false, true},
		"made above the floor":     {Op{Record: testRef, Made: posAt(1, 6)}, false, false},
	} {
		e := &Entry{Log: testLog(0), Seq: 3, Ops: []Op{x.op}}
		if e.Makes(0) != x.makes || e.Late(0, floor) != x.late {
			t.Errorf("%s: makes %v, late %v", name, e.Makes(0), e.Late(0, floor))
		}
	}
}

// What a deletion took isn't read of a record made anew, though the past holds it and
// the compacted record has forgotten the deletion; of numbers also what that replaced.
func TestThePastOfARecordMadeAnew(t *testing.T) {
	a1, a2, b1, b2, b3, c1, d1 := posAt(0, 1), posAt(0, 2), posAt(1, 1), posAt(1, 2), posAt(1, 3), posAt(2, 1), posAt(3, 1)
	field := cellOfWrites(written(b2, cborText("mới")), written(b3, cborText("hơn"), b2))
	number := func(existence Cell, ref Ref, made []Write, past ...Write) []string {
		var prior func() []Write
		if made != nil {
			prior = func() []Write { return made }
		}
		rd := Reader{}.In(recordOf(ref, existence, field), prior)
		rd.Prior = func() []Write { return past }
		r := rd.Cell(field, Serial)
		return r.texts()
	}
	past := []Write{written(a2, old), written(b2, cborText("mới"))}
	made := []Write{created(a1), deleted(c1, a1, a2), created(b1)}
	anew := cellOfWrites(created(b1))
	if got := number(anew, testRef, made, past...); !slices.Equal(got, []string{"mới", "hơn"}) {
		t.Errorf("made anew: %q", got)
	}
	for name, ref := range map[string]Ref{"by key": testRef, "by dot": dotRef} {
		if got := number(anew, ref, nil, past...); len(got) != 3 {
			t.Errorf("%s, with no past of its existence: %q", name, got)
		}
	}
	rd := Reader{Authority: rejecting(dotAt(b3))}.In(recordOf(testRef, anew, cellOfWrites(written(b3, cborText("sai"), b2))), func() []Write { return made })
	rd.Prior = func() []Write { return []Write{written(a2, old)} }
	want(t, rd.Cell(cellOfWrites(written(b3, cborText("sai"), b2)), LWW)) // all that stands is hidden
	rests := []Write{written(d1, cborText("trước")), written(a2, old, d1), written(b2, cborText("mới"))}
	if got := number(cellOfWrites(created(b1), deleted(c1, a1, a2)), testRef, nil, rests...); !slices.Equal(got, []string{"mới", "hơn"}) {
		t.Errorf("not compacted: %q", got)
	}
}

// A page of a deleted record shows what it was.
func TestADeletedRecordKeepsItsValues(t *testing.T) {
	a1, a2, c1 := posAt(0, 1), posAt(0, 2), posAt(2, 1)
	for _, ref := range []Ref{testRef, dotRef} {
		r := recordOf(ref, cellOfWrites(created(a1), deleted(c1, a1, a2)), cellOfWrites(written(a2, old)))
		want(t, Reader{}.In(r, nil).Cell(r.Cells[testField], LWW), "cũ")
	}
}
