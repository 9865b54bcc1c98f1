package crdt

import (
	"errors"
	"reflect"
	"slices"
	"testing"
)

// Attack 13: two nodes are shown different checkpoints. Whoever meets both keeps
// what it had, and has the evidence.
func TestCheckpointsShownDifferently(t *testing.T) {
	h := newHub(t)
	first := h.next(aTime, nil)
	second := h.next(aTime+1, nil)
	third := h.next(aTime+2, nil)
	for name, c := range map[string]*Checkpoint{
		"another at the same place":    {At: second.At, TimeMS: aTime + 1, Prev: checkpointHash(first), Lapsed: []Device{{1}}},
		"another after the same":       {At: Cite{1, 9}, TimeMS: aTime + 3, Prev: checkpointHash(second)},
		"one that was never between":   {At: Cite{1, 0}, TimeMS: aTime + 3, Prev: checkpointHash(third)},
		"an older hub epoch's":         {At: Cite{0, 99}, TimeMS: aTime + 3, Prev: checkpointHash(third)},
		"a first one after the others": {At: Cite{1, 9}, TimeMS: aTime + 3},
	} {
		t.Run(name, func(t *testing.T) {
			c.Scope = testScope
			before := h.authority.Clone()
			err := h.authority.Apply(c, checkpointHash(c))
			if !errors.Is(err, ErrTwoFaced) && !(c.Prev == Hash{} && errors.Is(err, ErrOrder)) {
				t.Errorf("got %v", err)
			}
			if !reflect.DeepEqual(before, h.authority) {
				t.Error("it changed something")
			}
		})
	}
	if err := h.authority.Apply(second, checkpointHash(second)); err != nil {
		t.Errorf("one that is held: %v", err)
	}
	var empty Authority
	if err := empty.Apply(second, checkpointHash(second)); !errors.Is(err, ErrOrder) {
		t.Errorf("the second first: %v", err)
	}
	unknown := &Checkpoint{Scope: testScope, At: Cite{1, 9}, Prev: Hash{5}, TimeMS: aTime + 3}
	if err := h.authority.Apply(unknown, Hash{6}); !errors.Is(err, ErrOrder) {
		t.Errorf("one is missing: %v", err)
	}
}

// A checkpoint takes back nothing that an earlier one has said.
func TestCheckpointsNeverGoBack(t *testing.T) {
	l, m := testLog(0), testLog(1)
	device := Subject{Kind: SubjectDevice, Device: l.Device}
	base := func() *hub {
		h := newHub(t)
		h.next(aTime, ruling(Dot{Log: l, Seq: 2}, Rejected))
		h.next(aTime, func(c *Checkpoint) {
			c.Heads = []Pin{{l, 5, Hash{5}}}
			c.Floor = []Pos{{l, 3}}
			c.Witnesses = []Witness{{l, 5, aTime}}
		})
		return h
	}
	for name, x := range map[string]struct {
		fill func(*Checkpoint)
		ok   bool
	}{
		"nothing new":                  {func(*Checkpoint) {}, true},
		"a head further":               {func(c *Checkpoint) { c.Heads = []Pin{{l, 6, Hash{6}}} }, true},
		"the same head":                {func(c *Checkpoint) { c.Heads = []Pin{{l, 5, Hash{5}}} }, true},
		"a head back":                  {func(c *Checkpoint) { c.Heads = []Pin{{l, 4, Hash{4}}} }, false},
		"another head at one seq":      {func(c *Checkpoint) { c.Heads = []Pin{{l, 5, Hash{6}}} }, false},
		"another scope":                {func(c *Checkpoint) { c.Scope = "c/1" }, false},
		"a time back":                  {func(c *Checkpoint) { c.TimeMS = aTime - 1 }, false},
		"the floor back":               {func(c *Checkpoint) { c.Floor = []Pos{{l, 2}} }, false},
		"the floor at its place":       {func(c *Checkpoint) { c.Floor = []Pos{{l, 3}} }, true},
		"a witness again":              {witness(l, 5, aTime), false},
		"a witness of before":          {witness(l, 6, aTime-1), false},
		"a witness of after":           {witness(l, 6, aTime+2), false},
		"a witness":                    {witness(l, 6, aTime+1), true},
		"two of one log":               {func(c *Checkpoint) { witness(l, 6, aTime)(c); witness(l, 7, aTime+1)(c) }, true},
		"two, and the second back":     {func(c *Checkpoint) { witness(l, 9, aTime)(c); witness(l, 6, aTime)(c) }, false},
		"two, and its time back":       {func(c *Checkpoint) { witness(l, 6, aTime+1)(c); witness(l, 7, aTime)(c) }, false},
		"a time that no stamp holds":   {func(c *Checkpoint) { c.TimeMS = maxMillis + 1 }, false},
		"the last time":                {func(c *Checkpoint) { c.TimeMS = maxMillis }, true},
		"a rejection at the floor":     {ruling(Dot{Log: l, Seq: 3}, Rejected), false},
		"a rejection above the floor":  {ruling(Dot{Log: l, Seq: 4}, Rejected), true},
		"an adoption at the floor":     {ruling(Dot{Log: l, Seq: 3}, Adopted), false},
		"a confirmation at the floor":  {ruling(Dot{Log: l, Seq: 3}, Confirmed), true},
		"a rejection and a floor":      {func(c *Checkpoint) { ruling(Dot{Log: l, Seq: 4}, Rejected)(c); c.Floor = []Pos{{l, 4}} }, false},
		"another ruling at the floor":  {ruling(Dot{Log: l, Seq: 2}, Confirmed), false},
		"a cut below the floor":        {cutting(device, Pin{l, 2, Hash{2}}), false},
		"a cut that leaves out a log":  {cutting(device), false},
		"a cut at the floor":           {cutting(device, Pin{l, 3, Hash{3}}), true},
		"a cut and a floor at once":    {func(c *Checkpoint) { cutting(device, Pin{l, 3, Hash{3}})(c); c.Floor = []Pos{{l, 4}} }, false},
		"another device's cut":         {cutting(Subject{Kind: SubjectDevice, Device: m.Device}), true},
		"an officer who wasn't there":  {cutting(Subject{Kind: SubjectOfficer, Officer: "A"}), true},
		"an officer's below the floor": {cutting(Subject{Kind: SubjectOfficer, Officer: "A"}, Pin{l, 2, Hash{2}}), false},
	} {
		t.Run(name, func(t *testing.T) {
			h := base()
			c := &Checkpoint{Scope: testScope, At: Cite{1, 3}, Prev: h.authority.Hash(), TimeMS: aTime + 1}
			x.fill(c)
			before := h.authority.Clone()
			err := h.authority.Apply(c, checkpointHash(c))
			if (err == nil) != x.ok || err != nil && !errors.Is(err, ErrCheckpoint) {
				t.Errorf("got %v", err)
			}
			if err != nil && !reflect.DeepEqual(before, h.authority) {
				t.Error("it changed something")
			}
		})
	}
}

// A hub that was restored from a backup goes on from an older checkpoint under a
// new epoch: heads are proved again, and what it had said up to there stays said.
func TestNewHubEpoch(t *testing.T) {
	h := newHub(t)
	l := testLog(0)
	step := Dot{Log: l, Seq: 9}
	first := h.next(aTime, func(c *Checkpoint) {
		c.Heads, c.Lapsed = []Pin{{l, 3, Hash{3}}}, []Device{{8}}
		c.Verdicts = []Verdict{{Dot: step, Ruling: Confirmed, Index: 99}}
		witness(l, 3, aTime)(c)
	})
	h.next(aTime+1, func(c *Checkpoint) { c.Heads = []Pin{{l, 5, Hash{5}}}; c.Lapsed = []Device{{7}} })
	h.next(aTime+1, func(c *Checkpoint) { c.Heads = []Pin{{testLog(2), 1, Hash{1}}} })
	c := &Checkpoint{Scope: testScope, At: Cite{2, 1}, Prev: checkpointHash(first), TimeMS: aTime + 2, Heads: []Pin{{testLog(1), 1, Hash{1}}}}
	if err := h.authority.Apply(c, checkpointHash(c)); err != nil {
		t.Fatal(err)
	}
	a := h.authority
	if _, ok := a.Head(l); ok {
		t.Error("a head of the old epoch holds without proof")
	}
	if head, ok := a.headAt(l, a.said(first.At)); !ok || head.Seq != 3 {
		t.Errorf("what an old checkpoint held: %v, %v", head, ok)
	}
	if _, ok := a.headAt(l, a.said(c.At)); ok {
		t.Error("the new epoch's checkpoint held what it doesn't name")
	}
	if head, ok := a.headAt(l, a.said(Cite{1, 2})); !ok || head.Seq != 5 {
		t.Errorf("at the second: %v, %v", head, ok)
	}
	if head, ok := a.headAt(l, a.said(Cite{1, 3})); !ok || head.Seq != 5 {
		t.Errorf("at the third, which is void and doesn't name the log: %v, %v", head, ok)
	}
	if _, ok := a.headAt(l, a.said(Cite{1, 4})); ok {
		t.Error("a checkpoint that never was held something")
	}
	if _, ok := a.headAt(testLog(3), a.said(first.At)); ok {
		t.Error("a checkpoint held a log that none has named")
	}
	if !a.Lapsed[Device{8}] || a.Lapsed[Device{7}] || a.Newest != c.At || a.Effective(Write{Dot: Dot{Log: l, Seq: 2}}).UntilMS != aTime {
		t.Error("what was said before is forgotten, or what is void is not")
	}
	// A new epoch counts the cluster's entries from where its backup ended.
	c = &Checkpoint{Scope: testScope, At: Cite{2, 2}, Prev: checkpointHash(c), TimeMS: aTime + 3, Heads: []Pin{{l, 4, Hash{4}}},
		Verdicts: []Verdict{{Dot: step, Ruling: Rejected, Index: 7}}}
	if err := a.Apply(c, checkpointHash(c)); err != nil {
		t.Errorf("a head that the restored hub holds less of: %v", err)
	}
	if head, ok := a.Head(l); !ok || head.Seq != 4 {
		t.Errorf("proved again: %v, %v", head, ok)
	}
	if a.Hides(Write{Dot: step}) != RejectedBy {
		t.Error("a verdict of the old epoch stands against the new one's, for its higher index")
	}
	if got := a.Committed(l); !slices.Equal(got, []Head{{3, Hash{3}}, {4, Hash{4}}}) || (*Authority)(nil).Committed(l) != nil {
		t.Errorf("committed %v", got)
	}
}

// What one restoration of a hub made void is still held after the next: it was said, and
// nothing else may be said in its place.
func TestVoidThroughTwoRestorations(t *testing.T) {
	floor := []Pos{{testLog(0), 1}}
	o := &office{t: t}
	first := o.sign(nil, false, aTime, nil)
	void := o.sign(first, false, aTime+1, func(c *Checkpoint) { c.Floor = floor })
	restored := o.sign(first, true, aTime+2, nil)
	void2 := o.sign(restored, false, aTime+3, nil)
	again := o.sign(restored, true, aTime+4, nil)
	for name, order := range map[string][]*Checkpoint{
		"as they were signed":     {first, void, restored, void2, again},
		"the first void one last": {first, restored, void2, again, void},
	} {
		a := fold(t, order...)
		for _, c := range order {
			if !a.Holds(c.At, checkpointHash(c)) {
				t.Errorf("%s: %v isn't held", name, c.At)
			}
		}
		if got := a.Passed(); !slices.Equal(got, floor) {
			t.Errorf("%s: the floor has passed %v; want %v", name, got, floor)
		}
		other := &Checkpoint{Scope: testScope, At: void.At, Prev: checkpointHash(first), TimeMS: aTime + 9}
		if err := a.Apply(other, checkpointHash(other)); !errors.Is(err, ErrTwoFaced) {
			t.Errorf("%s: another in the place of what is void: %v; want it refused", name, err)
		}
	}
}

// Applying a checkpoint to a clone leaves the other as it was.
func TestCloneOfAnAuthority(t *testing.T) {
	twice := func() *hub {
		h := newHub(t)
		for n := range 5 { // so that lists have room to grow in place
			h.next(aTime, func(c *Checkpoint) {
				seq := uint64(n + 1)
				c.Heads, c.Floor = []Pin{{testLog(0), seq, Hash{1}}}, []Pos{{testLog(n), 1}}
				witness(testLog(0), seq, aTime)(c)
				ruling(Dot{Log: testLog(0), Seq: 10 * seq}, Rejected)(c)
				cutting(Subject{Kind: SubjectOfficer, Officer: "B"})(c)
			})
		}
		return h
	}
	h, before := twice(), twice().authority
	clone := h.authority.Clone()
	h2 := &hub{t: t, authority: clone, epoch: 1}
	h2.next(aTime+1, func(c *Checkpoint) {
		c.Heads, c.Floor, c.Lapsed = []Pin{{testLog(0), 6, Hash{2}}}, []Pos{{testLog(0), 2}}, []Device{{1}}
		witness(testLog(0), 6, aTime)(c)
		ruling(Dot{Log: testLog(0), Seq: 4}, Rejected)(c)
		ruling(Dot{Log: testLog(0), Seq: 3}, Adopted)(c)
		cutting(Subject{Kind: SubjectOfficer, Officer: "A"})(c)
	})
	h.next(aTime+2, cutting(Subject{Kind: SubjectOfficer, Officer: "C"}))
	if len(clone.cuts) != 6 || clone.cuts[5].Subject.Officer != "A" || clone.Hash() == h.authority.Hash() {
		t.Errorf("the original's next checkpoint is in the clone: %+v", clone.cuts)
	}
	back := &hub{t: t, authority: before, epoch: 1}
	back.next(aTime+2, cutting(Subject{Kind: SubjectOfficer, Officer: "C"}))
	if !reflect.DeepEqual(before, h.authority) {
		t.Error("it changed")
	}
	if reflect.DeepEqual(clone, h.authority) {
		t.Error("the clone didn't")
	}
}

// A cite counts once it is held, and no later than before what covers the entry.
func TestTimeOfACite(t *testing.T) {
	h, l := newHub(t), testLog(3)
	for n := range int64(3) {
		h.next(aTime+n, func(c *Checkpoint) { c.At.Index = uint64(2 + 2*n) })
	}
	told := func(seq uint64, want map[Cite]int64) {
		t.Helper()
		for cite, want := range want {
			if got := h.authority.Effective(Write{Dot: Dot{Log: l, Seq: seq}, Stamp: StampAt(1), Cite: cite}).FromMS; got != want {
				t.Errorf("%v of entry %d is of %d; want %d", cite, seq, got-aTime, want-aTime)
			}
		}
	}
	told(1, map[Cite]int64{{1, 2}: aTime, {1, 4}: aTime + 1, {1, 3}: 0, {1, 7}: 0, {1, 9}: 0, {2, 0}: 0, {1, 1}: 0, {}: 0})
	h.next(aTime+9, func(c *Checkpoint) { c.At.Index, c.Heads = 7, []Pin{{l, 2, Hash{2}}} })
	h.next(aTime+9, func(c *Checkpoint) { c.At.Index = 8; witness(l, 3, aTime+9)(c) })
	for _, seq := range []uint64{1, 2} {
		told(seq, map[Cite]int64{{1, 2}: aTime, {1, 5}: aTime + 1, {1, 6}: aTime + 2, {1, 7}: aTime + 2, {1, 8}: aTime + 2, {9, 9}: aTime + 2, {1, 1}: 0, {}: 0})
	}
	told(3, map[Cite]int64{{1, 6}: aTime + 2, {1, 7}: aTime + 9, {1, 8}: aTime + 9, {9, 9}: aTime + 9})
	told(4, map[Cite]int64{{1, 8}: aTime + 9, {1, 9}: 0})
	clone := h.authority.Clone()
	h.next(aTime+10, witness(l, 4, aTime+10))
	if clone.coveredTo(l) != 3 || h.authority.coveredTo(l) != 4 {
		t.Errorf("covered up to %d, in the clone %d", h.authority.coveredTo(l), clone.coveredTo(l))
	}
	if _, ok := h.authority.Head(testLog(0)); ok {
		t.Error("a head of a log that was never named")
	}
	if _, ok := (*Authority)(nil).Head(testLog(0)); ok || (*Authority)(nil).Hash() != (Hash{}) {
		t.Error("a head by no one")
	}
	if _, ok := (*Authority)(nil).headAt(testLog(0), (*Authority)(nil).said(Cite{1, 2})); ok {
		t.Error("a head by no one")
	}
}

// The authority epoch is the newest that a cut began, and of two verdicts made at
// one index the later holds.
func TestEpochAndVerdictOfOneIndex(t *testing.T) {
	h, d := newHub(t), Dot{Log: testLog(0), Seq: 1}
	for _, epoch := range []uint64{3, 2} {
		h.next(aTime, func(c *Checkpoint) {
			c.Cuts = []Cut{{Subject: Subject{Kind: SubjectOfficer, Officer: "A"}, Epoch: epoch}}
		})
	}
	if h.authority.Epoch != 3 {
		t.Errorf("epoch %d", h.authority.Epoch)
	}
	h.next(aTime, func(c *Checkpoint) {
		c.Verdicts = []Verdict{{Dot: d, Ruling: Rejected, Index: 6}, {Dot: d, Ruling: Confirmed, Index: 6}}
	})
	if !h.authority.confirmed(d) {
		t.Error("the earlier holds")
	}
}

// Pins that an entry has, and logs that the checkpoint doesn't cover, stay as they
// are; the others are sorted in.
func TestComplete(t *testing.T) {
	h := newHub(t)
	a, b, c := testLog(0), testLog(1), testLog(2)
	at := h.next(aTime, func(cp *Checkpoint) { cp.Heads = []Pin{{a, 9, Hash{1}}, {b, 9, Hash{2}}, {c, 3, Hash{3}}} }).At
	e := &Entry{Log: testLog(3), Seq: 1, Cites: at, Pins: []Pin{{b, 4, Hash{7}}}, Ops: []Op{{Record: testRef, Over: []Pos{{a, 2}, {b, 4}, {c, 4}}}}}
	h.authority.Complete(e)
	if want := []Pin{{a, 9, Hash{1}}, {b, 4, Hash{7}}}; !slices.Equal(e.Pins, want) {
		t.Errorf("pins %v; want %v", e.Pins, want)
	}
	(*Authority)(nil).Complete(e)
}

// A checkpoint that flips a winner reaches the views as (before, after): Reach says
// which cells to look at, and every one that reads otherwise is among them.
func TestFlipsAreTold(t *testing.T) {
	reader, entries := siblings(t, "sớm", "muộn")
	b := entries[1]
	officer := Subject{Kind: SubjectOfficer, Officer: "A"}
	for name, x := range map[string]struct {
		fill  func(*Checkpoint)
		after []string
	}{
		"a witness":            {witness(b.Log, 1, aTime-day), []string{"sớm", "muộn"}},
		"a device's cut":       {cutting(Subject{Kind: SubjectDevice, Device: b.Log.Device}), []string{"sớm"}},
		"a device's cut later": {cutting(Subject{Kind: SubjectDevice, Device: b.Log.Device}, pinAt(reader, b.Log, 1)), []string{"muộn", "sớm"}},
		"an officer's cut":     {cutting(officer), nil},
		"a rejection":          {ruling(b.Dot(0), Rejected), []string{"sớm"}},
		"nothing":              {nil, []string{"muộn", "sớm"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t)
			h.next(aTime-day, nil)
			c := &Checkpoint{Scope: testScope, At: Cite{1, 2}, Prev: h.authority.Hash(), TimeMS: aTime}
			if x.fill != nil {
				x.fill(c)
			}
			reach := h.authority.Reach(c)
			before := reader.read(h.authority, LWW)
			if err := h.authority.Apply(c, checkpointHash(c)); err != nil {
				t.Fatal(err)
			}
			after := reader.read(h.authority, LWW)
			want(t, after, x.after...)
			if after.Differs(before) && !reach.Cell(reader.record.Cells[testField]) {
				t.Error("it reads otherwise, and is out of reach")
			}
			if !before.Differs(after) && x.fill == nil && reach.Cell(reader.record.Cells[testField]) {
				t.Error("nothing was said, and it is within reach")
			}
			if r := h.authority.Reach(c); !reflect.DeepEqual(r, Reach{}) {
				t.Errorf("a checkpoint that is held reaches %+v", r)
			}
		})
	}
}

func TestReach(t *testing.T) {
	l, m := testLog(0), testLog(1)
	h := newHub(t)
	h.next(aTime, witness(l, 3, aTime))
	next := func(c Checkpoint) *Checkpoint {
		c.Scope, c.At, c.Prev = testScope, Cite{1, 2}, h.authority.Hash()
		return &c
	}
	at := func(log LogID, seq uint64, stamp int64, over ...Pos) Cell {
		return Cell{Writes: []Write{{Dot: Dot{Log: log, Seq: seq}, Stamp: StampAt(stamp), Officer: "A"}}, Over: over}
	}
	for name, x := range map[string]struct {
		fill    func(*Checkpoint)
		in, out []Cell
	}{
		"witness": {witness(l, 5, aTime), []Cell{at(l, 4, 0), at(l, 5, 0), at(m, 1, 0, Pos{l, 9})}, []Cell{at(l, 3, 0), at(l, 6, 0), at(m, 4, 0)}},
		"cut of a log": {cutting(Subject{Kind: SubjectDevice, Device: l.Device}, Pin{l, 7, Hash{1}}),
			[]Cell{at(l, 8, 0), at(l, 1<<40, 0), at(m, 1, 0, Pos{l, 9})}, []Cell{at(m, 8, 0)}},
		"verdict":  {ruling(Dot{Log: l, Seq: 8}, Confirmed), []Cell{at(l, 8, 0), at(m, 1, 0, Pos{l, 9})}, []Cell{at(l, 9, 0), at(l, 7, 0), at(m, 1, 0, Pos{l, 7})}},
		"rejected": {ruling(Dot{Log: l, Seq: 8}, Rejected), []Cell{at(l, 8, 0), at(m, 1, 0, Pos{l, 9})}, []Cell{at(l, 7, 0), at(m, 1, 0, Pos{l, 7})}},
		"cited":    {nil, []Cell{{Writes: []Write{{Cite: Cite{1, 2}}}}}, []Cell{{Writes: []Write{{Cite: Cite{1, 1}}, {Cite: Cite{1, 3}}, {}}}}},
		"time": {func(c *Checkpoint) { c.TimeMS += day }, []Cell{at(m, 1, aTime+MaxClaimAhead+1), at(m, 1, aTime+MaxClaimAhead+day)},
			[]Cell{at(m, 1, aTime+MaxClaimAhead), at(m, 1, aTime+MaxClaimAhead+day+1)}},
		"a grant": {cutting(Subject{Kind: SubjectGrant, Officer: "A", From: 0, Until: 1}), []Cell{at(m, 8, 0)}, nil},
	} {
		c := next(Checkpoint{TimeMS: aTime})
		if x.fill != nil {
			x.fill(c)
		}
		r := h.authority.Reach(c)
		for _, cell := range x.in {
			if !r.Cell(cell) {
				t.Errorf("%s: %+v is out of reach of %+v", name, cell, r)
			}
		}
		for _, cell := range x.out {
			if r.Cell(cell) {
				t.Errorf("%s: %+v is within reach of %+v", name, cell, r)
			}
		}
	}
	// What waits for a log that is cut rests on it.
	waiting := Cell{Pending: []Claim{{Over: Pos{l, 1}}}}
	c := next(Checkpoint{TimeMS: aTime})
	cutting(Subject{Kind: SubjectDevice, Device: l.Device})(c)
	if r := h.authority.Reach(c); !r.Cell(waiting) || !r.Cell(at(m, 1, 0, Pos{l, 1})) || r.Cell(at(m, 1, 0, Pos{m, 1})) {
		t.Errorf("a log that isn't listed: %+v", r)
	}
	cutting(Subject{Kind: SubjectDevice, Device: m.Device}, Pin{m, 7, Hash{1}})(c)
	ruling(Dot{Log: l, Seq: 8}, Adopted)(c)
	want := []Range{{m, 8, end}, {l, 8, end}}
	if got := h.authority.Reach(c).Writes; !slices.Equal(got, want) {
		t.Errorf("ranges %v; want %v", got, want)
	}
	if r := (Reach{Writes: want}); !r.Cell(at(testLog(2), 1, 0, Pos{m, 8})) || r.Cell(at(testLog(2), 1, 0, Pos{m, 7})) {
		t.Error("what is superseded from the first entry on")
	}
	if got := h.authority.Reach(next(Checkpoint{TimeMS: aTime})).UnwitnessedMS; got != [2]int64{} {
		t.Errorf("no time has passed, and claims are reached: %v", got)
	}
	first := new(Authority).Reach(&Checkpoint{At: Cite{1, 1}, TimeMS: aTime})
	if first.UnwitnessedMS != [2]int64{aTime + MaxClaimAhead, maxMillis} || first.BeforeMS != aTime-MaxClaimBehind {
		t.Errorf("of the first checkpoint: %+v", first)
	}
	if old := aTime - MaxClaimBehind; !first.Cell(at(m, 1, old-1)) || first.Cell(at(m, 1, old)) {
		t.Error("a claim far before the first checkpoint")
	}
	r := h.authority.Reach(next(Checkpoint{Heads: []Pin{{l, 4, Hash{1}}, {m, 2, Hash{1}}}}))
	if !slices.Equal(r.Heads, []LogID{l, m}) || !slices.Equal(r.Writes, []Range{{l, 4, 4}, {m, 1, 2}}) {
		t.Errorf("heads: %v, which cover %v", r.Heads, r.Writes)
	}
}

func TestDiffers(t *testing.T) {
	r := Reading{Siblings: []Sibling{{Write: Write{Dot: Dot{Seq: 1}}}}}
	for name, change := range map[string]func(*Reading){
		"conflict":    func(r *Reading) { r.Conflict = true },
		"review":      func(r *Reading) { r.Review = true },
		"provisional": func(r *Reading) { r.Provisional = true },
		"none":        func(r *Reading) { r.Siblings = nil },
		"another":     func(r *Reading) { r.Siblings = []Sibling{{Write: Write{Dot: Dot{Seq: 2}}}} },
		"suspect":     func(r *Reading) { r.Siblings = slices.Clone(r.Siblings); r.Siblings[0].Time.Suspect = true },
		"rests":       func(r *Reading) { r.Siblings = slices.Clone(r.Siblings); r.Siblings[0].Rests = true },
	} {
		s := r
		change(&s)
		if !r.Differs(s) || r.Differs(r) || s.Differs(s) {
			t.Errorf("%s is not told apart", name)
		}
	}
}
