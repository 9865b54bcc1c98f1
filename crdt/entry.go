package crdt

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
)

// Limits of an entry. MaxEntry is the size of its canonical encoding in bytes.
// MaxRecords bounds what one entry can touch, so that a store can take any entry,
// with all that its records need of indexes, in one transaction.
const (
	MaxEntry   = 64 << 10
	MaxOps     = 4096
	MaxRecords = 32
	MaxOver    = 256
	MaxOfficer = 64
	MaxName    = 48
)

// FieldExistence is the field of a record's existence cell. Fields of packs
// start at 1.
const FieldExistence uint32 = 0

// Ref names a record: by the dot of the operation that created it, or, in
// collections with a natural key, by a hash of (scope, collection, key), so
// that two offices importing one file make one record. Just one is set.
type Ref struct {
	Dot   Dot
	Key   [16]byte
	Scope Scope // of a key; a dot has its log's
}

// RecordID is a Ref in 16 bytes, for store keys and for the world outside.
type RecordID [16]byte

// RefByKey names a record by its source's own key: never a personal identifier.
func RefByKey(scope Scope, collection, key string) Ref {
	h := sha256.New()
	for _, part := range []string{"vungxa record key 0", string(scope), collection, key} {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(part)))
		h.Write(n[:])
		h.Write([]byte(part))
	}
	return Ref{Key: [16]byte(h.Sum(nil)), Scope: scope}
}

// ByKey says whether the record is named by a natural key.
func (r Ref) ByKey() bool { return r.Key != [16]byte{} }

// ID is the record's id: a hash of the key, or of the creation dot, and either
// way of the scope. So an entry of one scope can't name a record of another,
// whatever key it makes up.
func (r Ref) ID() RecordID {
	h := sha256.New()
	if r.ByKey() {
		h.Write([]byte("vungxa record id 0"))
		h.Write([]byte{byte(len(r.Scope))})
		h.Write([]byte(r.Scope))
		h.Write(r.Key[:])
		return RecordID(h.Sum(nil))
	}
	h.Write([]byte("vungxa record dot 0"))
	h.Write(r.Dot.Log.Device[:])
	h.Write(r.Dot.Log.Incarnation[:])
	h.Write([]byte{byte(r.Dot.Log.Class), byte(len(r.Dot.Log.Scope))})
	h.Write([]byte(r.Dot.Log.Scope))
	var n [10]byte
	binary.BigEndian.PutUint64(n[:], r.Dot.Seq)
	binary.BigEndian.PutUint16(n[8:], r.Dot.Index)
	h.Write(n[:])
	return RecordID(h.Sum(nil))
}

func (id RecordID) String() string { return hex.EncodeToString(id[:]) }

// ParseRecordID reads what RecordID.String writes: 32 hexadecimal digits.
func ParseRecordID(s string) (RecordID, error) {
	var id RecordID
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(id) {
		return id, fmt.Errorf("record id %q: want 32 hexadecimal digits", s)
	}
	return RecordID(b), nil
}

// Op assigns a value to one cell of one record. Over lists what it supersedes
// in that cell: every write that its device knew, as one (log, highest seq)
// per log, sorted. Value is canonical CBOR, opaque to this package.
type Op struct {
	Collection string
	Record     Ref
	Field      uint32
	Value      []byte
	Over       []Pos
}

// Pack names the version of the pack under which an entry was made.
type Pack struct {
	ID      string
	Version uint32
}

// Entry is one Save, whole.
type Entry struct {
	Log     LogID
	Seq     uint64 // from 1, without gaps
	Prev    Hash   // chain hash at Seq-1
	Stamp   Stamp
	Officer string // who was signed in
	Pack    Pack
	Epoch   uint64 // authority epoch; 0 until there is an authority log
	Ops     []Op
}

// Dot is the dot of the entry's i-th operation.
func (e *Entry) Dot(i int) Dot { return Dot{Log: e.Log, Seq: e.Seq, Index: uint16(i)} }

// Errors of Validate and of encoding: every one wraps ErrEntry; ErrTooLarge is
// wrapped where a smaller Save would do.
var (
	ErrEntry    = errors.New("malformed entry")
	ErrTooLarge = fmt.Errorf("%w: too large for one save", ErrEntry)
)

// Validate holds an entry to what its form promises, whoever wrote it. It does
// not judge the domain: a value may be nonsense and still be an entry.
func (e *Entry) Validate() error {
	switch {
	case e.Seq == 0:
		return fmt.Errorf("%w: seq 0; entries count from 1", ErrEntry)
	case (e.Seq == 1) != (e.Prev == Hash{}):
		return fmt.Errorf("%w: seq %d: only the first entry has no previous hash", ErrEntry, e.Seq)
	case len(e.Log.Scope) == 0 || len(e.Log.Scope) > MaxScope:
		return fmt.Errorf("%w: scope of %d bytes; want 1 to %d", ErrEntry, len(e.Log.Scope), MaxScope)
	case len(e.Officer) > MaxOfficer || !isName(e.Pack.ID):
		return fmt.Errorf("%w: an officer's name too long, or a pack's that is no name", ErrEntry)
	case len(e.Ops) == 0 || len(e.Ops) > MaxOps:
		return fmt.Errorf("%w: %d operations; want 1 to %d", ErrEntry, len(e.Ops), MaxOps)
	}
	cells := make(map[cellName]bool, len(e.Ops))
	for i := range e.Ops {
		if err := e.validateOp(i, cells); err != nil {
			return fmt.Errorf("%w: operation %d: %w", ErrEntry, i, err)
		}
	}
	if n := e.Records(); n > MaxRecords {
		return fmt.Errorf("%w: it touches %d records; at most %d", ErrTooLarge, n, MaxRecords)
	}
	return nil
}

// Records counts the records that the entry touches.
func (e *Entry) Records() int {
	type name struct {
		collection string
		record     RecordID
	}
	names := map[name]bool{}
	for i := range e.Ops {
		names[name{e.Ops[i].Collection, e.Ops[i].Record.ID()}] = true
	}
	return len(names)
}

// isName says whether s can name a collection or a pack. Names are parts of
// store keys: one must never hold another's end.
func isName(s string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' {
			return false
		}
	}
	return len(s) > 0 && len(s) <= MaxName
}

type cellName struct {
	record RecordID
	field  uint32
}

func (e *Entry) validateOp(i int, cells map[cellName]bool) error {
	op := &e.Ops[i]
	name := cellName{op.Record.ID(), op.Field}
	switch {
	case cells[name]:
		return errors.New("the entry writes one cell twice")
	case !isName(op.Collection):
		return fmt.Errorf("a collection's name is 1 to %d letters a-z, digits, - and _", MaxName)
	case len(op.Value) == 0:
		return errors.New("no value; a missing value is CBOR null")
	case len(op.Over) > MaxOver:
		return fmt.Errorf("supersedes %d logs; want at most %d", len(op.Over), MaxOver)
	case op.Record.ByKey() && (op.Record.Dot != (Dot{}) || op.Record.Scope != e.Log.Scope):
		return errors.New("the record's key is not of the entry's scope, or it has a dot too")
	case !op.Record.ByKey() && (op.Record.Dot.Log.Scope != e.Log.Scope || op.Record.Dot.Seq == 0):
		return errors.New("the record's creation dot lies outside the entry's scope")
	}
	cells[name] = true
	return e.validateOver(op)
}

func (e *Entry) validateOver(op *Op) error {
	if !slices.IsSortedFunc(op.Over, func(a, b Pos) int { return a.Log.Compare(b.Log) }) {
		return errors.New("what it supersedes is not sorted by log")
	}
	for i, p := range op.Over {
		switch {
		case p.Seq == 0:
			return errors.New("supersedes seq 0")
		case i > 0 && p.Log == op.Over[i-1].Log:
			return errors.New("supersedes one log twice")
		case p.Log.Scope != e.Log.Scope:
			return errors.New("supersedes a write of another scope")
		case p.Log == e.Log && p.Seq >= e.Seq:
			return errors.New("supersedes its own future")
		}
	}
	return nil
}
