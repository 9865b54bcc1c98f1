package crdt

import "slices"

// On tells the branch of a log on which an entry with a chain hash lies, and
// whether it is held.
type On func(log LogID, seq uint64, hash Hash) (branch Hash, held bool)

// Resolve gives an entry its names: that of its own log, given the branch on which
// it lies, and of the logs that its operations name, which its pins tell apart. An
// entry that names no fork is given back as it is. A pin of a branch that isn't
// held stays as it is: it matches nothing, and the claim waits.
func (f *Forks) Resolve(e *Entry, branch Hash, on On) *Entry {
	branches := f.named(e, branch, on)
	if len(branches) == 0 {
		return e
	}
	named := *e
	named.Log = f.rename(branches, Pos{e.Log, e.Seq})
	named.Pins = f.pins(e, branches)
	named.Ops = slices.Clone(e.Ops)
	for i := range named.Ops {
		op := &named.Ops[i]
		op.Over = f.over(branches, op.Over)
		if !op.Record.ByKey() {
			op.Record.Dot.Log = f.rename(branches, Pos{op.Record.Dot.Log, op.Record.Dot.Seq})
		}
		op.Made.Log = f.rename(branches, op.Made)
	}
	return &named
}

// named tells the branch that the entry means of each forked log that it names.
func (f *Forks) named(e *Entry, branch Hash, on On) map[LogID]Hash {
	branches := map[LogID]Hash{}
	if branch != (Hash{}) {
		branches[e.Log] = branch
	}
	for _, p := range e.Pins {
		if !f.Forked(p.Log) {
			continue
		}
		if of, held := on(p.Log, p.Seq, p.Hash); held {
			branches[p.Log] = of
		}
	}
	return branches
}

func (f *Forks) rename(branches map[LogID]Hash, p Pos) LogID {
	branch, ok := branches[p.Log]
	if !ok {
		return p.Log
	}
	return f.Name(p.Log, branch, p.Seq)
}

// over gives positions their names. A position is a whole prefix, so that one past
// a fork becomes several: of the branch, and of the log that it left.
func (f *Forks) over(branches map[LogID]Hash, over []Pos) []Pos {
	var out []Pos
	for _, p := range over {
		for _, part := range f.parts(p.Log, branches[p.Log], Head{Seq: p.Seq}) {
			out = union(out, []Pos{{part.Log, part.Seq}})
		}
	}
	return out
}

// pins gives the pins their names, and adds one where each branch left its log:
// the entry means that as much.
func (f *Forks) pins(e *Entry, branches map[LogID]Hash) []Pin {
	pins := f.parts(e.Log, branches[e.Log], Head{Seq: e.Seq})
	pins = pins[:len(pins)-1]
	for _, p := range e.Pins {
		pins = append(pins, f.parts(p.Log, branches[p.Log], Head{Seq: p.Seq, Hash: p.Hash})...)
	}
	slices.SortFunc(pins, func(a, b Pin) int { return a.Log.Compare(b.Log) })
	return pins
}
