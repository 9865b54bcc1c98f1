package crdt

import (
	"errors"
	"reflect"
	"slices"
	"testing"
)

// testRoll is three devices that have all acknowledged the first entry of each log.
func testRoll(t *testing.T) (*Roll, []Pin) {
	t.Helper()
	var heads []Pin
	for i := range 3 {
		heads = append(heads, Pin{testLog(i), 5, testHash(i, 5)})
	}
	r := new(Roll)
	for i := range 3 {
		hear(t, r, i, 1, aTime, 1)
	}
	r.Raise(heads)
	return r, heads
}

// hubHolds is five entries of each of three logs.
var hubHolds = heldAt(vector{5, 5, 5})

func ack(device int, number uint64, ms int64, seq uint64) Ack {
	a := Ack{Device: testLog(device).Device, Incarnation: testLog(device).Incarnation, Number: number, TimeMS: ms}
	for i := range 3 {
		a.Held = append(a.Held, Pin{testLog(i), seq, testHash(i, seq)})
	}
	a.Own = a.Held[device : device+1]
	return a
}

func hear(t *testing.T, r *Roll, device int, number uint64, ms int64, seq uint64) {
	t.Helper()
	if err := r.Hear(ack(device, number, ms, seq), hubHolds); err != nil {
		t.Fatal(err)
	}
}

func TestFloorIsWhatAllHaveAcknowledged(t *testing.T) {
	r, heads := testRoll(t)
	all := func(seq uint64) []Pos { return []Pos{{testLog(0), seq}, {testLog(1), seq}, {testLog(2), seq}} }
	if !slices.Equal(r.Floor, all(1)) {
		t.Fatalf("floor %v", r.Floor)
	}
	hear(t, r, 0, 2, aTime, 4)
	hear(t, r, 1, 2, aTime, 3)
	if moved := r.Raise(heads); moved != nil || !slices.Equal(r.Floor, all(1)) {
		t.Errorf("moved to %v without one device", moved)
	}
	hear(t, r, 2, 2, aTime, 5)
	if moved := r.Raise(heads); !slices.Equal(moved, all(3)) || !slices.Equal(r.Floor, all(3)) {
		t.Errorf("moved to %v", moved)
	}
	if moved := r.Raise([]Pin{{testLog(0), 2, Hash{}}}); moved != nil {
		t.Errorf("it went back to %v", moved)
	}
	// No further than the hub holds, and nowhere while nobody counts.
	if moved := new(Roll).Raise(heads); moved != nil {
		t.Errorf("nobody has acknowledged %v", moved)
	}
	hear(t, r, 0, 3, aTime, 5)
	hear(t, r, 1, 3, aTime, 5)
	hear(t, r, 2, 3, aTime, 5)
	if moved := r.Raise([]Pin{{testLog(0), 4, Hash{}}}); !slices.Equal(moved, []Pos{{testLog(0), 4}}) {
		t.Errorf("the hub holds 4: %v", moved)
	}
}

// A device that is new counts from its first acknowledgement at or above the floor.
func TestNewDeviceCountsFromTheFloorOn(t *testing.T) {
	r, heads := testRoll(t)
	for i := range 3 {
		hear(t, r, i, 2, aTime, 3)
	}
	r.Raise(heads)
	fresh := ack(0, 1, aTime, 2)
	fresh.Device, fresh.Own = Device{9}, nil
	if err := r.Hear(fresh, hubHolds); err != nil || r.Devices[fresh.Device].Counted {
		t.Fatalf("below the floor: %v, counted %v", err, r.Devices[fresh.Device].Counted)
	}
	fresh.Number, fresh.Held = 2, ack(0, 2, aTime, 3).Held
	if err := r.Hear(fresh, hubHolds); err != nil || !r.Devices[fresh.Device].Counted {
		t.Fatalf("at the floor: %v, counted %v", err, r.Devices[fresh.Device].Counted)
	}
	for i := range 3 {
		hear(t, r, i, 3, aTime, 5)
	}
	if moved := r.Raise(heads); moved != nil {
		t.Errorf("moved to %v past a device that counts", moved)
	}
}

// Attack 14: acknowledgements that are replayed, or name what the hub doesn't have.
func TestForgedAndReplayedAcknowledgements(t *testing.T) {
	d := testLog(0)
	for name, spoil := range map[string]func(*Roll, *Ack){
		"replayed":                      func(_ *Roll, a *Ack) { a.Number = 1 },
		"of an incarnation to come":     func(_ *Roll, a *Ack) { a.Incarnation[0]++ },
		"of before the disk was lost":   func(r *Roll, a *Ack) { r.Restored(d.Device, Incarnation{7}) },
		"its own log further than ours": func(_ *Roll, a *Ack) { a.Own = []Pin{{d, 6, testHash(0, 6)}} },
		"its own log another":           func(_ *Roll, a *Ack) { a.Own = []Pin{{d, 4, Hash{9}}} },
		"another branch of a log":       func(_ *Roll, a *Ack) { a.Held[1].Hash[0]++ },
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := testRoll(t)
			a := ack(0, 2, aTime, 4)
			spoil(r, &a)
			before := r.Devices[d.Device]
			if err := r.Hear(a, hubHolds); !errors.Is(err, ErrAck) {
				t.Errorf("got %v", err)
			}
			if !reflect.DeepEqual(before, r.Devices[d.Device]) {
				t.Error("it changed something")
			}
		})
	}
	// What it holds of others' logs beyond the hub counts when the hub has it.
	r, heads := testRoll(t)
	a := ack(0, 2, aTime, 4)
	a.Held[1] = Pin{testLog(1), 6, testHash(1, 6)}
	if err := r.Hear(a, hubHolds); err != nil {
		t.Fatal(err)
	}
	hear(t, r, 1, 2, aTime, 4)
	hear(t, r, 2, 2, aTime, 4)
	if moved := r.Raise(heads); !slices.Equal(moved, []Pos{{testLog(0), 4}, {testLog(2), 4}}) {
		t.Errorf("moved to %v", moved)
	}
}

// A lapsed device holds nothing back, and counts again once it has caught up.
func TestLapse(t *testing.T) {
	r, heads := testRoll(t)
	now := aTime + LapseAfterMS
	hear(t, r, 0, 2, now, 4)
	if due := r.Due(now, heads); due != nil {
		t.Errorf("due %v, and the floor wouldn't move without any one of them", due)
	}
	hear(t, r, 1, 2, now, 4)
	if due := r.Due(now-1, heads); due != nil {
		t.Errorf("due %v before its time", due)
	}
	silent := testLog(2).Device
	if due := r.Due(now, heads); !slices.Equal(due, []Device{silent}) {
		t.Fatalf("due %v; want the silent one", due)
	}
	r.Lapse(silent)
	r.Raise(heads)
	if seqOf(r.Floor, testLog(0)) != 4 {
		t.Errorf("floor %v", r.Floor)
	}
	if due := r.Due(now+LapseAfterMS-1, heads); due != nil {
		t.Errorf("due again: %v", due)
	}
	hear(t, r, 2, 2, now, 3)
	if r.Devices[silent].Counted {
		t.Error("counted below the floor")
	}
	hear(t, r, 2, 3, now, 5)
	if !r.Devices[silent].Counted {
		t.Error("not counted at the floor")
	}
}

// A device that was restored before it was ever heard; two that are due, in order.
func TestRestoredAndDue(t *testing.T) {
	r := new(Roll)
	r.Restored(testLog(0).Device, Incarnation{9})
	if err := r.Hear(ack(0, 1, aTime, 1), hubHolds); !errors.Is(err, ErrAck) {
		t.Errorf("of the old incarnation: %v", err)
	}
	again := ack(0, 1, aTime, 1)
	again.Incarnation = Incarnation{9}
	if err := r.Hear(again, hubHolds); err != nil {
		t.Error(err)
	}
	r, heads := testRoll(t)
	more := slices.Clone(heads)
	hear(t, r, 0, 2, aTime, 5)
	alone := Roll{Floor: r.Floor, Devices: map[Device]Standing{testLog(0).Device: r.Devices[testLog(0).Device], testLog(1).Device: r.Devices[testLog(1).Device]}}
	if due := alone.Due(aTime+LapseAfterMS, more); !slices.Equal(due, []Device{testLog(1).Device}) {
		t.Errorf("due %v", due)
	}
	two := Roll{Devices: map[Device]Standing{}}
	for i := range 3 {
		s := r.Devices[testLog(i).Device]
		s.Held = []Pos{{testLog(i), 5}} // each lacks what the others have
		two.Devices[testLog(i).Device] = s
	}
	two.Floor = nil
	if due := two.Due(aTime+LapseAfterMS, more[:1]); due != nil {
		t.Errorf("due %v, and two others wait too", due)
	}
	both := Roll{Devices: map[Device]Standing{}}
	for i := range 3 { // each holds one log back
		both.Devices[testLog(2-i).Device] = Standing{Counted: true, TimeMS: aTime, Held: []Pos{{testLog(0), 5}, {testLog(1), 5}, {testLog(2), 5}}}
		both.Devices[testLog(2-i).Device].Held[2-i].Seq = 4
	}
	for range 20 { // whatever the order of the map
		if due := both.Due(aTime+LapseAfterMS, heads); !slices.Equal(due, []Device{testLog(0).Device, testLog(1).Device, testLog(2).Device}) {
			t.Fatalf("due %v", due)
		}
	}
	r, _ = testRoll(t)
	hear(t, r, 0, 2, aTime, 5)
	hear(t, r, 1, 2, aTime, 5)
	hear(t, r, 2, 2, aTime, 5)
	if due := r.Due(aTime+LapseAfterMS, heads); due != nil {
		t.Errorf("due %v, and the floor rises with them", due)
	}
}

// A commune that was silent for a year comes back with what it saved. Its entries
// keep their dots and merge as any; its inbox has the true conflicts, and what it
// wrote to a record that was deleted and forgotten, and nothing else.
func TestLapsedDeviceComesBack(t *testing.T) {
	lapsed, office := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	create := office.save(aTime, office.record.Create(nil))
	one := office.write(aTime+1, "một")
	lapsed.receive(create, one)
	late := lapsed.write(aTime+2, "ở xa")

	office.write(aTime+3, "ở đây")
	floor := []Pos{{office.log, 3}}
	if !office.record.Compact(floor) {
		t.Fatal("a record that exists was forgotten")
	}
	office.receive(late)
	r := office.read(nil, Review)
	want(t, r, "ở đây", "ở xa")
	if !r.Review || len(r.Waiting) != 0 {
		t.Errorf("the true conflict: %+v", r)
	}
	if got := office.record.Cells[testField].Writes[1].Over; !slices.Equal(got, []Pos{one.Pos()}) {
		t.Errorf("it replaced %v; want %v", got, one.Pos())
	}

	// The same, with the record deleted and forgotten in between.
	office = newDesk(t, 1, "B")
	office.receive(create, one)
	office.save(aTime+3, office.record.Delete(nil))
	if !office.record.Compact([]Pos{{office.log, 2}}) {
		t.Fatal("forgotten before everyone knows of the deletion")
	}
	if NewRecord(testScope, "things", testRef).Closed(floor) || lapsed.record.Closed([]Pos{{office.log, 9}}) {
		t.Error("closed, and never deleted")
	}
	if !office.record.Closed(floor) || office.record.Closed([]Pos{{office.log, 2}}) {
		t.Error("closed at another floor than the deletion's")
	}
	if office.record.Compact(floor) {
		t.Fatal("not forgotten")
	}
	if !late.Late(0, floor) {
		t.Error("a late entry would create a record that everyone has deleted")
	}
	if late.Late(0, nil) {
		t.Error("late without a floor")
	}
	// By a dot, it is late if the creation is at or below the floor.
	byDot := Entry{Ops: []Op{{Record: Ref{Dot: Dot{Log: office.log, Seq: 3}}}}}
	if !byDot.Late(0, floor) || byDot.Late(0, []Pos{{office.log, 2}}) {
		t.Error("judged by something else than its creation")
	}
	// A creation by key that saw nothing makes a new record.
	anew := lapsed.save(aTime+5, NewRecord(testScope, "things", testRef).Create(nil))
	if anew.Late(0, floor) {
		t.Error("a new record is late")
	}
}

// Had the deletion not seen the late edit while the record was still kept, the
// edit would show as such, and the record stays until a person settles.
func TestEditedAfterDeletionIsKept(t *testing.T) {
	away, office := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	create := office.save(aTime, office.record.Create(nil))
	away.receive(create)
	edit := away.write(aTime+1, "ở xa")
	office.save(aTime+2, office.record.Delete(nil))
	office.receive(edit)
	is, after := office.record.Existence()
	if is != EditedAfter || len(after) != 1 || after[0].Dot != edit.Dot(0) {
		t.Fatalf("%d, %+v", is, after)
	}
	if is, after := (Reader{}).Existence(office.record, nil); is != EditedAfter || len(after) != 1 {
		t.Errorf("read: %d, %+v", is, after)
	}
	floor := []Pos{{away.log, 1}, {office.log, 2}}
	if !office.record.Compact(floor) {
		t.Fatal("forgotten before a person has settled it")
	}
	if is, _ := office.record.Existence(); is != EditedAfter {
		t.Errorf("after compaction: %d", is)
	}
	office.save(aTime+3, office.record.Delete(nil))
	if is, after := office.record.Existence(); is != Deleted || after != nil {
		t.Errorf("settled: %d, %+v", is, after)
	}
	office.save(aTime+4, office.record.Create(nil))
	if is, _ := office.record.Existence(); is != Present || !office.record.Exists() {
		t.Errorf("restored: %d", is)
	}
	want(t, office.read(nil, LWW), "ở xa")
}

// A deletion that a cut hides never was, and a creation that one hides is unknown.
func TestExistenceUnderACut(t *testing.T) {
	good, bad := newDesk(t, 0, "A"), newDesk(t, 1, "X")
	create := good.save(aTime, good.record.Create(nil))
	bad.receive(create)
	bad.save(aTime+1, bad.record.Delete(nil))
	h := newHub(t)
	h.next(aTime, cutting(Subject{Kind: SubjectOfficer, Officer: "X"}))
	prior := func(field uint32, elem string) []Write {
		return h.authority.History(bad.entries(), bad.hash, testRef.ID(), field, elem)
	}
	if is, _ := (Reader{Authority: h.authority}).Existence(bad.record, prior); is != Present {
		t.Errorf("after a hidden deletion: %d", is)
	}
	if is, _ := (Reader{}).Existence(bad.record, prior); is != Deleted {
		t.Errorf("without the cut: %d", is)
	}
	h.next(aTime, cutting(Subject{Kind: SubjectOfficer, Officer: "A"}))
	if is, _ := (Reader{Authority: h.authority}).Existence(bad.record, prior); is != Unknown {
		t.Errorf("with nothing left: %d", is)
	}
}

// A restored disk begins a new incarnation: what it had written and others hold
// comes back to it as another log, and nothing collides.
func TestRestoredDisk(t *testing.T) {
	a, b := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	one, two := a.write(aTime, "một"), a.write(aTime+1, "hai")
	b.receive(one, two)
	restored := a.back(1) // the backup was made after the first
	restored.log.Incarnation[0]++
	three := restored.write(aTime+2, "ba") // on what it has
	restored.receive(two)
	b.receive(three)
	if !sameRecord(restored.record, b.record) {
		t.Fatalf("%v\n%v", dump(restored.record), dump(b.record))
	}
	want(t, b.read(nil, LWW), "ba", "hai") // the true conflict: it hadn't seen what it lost
	restored.write(aTime+3, "cả hai")
	want(t, restored.read(nil, LWW), "cả hai")
}
