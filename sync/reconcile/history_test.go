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
	disk  disk
	old   []disk // as it was at times
	ends  []*end
	saved []crdt.Pos // every save that was answered
	acked []ack      // everything that a node ever told another to be durable
	lost  bool       // a node has lost entries of others
}

type ack struct {
	node *memlog.Node
	head identity.LogHead
}

func newWorld(t *rapid.T) *world {
	w := &world{t: t, disk: disk{}, nodes: []*memlog.Node{
		newNode(t, "laptop", identity.RoleLaptop), newNode(t, "box", identity.RoleBox), newNode(t, "hub", identity.RoleHub),
	}}
	for i, n := range w.nodes {
		n.SegmentEntries = rapid.IntRange(1, 4).Draw(t, fmt.Sprint("segment entries of node ", i))
	}
	return w
}

// dial connects two nodes; a connection that they have gives way.
func (w *world) dial() {
	i := rapid.IntRange(0, 2).Draw(w.t, "line")
	w.connect(w.nodes[i], w.nodes[(i+1)%3])
}

func (w *world) connect(a, b *memlog.Node) {
	for _, e := range slices.Clone(w.ends) {
		if e.node == a && e.far.node == b {
			w.drop(e)
		}
	}
	x, y := resume(w.t, w.disk, a, b)
	x.hook, y.hook = w.watch(x), w.watch(y)
	w.ends = append(w.ends, x, y)
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
			if got, _, _ := e.node.HashAt(h.Log, h.Head.Seq); got != h.Head.Hash && !w.lost {
				w.t.Fatalf("%s sends %s naming log %s, seq %d, which it doesn't hold", e.node.Claims.Name, said.Kind, h.Log, h.Head.Seq)
			}
			if said.Signer == e.node.Claims.Device {
				w.acked = append(w.acked, ack{e.node, h})
			}
		}
	}
}

func (w *world) save() {
	n := w.nodes[rapid.IntRange(0, 2).Draw(w.t, "who saves")]
	class := crdt.Class(rapid.IntRange(1, 3).Draw(w.t, "class"))
	for range rapid.IntRange(1, 5).Draw(w.t, "saves") {
		text := noise(len(w.saved), rapid.SampledFrom([]int{1, 1, 1, 300, 3000}).Draw(w.t, "length"))
		p, err := n.Save(scope, class, text)
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

// drop ends a connection as a cut line does: both sides go on living.
func (w *world) drop(e *end) {
	for _, x := range []*end{e, e.far} {
		x.finish()
		hangUp(x)
	}
	w.ends = slices.DeleteFunc(w.ends, func(x *end) bool { return x == e || x == e.far })
}

// crash ends all that a node had begun. What it was storing is durable or not,
// as it happens; nobody was told, and nothing of the session is remembered but what
// was written before.
func (w *world) crash() {
	n := w.nodes[rapid.IntRange(0, 2).Draw(w.t, "who crashes")]
	for _, e := range slices.Clone(w.ends) {
		if e.node != n {
			continue
		}
		if e.todo != nil && rapid.Bool().Draw(w.t, "durable") {
			e.must(e.store(e.todo))
		}
		e.kept, e.closed = nil, true
		w.drop(e)
	}
}

// lose has a node lose what it holds of others' logs above some entry, as a damaged
// or restored store does: whoever wrote it has it still.
func (w *world) lose() {
	n := w.nodes[rapid.IntRange(0, 2).Draw(w.t, "who loses")]
	seq := uint64(rapid.IntRange(0, 3).Draw(w.t, "what lies above"))
	for log, h := range heads(w.t, n) {
		if log.Device != n.Claims.Device && h.Seq > seq {
			n.Cut(log, seq)
			w.lost = true
		}
	}
	for _, e := range w.ends {
		e.dirty = e.dirty || e.node == n
	}
}

// remember writes down what an end remembers, as is done now and then.
func (w *world) remember() {
	if len(w.ends) > 0 {
		e := w.ends[rapid.IntRange(0, len(w.ends)-1).Draw(w.t, "who remembers")]
		e.remember(e.s.Memory())
	}
}

// backUp keeps what all disks remember of peers, and misremember brings one of it
// back, of another peer, or spoilt.
func (w *world) backUp() {
	w.old = append(w.old, w.disk.clone())
}

func (w *world) misremember() {
	if len(w.old) == 0 {
		return
	}
	n := w.nodes[rapid.IntRange(0, 2).Draw(w.t, "who misremembers")]
	for _, e := range slices.Clone(w.ends) {
		if e.node == n {
			w.drop(e)
		}
	}
	old := w.old[rapid.IntRange(0, len(w.old)-1).Draw(w.t, "what")]
	for _, peer := range w.nodes {
		from := w.nodes[rapid.IntRange(0, 2).Draw(w.t, "of whom")]
		if k := old[[2]crdt.Device{n.Claims.Device, from.Claims.Device}]; k != nil {
			again := *k
			w.disk[[2]crdt.Device{n.Claims.Device, peer.Claims.Device}] = &again
		}
	}
}

// calm connects every line once more and lets everything finish.
func (w *world) calm() {
	for len(w.ends) > 0 {
		w.drop(w.ends[0])
	}
	for i := range 3 {
		if i == 2 && rapid.Bool().Draw(w.t, "no direct line") {
			break
		}
		w.connect(w.nodes[i], w.nodes[(i+1)%3])
	}
	settle(w.t, w.ends...)
}

func (w *world) check() {
	for _, e := range w.ends {
		if e.refusal != nil || e.closed {
			w.t.Fatalf("%s refused: %v", e.node.Claims.Name, e.refusal)
		}
		if !e.s.Met() || len(e.s.HeldBack()) > 0 {
			w.t.Fatalf("%s doesn't know that it holds what %s does; it holds back %v", e.node.Claims.Name, e.far.node.Claims.Name, e.s.HeldBack())
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

// What is saved between the first word and the peer's is sent, though that says that
// both hold the same: they did.
func TestASaveBeforeThePeersFirstWord(t *testing.T) {
	laptop, box := newNode(t, "laptop", identity.RoleLaptop), newNode(t, "box", identity.RoleBox)
	save(t, laptop, crdt.ClassRecords, 1)
	d := disk{}
	x, y := resume(t, d, laptop, box)
	settle(t, x, y)
	x.remember(x.s.Memory()) // and then the power goes
	y.remember(y.s.Memory())
	x, y = resume(t, d, laptop, box)
	save(t, laptop, crdt.ClassRecords, 1)
	x.notice()
	settle(t, x, y)
	same(t, laptop, box)
}

// Whatever happens to three nodes and their lines, in the end all hold the same,
// everyone knows who holds what, and nothing that was acknowledged is lost.
func TestHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		deeds := []func(){w.save, w.save, w.dial, w.dial, w.cut, w.crash, w.calm, w.remember, w.backUp, w.misremember, w.lose}
		for range rapid.IntRange(5, 30).Draw(t, "deeds") {
			if d := rapid.IntRange(0, 35).Draw(t, "deed"); d < len(deeds) {
				deeds[d]()
			} else {
				w.step()
			}
		}
		w.calm()
		w.check()
	})
}
