package crdt

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A device that writes a cell under more incarnations than an operation can
// supersede freezes nothing: a Save takes the newest, and the next one the rest.
func TestMoreLogsThanAnOperationNames(t *testing.T) {
	flood, b := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	for i := range MaxOver + 3 {
		flood.log.Incarnation = Incarnation{byte(i), byte(i >> 8), 7}
		flood.record = NewRecord(testScope, "things", testRef)
		b.receive(flood.save(aTime+int64(i), flood.record.Create(nil), flood.record.Assign(testField, cborText(fmt.Sprint(i)), nil),
			flood.record.Put(testSet, testElem, true, nil)))
	}
	for _, op := range []Op{
		b.record.Create(nil), b.record.Delete(nil), b.record.Assign(testField, cborText("mới"), nil), b.record.Put(testSet, testElem, false, nil),
	} {
		e := &Entry{Log: b.log, Seq: 1, Stamp: 1, Pack: Pack{ID: "test", Version: 1}, Ops: []Op{op}}
		if err := e.Validate(); err != nil || len(op.Over) != MaxOver {
			t.Errorf("field %d: %v, over %d logs", op.Field, err, len(op.Over))
		}
	}
	b.write(aTime+day, "mới")
	want(t, b.read(nil, LWW), "mới", "2", "1", "0")
	b.write(aTime+day+1, "nữa")
	want(t, b.read(nil, LWW), "nữa")
}

// What a device makes of a record is what its officer had seen of it.
func TestOperationsListWhatWasSeen(t *testing.T) {
	a, b := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	create := a.save(aTime, a.record.Create(nil))
	one := a.write(aTime+1, "một")
	page := a.record.Known()
	a.save(aTime+2, a.record.Put(testSet, testElem, true, nil))
	b.receive(a.entries()...)
	for name, x := range map[string]struct {
		op   Op
		over []Pos
		made Pos
	}{
		"assign":          {b.record.Assign(testField, []byte{1}, nil), []Pos{one.Pos()}, create.Pos()},
		"on an old page":  {b.record.Assign(testField, []byte{1}, []Pos{create.Pos()}), []Pos{create.Pos()}, create.Pos()},
		"on none":         {b.record.Assign(testField, []byte{1}, []Pos{}), nil, create.Pos()},
		"put":             {b.record.Put(testSet, testElem, true, nil), []Pos{{a.log, 3}}, create.Pos()},
		"put another":     {b.record.Put(testSet, []byte{1}, true, nil), nil, create.Pos()},
		"delete":          {b.record.Delete(nil), []Pos{{a.log, 3}}, create.Pos()},
		"delete the page": {b.record.Delete(page), []Pos{{a.log, 2}}, create.Pos()},
		"create again":    {b.record.Create(nil), []Pos{create.Pos()}, Pos{}},
	} {
		if !slices.Equal(x.op.Over, x.over) || x.op.Made != x.made {
			t.Errorf("%s: over %v made %v; want %v, %v", name, x.op.Over, x.op.Made, x.over, x.made)
		}
	}
	if op := b.record.Put(testSet, testElem, false, nil); op.Value[0] != False || op.Kind != Set || string(op.Elem) != string(testElem) {
		t.Errorf("take: %+v", op)
	}
	byDot := NewRecord(testScope, "things", Ref{Dot: create.Dot(0)})
	byDot.Apply(&Entry{Log: a.log, Seq: 1, Ops: []Op{byDot.Create(nil)}}, 0, trusting)
	if op := byDot.Assign(1, []byte{1}, nil); op.Made != (Pos{}) {
		t.Errorf("a record by a dot was made at %v", op.Made)
	}
	deleted := b.save(aTime+3, b.record.Delete(nil))
	if op := b.record.Assign(1, []byte{1}, nil); op.Made != deleted.Pos() {
		t.Errorf("of a deleted record: made %v; want the deletion", op.Made)
	}
}

// Pins are of foreign logs, at the highest seq named; dropped entries get none.
func TestPinsOf(t *testing.T) {
	a, b, c := testLog(0), testLog(1), testLog(2)
	e := &Entry{Log: a, Seq: 9, Ops: []Op{
		{Record: Ref{Dot: Dot{Log: b, Seq: 2}}, Over: []Pos{{a, 8}, {b, 3}}},
		{Record: testRef, Over: []Pos{{b, 1}}, Made: Pos{c, 4}},
	}}
	byDot := &Entry{Log: a, Seq: 9, Ops: []Op{{Record: Ref{Dot: Dot{Log: b, Seq: 2}}}}}
	if got := byDot.Named(); !slices.Equal(got, []Pos{{b, 2}}) {
		t.Errorf("named by the record alone: %v", got)
	}
	if got := e.Named(); !slices.Equal(got, []Pos{{b, 3}, {c, 4}}) {
		t.Errorf("named %v", got)
	}
	if got := e.PinsOf(heldAt(vector{9, 9, 9})); !slices.Equal(got, []Pin{{b, 3, testHash(1, 3)}, {c, 4, testHash(2, 4)}}) {
		t.Errorf("pins %v", got)
	}
	if got := e.PinsOf(heldAt(vector{9, 2, 4})); !slices.Equal(got, []Pin{{c, 4, testHash(2, 4)}}) {
		t.Errorf("of what isn't held: %v", got)
	}
	if got := e.PinsOf(trusting); got != nil {
		t.Errorf("of what was dropped: %v", got)
	}
}

// A clone and its original don't share what applying changes.
func TestCloneOfARecord(t *testing.T) {
	a := newDesk(t, 0, "A")
	a.write(aTime, "một")
	a.save(aTime+1, a.record.Put(testSet, testElem, true, nil))
	before, clone := dump(a.record), a.record.Clone()
	if !sameRecord(clone, a.record) || clone.Ref != a.record.Ref || clone.Scope != a.record.Scope || clone.Collection != a.record.Collection {
		t.Fatalf("%v\n%v", dump(clone), before)
	}
	b := newDesk(t, 0, "A")
	b.record = clone
	b.held = map[LogID][]*Entry{a.log: slices.Clone(a.held[a.log])}
	b.write(aTime+2, "hai")
	b.save(aTime+3, b.record.Put(testSet, testElem, false, nil))
	b.save(aTime+4, b.record.Put(testSet, []byte{1}, true, nil))
	if got := dump(a.record); got != before {
		t.Errorf("%v\nbecame\n%v", before, got)
	}
}

// Reading a set and an existence asks for the past of each cell by its name.
func TestPastIsAskedByName(t *testing.T) {
	d := newDesk(t, 0, "A")
	d.save(aTime, d.record.Create(nil))
	for _, elem := range []string{"b", "a"} {
		d.save(aTime+1, d.record.Put(testSet, []byte(elem), true, nil))
	}
	d.officer = "X"
	d.save(aTime+2, d.record.Put(testSet, []byte("a"), false, nil), d.record.Delete(nil))
	h := newHub(t)
	h.next(aTime, cutting(Subject{Kind: SubjectOfficer, Officer: "X"}))
	rd := Reader{Authority: h.authority}
	past := func(field uint32, elem string) []Write {
		return (*Authority)(nil).History(d.entries(), d.hash, testRef.ID(), field, elem)
	}
	if got := rd.Set(d.record.Sets[testSet], func(elem string) []Write { return past(testSet, elem) }); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("in the set: %q", got)
	}
	if got := rd.Set(d.record.Sets[testSet], nil); !slices.Equal(got, []string{"b"}) {
		t.Errorf("without the past: %q", got)
	}
	if is, _ := rd.Existence(d.record, past); is != Present {
		t.Errorf("existence %d", is)
	}
	if n := len(past(testSet, "a")); n != 2 {
		t.Errorf("%d writes of one element", n)
	}
	if n := len((*Authority)(nil).History(d.entries(), d.hash, RecordID{1}, testSet, "a")); n != 0 {
		t.Errorf("%d writes of another record", n)
	}
	// An element that the deletion hadn't seen is an edit after it, and so is a field.
	other := newDesk(t, 1, "B")
	other.save(aTime, other.record.Put(testSet, []byte("c"), true, nil), other.record.Assign(testField, []byte{1}, nil))
	d.receive(other.entries()...)
	if is, after := (Reader{}).Existence(d.record, past); is != EditedAfter || len(after) != 2 || after[0].Dot.Index != 0 {
		t.Errorf("existence %d after %+v", is, after)
	}
	if is, after := d.record.Existence(); is != EditedAfter || len(after) != 2 || after[0].Dot.Index != 0 {
		t.Errorf("existence %d after %+v", is, after)
	}
}

// A time that has certainly been is behind every later stamp.
func TestTrustedTime(t *testing.T) {
	var c Clock
	c.Trust(aTime)
	if got := c.Next(aTime - day); got <= StampAt(aTime) || got.Millis() != aTime {
		t.Errorf("stamp at %d", got.Millis()-aTime)
	}
	c.Absorb(StampAt(aTime+day), 0)
	if got := c.Next(0).Millis(); got != aTime+MaxAhead.Milliseconds() {
		t.Errorf("absorbed up to %d past what is trusted", got-aTime)
	}
	c.Trust(aTime - day)
	if c.Own != aTime {
		t.Errorf("trust took the clock back to %d", c.Own)
	}
	if StampAt(-1) != 0 || StampAt(1<<50).Millis() != maxMillis {
		t.Error("a stamp holds what it can't")
	}
}

func TestNamesAndIDs(t *testing.T) {
	for name, ok := range map[string]bool{
		"a": true, "z9-_": true, strings.Repeat("a", MaxName): true, "": false, strings.Repeat("a", MaxName+1): false,
		"A": false, "a b": false, "a/b": false, "`": false, "{": false, ":": false, "0": true, "9": true,
	} {
		if isName(name) != ok {
			t.Errorf("%q is a name: %v", name, !ok)
		}
	}
	id := testRef.ID()
	if got, err := ParseRecordID(id.String()); err != nil || got != id {
		t.Errorf("%v, %v", got, err)
	}
	device := testLog(0).Device
	if got, err := ParseDevice(device.String()); err != nil || got != device {
		t.Errorf("%v, %v", got, err)
	}
	for _, s := range []string{"", "zz", id.String()[2:], id.String() + "00"} {
		if _, err := ParseRecordID(s); err == nil {
			t.Errorf("record id %q", s)
		}
		if _, err := ParseDevice(s); err == nil {
			t.Errorf("device %q", s)
		}
	}
	ids := map[RecordID]bool{}
	dot := Dot{Log: testLog(0), Seq: 1}
	for _, change := range []func(*Dot){
		func(*Dot) {}, func(d *Dot) { d.Seq++ }, func(d *Dot) { d.Index++ }, func(d *Dot) { d.Log.Device[0]++ },
		func(d *Dot) { d.Log.Incarnation[0]++ }, func(d *Dot) { d.Log.Class++ }, func(d *Dot) { d.Log.Scope = "c/1" },
	} {
		d := dot
		change(&d)
		ids[Ref{Dot: d}.ID()] = true
	}
	for _, r := range []Ref{testRef, RefByKey("c/1", "things", "1"), RefByKey(testScope, "other", "1"), RefByKey(testScope, "things", "2"), RefByKey(testScope, "thing", "s1")} {
		ids[r.ID()] = true
	}
	if len(ids) != 12 {
		t.Errorf("%d ids of 12 names", len(ids))
	}
}

// A record that was made anew by its key, by someone who knew nothing of its past,
// doesn't show what a deletion had taken; a restore shows all of it.
func TestMadeAnewInheritsNothing(t *testing.T) {
	a, b := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	a.save(aTime, a.record.Create(nil))
	a.write(aTime+1, "cũ")
	a.save(aTime+2, a.record.Delete(nil))
	create := b.save(aTime+3, b.record.Create(nil))
	fresh := b.save(aTime+4, Op{Collection: "things", Record: testRef, Field: testField, Value: cborText("mới")})
	a.receive(create, fresh)
	cell := a.record.Cells[testField]
	want(t, Reader{}.Cell(cell, LWW), "mới", "cũ")
	want(t, Reader{}.In(a.record, nil).Cell(cell, LWW), "mới")
	if !a.record.Compact([]Pos{{a.log, 3}}) {
		t.Fatal("forgotten")
	}
	want(t, Reader{}.Cell(a.record.Cells[testField], LWW), "mới")
	if made := a.record.Cells[FieldExistence].Writes; len(made) != 1 || made[0].Dot != create.Dot(0) {
		t.Errorf("the old deletion is kept: %+v", made)
	}

	c := newDesk(t, 2, "C")
	c.save(aTime, c.record.Create(nil))
	c.write(aTime+1, "cũ")
	c.save(aTime+2, c.record.Delete(nil))
	c.save(aTime+3, c.record.Create(nil))
	want(t, Reader{}.In(c.record, nil).Cell(c.record.Cells[testField], LWW), "cũ")
	// A deletion that a cut hides has taken nothing.
	d := newDesk(t, 3, "D")
	d.save(aTime, d.record.Create(nil))
	d.write(aTime+1, "cũ")
	d.officer = "X"
	d.save(aTime+2, d.record.Delete(nil))
	d.receive(create)
	h := newHub(t)
	h.next(aTime, cutting(Subject{Kind: SubjectOfficer, Officer: "X"}))
	past := func() []Write {
		return (*Authority)(nil).History(d.entries(), d.hash, testRef.ID(), FieldExistence, "")
	}
	want(t, Reader{}.In(d.record, past).Cell(d.record.Cells[testField], LWW))
	want(t, Reader{Authority: h.authority}.In(d.record, past).Cell(d.record.Cells[testField], LWW), "cũ")
}

// A deletion that a hidden one had superseded takes again what it took.
func TestHiddenDeletionGivesBackTheOneBefore(t *testing.T) {
	d, b := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	d.save(aTime, d.record.Create(nil))
	d.write(aTime+1, "cũ")
	d.save(aTime+2, d.record.Delete(nil))
	d.officer = "X"
	d.save(aTime+3, d.record.Delete(nil))
	d.receive(b.save(aTime+4, b.record.Create(nil)))
	h := newHub(t)
	h.next(aTime, cutting(Subject{Kind: SubjectOfficer, Officer: "X"}))
	past := func() []Write {
		return (*Authority)(nil).History(d.entries(), d.hash, testRef.ID(), FieldExistence, "")
	}
	rd := Reader{Authority: h.authority}
	want(t, rd.In(d.record, past).Cell(d.record.Cells[testField], LWW))
	want(t, rd.In(d.record, nil).Cell(d.record.Cells[testField], LWW), "cũ") // with no past, nothing is known of it
}

// A record that was deleted, forgotten where it was made anew, and deleted again by
// someone who knew nothing of its first life, is forgotten whole.
func TestDeletedTwiceIsForgottenWhole(t *testing.T) {
	a, b := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	create := a.save(aTime, a.record.Create(nil), a.record.Put(testSet, testElem, true, nil))
	b.receive(create, a.write(aTime+1, "cũ"))
	first := b.save(aTime+2, b.record.Delete(nil))
	if b.record.Compact([]Pos{{a.log, 2}, {b.log, 1}}) {
		t.Fatal("kept")
	}
	b.record = NewRecord(testScope, "things", testRef)
	again := b.save(aTime+3, b.record.Create(nil))
	second := b.save(aTime+4, b.record.Delete(nil))
	a.receive(first, again, second)
	if is, _ := a.record.Existence(); is != Deleted {
		t.Errorf("existence %d", is)
	}
	if !a.record.Compact([]Pos{{a.log, 2}, {b.log, 2}}) || len(a.record.Cells[testField].Writes) != 1 {
		t.Error("forgotten, where a restore may still be on its way")
	}
	if is, _ := a.record.Existence(); is != Deleted {
		t.Errorf("existence %d after a floor in between", is)
	}
	if a.record.Compact([]Pos{{a.log, 2}, {b.log, 3}}) {
		is, after := a.record.Existence()
		t.Errorf("kept as %d, for %+v", is, after)
	}
}
