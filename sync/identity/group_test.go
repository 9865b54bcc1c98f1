package identity

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
)

func testGroup(epoch uint64) Group {
	g := Group{Issuer: "p/04", Name: "cụm máy chủ p/04", ID: [16]byte{4, 5, 6}, Epoch: epoch, Scopes: []crdt.Scope{"c/03646", "p/04"}}
	for _, name := range []string{"1", "2", "3"} {
		g.Members = append(g.Members, Public(testKey("member "+name)))
	}
	slices.SortFunc(g.Members, func(a, b ed25519.PublicKey) int { return bytes.Compare(a, b) })
	return g
}

func issueGroup(t testing.TB, g Group) []byte {
	t.Helper()
	cert, err := IssueGroup(testKey("root"), g)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// testChain is so many checkpoints, signed by members for an epoch.
func testChain(t testing.TB, epoch uint64, n int, members ...string) *Chain {
	t.Helper()
	c := &Chain{Epoch: epoch}
	prev := crdt.Hash{}
	for i := range n {
		b, err := wire.EncodeCheckpoint(&crdt.Checkpoint{
			Scope: "c/03646", At: crdt.Cite{Epoch: 1, Index: uint64(i + 7)}, Prev: prev, TimeMS: int64(i + 1),
			Cuts: []crdt.Cut{{Subject: crdt.Subject{Device: crdt.Device{9}}, Epoch: 1}},
		})
		if err != nil {
			t.Fatal(err)
		}
		c.Checkpoints, prev = append(c.Checkpoints, b), wire.CheckpointHash(b)
	}
	for _, m := range members {
		key := testKey("member " + m)
		if err := c.Sign(DeviceOf(Public(key)), func(b []byte) []byte { return ed25519.Sign(key, b) }); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func encodedChain(t testing.TB, c *Chain) []byte {
	t.Helper()
	b, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGroupRoundTrip(t *testing.T) {
	want := testGroup(3)
	d := directory(t)
	for range 2 {
		if _, err := d.AddGroup(issueGroup(t, want)); err != nil {
			t.Fatal(err)
		}
	}
	got, ok := d.Group("p/04")
	if !ok || got.Name != want.Name || got.Epoch != 3 || !slices.EqualFunc(got.Members, want.Members, func(a, b ed25519.PublicKey) bool { return a.Equal(b) }) {
		t.Errorf("%+v; want %+v", got, want)
	}
	if _, ok := d.Group("c/00001"); ok || got.Majority() != 2 || !bytes.Equal(d.GroupCertificate("c/03646"), issueGroup(t, want)) {
		t.Error("another scope, the majority or the bytes are wrong")
	}
}

// The newest counts, scope by scope and in whatever order they come.
func TestNewerGroupCounts(t *testing.T) {
	moved := testGroup(2)
	moved.Scopes, moved.Members = []crdt.Scope{"c/03646"}, moved.Members[:1]
	certs := [][]byte{issueGroup(t, testGroup(1)), issueGroup(t, moved)}
	for range 2 {
		slices.Reverse(certs)
		d := directory(t)
		for _, c := range certs {
			if _, err := d.AddGroup(c); err != nil {
				t.Fatal(err)
			}
		}
		commune, _ := d.Group("c/03646")
		province, _ := d.Group("p/04")
		if commune.Epoch != 2 || len(commune.Members) != 1 || province.Epoch != 1 {
			t.Errorf("epochs %d and %d; want 2 and 1", commune.Epoch, province.Epoch)
		}
	}
}

func TestGroupRefuses(t *testing.T) {
	d := directory(t)
	device := issue(t, testClaims("box", RoleBox))
	if _, err := d.AddGroup(device); !errors.Is(err, ErrCertificate) || !strings.Contains(err.Error(), "type") {
		t.Errorf("a device certificate: %v", err)
	}
	if _, err := d.Add(issueGroup(t, testGroup(1))); !errors.Is(err, ErrCertificate) || !strings.Contains(err.Error(), "type") {
		t.Errorf("a group taken for a device: %v", err)
	}
	other, err := IssueGroup(testKey("another root"), testGroup(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.AddGroup(other); !errors.Is(err, ErrCertificate) {
		t.Errorf("another authority's: %v", err)
	}
	for name, spoil := range map[string]func(*Group){
		"no epoch": func(g *Group) { g.Epoch = 0 }, "no id": func(g *Group) { g.ID = [16]byte{} },
		"no member": func(g *Group) { g.Members = nil }, "a short key": func(g *Group) { g.Members[0] = g.Members[0][:31] },
		"one twice": func(g *Group) { g.Members[1] = g.Members[0] }, "unsorted": func(g *Group) { slices.Reverse(g.Members) },
		"too many": func(g *Group) { g.Members = make([]ed25519.PublicKey, MaxMembers+1) }, "no name": func(g *Group) { g.Name = "" },
		"no scope": func(g *Group) { g.Scopes = nil }, "scopes unsorted": func(g *Group) { slices.Reverse(g.Scopes) },
	} {
		g := testGroup(1)
		spoil(&g)
		if _, err := IssueGroup(testKey("root"), g); !errors.Is(err, ErrCertificate) {
			t.Errorf("%s: %v", name, err)
		}
	}
	good := issueGroup(t, testGroup(1))
	for i := range good {
		b := bytes.Clone(good)
		b[i] ^= 1
		if _, err := d.VerifyGroup(b); err == nil {
			t.Errorf("byte %d flipped, and it is taken", i)
		}
	}
}

// A chain is believed with the signatures of most members of the group that counts,
// over the last of checkpoints that follow each other.
func TestWhoseCheckpointsAreBelieved(t *testing.T) {
	d := directory(t)
	if _, _, err := d.VerifyChain(testChain(t, 1, 1, "1", "2")); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("no group is known: %v", err)
	}
	if _, err := d.AddGroup(issueGroup(t, testGroup(2))); err != nil {
		t.Fatal(err)
	}
	gap, other, twice := testChain(t, 2, 3, "1", "2"), testChain(t, 2, 1, "1", "2"), testChain(t, 2, 1, "1")
	gap.Checkpoints = append(gap.Checkpoints[:1], gap.Checkpoints[2])
	other.Signatures = testChain(t, 2, 2, "1", "2").Signatures
	twice.Signatures = append(twice.Signatures, twice.Signatures[0])
	for _, c := range []struct {
		name  string
		chain *Chain
		want  bool
	}{
		{"two of three", testChain(t, 2, 1, "2", "3"), true}, {"all, over five", testChain(t, 2, 5, "3", "1", "2"), true},
		{"two and a stranger", testChain(t, 2, 1, "1", "2", "stranger"), true},
		{"one of three", testChain(t, 2, 1, "1"), false}, {"one and a stranger", testChain(t, 2, 1, "1", "stranger"), false},
		{"one, twice", twice, false}, {"none", testChain(t, 2, 1), false},
		{"an older epoch", testChain(t, 1, 1, "1", "2", "3"), false}, {"a later epoch", testChain(t, 3, 1, "1", "2", "3"), false},
		{"a gap", gap, false}, {"another chain's signatures", other, false}, {"nothing", &Chain{Epoch: 2}, false},
	} {
		all, hashes, err := d.VerifyChain(c.chain)
		if (err == nil) != c.want || err != nil && !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%s: %v; want it believed: %v", c.name, err, c.want)
		}
		if err == nil && (len(all) != len(c.chain.Checkpoints) || len(hashes) != len(all)) {
			t.Errorf("%s: %d checkpoints, %d hashes", c.name, len(all), len(hashes))
		}
	}
	foreign := testGroup(2)
	foreign.Scopes = []crdt.Scope{"c/00001"}
	if err := foreign.Signed(testChain(t, 2, 1, "1", "2"), "c/03646"); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("a group of another scope: %v", err)
	}
}

func TestChainHasOneForm(t *testing.T) {
	c := testChain(t, 1, 3, "1", "2", "3")
	b := encodedChain(t, c)
	again, err := DecodeChain(b)
	if err != nil || !bytes.Equal(encodedChain(t, again), b) {
		t.Errorf("it comes back otherwise: %v", err)
	}
	slices.Reverse(c.Signatures)
	if _, err := c.Encode(); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("unsorted signatures: %v", err)
	}
	c.Signatures = make([]MemberSignature, MaxMembers+1)
	if _, err := c.Encode(); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("too many signatures: %v", err)
	}
	if _, err := DecodeChain(append(b, 0)); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("a byte too many: %v", err)
	}
	if _, err := (&Chain{Checkpoints: [][]byte{make([]byte, MaxChain)}}).Encode(); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("one that is too long: %v", err)
	}
}

func FuzzVerifyGroup(f *testing.F) {
	f.Add(issueGroup(f, testGroup(1)))
	d := directory(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		if g, err := d.VerifyGroup(b); err == nil && g.validate() != nil {
			t.Error("one is taken that isn't valid")
		}
		if g, err := decodeGroup(b); err == nil && g.validate() != nil {
			t.Error("claims are taken that aren't valid")
		}
	})
}

func FuzzDecodeChain(f *testing.F) {
	f.Add(encodedChain(f, testChain(f, 1, 2, "1", "2")))
	d := directory(f, issue(f, testClaims("box", RoleBox)))
	if _, err := d.AddGroup(issueGroup(f, testGroup(1))); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := DecodeChain(b)
		if err != nil {
			return
		}
		if again, err := c.Encode(); err != nil || !bytes.Equal(again, b) {
			t.Errorf("another form is read: %v", err)
		}
		if _, _, err := d.VerifyChain(c); err != nil && !errors.Is(err, ErrCheckpoint) {
			t.Error(err)
		}
	})
}
