// Package identity says who a device is and who says so.
//
// A device holds two Ed25519 keys that are never the same: the seal key signs
// what it wrote (seals of its logs, its receipts), the peer key authenticates its
// connections. Two X25519 keys serve the carriers that have no room for signatures:
// with the Noise key it proves itself on the thin link, to the HPKE key bundles are
// encrypted. Devices certified before there were these carriers have neither. Its name, crdt.Device, is the first 16 bytes of the SHA-256 of the
// seal key, so a name can't be claimed without the key.
//
// An authority binds the keys, a role and a list of scopes together in a
// certificate: a COSE_Sign1 message (RFC 9052) whose payload is a CWT (RFC 8392).
// It has no expiry date, because a device may be away for a year with no clock
// that anyone trusts: it carries an epoch of its authority instead.
//
// A Group names the members of a hub's cluster: what most of them have signed, a Chain of
// checkpoints, is believed.
//
// A Directory is what one node believes: the pinned authority key and the
// certificates it has accepted under it. A Receipt is a device's signed statement
// of the heads that it holds durably; a record's ticks come from receipts.
//
// Everything here is a function of its arguments: no clock, no I/O, and chance
// comes from the caller's reader. FORMAT.md specifies every byte.
package identity

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/vungxa/vungxa/crdt"
)

// Limits of a certificate, in bytes and items.
const (
	MaxCertificate = 16 << 10
	MaxScopes      = 256
	MaxName        = 64 // of a device or of its issuer
)

// Role is what a device is for. It decides which statements it may sign.
type Role string

// The roles.
const (
	RoleBox    Role = "box"    // the office's own machine
	RoleLaptop Role = "laptop" // an officer's machine
	RoleHub    Role = "hub"    // a member of a province's or the centre's cluster
)

// Claims are what an authority says of a device.
type Claims struct {
	Issuer  string   // the authority's name
	Name    string   // the device's name: of a machine, never of a person
	ID      [16]byte // random, names this certificate (cti)
	Device  crdt.Device
	SealKey ed25519.PublicKey
	PeerKey ed25519.PublicKey
	Scopes  []crdt.Scope // sorted, each once
	Role    Role
	Epoch   uint64 // the authority epoch that the issuer cites
	// X25519, either nil in a certificate of a time before its carrier: without
	// NoiseKey there is no thin link to the device, without HPKEKey no bundle for it.
	NoiseKey *ecdh.PublicKey
	HPKEKey  *ecdh.PublicKey
}

// Errors of this package. Every failure wraps one of them.
var (
	ErrCertificate = errors.New("certificate refused")
	ErrReceipt     = errors.New("receipt refused")
	ErrSeal        = errors.New("seal refused")
	ErrUnknown     = errors.New("device without a certificate; enrol it first")
	ErrScope       = errors.New("outside the scopes of the device's certificate")
)

// Keys are a device's private keys. Noise and HPKE are nil on a device whose
// certificate doesn't have them.
type Keys struct {
	Seal  ed25519.PrivateKey
	Peer  ed25519.PrivateKey
	Noise *ecdh.PrivateKey
	HPKE  *ecdh.PrivateKey

	// NoiseBefore is the key that the certificate before this one named; nil: none. Who
	// holds that certificate still calls the device by it.
	NoiseBefore *ecdh.PrivateKey
}

// NewKeys draws all keys from rand, which must be cryptographically random.
func NewKeys(rand io.Reader) (Keys, error) {
	seal, err := NewKey(rand)
	if err != nil {
		return Keys{}, err
	}
	peer, err := NewKey(rand)
	if err != nil {
		return Keys{}, err
	}
	noise, err := NewAgreementKey(rand)
	if err != nil {
		return Keys{}, err
	}
	hpke, err := NewAgreementKey(rand)
	return Keys{Seal: seal, Peer: peer, Noise: noise, HPKE: hpke}, err
}

// NewKey draws one Ed25519 key from 32 bytes of rand.
func NewKey(rand io.Reader) (ed25519.PrivateKey, error) {
	var seed [ed25519.SeedSize]byte
	if _, err := io.ReadFull(rand, seed[:]); err != nil {
		return nil, fmt.Errorf("draw a key: %w", err)
	}
	return ed25519.NewKeyFromSeed(seed[:]), nil
}

// NewAgreementKey draws one X25519 key from 32 bytes of rand.
func NewAgreementKey(rand io.Reader) (*ecdh.PrivateKey, error) {
	var secret [32]byte
	if _, err := io.ReadFull(rand, secret[:]); err != nil {
		return nil, fmt.Errorf("draw a key: %w", err)
	}
	return ecdh.X25519().NewPrivateKey(secret[:])
}

// Certify puts the public halves of the keys into claims, and the device's name.
func (k Keys) Certify(c *Claims) {
	c.Device, c.SealKey, c.PeerKey = k.Device(), Public(k.Seal), Public(k.Peer)
	if k.Noise != nil {
		c.NoiseKey = k.Noise.PublicKey()
	}
	if k.HPKE != nil {
		c.HPKEKey = k.HPKE.PublicKey()
	}
}

// Fit says whether a certificate's claims are for these keys: all that it names, and
// no others.
func (k Keys) Fit(c *Claims) bool {
	var own Claims
	k.Certify(&own)
	same := func(a, b *ecdh.PublicKey) bool { return a == b || a != nil && b != nil && a.Equal(b) }
	return own.SealKey.Equal(c.SealKey) && own.PeerKey.Equal(c.PeerKey) && same(own.NoiseKey, c.NoiseKey) && same(own.HPKEKey, c.HPKEKey)
}

// Device is the name that the seal key gives.
func (k Keys) Device() crdt.Device { return DeviceOf(Public(k.Seal)) }

// Public is the public half of a key.
func Public(key ed25519.PrivateKey) ed25519.PublicKey {
	return key.Public().(ed25519.PublicKey)
}

// DeviceOf names the device of a seal key.
func DeviceOf(seal ed25519.PublicKey) crdt.Device {
	h := sha256.Sum256(seal)
	return crdt.Device(h[:16])
}

// Covers says whether the device may write in the scope and receive it. Scopes
// are listed one by one: "p/04" says nothing about the communes of p/04.
func (c *Claims) Covers(scope crdt.Scope) bool {
	_, found := slices.BinarySearch(c.Scopes, scope)
	return found
}

// validate holds claims to what a certificate promises, whoever signed it.
func (c *Claims) validate() error {
	switch {
	case len(c.SealKey) != ed25519.PublicKeySize || len(c.PeerKey) != ed25519.PublicKeySize:
		return errors.New("a key that is not an Ed25519 public key of 32 bytes")
	case c.SealKey.Equal(c.PeerKey):
		return errors.New("one key for seals and connections; draw two")
	case c.NoiseKey != nil && c.HPKEKey != nil && c.NoiseKey.Equal(c.HPKEKey):
		return errors.New("one key for the thin link and for bundles; draw two")
	case !x25519(c.NoiseKey) || !x25519(c.HPKEKey):
		return errors.New("a key for the thin link or for bundles that is not an X25519 key other than zero")
	case c.Device != DeviceOf(c.SealKey):
		return errors.New("the device's name is not the hash of its seal key")
	case c.ID == [16]byte{}:
		return errors.New("no certificate id")
	case c.Role != RoleBox && c.Role != RoleLaptop && c.Role != RoleHub:
		return fmt.Errorf("unknown role %.20q", c.Role)
	case !goodName(c.Issuer) || !goodName(c.Name):
		return fmt.Errorf("a name of issuer or device that is empty, longer than %d bytes or unprintable", MaxName)
	}
	return validateScopes(c.Scopes)
}

// x25519 says whether a key that may be absent is of the curve. With the point zero
// every secret would be zero.
func x25519(k *ecdh.PublicKey) bool {
	return k == nil || k.Curve() == ecdh.X25519() && [32]byte(k.Bytes()) != [32]byte{}
}

func validateScopes(scopes []crdt.Scope) error {
	if len(scopes) == 0 || len(scopes) > MaxScopes {
		return fmt.Errorf("%d scopes; want 1 to %d", len(scopes), MaxScopes)
	}
	for i, s := range scopes {
		if !goodScope(s) {
			return fmt.Errorf("scope %.40q: want 1 to %d of a-z, 0-9, '/', '-', '.'", s, crdt.MaxScope)
		}
		if i > 0 && s <= scopes[i-1] {
			return errors.New("scopes that are not sorted, or one twice")
		}
	}
	return nil
}

func goodName(s string) bool {
	return s != "" && len(s) <= MaxName && utf8.ValidString(s) &&
		!strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

func goodScope(s crdt.Scope) bool {
	return s != "" && len(s) <= crdt.MaxScope &&
		strings.Trim(string(s), "abcdefghijklmnopqrstuvwxyz0123456789/-.") == ""
}
