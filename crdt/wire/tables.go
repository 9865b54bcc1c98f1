package wire

import (
	"fmt"
	"slices"

	"github.com/fxamacker/cbor/v2"

	"github.com/vungxa/vungxa/crdt"
)

// logTable gives logs their places in a sorted list.
type logTable []logName

func nameOf(l crdt.LogID) logName {
	return logName{Device: l.Device, Incarnation: l.Incarnation, Class: l.Class}
}

func (n logName) in(scope crdt.Scope) crdt.LogID {
	return crdt.LogID{Device: n.Device, Incarnation: n.Incarnation, Scope: scope, Class: n.Class}
}

// isClass says whether a log of a class, or a branch of one, can be named.
func isClass(c crdt.Class) bool { return c&^crdt.ClassBranch <= crdt.ClassBulk }

func compareNames(a, b logName) int { return a.in("").Compare(b.in("")) }

func newLogTable(logs map[crdt.LogID]bool) logTable {
	t := make(logTable, 0, len(logs))
	for l := range logs {
		t = append(t, nameOf(l))
	}
	slices.SortFunc(t, compareNames)
	return t
}

func (t logTable) place(l crdt.LogID) uint {
	i, _ := slices.BinarySearchFunc(t, nameOf(l), compareNames)
	return uint(i)
}

func (t logTable) log(i uint, scope crdt.Scope) (crdt.LogID, error) {
	if i >= uint(len(t)) {
		return crdt.LogID{}, fmt.Errorf("%w: log %d of a table of %d", ErrFormat, i, len(t))
	}
	return t[i].in(scope), nil
}

func encodeRef(r crdt.Ref, t logTable) (cbor.RawMessage, error) {
	if r.ByKey() {
		return Marshal(r.Key[:])
	}
	return Marshal(wireDot{Log: t.place(r.Dot.Log), Seq: r.Dot.Seq, Index: r.Dot.Index})
}

func decodeRef(b []byte, t logTable, scope crdt.Scope) (crdt.Ref, error) {
	switch major(b) {
	case majorBytes:
		var key [16]byte
		if err := Unmarshal(b, 17, &key); err != nil {
			return crdt.Ref{}, err
		}
		if key == [16]byte{} {
			return crdt.Ref{}, fmt.Errorf("%w: a record key of zeros", ErrFormat)
		}
		return crdt.Ref{Key: key, Scope: scope}, nil
	case majorArray:
		var d wireDot
		if err := Unmarshal(b, 32, &d); err != nil {
			return crdt.Ref{}, err
		}
		log, err := t.log(d.Log, scope)
		return crdt.Ref{Dot: crdt.Dot{Log: log, Seq: d.Seq, Index: d.Index}}, err
	}
	return crdt.Ref{}, fmt.Errorf("%w: a record is named by a key or a dot", ErrFormat)
}

// Major types of CBOR.
const (
	majorNegative = 1
	majorBytes    = 2
	majorText     = 3
	majorArray    = 4
	majorMap      = 5
	majorSimple   = 7
)

func major(b []byte) int {
	if len(b) == 0 {
		return -1
	}
	return int(b[0] >> 5)
}

func encodeOver(over []crdt.Pos, t logTable) []wirePos {
	out := make([]wirePos, len(over))
	for i, p := range over {
		out[i] = wirePos{Log: t.place(p.Log), Seq: p.Seq}
	}
	return out
}

func decodeOver(w []wirePos, t logTable, scope crdt.Scope) ([]crdt.Pos, error) {
	if len(w) == 0 {
		return nil, nil
	}
	over := make([]crdt.Pos, len(w))
	for i, p := range w {
		log, err := t.log(p.Log, scope)
		if err != nil {
			return nil, err
		}
		over[i] = crdt.Pos{Log: log, Seq: p.Seq}
	}
	return over, nil
}
