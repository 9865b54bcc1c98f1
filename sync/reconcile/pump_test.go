package reconcile_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
	"github.com/vungxa/vungxa/sync/replica/memlog"
)

// The pump drives sessions over nodes in memory, one step at a time, in one
// goroutine. Nothing happens between steps, so a test decides every order.

const scope crdt.Scope = "c/03646"

var root = memlog.Key("authority")

// check is what *testing.T and *rapid.T share.
type check interface {
	Helper()
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
}

func newNode(t check, name string, role identity.Role, scopes ...crdt.Scope) *memlog.Node {
	t.Helper()
	if len(scopes) == 0 {
		scopes = []crdt.Scope{scope}
	}
	n, err := memlog.New(root, name, role, scopes...)
	if err != nil {
		t.Fatalf("node %s: %v", name, err)
	}
	return n
}

// view is what a driver gives a session: what is held, after signing for it.
func view(t check, n *memlog.Node) reconcile.View {
	t.Helper()
	v := reconcile.View{}
	for _, scope := range n.Claims.Scopes {
		h := holding(t, n, scope)
		if heads, owes := h.Owes(n.Claims.Device); owes {
			r, err := n.Sign(context.Background(), scope, heads)
			if err == nil {
				err = n.StoreReceipt(r)
			}
			if err != nil {
				t.Fatalf("%s signs: %v", n.Claims.Name, err)
			}
			h = holding(t, n, scope)
		}
		v[scope] = h
	}
	return v
}

func holding(t check, n *memlog.Node, scope crdt.Scope) reconcile.Holding {
	t.Helper()
	heads, err := n.Heads(scope)
	if err != nil {
		t.Fatalf("heads: %v", err)
	}
	receipts, err := n.Receipts(scope)
	if err != nil {
		t.Fatalf("receipts: %v", err)
	}
	newest, err := n.Newest(scope)
	if err != nil {
		t.Fatalf("checkpoint: %v", err)
	}
	return reconcile.Holding{Heads: heads, Receipts: receipts, Checkpoint: newest, Group: n.Directory.GroupCertificate(scope)}
}

func config(n, peer *memlog.Node) reconcile.Config {
	return reconcile.Config{
		Root: identity.Public(root), Own: n.Certificate, Scopes: n.Claims.Scopes,
		PeerKey: peer.Claims.PeerKey, Peer: peer.Claims.Device, Known: n.Directory.Certificate, Cut: n.Ended,
	}
}

// disk is what nodes keep between sessions: of each node, of each peer.
type disk map[[2]crdt.Device]*kept

type kept struct {
	memory []byte
	staged [reconcile.Lanes]reconcile.Staged
}

// disks are the disks of a test's nodes; a test that doesn't ask for them has every
// session begin with nothing.
func (d disk) of(n, peer *memlog.Node) *kept {
	k := [2]crdt.Device{n.Claims.Device, peer.Claims.Device}
	if d[k] == nil {
		d[k] = &kept{}
	}
	return d[k]
}

// end is one side of a connection.
type end struct {
	t       check
	node    *memlog.Node
	s       *reconcile.Session
	todo    reconcile.Action // a question that is being worked on
	unsent  [][]byte         // frames that are being written
	kept    *kept            // nil: nothing is
	dirty   bool             // something was stored since the last view
	window  int
	aloof   bool            // it stores nothing, and says that it did
	forged  *identity.Chain // what it sends of checkpoints
	noForks bool            // its store keeps one branch of a log
	files   *files          // attachments; nil: none
	in      [][]byte        // frames on their way here
	far     *end
	seen    <-chan struct{} // closed when the node has changed since its last view
	closed  bool
	refusal *reconcile.Refusal
	frames  int // sent so far
	bytes   int
	hook    func(frame []byte)          // sees every frame that is sent
	spoil   func(frame []byte) [][]byte // what comes here in its place
}

// connect begins a session between two nodes that have never met.
func connect(t check, a, b *memlog.Node) (*end, *end) {
	t.Helper()
	return resume(t, disk{}, a, b)
}

// resume begins a session between two nodes with what their disks remember.
func resume(t check, d disk, a, b *memlog.Node, change ...func(*reconcile.Config)) (*end, *end) {
	t.Helper()
	x, y := newEnd(t, a, b, d.of(a, b), change...), newEnd(t, b, a, d.of(b, a), change...)
	x.far, y.far = y, x
	return x, y
}

func newEnd(t check, n, peer *memlog.Node, k *kept, change ...func(*reconcile.Config)) *end {
	t.Helper()
	changed := n.Changed()
	c := config(n, peer)
	if k != nil && k.memory != nil {
		m, err := reconcile.DecodeMemory(k.memory)
		if err != nil {
			t.Fatalf("memory of %s: %v", n.Claims.Name, err)
		}
		c.Memory = m
	}
	if k != nil {
		for _, p := range k.staged {
			if len(p.Bytes) > 0 {
				c.Staged = append(c.Staged, p)
			}
		}
	}
	for _, f := range change {
		f(&c)
	}
	s, err := reconcile.New(c, view(t, n))
	if err != nil {
		t.Fatalf("session of %s: %v", n.Claims.Name, err)
	}
	e := &end{t: t, node: n, s: s, seen: changed, kept: k}
	e.remember(s.Memory())
	return e
}

func (e *end) remember(m *reconcile.Memory) {
	if e.kept == nil {
		return
	}
	b, err := m.Encode()
	e.must(err)
	e.kept.memory = b
}

// finish does what the session has asked for, as a driver does before it looks at
// the line again.
func (e *end) finish() {
	for e.todo != nil && !e.closed {
		e.work()
	}
}

func (d disk) clone() disk {
	c := disk{}
	for k, v := range d {
		again := *v
		c[k] = &again
	}
	return c
}

// noise is a text that doesn't compress, of about so many bytes.
func noise(seed, n int) string {
	r := rand.New(rand.NewPCG(uint64(seed), 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(33 + r.IntN(90))
	}
	return string(b)
}

// hangUp ends both sides of a connection, as a cut line does: both go on living.
func hangUp(ends ...*end) {
	for _, e := range ends {
		m, staged := e.s.End()
		e.closed = true
		e.remember(m)
		if e.kept == nil {
			continue
		}
		e.kept.staged = [reconcile.Lanes]reconcile.Staged{}
		for _, p := range staged {
			e.kept.staged[p.Lane] = p
		}
	}
}

// The steps that an end can take. Each says whether there was anything to do.
var steps = []func(*end) bool{(*end).ask, (*end).work, (*end).write, (*end).read, (*end).notice}

// ask takes the session's next action.
func (e *end) ask() bool {
	if e.closed || e.todo != nil {
		return false
	}
	switch a := e.s.Next().(type) {
	case nil:
		return false
	case reconcile.Send:
		if e.unsent != nil {
			e.t.Fatalf("%s: a second frame before the first was written", e.node.Claims.Name)
		}
		e.unsent = a.Frames
	case reconcile.Close:
		e.refusal = a.Refusal
		e.closed = true
	default:
		e.todo = a
	}
	return true
}

// work does what the session asked for, and answers.
func (e *end) work() bool {
	if e.closed || e.todo == nil {
		return false
	}
	a := e.todo
	e.todo = nil
	switch a := a.(type) {
	case reconcile.Read:
		seg, err := e.node.Segment(a.Log, a.After, a.UpTo)
		e.must(err)
		e.s.Segment(seg)
	case reconcile.Look:
		var hashes []crdt.Hash
		for _, p := range a.At {
			h, _, err := e.node.HashAt(p.Log, p.Seq)
			e.must(err)
			hashes = append(hashes, h)
		}
		e.s.Hashes(hashes)
	case reconcile.Base:
		entry, err := e.node.Entry(a.At.Log, a.At.Seq)
		e.must(err)
		salt, err := e.node.Salt(a.At.Log, wire.Span(a.At.Seq))
		e.must(err)
		e.s.Based(entry, salt)
	case reconcile.Chained:
		chain, err := e.node.Chain(a.Scope, a.After, a.Max)
		e.must(err)
		if e.forged != nil {
			chain = e.forged
		}
		e.s.Chain(chain)
	case reconcile.Believe:
		var refusal *reconcile.Refusal
		err := e.node.Believe(context.Background(), a)
		if e.dirty = true; errors.As(err, &refusal) {
			e.s.Declined(refusal)
			break
		}
		e.must(err)
		e.s.Stored()
	case reconcile.Ingest, reconcile.Keep:
		e.dirty = true
		if i, ok := a.(reconcile.Ingest); ok && e.noForks && e.parts(i.Segment) {
			e.s.Declined(reconcile.Refuse(reconcile.Fork, "one branch is kept"))
			e.drain()
			return true
		}
		if e.aloof {
			e.s.Stored()
			e.drain()
			return true
		}
		if err := e.store(a); err != nil {
			e.s.Declined(reconcile.Refuse(reconcile.Fork, "%v", err))
			e.drain()
			return true
		}
		e.s.Stored()
	case reconcile.Stage:
		e.store(a)
		e.s.Kept()
	case reconcile.Seek:
		e.s.Sought(e.files.lacks(a.Except))
	case reconcile.Fetch:
		e.s.Fetched(e.files.piece(a))
	case reconcile.Append:
		if e.files.append(a) {
			e.s.Kept()
		} else {
			e.s.Declined(reconcile.Refuse(reconcile.Malformed, "attachment"))
		}
	}
	e.drain()
	return true
}

// parts says whether a segment differs from what is held.
func (e *end) parts(s *wire.Segment) bool {
	at := min(heads(e.t, e.node)[s.Log].Seq, s.Last())
	if at < s.First {
		return false
	}
	hash, _, err := e.node.HashAt(s.Log, at)
	e.must(err)
	return hash != wire.ChainHash(s.Entries[at-s.First])
}

// store makes durable what an action holds.
func (e *end) store(a reconcile.Action) error {
	switch a := a.(type) {
	case reconcile.Ingest:
		e.certify(a.Certificate)
		return e.node.IngestOne(a.Segment)
	case reconcile.Keep:
		e.certify(a.Certificate)
		if a.Receipt != nil {
			e.must(e.node.StoreReceipt(a.Receipt))
		}
		if a.Group != nil {
			e.must(e.node.StoreGroup(a.Group))
		}
	case reconcile.Stage:
		if e.kept != nil {
			e.kept.staged[a.Lane] = a.Staged
			e.kept.staged[a.Lane].Bytes = bytes.Clone(a.Bytes)
		}
	}
	return nil
}

func (e *end) certify(cert []byte) {
	if cert != nil {
		e.must(e.node.StoreCertificate(cert))
	}
}

func (e *end) view() reconcile.View {
	e.seen = e.node.Changed()
	return view(e.t, e.node)
}

// write puts the frames that are being written on their way.
func (e *end) write() bool {
	if e.unsent == nil {
		return false
	}
	for _, frame := range e.unsent {
		if e.hook != nil {
			e.hook(frame)
		}
		if len(frame) == 0 || len(frame) > reconcile.MaxFrame {
			e.t.Fatalf("%s sends a frame of %d bytes", e.node.Claims.Name, len(frame))
		}
		e.frames++
		e.bytes += len(frame)
		if spoil := e.far.spoil; spoil != nil {
			e.far.in = append(e.far.in, spoil(frame)...)
			continue
		}
		e.far.in = append(e.far.in, frame)
	}
	e.unsent = nil
	e.s.Written()
	return true
}

// read takes the next frame in.
func (e *end) read() bool {
	if e.closed || e.todo != nil || len(e.in) == 0 {
		return false
	}
	frame := e.in[0]
	e.in = e.in[1:]
	e.s.Receive(frame, len(e.in) > 0)
	e.drain()
	return true
}

// drain asks for what an event leads to, before the next.
func (e *end) drain() {
	for e.ask() && !e.closed && e.todo == nil {
	}
}

// notice gives the session what has changed on the node.
func (e *end) notice() bool {
	if e.closed || e.todo != nil {
		return false
	}
	select {
	case <-e.seen:
	default:
		if !e.dirty {
			return false
		}
	}
	e.dirty = false
	e.s.Changed(e.view())
	return true
}

func (e *end) must(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatalf("%s: %v", e.node.Claims.Name, err)
	}
}

// settle lets every end do all that it can.
func settle(t check, ends ...*end) {
	t.Helper()
	for range 100_000 {
		moved := false
		for _, e := range ends {
			for _, step := range steps {
				moved = step(e) || moved
			}
		}
		if !moved {
			return
		}
	}
	t.Fatalf("the sessions never come to rest")
}

func save(t check, n *memlog.Node, class crdt.Class, count int) {
	t.Helper()
	for i := range count {
		if _, err := n.Save(scope, class, fmt.Sprintf("%s %d", n.Claims.Name, i)); err != nil {
			t.Fatalf("save: %v", err)
		}
	}
}

// same fails unless the nodes hold the same logs and the same receipts.
func same(t check, nodes ...*memlog.Node) {
	t.Helper()
	first := fmt.Sprint(state(t, nodes[0]))
	for _, n := range nodes[1:] {
		if got := fmt.Sprint(state(t, n)); got != first {
			t.Fatalf("%s and %s differ:\n%s\n%s", nodes[0].Claims.Name, n.Claims.Name, first, got)
		}
	}
}

// state is all that a node holds of the scope, in an order.
func state(t check, n *memlog.Node) []string {
	t.Helper()
	h := holding(t, n, scope)
	out := []string{fmt.Sprintf("%d logs, %d receipts", len(h.Heads), len(h.Receipts))}
	for _, log := range slices.SortedFunc(maps.Keys(h.Heads), crdt.LogID.Compare) {
		out = append(out, fmt.Sprintf("%s %d %s", log, h.Heads[log].Seq, h.Heads[log].Hash))
	}
	for _, r := range h.Receipts {
		out = append(out, fmt.Sprintf("%s %v", r.Signer, r.Heads))
	}
	return out
}
