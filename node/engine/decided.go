package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
)

// Kinds of local items that were given to this node by others: the certificates of hub
// groups, by their hash; who has signed a checkpoint, by its name (checkpointName), so that
// it can be passed on; and, by its name and hash, a signed chain that ends in a checkpoint
// which contradicts those held: the evidence that a hub has said two things.
const (
	KindGroup    = "group"
	KindSigned   = "checkpointsigned"
	KindTwoFaced = "checkpointother"
)

// maxTwoFaced is how many such chains are kept of a scope: the first ones prove it.
const maxTwoFaced = 16

type storedSignatures struct {
	_          struct{} `cbor:",toarray"`
	Epoch      uint64
	Signatures []identity.MemberSignature
}

// StoreGroup keeps the verified certificate of a hub's group.
func (e *Engine) StoreGroup(cert []byte) error {
	name := sha256.Sum256(cert)
	err := e.StoreLocal(KindGroup, hex.EncodeToString(name[:]), cert)
	if err == nil {
		e.announce()
	}
	return err
}

// Newest names the newest checkpoint that is held of a scope; zero: none.
func (e *Engine) Newest(scope crdt.Scope) (reconcile.Checkpoint, error) {
	a := e.Authority(scope)
	if a == nil {
		return reconcile.Checkpoint{}, nil
	}
	return reconcile.Checkpoint{At: a.Newest, Hash: a.Hash()}, nil
}

// Believe obeys checkpoints whose signatures were verified, and keeps who has signed the
// last. What doesn't fit what is held is a *reconcile.Refusal, and what contradicts it is
// kept as evidence.
func (e *Engine) Believe(b reconcile.Believe) error {
	last := len(b.Checkpoints) - 1
	by, err := wire.Marshal(storedSignatures{Epoch: b.Chain.Epoch, Signatures: b.Chain.Signatures})
	if err != nil {
		return fmt.Errorf("keep who has signed a checkpoint: %w", err)
	}
	for i, c := range b.Checkpoints {
		var signed []byte
		if i == last {
			signed = by
		}
		err := e.applyCheckpoint(c, b.Hashes[i], signed)
		if node.CodeOf(err) == node.Conflict {
			if err := e.keepTwoFaced(b, i); err != nil {
				return err
			}
		}
		if err != nil {
			return unfit(err)
		}
	}
	return nil
}

// putSigned keeps who has signed a checkpoint that is held; nil: nothing.
func putSigned(tx *store.Tx, c *crdt.Checkpoint, signed []byte) error {
	if signed == nil {
		return nil
	}
	return tx.PutLocal(KindSigned, checkpointName(c), signed)
}

// keepTwoFaced keeps what contradicts the checkpoints that are held, from the one that
// does up to the one that is signed.
func (e *Engine) keepTwoFaced(b reconcile.Believe, from int) error {
	last := len(b.Checkpoints) - 1
	c := b.Checkpoints[last]
	chain, err := evidence(b.Chain, from)
	if err != nil {
		return fmt.Errorf("keep the evidence of two checkpoints: %w", err)
	}
	e.write.Lock()
	defer e.write.Unlock()
	err = e.cfg.Store.Update(func(tx *store.Tx) error {
		held := 0
		err := tx.Locals(KindTwoFaced, func(name string, _ []byte) error {
			if strings.HasPrefix(name, string(c.Scope)+"/") {
				held++
			}
			return nil
		})
		if err != nil || held >= maxTwoFaced {
			return err
		}
		return tx.PutLocal(KindTwoFaced, fmt.Sprintf("%s/%x", checkpointName(c), b.Hashes[last]), chain)
	})
	if err != nil {
		return fmt.Errorf("keep the evidence of two checkpoints: %w", err)
	}
	return nil
}

// evidence is the end of a signed chain. Where it is too large for one value its last
// checkpoint, which the signatures are of, stands for all.
func evidence(c *identity.Chain, from int) ([]byte, error) {
	end := *c
	end.Checkpoints = c.Checkpoints[from:]
	b, err := end.Encode()
	if err != nil || len(b) <= store.MaxValue {
		return b, err
	}
	end.Checkpoints = c.Checkpoints[len(c.Checkpoints)-1:]
	return end.Encode()
}

// unfit is why a checkpoint isn't taken, in the protocol's words.
func unfit(err error) error {
	switch {
	case node.CodeOf(err) == node.Conflict:
		return reconcile.Refuse(reconcile.Fork, "%v", err)
	case errors.Is(err, crdt.ErrOrder), errors.Is(err, crdt.ErrCheckpoint):
		return reconcile.Refuse(reconcile.Chain, "%v", err)
	}
	return err
}

// Chain gives the checkpoints of a scope after one that somebody holds, signed by most of
// a group, in at most so many bytes; nil: there are none. It looks at no more than it may give.
func (e *Engine) Chain(g *identity.Group, scope crdt.Scope, after reconcile.Named, most int) (*identity.Chain, error) {
	a := e.Authority(scope)
	if a == nil {
		return nil, nil
	}
	held := map[crdt.Hash]*identity.Signed{}
	var last crdt.Hash
	err := e.cfg.Store.View(func(tx *store.Tx) error {
		all, hashes := a.Since(after.Hash)
		for i, size := 0, 0; i < len(all) && size <= most; i++ {
			s, err := signed(tx, all[i])
			if err != nil || wire.CheckpointHash(s.Bytes) != hashes[i] {
				return err // one that was made otherwise than from its bytes can't be passed on, nor what follows it
			}
			held[hashes[i]], last = s, hashes[i]
			size += len(s.Bytes)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	get := func(h crdt.Hash) *identity.Signed { return held[h] }
	none := func([16]byte) (crdt.Hash, bool) { return crdt.Hash{}, false }
	return identity.ChainTo(g, scope, last, after.Hash, most, get, none), nil
}

// signed is a checkpoint as it travels.
func signed(tx *store.Tx, c *crdt.Checkpoint) (*identity.Signed, error) {
	body, err := wire.EncodeCheckpoint(c)
	if err != nil {
		return nil, err
	}
	by := storedSignatures{}
	raw, err := tx.Local(KindSigned, checkpointName(c))
	if err == nil && raw != nil {
		err = wire.Unmarshal(raw, identity.MaxChain, &by)
	}
	return &identity.Signed{Bytes: body, Prev: c.Prev, Epoch: by.Epoch, Signatures: by.Signatures}, err
}
