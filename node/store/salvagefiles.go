package store

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/dgraph-io/badger/v4/fb"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/y"
	"github.com/klauspost/compress/snappy"
	"google.golang.org/protobuf/proto"

	"github.com/vungxa/vungxa/node"
)

// fileReader reads Badger's tables and write-ahead logs without Badger, past whatever
// in them can't be read, and gives every version of every item to item: key with its
// version, meta, and the value as it is stored.
type fileReader struct {
	key  *pb.DataKey
	item func(versioned []byte, meta byte, value []byte) error
	bad  *uint64 // counts what couldn't be read
}

// Badger's marks in an entry's meta.
const (
	metaDeleted = 1 << 0
	metaPointer = 1 << 1
)

var errUnreadable = errors.New("it can't be read")

// table reads a table of Badger's, block by block.
//
//	blocks | index (flatbuffer, encrypted) | its length (4) | checksum | its length (4)
func (r fileReader) table(b []byte) error {
	_, rest, ok := lastPart(b)
	if !ok {
		return errUnreadable
	}
	index, _, ok := lastPart(rest)
	if !ok {
		return errUnreadable
	}
	index, err := decrypted(index, r.key)
	if err != nil {
		return errUnreadable
	}
	root := fb.GetRootAsTableIndex(index, 0)
	blocks := 0
	for i := range root.OffsetsLength() {
		var at fb.BlockOffset
		err := guard(func() error {
			if !root.Offsets(&at, i) {
				return errUnreadable
			}
			first, size := uint64(at.Offset()), uint64(at.Len())
			if first+size > uint64(len(b)) {
				return errUnreadable
			}
			return r.block(b[first : first+size])
		})
		if err == nil {
			blocks++
		} else if !errors.Is(err, errUnreadable) && node.CodeOf(err) != node.Damaged {
			return err
		} else {
			*r.bad++
		}
	}
	if blocks == 0 {
		return errUnreadable
	}
	return nil
}

// lastPart splits off what ends with its length in four bytes.
func lastPart(b []byte) (part, before []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	n, b := binary.BigEndian.Uint32(b[len(b)-4:]), b[:len(b)-4]
	if uint64(n) > uint64(len(b)) {
		return nil, nil, false
	}
	return b[len(b)-int(n):], b[:len(b)-int(n)], true
}

// decrypted is what Badger encrypted by AES-CTR, with the IV at its end.
func decrypted(b []byte, key *pb.DataKey) ([]byte, error) {
	if key == nil {
		return b, nil
	}
	if len(b) < 16 {
		return nil, errUnreadable
	}
	return y.XORBlockAllocate(b[:len(b)-16], key.Data, b[len(b)-16:])
}

// block reads a block.
//
//	entries | their offsets (4 each, this machine's order) | how many (4) | checksum | its length (4)
//	entry: bytes shared with the first key (2), bytes of its own (2), those, value
func (r fileReader) block(b []byte) error {
	b, err := decrypted(b, r.key)
	if err != nil {
		return err
	}
	if plain, err := snappy.Decode(nil, b); err == nil {
		b = plain
	}
	sum, b, ok := lastPart(b)
	if !ok || len(b) < 4 {
		return errUnreadable
	}
	sound := whole(b, sum)
	n, b := uint64(binary.BigEndian.Uint32(b[len(b)-4:])), b[:len(b)-4]
	if n == 0 || n*4 > uint64(len(b)) {
		return errUnreadable
	}
	offsets, b := b[uint64(len(b))-n*4:], b[:uint64(len(b))-n*4]
	at := func(i uint64) uint64 {
		if i == n {
			return uint64(len(b))
		}
		return uint64(binary.NativeEndian.Uint32(offsets[i*4:]))
	}
	var first []byte
	for i := range n {
		from, to := at(i), at(i+1)
		if from+4 > to || to > uint64(len(b)) {
			*r.bad++
			continue
		}
		entry := b[from:to]
		shared, own := int(binary.NativeEndian.Uint16(entry)), int(binary.NativeEndian.Uint16(entry[2:]))
		if 4+own > len(entry) || shared > len(first) {
			*r.bad++
			continue
		}
		versioned := slices.Concat(first[:shared], entry[4:4+own])
		if i == 0 {
			first = versioned
		}
		var value y.ValueStruct
		if err := guard(func() error { value.Decode(entry[4+own:]); return nil }); err != nil {
			*r.bad++
			continue
		}
		if value.Meta&metaDeleted != 0 && !sound {
			*r.bad++
			continue
		}
		if err := r.item(versioned, value.Meta, value.Value); err != nil {
			return err
		}
	}
	return nil
}

// whole says whether Badger's checksum of a block is good.
func whole(b, sum []byte) bool {
	var expected pb.Checksum
	return proto.Unmarshal(sum, &expected) == nil && guard(func() error { return y.VerifyChecksum(b, &expected) }) == nil
}

// wal reads a write-ahead log (wal.go), past whatever in it can't be read.
func (r fileReader) wal(b []byte) error {
	if len(b) < walHeader {
		return errUnreadable
	}
	iv := make([]byte, 16)
	copy(iv, b[8:walHeader])
	for at := walHeader; at < len(b); {
		size, _, ok := walEntry(b[at:])
		if !ok || size == 0 {
			if b[at] != 0 {
				*r.bad++ // where a bad entry begins; and then wherever a byte of it looks like one
			}
			next := r.nextEntry(b, at+1)
			if next < 0 {
				break
			}
			at = next
			continue
		}
		entry := b[at : at+size-4]
		head := 2
		var lengths [2]uint64
		for i := range lengths {
			n, used := binary.Uvarint(entry[head:])
			lengths[i], head = n, head+used
		}
		_, used := binary.Uvarint(entry[head:])
		head += used
		binary.BigEndian.PutUint32(iv[12:], uint32(at))
		plain := entry[head:]
		if r.key != nil {
			var err error
			if plain, err = y.XORBlockAllocate(plain, r.key.Data, iv); err != nil {
				return err
			}
		}
		if entry[0]&walEnd == 0 {
			if err := r.item(plain[:lengths[0]], entry[0], plain[lengths[0]:]); err != nil {
				return err
			}
		}
		at += size
	}
	return nil
}

// nextEntry is where the next entry begins whose checksum is good; -1 where none
// does.
func (r fileReader) nextEntry(b []byte, from int) int {
	for at := from; at < len(b); at++ {
		if size, _, ok := walEntry(b[at:]); ok && size > 0 {
			return at
		}
	}
	return -1
}
