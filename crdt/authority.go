package crdt

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Authority is what the checkpoints of one scope say together. The zero Authority
// has heard none; a nil one reads as that.
type Authority struct {
	Scope  Scope
	Newest Cite
	TimeMS int64 // of the newest checkpoint
	Epoch  uint64
	Floor  []Pos
	Lapsed map[Device]bool

	chain     []*link // from the first to the newest
	void      []*link // the others that are held, each after the one that it names
	covered   map[LogID][]cover
	heads     map[LogID][]headStep
	floors    map[LogID][]cover // the steps of the floor
	witnesses map[LogID][]Witness
	cuts      []Cut
	verdicts  map[Dot]ruled
	rejected  map[LogID][]uint64 // seqs, sorted
	adopted   map[Pos]int        // of how many dots of an entry
}

// cover is a checkpoint that says the hub holds a log further than any before it, or
// that moves its floor.
type cover struct {
	at  Cite
	seq uint64
}

// headStep is a head and the checkpoint that named it.
type headStep struct {
	at   Cite
	head Head
}

type ruled struct {
	Verdict
	at Cite
}

// Compare orders cites by hub epoch and raft index.
func (c Cite) Compare(d Cite) int {
	return cmp.Or(cmp.Compare(c.Epoch, d.Epoch), cmp.Compare(c.Index, d.Index))
}

// Clone is a copy that Apply on either leaves alone.
func (a *Authority) Clone() *Authority {
	c := *a
	c.Floor, c.cuts = slices.Clone(a.Floor), slices.Clone(a.cuts)
	c.chain, c.void = slices.Clone(a.chain), slices.Clone(a.void)
	c.Lapsed, c.verdicts, c.adopted = maps.Clone(a.Lapsed), maps.Clone(a.verdicts), maps.Clone(a.adopted)
	c.heads, c.witnesses, c.rejected = cloneLists(a.heads), cloneLists(a.witnesses), cloneLists(a.rejected)
	c.covered, c.floors = cloneLists(a.covered), cloneLists(a.floors)
	return &c
}

func cloneLists[T any](m map[LogID][]T) map[LogID][]T {
	c := make(map[LogID][]T, len(m))
	for k, list := range m {
		c[k] = slices.Clone(list)
	}
	return c
}

// permits holds the checkpoint to what earlier ones have promised.
func (a *Authority) permits(c *Checkpoint) error {
	if c.TimeMS < 0 || c.TimeMS > maxMillis {
		return fmt.Errorf("%w: its time is none", ErrCheckpoint)
	}
	if c.TimeMS < a.TimeMS {
		return fmt.Errorf("%w: its time goes back", ErrCheckpoint)
	}
	for _, h := range c.Heads {
		old, ok := a.Head(h.Log)
		if ok && c.At.Epoch == a.Newest.Epoch && (h.Seq < old.Seq || h.Seq == old.Seq && h.Hash != old.Hash) {
			return fmt.Errorf("%w: log %v goes back from %d to %d, or is another at one seq", ErrCheckpoint, h.Log, old.Seq, h.Seq)
		}
	}
	latest := map[LogID]Witness{}
	for _, w := range c.Witnesses {
		last, more := latest[w.Log]
		if !more {
			last = lastWitness(a.witnesses[w.Log])
		}
		latest[w.Log] = w
		if w.Seq <= last.Seq || w.TimeMS < last.TimeMS || w.TimeMS > c.TimeMS {
			return fmt.Errorf("%w: the witness of log %v goes back, or past the checkpoint's own time", ErrCheckpoint, w.Log)
		}
	}
	for _, p := range c.Floor {
		if p.Seq < seqOf(a.Floor, p.Log) {
			return fmt.Errorf("%w: the floor of log %v goes back", ErrCheckpoint, p.Log)
		}
	}
	if err := a.permitsVerdicts(c); err != nil {
		return err
	}
	return a.permitsCuts(c)
}

// permitsVerdicts: no verdict below the floor changes what may be shown. What a
// rejected step was built on may be forgotten there. A first confirmation hides
// nothing.
func (a *Authority) permitsVerdicts(c *Checkpoint) error {
	floor := union(a.Floor, c.Floor)
	for _, v := range c.Verdicts {
		_, ruled := a.verdicts[v.Dot]
		if Covers(floor, Pos{v.Dot.Log, v.Dot.Seq}) && (ruled || v.Ruling != Confirmed) {
			return fmt.Errorf("%w: a verdict on %v, which lies below the floor", ErrCheckpoint, v.Dot)
		}
	}
	return nil
}

func lastWitness(ws []Witness) Witness {
	if len(ws) == 0 {
		return Witness{}
	}
	return ws[len(ws)-1]
}

// permitsCuts: no cut lies below the floor. What every device has acknowledged
// is taken back by new entries only.
func (a *Authority) permitsCuts(c *Checkpoint) error {
	floor := union(a.Floor, c.Floor)
	for _, cut := range c.Cuts {
		for _, p := range floor {
			device := cut.Subject.Kind == SubjectDevice && p.Log.Device == cut.Subject.Device
			_, listed := cut.at(p.Log)
			if seq, _ := cut.at(p.Log); seq < p.Seq && (device || listed) {
				return fmt.Errorf("%w: a cut of log %v at %d, below the floor at %d", ErrCheckpoint, p.Log, seq, p.Seq)
			}
		}
	}
	return nil
}

func (a *Authority) take(c *link) {
	if a.heads == nil {
		a.heads, a.witnesses = map[LogID][]headStep{}, map[LogID][]Witness{}
		a.verdicts, a.rejected = map[Dot]ruled{}, map[LogID][]uint64{}
		a.adopted, a.Lapsed, a.covered = map[Pos]int{}, map[Device]bool{}, map[LogID][]cover{}
		a.floors = map[LogID][]cover{}
	}
	a.Scope, a.Newest, a.TimeMS = c.Scope, c.At, c.TimeMS
	a.chain = append(a.chain, c)
	for _, p := range c.Floor {
		if p.Seq > seqOf(a.Floor, p.Log) {
			a.floors[p.Log] = append(a.floors[p.Log], cover{at: c.At, seq: p.Seq})
		}
	}
	a.Floor = union(a.Floor, c.Floor)
	for _, h := range c.Heads {
		a.heads[h.Log] = append(a.heads[h.Log], headStep{at: c.At, head: Head{Seq: h.Seq, Hash: h.Hash}})
		a.cover(h.Log, h.Seq)
	}
	for _, w := range c.Witnesses {
		a.witnesses[w.Log] = append(a.witnesses[w.Log], w)
		a.cover(w.Log, w.Seq)
	}
	for _, cut := range c.Cuts {
		a.cuts = append(a.cuts, cut)
		a.Epoch = max(a.Epoch, cut.Epoch)
	}
	for _, v := range c.Verdicts {
		a.rule(v)
	}
	for _, d := range c.Lapsed {
		a.Lapsed[d] = true
	}
}

func (a *Authority) rule(v Verdict) {
	if old, ok := a.verdicts[v.Dot]; ok && old.at.Epoch == a.Newest.Epoch && old.Index > v.Index {
		return // its subject has changed since it was made
	}
	entry := Pos{v.Dot.Log, v.Dot.Seq}
	if a.verdicts[v.Dot].Ruling == Adopted {
		a.adopted[entry]--
	}
	if v.Ruling == Adopted {
		a.adopted[entry]++
	}
	a.verdicts[v.Dot] = ruled{Verdict: v, at: a.Newest}
	seqs := a.rejected[v.Dot.Log]
	if i, ok := slices.BinarySearch(seqs, v.Dot.Seq); !ok && v.Ruling == Rejected {
		a.rejected[v.Dot.Log] = slices.Insert(seqs, i, v.Dot.Seq)
	}
}

// Head is how far the hub holds a log, by the newest checkpoint of its newest
// epoch that names it.
func (a *Authority) Head(l LogID) (Head, bool) {
	if a == nil || len(a.heads[l]) == 0 {
		return Head{}, false
	}
	steps := a.heads[l]
	last := steps[len(steps)-1]
	return last.head, last.at.Epoch == a.Newest.Epoch
}

// Committed is every head of a log that the hub has named, the newest last.
func (a *Authority) Committed(l LogID) (heads []Head) {
	if a == nil {
		return nil
	}
	for _, s := range a.heads[l] {
		heads = append(heads, s.head)
	}
	return heads
}

// headAt is how far a checkpoint held a log, be that void by now: what lay there is
// no decision.
func (a *Authority) headAt(log LogID, l *link) (Head, bool) {
	if l == nil {
		return Head{}, false
	}
	epoch := l.At.Epoch
	for ; l != nil && !a.leads(l); l = l.prev {
		if i := slices.IndexFunc(l.Heads, func(h Pin) bool { return h.Log == log }); i >= 0 && l.At.Epoch == epoch {
			return Head{Seq: l.Heads[i].Seq, Hash: l.Heads[i].Hash}, true
		}
	}
	steps := a.heads[log]
	if l == nil || len(steps) == 0 {
		return Head{}, false
	}
	i, ok := slices.BinarySearchFunc(steps, l.At, func(s headStep, at Cite) int { return s.at.Compare(at) })
	if !ok {
		i--
	}
	if i < 0 || steps[i].at.Epoch != epoch {
		return Head{}, false
	}
	return steps[i].head, true
}
