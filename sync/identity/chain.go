package identity

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
)

// MaxChain is the size of an encoded chain in bytes: it travels as one item.
const MaxChain = wire.MaxCheckpoint - 64

const chainDomain = "vungxa checkpoint"

// ErrCheckpoint is wrapped by what is wrong with a chain of checkpoints: its form, or
// who has signed it.
var ErrCheckpoint = errors.New("checkpoint refused")

// Chain is checkpoints of one scope, each naming the one before it, and the signatures
// of members of the hub's group over the last, which so cover all of them.
type Chain struct {
	Epoch       uint64 // of the group that has signed
	Checkpoints [][]byte
	Signatures  []MemberSignature // sorted by member, each once
}

// MemberSignature is a member's, by its seal key.
type MemberSignature struct {
	_         struct{} `cbor:",toarray"`
	Member    crdt.Device
	Signature [ed25519.SignatureSize]byte
}

type wireChain struct {
	_           struct{} `cbor:",toarray"`
	Format      uint
	Epoch       uint64
	Checkpoints [][]byte
	Signatures  []MemberSignature
}

type signedChain struct {
	_      struct{} `cbor:",toarray"`
	Domain string
	Format uint
	Epoch  uint64
	Hash   crdt.Hash
}

// Read gives the checkpoints and their hashes, after checking that they follow each
// other. Its errors wrap ErrCheckpoint.
func (c *Chain) Read() (all []*crdt.Checkpoint, hashes []crdt.Hash, err error) {
	for i, b := range c.Checkpoints {
		checkpoint, err := wire.DecodeCheckpoint(b)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %w", ErrCheckpoint, err)
		}
		if i > 0 && (checkpoint.Scope != all[0].Scope || checkpoint.Prev != hashes[i-1] || checkpoint.At.Compare(all[i-1].At) <= 0) {
			return nil, nil, fmt.Errorf("%w: number %d doesn't follow the one before it", ErrCheckpoint, i)
		}
		all, hashes = append(all, checkpoint), append(hashes, wire.CheckpointHash(b))
	}
	if len(all) == 0 {
		return nil, nil, fmt.Errorf("%w: there is none", ErrCheckpoint)
	}
	return all, hashes, nil
}

// Sign adds a member's signature. sign is Ed25519 under its seal key.
func (c *Chain) Sign(member crdt.Device, sign func(message []byte) []byte) error {
	m, err := c.signedBytes()
	if err != nil {
		return err
	}
	s := MemberSignature{Member: member, Signature: [ed25519.SignatureSize]byte(sign(m))}
	i, found := slices.BinarySearchFunc(c.Signatures, member, compareMember)
	if found {
		c.Signatures[i] = s
		return nil
	}
	c.Signatures = slices.Insert(c.Signatures, i, s)
	return nil
}

func compareMember(s MemberSignature, d crdt.Device) int { return slices.Compare(s.Member[:], d[:]) }

func (c *Chain) signedBytes() ([]byte, error) {
	if len(c.Checkpoints) == 0 {
		return nil, fmt.Errorf("%w: there is none", ErrCheckpoint)
	}
	hash := wire.CheckpointHash(c.Checkpoints[len(c.Checkpoints)-1])
	return wire.Marshal(signedChain{Domain: chainDomain, Format: wire.Format, Epoch: c.Epoch, Hash: hash})
}

// Encode gives the chain's bytes.
func (c *Chain) Encode() ([]byte, error) {
	b, err := wire.Marshal(wireChain{Format: wire.Format, Epoch: c.Epoch, Checkpoints: c.Checkpoints, Signatures: c.Signatures})
	if err == nil && len(b) > MaxChain {
		err = fmt.Errorf("%w: %d bytes; at most %d", ErrCheckpoint, len(b), MaxChain)
	}
	if err == nil {
		err = c.validate()
	}
	return b, err
}

// DecodeChain reads what Encode writes, and nothing else. VerifyChain is still to be
// called. Its errors wrap ErrCheckpoint.
func DecodeChain(b []byte) (*Chain, error) {
	var w wireChain
	if err := wire.Unmarshal(b, MaxChain, &w); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	if w.Format != wire.Format {
		return nil, fmt.Errorf("%w: format %d; this program knows %d", ErrCheckpoint, w.Format, wire.Format)
	}
	c := &Chain{Epoch: w.Epoch, Checkpoints: w.Checkpoints, Signatures: w.Signatures}
	return c, c.validate()
}

func (c *Chain) validate() error {
	if len(c.Checkpoints) == 0 || len(c.Signatures) > MaxMembers {
		return fmt.Errorf("%w: %d checkpoints, %d signatures; at most %d", ErrCheckpoint, len(c.Checkpoints), len(c.Signatures), MaxMembers)
	}
	for i := 1; i < len(c.Signatures); i++ {
		if compareMember(c.Signatures[i-1], c.Signatures[i].Member) >= 0 {
			return fmt.Errorf("%w: signatures that are not sorted by member, or two of one", ErrCheckpoint)
		}
	}
	return nil
}

// Signed says whether a chain for a scope carries the signatures of most of the members
// of a group. Its errors wrap ErrCheckpoint. Signatures that aren't a member's, or don't
// fit, count for nothing.
func (g *Group) Signed(c *Chain, scope crdt.Scope) error {
	if err := c.validate(); err != nil {
		return err
	}
	m, err := c.signedBytes()
	if err != nil {
		return err
	}
	switch {
	case !g.Covers(scope):
		return fmt.Errorf("%w: the group doesn't sign for scope %q", ErrCheckpoint, scope)
	case c.Epoch != g.Epoch:
		return fmt.Errorf("%w: signed by a group of epoch %d; %d counts", ErrCheckpoint, c.Epoch, g.Epoch)
	}
	n := 0
	for _, s := range c.Signatures {
		if key := g.Member(s.Member); key != nil && ed25519.Verify(key, m, s.Signature[:]) {
			n++
		}
	}
	if n < g.Majority() {
		return fmt.Errorf("%w: %d of %d members have signed; %d have to", ErrCheckpoint, n, len(g.Members), g.Majority())
	}
	return nil
}

// VerifyChain reads a chain of checkpoints, if most members of the group that counts
// for its scope have signed it. Its errors wrap ErrCheckpoint.
func (d *Directory) VerifyChain(c *Chain) ([]*crdt.Checkpoint, []crdt.Hash, error) {
	all, hashes, err := c.Read()
	if err != nil {
		return nil, nil, err
	}
	g, ok := d.Group(all[0].Scope)
	if !ok {
		return nil, nil, fmt.Errorf("%w: no hub group is known for scope %q", ErrCheckpoint, all[0].Scope)
	}
	if err := g.Signed(c, all[0].Scope); err != nil {
		return nil, nil, err
	}
	return all, hashes, nil
}
