package backup

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store/sealed"
)

// Limits of items and parts, in bytes.
const (
	maxItemKey   = 1 + 8<<10
	maxItemValue = 1 << 20
	maxPart      = 2 << 20 // mostPart and one item more
)

// part is a row of a manifest's table.
type part struct {
	name   Digest
	plain  uint32 // bytes of items
	sealed uint32 // bytes of the file
}

const partRow = len(Digest{}) + 8

func (p part) append(b []byte) []byte {
	b = append(b, p.name[:]...)
	b = binary.BigEndian.AppendUint32(b, p.plain)
	return binary.BigEndian.AppendUint32(b, p.sealed)
}

func readPart(row []byte) part {
	n := len(Digest{})
	return part{Digest(row[:n]), binary.BigEndian.Uint32(row[n:]), binary.BigEndian.Uint32(row[n+4:])}
}

func (s *Set) partFile(name Digest) string {
	text := hex.EncodeToString(name[:])
	return filepath.Join(s.dir, dirParts, text[:2], text[2:])
}

func partPurpose(name Digest) string { return "backup 1 part " + hex.EncodeToString(name[:]) }

// packer compresses. It is slow and small: backups run beside an office's work.
type packer struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

func newPacker() packer {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault),
		zstd.WithWindowSize(mostPart), zstd.WithEncoderCRC(false))
	if err != nil {
		panic(err) // only for options out of range
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxManifest), zstd.WithDecoderMaxWindow(maxManifest))
	if err != nil {
		panic(err) // only for options out of range
	}
	return packer{enc, dec}
}

func (p packer) close() { p.dec.Close() }

func (s *Set) sealPart(name Digest, plain []byte) ([]byte, error) {
	return sealed.Seal(s.keys, partPurpose(name), s.pack.enc.EncodeAll(plain, nil))
}

var errPart = node.Errorf(node.Damaged, "nội dung không đúng với tên", "it does not hold what its name says")

// openPart gives a part's items. A part that is not what its name says is an error.
func (s *Set) openPart(p part, b []byte) ([]byte, error) {
	packed, err := sealed.Open(s.keys, partPurpose(p.name), b)
	if err != nil {
		return nil, err
	}
	if p.plain > maxPart {
		return nil, fmt.Errorf("a part of %d bytes", p.plain)
	}
	plain, err := s.pack.dec.DecodeAll(packed, make([]byte, 0, p.plain))
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	if len(plain) != int(p.plain) || keyed(s.derive("part name"), plain) != p.name {
		return nil, errPart
	}
	return plain, nil
}

func appendItem(b, key, value []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(key)))
	b = append(b, key...)
	b = binary.AppendUvarint(b, uint64(len(value)))
	return append(b, value...)
}

var errItem = node.Errorf(node.Damaged, "dữ liệu trong đó không đọc được", "its items can't be read")

func nextItem(b []byte) (key, value, rest []byte, err error) {
	if key, b, err = nextBytes(b, maxItemKey); err != nil {
		return nil, nil, nil, err
	}
	value, b, err = nextBytes(b, maxItemValue)
	return key, value, b, err
}

func nextBytes(b []byte, most uint64) (item, rest []byte, err error) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > most || n > uint64(len(b)-used) {
		return nil, nil, errItem
	}
	return b[used : used+int(n)], b[used+int(n):], nil
}
