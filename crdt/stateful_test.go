package crdt

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// saga is a random history of three devices and a hub, and what was seen by whom:
// the specification judges by that and never looks at what entries list.
type saga struct {
	t      *rapid.T
	desks  []*desk
	hub    *hub
	now    int64
	saw    map[Dot]map[Pos]bool // by whom each entry's officer had seen what
	cut    map[LogID]uint64     // where devices' logs are cut
	adopts map[LogID]uint64     // how far past its cut a log is adopted
	signed []*Checkpoint        // by the hub, in order
}

func newSaga(t *rapid.T) *saga {
	s := &saga{t: t, now: aTime, saw: map[Dot]map[Pos]bool{}, cut: map[LogID]uint64{}, adopts: map[LogID]uint64{}}
	for i := range 3 {
		s.desks = append(s.desks, newDesk(t, i, fmt.Sprint("officer ", i)))
	}
	s.hub = &hub{t: t, authority: &Authority{}, epoch: 1}
	return s
}

func (s *saga) int(name string, lo, hi int) int { return rapid.IntRange(lo, hi).Draw(s.t, name) }

func (s *saga) step(n int) {
	d := s.desks[s.int("device", 0, 2)]
	s.now += int64(s.int("pause", 0, 3)) * day
	switch s.int("deed", 0, 7) {
	case 0, 1, 2:
		s.write(d, n)
	case 3, 4:
		s.deliver(d)
	case 5:
		s.cite(d)
	default:
		s.decide()
	}
}

// deliver brings a device some of what another holds of a log.
func (s *saga) deliver(d *desk) {
	from := s.desks[s.int("from", 0, 2)]
	for _, e := range from.held[s.desks[s.int("log", 0, 2)].log] {
		if e.Seq == uint64(len(d.held[e.Log])+1) && s.int("deliver", 0, 3) > 0 {
			d.receive(e)
		}
	}
}

// cite lets a device hold the newest checkpoint, or say that it holds one that is
// to come, or never will.
func (s *saga) cite(d *desk) {
	says := s.hub.authority.Newest
	switch s.int("cite", 0, 6) {
	case 0, 1:
		says = Cite{1, says.Index + uint64(s.int("future", 1, 3))}
	case 2:
		says = Cite{1 << 60, 1}
	}
	if says.Compare(d.cites) > 0 {
		d.cites = says
	}
}

// write saves on a page that may be stale, by a clock that may be wrong.
func (s *saga) write(d *desk, n int) {
	seen := map[Pos]bool{}
	page := []Pos{}
	for _, other := range s.desks { // in one order, so that a seed says one history
		log, entries := other.log, d.held[other.log]
		if len(entries) == 0 {
			continue
		}
		upTo := len(entries)
		if s.int("stale", 0, 4) == 0 {
			upTo = s.int("page", 0, upTo)
		}
		for seq := range upTo {
			seen[Pos{log, uint64(seq + 1)}] = true
		}
		if upTo > 0 {
			page = union(page, []Pos{{log, uint64(upTo)}})
		}
	}
	clock := s.now + []int64{0, 0, 0, -40 * day, 500 * day, 1000}[s.int("clock", 0, 5)]
	if s.int("guest", 0, 3) == 0 {
		host := d.officer
		d.officer = "guest"
		defer func() { d.officer = host }()
	}
	e := d.save(clock, d.record.Assign(testField, cborText(fmt.Sprint(n%4)), page))
	s.saw[e.Dot(0)] = seen
}

// policies are all ways of reading.
var policies = []Policy{LWW, Review, Max, Min, Serial, State}

func (s *saga) readings() (all []Reading) {
	for _, d := range s.desks {
		for _, p := range policies {
			all = append(all, d.read(s.hub.authority, p))
		}
	}
	return all
}

// decide lets the hub sign a checkpoint. Whatever reads otherwise after it is
// within its reach.
func (s *saga) decide() {
	before := s.readings()
	s.sign()
	for i, r := range s.readings() {
		d := s.desks[i/len(policies)]
		if r.Differs(before[i]) && !s.hub.reach.Cell(d.record.Cells[testField]) && !s.hub.reach.Reading(before[i]) {
			s.t.Fatalf("policy %d: out of reach of %+v, and read %q before and %q after", policies[i%len(policies)], s.hub.reach, before[i].texts(), r.texts())
		}
	}
}

func (s *saga) sign() {
	log := s.desks[s.int("subject", 0, 2)]
	n := uint64(len(log.held[log.log]))
	if n == 0 {
		return
	}
	seq := uint64(s.int("seq", 0, int(n)))
	c := s.hub.next(s.now, func(c *Checkpoint) {
		switch s.int("decision", 0, 6) {
		case 6:
			c.Heads = []Pin{pinAt(log, log.log, n)}
		case 0, 1:
			if last := lastWitness(s.hub.authority.witnesses[log.log]); n > last.Seq {
				witness(log.log, n, s.now)(c)
			}
		case 2:
			if _, cut := s.cut[log.log]; !cut {
				s.cut[log.log] = seq
				cutting(Subject{Kind: SubjectDevice, Device: log.log.Device}, Pin{Log: log.log, Seq: seq})(c)
			}
		case 3:
			cutting(Subject{Kind: SubjectOfficer, Officer: "guest"}, Pin{Log: log.log, Seq: seq})(c)
		default:
			r := Ruling(s.int("ruling", 1, 3))
			d := Dot{Log: log.log, Seq: max(seq, 1)}
			if r == Adopted {
				s.adopts[log.log] = max(s.adopts[log.log], d.Seq)
			}
			ruling(d, r)(c)
		}
	})
	s.signed = append(s.signed, c)
}

// observer receives all in some order; or, as one who had the cuts first, nothing
// past them that wasn't adopted.
func (s *saga) observer(whole bool) *desk {
	d := newDesk(s.t, 7, "observer")
	for {
		var next []*Entry
		for _, w := range s.desks {
			own := w.held[w.log]
			upTo := uint64(len(own))
			if cut, ok := s.cut[w.log]; ok && !whole {
				upTo = min(upTo, max(cut, s.adopts[w.log]))
			}
			if have := len(d.held[w.log]); uint64(have) < upTo {
				next = append(next, own[have])
			}
		}
		if len(next) == 0 {
			return d
		}
		d.receive(next[s.int("next", 0, len(next)-1)])
	}
}

// hides, by the specification.
func (s *saga) hides(w Write) bool {
	a := s.hub.authority
	switch a.verdicts[w.Dot].Ruling {
	case Rejected:
		return true
	case Adopted:
		return false
	}
	if cut, ok := s.cut[w.Dot.Log]; ok && w.Dot.Seq > cut {
		return true
	}
	return slices.ContainsFunc(a.cuts, func(c Cut) bool {
		seq, _ := c.at(w.Dot.Log)
		return c.Subject.Kind == SubjectOfficer && c.Subject.Officer == w.Officer && w.Dot.Seq > seq
	})
}

// beyond says whether an entry lies past its device's cut, and wasn't adopted.
func (s *saga) beyond(p Pos) bool {
	cut, ok := s.cut[p.Log]
	return ok && p.Seq > cut && s.hub.authority.adopted[p] == 0
}

// replaces says whether u's officer had seen w.
func (s *saga) replaces(u, w Write) bool { return s.saw[u.Dot][w.Pos()] }

// visible is what may be shown, from all that was ever written.
func (s *saga) visible() []Write {
	var all, counts []Write
	for _, d := range s.desks {
		for _, e := range d.held[d.log] {
			w, _ := e.write(0, d.hash)
			all = append(all, w)
			if !s.hides(w) {
				counts = append(counts, w)
			}
		}
	}
	visible := slices.Clone(counts)
	for i := 0; i < len(counts); i++ {
		for _, w := range all {
			if s.replaces(counts[i], w) && !s.beyond(w.Pos()) && !slices.ContainsFunc(counts, func(c Write) bool { return c.Dot == w.Dot }) {
				counts = append(counts, w) // hidden, and built upon
			}
		}
	}
	return slices.DeleteFunc(visible, func(w Write) bool {
		return slices.ContainsFunc(counts, func(u Write) bool { return s.replaces(u, w) })
	})
}

// effective is the time by which the newest is told: the claim between the time of
// the checkpoint that its device can have held, and the hub's clock when it committed
// it; or last. It is told from what the hub has signed, in the order in which it did.
func (s *saga) effective(w Write) Stamp {
	var from, until, now int64
	known, committed := false, false // is what it cites among these; does the hub hold it
	for _, c := range s.signed {
		now = c.TimeMS
		covers := func(l LogID, seq uint64) bool { return l == w.Dot.Log && w.Dot.Seq <= seq }
		committed = committed || slices.ContainsFunc(c.Heads, func(p Pin) bool { return covers(p.Log, p.Seq) })
		for _, x := range c.Witnesses {
			if covers(x.Log, x.Seq) && until == 0 {
				committed, until = true, x.TimeMS
			}
		}
		if !committed && c.At.Index <= w.Cite.Index || !committed && c.At.Epoch < w.Cite.Epoch {
			from, known = c.TimeMS, known || c.At == w.Cite
		}
	}
	if !known && !committed || w.Cite.Index == 0 {
		from = 0
	}
	claim := max(w.Stamp.Millis(), from)
	switch {
	case until > 0 && claim > until:
		return StampAt(until)
	case now > 0 && claim > now+MaxClaimAhead:
		return 0
	}
	return max(w.Stamp, StampAt(from))
}

// Whatever three devices write, receive and cite, and whatever the hub decides of
// it: whoever received it, in whatever order, before or after the decisions, reads
// the same under every policy; and what is shown is what the whole history says.
func TestReadingIsWhatTheHistorySays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSaga(t)
		for n := range rapid.IntRange(1, 14).Draw(t, "steps") {
			s.step(n)
		}
		one, two, cut := s.observer(true), s.observer(true), s.observer(false)
		if !sameRecord(one.record, two.record) {
			t.Fatalf("two orders, two records\n%v\n%v", dump(one.record), dump(two.record))
		}
		a := s.hub.authority
		if one.digest(a) != cut.digest(a) {
			t.Fatalf("the cuts first, or the entries: %q\n%q\n%v\n%v", one.read(a, LWW).texts(), cut.read(a, LWW).texts(), dump(one.record), dump(cut.record))
		}
		visible := s.visible()
		slices.SortFunc(visible, func(x, y Write) int {
			return cmp.Or(cmp.Compare(s.effective(y), s.effective(x)), y.Dot.Compare(x.Dot))
		})
		r := one.read(a, LWW)
		if !slices.EqualFunc(visible, r.Siblings, func(w Write, s Sibling) bool { return w.Dot == s.Dot }) {
			t.Fatalf("the history says %v; read %v\n%v", dotsOf(Cell{Writes: visible}), r.Siblings, dump(one.record))
		}
		whole := one.reader(a)
		whole.Whole = true
		if w := whole.Cell(one.record.Cells[testField], LWW); w.Differs(r) && len(w.Hidden) == 0 {
			t.Fatalf("asked for all that is hidden, it reads otherwise: %+v\n%+v", w, r)
		}
	})
}
