package hub

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"sync"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
)

// fileStore is a small Store that is really durable: a file of commands, each
// with a checksum, fsynced one by one. A torn last one is cut off at open.
type fileStore struct {
	mu      sync.Mutex // guards all below
	file    *os.File
	applied uint64
	kept    []*wire.Segment       // what was applied, in order
	heads   map[crdt.LogID]uint64 // the last seq held of each log
	calls   int                   // of ApplySegments since it was opened
	step    func(string)          // told before, within and after a write
	fail    error                 // what ApplySegments and Segments answer
	refused func()                // told when ApplySegments does
	hole    error                 // what Segments answers after the first
}

func openFileStore(path string) (*fileStore, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	s := &fileStore{file: f, heads: map[crdt.LogID]uint64{}, step: func(string) {}, refused: func() {}}
	end, err := s.load()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, f.Truncate(end)
}

// load reads commands up to the first that is torn, and says where that is.
func (s *fileStore) load() (end int64, err error) {
	all, err := io.ReadAll(s.file)
	if err != nil {
		return 0, err
	}
	for b := all; ; {
		if len(b) < 16 {
			return int64(len(all) - len(b)), nil
		}
		n, sum, index := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint64(b[8:])
		if len(b) < 16+int(n) || crc32.ChecksumIEEE(b[8:16+n]) != sum {
			return int64(len(all) - len(b)), nil
		}
		var encoded [][]byte
		if err := wire.Unmarshal(b[16:16+n], int(n), &encoded); err != nil {
			return 0, err
		}
		for _, e := range encoded {
			segment, err := wire.DecodeSegment(e)
			if err != nil {
				return 0, err
			}
			s.keep(segment)
		}
		s.applied, b = index, b[16+n:]
	}
}

// keep holds a segment that continues its log; the rest is dropped.
func (s *fileStore) keep(segment *wire.Segment) bool {
	if segment.First != s.heads[segment.Log]+1 {
		return false
	}
	s.heads[segment.Log] = segment.Last()
	s.kept = append(s.kept, segment)
	return true
}

func (s *fileStore) Applied() (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.applied, s.fail
}

func (s *fileStore) ApplySegments(index uint64, segments []*wire.Segment) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.fail != nil {
		s.refused()
		return s.fail
	}
	encoded := [][]byte{}
	for _, segment := range segments {
		if s.keep(segment) {
			b, err := wire.EncodeSegment(segment)
			if err != nil {
				return err
			}
			encoded = append(encoded, b)
		}
	}
	body, err := wire.Marshal(encoded)
	if err != nil {
		return err
	}
	b := binary.BigEndian.AppendUint64(make([]byte, 8), index)
	b = append(b, body...)
	binary.BigEndian.PutUint32(b, uint32(len(body)))
	binary.BigEndian.PutUint32(b[4:], crc32.ChecksumIEEE(b[8:]))
	s.step("before the write")
	if err := s.write(b[:len(b)/2]); err != nil {
		return err
	}
	s.step("within the write")
	if err := s.write(b[len(b)/2:]); err != nil {
		return err
	}
	s.applied = index
	s.step("after the write")
	return nil
}

func (s *fileStore) write(b []byte) error {
	if _, err := s.file.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	if _, err := s.file.Write(b); err != nil {
		return err
	}
	return s.file.Sync()
}

func (s *fileStore) Segments(yield func(*wire.Segment) error) error {
	s.mu.Lock()
	kept, fail, hole := s.kept, s.fail, s.hole
	s.mu.Unlock()
	if fail != nil {
		return fail
	}
	for _, segment := range kept {
		if err := yield(segment); err != nil {
			return err
		}
		if hole != nil {
			return hole
		}
	}
	return nil
}

func (s *fileStore) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *fileStore) counted() (segments, calls int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.kept), s.calls
}

// testSegment is the n-th segment (from 1) of a log: one entry, sealed.
type testLog struct {
	id   crdt.LogID
	head crdt.Head
	size int // bytes of each entry's value
}

func newTestLog(device byte) *testLog {
	return &testLog{size: 8, id: crdt.LogID{
		Device: crdt.Device{device}, Incarnation: crdt.Incarnation{1}, Scope: "c/03646", Class: crdt.ClassRecords,
	}}
}

func (l *testLog) next(t testing.TB) *wire.Segment {
	t.Helper()
	noise := sha256.Sum256(binary.BigEndian.AppendUint64(nil, l.head.Seq))
	value := make([]byte, 0, l.size) // does not compress
	for len(value) < l.size {
		noise = sha256.Sum256(noise[:])
		value = append(value, noise[:min(32, l.size-len(value))]...)
	}
	encodedValue, err := wire.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	e := &crdt.Entry{
		Log: l.id, Seq: l.head.Seq + 1, Prev: l.head.Hash, Officer: "x", Pack: crdt.Pack{ID: "commune", Version: 1},
		Key: crdt.Key{1},
		Ops: []crdt.Op{{Collection: "dossiers", Record: crdt.RefByKey("c/03646", "dossiers", "1"), Field: 1, Value: encodedValue}},
	}
	b, err := wire.EncodeEntry(e)
	if err != nil {
		t.Fatal(err)
	}
	l.head = crdt.Head{Seq: e.Seq, Hash: wire.ChainHash(b)}
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32))
	seal, err := wire.Sign(l.id, l.head, func(m []byte) []byte { return ed25519.Sign(key, m) })
	if err != nil {
		t.Fatal(err)
	}
	return &wire.Segment{Log: l.id, First: e.Seq, Entries: [][]byte{b}, Seal: seal}
}

func (l *testLog) take(t testing.TB, n int) []*wire.Segment {
	out := make([]*wire.Segment, n)
	for i := range out {
		out[i] = l.next(t)
	}
	return out
}
