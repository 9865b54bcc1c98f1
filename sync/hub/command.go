package hub

import (
	"fmt"

	"github.com/vungxa/vungxa/crdt/wire"
)

// MaxCommand is the size of a command in bytes: room for several segments, and
// still small beside a member's memory, which holds commandsAhead of them.
const MaxCommand = 1 << 20

// commandOverhead bounds what a command adds to its segments: its own head, and
// that of each byte string.
const (
	commandOverhead = 16
	segmentOverhead = 5
)

// kindSegments is the only kind of command so far: segments to be applied.
const kindSegments = 1

type command struct {
	_        struct{} `cbor:",toarray"`
	Format   uint
	Kind     uint
	Segments [][]byte // as wire.EncodeSegment writes them
}

// encodeCommands packs segments, in order, into as few commands as hold them.
func encodeCommands(segments []*wire.Segment) ([][]byte, error) {
	var commands [][]byte
	var packed [][]byte
	size := commandOverhead
	flush := func() error {
		b, err := wire.Marshal(command{Format: wire.Format, Kind: kindSegments, Segments: packed})
		commands, packed, size = append(commands, b), nil, commandOverhead
		return err
	}
	for _, s := range segments {
		b, err := wire.EncodeSegment(s)
		if err != nil {
			return nil, fmt.Errorf("segment of %s: %w", s.Log, err)
		}
		if size+segmentOverhead+len(b) > MaxCommand {
			if err := flush(); err != nil {
				return nil, err
			}
		}
		packed, size = append(packed, b), size+segmentOverhead+len(b)
	}
	if len(packed) == 0 {
		return commands, nil
	}
	return commands, flush()
}

// decodeCommand reads what encodeCommands writes, and nothing else. Its errors
// wrap ErrCommand.
func decodeCommand(b []byte) ([]*wire.Segment, error) {
	var c command
	if err := wire.Unmarshal(b, MaxCommand, &c); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCommand, err)
	}
	if c.Format != wire.Format || c.Kind != kindSegments || len(c.Segments) == 0 {
		return nil, fmt.Errorf("%w: format %d, kind %d, %d segments", ErrCommand, c.Format, c.Kind, len(c.Segments))
	}
	segments := make([]*wire.Segment, len(c.Segments))
	for i, b := range c.Segments {
		s, err := wire.DecodeSegment(b)
		if err != nil {
			return nil, fmt.Errorf("%w: segment %d: %w", ErrCommand, i, err)
		}
		segments[i] = s
	}
	return segments, nil
}
