package crdt

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// An entry that was everyone's no later than what it names was judged by all while
// they held that: its lie never counts. One that comes to be everyone's later says of
// the past of all what it could have said rightly, and counts, wherever that past was
// kept, dropped, or hasn't come yet; whichever came first; and when the floor goes void.
func TestClaimsOnWhatTheFloorHasPassed(t *testing.T) {
	lies := map[string]func(Pin) []Pin{
		"unpinned": func(Pin) []Pin { return nil },
		"wrong":    func(p Pin) []Pin { p.Hash[0]++; return []Pin{p} },
	}
	floors := map[string][][]int{ // the devices whose entry each step of the floor passes
		"its target first": {{0}, {1}}, "its target, and never it": {{0}}, "itself first": {{1}, {0}}, "both at once": {{0, 1}}, "itself": {{1}}, "none": {},
	}
	for lie, pins := range lies {
		for first, steps := range floors {
			a, b := newDesk(t, 0, "A"), newDesk(t, 1, "B")
			one := a.write(aTime, "một")
			e := &Entry{Log: b.log, Seq: 1, Stamp: StampAt(aTime + 1), Pins: pins(pinAt(a, a.log, 1)), Ops: []Op{a.record.Assign(testField, cborText("hai"), nil)}}
			o := &office{t: t}
			begin := o.sign(nil, false, aTime, nil)
			last := begin
			for _, logs := range steps {
				last = o.sign(last, false, aTime, func(c *Checkpoint) {
					for _, l := range logs {
						c.Floor = append(c.Floor, Pos{testLog(l), 1})
					}
				})
			}
			for _, x := range []*Authority{o.after(last), fold(t, append(slices.Clone(o.all), o.sign(begin, true, aTime, nil))...)} {
				counts := first == "its target first" || first == "its target, and never it"
				early, late := NewRecord(testScope, "things", testRef), NewRecord(testScope, "things", testRef)
				early.Apply(one, 0, a.hash)
				early.Apply(e, 0, a.hash)
				if early.Covered(x, a.hash) != counts {
					t.Errorf("%s, %s: Covered says %v", lie, first, !counts)
				}
				late.Apply(e, 0, x.Past(e.Pos(), newDesk(t, 2, "C").hash))
				late.Apply(one, 0, x.Past(one.Pos(), a.hash))
				if !sameRecord(early, late) || (len(early.Cells[testField].Writes) == 1) != counts {
					t.Errorf("%s, %s:\n%v\n%v", lie, first, dump(early), dump(late))
				}
				past := x.History([]*Entry{one, e}, a.hash, testRef.ID(), testField, "")
				if (len(past[1].Over) == 1) != counts {
					t.Errorf("%s, %s: in the history it is over %v", lie, first, past[1].Over)
				}
			}
			if len(steps) > 0 {
				var none Authority
				r := none.Reach(&Checkpoint{At: Cite{1, 1}, Floor: []Pos{{a.log, 1}}})
				if !r.Cell(Cell{Pending: []Claim{{Over: Pos{a.log, 1}}}}) {
					t.Error("a floor is out of reach of a claim on what it passes")
				}
			}
		}
	}
}

// holds is a node that keeps everything, or one that forgets below the floor as soon
// as it holds all of that.
type holds struct {
	node
	forgets bool
	dropped []Pos
}

// hash is what is held of a log: of what was dropped, nothing to compare.
func (n *holds) hash(l LogID, seq uint64) (Hash, bool) {
	if seq > 0 && Covers(n.dropped, Pos{l, seq}) {
		return Hash{}, true
	}
	return n.desk.hash(l, seq)
}

func (n *holds) take(e *Entry) {
	own := *e
	n.a.Complete(&own)
	n.held[e.Log] = append(n.held[e.Log], e)
	for i := range own.Ops {
		n.record.Apply(&own, i, n.a.Past(own.Pos(), n.hash))
	}
	n.record.Arrived(own.Log, n.hash)
	n.forget()
}

func (n *holds) forget() {
	for _, p := range n.a.Floor {
		if n.forgets = n.forgets && uint64(len(n.held[p.Log])) >= p.Seq; !n.forgets {
			return
		}
	}
	if n.forgets {
		n.dropped = n.a.Floor
		n.record.Compact(n.dropped)
	}
}

// Whatever is said of others' pasts and futures, rightly, wrongly or by no pin at all:
// who forgets below the floor, who keeps all and who receives it last show the same,
// whichever of entries and floors came first.
func TestClaimsAndFloorsInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, o := newSaga(t), &office{t: t}
		var newest *Checkpoint
		for n := range rapid.IntRange(2, 16).Draw(t, "steps") {
			d := s.desks[s.int("device", 0, 2)]
			switch k := s.int("deed", 0, 5); {
			case k < 2:
				s.write(d, n)
				s.lie(d)
			case k < 4:
				s.deliver(d)
			default:
				a := o.after(newest)
				newest = o.sign(newest, false, s.now, func(c *Checkpoint) {
					for _, d := range s.desks {
						lo, hi := int(seqOf(a.Floor, d.log)), len(d.held[d.log])
						if seq := s.int("floor", lo, hi); seq > lo {
							c.Floor = append(c.Floor, Pos{d.log, uint64(seq)})
						}
					}
				})
			}
		}
		var nodes []*holds
		for i := range 4 {
			n := &holds{node: node{desk: newDesk(t, 7, "node"), a: &Authority{}}, forgets: i%2 == 0}
			forgets := n.forgets
			n.each(s, o, func(e *Entry, c *Checkpoint) {
				if n.forgets = forgets; e != nil {
					n.take(e)
					return
				}
				if err := n.a.Apply(c, checkpointHash(c)); err != nil {
					t.Fatal(err)
				}
				n.record.Covered(n.a, n.hash)
				n.forget()
			})
			nodes = append(nodes, n)
		}
		first := Reader{Authority: nodes[0].a}.Cell(nodes[0].record.Cells[testField], LWW)
		for _, n := range nodes[1:] {
			got := Reader{Authority: n.a}.Cell(n.record.Cells[testField], LWW)
			if got.Differs(first) {
				t.Fatalf("%q and %q\n%v\n%v\nfloor %v", first.texts(), got.texts(), dump(nodes[0].record), dump(n.record), short(n.a.Floor))
			}
		}
	})
}

// lie takes pins of the newest entry away, spoils them, or claims what isn't written.
func (s *saga) lie(d *desk) {
	own := d.held[d.log]
	e := own[len(own)-1]
	for i := range e.Pins {
		switch s.int("lie", 0, 4) {
		case 0:
			e.Pins[i].Hash[0]++
		case 1:
			e.Pins = slices.Delete(slices.Clone(e.Pins), i, len(e.Pins))
			return
		}
	}
	victim := testLog(s.int("victim", 0, 2))
	if victim == d.log || s.int("future", 0, 3) > 0 {
		return
	}
	seq := uint64(s.int("claims", 1, 3))
	e.Ops[0].Over = union(e.Ops[0].Over, []Pos{{victim, seq}})
	e.Pins = slices.DeleteFunc(e.Pins, func(p Pin) bool { return p.Log == victim })
}
