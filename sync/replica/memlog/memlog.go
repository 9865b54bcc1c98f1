// Package memlog is a node's logs in memory: real entries, seals, certificates
// and receipts, held to the contract of replica.Log by the plainest means. The
// tests of reconcile and replica run on it, and another engine can be compared
// with it. It believes nobody: what a session hands over is verified once more.
package memlog

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
)

// Node is a device and what it holds. It is safe for concurrent use.
type Node struct {
	Keys        identity.Keys
	Claims      identity.Claims
	Certificate []byte
	Directory   *identity.Directory
	// SegmentEntries bounds the entries between two seals, and of a segment where
	// the seals allow.
	SegmentEntries int
	// HubEpoch is what a hub names in its receipts; 0 on others.
	HubEpoch uint64

	mu          sync.Mutex // guards what follows
	incarnation crdt.Incarnation
	logs        map[crdt.LogID]*log
	receipts    map[crdt.Scope]map[crdt.Device]*identity.Receipt
	stamp       crdt.Stamp
	index       uint64
	changed     chan struct{}
}

// log is a chain; hashes[i] is the chain hash of entries[i], whose seq is i+1.
type log struct {
	entries [][]byte
	hashes  []crdt.Hash
	seals   []wire.Seal // rising
	salts   map[uint64]wire.Salt
}

// Key is the private key of a name. Names are all that these keys protect.
func Key(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("memlog key " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

// New is a device, its keys made from its name, certified under root.
func New(root ed25519.PrivateKey, name string, role identity.Role, scopes ...crdt.Scope) (*Node, error) {
	n := &Node{
		Keys:           identity.Keys{Seal: Key(name + " seal"), Peer: Key(name + " peer")},
		SegmentEntries: wire.MaxSegmentEntries,
		logs:           map[crdt.LogID]*log{},
		receipts:       map[crdt.Scope]map[crdt.Device]*identity.Receipt{},
		changed:        make(chan struct{}),
	}
	if role == identity.RoleHub {
		n.HubEpoch = 1
	}
	id := sha256.Sum256([]byte(name))
	n.incarnation = crdt.Incarnation(id[:8])
	n.Claims = identity.Claims{
		Issuer: "memlog", Name: name, ID: [16]byte(id[16:]), Device: n.Keys.Device(), Role: role, Scopes: scopes,
		SealKey: identity.Public(n.Keys.Seal), PeerKey: identity.Public(n.Keys.Peer),
	}
	var err error
	if n.Certificate, err = identity.Issue(root, n.Claims); err != nil {
		return nil, err
	}
	if n.Directory, err = identity.New(identity.Public(root)); err != nil {
		return nil, err
	}
	_, err = n.Directory.Add(n.Certificate)
	return n, err
}

// Log names the node's own log of a scope and class.
func (n *Node) Log(scope crdt.Scope, class crdt.Class) crdt.LogID {
	n.mu.Lock()
	defer n.mu.Unlock()
	return crdt.LogID{Device: n.Claims.Device, Incarnation: n.incarnation, Scope: scope, Class: class}
}

// Save appends one entry that writes a text, and gives its place.
func (n *Node) Save(scope crdt.Scope, class crdt.Class, text string) (crdt.Pos, error) {
	id := n.Log(scope, class)
	value, err := wire.Marshal(text)
	if err != nil {
		return crdt.Pos{}, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.log(id)
	n.stamp++
	e := &crdt.Entry{
		Log: id, Seq: l.len() + 1, Prev: l.hashAt(l.len()), Stamp: n.stamp, Officer: "một cửa",
		Pack: crdt.Pack{ID: "commune", Version: 1},
		Ops: []crdt.Op{{
			Collection: "dossiers", Record: crdt.Ref{Dot: crdt.Dot{Log: id, Seq: 1}}, Field: 1, Value: value,
		}},
	}
	span := wire.Span(e.Seq)
	l.salts[span] = salt(id, span)
	e.Key = wire.EntryKey(l.salts[span], e.Seq)
	b, err := wire.EncodeEntry(e)
	if err != nil {
		return crdt.Pos{}, err
	}
	l.add(b)
	n.change()
	return crdt.Pos{Log: id, Seq: e.Seq}, nil
}

// salt is the secret of a span, made from its name: names are all that it protects.
func salt(id crdt.LogID, span uint64) wire.Salt {
	h := sha256.Sum256(fmt.Appendf(nil, "memlog salt %v %d", id, span))
	return wire.Salt(h[:16])
}

// Renew begins a new incarnation, as a node does whose store was restored.
func (n *Node) Renew(i crdt.Incarnation) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.incarnation = i
}

// Cut drops what a log holds above seq, as a restored backup does.
func (n *Node) Cut(id crdt.LogID, seq uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.log(id)
	l.entries, l.hashes = l.entries[:seq], l.hashes[:seq]
	l.seals = slices.DeleteFunc(l.seals, func(s wire.Seal) bool { return s.Seq > seq })
	if seq == 0 {
		delete(n.logs, id)
	}
}

// Forget drops the receipts of a scope.
func (n *Node) Forget(scope crdt.Scope) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.receipts, scope)
}

// Heads is replica.Log's.
func (n *Node) Heads(scope crdt.Scope) (map[crdt.LogID]crdt.Head, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	heads := map[crdt.LogID]crdt.Head{}
	for id, l := range n.logs {
		if id.Scope != scope {
			continue
		}
		if id.Device == n.Claims.Device {
			if err := n.seal(id, l); err != nil {
				return nil, err
			}
		}
		if seq := l.sealed(); seq > 0 {
			heads[id] = crdt.Head{Seq: seq, Hash: l.hashAt(seq)}
		}
	}
	return heads, nil
}

func (n *Node) seal(id crdt.LogID, l *log) error {
	for at := l.sealed(); at < l.len(); {
		at = min(at+uint64(n.SegmentEntries), l.len())
		s, err := wire.Sign(id, crdt.Head{Seq: at, Hash: l.hashAt(at)}, n.sign)
		if err != nil {
			return err
		}
		l.seals = append(l.seals, s)
	}
	return nil
}

func (n *Node) sign(m []byte) []byte { return ed25519.Sign(n.Keys.Seal, m) }

// Segment is replica.Log's.
func (n *Node) Segment(id crdt.LogID, after uint64) (*wire.Segment, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.log(id)
	var end *wire.Seal
	for i, s := range l.seals {
		if s.Seq > after && (end == nil || s.Seq-after <= uint64(n.SegmentEntries)) {
			end = &l.seals[i]
		}
	}
	if end == nil {
		return nil, nil
	}
	return &wire.Segment{
		Log: id, First: after + 1, Entries: slices.Clone(l.entries[after:end.Seq]), Seal: *end, Salts: maps.Clone(l.salts),
	}, nil
}

// HashAt is replica.Log's.
func (n *Node) HashAt(id crdt.LogID, seq uint64) (crdt.Hash, bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.log(id)
	return l.hashAt(seq), seq > 0 && seq <= l.len(), nil
}

// Ingest is a replica.Ingest.
func (n *Node) Ingest(_ context.Context, segments []*wire.Segment) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, seg := range segments {
		if err := n.ingest(seg); err != nil {
			return err
		}
	}
	n.index++
	n.change()
	return nil
}

// IngestOne is Ingest of one segment.
func (n *Node) IngestOne(seg *wire.Segment) error {
	return n.Ingest(context.Background(), []*wire.Segment{seg})
}

func (n *Node) ingest(seg *wire.Segment) error {
	if err := n.Directory.VerifySeal(seg.Log, seg.Seal); err != nil {
		return err
	}
	if _, err := seg.Open(); err != nil {
		return err
	}
	l := n.log(seg.Log)
	if seg.First > l.len()+1 {
		return fmt.Errorf("log %s: held up to %d, given from %d", seg.Log, l.len(), seg.First)
	}
	for i, b := range seg.Entries {
		seq := seg.First + uint64(i)
		if seq <= l.len() {
			if !bytes.Equal(l.entries[seq-1], b) {
				return fmt.Errorf("log %s: another branch at %d", seg.Log, seq)
			}
			continue
		}
		if e, err := wire.DecodeEntry(b); err != nil || e.Prev != l.hashAt(seq-1) {
			return fmt.Errorf("log %s: another branch below %d: %w", seg.Log, seq, errors.Join(err))
		}
		l.add(b)
	}
	maps.Copy(l.salts, seg.Salts)
	if seg.Seal.Seq > l.sealed() {
		l.seals = append(l.seals, seg.Seal)
	}
	return nil
}

// Receipts is replica.Log's.
func (n *Node) Receipts(scope crdt.Scope) ([]*identity.Receipt, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []*identity.Receipt
	for _, r := range n.receipts[scope] {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *identity.Receipt) int { return bytes.Compare(a.Signer[:], b.Signer[:]) })
	return all, nil
}

// StoreReceipt is replica.Log's. It refuses a receipt that names what isn't held.
func (n *Node) StoreReceipt(r *identity.Receipt) error {
	if err := r.Verify(n.Directory); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, h := range r.Heads {
		if l := n.log(h.Log); l.hashAt(h.Head.Seq) != h.Head.Hash {
			return fmt.Errorf("receipt of %s names log %s, seq %d, which is not held", r.Signer, h.Log, h.Head.Seq)
		}
	}
	bySigner := n.receipts[r.Scope]
	if bySigner == nil {
		bySigner = map[crdt.Device]*identity.Receipt{}
		n.receipts[r.Scope] = bySigner
	}
	if reconcile.Newer(r, bySigner[r.Signer]) {
		bySigner[r.Signer] = r
		n.change()
	}
	return nil
}

// StoreCertificate is replica.Log's: a directory is all that this node keeps.
func (n *Node) StoreCertificate(cert []byte) error {
	_, err := n.Directory.Add(cert)
	return err
}

// Sign is a replica.Sign.
func (n *Node) Sign(_ context.Context, scope crdt.Scope, heads []identity.LogHead) (*identity.Receipt, error) {
	r := &identity.Receipt{Signer: n.Claims.Device, Scope: scope, Heads: heads}
	if n.HubEpoch > 0 {
		n.mu.Lock()
		r.HubEpoch, r.Index = n.HubEpoch, n.index+1
		n.mu.Unlock()
	}
	return r, r.Sign(n.sign)
}

// Changed is replica.Log's.
func (n *Node) Changed() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.changed
}

// change tells those who wait. n.mu is held.
func (n *Node) change() {
	close(n.changed)
	n.changed = make(chan struct{})
}

// log gives a log, empty if it isn't held. n.mu is held.
func (n *Node) log(id crdt.LogID) *log {
	l := n.logs[id]
	if l == nil {
		l = &log{salts: map[uint64]wire.Salt{}}
		n.logs[id] = l
	}
	return l
}

func (l *log) len() uint64 { return uint64(len(l.entries)) }

func (l *log) hashAt(seq uint64) crdt.Hash {
	if seq == 0 || seq > l.len() {
		return crdt.Hash{}
	}
	return l.hashes[seq-1]
}

func (l *log) sealed() uint64 {
	if len(l.seals) == 0 {
		return 0
	}
	return l.seals[len(l.seals)-1].Seq
}

func (l *log) add(entry []byte) {
	l.entries = append(l.entries, entry)
	l.hashes = append(l.hashes, wire.ChainHash(entry))
}
