package wire

import (
	"crypto/ed25519"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/vungxa/vungxa/crdt"
)

// Limits of a segment. MaxSegment is its encoded size, MaxSegmentBody that of
// its entries before compression, both in bytes. What doesn't compress at all fits
// too, so that whatever one program took in, any other can send on.
const (
	MaxSegment        = 256 << 10
	MaxSegmentBody    = 224 << 10
	MaxSegmentEntries = 1024
)

// Seal is a device's signature over the head of its log at Seq: it vouches for
// every entry up to there.
type Seal struct {
	_         struct{} `cbor:",toarray"`
	Seq       uint64
	Hash      crdt.Hash
	Signature [ed25519.SignatureSize]byte
}

// Head is what the seal vouches for.
func (s Seal) Head() crdt.Head { return crdt.Head{Seq: s.Seq, Hash: s.Hash} }

type sealed struct {
	_      struct{} `cbor:",toarray"`
	Domain string
	Format uint
	Scope  string
	Log    logName
	Seq    uint64
	Hash   crdt.Hash
}

func sealedBytes(log crdt.LogID, h crdt.Head) ([]byte, error) {
	return Marshal(sealed{
		Domain: "vungxa seal", Format: Format, Scope: string(log.Scope), Log: nameOf(log), Seq: h.Seq, Hash: h.Hash,
	})
}

// Sign seals a log at a head. sign is Ed25519 under the device's seal key.
func Sign(log crdt.LogID, h crdt.Head, sign func(message []byte) []byte) (Seal, error) {
	m, err := sealedBytes(log, h)
	if err != nil {
		return Seal{}, err
	}
	return Seal{Seq: h.Seq, Hash: h.Hash, Signature: [ed25519.SignatureSize]byte(sign(m))}, nil
}

// Verify says whether the seal is the log's device's own.
func (s Seal) Verify(log crdt.LogID, key ed25519.PublicKey) bool {
	m, err := sealedBytes(log, s.Head())
	return err == nil && len(key) == ed25519.PublicKeySize && ed25519.Verify(key, m, s.Signature[:])
}

// Segment is consecutive entries of one log, ending at a seal. Entries are their
// canonical bytes, oldest first.
type Segment struct {
	Log     crdt.LogID
	First   uint64 // seq of Entries[0]
	Entries [][]byte
	Seal    Seal // of the last entry
}

// Last is the seq of the segment's last entry.
func (s *Segment) Last() uint64 { return s.First + uint64(len(s.Entries)) - 1 }

type wireSegment struct {
	_      struct{} `cbor:",toarray"`
	Format uint
	Scope  string
	Log    logName
	First  uint64
	Seal   Seal
	Body   []byte // zstd of the array of entries
}

// EncodeSegment gives a segment's bytes.
func EncodeSegment(s *Segment) ([]byte, error) {
	body, err := Marshal(s.Entries)
	if err != nil {
		return nil, err
	}
	packed := zstdEncoder.EncodeAll(body, nil)
	b, err := Marshal(wireSegment{
		Format: Format, Scope: string(s.Log.Scope), Log: nameOf(s.Log), First: s.First, Seal: s.Seal, Body: packed,
	})
	if err == nil && (len(b) > MaxSegment || len(body) > MaxSegmentBody || len(s.Entries) > MaxSegmentEntries) {
		err = fmt.Errorf("segment of %d entries and %d bytes: too large to send", len(s.Entries), len(b))
	}
	return b, err
}

// DecodeSegment reads what EncodeSegment writes. It checks form and limits: the
// entries are opened, chained and verified by Open.
func DecodeSegment(b []byte) (*Segment, error) {
	var w wireSegment
	if err := Unmarshal(b, MaxSegment, &w); err != nil {
		return nil, fmt.Errorf("segment: %w", err)
	}
	if w.Format != Format {
		return nil, fmt.Errorf("segment: %w: format %d; this program knows %d", ErrFormat, w.Format, Format)
	}
	if len(w.Scope) == 0 || len(w.Scope) > crdt.MaxScope || w.First == 0 {
		return nil, fmt.Errorf("segment: %w: no scope or no first entry", ErrFormat)
	}
	body, err := decompress(w.Body)
	if err != nil {
		return nil, fmt.Errorf("segment: %w", err)
	}
	s := &Segment{Log: w.Log.in(crdt.Scope(w.Scope)), First: w.First, Seal: w.Seal}
	if err := Unmarshal(body, MaxSegmentBody, &s.Entries); err != nil {
		return nil, fmt.Errorf("segment: %w", err)
	}
	n := uint64(len(s.Entries))
	if n == 0 || n > MaxSegmentEntries || s.First+n < s.First || s.Last() != s.Seal.Seq {
		return nil, fmt.Errorf("segment: %w: %d entries from %d do not end at the seal of %d", ErrFormat, n, s.First, s.Seal.Seq)
	}
	return s, nil
}

// Open decodes a segment's entries and checks that each is the log's, follows
// the one before it, and that the last is the one which the seal names. What is
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
		if i > 0 && e.Prev != hash {
			return nil, fmt.Errorf("segment: %w: the chain breaks at seq %d", ErrFormat, e.Seq)
		}
		entries[i], hash = e, ChainHash(b)
	}
	if hash != s.Seal.Hash {
		return nil, fmt.Errorf("segment: %w: the seal of seq %d names another entry", ErrFormat, s.Seal.Seq)
	}
	return entries, nil
}

var (
	zstdEncoder = must(zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithWindowSize(1<<20)))
	zstdDecoder = must(zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxSegmentBody), zstd.WithDecoderMaxWindow(1<<20)))
)

func decompress(b []byte) ([]byte, error) {
	out, err := zstdDecoder.DecodeAll(b, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return out, nil
}
