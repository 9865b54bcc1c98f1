package identity

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
)

func logOf(n byte) crdt.LogID {
	return crdt.LogID{Device: crdt.Device{n}, Incarnation: crdt.Incarnation{n}, Scope: "c/03646", Class: crdt.ClassRecords}
}

// testReceipt is a hub's, signed.
func testReceipt(t testing.TB) *Receipt {
	t.Helper()
	r := &Receipt{
		Signer: testClaims("hub", RoleHub).Device, Scope: "c/03646", HubEpoch: 1, Index: 42,
		Heads: []LogHead{
			{Log: logOf(1), Head: crdt.Head{Seq: 3, Hash: crdt.Hash{1}}},
			{Log: logOf(2), Head: crdt.Head{Seq: 1 << 40, Hash: crdt.Hash{2}}},
		},
	}
	sign(t, r, "hub")
	return r
}

func sign(t testing.TB, r *Receipt, name string) {
	t.Helper()
	if err := r.Sign(func(m []byte) []byte { return ed25519.Sign(testKey(name+" seal"), m) }); err != nil {
		t.Fatal(err)
	}
}

func hubDirectory(t testing.TB) *Directory {
	return directory(t, issue(t, testClaims("hub", RoleHub)), issue(t, testClaims("box", RoleBox)))
}

func TestReceiptRoundTrip(t *testing.T) {
	r := testReceipt(t)
	b, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeReceipt(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := got.Verify(hubDirectory(t)); err != nil {
		t.Error(err)
	}
	again, err := got.Encode()
	if err != nil || !bytes.Equal(again, b) {
		t.Errorf("decoded and encoded again: %v", err)
	}
}

func TestReceiptCovers(t *testing.T) {
	r := testReceipt(t)
	for _, c := range []struct {
		dot  crdt.Dot
		want bool
	}{
		{crdt.Dot{Log: logOf(1), Seq: 1}, true},
		{crdt.Dot{Log: logOf(1), Seq: 3, Index: 7}, true},
		{crdt.Dot{Log: logOf(1), Seq: 4}, false},
		{crdt.Dot{Log: logOf(1), Seq: 0}, false},
		{crdt.Dot{Log: logOf(2), Seq: 1 << 40}, true},
		{crdt.Dot{Log: logOf(3), Seq: 1}, false},
	} {
		if got := r.Covers(c.dot); got != c.want {
			t.Errorf("covers %v: %v; want %v", c.dot, got, c.want)
		}
	}
}

func TestReceiptVerifyRefuses(t *testing.T) {
	resign := func(name string, change func(*Receipt)) func(*testing.T, *Receipt) {
		return func(t *testing.T, r *Receipt) {
			change(r)
			sign(t, r, name)
		}
	}
	for name, c := range map[string]struct {
		spoil func(*testing.T, *Receipt)
		want  error
	}{
		"a changed head":           {func(_ *testing.T, r *Receipt) { r.Heads[0].Head.Seq++ }, ErrReceipt},
		"a head left out":          {func(_ *testing.T, r *Receipt) { r.Heads = r.Heads[:1] }, ErrReceipt},
		"another index":            {func(_ *testing.T, r *Receipt) { r.Index++ }, ErrReceipt},
		"another epoch":            {func(_ *testing.T, r *Receipt) { r.HubEpoch++ }, ErrReceipt},
		"another's signature":      {resign("box", func(*Receipt) {}), ErrReceipt},
		"an uncertified signer":    {resign("laptop", func(r *Receipt) { r.Signer = testClaims("laptop", RoleBox).Device }), ErrUnknown},
		"a scope of others":        {resign("hub", func(r *Receipt) { r.Scope, r.Heads = "c/03647", nil }), ErrScope},
		"a box that names indexes": {resign("box", func(r *Receipt) { r.Signer = testClaims("box", RoleBox).Device }), ErrReceipt},
		"a hub that names none":    {resign("hub", func(r *Receipt) { r.HubEpoch, r.Index = 0, 0 }), ErrReceipt},
		"a hub without an epoch":   {resign("hub", func(r *Receipt) { r.HubEpoch = 0 }), ErrReceipt},
	} {
		t.Run(name, func(t *testing.T) {
			r := testReceipt(t)
			c.spoil(t, r)
			if err := r.Verify(hubDirectory(t)); !errors.Is(err, c.want) || !errors.Is(err, ErrReceipt) {
				t.Errorf("got %v; want %v", err, c.want)
			}
		})
	}
}

// A box's receipt carries neither epoch nor index, and verifies.
func TestReceiptOfABox(t *testing.T) {
	r := testReceipt(t)
	r.Signer, r.HubEpoch, r.Index = testClaims("box", RoleBox).Device, 0, 0
	sign(t, r, "box")
	if err := r.Verify(hubDirectory(t)); err != nil {
		t.Error(err)
	}
}

// A hub to which nobody has sent anything yet has an epoch and no index.
func TestReceiptOfANewHub(t *testing.T) {
	r := testReceipt(t)
	r.Index, r.Heads = 0, nil
	sign(t, r, "hub")
	if err := r.Verify(hubDirectory(t)); err != nil {
		t.Error(err)
	}
}

// A receipt's signature is not one over anything else: the same key over the same
// fields without the domain doesn't verify.
func TestReceiptDomain(t *testing.T) {
	r := testReceipt(t)
	m, err := wire.Marshal(wireReceipt{
		Signer: r.Signer, Scope: string(r.Scope), HubEpoch: r.HubEpoch, Index: r.Index, Heads: r.wireHeads(),
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Signature = [64]byte(ed25519.Sign(testKey("hub seal"), m))
	if err := r.Verify(hubDirectory(t)); !errors.Is(err, ErrReceipt) {
		t.Errorf("got %v; want ErrReceipt", err)
	}
}

func TestReceiptForm(t *testing.T) {
	for name, spoil := range map[string]func(*Receipt){
		"unsorted":         func(r *Receipt) { r.Heads[0], r.Heads[1] = r.Heads[1], r.Heads[0] },
		"one log twice":    func(r *Receipt) { r.Heads[1] = r.Heads[0] },
		"an empty log":     func(r *Receipt) { r.Heads[0].Head.Seq = 0 },
		"no hash":          func(r *Receipt) { r.Heads[0].Head.Hash = crdt.Hash{} },
		"no scope":         func(r *Receipt) { r.Scope = "" },
		"another scope":    func(r *Receipt) { r.Scope = "p/04" },
		"a shouting scope": func(r *Receipt) { r.Scope, r.Heads = "C/03646", nil },
		"too many logs":    func(r *Receipt) { r.Heads = make([]LogHead, MaxReceiptLogs+1) },
	} {
		r := testReceipt(t)
		spoil(r)
		if _, err := r.Encode(); !errors.Is(err, ErrReceipt) {
			t.Errorf("encode %s: got %v; want ErrReceipt", name, err)
		}
		if err := r.Sign(func([]byte) []byte { return make([]byte, 64) }); !errors.Is(err, ErrReceipt) {
			t.Errorf("sign %s: got %v; want ErrReceipt", name, err)
		}
	}
}

// Every bit of a receipt counts, and nothing may follow it.
func TestReceiptHasOneEncoding(t *testing.T) {
	b, err := testReceipt(t).Encode()
	if err != nil {
		t.Fatal(err)
	}
	d := hubDirectory(t)
	for i := range b {
		for bit := range 8 {
			c := bytes.Clone(b)
			c[i] ^= 1 << bit
			if r, err := DecodeReceipt(c); err == nil && r.Verify(d) == nil {
				t.Fatalf("byte %d bit %d: accepted", i, bit)
			}
		}
	}
	for name, bad := range map[string][]byte{
		"trailing byte": append(bytes.Clone(b), 0), "cut short": b[:len(b)-1], "nothing": nil,
		"null heads": bytes.Replace(b, b[bytes.IndexByte(b, 0x82):bytes.IndexByte(b, 0x82)+1], []byte{0xf6}, 1),
		"format 2":   append([]byte{b[0], 2}, b[2:]...),
	} {
		if _, err := DecodeReceipt(bad); !errors.Is(err, ErrReceipt) {
			t.Errorf("%s: got %v; want ErrReceipt", name, err)
		}
	}
}

// The largest receipt that the limits allow fits its byte limit.
func TestLargestReceipt(t *testing.T) {
	r := &Receipt{Signer: crdt.Device{1}, Scope: crdt.Scope(strings.Repeat("s", crdt.MaxScope)), HubEpoch: 1<<64 - 1, Index: 1<<64 - 1}
	for i := range MaxReceiptLogs {
		l := crdt.LogID{Scope: r.Scope, Class: 255}
		binary.BigEndian.PutUint32(l.Device[:], uint32(i))
		r.Heads = append(r.Heads, LogHead{Log: l, Head: crdt.Head{Seq: 1<<64 - 1, Hash: crdt.Hash{1}}})
	}
	b, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := DecodeReceipt(b); err != nil {
		t.Errorf("%d bytes: %v", len(b), err)
	}
}

var update = flag.Bool("update", false, "write testdata/v1.txt anew")

// The vectors of FORMAT.md: fixed keys give fixed bytes.
func TestVectors(t *testing.T) {
	hub := testClaims("hub", RoleHub)
	carriers := withCarriers(hub)
	receipt := testReceipt(t)
	encoded, err := receipt.Encode()
	if err != nil {
		t.Fatal(err)
	}
	signed, err := receipt.signedBytes()
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, v := range []struct {
		name string
		b    []byte
	}{
		{"root_seed", testKey("root").Seed()}, {"root_public", Public(testKey("root"))},
		{"seal_seed", testKey("hub seal").Seed()}, {"seal_public", hub.SealKey}, {"peer_public", hub.PeerKey},
		{"device", hub.Device[:]}, {"certificate", issue(t, hub)},
		{"receipt_signed", signed}, {"receipt", encoded},
		{"noise_secret", agreementKey25519("hub noise").Bytes()}, {"noise_public", carriers.NoiseKey.Bytes()},
		{"hpke_secret", agreementKey25519("hub hpke").Bytes()}, {"hpke_public", carriers.HPKEKey.Bytes()},
		{"certificate_carriers", issue(t, carriers)},
		{"member_1_seed", testKey("member 1").Seed()}, {"member_2_seed", testKey("member 2").Seed()}, {"member_3_seed", testKey("member 3").Seed()},
		{"group", issueGroup(t, testGroup(1))}, {"chain", encodedChain(t, testChain(t, 1, 2, "1", "3"))},
	} {
		fmt.Fprintf(&got, "%s %s\n", v.name, hex.EncodeToString(v.b))
	}
	const path = "testdata/v1.txt"
	if *update {
		if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("the bytes of format 1 have changed:\n%s", got.String())
	}
}

func FuzzDecodeReceipt(f *testing.F) {
	b, err := testReceipt(f).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := DecodeReceipt(b)
		if err != nil {
			return
		}
		again, err := r.Encode()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("accepted, but encodes differently: %v", err)
		}
	})
}
