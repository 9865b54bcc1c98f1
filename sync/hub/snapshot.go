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

// A snapshot is a list of items, each after its length (four bytes, big endian) and
// sealed with its place: a header, every segment of the store, and after a length
// of 0 the number of segments (eight bytes, big endian), at which it ends.

const (
	snapshotDomain = "vungxa hub snapshot"
	headerBytes    = 64 // at most
	endBytes       = 8

	aboutHeader = "snapshot"
)

type snapshotHeader struct {
	_       struct{} `cbor:",toarray"`
	Domain  string
	Format  uint
	Epoch   uint64
	Applied uint64 // index of the last command whose effect is in it
}

// aboutSegment and aboutEnd name the places of a snapshot, so that none of its items
// can be moved, left out, or taken from another snapshot.
func (h snapshotHeader) aboutSegment(i uint64) string {
	return fmt.Sprintf("snapshot of %d/%d, segment %d", h.Epoch, h.Applied, i)
}

func (h snapshotHeader) aboutEnd() string {
	return fmt.Sprintf("snapshot of %d/%d, end", h.Epoch, h.Applied)
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
	if err := s.writeItem(w, aboutHeader, header); err != nil {
		return err
	}
	var count uint64
	var sinkErr error
	err = s.fsm.store.Segments(func(segment *wire.Segment) error {
		b, err := wire.EncodeSegment(segment)
		if err != nil {
			return err
		}
		sinkErr = s.writeItem(w, s.header.aboutSegment(count), b)
		count++
		return sinkErr
	})
	switch {
	case sinkErr != nil, errors.Is(err, ErrHole):
		return fmt.Errorf("hub: snapshot: %w", err) // raft tells of it, tries again later, and keeps its log until then
	case err != nil:
		return s.fsm.fail(fmt.Errorf("hub: snapshot: store: %w", err))
	}
	if _, err := w.Write(make([]byte, 4)); err != nil {
		return err
	}
	return s.writeItem(w, s.header.aboutEnd(), binary.BigEndian.AppendUint64(nil, count))
}

func (s *snapshot) writeItem(w io.Writer, about string, plain []byte) error {
	b, err := s.fsm.sealer.Seal(about, plain)
	if err != nil {
		return fmt.Errorf("hub: seal a snapshot: %w", err)
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...))
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
	if err := f.restoreSegments(r, header); err != nil {
		return fmt.Errorf("hub: %w", err)
	}
	if err := f.store.ApplySegments(header.Applied, nil); err != nil {
		return f.fail(fmt.Errorf("hub: restore: store: %w", err))
	}
	f.applied.Store(header.Applied)
	return nil
}

func (f *fsm) readHeader(r io.Reader) (h snapshotHeader, err error) {
	b, err := f.readItem(r, aboutHeader, headerBytes)
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

func (f *fsm) restoreSegments(r io.Reader, header snapshotHeader) error {
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
		b, err := f.readItem(r, header.aboutSegment(count), wire.MaxSegment)
		if err != nil {
			return err
		}
		if b == nil {
			if err := f.readEnd(r, header, count); err != nil {
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
func (f *fsm) readItem(r io.Reader, about string, limit uint32) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, fmt.Errorf("%w: cut short: %w", ErrSnapshot, err)
	}
	n := binary.BigEndian.Uint32(length[:])
	if n == 0 {
		return nil, nil
	}
	if n > limit+SealOverhead {
		return nil, fmt.Errorf("%w: an item of %d bytes; at most %d", ErrSnapshot, n, limit+SealOverhead)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("%w: cut short: %w", ErrSnapshot, err)
	}
	plain, err := f.sealer.Open(about, b)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrSnapshot, about, err)
	}
	return plain, nil
}

func (f *fsm) readEnd(r io.Reader, header snapshotHeader, count uint64) error {
	b, err := f.readItem(r, header.aboutEnd(), endBytes)
	if err != nil {
		return err
	}
	more, err := io.ReadAll(io.LimitReader(r, 1))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	if len(b) != endBytes || binary.BigEndian.Uint64(b) != count || len(more) > 0 {
		return fmt.Errorf("%w: doesn't end after its %d segments", ErrSnapshot, count)
	}
	return nil
}
