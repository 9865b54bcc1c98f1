package identity

import (
	"slices"

	"github.com/vungxa/vungxa/crdt"
)

// Signed is a checkpoint that is held, and who has signed it: nobody, where it came as
// a part of a chain.
type Signed struct {
	Bytes      []byte
	Prev       crdt.Hash
	Epoch      uint64 // of the group
	Signatures []MemberSignature
}

// chainOverhead is what a chain takes beside its checkpoints, and each of them beside
// its bytes.
const (
	chainOverhead      = 32 + MaxMembers*88
	checkpointOverhead = 5
)

// ChainTo makes the chain that leads from a checkpoint which somebody holds (by the
// first bytes of its hash) to another, as far as it takes at most so many bytes and ends
// with what most of a group have signed. Where the one that is held doesn't lead there,
// it begins where the two have parted, or at the first. nil: there is none. get gives a
// checkpoint that is held, or nil.
func ChainTo(g *Group, scope crdt.Scope, to crdt.Hash, from [16]byte, most int, get func(crdt.Hash) *Signed, find func([16]byte) (crdt.Hash, bool)) *Chain {
	passed := map[crdt.Hash]bool{}
	if h, ok := find(from); ok {
		for s := get(h); s != nil; h, s = s.Prev, get(s.Prev) {
			passed[h] = true
		}
	}
	var path []*Signed
	for s := get(to); s != nil && !passed[to]; to, s = s.Prev, get(s.Prev) {
		path = append(path, s)
	}
	slices.Reverse(path)
	size, fits := chainOverhead, 0
	var bodies [][]byte
	for ; fits < len(path); fits++ {
		if size += len(path[fits].Bytes) + checkpointOverhead; size > most {
			break
		}
		bodies = append(bodies, path[fits].Bytes)
	}
	for i := fits - 1; i >= 0; i-- {
		c := &Chain{Epoch: path[i].Epoch, Checkpoints: bodies[:i+1], Signatures: path[i].Signatures}
		if c.Epoch == g.Epoch && g.Signed(c, scope) == nil {
			return c
		}
	}
	return nil
}
