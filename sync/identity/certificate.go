package identity

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/veraison/go-cose"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
)

// What is signed beside the payload. The type and the external data are those of
// device certificates only, so a signature over one can't be passed off as one
// over anything else that the authority signs.
const (
	deviceType        = "application/vnd.vungxa.device+cwt"
	deviceExternalAAD = "vungxa device certificate 1"
)

var deviceStatement = statement{"device certificate", deviceType, deviceExternalAAD}

// The values of a COSE_Key (RFC 9053, section 7.2) that this package accepts.
const (
	keyTypeOKP   = 1
	curveX25519  = 4
	curveEd25519 = 6
)

type coseKey struct {
	Type  int    `cbor:"1,keyasint"`
	Alg   int    `cbor:"3,keyasint"`
	Curve int    `cbor:"-1,keyasint"`
	X     []byte `cbor:"-2,keyasint"`
}

// agreementKey is a COSE_Key that signs nothing: it has no algorithm of its own.
type agreementKey struct {
	Type  int    `cbor:"1,keyasint"`
	Curve int    `cbor:"-1,keyasint"`
	X     []byte `cbor:"-2,keyasint"`
}

type confirmation struct {
	Key coseKey `cbor:"1,keyasint"`
}

// wireClaims are the CWT claims. Private ones have labels below -65536.
type wireClaims struct {
	Issuer  string       `cbor:"1,keyasint"`
	Subject string       `cbor:"2,keyasint"`
	ID      [16]byte     `cbor:"7,keyasint"`
	Cnf     confirmation `cbor:"8,keyasint"`
	Format  uint         `cbor:"-70000,keyasint"`
	Scopes  []string     `cbor:"-70001,keyasint"`
	Role    string       `cbor:"-70002,keyasint"`
	Epoch   uint64       `cbor:"-70003,keyasint"`
	Peer    coseKey      `cbor:"-70004,keyasint"`
	Name    string       `cbor:"-70005,keyasint"`
	// Absent from certificates issued before there were these carriers.
	Noise *agreementKey `cbor:"-70006,keyasint,omitempty"`
	HPKE  *agreementKey `cbor:"-70007,keyasint,omitempty"`
}

// Issue certifies a device under the authority's key. It refuses what Verify
// would refuse. Whether the device holds its keys, and whether its people may
// have what they ask for, is for enrolment to find out before.
func Issue(root ed25519.PrivateKey, c Claims) ([]byte, error) {
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("issue: %w: %w", ErrCertificate, err)
	}
	payload, err := encodeClaims(c)
	if err != nil {
		return nil, fmt.Errorf("issue: %w", err)
	}
	b, err := deviceStatement.sign(root, payload)
	if err != nil {
		return nil, fmt.Errorf("issue: %w", err)
	}
	return b, nil
}

// verify reads a device certificate signed by root.
func verify(root ed25519.PublicKey, cert []byte) (Claims, error) {
	payload, err := deviceStatement.open(root, cert)
	if err != nil {
		return Claims{}, err
	}
	return decodeClaims(payload)
}

func encodeClaims(c Claims) ([]byte, error) {
	w := wireClaims{
		Issuer: c.Issuer, Subject: c.Device.String(), ID: c.ID, Cnf: confirmation{Key: keyOf(c.SealKey)},
		Format: wire.Format, Scopes: make([]string, len(c.Scopes)), Role: string(c.Role), Epoch: c.Epoch,
		Peer: keyOf(c.PeerKey), Name: c.Name, Noise: agreementOf(c.NoiseKey), HPKE: agreementOf(c.HPKEKey),
	}
	for i, s := range c.Scopes {
		w.Scopes[i] = string(s)
	}
	return wire.Marshal(w)
}

func decodeClaims(payload []byte) (Claims, error) {
	var w wireClaims
	if err := wire.Unmarshal(payload, MaxCertificate, &w); err != nil {
		return Claims{}, fmt.Errorf("claims: %w", err)
	}
	if w.Format != wire.Format {
		return Claims{}, fmt.Errorf("claims: format %d; this program knows %d", w.Format, wire.Format)
	}
	device, err := crdt.ParseDevice(w.Subject)
	if err != nil || device.String() != w.Subject {
		return Claims{}, errors.New("claims: the subject is not a device's name")
	}
	seal, err := w.Cnf.Key.ed25519()
	if err != nil {
		return Claims{}, fmt.Errorf("claims: seal key: %w", err)
	}
	peer, err := w.Peer.ed25519()
	if err != nil {
		return Claims{}, fmt.Errorf("claims: peer key: %w", err)
	}
	noise, err := w.Noise.x25519()
	if err != nil {
		return Claims{}, fmt.Errorf("claims: noise key: %w", err)
	}
	hpke, err := w.HPKE.x25519()
	if err != nil {
		return Claims{}, fmt.Errorf("claims: hpke key: %w", err)
	}
	c := Claims{
		Issuer: w.Issuer, Name: w.Name, ID: w.ID, Device: device, SealKey: seal, PeerKey: peer,
		Scopes: make([]crdt.Scope, len(w.Scopes)), Role: Role(w.Role), Epoch: w.Epoch,
		NoiseKey: noise, HPKEKey: hpke,
	}
	for i, s := range w.Scopes {
		c.Scopes[i] = crdt.Scope(s)
	}
	return c, c.validate()
}

func keyOf(k ed25519.PublicKey) coseKey {
	return coseKey{Type: keyTypeOKP, Alg: int(cose.AlgorithmEdDSA), Curve: curveEd25519, X: k}
}

func (k coseKey) ed25519() (ed25519.PublicKey, error) {
	if k.Type != keyTypeOKP || k.Alg != int(cose.AlgorithmEdDSA) || k.Curve != curveEd25519 {
		return nil, errors.New("not an Ed25519 key for EdDSA")
	}
	if len(k.X) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%d bytes; want %d", len(k.X), ed25519.PublicKeySize)
	}
	return ed25519.PublicKey(k.X), nil
}

func agreementOf(k *ecdh.PublicKey) *agreementKey {
	if k == nil {
		return nil
	}
	return &agreementKey{Type: keyTypeOKP, Curve: curveX25519, X: k.Bytes()}
}

// x25519 is nil for a claim that isn't there.
func (k *agreementKey) x25519() (*ecdh.PublicKey, error) {
	if k == nil {
		return nil, nil
	}
	if k.Type != keyTypeOKP || k.Curve != curveX25519 {
		return nil, errors.New("not an X25519 key")
	}
	return ecdh.X25519().NewPublicKey(k.X)
}
