package daemon_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"io"
	"path/filepath"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node/demo"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
)

// A laptop that has never met the hub gets from the office's box who its members are and
// what they have decided, obeys it, still does so after a restart, and could pass it on.
func TestALaptopObeysWhatTheBoxHasHeard(t *testing.T) {
	root := t.TempDir()
	authority := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	if err := demo.Provision(root, io.MultiReader(bytes.NewReader(authority.Seed()), rand.Reader)); err != nil {
		t.Fatal(err)
	}
	laptop, box := office(t, filepath.Join(root, "laptop")), office(t, filepath.Join(root, "box"))
	member := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, ed25519.SeedSize))
	group, err := identity.IssueGroup(authority, identity.Group{
		Issuer: "p/02", Name: "cụm máy chủ", ID: [16]byte{1}, Epoch: 1, Scopes: []crdt.Scope{demo.Scope()},
		Members: []ed25519.PublicKey{identity.Public(member)},
	})
	if err != nil {
		t.Fatal(err)
	}
	at := box.ReplicaConfig(nil, nil)
	if _, err := at.Directory.AddGroup(group); err != nil {
		t.Fatal(err)
	}
	if err := at.Checkpoints.StoreGroup(group); err != nil {
		t.Fatal(err)
	}
	lost := crdt.LogID{Device: crdt.Device{66}, Scope: demo.Scope(), Class: crdt.ClassRecords}
	want := crdt.Hash{}
	for i := range 3 { // signed one by one
		c := &crdt.Checkpoint{Scope: demo.Scope(), At: crdt.Cite{Epoch: 1, Index: uint64(i + 1)}, Prev: want, TimeMS: int64(i)}
		if i == 1 {
			c.Cuts = []crdt.Cut{{Subject: crdt.Subject{Device: lost.Device}, Epoch: 1, Logs: []crdt.Pin{{Log: lost, Seq: 5, Hash: crdt.Hash{1}}}}}
		}
		body, err := wire.EncodeCheckpoint(c)
		if err != nil {
			t.Fatal(err)
		}
		chain := &identity.Chain{Epoch: 1, Checkpoints: [][]byte{body}}
		if err := chain.Sign(identity.DeviceOf(identity.Public(member)), func(m []byte) []byte { return ed25519.Sign(member, m) }); err != nil {
			t.Fatal(err)
		}
		want = wire.CheckpointHash(body)
		if err := at.Checkpoints.Believe(t.Context(), reconcile.Believe{Chain: chain, Checkpoints: []*crdt.Checkpoint{c}, Hashes: []crdt.Hash{want}}); err != nil {
			t.Fatal(err)
		}
	}

	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			changed := laptop.Engine().Changed()
			if c, err := laptop.Engine().Newest(demo.Scope()); err != nil || c.Hash == want {
				return
			}
			select {
			case <-changed:
			case <-t.Context().Done():
				return
			}
		}
	}()
	run(t, laptop, box, &cables{calls: make(chan *cable, 16)}, &pieces{}, &pieces{}, done)
	closed(t, laptop)
	laptop = office(t, filepath.Join(root, "laptop"))
	now := laptop.ReplicaConfig(nil, nil)
	if g, known := now.Directory.Group(demo.Scope()); !known || g.Epoch != 1 {
		t.Errorf("after a restart it knows the group %+v", g)
	}
	if seq, cut := now.Cut(lost); !cut || seq != 5 {
		t.Errorf("after a restart the log is cut at %d: %v", seq, cut)
	}
	chain, err := now.Checkpoints.Chain(demo.Scope(), reconcile.Named{}, identity.MaxChain)
	if err != nil || chain == nil || len(chain.Checkpoints) != 3 {
		t.Errorf("it passes on %+v, %v; want all three", chain, err)
	}
	if _, _, err := now.Directory.VerifyChain(chain); err != nil {
		t.Error(err)
	}
}
