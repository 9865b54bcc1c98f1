package wire

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"

	"github.com/vungxa/vungxa/crdt"
)

// SpanEntries is how many entries of a log share a salt.
const SpanEntries = 256

// Salt is the secret of one span of one log, 16 random bytes: whoever holds it
// can open the commitments of the span's entries. It travels beside them, is
// never hashed, and is dropped when an entry of the span is erased.
type Salt [16]byte

// Span is the number of the span that a seq lies in.
func Span(seq uint64) uint64 { return (seq - 1) / SpanEntries }

// EntryKey derives the commitment key of an entry from its span's salt.
func EntryKey(salt Salt, seq uint64) crdt.Key {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], seq)
	return derive(salt[:], []byte("vungxa entry key 1"), n[:])
}

// OpKey derives the key of an entry's i-th operation from the entry's.
func OpKey(entry crdt.Key, i int) crdt.Key {
	var n [2]byte
	binary.BigEndian.PutUint16(n[:], uint16(i))
	return derive(entry[:], n[:])
}

func derive(key []byte, parts ...[]byte) crdt.Key {
	h := keyed(key, parts...)
	return crdt.Key(h[:16])
}

func keyed(key []byte, parts ...[]byte) crdt.Hash {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	return crdt.Hash(h.Sum(nil))
}

// payload is what an operation commits to: the value of an assign, the array
// [element, present] of a set.
func payload(op *crdt.Op) []byte {
	if op.Kind == crdt.Assign {
		return op.Value
	}
	b := append([]byte{0x82}, op.Elem...)
	return append(b, op.Value...)
}

// splitPayload is the other way. A set's value is the one byte after its element.
func splitPayload(kind crdt.Kind, b []byte) (elem, value []byte) {
	if kind == crdt.Assign || len(b) < 3 || b[0] != 0x82 {
		return nil, b
	}
	return b[1 : len(b)-1], b[len(b)-1:]
}

// opKey is the key of the i-th operation, wherever the entry has it.
func opKey(e *crdt.Entry, i int) crdt.Key {
	if k := e.Ops[i].Key; k != (crdt.Key{}) {
		return k
	}
	return OpKey(e.Key, i)
}

// Commitment is what stands for the payload of the entry's i-th operation in the
// structure that is hashed, whether the payload is there or was erased.
func Commitment(e *crdt.Entry, i int) crdt.Hash {
	if h := e.Ops[i].Erased; h != (crdt.Hash{}) {
		return h
	}
	key := opKey(e, i)
	return keyed(key[:], payload(&e.Ops[i]))
}

// Erase drops the payload of the entry's i-th operation and keeps its
// commitment, and for the others keys of their own in place of the entry's, from
// which the erased one's could be derived. The chain hash stays what it was.
// Whoever erases also drops the salt of the entry's span.
func Erase(e *crdt.Entry, i int) *crdt.Entry {
	erased := *e
	erased.Ops = make([]crdt.Op, len(e.Ops))
	for k, op := range e.Ops {
		if k == i {
			op.Erased = Commitment(e, i)
			op.Elem, op.Value, op.Key = nil, nil, crdt.Key{}
		} else if op.Erased == (crdt.Hash{}) {
			op.Key = opKey(e, k)
		}
		erased.Ops[k] = op
	}
	erased.Key = crdt.Key{}
	return &erased
}

// EraseOp is Erase of an entry in its carried form.
func EraseOp(entry []byte, i int) ([]byte, error) {
	e, err := DecodeEntry(entry)
	if err != nil {
		return nil, err
	}
	if i < 0 || i >= len(e.Ops) {
		return nil, noSuchOp(i, len(e.Ops))
	}
	return EncodeEntry(Erase(e, i))
}
