package identity

import (
	"bytes"
	"cmp"
	"crypto/ecdh"
	"crypto/ed25519"
	"fmt"
	"slices"
	"sync"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
)

// Directory is what a node believes about devices: the certificates it has
// accepted under one pinned authority key. What it answers is a function of the
// set of certificates added, not of their order. It is safe for concurrent use.
type Directory struct {
	root ed25519.PublicKey

	mu       sync.RWMutex // guards the maps
	byDevice map[crdt.Device]record
	byPeer   map[[ed25519.PublicKeySize]byte]crdt.Device
	byNoise  map[[32]byte]crdt.Device
	groups   map[crdt.Scope]groupRecord
}

type record struct {
	claims Claims
	cert   []byte
}

// New is a directory with no device in it, under an authority's public key.
func New(root ed25519.PublicKey) (*Directory, error) {
	if len(root) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("authority key of %d bytes; want %d", len(root), ed25519.PublicKeySize)
	}
	return &Directory{
		root: bytes.Clone(root), byDevice: map[crdt.Device]record{},
		byPeer: map[[ed25519.PublicKeySize]byte]crdt.Device{}, byNoise: map[[32]byte]crdt.Device{},
		groups: map[crdt.Scope]groupRecord{},
	}, nil
}

// Verify reads a certificate and checks it, without adding it. Its errors wrap
// ErrCertificate.
func (d *Directory) Verify(cert []byte) (Claims, error) {
	c, err := verify(d.root, cert)
	if err != nil {
		return Claims{}, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	return c, nil
}

// Add verifies a certificate and keeps it. Of two certificates of one device the
// one with the higher epoch counts; of two in one epoch, the one whose bytes sort
// last. A peer key belongs to one device, and so does a Noise key.
func (d *Directory) Add(cert []byte) (Claims, error) {
	c, err := d.Verify(cert)
	if err != nil {
		return Claims{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	peer := [ed25519.PublicKeySize]byte(c.PeerKey)
	if owner, ok := d.byPeer[peer]; ok && owner != c.Device {
		return Claims{}, fmt.Errorf("%w: its peer key is that of device %s", ErrCertificate, owner)
	}
	if owner, ok := d.byNoise[pointOf(c.NoiseKey)]; ok && owner != c.Device {
		return Claims{}, fmt.Errorf("%w: its Noise key is that of device %s", ErrCertificate, owner)
	}
	old, held := d.byDevice[c.Device]
	if held && cmp.Or(cmp.Compare(c.Epoch, old.claims.Epoch), bytes.Compare(cert, old.cert)) <= 0 {
		return c, nil
	}
	if held {
		delete(d.byPeer, [ed25519.PublicKeySize]byte(old.claims.PeerKey))
		delete(d.byNoise, pointOf(old.claims.NoiseKey))
	}
	d.byDevice[c.Device] = record{claims: c, cert: bytes.Clone(cert)}
	d.byPeer[peer] = c.Device
	if c.NoiseKey != nil {
		d.byNoise[pointOf(c.NoiseKey)] = c.Device
	}
	return c, nil
}

// pointOf is zero without a key, which is no key.
func pointOf(k *ecdh.PublicKey) (p [32]byte) {
	if k != nil {
		copy(p[:], k.Bytes())
	}
	return p
}

// ByNoiseKey gives the claims of the device that proves itself with the X25519 key
// on the thin link.
func (d *Directory) ByNoiseKey(key []byte) (Claims, bool) {
	if len(key) != 32 {
		return Claims{}, false
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	device, ok := d.byNoise[[32]byte(key)]
	if !ok {
		return Claims{}, false
	}
	return d.byDevice[device].claims, true
}

// ByDevice gives the claims that count for a device. What it returns is shared:
// don't write to its slices.
func (d *Directory) ByDevice(device crdt.Device) (Claims, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	r, ok := d.byDevice[device]
	return r.claims, ok
}

// ByPeerKey gives the claims of the device that connects with the key.
func (d *Directory) ByPeerKey(peer ed25519.PublicKey) (Claims, bool) {
	if len(peer) != ed25519.PublicKeySize {
		return Claims{}, false
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	device, ok := d.byPeer[[ed25519.PublicKeySize]byte(peer)]
	if !ok {
		return Claims{}, false
	}
	return d.byDevice[device].claims, true
}

// Allows says whether a connection with the key belongs to a certified device.
func (d *Directory) Allows(peer ed25519.PublicKey) bool {
	_, ok := d.ByPeerKey(peer)
	return ok
}

// Certificate gives the bytes of the certificate that counts for a device.
func (d *Directory) Certificate(device crdt.Device) ([]byte, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	r, ok := d.byDevice[device]
	return bytes.Clone(r.cert), ok
}

// All gives the claims of every device, sorted by name of device.
func (d *Directory) All() []Claims {
	d.mu.RLock()
	defer d.mu.RUnlock()
	all := make([]Claims, 0, len(d.byDevice))
	for _, r := range d.byDevice {
		all = append(all, r.claims)
	}
	slices.SortFunc(all, func(a, b Claims) int { return bytes.Compare(a.Device[:], b.Device[:]) })
	return all
}

// member gives the claims of a device that may write in a scope. Its errors wrap
// ErrUnknown or ErrScope.
func (d *Directory) member(device crdt.Device, scope crdt.Scope) (Claims, error) {
	c, ok := d.ByDevice(device)
	if !ok {
		return Claims{}, fmt.Errorf("device %s: %w", device, ErrUnknown)
	}
	if !c.Covers(scope) {
		return Claims{}, fmt.Errorf("device %s, scope %q: %w", device, scope, ErrScope)
	}
	return c, nil
}

// VerifySeal checks that a seal is the log's device's own and that the device is
// certified for the log's scope. Its errors wrap ErrSeal, and ErrUnknown or
// ErrScope where that is why.
func (d *Directory) VerifySeal(log crdt.LogID, s wire.Seal) error {
	c, err := d.member(log.Device, log.Scope)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSeal, err)
	}
	if !s.Verify(log, c.SealKey) {
		return fmt.Errorf("%w: log %s, seq %d: the signature is not the device's", ErrSeal, log, s.Seq)
	}
	return nil
}
