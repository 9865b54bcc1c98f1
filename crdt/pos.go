package crdt

import "slices"

// Lists of positions are sorted by log and name each log once.

func find(ps []Pos, l LogID) (int, bool) {
	return slices.BinarySearchFunc(ps, l, func(p Pos, l LogID) int { return p.Log.Compare(l) })
}

// seqOf is how far ps goes in a log; 0 where it doesn't name it.
func seqOf(ps []Pos, l LogID) uint64 {
	if i, ok := find(ps, l); ok {
		return ps[i].Seq
	}
	return 0
}

// Covers says whether ps, sorted by log, goes at least as far as p.
func Covers(ps []Pos, p Pos) bool { return seqOf(ps, p.Log) >= p.Seq }

// union is the larger seq per log of a and b, sorted by log.
func union(a, b []Pos) []Pos {
	out := slices.Clone(a)
	for _, p := range b {
		switch i, ok := find(out, p.Log); {
		case !ok:
			out = slices.Insert(out, i, p)
		case out[i].Seq < p.Seq:
			out[i].Seq = p.Seq
		}
	}
	return out
}
