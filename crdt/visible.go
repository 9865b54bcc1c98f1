package crdt

import "slices"

// visible divides what was written to a cell into what may be shown and what is
// hidden. Lost are the places that something hidden replaced and Prior lacks.
func (rd Reader) visible(c Cell, p Policy) (visible []Write, hidden []Hidden, lost []Pos) {
	rd.waits = c.Pending
	visible, hidden, lost = rd.standing(c, p)
	past := func(w Write) bool {
		return !slices.ContainsFunc(c.Writes, func(s Write) bool { return s.Dot == w.Dot })
	}
	if rd.gone != nil && slices.ContainsFunc(visible, past) { // a compacted record has forgotten what took the past
		rd.swept = union(rd.swept, rd.gone())
	}
	for _, w := range slices.Backward(visible) { // of numbers, what one that was swept had replaced goes too
		if p == Serial && Covers(rd.swept, w.Pos()) {
			rd.swept = union(rd.swept, rd.over(w))
		}
	}
	if len(rd.swept) > 0 {
		visible = slices.DeleteFunc(slices.Clone(visible), func(w Write) bool { return Covers(rd.swept, w.Pos()) })
	}
	return visible, hidden, lost
}

// standing tells them apart by checkpoints alone.
//
// Mostly nothing is hidden, and what stands is visible. Otherwise what is visible
// is judged from the whole history: a write is, unless it is hidden or another
// write that counts has superseded it. Every visible write counts, and of the
// hidden ones those on which one that counts is built: whoever built on it has
// taken over what it replaced. What a device wrote past its cut never counts, so
// that it is the same whether those entries came before the cut or never.
func (rd Reader) standing(c Cell, p Policy) (visible []Write, hidden []Hidden, lost []Pos) {
	hidden = rd.drop(c.Writes, p)
	if p != Serial && !rd.Whole && len(hidden) == 0 && !rd.undercut(c, p) {
		return c.Writes, nil, nil
	}
	all := c.Writes
	if rd.Prior != nil && (len(c.Over) > 0 || len(hidden) > 0 || p == Serial && slices.ContainsFunc(c.Writes, replaced)) {
		all = merge(c.Writes, rd.Prior())
	}
	hidden = rd.drop(all, p)
	lost = rd.lost(all, hidden)
	if p == Serial {
		return without(all, hidden), hidden, nil
	}
	over := rd.counted(all, hidden)
	for _, w := range without(all, hidden) {
		if !Covers(over, w.Pos()) {
			visible = append(visible, w)
		}
	}
	return visible, hidden, lost
}

// replaced says whether a write has replaced anything: a compacted cell has
// forgotten so, and its writes have not.
func replaced(w Write) bool { return len(w.Over) > 0 }

// undercut says whether the cell's structure may rest on something hidden that
// doesn't stand any more.
func (rd Reader) undercut(c Cell, p Policy) bool {
	a := rd.Authority
	if a == nil {
		return false
	}
	return slices.ContainsFunc(c.Over, func(over Pos) bool {
		rejected := a.rejected[over.Log]
		return a.cutAway(over) || p == State && len(rejected) > 0 && rejected[0] <= over.Seq
	}) || slices.ContainsFunc(c.Pending, a.ended)
}

// over is what of a write's claims holds, those among them that were waiting for
// what has been cut away since.
func (rd Reader) over(w Write) []Pos {
	over := w.Over
	for _, claim := range rd.waits {
		if claim.By == w.Dot && rd.Authority.ended(claim) {
			over = union(over, []Pos{claim.Over})
		}
	}
	return rd.Authority.counts(over)
}

// drop gives the writes that are hidden.
func (rd Reader) drop(all []Write, p Policy) []Hidden {
	if rd.Authority == nil {
		return nil
	}
	var hidden []Hidden
	for _, w := range all {
		if why := rd.Authority.Hides(w); why != Visible {
			hidden = append(hidden, Hidden{Write: w, Why: why})
		}
	}
	if p == State {
		hidden = rd.dropBuilt(all, hidden)
	}
	return hidden
}

// dropBuilt adds the steps that were built on a rejected one by someone whose
// device didn't hold the rejection yet: they fall together.
func (rd Reader) dropBuilt(all []Write, hidden []Hidden) []Hidden {
	type fallen struct {
		at Pos
		by Cite // the checkpoint that rejects
	}
	var down []fallen
	for _, h := range hidden {
		if h.Why == RejectedBy && !rd.Authority.cutAway(h.Pos()) { // what was cut away may not be here to fall
			down = append(down, fallen{h.Pos(), rd.Authority.verdicts[h.Dot].at})
		}
	}
	for i := 0; i < len(down); i++ {
		for _, w := range without(all, hidden) {
			if Covers(rd.over(w), down[i].at) && rd.Authority.cited(w.Pos(), w.Cite).Compare(down[i].by) < 0 {
				hidden = append(hidden, Hidden{Write: w, Why: BuiltOnOne})
				down = append(down, fallen{w.Pos(), down[i].by})
			}
		}
	}
	return hidden
}

// counted is the union of what the writes that count supersede.
func (rd Reader) counted(all []Write, hidden []Hidden) []Pos {
	var over []Pos
	count := func(w Write) { over = union(over, rd.over(w)) }
	for _, w := range without(all, hidden) {
		count(w)
	}
	rest := slices.Clone(hidden)
	for more := true; more; {
		before := len(rest)
		rest = slices.DeleteFunc(rest, func(h Hidden) bool {
			if rd.Authority.cutAway(h.Pos()) || !Covers(over, h.Pos()) {
				return false
			}
			count(h.Write)
			return true
		})
		more = len(rest) < before
	}
	return over
}

// counting gives writes with what of their claims holds: what a deletion took is
// judged by that.
func (rd Reader) counting(c Cell, ws []Write) []Write {
	if rd.Authority == nil || len(rd.Authority.cuts) == 0 {
		return ws
	}
	rd.waits, ws = c.Pending, slices.Clone(ws)
	for i, w := range ws {
		ws[i].Over = rd.over(w)
	}
	return ws
}

// seenOnce is what deletions have seen that don't stand any more, as far as it holds. A
// record that is named by a key can be made anew by someone who knows nothing of its
// past; who deletes that one has not seen the old values either, and they are gone all
// the same. Where something of the existence is hidden, only what is visible tells.
func (rd Reader) seenOnce(r *Record, hidden []Hidden) []Pos {
	if !r.Ref.ByKey() || len(hidden) > 0 {
		return nil
	}
	made := r.Cells[FieldExistence]
	seen := made.Over
	for _, claim := range made.Pending {
		if rd.Authority.ended(claim) {
			seen = union(seen, []Pos{claim.Over})
		}
	}
	return rd.Authority.counts(seen)
}

func (rd Reader) lost(all []Write, hidden []Hidden) []Pos {
	var lost []Pos
	for _, h := range hidden {
		for _, p := range rd.over(h.Write) {
			held := slices.ContainsFunc(all, func(w Write) bool { return w.Dot.Log == p.Log && w.Dot.Seq <= p.Seq })
			if !held {
				lost = union(lost, []Pos{p})
			}
		}
	}
	return lost
}

func merge(standing, prior []Write) []Write {
	all := slices.Clone(standing)
	for _, w := range prior {
		if !slices.ContainsFunc(standing, func(s Write) bool { return s.Dot == w.Dot }) {
			all = append(all, w)
		}
	}
	slices.SortFunc(all, func(a, b Write) int { return a.Dot.Compare(b.Dot) })
	return slices.CompactFunc(all, func(a, b Write) bool { return a.Dot == b.Dot })
}

func without(all []Write, hidden []Hidden) []Write {
	return slices.DeleteFunc(slices.Clone(all), func(w Write) bool {
		return slices.ContainsFunc(hidden, func(h Hidden) bool { return h.Dot == w.Dot })
	})
}

// History gives the writes that entries made to one cell of a record, for a
// Reader's Prior. The entries' names are those of Forks.Resolve.
func (a *Authority) History(entries []*Entry, held Held, id RecordID, field uint32, elem string) []Write {
	var past []Write
	for _, e := range entries {
		for i := range e.Ops {
			op := &e.Ops[i]
			if op.Field == field && string(op.Elem) == elem && op.Record.ID() == id {
				own := *e
				a.Complete(&own)
				w, _ := own.write(i, a.Past(e.Pos(), held))
				past = append(past, w)
			}
		}
	}
	return past
}
