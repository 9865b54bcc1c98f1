package crdt

import "slices"

// Limits of an entry. MaxEntry is the size of its canonical encoding in bytes.
// MaxRecords bounds what one entry can touch, so that a store can take any entry,
// with all that its records need of indexes, in one transaction.
const (
	MaxEntry   = 64 << 10
	MaxOps     = 4096
	MaxRecords = 32
	MaxOver    = 256
	MaxPins    = 1024
	MaxElem    = 256
	MaxOfficer = 64
	MaxName    = 48
)

// Fields that no pack can name. Fields of packs lie between them.
const (
	// FieldExistence is the existence cell: assigns of true and false.
	FieldExistence uint32 = 0
	// FieldReserved is where the program's own fields begin.
	FieldReserved uint32 = 1 << 31
	// SameAs is a set of the ids of records that a person says are the same.
	SameAs uint32 = FieldReserved + 1
)

// Kind is the merge kind of an operation, fixed for ever per field.
type Kind uint8

// The merge kinds.
const (
	Assign Kind = 0 // a value; writes that haven't seen each other stand side by side
	Set    Kind = 1 // an element is in the set or isn't; add wins
)

// True and False are CBOR's, the values of existence and of a set's elements.
const (
	True  byte = 0xf5
	False byte = 0xf4
)

// Key is a commitment key: of an entry, from which those of its operations are
// derived, or of one operation. The zero Key is none.
type Key [16]byte

// Op writes one cell of one record: a field of kind Assign, or one element of a
// field of kind Set.
type Op struct {
	Collection string
	Record     Ref
	Field      uint32
	Kind       Kind
	Elem       []byte // of a Set: the element, canonical CBOR, at most MaxElem bytes
	// Value is canonical CBOR, opaque to this package; of a Set and of
	// FieldExistence it is True (present) or False.
	Value []byte
	// Over lists what it supersedes in its cell, sorted by log: every write that
	// its device knew, as one (log, highest seq) per log: the seq of a write of
	// that cell, or how far the page went that its officer had before them. A
	// delete's lists what was known of the whole record.
	Over []Pos
	// Made is, in a record named by a natural key, a write of its existence that
	// the writer saw: whether an absent record was deleted is judged by it. Zero
	// where this entry writes the existence, or none was seen.
	Made Pos
	// Key opens the commitment of this operation alone. It is set in an entry of
	// which another operation was erased, and nowhere else.
	Key Key
	// Erased is the commitment that stands in the place of a payload (Elem and
	// Value) which was erased; zero while the payload is there.
	Erased Hash
}

// Pack names the version of the pack under which an entry was made.
type Pack struct {
	ID      string
	Version uint32
}

// Pin says which branch of a foreign log an entry means: the chain hash of Log
// at Seq, the highest seq of it that the entry names.
type Pin struct {
	Log  LogID
	Seq  uint64
	Hash Hash
}

// Cite names a checkpoint by hub epoch and raft index. The zero Cite, in an
// entry, is the one that the entry before it in its log cites.
type Cite struct {
	Epoch uint64
	Index uint64
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
	Cites   Cite   // the newest checkpoint that its device held
	// Pins has at most one pin for each foreign log that the operations name,
	// sorted by log. A log may lack one if the checkpoint cited covers what is
	// named of it.
	Pins []Pin
	Ops  []Op
	// Key opens the commitments of all operations. It is no part of the
	// structure that is hashed, and zero once an operation was erased.
	Key Key
}

// Dot is the dot of the entry's i-th operation.
func (e *Entry) Dot(i int) Dot { return Dot{Log: e.Log, Seq: e.Seq, Index: uint16(i)} }

// Pos is the entry's place in its log.
func (e *Entry) Pos() Pos { return Pos{Log: e.Log, Seq: e.Seq} }

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

// Named is the foreign logs that the entry's operations name, each with the
// highest seq named of it, sorted by log.
func (e *Entry) Named() []Pos {
	highest := map[LogID]uint64{}
	add := func(l LogID, seq uint64) {
		if l != e.Log {
			highest[l] = max(highest[l], seq)
		}
	}
	for i := range e.Ops {
		op := &e.Ops[i]
		for _, p := range op.Over {
			add(p.Log, p.Seq)
		}
		if !op.Record.ByKey() {
			add(op.Record.Dot.Log, op.Record.Dot.Seq)
		}
		if op.Made.Seq > 0 {
			add(op.Made.Log, op.Made.Seq)
		}
	}
	named := make([]Pos, 0, len(highest))
	for l, seq := range highest {
		named = append(named, Pos{Log: l, Seq: seq})
	}
	slices.SortFunc(named, func(a, b Pos) int { return a.Log.Compare(b.Log) })
	return named
}
