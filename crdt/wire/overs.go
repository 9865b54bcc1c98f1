package wire

import (
	"slices"

	"github.com/vungxa/vungxa/crdt"
)

// overs: what each operation supersedes, and which existence it saw. Most often
// it is what the segment itself tells: the cell's last write here and what that
// superseded, or else, of a record named by a dot, the entry that created it.
func (w *walk) overs() {
	if w.broken() != nil {
		return
	}
	n := 0
	for _, e := range w.entries {
		for i := range e.Ops {
			w.over(e, &e.Ops[i], uint64(w.places[n]))
			n++
			if w.broken() != nil {
				return
			}
		}
	}
}

func (w *walk) over(e *crdt.Entry, op *crdt.Op, record uint64) {
	cell := cellAt{record, op.Field}
	usual, ok := w.cells[cell]
	if !ok {
		usual = creation(e, op)
	}
	explicit := uint64(0)
	if !w.reading && !slices.Equal(usual, op.Over) {
		explicit = 1
	}
	if w.small(colOver, &explicit, 1); explicit == 0 {
		op.Over = usual
		if w.reading && !w.spend(3*len(usual)) {
			return
		}
	} else {
		w.explicitOver(e, op)
	}
	w.cells[cell] = after(op.Over, e.Pos())
	if op.Record.ByKey() {
		w.madeBy(e, op, record)
	}
}

// creation is what the first write here of a cell supersedes, if its record's
// creation wrote the cell and nothing did since.
func creation(e *crdt.Entry, op *crdt.Op) []crdt.Pos {
	d := op.Record.Dot
	if op.Record.ByKey() || d.Log == e.Log && d.Seq >= e.Seq {
		return nil
	}
	return []crdt.Pos{{Log: d.Log, Seq: d.Seq}}
}

// after is what was superseded, and the write that did.
func after(over []crdt.Pos, at crdt.Pos) []crdt.Pos {
	i, own := slices.BinarySearchFunc(over, at.Log, func(p crdt.Pos, l crdt.LogID) int { return p.Log.Compare(l) })
	if !own {
		return slices.Insert(slices.Clone(over), i, at)
	}
	known := slices.Clone(over)
	known[i].Seq = at.Seq
	return known
}

func (w *walk) explicitOver(e *crdt.Entry, op *crdt.Op) {
	n := uint64(len(op.Over))
	w.num(colOverCount, &n)
	if w.reading {
		if n > crdt.MaxOver || !w.spend(3*int(n)) {
			w.fail("superseded logs:", n)
			return
		}
		op.Over = make([]crdt.Pos, n)
	}
	for i := range op.Over {
		w.pos(e, &op.Over[i])
	}
	if len(op.Over) == 0 {
		op.Over = nil
	}
}

// pos is a place in a log: of the own one how far back, of another how far from
// where it was last named.
func (w *walk) pos(e *crdt.Entry, p *crdt.Pos) {
	at := place(w, colOverLog, &w.logs, &p.Log)
	if at == 0 {
		w.delta(colOverSeq, &p.Seq, e.Seq)
		return
	}
	w.delta(colOverSeq, &p.Seq, w.lastSeq[uint64(at)])
	w.lastSeq[uint64(at)] = p.Seq
}

// madeBy: the existence that was seen of a record named by a key.
func (w *walk) madeBy(e *crdt.Entry, op *crdt.Op, record uint64) {
	how, last := uint64(2), w.made[record]
	switch op.Made {
	case crdt.Pos{}:
		how = 0
	case last:
		how = 1
	}
	switch w.small(colMade, &how, 2); how {
	case 0:
	case 1:
		if op.Made = last; last == (crdt.Pos{}) {
			w.fail("an existence that was not sent, of record", record)
		}
	default:
		w.pos(e, &op.Made)
		w.made[record] = op.Made
	}
}
