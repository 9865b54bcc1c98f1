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
	decisions   map[crdt.Scope]*decisions
}

// log is a chain, or the rest of one that has left it: hashes[i] is the chain hash of
// entries[i], whose seq is below+i+1.
type log struct {
	of      crdt.LogID // under which its entries are written
	below   uint64
	prev    crdt.Hash // at below, of a branch
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
	return n.SaveValue(scope, class, text)
}

// SaveValue is Save of whatever CBOR has a form for. A long byte string costs little to
// pack and unpack, where a long text costs some milliseconds.
func (n *Node) SaveValue(scope crdt.Scope, class crdt.Class, v any) (crdt.Pos, error) {
	id := n.Log(scope, class)
	value, err := wire.Marshal(v)
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
		if id.Device == n.Claims.Device && id == l.of {
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
func (n *Node) Segment(id crdt.LogID, after, upTo uint64) (*wire.Segment, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.log(id)
	after = max(after, l.below)
	var end *wire.Seal
	for i, s := range l.seals {
		if s.Seq > after && (upTo == 0 || s.Seq <= upTo) && (end == nil || s.Seq-after <= uint64(n.SegmentEntries)) {
			end = &l.seals[i]
		}
	}
	if end == nil {
		return nil, nil
	}
	s := &wire.Segment{
		Log: l.of, First: after + 1, Entries: slices.Clone(l.entries[after-l.below : end.Seq-l.below]), Seal: *end, Salts: map[uint64]wire.Salt{},
	}
	for span := wire.Span(s.First); span <= wire.Span(s.Last()); span++ {
		if salt, ok := l.salts[span]; ok {
			s.Salts[span] = salt
		}
	}
	return s, nil
}

// Entry is replica.Log's.
func (n *Node) Entry(id crdt.LogID, seq uint64) ([]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.log(id)
	if seq <= l.below || seq > l.len() {
		return nil, nil
	}
	return l.entries[seq-1-l.below], nil
}

// Salt is replica.Log's.
func (n *Node) Salt(id crdt.LogID, span uint64) (*wire.Salt, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if salt, ok := n.log(id).salts[span]; ok {
		return &salt, nil
	}
	return nil, nil
}

// HashAt is replica.Log's.
func (n *Node) HashAt(id crdt.LogID, seq uint64) (crdt.Hash, bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.log(id)
	return l.hashAt(seq), seq > l.below && seq <= l.len(), nil
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
	l, err := n.chain(seg)
	if err != nil {
		return err
	}
	for i, b := range seg.Entries {
		seq := seg.First + uint64(i)
		if seq <= l.below {
			continue
		}
		if seq <= l.len() {
			if !bytes.Equal(l.entries[seq-1-l.below], b) {
				return fmt.Errorf("log %s: another branch at %d", seg.Log, seq)
			}
			continue
		}
		if e, err := wire.DecodeEntry(b); err != nil || e.Prev != l.before(seq-1) {
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

// chain gives the log, or the branch of it, that a segment goes on from. A segment
// that differs from what is held begins a branch; of two the one with the smaller
// first hash has the log's name.
func (n *Node) chain(seg *wire.Segment) (*log, error) {
	first, err := wire.DecodeEntry(seg.Entries[0])
	if err != nil {
		return nil, err
	}
	for _, l := range n.logs {
		below := seg.First - 1
		fits := l.of == seg.Log && below <= l.len() && (below == 0 && l.below == 0 || below >= l.below && below > 0 && l.before(below) == first.Prev)
		if at := min(l.len(), seg.Last()); fits && (at <= below || l.hashAt(at) == wire.ChainHash(seg.Entries[at-seg.First])) {
			return l, nil
		}
	}
	l := n.log(seg.Log)
	if seg.First > l.len()+1 || seg.First > 1 && l.hashAt(seg.First-1) != first.Prev {
		return nil, fmt.Errorf("log %s: held up to %d, given from %d on another branch", seg.Log, l.len(), seg.First)
	}
	return n.part(l, seg, first.Prev)
}

// part begins a branch where a segment first differs from what is held.
func (n *Node) part(l *log, seg *wire.Segment, prev crdt.Hash) (*log, error) {
	at := seg.First
	for at <= l.len() && at <= seg.Last() && l.hashAt(at) == wire.ChainHash(seg.Entries[at-seg.First]) {
		at++
		prev = l.hashAt(at - 1)
	}
	if at > l.len() || at > seg.Last() {
		return l, nil
	}
	ours, theirs := l.hashAt(at), wire.ChainHash(seg.Entries[at-seg.First])
	if known := n.logs[crdt.BranchName(seg.Log, theirs)]; known != nil {
		return known, nil
	}
	b := &log{of: seg.Log, below: at - 1, prev: prev, salts: maps.Clone(l.salts)}
	if bytes.Compare(ours[:], theirs[:]) < 0 {
		n.logs[crdt.BranchName(seg.Log, theirs)] = b
		b.entries, b.hashes = nil, nil
		return b, nil
	}
	b.entries, b.hashes = slices.Clone(l.entries[at-1:]), slices.Clone(l.hashes[at-1:])
	for _, s := range l.seals {
		if s.Seq >= at {
			b.seals = append(b.seals, s)
		}
	}
	n.logs[crdt.BranchName(seg.Log, ours)] = b
	l.entries, l.hashes = l.entries[:at-1:at-1], l.hashes[:at-1:at-1]
	l.seals = slices.DeleteFunc(l.seals, func(s wire.Seal) bool { return s.Seq >= at })
	return l, nil
}

// Receipts is replica.Log's.
func (n *Node) Receipts(scope crdt.Scope) ([]*identity.Receipt, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []*identity.Receipt
	for _, r := range n.receipts[scope] {
		if !slices.ContainsFunc(r.Heads, n.parted) {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b *identity.Receipt) int { return bytes.Compare(a.Signer[:], b.Signer[:]) })
	return all, nil
}

// parted says whether a head is of another branch than the one that has its name here.
// n.mu is held.
func (n *Node) parted(h identity.LogHead) bool {
	l := n.logs[h.Log]
	forked := false
	for id := range n.logs {
		forked = forked || id != h.Log && n.logs[id].of == h.Log
	}
	return forked && l != nil && h.Head.Seq > 0 && l.hashAt(h.Head.Seq) != h.Head.Hash
}

// StoreReceipt is replica.Log's. It refuses a receipt that names what isn't held.
func (n *Node) StoreReceipt(r *identity.Receipt) error {
	if err := r.Verify(n.Directory); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, h := range r.Heads {
		said := n.receipts[r.Scope][r.Signer] // stands, also of what was lost since
		if l := n.log(h.Log); l.hashAt(h.Head.Seq) != h.Head.Hash && (said == nil || !slices.Contains(said.Heads, h)) {
			return fmt.Errorf("receipt of %s names log %s, seq %d, which is not held", r.Signer, h.Log, h.Head.Seq)
		}
	}
	bySigner := n.receipts[r.Scope]
	if bySigner == nil {
		bySigner = map[crdt.Device]*identity.Receipt{}
		n.receipts[r.Scope] = bySigner
	}
	held := bySigner[r.Signer]
	if held != nil && slices.ContainsFunc(held.Heads, n.parted) { // of another branch
		held = nil
	}
	if reconcile.Newer(r, held) {
		bySigner[r.Signer] = r
		n.change()
	}
	return nil
}

// StoreCertificate is replica.Log's: a directory is all that this node keeps.
func (n *Node) StoreCertificate(cert []byte) error {
	_, err := n.Directory.Add(cert)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.change()
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
		l = &log{of: id, salts: map[uint64]wire.Salt{}}
		n.logs[id] = l
	}
	return l
}

func (l *log) len() uint64 { return l.below + uint64(len(l.entries)) }

func (l *log) hashAt(seq uint64) crdt.Hash {
	if seq <= l.below || seq > l.len() {
		return crdt.Hash{}
	}
	return l.hashes[seq-1-l.below]
}

// before is hashAt, also of the entry at which a branch left its log.
func (l *log) before(seq uint64) crdt.Hash {
	if seq == l.below {
		return l.prev
	}
	return l.hashAt(seq)
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
