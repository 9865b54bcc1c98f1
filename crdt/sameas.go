package crdt

import (
	"bytes"
	"slices"
)

// Same gives the records that people say are one with a record, itself among
// them, sorted: the first gives the group its id. edges lists the ids in a
// record's SameAs set. Both records of a pair name each other, by one Save, and
// the pair counts while both do: so the group is the same whichever of its records
// it is asked of, and taking either out undoes it.
func Same(id RecordID, edges func(RecordID) []RecordID) []RecordID {
	named := map[RecordID]map[RecordID]bool{}
	names := func(id RecordID) map[RecordID]bool {
		if named[id] == nil {
			named[id] = map[RecordID]bool{}
			for _, other := range edges(id) {
				named[id][other] = true
			}
		}
		return named[id]
	}
	group, in := []RecordID{id}, map[RecordID]bool{id: true}
	for i := 0; i < len(group); i++ {
		for other := range names(group[i]) {
			if !in[other] && names(other)[group[i]] {
				group, in[other] = append(group, other), true
			}
		}
	}
	slices.SortFunc(group, func(a, b RecordID) int { return bytes.Compare(a[:], b[:]) })
	return group
}

// SameAsElem is a record's id as an element of SameAs: a CBOR byte string of 16.
func SameAsElem(id RecordID) []byte { return append([]byte{0x50}, id[:]...) }

// ParseSameAs reads what SameAsElem writes.
func ParseSameAs(elem []byte) (RecordID, bool) {
	if !isRecordID(elem) {
		return RecordID{}, false
	}
	return RecordID(elem[1:]), true
}

// Group reads one field of several records that are the same, as if all that is
// visible in them stood in one cell.
func (rd Reader) Group(cells []Cell, priors []func() []Write, p Policy) Reading {
	var all Reading
	for i, c := range cells {
		rd.Prior = nil
		if priors != nil {
			rd.Prior = priors[i]
		}
		r := rd.Cell(c, p)
		all.Siblings = append(all.Siblings, r.Siblings...)
		all.Hidden = append(all.Hidden, r.Hidden...)
		all.Lost = union(all.Lost, r.Lost)
		all.Waiting = append(all.Waiting, r.Waiting...)
	}
	rd.order(all.Siblings, p)
	all.Conflict = rd.differ(all.Siblings)
	all.Review = all.waits(p)
	all.Provisional = len(all.Siblings) > 0 && all.Siblings[0].Provisional
	return all
}
