package crdt

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// shelf keeps entries as they were written, of all branches, and folds them into a
// record under their names.
type shelf struct {
	entries map[Hash]*Entry
	order   []Hash
	forks   Forks
}

func (s *shelf) add(entries ...*Entry) *shelf {
	if s.entries == nil {
		s.entries = map[Hash]*Entry{}
	}
	for _, e := range entries {
		hash := chainHash(e)
		if s.entries[hash] != nil {
			continue
		}
		s.entries[hash], s.order = e, append(s.order, hash)
		for other, o := range s.entries {
			if o.Log == e.Log && o.Seq == e.Seq && o.Prev == e.Prev && other != hash {
				s.forks.Add(e.Log, s.branch(other, o))
				s.forks.Add(e.Log, s.branch(hash, e))
			}
		}
	}
	s.adopt()
	return s
}

func (s *shelf) branch(hash Hash, e *Entry) Branch {
	from, _ := s.on(e.Log, e.Seq-1, e.Prev)
	return Branch{At: e.Seq, Hash: hash, Prev: e.Prev, From: from}
}

// adopt says anew which branch each one left: a fork may be met before the one
// that it lies behind.
func (s *shelf) adopt() {
	for log, branches := range s.forks.branches {
		for _, b := range slices.Clone(branches) {
			s.forks.Add(log, s.branch(b.Hash, s.entries[b.Hash]))
		}
	}
}

// on goes back from an entry to the branch on which it lies.
func (s *shelf) on(l LogID, _ uint64, hash Hash) (Hash, bool) {
	_, held := s.entries[hash]
	for e := s.entries[hash]; e != nil; hash, e = e.Prev, s.entries[e.Prev] {
		if slices.ContainsFunc(s.forks.branches[l], func(b Branch) bool { return b.Hash == hash }) {
			return hash, held
		}
	}
	return Hash{}, held
}

// fold gives the record, and the entries under their names by hash as written.
func (s *shelf) fold() (*Record, map[Hash]*Entry) {
	named, at := map[Hash]*Entry{}, map[Pos]Hash{}
	for hash, e := range s.entries {
		branch, _ := s.on(e.Log, e.Seq, hash)
		named[hash] = s.forks.Resolve(e, branch, s.on)
		at[named[hash].Pos()] = hash
	}
	held := func(l LogID, seq uint64) (Hash, bool) {
		hash, ok := at[Pos{l, seq}]
		return hash, ok
	}
	r := NewRecord(testScope, "things", testRef)
	for _, hash := range s.order {
		r.Apply(named[hash], 0, held)
	}
	return r, named
}

func (s *shelf) texts() []string {
	r, _ := s.fold()
	texts := Reader{}.Cell(r.Cells[testField], LWW).texts()
	slices.Sort(texts)
	return texts
}

// back is a desk as it was when it had written n entries: its disk was restored,
// and it doesn't know.
func (d *desk) back(n int) *desk {
	b := newDesk(d.t, 0, d.officer)
	b.log = d.log
	b.receive(d.held[d.log][:n]...)
	return b
}

// A restored disk that goes on under its old name forks its log. Both branches
// stay, and what others built on each replaces what lies on that branch alone.
func TestForkKeepsBothBranches(t *testing.T) {
	a, b, c := newDesk(t, 0, "A"), newDesk(t, 1, "B"), newDesk(t, 2, "C")
	one := a.write(aTime, "một")
	twin := a.back(1)
	two, twoToo := a.write(aTime+1, "hai"), twin.write(aTime+2, "hai'")
	b.receive(one, two)
	onTwo := b.write(aTime+3, "b")
	c.receive(one, twoToo)

	s := new(shelf).add(one, two, twoToo)
	if got := s.texts(); !slices.Equal(got, []string{"hai", "hai'"}) {
		t.Fatalf("two branches: %q", got)
	}
	s.add(onTwo)
	if got := s.texts(); !slices.Equal(got, []string{"b", "hai'"}) {
		t.Fatalf("one built upon: %q", got)
	}
	s.add(c.write(aTime+4, "c"), twin.write(aTime+5, "ba'"))
	if got := s.texts(); !slices.Equal(got, []string{"b", "ba'", "c"}) {
		t.Fatalf("both built upon: %q", got)
	}
	if !s.forks.Forked(a.log) || s.forks.Forked(b.log) {
		t.Error("the wrong log is forked")
	}

	// Whoever keeps the name, the same stands; the names change.
	first, second := chainHash(two), chainHash(twoToo)
	if string(second[:]) < string(first[:]) {
		first, second = second, first
	}
	check := func(keeper, other Hash) {
		t.Helper()
		if got := s.texts(); !slices.Equal(got, []string{"b", "ba'", "c"}) {
			t.Errorf("%q", got)
		}
		_, named := s.fold()
		if named[keeper].Log != a.log || named[other].Log != BranchName(a.log, other) || named[chainHash(one)].Log != a.log {
			t.Errorf("names: %v, %v", named[keeper].Log, named[other].Log)
		}
	}
	check(first, second) // the smaller hash, until the hub says
	s.forks.Settle(a.log, second)
	check(second, first)
	s.forks.Settle(b.log, Hash{9}) // of a branch that isn't known
	check(second, first)
}

// Attack 6: a fork below the cut. The cut lists the branch that the hub has; the
// other one's name is a log that no cut lists, so all of it is hidden.
func TestForkBelowTheCut(t *testing.T) {
	a := newDesk(t, 0, "A")
	one := a.write(aTime, "một")
	twin := a.back(1)
	two, evil := a.write(aTime+1, "hai"), twin.write(aTime+2, "trộm")
	s := new(shelf).add(one, evil, two)
	h := newHub(t)
	h.next(aTime, func(c *Checkpoint) {
		c.Heads = []Pin{pinAt(a, a.log, 2)}
		cutting(Subject{Kind: SubjectDevice, Device: a.log.Device}, pinAt(a, a.log, 2))(c)
	})
	head, _ := h.authority.Head(a.log)
	branch, _ := s.on(a.log, head.Seq, head.Hash)
	s.forks.Settle(a.log, branch)
	r, named := s.fold()
	want(t, Reader{Authority: h.authority}.Cell(r.Cells[testField], LWW), "hai")
	if _, cut := h.authority.Cut(named[chainHash(evil)].Log); !cut {
		t.Error("the branch below the cut isn't cut")
	}
}

// Nobody can open a log under a branch's name: a branch's class is none.
func TestBranchNameIsNoLogs(t *testing.T) {
	a := newDesk(t, 0, "A")
	e := a.write(aTime, "một")
	e.Log = BranchName(a.log, chainHash(e))
	if err := e.Validate(); err == nil {
		t.Error("an entry was written under a branch's name, and was accepted")
	}
	for class := range ClassBulk + 1 {
		e.Log.Class = class
		if err := e.Validate(); err != nil {
			t.Errorf("class %d: %v", class, err)
		}
	}
}

// A record that was created on a branch is the branch's, though both creations have
// one dot as they were written.
func TestRecordsOfTwoBranchesAreTwo(t *testing.T) {
	l := testLog(0)
	e := &Entry{Log: l, Seq: 1, Pack: Pack{ID: "test"}, Ops: []Op{{Collection: "things", Record: Ref{Dot: Dot{Log: l, Seq: 1}}, Value: []byte{True}}}}
	other := *e
	other.Officer = "khác"
	s := new(shelf).add(e, &other)
	_, named := s.fold()
	x, y := named[chainHash(e)], named[chainHash(&other)]
	if x.Ops[0].Record.ID() == y.Ops[0].Record.ID() {
		t.Error("one id")
	}
	for _, n := range []*Entry{x, y} {
		if n.Ops[0].Record.Dot.Log != n.Log {
			t.Errorf("created in %v by an entry of %v", n.Ops[0].Record.Dot.Log, n.Log)
		}
	}
}

// An entry of a record by key names its existence on the branch that it saw.
func TestMadeIsResolved(t *testing.T) {
	a := newDesk(t, 0, "A")
	a.save(aTime, a.record.Create(nil))
	twin := newDesk(t, 0, "B")
	twin.save(aTime, twin.record.Create(nil))
	b, c := newDesk(t, 1, "B"), newDesk(t, 2, "C")
	b.receive(a.entries()...)
	c.receive(twin.entries()...)
	x, y := b.write(aTime, "b"), c.write(aTime, "c")
	s := new(shelf).add(a.entries()[0], twin.entries()[0], x, y)
	_, named := s.fold()
	for saw, e := range map[*Entry]*Entry{a.entries()[0]: x, twin.entries()[0]: y} {
		if got, want := named[chainHash(e)].Ops[0].Made, named[chainHash(saw)].Pos(); got != want {
			t.Errorf("made %v; want %v", got, want)
		}
	}
}

// Forks within forks: of three histories of one name, two part again. The names of
// the inner branches are the same whichever fork is met first.
func TestForksWithinForks(t *testing.T) {
	l := testLog(0)
	outer, other := Branch{At: 2, Hash: Hash{9}, Prev: Hash{1}}, Branch{At: 2, Hash: Hash{5}, Prev: Hash{1}}
	inner, twin := Branch{At: 4, Hash: Hash{8}, Prev: Hash{2}, From: Hash{9}}, Branch{At: 4, Hash: Hash{7}, Prev: Hash{2}, From: Hash{9}}
	// The same seq on the other branch, but not the same fork.
	far := Branch{At: 4, Hash: Hash{3}, Prev: Hash{6}, From: Hash{5}}
	late := func(b Branch) Branch { b.From = Hash{}; return b } // as it was met, before the outer fork was
	for name, order := range map[string][]Branch{
		"outer first": {outer, other, inner, twin, far},
		"inner first": {late(inner), late(twin), far, outer, other, inner, twin},
	} {
		var f Forks
		for _, b := range order {
			f.Add(l, b)
		}
		for _, x := range []struct {
			branch Hash
			seq    uint64
			want   LogID
		}{
			{Hash{}, 1, l}, {outer.Hash, 1, l}, {outer.Hash, 2, BranchName(l, outer.Hash)}, {other.Hash, 2, l},
			{twin.Hash, 4, BranchName(l, outer.Hash)}, {inner.Hash, 3, BranchName(l, outer.Hash)},
			{inner.Hash, 4, BranchName(l, inner.Hash)}, {far.Hash, 9, l},
		} {
			if got := f.Name(l, x.branch, x.seq); got != x.want {
				t.Errorf("%s: branch %v at %d is %v; want %v", name, x.branch[0], x.seq, got, x.want)
			}
		}
		parts := f.parts(l, inner.Hash, Head{Seq: 9, Hash: Hash{99}})
		if want := []Pin{{l, 1, Hash{1}}, {BranchName(l, outer.Hash), 3, Hash{2}}, {BranchName(l, inner.Hash), 9, Hash{99}}}; !slices.Equal(parts, want) {
			t.Errorf("%s: parts %v; want %v", name, parts, want)
		}
		f.Settle(l, inner.Hash)
		if got := f.Name(l, inner.Hash, 4); got != l {
			t.Errorf("%s: settled, and named %v", name, got)
		}
		if got := f.Name(l, other.Hash, 2); got != BranchName(l, other.Hash) {
			t.Errorf("%s: it lost, and is named %v", name, got)
		}
	}
	var f Forks // two forked logs of one device
	m := l
	m.Class = ClassBulk
	for _, x := range []LogID{l, m} {
		f.Add(x, Branch{At: 1, Hash: Hash{byte(x.Class), 1}})
		f.Add(x, Branch{At: 1, Hash: Hash{byte(x.Class), 2}})
	}
	for _, x := range []LogID{l, m} {
		if got := f.origin(BranchName(x, Hash{byte(x.Class), 2})); got != x {
			t.Errorf("a branch of %v was written as %v", x, got)
		}
	}
	if plain := testLog(5); f.origin(plain) != plain {
		t.Error("a plain log is a branch")
	}
	if BranchName(l, Hash{1}).Incarnation == BranchName(l, Hash{2}).Incarnation || (&Forks{}).Forked(l) {
		t.Error("two branches of one name")
	}
}

// Who keeps the name is the same whether the checkpoint came before the fork was
// met or after, and before or after a fork that lies below it.
func TestSettledInAnyOrder(t *testing.T) {
	l := testLog(0)
	outer, other := Branch{At: 2, Hash: Hash{3}, Prev: Hash{1}}, Branch{At: 2, Hash: Hash{2}, Prev: Hash{1}}
	inner, far := Branch{At: 4, Hash: Hash{7}, Prev: Hash{5}}, Branch{At: 4, Hash: Hash{6}, Prev: Hash{5}}
	under := func(b Branch) Branch { b.From = outer.Hash; return b }
	acts := map[string]func(f *Forks){
		"settle": func(f *Forks) { f.Settle(l, inner.Hash) },
		"below":  func(f *Forks) { f.Add(l, outer); f.Add(l, other) },
		"above":  func(f *Forks) { f.Add(l, inner); f.Add(l, far) },
	}
	for _, order := range [][]string{
		{"settle", "below", "above"}, {"settle", "above", "below"}, {"below", "settle", "above"},
		{"above", "settle", "below"}, {"below", "above", "settle"}, {"above", "below", "settle"},
	} {
		var f Forks
		for _, act := range order {
			acts[act](&f)
		}
		f.Add(l, under(inner)) // as Add is told anew once both are known
		f.Add(l, under(far))
		for branch, want := range map[Hash]LogID{inner.Hash: l, far.Hash: BranchName(l, far.Hash), other.Hash: BranchName(l, other.Hash)} {
			if got := f.Name(l, branch, 4); got != want {
				t.Errorf("%v: branch %v is %v; want %v", order, branch[0], got, want)
			}
		}
		f.Settle(l, other.Hash) // two-faced: still only one has the name
		if a, b := f.Name(l, inner.Hash, 4), f.Name(l, other.Hash, 4); a == b {
			t.Errorf("%v: two branches have the name %v", order, a)
		}
		f.Unsettle() // the hub was restored, and has committed the other
		f.Settle(l, other.Hash)
		if got := f.Name(l, other.Hash, 2); got != l {
			t.Errorf("%v: settled anew the branch is %v", order, got)
		}
	}
}

// writer is one history of a device: forked devices have several.
type writer struct{ *desk }

// Random trees of forks of two devices that read each other: every entry has its
// own name, whichever branch keeps the log's, and what stands is what no one that
// had seen it has replaced.
func TestForksByTheWholeHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, seen := new(shelf), map[Hash]map[Hash]bool{}
		writers := []*writer{{newDesk(t, 0, "A")}, {newDesk(t, 1, "B")}}
		for n := range rapid.IntRange(1, 12).Draw(t, "steps") {
			w := writers[rapid.IntRange(0, len(writers)-1).Draw(t, "writer")]
			switch rapid.IntRange(0, 3).Draw(t, "deed") {
			case 0: // its disk is restored, to where it was before, and both go on
				if own := len(w.held[w.log]); own > 0 && len(writers) < 6 {
					twin := &writer{newDesk(t, int(w.log.Device[0])-1, w.officer)}
					keep := rapid.IntRange(0, own-1).Draw(t, "keep")
					twin.receive(w.held[w.log][:keep]...)
					twin.officer = fmt.Sprint(len(writers))
					writers = append(writers, twin)
				}
			case 1: // reads a branch of the other's, as far as it follows what it has
				from := writers[rapid.IntRange(0, len(writers)-1).Draw(t, "from")]
				have, theirs := w.held[from.log], from.held[from.log]
				if from.log != w.log && len(theirs) > len(have) && (len(have) == 0 || slices.Equal(have, theirs[:len(have)])) {
					w.receive(theirs[len(have)])
				}
			default:
				known := map[Hash]bool{}
				for _, e := range w.entries() {
					known[chainHash(e)] = true
				}
				e := w.write(aTime+int64(n), fmt.Sprint(n))
				seen[chainHash(e)] = known
				s.add(e)
			}
		}
		var want []string
		for hash, e := range s.entries {
			if !slices.ContainsFunc(s.order, func(h Hash) bool { return seen[h][hash] }) {
				want = append(want, string(e.Ops[0].Value[2:]))
			}
		}
		slices.Sort(want)
		settle := rapid.Bool().Draw(t, "settle")
		if settle && len(s.order) > 0 {
			e := s.entries[s.order[rapid.IntRange(0, len(s.order)-1).Draw(t, "committed")]]
			branch, _ := s.on(e.Log, e.Seq, chainHash(e))
			s.forks.Settle(e.Log, branch)
		}
		if got := s.texts(); !slices.Equal(got, want) {
			t.Fatalf("%q stand; the history says %q", got, want)
		}
		_, named := s.fold()
		places := map[Pos]bool{}
		for _, e := range named {
			if places[e.Pos()] {
				t.Fatalf("two entries at %v", e.Pos())
			}
			places[e.Pos()] = true
		}
	})
}

// Who knows the fork names a branch by its own name. When the hub then gives that
// branch the log's name, the entry still means the same.
func TestBranchNamedByItsOwnName(t *testing.T) {
	a := newDesk(t, 0, "A")
	one := a.write(aTime, "một")
	twin := a.back(1)
	two, twoToo := a.write(aTime+1, "hai"), twin.write(aTime+2, "hai'")
	s := new(shelf).add(one, two, twoToo)
	keeper, other := chainHash(two), chainHash(twoToo)
	if !s.forks.keeps(a.log, s.branch(keeper, two)) {
		keeper, other = other, keeper
	}
	b := newDesk(t, 1, "B")
	e := &Entry{
		Log: b.log, Seq: 1, Stamp: StampAt(aTime + 3), Pack: Pack{ID: "test"},
		Pins: []Pin{{a.log, 2, keeper}, {BranchName(a.log, other), 2, other}},
		Ops: []Op{{Collection: "things", Record: testRef, Field: testField, Value: cborText("b"),
			Over: []Pos{{a.log, 2}, {BranchName(a.log, other), 2}}}},
	}
	slices.SortFunc(e.Pins, func(a, b Pin) int { return a.Log.Compare(b.Log) })
	slices.SortFunc(e.Ops[0].Over, func(a, b Pos) int { return a.Log.Compare(b.Log) })
	if err := e.Validate(); err != nil {
		t.Fatal(err)
	}
	s.add(e)
	for _, committed := range []Hash{{}, keeper, other} {
		s.forks.settled = map[LogID]map[Hash]bool{}
		s.forks.Settle(a.log, committed)
		if got := s.texts(); !slices.Equal(got, []string{"b"}) {
			t.Errorf("%q stand beside what has replaced both", got)
		}
		_, named := s.fold()
		for _, n := range named {
			n := *n
			n.Log.Class &^= ClassBranch // which no entry is written under
			if err := n.Validate(); err != nil {
				t.Errorf("under its names: %v", err)
			}
		}
	}
}
