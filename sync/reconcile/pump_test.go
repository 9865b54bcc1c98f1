package reconcile_test

import (
	"context"
	"fmt"

	"github.com/vungxa/vungxa/crdt"
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
	return reconcile.Holding{Heads: heads, Receipts: receipts}
}

func config(n, peer *memlog.Node) reconcile.Config {
	return reconcile.Config{
		Root: identity.Public(root), Own: n.Certificate, Scopes: n.Claims.Scopes,
		PeerKey: peer.Claims.PeerKey, Peer: peer.Claims.Device, Known: n.Directory.Certificate,
	}
}

// end is one side of a connection.
type end struct {
	t       check
	node    *memlog.Node
	s       *reconcile.Session
	todo    reconcile.Action // a question that is being worked on
	unsent  []byte           // a frame that is being written
	in      [][]byte         // frames on their way here
	far     *end
	seen    <-chan struct{} // closed when the node has changed since its last view
	closed  bool
	refusal *reconcile.Refusal
	frames  int // sent so far
	bytes   int
	hook    func(frame []byte) // sees every frame that is sent
}

// connect begins a session between two nodes.
func connect(t check, a, b *memlog.Node) (*end, *end) {
	t.Helper()
	x, y := newEnd(t, a, b), newEnd(t, b, a)
	x.far, y.far = y, x
	return x, y
}

func newEnd(t check, n, peer *memlog.Node) *end {
	t.Helper()
	changed := n.Changed()
	s, err := reconcile.New(config(n, peer), view(t, n))
	if err != nil {
		t.Fatalf("session of %s: %v", n.Claims.Name, err)
	}
	return &end{t: t, node: n, s: s, seen: changed}
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
		e.unsent = a.Frame
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
		seg, err := e.node.Segment(a.Log, a.After)
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
	case reconcile.Ingest, reconcile.Keep:
		e.store(a)
		e.s.Stored(e.view())
	}
	return true
}

// store makes durable what an action holds.
func (e *end) store(a reconcile.Action) {
	switch a := a.(type) {
	case reconcile.Ingest:
		e.certify(a.Certificate)
		e.must(e.node.IngestOne(a.Segment))
	case reconcile.Keep:
		e.certify(a.Certificate)
		e.must(e.node.StoreReceipt(a.Receipt))
	}
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

// write puts the frame that is being written on its way.
func (e *end) write() bool {
	if e.unsent == nil {
		return false
	}
	if e.hook != nil {
		e.hook(e.unsent)
	}
	e.frames++
	e.bytes += len(e.unsent)
	e.far.in = append(e.far.in, e.unsent)
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
	e.s.Receive(frame)
	for { // what a frame leads to is asked for before the next is read
		if !e.ask() || e.closed || e.todo != nil {
			return true
		}
	}
}

// notice gives the session what has changed on the node.
func (e *end) notice() bool {
	select {
	case <-e.seen:
	default:
		return false
	}
	if e.closed || e.todo != nil {
		return false
	}
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
	frame, err := reconcile.HeadsFrame(scope, h)
	if err != nil {
		t.Fatalf("state: %v", err)
	}
	out := []string{fmt.Sprintf("%d logs, %d receipts %x", len(h.Heads), len(h.Receipts), frame)}
	for _, r := range h.Receipts {
		out = append(out, fmt.Sprintf("%s %v", r.Signer, r.Heads))
	}
	return out
}
