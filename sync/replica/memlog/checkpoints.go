package memlog

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
)

// decisions are the checkpoints of a scope.
type decisions struct {
	said crdt.Authority
	all  map[crdt.Hash]*identity.Signed
}

// deciding is a scope's; n.mu is held.
func (n *Node) deciding(scope crdt.Scope) *decisions {
	if n.decisions == nil {
		n.decisions = map[crdt.Scope]*decisions{}
	}
	if n.decisions[scope] == nil {
		n.decisions[scope] = &decisions{all: map[crdt.Hash]*identity.Signed{}}
	}
	return n.decisions[scope]
}

// Newest is a replica.Checkpoints'.
func (n *Node) Newest(scope crdt.Scope) (reconcile.Checkpoint, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := n.deciding(scope)
	return reconcile.Checkpoint{At: d.said.Newest, Hash: d.said.Hash()}, nil
}

// Chain is a replica.Checkpoints'.
func (n *Node) Chain(scope crdt.Scope, after reconcile.Named, most int) (*identity.Chain, error) {
	g, ok := n.Directory.Group(scope)
	if !ok {
		return nil, nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	d := n.deciding(scope)
	find := func(b [16]byte) (crdt.Hash, bool) {
		for h := range d.all {
			if [16]byte(h[:16]) == b {
				return h, true
			}
		}
		return crdt.Hash{}, false
	}
	return identity.ChainTo(&g, scope, d.said.Hash(), after.Hash, most, func(h crdt.Hash) *identity.Signed { return d.all[h] }, find), nil
}

// Believe is a replica.Checkpoints'.
func (n *Node) Believe(_ context.Context, b reconcile.Believe) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := n.deciding(b.Checkpoints[0].Scope)
	for i, c := range b.Checkpoints {
		if d.said.Holds(c.At, b.Hashes[i]) {
			continue
		}
		if err := d.said.Apply(c, b.Hashes[i]); err != nil {
			return refusal(err)
		}
		d.all[b.Hashes[i]] = &identity.Signed{Bytes: b.Chain.Checkpoints[i], Prev: c.Prev}
	}
	last := d.all[b.Hashes[len(b.Hashes)-1]]
	if b.Chain.Epoch >= last.Epoch {
		last.Epoch, last.Signatures = b.Chain.Epoch, b.Chain.Signatures
	}
	n.change()
	return nil
}

func refusal(err error) error {
	switch {
	case errors.Is(err, crdt.ErrTwoFaced):
		return reconcile.Refuse(reconcile.Fork, "%v", err)
	case errors.Is(err, crdt.ErrOrder), errors.Is(err, crdt.ErrCheckpoint):
		return reconcile.Refuse(reconcile.Chain, "%v", err)
	}
	return err
}

// StoreGroup is a replica.Checkpoints'.
func (n *Node) StoreGroup(cert []byte) error {
	_, err := n.Directory.AddGroup(cert)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.change()
	return err
}

// Ended is where a device's cut ends a log.
func (n *Node) Ended(log crdt.LogID) (uint64, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.deciding(log.Scope).said.Cut(log)
}

// Province is a hub's group, for tests: its members' keys are made from their names.
type Province struct {
	Group identity.Group
	at    crdt.Cite
	prev  crdt.Hash
}

// NewProvince is a group of so many members at an epoch.
func NewProvince(epoch uint64, members int, scopes ...crdt.Scope) *Province {
	p := &Province{Group: identity.Group{Issuer: "memlog", Name: "province", ID: [16]byte{byte(epoch)}, Epoch: epoch, Scopes: scopes}, at: crdt.Cite{Epoch: 1}}
	for i := range members {
		p.Group.Members = append(p.Group.Members, identity.Public(Key(fmt.Sprint("member ", i))))
	}
	slices.SortFunc(p.Group.Members, func(a, b ed25519.PublicKey) int { return bytes.Compare(a, b) })
	return p
}

// Renew is the group of another epoch: it goes on with the chain.
func (p *Province) Renew(epoch uint64) *Province {
	next := NewProvince(epoch, len(p.Group.Members), p.Group.Scopes...)
	next.at, next.prev = p.at, p.prev
	return next
}

// Decide is the chain of the next checkpoint, signed by so many members.
func (p *Province) Decide(c crdt.Checkpoint, signers int) (reconcile.Believe, error) {
	p.at.Index++
	c.Scope, c.At, c.Prev, c.TimeMS = p.Group.Scopes[0], p.at, p.prev, int64(p.at.Index)
	body, err := wire.EncodeCheckpoint(&c)
	if err != nil {
		return reconcile.Believe{}, err
	}
	chain := &identity.Chain{Epoch: p.Group.Epoch, Checkpoints: [][]byte{body}}
	for i := range signers {
		key := Key(fmt.Sprint("member ", i))
		if err := chain.Sign(identity.DeviceOf(identity.Public(key)), func(b []byte) []byte { return ed25519.Sign(key, b) }); err != nil {
			return reconcile.Believe{}, err
		}
	}
	p.prev = wire.CheckpointHash(body)
	return reconcile.Believe{Chain: chain, Checkpoints: []*crdt.Checkpoint{&c}, Hashes: []crdt.Hash{p.prev}}, nil
}
