package daemon_test

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/link/thin"
)

// hubOfMine is a province certified by a key that the test holds, with the certificate
// of a laptop.
type hubOfMine struct {
	t       *testing.T
	dir     string
	root    ed25519.PrivateKey
	claims  identity.Claims
	laptop  identity.Keys
	visitor []byte // the laptop's certificate
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newHubOfMine(t *testing.T) *hubOfMine {
	t.Helper()
	h := &hubOfMine{t: t, dir: filepath.Join(provision(t), "province")}
	var err error
	h.root, err = identity.NewKey(rand.Reader)
	must(t, err)
	d := open(t, h.dir)
	h.claims = d.ClaimsOf()
	must(t, d.Close())
	h.laptop, err = identity.NewKeys(rand.Reader)
	must(t, err)
	c := identity.Claims{Issuer: "thử", Name: "máy xách tay", Scopes: h.claims.Scopes, Role: identity.RoleLaptop, ID: h.claims.ID}
	h.laptop.Certify(&c)
	h.visitor, err = identity.Issue(h.root, c)
	must(t, err)
	config, err := daemon.ReadConfig(h.dir)
	must(t, err)
	config.Authority, config.Thin = hex.EncodeToString(identity.Public(h.root)), "127.0.0.1:0"
	config.Peers = []daemon.Peer{{Device: c.Device.String()}}
	must(t, config.Write(h.dir))
	certificates := filepath.Join(h.dir, "certificates")
	must(t, os.RemoveAll(certificates))
	must(t, os.Mkdir(certificates, 0o700))
	must(t, os.WriteFile(filepath.Join(certificates, "00.cose"), h.visitor, 0o600))
	must(t, os.WriteFile(filepath.Join(h.dir, "certificate.cose"), h.certify(nil), 0o600))
	return h
}

// certify issues a certificate of the next epoch, for another key of the thin link.
func (h *hubOfMine) certify(key *ecdh.PrivateKey) []byte {
	h.t.Helper()
	h.claims.Epoch++
	if key != nil {
		h.claims.NoiseKey = key.PublicKey()
	}
	cert, err := identity.Issue(h.root, h.claims)
	must(h.t, err)
	return cert
}

// renew gives the hub another key, and its certificate.
func (h *hubOfMine) renew() (cert []byte) {
	h.t.Helper()
	key, err := identity.NewAgreementKey(rand.Reader)
	must(h.t, err)
	cert = h.certify(key)
	must(h.t, daemon.Renew(h.dir, restOptions(), key, cert))
	return cert
}

// reaches says whether a laptop that holds a certificate of the hub is answered by it:
// an answer proves the key, before any session.
func (h *hubOfMine) reaches(at string, cert []byte) error {
	h.t.Helper()
	directory, err := identity.New(identity.Public(h.root))
	must(h.t, err)
	for _, c := range [][]byte{h.visitor, cert} {
		_, err := directory.Add(c)
		must(h.t, err)
	}
	host, err := thin.NewHost(thin.HostConfig{
		Keys: []*ecdh.PrivateKey{h.laptop.Noise}, Directory: directory, Now: time.Now, Rand: rand.Reader, Stall: time.Second,
	})
	must(h.t, err)
	conn, err := host.Dial(h.t.Context(), at, h.claims.PeerKey)
	must(h.t, err)
	must(h.t, conn.WriteFrames([][]byte{{1}}))
	ended := make(chan error, 1)
	go func() {
		_, err := conn.ReadFrame()
		ended <- err
	}()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for in := uint64(0); in == 0 && err == nil; {
		select {
		case err = <-ended:
		case <-look.C:
			in, _ = conn.Bytes()
		}
	}
	return errors.Join(err, conn.Close(), host.Close())
}

// A hub's key of the thin link changes with its certificate: who holds the one before
// still reaches it, and who holds the one before that doesn't any more.
func TestRenewedKey(t *testing.T) {
	h := newHubOfMine(t)
	certs := [][]byte{h.certify(nil)} // as of before
	certs = append(certs, h.renew(), h.renew())
	d := open(t, h.dir)
	for i, want := range []error{thin.ErrNoAnswer, nil, nil} {
		if err := h.reaches(d.ThinAddr(), certs[i]); !errors.Is(err, want) {
			t.Errorf("by the key of certificate %d: %v; want %v", i, err, want)
		}
	}
	must(t, d.Close())
}

// A renewal that stops anywhere leaves a node, which may be renewed again; a
// certificate that doesn't fit is refused.
func TestRenewalStops(t *testing.T) {
	h := newHubOfMine(t)
	before := h.renew()
	var copies []string
	daemon.OnRenewalStep(func(string) {
		to := filepath.Join(t.TempDir(), "province")
		must(t, os.CopyFS(to, os.DirFS(h.dir)))
		copies = append(copies, to)
	})
	defer daemon.OnRenewalStep(func(string) {})
	key, err := identity.NewAgreementKey(rand.Reader)
	must(t, err)
	cert := h.certify(key)
	must(t, daemon.Renew(h.dir, restOptions(), key, cert))
	daemon.OnRenewalStep(func(string) {})
	if len(copies) != 2 {
		t.Fatalf("%d steps", len(copies))
	}
	for i, dir := range copies {
		d := open(t, dir)
		if d.ClaimsOf().Epoch+1 != h.claims.Epoch || !d.DeviceKeys().Noise.PublicKey().Equal(d.ClaimsOf().NoiseKey) {
			t.Errorf("step %d: the node isn't what it was", i)
		}
		must(t, d.Close())
		must(t, daemon.Renew(dir, restOptions(), key, cert))
		d = open(t, dir)
		old, err := identity.New(identity.Public(h.root))
		must(t, err)
		was, err := old.Verify(before)
		must(t, err)
		if k := d.DeviceKeys(); !k.Noise.Equal(key) || !k.NoiseBefore.PublicKey().Equal(was.NoiseKey) {
			t.Errorf("step %d: after it was renewed again the keys are others", i)
		}
		must(t, d.Close())
	}
	if err := daemon.Renew(h.dir, restOptions(), key, before); node.CodeOf(err) != node.Invalid {
		t.Errorf("an older certificate: %v", err)
	}
	other, err := identity.NewAgreementKey(rand.Reader)
	must(t, err)
	if err := daemon.Renew(h.dir, restOptions(), other, h.certify(key)); node.CodeOf(err) != node.Invalid {
		t.Errorf("another key than the certificate's: %v", err)
	}
}

// After a renewal that stopped, the key in use lies where the one before does: a
// certificate for it, of a higher epoch, leaves it there at every step.
func TestTheKeyInUseAfterARenewalThatStopped(t *testing.T) {
	h := newHubOfMine(t)
	h.renew()
	d := open(t, h.dir)
	same := d.DeviceKeys().Noise
	must(t, d.Close())
	var copies []string
	daemon.OnRenewalStep(func(string) {
		to := filepath.Join(t.TempDir(), "province")
		must(t, os.CopyFS(to, os.DirFS(h.dir)))
		copies = append(copies, to)
	})
	defer daemon.OnRenewalStep(func(string) {})
	key, err := identity.NewAgreementKey(rand.Reader)
	must(t, err)
	must(t, daemon.Renew(h.dir, restOptions(), key, h.certify(key)))
	stopped := copies[len(copies)-1]
	copies, h.dir = nil, stopped
	must(t, daemon.Renew(stopped, restOptions(), same, h.certify(same)))
	daemon.OnRenewalStep(func(string) {})
	for _, dir := range append(copies, stopped) {
		d := open(t, dir)
		if !d.DeviceKeys().Noise.Equal(same) {
			t.Error("the key in use is another")
		}
		must(t, d.Close())
	}
}
