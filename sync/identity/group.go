package identity

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
)

// MaxMembers is how many members a hub's group may have.
const MaxMembers = 15

const (
	groupType        = "application/vnd.vungxa.group+cwt"
	groupExternalAAD = "vungxa hub group 1"
)

var groupStatement = statement{"hub group certificate", groupType, groupExternalAAD}

// Group is what an authority says of a hub's cluster: who its members are. They sign
// checkpoints of its scopes, with their seal keys; what most of them have signed is
// believed. A change of members is a new certificate of a higher epoch.
type Group struct {
	Issuer  string   // the authority's name
	Name    string   // the group's name, for people: of machines, never of a person
	ID      [16]byte // random, names this certificate (cti)
	Epoch   uint64   // from 1
	Scopes  []crdt.Scope
	Members []ed25519.PublicKey // their seal keys, sorted by bytes, each once
}

// Majority is how many members have to sign.
func (g *Group) Majority() int { return len(g.Members)/2 + 1 }

// Covers says whether the group signs checkpoints of a scope.
func (g *Group) Covers(scope crdt.Scope) bool {
	_, found := slices.BinarySearch(g.Scopes, scope)
	return found
}

// Member is the key of a member; nil if the device is none.
func (g *Group) Member(d crdt.Device) ed25519.PublicKey {
	for _, m := range g.Members {
		if DeviceOf(m) == d {
			return m
		}
	}
	return nil
}

type wireGroup struct {
	Issuer  string    `cbor:"1,keyasint"`
	Subject string    `cbor:"2,keyasint"`
	ID      [16]byte  `cbor:"7,keyasint"`
	Format  uint      `cbor:"-70000,keyasint"`
	Scopes  []string  `cbor:"-70001,keyasint"`
	Epoch   uint64    `cbor:"-70003,keyasint"`
	Members []coseKey `cbor:"-70008,keyasint"`
}

// IssueGroup certifies a group under the authority's key. It refuses what
// Directory.VerifyGroup would refuse.
func IssueGroup(root ed25519.PrivateKey, g Group) ([]byte, error) {
	if err := g.validate(); err != nil {
		return nil, fmt.Errorf("issue a group: %w: %w", ErrCertificate, err)
	}
	w := wireGroup{Issuer: g.Issuer, Subject: g.Name, ID: g.ID, Format: wire.Format, Epoch: g.Epoch}
	for _, s := range g.Scopes {
		w.Scopes = append(w.Scopes, string(s))
	}
	for _, m := range g.Members {
		w.Members = append(w.Members, keyOf(m))
	}
	payload, err := wire.Marshal(w)
	if err != nil {
		return nil, fmt.Errorf("issue a group: %w", err)
	}
	b, err := groupStatement.sign(root, payload)
	if err != nil {
		return nil, fmt.Errorf("issue a group: %w", err)
	}
	return b, nil
}

func decodeGroup(payload []byte) (g Group, err error) {
	var w wireGroup
	if err := wire.Unmarshal(payload, MaxCertificate, &w); err != nil {
		return g, fmt.Errorf("claims: %w", err)
	}
	if w.Format != wire.Format {
		return g, fmt.Errorf("claims: format %d; this program knows %d", w.Format, wire.Format)
	}
	g = Group{Issuer: w.Issuer, Name: w.Subject, ID: w.ID, Epoch: w.Epoch}
	for _, s := range w.Scopes {
		g.Scopes = append(g.Scopes, crdt.Scope(s))
	}
	for i, m := range w.Members {
		key, err := m.ed25519()
		if err != nil {
			return Group{}, fmt.Errorf("claims: member %d: %w", i, err)
		}
		g.Members = append(g.Members, key)
	}
	return g, g.validate()
}

func (g *Group) validate() error {
	switch {
	case g.ID == [16]byte{}:
		return errors.New("no certificate id")
	case g.Epoch == 0:
		return errors.New("no epoch: the first is 1")
	case !goodName(g.Issuer) || !goodName(g.Name):
		return fmt.Errorf("a name of issuer or group that is empty, longer than %d bytes or unprintable", MaxName)
	case len(g.Members) == 0 || len(g.Members) > MaxMembers:
		return fmt.Errorf("%d members; want 1 to %d", len(g.Members), MaxMembers)
	}
	for i, m := range g.Members {
		if len(m) != ed25519.PublicKeySize {
			return fmt.Errorf("member %d: no Ed25519 public key of %d bytes", i, ed25519.PublicKeySize)
		}
		if i > 0 && bytes.Compare(g.Members[i-1], m) >= 0 {
			return errors.New("members that are not sorted by their keys, or one twice")
		}
	}
	return validateScopes(g.Scopes)
}

type groupRecord struct {
	group Group
	cert  []byte
}

// VerifyGroup reads a group's certificate and checks it, without adding it. Its errors
// wrap ErrCertificate.
func (d *Directory) VerifyGroup(cert []byte) (Group, error) {
	payload, err := groupStatement.open(d.root, cert)
	if err != nil {
		return Group{}, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	g, err := decodeGroup(payload)
	if err != nil {
		return Group{}, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	return g, nil
}

// AddGroup verifies a group's certificate and keeps it. Of two for one scope the one
// with the higher epoch counts; of two in one epoch, the one whose bytes sort last. So
// a scope goes to another group by a certificate of that in a higher epoch.
func (d *Directory) AddGroup(cert []byte) (Group, error) {
	g, err := d.VerifyGroup(cert)
	if err != nil {
		return Group{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range g.Scopes {
		old, held := d.groups[s]
		if !held || cmp.Or(cmp.Compare(g.Epoch, old.group.Epoch), bytes.Compare(cert, old.cert)) > 0 {
			d.groups[s] = groupRecord{group: g, cert: bytes.Clone(cert)}
		}
	}
	return g, nil
}

// Group gives the group that counts for a scope. What it returns is shared: don't write
// to its slices.
func (d *Directory) Group(scope crdt.Scope) (Group, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	r, ok := d.groups[scope]
	return r.group, ok
}

// GroupCertificate gives the bytes of the certificate that counts for a scope; nil if
// there is none.
func (d *Directory) GroupCertificate(scope crdt.Scope) []byte {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return bytes.Clone(d.groups[scope].cert)
}
