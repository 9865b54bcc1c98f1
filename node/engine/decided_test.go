package engine

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
)

// provable is a checkpoint as a hub's only member shows it.
func provable(t *testing.T, member ed25519.PrivateKey, c *crdt.Checkpoint) reconcile.Believe {
	t.Helper()
	body, err := wire.EncodeCheckpoint(c)
	if err != nil {
		t.Fatal(err)
	}
	chain := &identity.Chain{Epoch: 1, Checkpoints: [][]byte{body}}
	sign := func(m []byte) []byte { return ed25519.Sign(member, m) }
	if err := chain.Sign(identity.DeviceOf(identity.Public(member)), sign); err != nil {
		t.Fatal(err)
	}
	return reconcile.Believe{Chain: chain, Checkpoints: []*crdt.Checkpoint{c}, Hashes: []crdt.Hash{wire.CheckpointHash(body)}}
}

// A hub that has said two things takes nothing away: what was said first is passed on with
// its own signatures, and what was said then is kept beside it.
func TestATwoFacedCheckpointIsKeptAsEvidence(t *testing.T) {
	box := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	member := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, ed25519.SeedSize))
	group := identity.Group{
		Issuer: "p/02", Name: "cụm máy chủ", ID: [16]byte{1}, Epoch: 1, Scopes: []crdt.Scope{testScope},
		Members: []ed25519.PublicKey{identity.Public(member)},
	}
	first := (&province{}).checkpoint(crdt.Checkpoint{})
	if err := box.Believe(provable(t, member, first)); err != nil {
		t.Fatal(err)
	}
	others := 0
	for i := range maxTwoFaced + 2 {
		other := *first
		other.TimeMS += int64(i + 1)
		b := provable(t, member, &other)
		for range 2 {
			var refusal *reconcile.Refusal
			if err := box.Believe(b); !errors.As(err, &refusal) || refusal.Code != reconcile.Fork {
				t.Fatalf("another checkpoint at the same place: %v; want it refused as a fork", err)
			}
		}
		kept, err := box.Local(KindTwoFaced, fmt.Sprintf("%s/%x", checkpointName(&other), b.Hashes[0]))
		if err != nil {
			t.Fatal(err)
		}
		if c, err := identity.DecodeChain(kept); err == nil && group.Signed(c, testScope) == nil && bytes.Equal(c.Checkpoints[0], b.Chain.Checkpoints[0]) {
			others++
		}
	}
	if others != maxTwoFaced {
		t.Errorf("%d other checkpoints are kept with their signatures; want the first %d", others, maxTwoFaced)
	}
	chain, err := box.Chain(&group, testScope, reconcile.Named{}, identity.MaxChain)
	if err != nil || chain == nil || group.Signed(chain, testScope) != nil {
		t.Fatalf("what was said first is passed on as %+v, %v; want it with its own signatures", chain, err)
	}
}

// A checkpoint that is held takes signatures that come later: a new group's, or the first.
func TestAHeldCheckpointTakesLaterSignatures(t *testing.T) {
	box := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	member := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, ed25519.SeedSize))
	first := (&province{}).checkpoint(crdt.Checkpoint{})
	b := provable(t, member, first)
	if err := box.ApplyCheckpoint(first, b.Hashes[0]); err != nil {
		t.Fatal(err)
	}
	if err := box.Believe(b); err != nil {
		t.Fatal(err)
	}
	err := box.Store.View(func(tx *store.Tx) error {
		if raw, err := tx.Local(KindSigned, checkpointName(first)); err != nil || raw == nil {
			t.Errorf("signatures %x, %v; want those that came", raw, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// A chain is given in pieces, each after the last, and no more of it is looked at than a
// piece may hold: what lies behind is as good as not there.
func TestAChainIsGivenInPieces(t *testing.T) {
	box := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	member := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, ed25519.SeedSize))
	group := identity.Group{
		Issuer: "p/02", Name: "cụm máy chủ", ID: [16]byte{1}, Epoch: 1, Scopes: []crdt.Scope{testScope},
		Members: []ed25519.PublicKey{identity.Public(member)},
	}
	var at crdt.Cite
	var prev crdt.Hash
	var all []reconcile.Believe
	for i := range 6 {
		at = crdt.Cite{Epoch: 1, Index: uint64(i + 1)}
		c := crdt.Checkpoint{Scope: testScope, At: at, Prev: prev, TimeMS: int64(i + 1)}
		for d := range 120 {
			c.Heads = append(c.Heads, crdt.Pin{Log: crdt.LogID{Device: crdt.Device{byte(d)}, Scope: testScope, Class: crdt.ClassRecords}, Seq: uint64(i + 1), Hash: crdt.Hash{1}})
		}
		b := provable(t, member, &c)
		if err := box.Believe(b); err != nil {
			t.Fatal(err)
		}
		prev, all = b.Hashes[0], append(all, b)
	}
	last := checkpointName(all[5].Checkpoints[0])
	if err := box.StoreLocal(KindSigned, last, []byte("?")); err != nil {
		t.Fatal(err)
	}
	most := 3*len(all[0].Chain.Checkpoints[0]) - 64 // two, with all that a chain has besides
	var given [][]byte
	for after := (reconcile.Named{}); len(given) < 4; {
		c, err := box.Chain(&group, testScope, after, most)
		if err != nil || c == nil || len(c.Checkpoints) > 2 || group.Signed(c, testScope) != nil {
			t.Fatalf("after %d checkpoints: %+v, %v", len(given), c, err)
		}
		given = append(given, c.Checkpoints...)
		hash := wire.CheckpointHash(given[len(given)-1])
		after.Hash = [16]byte(hash[:16])
	}
	for i, b := range given {
		if !bytes.Equal(b, all[i].Chain.Checkpoints[0]) {
			t.Errorf("checkpoint %d is another", i)
		}
	}
	if c, err := box.Chain(&group, testScope, reconcile.Named{Hash: [16]byte(prev[:16])}, most); c != nil || err != nil {
		t.Errorf("to who holds all: %+v, %v", c, err)
	}
}
