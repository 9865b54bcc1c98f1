package crdt

import (
	"errors"
	"math"
	"testing"
)

// Attack 9: a step is entered today with a clock set back by a month, to look as
// if it had been in time. Its entry cites a checkpoint, so it wasn't.
func TestBackDatedCompletion(t *testing.T) {
	d := newDesk(t, 0, "A")
	h := newHub(t)
	h.next(aTime, nil)
	d.cites = h.next(aTime+30*day, nil).At
	e := d.write(aTime, "xong")
	w := d.record.Cells[testField].Writes[0]
	got := h.authority.Effective(w)
	if got.At != StampAt(aTime+30*day) || !got.Suspect || got.FromMS != aTime+30*day {
		t.Errorf("effective %+v; want the time of the checkpoint that it cites, and suspect", got)
	}
	h.next(aTime+31*day, witness(d.log, e.Seq, aTime+31*day))
	if got := h.authority.Effective(w); !got.Witnessed || got.UntilMS != aTime+31*day || got.At != StampAt(aTime+30*day) {
		t.Errorf("witnessed: %+v", got)
	}
	// An entry that cites nothing new cites what the one before it did, and none goes back.
	next := &Entry{Log: d.log, Seq: 2}
	if err := next.Citing(d.cites); err != nil || next.Cites != d.cites {
		t.Errorf("cites %v (%v)", next.Cites, err)
	}
	if err := next.Citing(d.cites); err != nil {
		t.Error(err)
	}
	if err := next.Citing(Cite{d.cites.Epoch, d.cites.Index + 1}); !errors.Is(err, ErrEntry) {
		t.Errorf("a cite that goes back: %v", err)
	}
}

// A cite of a checkpoint that is to come, or never will, lifts nothing: it counts
// as the newest that the device can have held before the hub had the entry.
func TestCiteOfTheFuture(t *testing.T) {
	for name, cite := range map[string]Cite{"that comes": {1, 3}, "that never does": {1<<64 - 1, 1<<64 - 1}} {
		evil, honest := newDesk(t, 0, "A"), newDesk(t, 1, "B")
		h := newHub(t)
		h.next(aTime, nil)
		evil.cites, honest.cites = cite, h.authority.Newest
		bad := evil.write(aTime-day, "xấu")
		honest.write(aTime+60_000, "sau một phút")
		honest.receive(bad)
		h.next(aTime+120_000, func(c *Checkpoint) {
			c.Witnesses = []Witness{{evil.log, 1, aTime + 2}, {honest.log, 1, aTime + 60_001}}
		})
		for n := range int64(3) {
			want(t, honest.read(h.authority, LWW), "sau một phút", "xấu")
			got := h.authority.Effective(honest.record.Cells[testField].Writes[1])
			if got.At != StampAt(aTime) || got.FromMS != aTime || !got.Suspect {
				t.Errorf("%s: effective %+v; want what was the newest before it came", name, got)
			}
			h.next(aTime+(n+1)*day, nil)
		}
	}
	d := newDesk(t, 0, "A")
	h := newHub(t)
	d.cites = h.next(aTime+day, nil).At
	d.write(aTime, "x")
	h.next(aTime+day, witness(d.log, 1, aTime))
	if got := h.authority.Effective(d.record.Cells[testField].Writes[0]); got.FromMS > got.UntilMS || got.At != StampAt(aTime) {
		t.Errorf("committed before what it cites: %+v", got)
	}
}

// A checkpoint that is cited before it is held changes the winner when it comes, and
// that is within its reach.
func TestCitedBeforeItIsHeld(t *testing.T) {
	slow, other := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	h := newHub(t)
	h.next(aTime, nil)
	slow.cites = Cite{1, 3}
	e := slow.write(aTime-day, "chậm")
	other.write(aTime+1000, "kia")
	other.receive(e)
	h.next(aTime+2000, nil)
	before := other.read(h.authority, LWW)
	want(t, before, "kia", "chậm")
	h.next(aTime+2000, nil)
	after := other.read(h.authority, LWW)
	want(t, after, "chậm", "kia")
	if !h.reach.Cell(other.record.Cells[testField]) || !h.reach.Reading(before) {
		t.Error("it is out of reach")
	}
}

// Attack 10: a clock at its maximum. It wins until the next checkpoint is known at
// most, takes no other clock along, and what it wrote goes to a person.
func TestClockAtItsMaximum(t *testing.T) {
	d, other := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	e := d.save(maxMillis, d.record.Assign(testField, cborText("mãi"), nil))
	e.Stamp = math.MaxUint64
	d.record.Cells[testField].Writes[0].Stamp = math.MaxUint64
	other.clock.Next(aTime)
	other.clock.Absorb(e.Stamp, aTime)
	if ahead := other.clock.Last.Millis() - aTime; ahead > MaxAhead.Milliseconds() {
		t.Errorf("another clock went %d ms along", ahead)
	}
	other.write(aTime, "nay")
	other.receive(e)
	h := newHub(t)
	want(t, other.read(h.authority, LWW), "mãi", "nay") // no checkpoint: nothing to judge by
	h.next(aTime, nil)
	r := other.read(h.authority, LWW)
	want(t, r, "nay", "mãi") // not witnessed, more than 400 days ahead: last
	if !r.Review || !r.Siblings[1].Time.Suspect || r.Siblings[1].Time.At != 0 {
		t.Errorf("not suspect, or no one is told: %+v", r)
	}
	h.next(aTime+day, witness(d.log, 1, aTime+day))
	r = other.read(h.authority, LWW)
	want(t, r, "mãi", "nay") // it did come after
	if !r.Review || r.Siblings[0].Time.At != StampAt(aTime+day) {
		t.Errorf("not held to the witness: %+v", r)
	}
	var c Clock
	c.Absorb(math.MaxUint64, maxMillis)
	if last := c.Last; c.Next(maxMillis) < last {
		t.Error("a full clock goes back")
	}
}

// A claim that cites nothing and lies far before all that the hub has said is suspect,
// committed or not, and sorts by itself.
func TestClaimFarInThePast(t *testing.T) {
	d, other := newDesk(t, 0, "A"), newDesk(t, 1, "B")
	e := d.write(1, "1970")
	other.write(aTime, "nay")
	other.receive(e)
	if r := other.read(&Authority{}, LWW); r.Review {
		t.Error("suspect before anything was said")
	}
	h := newHub(t)
	for _, fill := range []func(*Checkpoint){nil, witness(d.log, 1, aTime)} {
		h.next(aTime, fill)
		r := other.read(h.authority, LWW)
		want(t, r, "nay", "1970")
		if !r.Siblings[1].Time.Suspect || !r.Review || r.Siblings[0].Time.Suspect || r.Siblings[1].Time.At != StampAt(1) {
			t.Errorf("%+v", r.Siblings)
		}
	}
	for claim, suspect := range map[int64]bool{aTime - MaxClaimBehind: false, aTime - MaxClaimBehind - 1: true} {
		if got := h.authority.Effective(Write{Dot: Dot{Log: testLog(2), Seq: 1}, Stamp: StampAt(claim)}); got.Suspect != suspect || got.At != StampAt(claim) {
			t.Errorf("%d days before: %+v", (aTime-claim)/day, got)
		}
	}
}

// A claim within 400 days of the newest checkpoint keeps its place, and one within
// the tolerance of its bounds is not suspect.
func TestTimeWithinBoundsIsTheClaim(t *testing.T) {
	d := newDesk(t, 0, "A")
	h := newHub(t)
	d.cites = h.next(aTime, nil).At
	slack := MaxAhead.Milliseconds()
	for _, x := range []struct {
		claim, want, witness int64
		suspect              bool
	}{
		{aTime + MaxClaimAhead, aTime + MaxClaimAhead, 0, false},
		{aTime + MaxClaimAhead + 1, 0, 0, true},
		{aTime, aTime, 0, false},
		{aTime - slack, aTime, 0, false},
		{aTime - slack - 1, aTime, 0, true},
		{aTime + day, aTime + day, aTime + day, false},
		{aTime + day + slack, aTime + day, aTime + day, false},
		{aTime + day + slack + 1, aTime + day, aTime + day, true},
	} {
		a := h.authority.Clone()
		if x.witness > 0 {
			c := &Checkpoint{Scope: testScope, At: Cite{1, 9}, Prev: a.Hash(), TimeMS: x.witness, Witnesses: []Witness{{d.log, 1, x.witness}}}
			if err := a.Apply(c, Hash{9}); err != nil {
				t.Fatal(err)
			}
		}
		got := a.Effective(Write{Dot: Dot{Log: d.log, Seq: 1}, Stamp: StampAt(x.claim), Cite: d.cites})
		if got.At != StampAt(x.want) || got.Suspect != x.suspect || got.Witnessed != (x.witness > 0) {
			t.Errorf("claim %d: %+v; want %d, suspect %v", x.claim-aTime, got, x.want, x.suspect)
		}
	}
}
