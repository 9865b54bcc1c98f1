package identity

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"maps"
	"strings"
	"testing"

	"github.com/veraison/go-cose"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
)

// testKey is a key that is the same in every run.
func testKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("vungxa test key " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func testClaims(name string, role Role) Claims {
	seal := Public(testKey(name + " seal"))
	return Claims{
		Issuer: "p/04", Name: "máy " + name, ID: [16]byte{1, 2, 3}, Device: DeviceOf(seal), SealKey: seal,
		PeerKey: Public(testKey(name + " peer")), Scopes: []crdt.Scope{"c/03646", "p/04"}, Role: role,
	}
}

func agreementKey25519(name string) *ecdh.PrivateKey {
	k, err := NewAgreementKey(bytes.NewReader(testKey(name).Seed()))
	if err != nil {
		panic(err)
	}
	return k
}

// withCarriers are claims of "hub" as they are issued now.
func withCarriers(c Claims) Claims {
	c.NoiseKey, c.HPKEKey = agreementKey25519("hub noise").PublicKey(), agreementKey25519("hub hpke").PublicKey()
	return c
}

func issue(t testing.TB, c Claims) []byte {
	t.Helper()
	cert, err := Issue(testKey("root"), c)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func directory(t testing.TB, certs ...[]byte) *Directory {
	t.Helper()
	d, err := New(Public(testKey("root")))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range certs {
		if _, err := d.Add(c); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func TestIssueAndVerify(t *testing.T) {
	want := testClaims("box", RoleBox)
	d := directory(t, issue(t, want))
	got, ok := d.ByDevice(want.Device)
	if !ok {
		t.Fatal("not found by device")
	}
	if got.Name != want.Name || got.Issuer != want.Issuer || got.ID != want.ID || got.Role != want.Role ||
		!got.SealKey.Equal(want.SealKey) || !got.PeerKey.Equal(want.PeerKey) {
		t.Errorf("got %+v; want %+v", got, want)
	}
	if !got.Covers("c/03646") || !got.Covers("p/04") || got.Covers("c/0364") || got.Covers("c/03647") || got.Covers("") {
		t.Errorf("scopes %q cover the wrong ones", got.Scopes)
	}
	if c, ok := d.ByPeerKey(want.PeerKey); !ok || c.Device != want.Device || !d.Allows(want.PeerKey) {
		t.Error("not found by peer key")
	}
	if d.Allows(want.SealKey) || d.Allows(nil) {
		t.Error("a key that is no peer key is allowed")
	}
}

// A device certified anew gets the carriers' keys; each belongs to it alone.
func TestCarriersKeys(t *testing.T) {
	old := testClaims("box", RoleBox)
	renewed := withCarriers(old)
	renewed.Epoch = 1
	a, b := issue(t, old), issue(t, renewed)
	for _, d := range []*Directory{directory(t, a, b), directory(t, b, a)} {
		got, ok := d.ByNoiseKey(renewed.NoiseKey.Bytes())
		if !ok || got.Device != old.Device || !got.NoiseKey.Equal(renewed.NoiseKey) || !got.HPKEKey.Equal(renewed.HPKEKey) {
			t.Errorf("got %+v, %v", got, ok)
		}
	}
	d := directory(t, a)
	if c, _ := d.ByDevice(old.Device); c.NoiseKey != nil || c.HPKEKey != nil {
		t.Error("a certificate without the keys shows some")
	}
	if _, ok := d.ByNoiseKey(make([]byte, 32)); ok {
		t.Error("found by no key")
	}
	thief := testClaims("thief", RoleLaptop)
	thief.NoiseKey = renewed.NoiseKey
	d = directory(t, b)
	if _, err := d.Add(issue(t, thief)); !errors.Is(err, ErrCertificate) {
		t.Errorf("another device's Noise key: %v; want ErrCertificate", err)
	}
	rotated := renewed
	rotated.Epoch, rotated.NoiseKey = 2, agreementKey25519("hub noise 2").PublicKey()
	if _, err := d.Add(issue(t, rotated)); err != nil {
		t.Fatal(err)
	}
	_, before := d.ByNoiseKey(renewed.NoiseKey.Bytes())
	if _, now := d.ByNoiseKey(rotated.NoiseKey.Bytes()); before || !now {
		t.Errorf("after the change the old key is believed: %v, the new one: %v", before, now)
	}
}

func TestKeysFit(t *testing.T) {
	k, err := NewKeys(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := testClaims("box", RoleBox)
	if k.Certify(&c); !k.Fit(&c) || c.validate() != nil {
		t.Error("keys don't fit the claims made of them")
	}
	other := c
	other.HPKEKey = agreementKey25519("other").PublicKey()
	without := c
	without.NoiseKey = nil
	if k.Fit(&other) || k.Fit(&without) {
		t.Error("keys fit claims of others")
	}
}

// forgery is a certificate with every part in the open. A fresh one, sealed, is
// byte for byte what Issue writes.
type forgery struct {
	protected   cose.ProtectedHeader
	unprotected cose.UnprotectedHeader
	claims      map[any]any
	external    string
	signer      cose.Signer
	after       func([]byte) []byte // applied to the finished bytes
}

func okp(crv, alg any, x []byte) map[any]any {
	return map[any]any{int64(1): int64(1), int64(3): alg, int64(-1): crv, int64(-2): x}
}

func agreement(curve int64, x []byte) map[any]any {
	return map[any]any{int64(1): int64(1), int64(-1): curve, int64(-2): x}
}

func newForgery(c Claims) *forgery {
	root := testKey("root")
	signer, err := cose.NewSigner(cose.AlgorithmEdDSA, root)
	if err != nil {
		panic(err)
	}
	scopes := []any{}
	for _, s := range c.Scopes {
		scopes = append(scopes, string(s))
	}
	return &forgery{
		protected: cose.ProtectedHeader{
			int64(1): cose.AlgorithmEdDSA, int64(4): keyID(Public(root)), int64(16): deviceType,
		},
		unprotected: cose.UnprotectedHeader{},
		claims: map[any]any{
			int64(1): c.Issuer, int64(2): c.Device.String(), int64(7): c.ID[:],
			int64(8):      map[any]any{int64(1): okp(int64(6), int64(-8), c.SealKey)},
			int64(-70000): uint64(1), int64(-70001): scopes, int64(-70002): string(c.Role),
			int64(-70003): c.Epoch, int64(-70004): okp(int64(6), int64(-8), c.PeerKey), int64(-70005): c.Name,
		},
		external: deviceExternalAAD, signer: signer, after: func(b []byte) []byte { return b },
	}
}

func (f *forgery) seal(t testing.TB) []byte {
	t.Helper()
	payload, err := wire.Marshal(f.claims)
	if err != nil {
		t.Fatal(err)
	}
	b, err := cose.Sign1(rand.Reader, f.signer, cose.Headers{Protected: f.protected, Unprotected: f.unprotected}, payload, []byte(f.external))
	if err != nil {
		t.Fatal(err)
	}
	return f.after(b)
}

// claimedAlg signs with Ed25519 and says that it was something else.
type claimedAlg struct {
	cose.Signer
	alg cose.Algorithm
}

func (c claimedAlg) Algorithm() cose.Algorithm { return c.alg }

func setAlg(f *forgery, alg cose.Algorithm) {
	f.protected[int64(1)], f.signer = alg, claimedAlg{f.signer, alg}
}

func TestVerifyRefuses(t *testing.T) {
	box, other := testClaims("box", RoleBox), testClaims("other", RoleBox)
	sealKey := func(f *forgery, k any) { f.claims[int64(8)] = map[any]any{int64(1): k} }
	for _, c := range []struct {
		name, says string
		spoil      func(*forgery)
	}{
		{"alg ES256 in the header", "algorithm", func(f *forgery) { setAlg(f, cose.AlgorithmES256) }},
		{"alg -19 (ESP Ed25519)", "algorithm", func(f *forgery) { setAlg(f, -19) }},
		{"alg as text", "algorithm", func(f *forgery) {
			f.after = func([]byte) []byte {
				return rawMessage(map[any]any{1: "EdDSA", 4: keyID(Public(testKey("root"))), 16: deviceType})
			}
		}},
		{"no alg", "algorithm", func(f *forgery) { delete(f.protected, int64(1)) }},
		{"alg unprotected", "algorithm", func(f *forgery) {
			delete(f.protected, int64(1))
			f.unprotected[int64(1)] = cose.AlgorithmEdDSA
		}},
		{"a real ES256 signature", "algorithm", func(f *forgery) {
			k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				panic(err)
			}
			f.protected[int64(1)] = cose.AlgorithmES256
			if f.signer, err = cose.NewSigner(cose.AlgorithmES256, k); err != nil {
				panic(err)
			}
		}},
		{"an unknown critical header", "critical", func(f *forgery) {
			f.protected["x"], f.protected[int64(2)] = true, []any{"x"}
		}},
		{"a known header named critical", "critical", func(f *forgery) { f.protected[int64(2)] = []any{int64(4)} }},
		{"an unknown header", "headers other", func(f *forgery) { f.protected["x"] = true }},
		{"an unprotected header", "headers other", func(f *forgery) { f.unprotected[int64(4)] = []byte("x") }},
		{"another type", "type", func(f *forgery) { f.protected[int64(16)] = "application/cwt" }},
		{"no type", "type", func(f *forgery) { delete(f.protected, int64(16)) }},
		{"another key id", "another authority", func(f *forgery) { f.protected[int64(4)] = bytes.Repeat([]byte{7}, 16) }},
		{"another authority under our key id", "signature", func(f *forgery) {
			f.signer, _ = cose.NewSigner(cose.AlgorithmEdDSA, testKey("another root"))
		}},
		{"other external data", "signature", func(f *forgery) { f.external = "vungxa officer certificate 1" }},
		{"no external data", "signature", func(f *forgery) { f.external = "" }},
		{"one bit of the signature", "signature", func(f *forgery) {
			f.after = func(b []byte) []byte { b[len(b)-1] ^= 1; return b }
		}},
		{"a device that isn't the hash of the seal key", "hash of its seal key", func(f *forgery) {
			f.claims[int64(2)] = other.Device.String()
		}},
		{"the device in capitals", "not a device's name", func(f *forgery) {
			f.claims[int64(2)] = strings.ToUpper(box.Device.String())
		}},
		{"the seal key as peer key", "one key", func(f *forgery) { f.claims[int64(-70004)] = okp(int64(6), int64(-8), box.SealKey) }},
		{"a seal key on X25519", "Ed25519", func(f *forgery) { sealKey(f, okp(int64(4), int64(-8), box.SealKey)) }},
		{"a peer key on Ed448", "Ed25519", func(f *forgery) { f.claims[int64(-70004)] = okp(int64(7), int64(-8), box.PeerKey) }},
		{"a seal key for ES256", "Ed25519", func(f *forgery) { sealKey(f, okp(int64(6), int64(-7), box.SealKey)) }},
		{"a seal key of type EC2", "Ed25519", func(f *forgery) {
			k := okp(int64(6), int64(-8), box.SealKey)
			k[int64(1)] = int64(2)
			sealKey(f, k)
		}},
		{"a seal key without alg", "canonical", func(f *forgery) {
			k := okp(int64(6), int64(-8), box.SealKey)
			delete(k, int64(3))
			sealKey(f, k)
		}},
		{"a private key inside", "malformed", func(f *forgery) {
			k := okp(int64(6), int64(-8), box.SealKey)
			k[int64(-4)] = []byte("private")
			sealKey(f, k)
		}},
		{"a short seal key", "31 bytes", func(f *forgery) { sealKey(f, okp(int64(6), int64(-8), box.SealKey[:31])) }},
		{"a short certificate id", "canonical", func(f *forgery) { f.claims[int64(7)] = []byte{1, 2, 3} }},
		{"a certificate id of zeros", "certificate id", func(f *forgery) { f.claims[int64(7)] = make([]byte, 16) }},
		{"no scopes", "0 scopes", func(f *forgery) { f.claims[int64(-70001)] = []any{} }},
		{"scopes missing", "canonical", func(f *forgery) { delete(f.claims, int64(-70001)) }},
		{"scopes out of order", "sorted", func(f *forgery) { f.claims[int64(-70001)] = []any{"p/04", "c/03646"} }},
		{"one scope twice", "sorted", func(f *forgery) { f.claims[int64(-70001)] = []any{"p/04", "p/04"} }},
		{"a wildcard scope", "scope", func(f *forgery) { f.claims[int64(-70001)] = []any{"c/*"} }},
		{"a scope with a line break", "scope", func(f *forgery) { f.claims[int64(-70001)] = []any{"c/1\n2"} }},
		{"an unknown role", "role", func(f *forgery) { f.claims[int64(-70002)] = "root" }},
		{"an unknown format", "format 2", func(f *forgery) { f.claims[int64(-70000)] = uint64(2) }},
		{"an unknown claim", "malformed", func(f *forgery) { f.claims[int64(4)] = int64(1) }},
		{"a noise key on Ed25519", "X25519", func(f *forgery) { f.claims[int64(-70006)] = agreement(6, make([]byte, 32)) }},
		{"a noise key of 31 bytes", "noise key", func(f *forgery) { f.claims[int64(-70006)] = agreement(4, make([]byte, 31)) }},
		{"an hpke key of zeros", "other than zero", func(f *forgery) { f.claims[int64(-70007)] = agreement(4, make([]byte, 32)) }},
		{"an hpke key with an algorithm", "malformed", func(f *forgery) { f.claims[int64(-70007)] = okp(int64(4), int64(-8), box.PeerKey) }},
		{"a noise key that is null", "canonical", func(f *forgery) { f.claims[int64(-70006)] = nil }},
		{"one key for both carriers", "draw two", func(f *forgery) {
			f.claims[int64(-70006)], f.claims[int64(-70007)] = agreement(4, box.PeerKey), agreement(4, box.PeerKey)
		}},
		{"a name with a control character", "name", func(f *forgery) { f.claims[int64(-70005)] = "a\x1b[2J" }},
		{"a name of 65 bytes", "name", func(f *forgery) { f.claims[int64(-70005)] = strings.Repeat("a", 65) }},
		{"trailing bytes", "COSE", func(f *forgery) { f.after = func(b []byte) []byte { return append(b, 0) } }},
		{"cut short", "COSE", func(f *forgery) { f.after = func(b []byte) []byte { return b[:len(b)-1] } }},
		{"no tag", "COSE", func(f *forgery) { f.after = func(b []byte) []byte { return b[1:] } }},
		{"the tag twice", "COSE", func(f *forgery) { f.after = func(b []byte) []byte { return append([]byte{0xd2}, b...) } }},
		{"the signature's length in long form", "canonical", func(f *forgery) {
			f.after = func(b []byte) []byte {
				sig := len(b) - ed25519.SignatureSize
				return append(append(bytes.Clone(b[:sig-2]), 0x59, 0, 64), b[sig:]...)
			}
		}},
		{"too large", "at most", func(f *forgery) {
			f.after = func(b []byte) []byte { return append(b, make([]byte, MaxCertificate)...) }
		}},
		{"empty", "COSE", func(f *forgery) { f.after = func([]byte) []byte { return nil } }},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newForgery(box)
			f.protected, f.claims = maps.Clone(f.protected), maps.Clone(f.claims)
			c.spoil(f)
			d := directory(t)
			_, err := d.Add(f.seal(t))
			if !errors.Is(err, ErrCertificate) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v; want ErrCertificate about %q", err, c.says)
			}
			if len(d.All()) != 0 {
				t.Error("the refused certificate was kept")
			}
		})
	}
	if !bytes.Equal(newForgery(box).seal(t), issue(t, box)) {
		t.Error("an unspoiled forgery is not what Issue writes, so the table proves nothing")
	}
}

// rawMessage is a message with headers that go-cose would not sign.
func rawMessage(protected map[any]any) []byte {
	p, err := wire.Marshal(protected)
	if err != nil {
		panic(err)
	}
	m, err := wire.Marshal([]any{p, map[any]any{}, []byte{0xa0}, make([]byte, ed25519.SignatureSize)})
	if err != nil {
		panic(err)
	}
	return append([]byte{0xd2}, m...)
}

func TestIssueRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*Claims){
		"wrong device":      func(c *Claims) { c.Device[0] ^= 1 },
		"no seal key":       func(c *Claims) { c.SealKey = nil },
		"same keys":         func(c *Claims) { c.PeerKey = c.SealKey },
		"unsorted scopes":   func(c *Claims) { c.Scopes = []crdt.Scope{"p/04", "c/03646"} },
		"no role":           func(c *Claims) { c.Role = "" },
		"no certificate id": func(c *Claims) { c.ID = [16]byte{} },
		"no name":           func(c *Claims) { c.Name = "" },
	} {
		c := testClaims("box", RoleBox)
		spoil(&c)
		if _, err := Issue(testKey("root"), c); !errors.Is(err, ErrCertificate) {
			t.Errorf("%s: got %v; want ErrCertificate", name, err)
		}
	}
}

// The largest certificate that the limits allow fits its byte limit.
func TestLargestCertificate(t *testing.T) {
	c := testClaims("hub", RoleHub)
	c.Scopes = nil
	for i := range MaxScopes {
		c.Scopes = append(c.Scopes, crdt.Scope("c/"+strings.Repeat("x", 26)+string("0123456789abcdef"[i/16])+string("0123456789abcdef"[i%16])+"zz"))
	}
	c.Name, c.Issuer, c.Epoch = strings.Repeat("n", MaxName), strings.Repeat("i", MaxName), 1<<64-1
	d := directory(t, issue(t, c))
	if got, _ := d.ByDevice(c.Device); len(got.Scopes) != MaxScopes {
		t.Errorf("%d scopes; want %d", len(got.Scopes), MaxScopes)
	}
}

// What a directory answers doesn't depend on the order of arrival.
func TestNewerCertificateCounts(t *testing.T) {
	first := testClaims("box", RoleBox)
	second := first
	second.Epoch, second.PeerKey, second.Scopes = 1, Public(testKey("new peer")), []crdt.Scope{"c/03646"}
	a, b := issue(t, first), issue(t, second)
	for _, d := range []*Directory{directory(t, a, b), directory(t, b, a), directory(t, a, b, b, a)} {
		got, _ := d.ByDevice(first.Device)
		if got.Epoch != 1 || got.Covers("p/04") || len(d.All()) != 1 {
			t.Errorf("got epoch %d and scopes %q", got.Epoch, got.Scopes)
		}
		if d.Allows(first.PeerKey) || !d.Allows(second.PeerKey) {
			t.Error("the old peer key still connects, or the new one doesn't")
		}
		if cert, ok := d.Certificate(first.Device); !ok || !bytes.Equal(cert, b) {
			t.Error("the certificate handed out is not the newer one")
		}
	}
}

func TestPeerKeyBelongsToOneDevice(t *testing.T) {
	thief := testClaims("thief", RoleLaptop)
	thief.PeerKey = testClaims("box", RoleBox).PeerKey
	d := directory(t, issue(t, testClaims("box", RoleBox)))
	if _, err := d.Add(issue(t, thief)); !errors.Is(err, ErrCertificate) {
		t.Errorf("got %v; want ErrCertificate", err)
	}
}

func TestVerifySeal(t *testing.T) {
	box := testClaims("box", RoleBox)
	d := directory(t, issue(t, box))
	sign := func(name string) func([]byte) []byte {
		return func(m []byte) []byte { return ed25519.Sign(testKey(name+" seal"), m) }
	}
	log := crdt.LogID{Device: box.Device, Scope: "c/03646", Class: crdt.ClassRecords}
	for _, c := range []struct {
		name string
		log  func(*crdt.LogID)
		sign func([]byte) []byte
		want error
	}{
		{"its own", func(*crdt.LogID) {}, sign("box"), nil},
		{"another's key", func(*crdt.LogID) {}, sign("laptop"), ErrSeal},
		{"another scope", func(l *crdt.LogID) { l.Scope = "c/03647" }, sign("box"), ErrScope},
		{"no certificate", func(l *crdt.LogID) { l.Device = testClaims("laptop", RoleLaptop).Device }, sign("laptop"), ErrUnknown},
	} {
		l := log
		c.log(&l)
		seal, err := wire.Sign(l, crdt.Head{Seq: 1, Hash: crdt.Hash{1}}, c.sign)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.VerifySeal(l, seal); !errors.Is(err, c.want) || (err != nil && !errors.Is(err, ErrSeal)) {
			t.Errorf("%s: got %v; want %v", c.name, err, c.want)
		}
	}
}

func TestNewKeys(t *testing.T) {
	k, err := NewKeys(rand.Reader)
	if err != nil || k.Seal.Equal(k.Peer) || k.Device() != DeviceOf(Public(k.Seal)) {
		t.Errorf("keys: %v", err)
	}
	if _, err := NewKeys(bytes.NewReader(make([]byte, 40))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("chance that ends early: %v; want ErrUnexpectedEOF", err)
	}
	if _, err := New(nil); err == nil {
		t.Error("a directory without an authority")
	}
}

func FuzzVerify(f *testing.F) {
	cert := issue(f, testClaims("box", RoleBox))
	f.Add(cert)
	d := directory(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := d.Verify(b); err == nil && !bytes.Equal(b, cert) {
			t.Fatal("a certificate that nobody signed")
		}
	})
}

func FuzzDecodeClaims(f *testing.F) {
	b, err := encodeClaims(testClaims("box", RoleBox))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	if b, err = encodeClaims(withCarriers(testClaims("box", RoleBox))); err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeClaims(b)
		if err != nil {
			return
		}
		again, err := encodeClaims(c)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("accepted, but encodes differently: %v", err)
		}
	})
}
