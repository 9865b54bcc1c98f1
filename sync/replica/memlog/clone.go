package memlog

import (
	"crypto/ed25519"
	"maps"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
)

// Clone is a second machine with a copy of this one's disk: the same device, the same
// keys, and from now on a history of its own. Its directory, under the authority's public
// key, knows what this one's does.
func (n *Node) Clone(root ed25519.PublicKey) (*Node, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := &Node{
		Keys: n.Keys, Claims: n.Claims, Certificate: n.Certificate, SegmentEntries: n.SegmentEntries, HubEpoch: n.HubEpoch,
		incarnation: n.incarnation, stamp: n.stamp, index: n.index,
		logs: map[crdt.LogID]*log{}, receipts: map[crdt.Scope]map[crdt.Device]*identity.Receipt{}, changed: make(chan struct{}),
	}
	for id, l := range n.logs {
		again := *l
		again.entries, again.hashes = slices.Clone(l.entries), slices.Clone(l.hashes)
		again.seals, again.salts = slices.Clone(l.seals), maps.Clone(l.salts)
		c.logs[id] = &again
	}
	for scope, receipts := range n.receipts {
		c.receipts[scope] = maps.Clone(receipts)
	}
	var err error
	if c.Directory, err = identity.New(root); err != nil {
		return nil, err
	}
	for _, claims := range n.Directory.All() {
		cert, _ := n.Directory.Certificate(claims.Device)
		if _, err := c.Directory.Add(cert); err != nil {
			return nil, err
		}
	}
	for _, scope := range n.Claims.Scopes {
		if cert := n.Directory.GroupCertificate(scope); cert != nil {
			if _, err := c.Directory.AddGroup(cert); err != nil {
				return nil, err
			}
		}
	}
	for scope, d := range n.decisions {
		again := c.deciding(scope)
		again.said = *d.said.Clone()
		for hash, signed := range d.all {
			copied := *signed
			again.all[hash] = &copied
		}
	}
	return c, nil
}
