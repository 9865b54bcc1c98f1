package crdt

import (
	"cmp"
	"slices"
)

// On tells the branch of a log on which an entry with a chain hash lies, and
// whether it is held.
type On func(log LogID, seq uint64, hash Hash) (branch Hash, held bool)

// meant is a branch of a log as it was written.
type meant struct {
	log    LogID
	branch Hash
}

// Resolve gives an entry its names: that of its own log, given the branch on which
// it lies, and of the logs that its operations name, which its pins tell apart. An
// entry that names no fork is given back as it is. A pin of a branch that isn't
// held stays as it is: it matches nothing, and the claim waits.
//
// Whoever wrote the entry may have known the fork, and named a branch by its own
// name, and which branch has the log's name may have changed since.
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

// named tells the branch that the entry means by each name which isn't plain.
func (f *Forks) named(e *Entry, branch Hash, on On) map[LogID]meant {
	branches := map[LogID]meant{}
	if branch != (Hash{}) {
		branches[e.Log] = meant{e.Log, branch}
	}
	for _, p := range e.Pins {
		log := f.origin(p.Log)
		if !f.Forked(log) {
			continue
		}
		if of, held := on(log, p.Seq, p.Hash); held {
			branches[p.Log] = meant{log, of}
		}
	}
	return branches
}

// origin is the log under whose name the entries of a branch were written.
func (f *Forks) origin(name LogID) LogID {
	for log, branches := range f.branches {
		if log.Device == name.Device && slices.ContainsFunc(branches, func(b Branch) bool { return BranchName(log, b.Hash) == name }) {
			return log
		}
	}
	return name
}

func (f *Forks) rename(branches map[LogID]meant, p Pos) LogID {
	m, ok := branches[p.Log]
	if !ok {
		return p.Log
	}
	return f.Name(m.log, m.branch, p.Seq)
}

// prefix is the logs of which the prefix that a head names consists.
func (f *Forks) prefix(branches map[LogID]meant, l LogID, head Head) []Pin {
	m, ok := branches[l]
	if !ok {
		return []Pin{{Log: l, Seq: head.Seq, Hash: head.Hash}}
	}
	return f.parts(m.log, m.branch, head)
}

// over gives positions their names. A position is a whole prefix, so that one past
// a fork becomes several: of the branch, and of the log that it left.
func (f *Forks) over(branches map[LogID]meant, over []Pos) []Pos {
	var out []Pos
	for _, p := range over {
		for _, part := range f.prefix(branches, p.Log, Head{Seq: p.Seq}) {
			out = union(out, []Pos{{part.Log, part.Seq}})
		}
	}
	return out
}

// pins gives the pins their names, and adds one where each branch left its log:
// the entry means that as much. Of each log the furthest is kept.
func (f *Forks) pins(e *Entry, branches map[LogID]meant) []Pin {
	own := f.prefix(branches, e.Log, Head{Seq: e.Seq})
	pins := own[:len(own)-1]
	for _, p := range e.Pins {
		pins = append(pins, f.prefix(branches, p.Log, Head{Seq: p.Seq, Hash: p.Hash})...)
	}
	slices.SortFunc(pins, func(a, b Pin) int { return cmp.Or(a.Log.Compare(b.Log), cmp.Compare(b.Seq, a.Seq)) })
	return slices.CompactFunc(pins, func(a, b Pin) bool { return a.Log == b.Log })
}
