package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/pb"
	"google.golang.org/protobuf/proto"
)

// Badger's MANIFEST names the tables that count. Tables that it doesn't name are
// deleted when Badger opens, and a MANIFEST that breaks off is read up to there,
// so one that lost its end loses tables without a word.
//
//	"Bdgr", external magic (2), version 8 (2)
//	length (4), CRC-32C (4), ManifestChangeSet (protobuf), and so on

const manifestHeader = 8

// manifest is what a MANIFEST says.
type manifest struct {
	live  map[uint64]manifestTable
	whole int64 // bytes up to the last whole change
	// flushed counts the tables that were made of write-ahead logs past the length
	// that was asked about.
	flushed int
	// rewritten says that it begins with a list of what lives, as Badger writes
	// when it has grown long.
	rewritten bool
}

type manifestTable struct {
	level       uint32
	key         uint64
	compression uint32
}

func manifestName(dir string) string { return filepath.Join(dir, badger.ManifestFilename) }

var errManifest = errors.New("the MANIFEST isn't as it was written")

// parseManifest reads a MANIFEST, and counts what was flushed past a length.
func parseManifest(b []byte, past int64) (manifest, error) {
	m := manifest{live: map[uint64]manifestTable{}}
	if len(b) < manifestHeader || string(b[:4]) != "Bdgr" {
		return m, errManifest
	}
	m.whole = manifestHeader
	for first := true; len(b)-int(m.whole) >= 8; first = false {
		head := b[m.whole:]
		n := int(binary.BigEndian.Uint32(head))
		if n > len(head)-8 {
			break // it ends within a change
		}
		var set pb.ManifestChangeSet
		body := head[8 : 8+n]
		if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(head[4:]) {
			return m, errManifest
		}
		if err := proto.Unmarshal(body, &set); err != nil {
			return m, fmt.Errorf("%w: %w", errManifest, err)
		}
		m.rewritten = m.rewritten || first && len(set.Changes) > 0
		for _, c := range set.Changes {
			m.apply(c)
		}
		if m.whole >= past && flush(set.Changes) {
			m.flushed++
		}
		m.whole += int64(8 + n)
	}
	return m, nil
}

// flush says whether a change is a memory table becoming a table. A compaction
// within level 0 makes tables there too, and deletes some.
func flush(changes []*pb.ManifestChange) bool {
	return len(changes) == 1 && changes[0].Op == pb.ManifestChange_CREATE && changes[0].Level == 0
}

func (m *manifest) apply(c *pb.ManifestChange) {
	if c.Op == pb.ManifestChange_DELETE {
		delete(m.live, c.Id)
		return
	}
	m.live[c.Id] = manifestTable{c.Level, c.KeyId, c.Compression}
}

// encodeManifest writes a MANIFEST that names tables.
func encodeManifest(tables []tableMark) ([]byte, error) {
	set := &pb.ManifestChangeSet{}
	for _, t := range tables {
		set.Changes = append(set.Changes, &pb.ManifestChange{
			Id: t.ID, Op: pb.ManifestChange_CREATE, Level: t.Level, KeyId: t.Key, Compression: t.Compression,
			EncryptionAlgo: pb.EncryptionAlgo_aes,
		})
	}
	body, err := proto.Marshal(set)
	if err != nil {
		return nil, err
	}
	b := binary.BigEndian.AppendUint16([]byte("Bdgr\x00\x00"), 8)
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(body, castagnoli))
	return append(b, body...), nil
}

func readManifest(dir string, past int64) (manifest, []byte, error) {
	b, err := os.ReadFile(manifestName(dir))
	if err != nil {
		return manifest{}, nil, err
	}
	m, err := parseManifest(b, past)
	return m, b, err
}
