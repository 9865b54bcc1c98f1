package keyring

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/vungxa/vungxa/crdt/wire"
)

// The file is a row of blocks, one a slot, each with its own check and each whole
// by itself: what damages one leaves the others readable. FORMAT.md has the table.
const (
	format     = 1
	blockSize  = 512 // a sector: written whole or not at all by most disks
	checkSize  = 16
	headSize   = 6 // magic and length
	itemMax    = blockSize - headSize - checkSize
	magic      = "VXK1"
	SlotsMax   = 16 // in a file
	LabelMax   = 64 // bytes
	blobMax    = 128
	wrapDomain = "vungxa key slot 1"

	revisionMax = 1 << 62
)

// block is a slot as the file holds it, with what all slots of a file agree on.
type block struct {
	_        struct{} `cbor:",toarray"`
	Format   uint
	StoreID  [16]byte
	Revision uint64 // of the file: one more with every change
	Slots    uint16 // bit n-1: the file has a slot n
	Slot     uint8  // 1..SlotsMax
	Kind     Kind
	Label    string
	Params   params
	Wraps    []wrap // by rising number: the data key, and while it is changed the next
}

// wrap is a data key in a slot.
type wrap struct {
	_      struct{} `cbor:",toarray"`
	Number uint64   // of the data key: 1, and one more with every rotation
	Nonce  [chacha20poly1305.NonceSizeX]byte
	Box    [KeySize + chacha20poly1305.Overhead]byte
}

// about is what a wrap authenticates beside the key.
type about struct {
	_       struct{} `cbor:",toarray"`
	Domain  string
	StoreID [16]byte
	Slot    uint8
	Kind    Kind
	Label   string
	Params  params
	Number  uint64
}

func (b *block) about(number uint64) ([]byte, error) {
	return wire.Marshal(about{Domain: wrapDomain, StoreID: b.StoreID, Slot: b.Slot, Kind: b.Kind, Label: b.Label, Params: b.Params, Number: number})
}

// seal adds a data key to a slot.
func (b *block) seal(wrapping []byte, number uint64, key [KeySize]byte, rand io.Reader) error {
	aead, err := chacha20poly1305.NewX(wrapping)
	if err != nil {
		return err
	}
	ad, err := b.about(number)
	if err != nil {
		return err
	}
	w := wrap{Number: number}
	if _, err := io.ReadFull(rand, w.Nonce[:]); err != nil {
		return fmt.Errorf("draw a nonce: %w", err)
	}
	aead.Seal(w.Box[:0], w.Nonce[:], key[:], ad)
	b.Wraps = append(b.Wraps, w)
	return nil
}

// errSecret says that a secret doesn't open a slot.
var errSecret = errors.New("the secret doesn't open the slot")

// open gives the data keys of a slot by their numbers.
func (b *block) open(s Secret) (map[uint64][KeySize]byte, error) {
	wrapping, err := s.wrappingKey(b.Params)
	if err != nil {
		return nil, err
	}
	aead, err := chacha20poly1305.NewX(wrapping)
	if err != nil {
		return nil, err
	}
	keys := map[uint64][KeySize]byte{}
	for _, w := range b.Wraps {
		ad, err := b.about(w.Number)
		if err != nil {
			return nil, err
		}
		key, err := aead.Open(nil, w.Nonce[:], w.Box[:], ad)
		if err != nil {
			return nil, errSecret
		}
		keys[w.Number] = [KeySize]byte(key)
	}
	return keys, nil
}

// encode fills a block of the file.
func (b *block) encode() ([]byte, error) {
	item, err := wire.Marshal(b)
	if err != nil {
		return nil, err
	}
	if len(item) > itemMax {
		return nil, fmt.Errorf("a slot of %d bytes; at most %d", len(item), itemMax)
	}
	out := make([]byte, 0, blockSize)
	out = binary.BigEndian.AppendUint16(append(out, magic...), uint16(len(item)))
	out = append(append(out, item...), make([]byte, itemMax-len(item))...)
	return append(out, check(out)...), nil
}

func check(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:checkSize]
}

var errBlock = errors.New("damaged slot")

// decode reads what encode writes, and nothing else.
func decode(raw []byte) (*block, error) {
	if len(raw) != blockSize || string(raw[:len(magic)]) != magic {
		return nil, errBlock
	}
	body, sum := raw[:blockSize-checkSize], raw[blockSize-checkSize:]
	n := int(binary.BigEndian.Uint16(raw[len(magic):]))
	if !bytes.Equal(check(body), sum) || n > itemMax || len(bytes.Trim(body[headSize+n:], "\x00")) > 0 {
		return nil, errBlock
	}
	b := &block{}
	if err := wire.Unmarshal(body[headSize:headSize+n], itemMax, b); err != nil {
		return nil, fmt.Errorf("%w: %w", errBlock, err)
	}
	if b.Format != format {
		return nil, fmt.Errorf("%w: format %d; this program reads format %d", errBlock, b.Format, format)
	}
	return b, b.valid()
}

// valid bounds what a block says.
func (b *block) valid() error {
	ordered := len(b.Wraps) == 1 || len(b.Wraps) == 2 && b.Wraps[0].Number < b.Wraps[1].Number
	inside := b.Slot >= 1 && b.Slot <= SlotsMax && b.Slots&(1<<(b.Slot-1)) != 0
	if !ordered || !inside || b.Revision == 0 || b.Revision > revisionMax || len(b.Label) > LabelMax || !b.Params.check(b.Kind) {
		return errBlock
	}
	return nil
}
