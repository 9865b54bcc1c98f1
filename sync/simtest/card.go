package simtest

import (
	"crypto/ecdh"

	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/replica/memlog"
)

// Card is a device's keys and certificate: those of memlog, and a key that opens bundles.
func Card(spec Spec) (*memlog.Node, error) {
	n, err := memlog.New(Root, spec.Name, spec.Role, spec.Scopes...)
	if err != nil {
		return nil, err
	}
	if n.Keys.HPKE, err = ecdh.X25519().NewPrivateKey(memlog.Key(spec.Name + " hpke").Seed()); err != nil {
		return nil, err
	}
	n.Claims.Epoch++ // it takes the place of the certificate without that key
	n.Keys.Certify(&n.Claims)
	if n.Certificate, err = identity.Issue(Root, n.Claims); err != nil {
		return nil, err
	}
	_, err = n.Directory.Add(n.Certificate)
	return n, err
}
