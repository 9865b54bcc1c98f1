package crdt

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const testScope = Scope("c/03646")

func testLog(i int) LogID {
	return LogID{Device: Device{byte(i + 1)}, Incarnation: Incarnation{1}, Scope: testScope, Class: ClassRecords}
}

// trusting holds whatever is named.
func trusting(LogID, uint64) (Hash, bool) { return Hash{}, true }

var testRef = RefByKey(testScope, "things", "1")

// replica is a writer of one log that reads those of the others.
type replica struct {
	log    LogID
	clock  Clock
	record *Record
	seq    uint64
	have   map[LogID]int // how many entries of each log have arrived
}

func newReplica(i int) *replica {
	return &replica{log: testLog(i), record: NewRecord(testScope, "things", testRef), have: map[LogID]int{}}
}

// write makes an entry on one field that supersedes what a reader who has seen
// only `seen` knew.
func (r *replica) write(field uint32, value byte, now int64, seen []Pos) *Entry {
	over := r.record.Cells[field].Seen(seen)
	r.seq++
	e := &Entry{
		Log: r.log, Seq: r.seq, Stamp: r.clock.Next(now), Pack: Pack{ID: "test", Version: 1},
		Ops: []Op{{Collection: "things", Record: testRef, Field: field, Value: []byte{value}, Over: over}},
	}
	if r.seq > 1 {
		e.Prev = Hash{1}
	}
	r.receive(e)
	return e
}

func (r *replica) receive(e *Entry) {
	for i := range e.Ops {
		r.record.Apply(e, i, trusting)
	}
	r.have[e.Log]++
	r.clock.Absorb(e.Stamp, e.Stamp.Millis())
}

// standing is the specification, from the whole history at once: a write stands
// unless some operation on its cell names its log at or past its seq.
func standing(history []*Entry, field uint32) []Dot {
	var dots []Dot
	for _, e := range history {
		if e.Ops[0].Field == field && !slices.ContainsFunc(history, func(f *Entry) bool {
			return f.Ops[0].Field == field && slices.ContainsFunc(f.Ops[0].Over, func(p Pos) bool {
				return p.Log == e.Log && p.Seq >= e.Seq
			})
		}) {
			dots = append(dots, e.Dot(0))
		}
	}
	slices.SortFunc(dots, Dot.Compare)
	return dots
}

func dotsOf(c Cell) []Dot {
	var dots []Dot
	for _, w := range c.Writes {
		dots = append(dots, w.Dot)
	}
	slices.SortFunc(dots, Dot.Compare)
	return dots
}

// Three replicas write, and read each other's logs in any interleaving, with
// anything delivered twice. When all has arrived everywhere, all hold the same
// record, and it is what the specification says.
func TestMergeIsWhatTheHistorySays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		replicas := []*replica{newReplica(0), newReplica(1), newReplica(2)}
		logs := map[LogID][]*Entry{}
		var history []*Entry
		for step := range rapid.IntRange(1, 30).Draw(t, "steps") {
			r := replicas[rapid.IntRange(0, 2).Draw(t, "replica")]
			if rapid.Bool().Draw(t, "write") {
				field := rapid.Uint32Range(1, 2).Draw(t, "field")
				var seen []Pos
				if rapid.IntRange(0, 3).Draw(t, "stale") == 0 {
					seen = staleView(t, r)
				}
				now := rapid.Int64Range(0, 5).Draw(t, "now")
				e := r.write(field, byte(step%20), now, seen)
				if err := e.Validate(); err != nil {
					t.Fatal(err)
				}
				logs[r.log] = append(logs[r.log], e)
				history = append(history, e)
				continue
			}
			from := testLog(rapid.IntRange(0, 2).Draw(t, "from"))
			deliver(r, logs[from], from, rapid.IntRange(0, 3).Draw(t, "count"))
		}
		for _, r := range replicas {
			for log, entries := range logs {
				deliver(r, entries, log, len(entries))
			}
		}
		for field := uint32(1); field <= 2; field++ {
			want := standing(history, field)
			for i, r := range replicas {
				if got := dotsOf(r.record.Cells[field]); !slices.Equal(got, want) {
					t.Fatalf("replica %d field %d: %v stand; the history says %v", i, field, got, want)
				}
			}
		}
		for i, r := range replicas[1:] {
			if !reflect.DeepEqual(r.record.Cells, replicas[0].record.Cells) {
				t.Fatalf("replica %d differs from replica 0:\n%v\n%v", i+1, r.record.Cells, replicas[0].record.Cells)
			}
		}
	})
}

// staleView is a version of the record before some of what the replica holds.
func staleView(t *rapid.T, r *replica) []Pos {
	seen := slices.Clone(r.record.Known())
	for i := range seen {
		seen[i].Seq -= min(seen[i].Seq-1, rapid.Uint64Range(0, 2).Draw(t, "unseen"))
	}
	if seen == nil {
		return []Pos{}
	}
	return seen
}

// deliver brings the next n entries of a log, and the last one again.
func deliver(r *replica, log []*Entry, id LogID, n int) {
	if id == r.log {
		return
	}
	at := r.have[id]
	for _, e := range log[at:min(at+n, len(log))] {
		r.receive(e)
		r.record.Apply(e, 0, trusting)
	}
}

func TestPreferredIsNewestThenLargerLog(t *testing.T) {
	a, b := newReplica(0), newReplica(1)
	first, second := a.write(1, 1, 10, nil), b.write(1, 2, 20, nil)
	a.receive(second)
	if w := a.record.Cells[1].Writes; w[0].Dot != second.Dot(0) || w[1].Dot != first.Dot(0) {
		t.Errorf("shown %v; want the newer", w[0].Dot)
	}
	c, d := newReplica(0), newReplica(1)
	c.write(1, 1, 10, nil)
	equal := d.write(1, 2, 10, nil)
	c.receive(equal)
	if w := c.record.Cells[1].Writes; w[0].Dot != equal.Dot(0) {
		t.Errorf("shown %v at equal stamps; want the larger log's", w[0].Dot)
	}
}

func TestEqualValuesAreNoConflict(t *testing.T) {
	a, b := newReplica(0), newReplica(1)
	a.write(1, 7, 10, nil)
	a.receive(b.write(1, 7, 20, nil))
	if c := a.record.Cells[1]; len(c.Writes) != 2 || c.Conflict() {
		t.Errorf("two equal writes: %d stand, conflict %v", len(c.Writes), c.Conflict())
	}
	a.receive(b.write(1, 8, 30, nil))
	if !a.record.Cells[1].Conflict() {
		t.Error("different values and no conflict")
	}
}

func TestClockNeverGoesBackNorFarAhead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c Clock
		best, given := int64(0), Stamp(0)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now := rapid.Int64Range(-5, 1<<49).Draw(t, "now")
			before := c.Last
			if rapid.Bool().Draw(t, "absorb") {
				foreign := Stamp(rapid.Uint64().Draw(t, "foreign"))
				best = max(best, now)
				c.Absorb(foreign, now)
				if bound := best + MaxAhead.Milliseconds(); c.Last.Millis() > max(bound, given.Millis()+1) || c.Last < before {
					t.Fatalf("absorbed %v at best %d: %v after %v", foreign, best, c.Last, before)
				}
				continue
			}
			best = max(best, now)
			given = c.Next(now)
			if given <= before && before != 1<<64-1 {
				t.Fatalf("stamp %v after %v", given, before)
			}
		}
	})
}

func TestValidateRefuses(t *testing.T) {
	foreign := LogID{Device: Device{9}, Scope: "c/00004", Class: ClassRecords}
	good := func() *Entry {
		return &Entry{Log: testLog(0), Seq: 2, Prev: Hash{1}, Pack: Pack{ID: "test"}, Ops: []Op{{
			Collection: "things", Record: testRef, Field: 1, Kind: Assign, Value: []byte{1}, Over: []Pos{{testLog(0), 1}, {testLog(1), 4}},
		}}}
	}
	if err := good().Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Entry){
		"seq 0":                     func(e *Entry) { e.Seq = 0 },
		"a first entry with a past": func(e *Entry) { e.Seq = 1; e.Ops[0].Over = nil },
		"a later entry without one": func(e *Entry) { e.Prev = Hash{} },
		"no scope":                  func(e *Entry) { e.Log.Scope = "" },
		"a scope too long": func(e *Entry) {
			e.Log.Scope = Scope(strings.Repeat("s", MaxScope+1))
			e.Ops[0].Record, e.Ops[0].Over = RefByKey(e.Log.Scope, "things", "1"), nil
		},
		"too many operations": func(e *Entry) {
			for i := range MaxOps {
				second(e)
				e.Ops[i+1].Field = uint32(i + 2)
			}
		},
		"no operations":              func(e *Entry) { e.Ops = nil },
		"one cell twice":             func(e *Entry) { e.Ops = append(e.Ops, e.Ops[0]) },
		"a class that is none":       func(e *Entry) { e.Log.Class = ClassBulk + 1 },
		"a branch's name":            func(e *Entry) { e.Log = BranchName(e.Log, Hash{1}) },
		"no value":                   func(e *Entry) { e.Ops[0].Value = nil },
		"no collection":              func(e *Entry) { e.Ops[0].Collection = "" },
		"unsorted":                   func(e *Entry) { slices.Reverse(e.Ops[0].Over) },
		"one log twice":              func(e *Entry) { e.Ops[0].Over = []Pos{{testLog(1), 4}, {testLog(1), 5}} },
		"seq 0 superseded":           func(e *Entry) { e.Ops[0].Over[1].Seq = 0 },
		"its own future":             func(e *Entry) { e.Ops[0].Over[0].Seq = 2 },
		"another scope's write":      func(e *Entry) { e.Ops[0].Over = []Pos{{foreign, 1}} },
		"another scope's record":     func(e *Entry) { e.Ops[0].Record = Ref{Dot: Dot{Log: foreign, Seq: 1}} },
		"a record named in two ways": func(e *Entry) { e.Ops[0].Record.Dot = Dot{Log: testLog(0), Seq: 1} },
		"an officer's name too long": func(e *Entry) { e.Officer = fmt.Sprintf("%65d", 1) },
		"too many records": func(e *Entry) {
			for i := range MaxRecords {
				op := e.Ops[0]
				op.Record = RefByKey(testScope, "things", fmt.Sprint("other", i))
				e.Ops = append(e.Ops, op)
			}
		},
		"a set without an element":  func(e *Entry) { e.Ops[0].Kind, e.Ops[0].Value = Set, []byte{True} },
		"an assign with an element": func(e *Entry) { e.Ops[0].Elem = []byte{1} },
		"a set of neither":          func(e *Entry) { e.Ops[0].Kind, e.Ops[0].Elem = Set, []byte{1} },
		"an element too long":       func(e *Entry) { setOp(e, make([]byte, MaxElem+1)) },
		"another merge kind":        func(e *Entry) { e.Ops[0].Kind = 2 },
		"existence as a set":        func(e *Entry) { setOp(e, []byte{1}); e.Ops[0].Field = FieldExistence },
		"existence of neither":      func(e *Entry) { e.Ops[0].Field = FieldExistence },
		"same-as as an assign":      func(e *Entry) { e.Ops[0].Field = SameAs },
		"same as no record":         func(e *Entry) { setOp(e, []byte{1}); e.Ops[0].Field = SameAs },
		"made in another scope":     func(e *Entry) { e.Ops[0].Made = Pos{foreign, 1} },
		"made at seq 0":             func(e *Entry) { e.Ops[0].Made = Pos{testLog(1), 0} },
		"made in its own future":    func(e *Entry) { e.Ops[0].Made = Pos{testLog(0), 2} },
		"made, and named by a dot": func(e *Entry) {
			e.Ops[0].Record = Ref{Dot: Dot{Log: testLog(0), Seq: 1}}
			e.Ops[0].Made = Pos{testLog(0), 1}
		},
		"a pin of its own log":         func(e *Entry) { e.Pins = []Pin{{testLog(0), 1, Hash{1}}} },
		"a pin of a log not named":     func(e *Entry) { e.Pins = []Pin{{testLog(2), 1, Hash{1}}} },
		"a pin at another seq":         func(e *Entry) { e.Pins = []Pin{{testLog(1), 5, Hash{1}}} },
		"a pin without a hash":         func(e *Entry) { e.Pins = []Pin{{testLog(1), 4, Hash{}}} },
		"one pin twice":                func(e *Entry) { e.Pins = []Pin{{testLog(1), 4, Hash{1}}, {testLog(1), 4, Hash{1}}} },
		"too many pins":                func(e *Entry) { e.Pins = make([]Pin, MaxPins+1) },
		"erased, and there":            func(e *Entry) { e.Ops[0].Erased = Hash{1} },
		"erased, and its key there":    func(e *Entry) { erase(e); e.Key = Key{1} },
		"erased, with a key":           func(e *Entry) { erase(e); e.Ops[0].Key = Key{1} },
		"a key beside nothing erased":  func(e *Entry) { e.Ops[0].Key = Key{1} },
		"no key beside what is erased": func(e *Entry) { second(e); erase(e) },
		"a name that is no name":       func(e *Entry) { e.Ops[0].Collection = "Hồ sơ" },
		"too much superseded at once":  func(e *Entry) { e.Ops[0].Over = make([]Pos, MaxOver+1) },
	} {
		t.Run(name, func(t *testing.T) {
			e := good()
			spoil(e)
			if err := e.Validate(); err == nil {
				t.Error("accepted")
			}
		})
	}
}

// Whoever hands on an erased form, without an act of erasure, takes nothing away:
// the whole form stays, whichever of the two came first.
func TestWholeFormStays(t *testing.T) {
	a, b := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	for name, op := range map[string]Op{
		"assign": b.record.Assign(testField, cborText("tên"), nil), "set": b.record.Put(testSet, testElem, true, nil),
		"existence": b.record.Create(nil),
	} {
		whole := &Entry{Log: a.log, Seq: 1, Stamp: StampAt(aTime), Ops: []Op{op}}
		gone := *whole
		gone.Ops = []Op{op}
		gone.Ops[0].Elem, gone.Ops[0].Value, gone.Ops[0].Erased = nil, nil, Hash{1}
		only := NewRecord(testScope, "things", testRef)
		only.Apply(whole, 0, trusting)
		for _, order := range [][]*Entry{{whole, &gone}, {&gone, whole}} {
			r := NewRecord(testScope, "things", testRef)
			for _, e := range order {
				r.Apply(e, 0, trusting)
			}
			if !sameRecord(r, only) {
				t.Errorf("%s\n%v\nwant\n%v", name, dump(r), dump(only))
			}
		}
	}
}

func setOp(e *Entry, elem []byte) {
	e.Ops[0].Kind, e.Ops[0].Elem, e.Ops[0].Value = Set, elem, []byte{True}
}

func erase(e *Entry) { e.Ops[0].Value, e.Ops[0].Erased = nil, Hash{1} }

func second(e *Entry) {
	op := e.Ops[0]
	op.Field = 2
	e.Ops = append(e.Ops, op)
}

func TestValidateAccepts(t *testing.T) {
	other := RefByKey(testScope, "things", "2").ID()
	for name, shape := range map[string]func(*Entry){
		"a set":               func(e *Entry) { setOp(e, []byte{1}) },
		"two elements":        func(e *Entry) { setOp(e, []byte{1}); second(e); e.Ops[1].Field, e.Ops[1].Elem = 1, []byte{2} },
		"the longest element": func(e *Entry) { setOp(e, make([]byte, MaxElem)) },
		"a deletion":          func(e *Entry) { e.Ops[0].Field, e.Ops[0].Value = FieldExistence, []byte{False} },
		"same as":             func(e *Entry) { setOp(e, SameAsElem(other)); e.Ops[0].Field = SameAs },
		"made before":         func(e *Entry) { e.Ops[0].Made = Pos{testLog(0), 1} },
		"made elsewhere": func(e *Entry) {
			e.Ops[0].Made = Pos{testLog(2), 7}
			e.Pins = []Pin{{testLog(1), 4, Hash{1}}, {testLog(2), 7, Hash{2}}}
		},
		"pinned":                func(e *Entry) { e.Pins = []Pin{{testLog(1), 4, Hash{1}}} },
		"erased":                erase,
		"erased beside another": func(e *Entry) { second(e); erase(e); e.Ops[1].Key = Key{1} },
		"erased twice":          func(e *Entry) { second(e); e.Ops[1] = e.Ops[0]; erase(e); e.Ops[1] = e.Ops[0] },
		"with a key":            func(e *Entry) { e.Key = Key{1} },
		"the longest scope": func(e *Entry) {
			e.Log.Scope = Scope(strings.Repeat("s", MaxScope))
			e.Ops[0].Record, e.Ops[0].Over = RefByKey(e.Log.Scope, "things", "1"), nil
		},
		"the most operations": func(e *Entry) {
			for i := range MaxOps - 1 {
				second(e)
				e.Ops[i+1].Field = uint32(i + 2)
			}
		},
		"the most records": func(e *Entry) {
			for i := range MaxRecords - 1 {
				second(e)
				e.Ops[i+1].Record = RefByKey(testScope, "things", fmt.Sprint("r", i))
			}
		},
		"the most superseded": func(e *Entry) {
			e.Ops[0].Over = nil
			for i := range MaxOver {
				e.Ops[0].Over = append(e.Ops[0].Over, Pos{LogID{Device: Device{byte(i)}, Scope: testScope}, 1})
			}
		},
		"the longest officer": func(e *Entry) { e.Officer = fmt.Sprintf("%64d", 1) },
	} {
		e := &Entry{Log: testLog(0), Seq: 2, Prev: Hash{1}, Pack: Pack{ID: "test"}, Ops: []Op{{
			Collection: "things", Record: testRef, Field: 1, Value: []byte{1}, Over: []Pos{{testLog(0), 1}, {testLog(1), 4}},
		}}}
		shape(e)
		if err := e.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A device of one commune can't name the record of another, though it knows its
// collection and key.
func TestRecordsOfOneKeyDifferByScope(t *testing.T) {
	ours := RefByKey(testScope, "things", "1")
	theirs := ours
	theirs.Scope = "c/99999" // what an entry of that scope makes of the same key bytes
	if ours.ID() == theirs.ID() {
		t.Error("one id in two scopes")
	}
}

// However many stamps of a clock in 2099 come, one device's doesn't go along.
func TestManyForeignStampsDoNotAddUp(t *testing.T) {
	var c Clock
	const now = int64(1_790_000_000_000)
	for range 1000 {
		c.Absorb(StampAt(4_070_000_000_000), now)
		c.Next(now)
	}
	if ahead := c.Last.Millis() - now; ahead > MaxAhead.Milliseconds() {
		t.Errorf("%d ms ahead; want at most %d", ahead, MaxAhead.Milliseconds())
	}
}

// Who has seen more of a log than the cell holds knows no more of the cell.
func TestSeenIsTheLesserOfBoth(t *testing.T) {
	a, b, c := testLog(0), testLog(1), testLog(2)
	got := Cell{Over: []Pos{{a, 3}, {b, 9}, {c, 1}}}.Seen([]Pos{{a, 5}, {b, 2}})
	if want := []Pos{{a, 3}, {b, 2}}; !slices.Equal(got, want) {
		t.Errorf("got %v; want %v", got, want)
	}
}

// A clock that is set back still goes after the stamps of those whose clock is right.
func TestAbsorbGoesByTheBestOwnTime(t *testing.T) {
	const best = int64(1_790_000_000_000)
	back := best - 2*MaxAhead.Milliseconds()
	foreign := StampAt(best + 1)
	for name, c := range map[string]*Clock{"kept": {Own: best}, "given": {}, "absorbed": {}} {
		switch name {
		case "given":
			c.Next(best)
		case "absorbed":
			c.Absorb(0, best)
		}
		c.Absorb(foreign, back)
		if next := c.Next(back); next <= foreign {
			t.Errorf("%s: stamp %v after absorbing %v", name, next, foreign)
		}
	}
}

// A creation whose payload was erased says nothing: not that the record was deleted.
func TestErasedCreationIsNoDeletion(t *testing.T) {
	d := newDesk(t, 0, "A")
	e := *d.save(aTime, d.record.Create(nil))
	e.Ops = slices.Clone(e.Ops)
	e.Ops[0].Value, e.Ops[0].Erased = nil, Hash{1}
	r := NewRecord(testScope, "things", testRef)
	r.Apply(&e, 0, trusting)
	if is, _ := r.Existence(); is != Unknown {
		t.Errorf("existence %d; want unknown", is)
	}
	if !r.Compact([]Pos{e.Pos()}) {
		t.Error("it is forgotten")
	}
}
