package reconcile_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
	"github.com/vungxa/vungxa/sync/replica/memlog"
)

// world is some nodes and the connections among them, driven by chance.
type world struct {
	t     *rapid.T
	nodes []*memlog.Node
	ends  []*end
	saved []crdt.Pos // every save that was answered
	acked []ack      // everything that a node ever told another to be durable
}

type ack struct {
	node *memlog.Node
	head identity.LogHead
}

func newWorld(t *rapid.T) *world {
	w := &world{t: t, nodes: []*memlog.Node{
		newNode(t, "laptop", identity.RoleLaptop), newNode(t, "box", identity.RoleBox), newNode(t, "hub", identity.RoleHub),
	}}
	for i, n := range w.nodes {
		n.SegmentEntries = rapid.IntRange(1, 4).Draw(t, fmt.Sprint("segment entries of node ", i))
	}
	return w
}

// dial connects two nodes, whether or not they are connected already.
func (w *world) dial() {
	i := rapid.IntRange(0, 2).Draw(w.t, "line")
	if len(w.ends) >= 8 {
		return
	}
	a, b := connect(w.t, w.nodes[i], w.nodes[(i+1)%3])
	a.hook, b.hook = w.watch(a), w.watch(b)
	w.ends = append(w.ends, a, b)
}

// watch holds every frame to what its sender promises by it: it holds what it
// says that it holds, when it says so.
func (w *world) watch(e *end) func([]byte) {
	return func(frame []byte) {
		said, err := reconcile.Parse(frame)
		if err != nil {
			w.t.Fatalf("%s sends what nobody can read: %v", e.node.Claims.Name, err)
		}
		for _, h := range said.Heads {
			if got, _, _ := e.node.HashAt(h.Log, h.Head.Seq); got != h.Head.Hash {
				w.t.Fatalf("%s sends %s naming log %s, seq %d, which it doesn't hold", e.node.Claims.Name, said.Kind, h.Log, h.Head.Seq)
			}
			if said.Kind == "heads" || said.Signer == e.node.Claims.Device {
				w.acked = append(w.acked, ack{e.node, h})
			}
		}
	}
}

func (w *world) save() {
	n := w.nodes[rapid.IntRange(0, 2).Draw(w.t, "who saves")]
	class := crdt.Class(rapid.IntRange(1, 3).Draw(w.t, "class"))
	for range rapid.IntRange(1, 5).Draw(w.t, "saves") {
		p, err := n.Save(scope, class, fmt.Sprint(len(w.saved)))
		if err != nil {
			w.t.Fatalf("save: %v", err)
		}
		w.saved = append(w.saved, p)
	}
}

// step lets one end do one thing.
func (w *world) step() {
	if len(w.ends) == 0 {
		return
	}
	e := w.ends[rapid.IntRange(0, len(w.ends)-1).Draw(w.t, "end")]
	for range rapid.IntRange(1, 6).Draw(w.t, "steps") {
		steps[rapid.IntRange(0, len(steps)-1).Draw(w.t, "step")](e)
	}
}

// cut ends one connection; what was on its way is lost.
func (w *world) cut() {
	if len(w.ends) > 0 {
		e := w.ends[rapid.IntRange(0, len(w.ends)-1).Draw(w.t, "which line")]
		w.drop(e)
	}
}

func (w *world) drop(e *end) {
	w.ends = slices.DeleteFunc(w.ends, func(x *end) bool { return x == e || x == e.far })
}

// crash ends all that a node had begun. What it was storing is durable or not,
// as it happens; nobody was told.
func (w *world) crash() {
	n := w.nodes[rapid.IntRange(0, 2).Draw(w.t, "who crashes")]
	for _, e := range slices.Clone(w.ends) {
		if e.node != n {
			continue
		}
		if rapid.Bool().Draw(w.t, "durable") {
			e.store(e.todo)
		}
		w.drop(e)
	}
}

// calm connects every line once more and lets everything finish.
func (w *world) calm() {
	w.ends = nil
	for i := range 3 {
		if i == 2 && rapid.Bool().Draw(w.t, "no direct line") {
			break
		}
		a, b := connect(w.t, w.nodes[i], w.nodes[(i+1)%3])
		a.hook, b.hook = w.watch(a), w.watch(b)
		w.ends = append(w.ends, a, b)
	}
	settle(w.t, w.ends...)
}

func (w *world) check() {
	for _, e := range w.ends {
		if e.refusal != nil || e.closed {
			w.t.Fatalf("%s refused: %v", e.node.Claims.Name, e.refusal)
		}
	}
	same(w.t, w.nodes...)
	for _, a := range w.acked {
		if got, _, _ := a.node.HashAt(a.head.Log, a.head.Head.Seq); got != a.head.Head.Hash {
			w.t.Fatalf("%s acknowledged log %s, seq %d, and lost it", a.node.Claims.Name, a.head.Log, a.head.Head.Seq)
		}
	}
	for _, at := range w.nodes {
		receipts := holding(w.t, at, scope).Receipts
		for _, p := range w.saved {
			for _, signer := range w.nodes {
				w.ticked(at, signer, receipts, p)
			}
		}
	}
}

// ticked fails unless a node can show that a signer holds an entry.
func (w *world) ticked(at, signer *memlog.Node, receipts []*identity.Receipt, p crdt.Pos) {
	if signer.Claims.Device == p.Log.Device {
		return // its own; nobody needs a receipt for that
	}
	for _, r := range receipts {
		if r.Signer == signer.Claims.Device && r.Covers(crdt.Dot{Log: p.Log, Seq: p.Seq}) {
			return
		}
	}
	w.t.Fatalf("%s has no receipt of %s for log %s, seq %d", at.Claims.Name, signer.Claims.Name, p.Log, p.Seq)
}

// Whatever happens to three nodes and their lines, in the end all hold the same,
// everyone knows who holds what, and nothing that was acknowledged is lost.
func TestHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		deeds := []func(){w.save, w.dial, w.cut, w.crash, w.calm}
		for range rapid.IntRange(5, 60).Draw(t, "deeds") {
			if d := rapid.IntRange(0, 30).Draw(t, "deed"); d < len(deeds) {
				deeds[d]()
			} else {
				w.step()
			}
		}
		w.calm()
		w.check()
	})
}
