package wire

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/fxamacker/cbor/v2"

	"github.com/vungxa/vungxa/crdt"
)

// logName is a log within the scope of the item that names it.
type logName struct {
	_           struct{} `cbor:",toarray"`
	Device      crdt.Device
	Incarnation crdt.Incarnation
	Class       crdt.Class
}

// wireEntry is an entry. Logs lists every log that its operations name, sorted,
// each once; operations name them by their place in it.
type wireEntry struct {
	_       struct{} `cbor:",toarray"`
	Format  uint
	Scope   string
	Log     logName
	Seq     uint64
	Prev    crdt.Hash
	Stamp   uint64
	Officer string
	Pack    string
	Version uint32
	Epoch   uint64
	Logs    []logName
	Ops     []wireOp
}

type wireOp struct {
	_          struct{} `cbor:",toarray"`
	Collection string
	Record     cbor.RawMessage // byte string of 16: a key. Array [log, seq, index]: a dot
	Field      uint32
	Value      []byte
	Over       []wirePos
}

type wirePos struct {
	_   struct{} `cbor:",toarray"`
	Log uint
	Seq uint64
}

type wireDot struct {
	_     struct{} `cbor:",toarray"`
	Log   uint
	Seq   uint64
	Index uint16
}

// logTable gives logs their places in a sorted list.
type logTable []logName

func nameOf(l crdt.LogID) logName {
	return logName{Device: l.Device, Incarnation: l.Incarnation, Class: l.Class}
}

func (n logName) in(scope crdt.Scope) crdt.LogID {
	return crdt.LogID{Device: n.Device, Incarnation: n.Incarnation, Scope: scope, Class: n.Class}
}

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

// EncodeEntry gives the canonical bytes of an entry, the ones that are hashed.
// It refuses an entry that Validate refuses or that exceeds crdt.MaxEntry.
func EncodeEntry(e *crdt.Entry) ([]byte, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	t := newLogTable(namedLogs(e))
	w := wireEntry{
		Format: Format, Scope: string(e.Log.Scope), Log: nameOf(e.Log), Seq: e.Seq, Prev: e.Prev,
		Stamp: uint64(e.Stamp), Officer: e.Officer, Pack: e.Pack.ID, Version: e.Pack.Version,
		Epoch: e.Epoch, Logs: t, Ops: make([]wireOp, len(e.Ops)),
	}
	for i, op := range e.Ops {
		ref, err := encodeRef(op.Record, t)
		if err != nil {
			return nil, err
		}
		w.Ops[i] = wireOp{
			Collection: op.Collection, Record: ref, Field: op.Field, Value: op.Value, Over: encodeOver(op.Over, t),
		}
	}
	b, err := Marshal(w)
	if err != nil {
		return nil, err
	}
	if len(b) > crdt.MaxEntry {
		return nil, fmt.Errorf("%w: %d bytes; at most %d", crdt.ErrTooLarge, len(b), crdt.MaxEntry)
	}
	return b, nil
}

func namedLogs(e *crdt.Entry) map[crdt.LogID]bool {
	logs := map[crdt.LogID]bool{}
	for _, op := range e.Ops {
		if !op.Record.ByKey() {
			logs[op.Record.Dot.Log] = true
		}
		for _, p := range op.Over {
			logs[p.Log] = true
		}
	}
	return logs
}

func encodeRef(r crdt.Ref, t logTable) (cbor.RawMessage, error) {
	if r.ByKey() {
		return Marshal(r.Key[:])
	}
	return Marshal(wireDot{Log: t.place(r.Dot.Log), Seq: r.Dot.Seq, Index: r.Dot.Index})
}

func encodeOver(over []crdt.Pos, t logTable) []wirePos {
	out := make([]wirePos, len(over))
	for i, p := range over {
		out[i] = wirePos{Log: t.place(p.Log), Seq: p.Seq}
	}
	return out
}

// DecodeEntry reads what EncodeEntry writes, and nothing else: a canonical
// encoding of a valid entry, whose table names exactly the logs it uses.
func DecodeEntry(b []byte) (*crdt.Entry, error) {
	var w wireEntry
	if err := Unmarshal(b, crdt.MaxEntry, &w); err != nil {
		return nil, fmt.Errorf("entry: %w", err)
	}
	if w.Format != Format {
		return nil, fmt.Errorf("entry: %w: format %d; this program knows %d", ErrFormat, w.Format, Format)
	}
	scope := crdt.Scope(w.Scope)
	e := &crdt.Entry{
		Log: w.Log.in(scope), Seq: w.Seq, Prev: w.Prev, Stamp: crdt.Stamp(w.Stamp), Officer: w.Officer,
		Pack: crdt.Pack{ID: w.Pack, Version: w.Version}, Epoch: w.Epoch, Ops: make([]crdt.Op, len(w.Ops)),
	}
	for i, op := range w.Ops {
		if err := decodeOp(&e.Ops[i], op, w.Logs, scope); err != nil {
			return nil, fmt.Errorf("entry: operation %d: %w", i, err)
		}
	}
	if err := e.Validate(); err != nil {
		return nil, err
	}
	if !slices.Equal(newLogTable(namedLogs(e)), w.Logs) {
		return nil, fmt.Errorf("entry: %w: its table of logs is not the logs it names", ErrFormat)
	}
	return e, nil
}

func decodeOp(op *crdt.Op, w wireOp, t logTable, scope crdt.Scope) error {
	ref, err := decodeRef(w.Record, t, scope)
	if err != nil {
		return err
	}
	if err := CheckValue(w.Value); err != nil {
		return fmt.Errorf("value: %w", err)
	}
	over, err := decodeOver(w.Over, t, scope)
	*op = crdt.Op{Collection: w.Collection, Record: ref, Field: w.Field, Value: w.Value, Over: over}
	return err
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

// Major types of CBOR that a record's name may have.
const (
	majorBytes = 2
	majorArray = 4
)

func major(b []byte) int {
	if len(b) == 0 {
		return -1
	}
	return int(b[0] >> 5)
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

// ChainHash is the hash of an entry, given its canonical bytes. The bytes hold
// the hash before it, so it covers the log's whole prefix.
func ChainHash(entry []byte) crdt.Hash {
	h := sha256.New()
	h.Write([]byte("vungxa entry 0\x00"))
	h.Write(entry)
	return crdt.Hash(h.Sum(nil))
}
