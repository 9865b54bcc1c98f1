package wire

import (
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"github.com/vungxa/vungxa/crdt"
)

// wireOnto is a segment for a reader who holds the entry before it: that says the
// log, the first seq and its hash, the tables of the columns begin with what it
// names, stamps and epochs go on from its own, and the salt of its span isn't sent
// again.
type wireOnto struct {
	_      struct{} `cbor:",toarray"`
	Format uint
	Seal   cbor.RawMessage
	Held   uint     // 1: the reader's salt of the span of the entry before is needed
	Salts  [][]byte // as in a segment
	Coding uint
	Body   []byte
}

// ErrNotOnto is for a segment that doesn't follow the entry that it should.
var ErrNotOnto = errors.New("segment: it doesn't follow that entry")

// EncodeSegmentOnto is EncodeSegment for a reader who holds the entry before the
// segment, and of its span the salt, if the segment has it.
func EncodeSegmentOnto(s *Segment, before *crdt.Entry) ([]byte, error) {
	if before.Log != s.Log || before.Seq+1 != s.First {
		return nil, fmt.Errorf("%w: seq %d after %d", ErrNotOnto, s.First, before.Seq)
	}
	b, err := s.pack(before)
	if err != nil {
		return nil, err
	}
	w := wireOnto{Format: Format, Seal: b.seal, Salts: b.salts, Coding: b.coding, Body: b.bytes}
	if Span(before.Seq) == Span(s.First) && len(w.Salts) > 0 && len(w.Salts[0]) > 0 {
		w.Held, w.Salts[0] = 1, nil
		if len(w.Salts) == 1 {
			w.Salts = nil
		}
	}
	return withinLimit(w)
}

// DecodeSegmentOnto reads what EncodeSegmentOnto writes, for who holds the entry
// before, and its span's salt; without that one, what needs it is ErrNotHeld.
// Where the entry is of another branch than the sender's, all hashes are others,
// and the seal doesn't verify.
func DecodeSegmentOnto(b []byte, before *crdt.Entry, salt *Salt) (*Segment, error) {
	var w wireOnto
	if err := Unmarshal(b, MaxSegment, &w); err != nil {
		return nil, fmt.Errorf("segment: %w", err)
	}
	if err := checkFormat(w.Format); err != nil {
		return nil, fmt.Errorf("segment: %w", err)
	}
	s := &Segment{Log: before.Log, First: before.Seq + 1}
	held := map[uint64]Salt{}
	switch {
	case w.Held > 1 || w.Held == 1 && (Span(before.Seq) != Span(s.First) || len(w.Salts) > 0 && len(w.Salts[0]) > 0):
		return nil, fmt.Errorf("segment: %w: a salt that is not of the span of the entry before", ErrFormat)
	case w.Held == 1 && salt == nil:
		return nil, fmt.Errorf("segment: %w", ErrNotHeld)
	case w.Held == 1:
		held[Span(s.First)] = *salt
	}
	return s.unpack(&body{w.Seal, w.Salts, w.Coding, w.Body}, before, held)
}
