package hub

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/hashicorp/raft"

	"github.com/vungxa/vungxa/crdt/wire"
)

// A snapshot is a list of items, each after its length (four bytes, big endian):
// a header, every segment of the store, and after a length of 0 the number of
// segments (eight bytes, big endian), at which it ends.

const (
	snapshotDomain = "vungxa hub snapshot"
	headerBytes    = 64 // at most
)

type snapshotHeader struct {
	_       struct{} `cbor:",toarray"`
	Domain  string
	Format  uint
	Epoch   uint64
	Applied uint64 // index of the last command whose effect is in it
}

// snapshot is a promise to write one: it holds no data, since the store may be
// read while commands are applied to it.
type snapshot struct {
	fsm    *fsm
	header snapshotHeader
}

// Snapshot notes how far the store is. A store that failed is not worth one: raft
// would drop commands that it hasn't got.
func (f *fsm) Snapshot() (raft.FSMSnapshot, error) {
	if err := f.failure(); err != nil {
		return nil, err
	}
	return &snapshot{fsm: f, header: snapshotHeader{
		Domain: snapshotDomain, Format: wire.Format, Epoch: f.epoch, Applied: f.applied.Load(),
	}}, nil
}

func (s *snapshot) Release() {}

// Persist writes the snapshot. What the store gets meanwhile may be in it too:
// whoever restores it passes over what he holds when its command comes.
func (s *snapshot) Persist(sink raft.SnapshotSink) error {
	if err := s.write(sink); err != nil {
		return errors.Join(err, sink.Cancel())
	}
	return sink.Close()
}

func (s *snapshot) write(w io.Writer) error {
	header, err := wire.Marshal(s.header)
	if err != nil {
		return err
	}
	if err := writeItem(w, header); err != nil {
		return err
	}
	var count uint64
	var sinkErr error
	err = s.fsm.store.Segments(func(segment *wire.Segment) error {
		count++
		b, err := wire.EncodeSegment(segment)
		if err != nil {
			return err
		}
		sinkErr = writeItem(w, b)
		return sinkErr
	})
	switch {
	case sinkErr != nil:
		return sinkErr // raft tries again later, and keeps its log until then
	case err != nil:
		return s.fsm.fail(fmt.Errorf("hub: snapshot: store: %w", err))
	}
	_, err = w.Write(binary.BigEndian.AppendUint64(make([]byte, 4, 12), count))
	return err
}

func writeItem(w io.Writer, b []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...))
	return err
}

// Restore adds a snapshot to the store. Raft asks to discard what was there
// before: that is a part of the snapshot, since logs only grow, so it stays. The
// store's index moves when all is in: a crash before leaves it where it was, and
// the next start restores again.
func (f *fsm) Restore(rc io.ReadCloser) error {
	r := bufio.NewReader(rc)
	header, err := f.readHeader(r)
	if err != nil {
		return fmt.Errorf("hub: %w", err)
	}
	if header.Applied <= f.applied.Load() {
		return nil
	}
	if err := f.restoreSegments(r); err != nil {
		return fmt.Errorf("hub: %w", err)
	}
	if err := f.store.ApplySegments(header.Applied, nil); err != nil {
		return f.fail(fmt.Errorf("hub: restore: store: %w", err))
	}
	f.applied.Store(header.Applied)
	return nil
}

func (f *fsm) readHeader(r io.Reader) (h snapshotHeader, err error) {
	b, err := readItem(r, headerBytes)
	if err != nil {
		return h, err
	}
	if err := wire.Unmarshal(b, headerBytes, &h); err != nil {
		return h, fmt.Errorf("%w: header: %w", ErrSnapshot, err)
	}
	if h.Domain != snapshotDomain || h.Format != wire.Format {
		return h, fmt.Errorf("%w: format %d; this program knows %d", ErrSnapshot, h.Format, wire.Format)
	}
	if h.Epoch != f.epoch {
		return h, fmt.Errorf("%w: of hub epoch %d in a directory of epoch %d", ErrSnapshot, h.Epoch, f.epoch)
	}
	return h, nil
}

func (f *fsm) restoreSegments(r io.Reader) error {
	var batch []*wire.Segment
	size := 0
	flush := func() error {
		err := f.store.ApplySegments(f.applied.Load(), batch)
		batch, size = nil, 0
		if err != nil {
			return f.fail(fmt.Errorf("restore: store: %w", err))
		}
		return nil
	}
	for count := uint64(0); ; count++ {
		b, err := readItem(r, wire.MaxSegment)
		if err != nil {
			return err
		}
		if b == nil {
			if err := readEnd(r, count); err != nil {
				return err
			}
			return flush()
		}
		s, err := wire.DecodeSegment(b)
		if err != nil {
			return fmt.Errorf("%w: segment %d: %w", ErrSnapshot, count, err)
		}
		batch, size = append(batch, s), size+len(b)
		if size >= MaxCommand {
			if err := flush(); err != nil {
				return err
			}
		}
	}
}

// readItem gives the next item, or nil at the end of the list.
func readItem(r io.Reader, limit uint32) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, fmt.Errorf("%w: cut short: %w", ErrSnapshot, err)
	}
	n := binary.BigEndian.Uint32(length[:])
	if n == 0 {
		return nil, nil
	}
	if n > limit {
		return nil, fmt.Errorf("%w: an item of %d bytes; at most %d", ErrSnapshot, n, limit)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("%w: cut short: %w", ErrSnapshot, err)
	}
	return b, nil
}

func readEnd(r io.Reader, count uint64) error {
	b, err := io.ReadAll(io.LimitReader(r, 9))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	if len(b) != 8 || binary.BigEndian.Uint64(b) != count {
		return fmt.Errorf("%w: doesn't end after its %d segments", ErrSnapshot, count)
	}
	return nil
}
