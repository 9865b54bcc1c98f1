package simtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/replica/memlog"
)

// Memory makes stores of memlog nodes.
type Memory struct{}

// memory is a memlog node and its notes.
type memory struct {
	*memlog.Node
	spec  Spec
	notes map[string][]byte
}

// Make is Maker's.
func (Memory) Make(spec Spec, image any, restored bool) (Store, error) {
	if old, ok := image.(*memory); ok {
		s, err := old.clone()
		if err != nil {
			return nil, err
		}
		s.spec = spec
		if restored {
			s.renew()
		}
		return s, nil
	}
	n, err := Card(spec)
	if err != nil {
		return nil, err
	}
	n.SegmentEntries = []int{1, 3, 16, wire.MaxSegmentEntries}[spec.Rand.IntN(4)]
	return &memory{Node: n, spec: spec, notes: map[string][]byte{}}, nil
}

func (s *memory) clone() (*memory, error) {
	n, err := s.Clone(rootKey())
	return &memory{Node: n, spec: s.spec, notes: maps.Clone(s.notes)}, err
}

func (s *memory) Self() Self { return SelfOf(s.Node) }

func (s *memory) Image() (any, error) { return s.clone() }

func (s *memory) Close() error { return nil }

func (s *memory) Note(peer crdt.Device, name string) ([]byte, error) {
	return s.notes[peer.String()+name], nil
}

func (s *memory) PutNote(peer crdt.Device, name string, value []byte) error {
	s.notes[peer.String()+name] = bytes.Clone(value)
	return nil
}

// Ingest is Store's. What is the device's own and isn't held here says that there is
// another machine of its name, or was: it goes on under a new one.
func (s *memory) Ingest(ctx context.Context, segments []*wire.Segment) error {
	for _, seg := range segments {
		if seg.Log.Device != s.Claims.Device {
			continue
		}
		heads, err := s.Heads(seg.Log.Scope) // seals what is to be a branch, perhaps
		if err != nil {
			return err
		}
		if at := min(heads[seg.Log].Seq, seg.Last()); seg.Log.Incarnation == s.Log(seg.Log.Scope, seg.Log.Class).Incarnation &&
			(at < seg.Last() || at >= seg.First && heads[seg.Log].Seq == at && heads[seg.Log].Hash != wire.ChainHash(seg.Entries[at-seg.First])) {
			s.renew()
		}
	}
	return s.Node.Ingest(ctx, segments)
}

func (s *memory) renew() {
	var i crdt.Incarnation
	for n := range i {
		i[n] = byte(s.spec.Rand.Uint32())
	}
	s.Renew(i)
}

// lengths of what is saved: mostly a field's edit, now and then a text, which is
// long once in a hundred times.
var lengths = []int{3, 3, 3, 20, 20, 60}

func length(draw *rand.Rand) int {
	switch n := draw.IntN(100); {
	case n == 0:
		return 2500
	case n < 10:
		return 300
	}
	return lengths[draw.IntN(len(lengths))]
}

func (s *memory) Save(draw *rand.Rand) (string, error) {
	text := make([]byte, length(draw))
	for i := range text {
		text[i] = byte(33 + draw.IntN(90))
	}
	scope := s.spec.Scopes[draw.IntN(len(s.spec.Scopes))]
	pos, err := s.Node.Save(scope, crdt.Class(1+draw.IntN(3)), string(text))
	if err != nil {
		return "", err
	}
	raw, err := s.Entry(pos.Log, pos.Seq)
	return proofOf(pos.Log, pos.Seq, wire.ChainHash(raw)), err
}

func proofOf(log crdt.LogID, seq uint64, hash crdt.Hash) string {
	return fmt.Sprintf("%s %v %x %d %d %v", log.Scope, log.Device, log.Incarnation, log.Class, seq, hash)
}

func (s *memory) Holds(proof string) error {
	parts := strings.Fields(proof)
	for _, log := range s.logs(crdt.Scope(parts[0])) {
		var seq uint64
		if _, err := fmt.Sscan(parts[4], &seq); err != nil {
			return err
		}
		hash, held, err := s.HashAt(log, seq)
		if err != nil {
			return err
		}
		if held && log.Device.String() == parts[1] && hash.String() == parts[5] {
			return nil
		}
	}
	return fmt.Errorf("entry %s isn't held", proof)
}

func (s *memory) logs(scope crdt.Scope) []crdt.LogID {
	heads, _ := s.Heads(scope) // a memlog's can't fail but by signing
	return slices.SortedFunc(maps.Keys(heads), crdt.LogID.Compare)
}

// Sound: a memlog makes nothing of its logs.
func (s *memory) Sound() error { return nil }

func (s *memory) State() (crdt.Hash, error) {
	h := sha256.New()
	for _, scope := range s.spec.Scopes {
		heads, err := s.Heads(scope)
		if err != nil {
			return crdt.Hash{}, err
		}
		for _, log := range s.logs(scope) {
			if _, cut := s.Ended(log); cut {
				continue // what came before the cut was known is kept, and shown to nobody
			}
			fmt.Fprintf(h, "%v %v %v\n", log, heads[log].Seq, heads[log].Hash)
		}
	}
	return crdt.Hash(h.Sum(nil)), nil
}
