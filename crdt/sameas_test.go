package crdt

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func idOf(i int) RecordID { return RecordID{byte(i + 1)} }

// Same is the connected group of those who name each other: the same asked of any
// of its records, in any order of the pairs, and as small as before when either of
// a pair is taken out.
func TestSameIsTheConnectedGroup(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pairs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) [2]int {
			return [2]int{rapid.IntRange(0, 5).Draw(t, "a"), rapid.IntRange(0, 5).Draw(t, "b")}
		}), 0, 12).Draw(t, "pairs")
		both := slices.DeleteFunc(slices.Clone(pairs), func(p [2]int) bool { return !slices.Contains(pairs, [2]int{p[1], p[0]}) })
		edges := func(id RecordID) (out []RecordID) {
			for _, p := range pairs {
				if idOf(p[0]) == id {
					out = append(out, idOf(p[1]))
				}
			}
			return out
		}
		group := [6]int{0, 1, 2, 3, 4, 5} // by painting over
		for range both {
			for _, p := range both {
				lesser := min(group[p[0]], group[p[1]])
				group[p[0]], group[p[1]] = lesser, lesser
			}
		}
		for i := range 6 {
			var want []RecordID
			for j := range 6 {
				if group[j] == group[i] {
					want = append(want, idOf(j))
				}
			}
			if got := Same(idOf(i), edges); !slices.Equal(got, want) {
				t.Fatalf("%v with %v: %v; want %v", idOf(i), pairs, got, want)
			}
		}
	})
}

// Two records that are merged read as one, and apart again when that is undone.
func TestMergedRecordsReadAsOne(t *testing.T) {
	a, b := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	a.write(aTime, "một")
	b.write(aTime+1, "hai")
	a.cites, b.cites = Cite{}, Cite{}
	elem := SameAsElem(idOf(3))
	if id, ok := ParseSameAs(elem); !ok || id != idOf(3) {
		t.Errorf("%v, %v", id, ok)
	}
	if _, ok := ParseSameAs(append([]byte{0x51}, elem[1:]...)); ok {
		t.Error("read from another element")
	}
	if r := (Reader{}).Group(nil, nil, State); r.Provisional || r.Review || r.Shown() != nil {
		t.Errorf("of no record: %+v", r)
	}
	if r := (Reader{}).Group([]Cell{{Pending: []Claim{{Over: Pos{testLog(0), 1}}}}}, nil, LWW); len(r.Waiting) != 1 {
		t.Errorf("waiting: %+v", r.Waiting)
	}
	if _, ok := ParseSameAs(elem[1:]); ok {
		t.Error("read from half an element")
	}
	a.save(aTime+2, a.record.Put(SameAs, elem, true, nil))
	if got := (Reader{}).Set(a.record.Sets[SameAs], nil); !slices.Equal(got, []string{string(elem)}) {
		t.Errorf("the same as %q", got)
	}
	cells := []Cell{a.record.Cells[testField], b.record.Cells[testField]}
	r := Reader{}.Group(cells, nil, Review)
	want(t, r, "hai", "một")
	if !r.Conflict || !r.Review {
		t.Error("different values of one person are no conflict")
	}
	r = Reader{}.Group(cells, []func() []Write{nil, nil}, State)
	if !r.Provisional || !r.Review {
		t.Errorf("%+v", r)
	}
	if a.record.Compact([]Pos{{a.log, 2}}); len(a.record.Sets[SameAs]) != 1 {
		t.Error("what is in the set is forgotten")
	}
	a.save(aTime+3, a.record.Put(SameAs, elem, false, nil))
	if a.record.Compact([]Pos{{a.log, 2}}); len(a.record.Sets[SameAs]) != 1 {
		t.Error("forgotten before everyone knows")
	}
	if got := (Reader{}).Set(a.record.Sets[SameAs], nil); len(got) != 0 {
		t.Errorf("still the same as %q", got)
	}
	if a.record.Compact([]Pos{{a.log, 3}}); len(a.record.Sets) != 0 {
		t.Error("what was taken out is kept past the floor")
	}
}

// What hides in one of them is hidden in the group.
func TestGroupTellsWhatIsHidden(t *testing.T) {
	a, b := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	one := a.write(aTime, "một")
	a.officer = "X"
	a.write(aTime+1, "xấu")
	b.write(aTime+2, "hai")
	h := newHub(t)
	h.next(aTime, cutting(Subject{Kind: SubjectOfficer, Officer: "X"}))
	cells := []Cell{a.record.Cells[testField], b.record.Cells[testField]}
	r := Reader{Authority: h.authority}.Group(cells, nil, LWW)
	if want(t, r, "hai"); len(r.Hidden) != 1 || !slices.Equal(r.Lost, []Pos{one.Pos()}) {
		t.Errorf("%+v", r)
	}
	past := func() []Write { return h.authority.History(a.entries(), a.hash, testRef.ID(), testField, "") }
	want(t, Reader{Authority: h.authority}.Group(cells, []func() []Write{past, nil}, LWW), "hai", "một")
}
