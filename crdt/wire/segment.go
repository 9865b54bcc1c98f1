package wire

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"

	"github.com/fxamacker/cbor/v2"
	"github.com/klauspost/compress/zstd"

	"github.com/vungxa/vungxa/crdt"
)

// Limits of a segment. MaxSegment is its encoded size, MaxSegmentBody that of
// its entries in carried form, as an array, both in bytes. What doesn't compress at
// all fits too, so that whatever one program took in, any other can send on.
const (
	MaxSegment        = 256 << 10
	MaxSegmentBody    = 224 << 10
	MaxSegmentEntries = 1024
)

// Segment is consecutive entries of one log, ending at a seal. Entries are in
// their carried form, oldest first.
type Segment struct {
	Log     crdt.LogID
	First   uint64 // seq of Entries[0]
	Entries [][]byte
	Seal    Seal // of the last entry
	// Salts of the entries' spans, by Span, as far as the sender has them: those
	// of which no entry was erased. Keys that they don't give are sent one by one.
	Salts map[uint64]Salt
}

// Last is the seq of the segment's last entry.
func (s *Segment) Last() uint64 { return s.First + uint64(len(s.Entries)) - 1 }

type wireSegment struct {
	_      struct{} `cbor:",toarray"`
	Format uint
	Scope  string
	Log    logName
	First  uint64
	Seal   cbor.RawMessage // byte string of 64: the signature alone, of the last entry's hash. Array: a Seal
	Salts  [][]byte        // of the spans from the first entry's on; empty where there is none
	Coding uint
	Body   []byte
}

// The codings of a segment's body.
const (
	codingEntries = iota // zstd of the array of entries in carried form
	codingColumns        // zstd of columns, and raw bits
	codingMixed          // columns through the predictor
)

// ErrNotHeld is wrapped where a segment needs a salt that its reader doesn't hold.
var ErrNotHeld = fmt.Errorf("%w: the salt of the segment's first span is not held", ErrFormat)

// EncodeSegment gives a segment's bytes, in the coding that makes them fewest.
// What DecodeSegment makes of them has been compared with the entries.
func EncodeSegment(s *Segment) ([]byte, error) {
	b, err := s.pack(nil)
	if err != nil {
		return nil, err
	}
	return withinLimit(wireSegment{
		Format: Format, Scope: string(s.Log.Scope), Log: nameOf(s.Log), First: s.First, Seal: b.seal, Salts: b.salts,
		Coding: b.coding, Body: b.bytes,
	})
}

func withinLimit(w any) ([]byte, error) {
	b, err := Marshal(w)
	if err == nil && len(b) > MaxSegment {
		err = fmt.Errorf("segment of %d bytes: too large to send", len(b))
	}
	return b, err
}

// body is what of a segment doesn't say whose it is.
type body struct {
	seal   cbor.RawMessage
	salts  [][]byte
	coding uint
	bytes  []byte
}

// pack takes the coding that makes the fewest bytes, for a reader who holds the
// entry before, if that is given.
func (s *Segment) pack(before *crdt.Entry) (*body, error) {
	array, err := Marshal(s.Entries)
	if err != nil {
		return nil, err
	}
	if len(array) > MaxSegmentBody || len(s.Entries) > MaxSegmentEntries {
		return nil, fmt.Errorf("segment of %d entries and %d bytes: too large to send", len(s.Entries), len(array))
	}
	seal, err := encodeSeal(s)
	if err != nil {
		return nil, err
	}
	whole := &body{seal: seal, coding: codingEntries, bytes: zstdEncoder.EncodeAll(array, nil)}
	return s.chooseColumns(whole, before), nil
}

// chooseColumns takes the columns if they are fewer bytes and give back the same
// entries. Anything else is sent as it is.
func (s *Segment) chooseColumns(whole *body, before *crdt.Entry) *body {
	entries := make([]*crdt.Entry, len(s.Entries))
	for i, b := range s.Entries {
		e, err := DecodeEntry(b)
		if err != nil {
			return whole
		}
		entries[i] = e
	}
	if len(entries) == 0 {
		return whole
	}
	s = s.withoutErased(entries)
	best, fewest := whole, len(whole.bytes)
	salts := s.saltList()
	if before == nil {
		fewest -= 17 * len(salts)
	}
	for _, coding := range []uint{codingColumns, codingMixed} {
		b, err := s.columnsAs(coding, entries, before)
		if err != nil || len(b) >= fewest {
			continue
		}
		c := &body{seal: whole.seal, salts: salts, coding: coding, bytes: b}
		if back, err := c.entries(s.Log, s.First, s.Salts, before); err == nil && equalEntries(back, s.Entries) {
			best, fewest = c, len(b)
		}
	}
	return best
}

// withoutErased is the segment without the salts that would open what was erased.
// Whoever was sent an erased entry of a span may hold the span's salt from before.
func (s *Segment) withoutErased(entries []*crdt.Entry) *Segment {
	c := *s
	c.Salts = maps.Clone(s.Salts)
	for _, e := range entries {
		if isErased(e) {
			delete(c.Salts, Span(e.Seq))
		}
	}
	return &c
}

func equalEntries(a, b [][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

func (s *Segment) columnsAs(coding uint, entries []*crdt.Entry, before *crdt.Entry) ([]byte, error) {
	if coding == codingMixed {
		if carriedSize(s.Entries) > mixedBytes {
			return nil, errTooLong
		}
		m := newMixWriter(copyPrimed())
		if err := writeColumns(m, s, entries, before); err != nil {
			return nil, err
		}
		return m.coder.end(), nil
	}
	p := &plain{}
	if err := writeColumns(p, s, entries, before); err != nil {
		return nil, err
	}
	body := binary.AppendUvarint(nil, uint64(len(p.raw)))
	return zstdEncoder.EncodeAll(p.bytes, append(body, p.raw...)), nil
}

// mixedBytes is how long entries may be, in carried form, for the predictor to be
// tried: longer ones are more than mixedUnits, as a rule.
const mixedBytes = 96 << 10

var errTooLong = errors.New("too long for the predictor")

func carriedSize(entries [][]byte) (n int) {
	for _, b := range entries {
		n += len(b)
	}
	return n
}

// entries reads the body of a run of a log's entries from first on.
func (b *body) entries(log crdt.LogID, first uint64, salts map[uint64]Salt, before *crdt.Entry) ([][]byte, error) {
	switch b.coding {
	case codingEntries:
		array, err := decompress(b.bytes)
		if err != nil {
			return nil, err
		}
		var entries [][]byte
		err = Unmarshal(array, MaxSegmentBody, &entries)
		return entries, err
	case codingColumns:
		n, k := binary.Uvarint(b.bytes)
		if k <= 0 || n > uint64(len(b.bytes)-k) {
			return nil, fmt.Errorf("%w: raw bits that end too early", ErrFormat)
		}
		raw, packed := b.bytes[k:k+int(n)], b.bytes[k+int(n):]
		columns, err := decompress(packed)
		if err != nil {
			return nil, err
		}
		return readColumns(&plain{reading: true, bytes: columns, raw: raw}, log, first, salts, before)
	case codingMixed:
		return readColumns(newMixReader(copyPrimed(), b.bytes), log, first, salts, before)
	}
	return nil, fmt.Errorf("%w: coding %d; this program knows 0 to 2", ErrFormat, b.coding)
}

// saltList is the salts of the segment's spans, in order, without what is missing
// at the end.
func (s *Segment) saltList() [][]byte {
	var list [][]byte
	last := 0
	for span := Span(s.First); span <= Span(s.Last()); span++ {
		salt, ok := s.Salts[span]
		list = append(list, nil)
		if ok {
			list[len(list)-1] = salt[:]
			last = len(list)
		}
	}
	return list[:last]
}

// saltMap is the other way, of spans from first's on.
func saltMap(list [][]byte, first uint64) (map[uint64]Salt, error) {
	salts := map[uint64]Salt{}
	for i, b := range list {
		switch len(b) {
		case 0:
		case len(Salt{}):
			salts[Span(first)+uint64(i)] = Salt(b)
		default:
			return nil, fmt.Errorf("%w: a salt of %d bytes", ErrFormat, len(b))
		}
	}
	return salts, nil
}

// encodeSeal leaves out what the last entry tells.
func encodeSeal(s *Segment) (cbor.RawMessage, error) {
	if n := len(s.Entries); n > 0 && s.Seal.Seq == s.Last() && s.Seal.Hash == ChainHash(s.Entries[n-1]) {
		return Marshal(s.Seal.Signature[:])
	}
	return Marshal(s.Seal)
}

func (s *Segment) decodeSeal(b []byte) error {
	if major(b) == majorArray {
		return Unmarshal(b, len(b), &s.Seal)
	}
	s.Seal = Seal{Seq: s.Last(), Hash: ChainHash(s.Entries[len(s.Entries)-1])}
	return Unmarshal(b, 2+ed25519.SignatureSize, &s.Seal.Signature)
}

// DecodeSegment reads what EncodeSegment writes. It checks form and limits: the
// entries are opened, chained and verified by Open.
func DecodeSegment(b []byte) (*Segment, error) {
	var w wireSegment
	if err := Unmarshal(b, MaxSegment, &w); err != nil {
		return nil, fmt.Errorf("segment: %w", err)
	}
	if err := checkFormat(w.Format); err != nil {
		return nil, fmt.Errorf("segment: %w", err)
	}
	if len(w.Scope) == 0 || len(w.Scope) > crdt.MaxScope || w.First == 0 || w.First+MaxSegmentEntries < w.First {
		return nil, fmt.Errorf("segment: %w: no scope or no first entry", ErrFormat)
	}
	if w.Log.Class > crdt.ClassBulk {
		return nil, fmt.Errorf("segment: %w: of a log of class %d; logs have classes 0 to %d", ErrFormat, w.Log.Class, crdt.ClassBulk)
	}
	s := &Segment{Log: w.Log.in(crdt.Scope(w.Scope)), First: w.First}
	return s.unpack(&body{w.Seal, w.Salts, w.Coding, w.Body}, nil, nil)
}

// unpack reads a body. A salt may be held of the first span.
func (s *Segment) unpack(b *body, before *crdt.Entry, held map[uint64]Salt) (*Segment, error) {
	var err error
	if s.Salts, err = saltMap(b.salts, s.First); err != nil {
		return nil, fmt.Errorf("segment: %w", err)
	}
	maps.Copy(s.Salts, held)
	if s.Entries, err = b.entries(s.Log, s.First, s.Salts, before); err != nil {
		return nil, fmt.Errorf("segment: %w", err)
	}
	n := uint64(len(s.Entries))
	if n == 0 || n > MaxSegmentEntries {
		return nil, fmt.Errorf("segment: %w: %d entries; want 1 to %d", ErrFormat, n, MaxSegmentEntries)
	}
	if spans := Span(s.Last()) - Span(s.First) + 1; uint64(len(b.salts)) > spans {
		return nil, fmt.Errorf("segment: %w: %d salts of %d spans", ErrFormat, len(b.salts), spans)
	}
	if err := s.decodeSeal(b.seal); err != nil {
		return nil, fmt.Errorf("segment: %w", err)
	}
	if s.Last() != s.Seal.Seq {
		return nil, fmt.Errorf("segment: %w: %d entries from %d do not end at the seal of %d", ErrFormat, n, s.First, s.Seal.Seq)
	}
	return s, nil
}

// Open decodes a segment's entries and checks that each is the log's, follows
// the one before it, that the last is the one which the seal names, and that no
// salt comes with an erased entry of its span. What is
// left to check is the seal's signature and whether the first entry fits what
// the receiver holds.
func (s *Segment) Open() ([]*crdt.Entry, error) {
	entries := make([]*crdt.Entry, len(s.Entries))
	var hash crdt.Hash
	for i, b := range s.Entries {
		e, err := DecodeEntry(b)
		if err != nil {
			return nil, err
		}
		if e.Log != s.Log || e.Seq != s.First+uint64(i) {
			return nil, fmt.Errorf("segment: %w: entry %d is not seq %d of its log", ErrFormat, i, s.First+uint64(i))
		}
		if _, salted := s.Salts[Span(e.Seq)]; salted && isErased(e) {
			return nil, fmt.Errorf("segment: %w: seq %d was erased, and its span's salt, which opens it, is there", ErrFormat, e.Seq)
		}
		if i > 0 && e.Prev != hash {
			return nil, fmt.Errorf("segment: %w: the chain breaks at seq %d", ErrFormat, e.Seq)
		}
		if entries[i], hash, err = opened(e); err != nil {
			return nil, err
		}
	}
	if hash != s.Seal.Hash {
		return nil, fmt.Errorf("segment: %w: the seal of seq %d names another entry", ErrFormat, s.Seal.Seq)
	}
	return entries, nil
}

func opened(e *crdt.Entry) (*crdt.Entry, crdt.Hash, error) {
	hash, err := Hash(e)
	return e, hash, err
}

var (
	zstdEncoder = must(zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
		zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithWindowSize(256<<10)))
	zstdDecoder = must(zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxWindow), zstd.WithDecodeAllCapLimit(true)))
)

// maxWindow is what RFC 8878, section 3.1.1.1.2, asks every decoder to take. None
// of it is allocated: what is unpacked is its own window.
const maxWindow = 8 << 20

// maxBlock is what one compressed block of zstd unpacks to at most.
const maxBlock = 128 << 10

func decompress(b []byte) ([]byte, error) {
	n, err := oneFrame(b)
	if err != nil {
		return nil, err
	}
	out, err := zstdDecoder.DecodeAll(b, make([]byte, 0, min(n, MaxSegmentBody)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return out, nil
}

// oneFrame walks the blocks of a zstd frame (RFC 8878, section 3.1.1.2), and
// refuses anything before or after it. It gives how much may come out at most.
func oneFrame(b []byte) (unpacked int, err error) {
	var h zstd.Header
	if err := h.Decode(b); err != nil {
		return 0, fmt.Errorf("%w: no zstd frame: %w", ErrFormat, err)
	}
	if h.Skippable {
		return 0, fmt.Errorf("%w: a zstd frame of nothing", ErrFormat)
	}
	rest := b[h.HeaderSize:]
	for last := false; !last; {
		if len(rest) < 3 {
			return 0, fmt.Errorf("%w: a zstd frame that ends early", ErrFormat)
		}
		block := uint32(rest[0]) | uint32(rest[1])<<8 | uint32(rest[2])<<16
		last = block&1 == 1
		size := int(block >> 3)
		switch block >> 1 & 3 {
		case 1: // one byte again and again
			unpacked, size = unpacked+size, 1
		case 2:
			unpacked += maxBlock
		default:
			unpacked += size
		}
		if rest = rest[3:]; size > len(rest) {
			return 0, fmt.Errorf("%w: a zstd frame that ends early", ErrFormat)
		}
		rest = rest[size:]
	}
	sum := 0
	if h.HasCheckSum {
		sum = 4
	}
	if len(rest) != sum {
		return 0, fmt.Errorf("%w: %d bytes after a zstd frame; want %d", ErrFormat, len(rest), sum)
	}
	return unpacked, nil
}
