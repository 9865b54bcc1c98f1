package reconcile_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
	"github.com/vungxa/vungxa/sync/replica/memlog"
)

// clones are two machines with one device's keys that have gone different ways after
// some entries.
func clones(t check, common, a, b int) (laptop, clone *memlog.Node) {
	t.Helper()
	laptop, clone = newNode(t, "laptop", identity.RoleLaptop), newNode(t, "laptop", identity.RoleLaptop)
	for _, n := range []*memlog.Node{laptop, clone} {
		n.SegmentEntries = 4
		save(t, n, crdt.ClassRecords, common)
		heads(t, n) // a seal where they part
	}
	for i := range a {
		if _, err := laptop.Save(scope, crdt.ClassRecords, fmt.Sprint("here ", i)); err != nil {
			t.Fatalf("save: %v", err)
		}
	}
	for i := range b {
		if _, err := clone.Save(scope, crdt.ClassRecords, fmt.Sprint("there ", i)); err != nil {
			t.Fatalf("save: %v", err)
		}
	}
	return laptop, clone
}

// Two branches of a log meet at nodes that keep both: each sends its own from where
// they part, in whatever order, and a third learns both from a second.
func TestBothBranchesArrive(t *testing.T) {
	for _, c := range []struct{ common, a, b int }{{3, 2, 2}, {3, 1, 5}, {3, 5, 1}, {40, 3, 9}, {200, 30, 1}, {1, 1, 1}, {3, 30, 40}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			laptop, clone := clones(t, c.common, c.a, c.b)
			box, hub := newNode(t, "box", identity.RoleBox), newNode(t, "hub", identity.RoleHub)
			x, y := connect(t, laptop, box)
			settle(t, x, y)
			p, q := connect(t, clone, hub)
			settle(t, p, q)
			d := disk{}
			for range 2 {
				x, y = resume(t, d, box, hub, func(c *reconcile.Config) { c.Window = 64 << 10 })
				inTurn(t, x, y)
				if x.refusal != nil || y.refusal != nil {
					t.Errorf("the box refuses: %v, the hub: %v", x.refusal, y.refusal)
				}
				hangUp(x, y)
			}
			logs := len(heads(t, box))
			if logs != 2 || x.refusal != nil || len(x.s.HeldBack())+len(y.s.HeldBack()) > 0 {
				t.Fatalf("the box holds %d logs; refused %v, held back %v", logs, x.refusal, x.s.HeldBack())
			}
			same(t, box, hub)
			if !x.s.Met() || !y.s.Met() {
				t.Error("both hold both branches and don't know it")
			}
			third := newNode(t, "third", identity.RoleBox)
			p, q = connect(t, third, box)
			settle(t, p, q)
			if got, want := fmt.Sprint(heads(t, third)), fmt.Sprint(heads(t, box)); got != want {
				t.Errorf("a third holds\n%s\nthe box\n%s", got, want)
			}
			a, _, _ := third.HashAt(laptop.Log(scope, crdt.ClassRecords), uint64(c.common+1))
			if a == (crdt.Hash{}) {
				t.Error("no branch has the log's name")
			}
		})
	}
}

// A device with two histories has them in every class: the logs are searched one after
// the other, in one session, which comes to rest.
func TestBranchesOfSeveralLogs(t *testing.T) {
	laptop, clone := clones(t, 3, 2, 4)
	for _, class := range []crdt.Class{crdt.ClassUrgent, crdt.ClassUrgent + 2} {
		save(t, laptop, class, 1)
		if _, err := clone.Save(scope, class, "there"); err != nil {
			t.Fatal(err)
		}
		save(t, clone, class, 2)
	}
	box, hub := newNode(t, "box", identity.RoleBox), newNode(t, "hub", identity.RoleHub)
	x, y := connect(t, laptop, box)
	settle(t, x, y)
	p, q := connect(t, clone, hub)
	settle(t, p, q)
	d := disk{}
	for range 3 {
		x, y = resume(t, d, box, hub)
		settle(t, x, y)
		hangUp(x, y)
	}
	same(t, box, hub)
	if n := len(heads(t, box)); n != 6 || !x.s.Met() || !y.s.Met() {
		t.Errorf("the box holds %d logs; want 6; met %v and %v", n, x.s.Met(), y.s.Met())
	}
}

// A node that can't keep two branches refuses one, says why, and takes all else.
func TestABranchIsRefusedAlone(t *testing.T) {
	laptop, clone := clones(t, 5, 2, 2)
	box := newNode(t, "box", identity.RoleBox)
	x, y := connect(t, laptop, box)
	settle(t, x, y)
	save(t, clone, crdt.ClassUrgent, 1)
	d := disk{}
	for range 4 {
		x, y = resume(t, d, clone, box)
		y.noForks = true
		settle(t, x, y)
		hangUp(x, y)
	}
	// The clone keeps both, by whatever names, and holds back what it alone has.
	back := x.s.HeldBack()
	for _, h := range back {
		if h.Code != reconcile.Fork || h.Times != 3 || h.Reason.VI == "" {
			t.Errorf("held back: %+v; want a fork, and no more tries", h)
		}
	}
	if len(back) != 1 || !x.s.Met() || !y.s.Met() {
		t.Errorf("held back: %v; met %v and %v", back, x.s.Met(), y.s.Met())
	}
	if _, held, _ := box.HashAt(clone.Log(scope, crdt.ClassUrgent), 1); !held || len(heads(t, box)) != 2 {
		t.Errorf("the box holds %v", heads(t, box))
	}
	sent := x.frames
	if sent > 2 {
		t.Errorf("what the peer won't take costs %d frames a contact", sent)
	}
}

// A device's logs end at its cut: what lies above is refused, what lies below is
// taken, and the rest of the line isn't held up.
func TestCutDevice(t *testing.T) {
	laptop, box, hub := newNode(t, "laptop", identity.RoleLaptop), newNode(t, "box", identity.RoleBox), newNode(t, "hub", identity.RoleHub)
	laptop.SegmentEntries, box.SegmentEntries = 1, 1
	save(t, laptop, crdt.ClassRecords, 5)
	x, y := connect(t, laptop, box)
	settle(t, x, y)
	save(t, box, crdt.ClassRecords, 2)
	log := laptop.Log(scope, crdt.ClassRecords)
	ends := func(c *reconcile.Config) {
		c.Cut = func(l crdt.LogID) (uint64, bool) { return 3, l.Device == laptop.Claims.Device }
	}
	p, q := newEnd(t, box, hub, nil), newEnd(t, hub, box, nil, ends)
	p.far, q.far = q, p
	box.SegmentEntries = 5
	settle(t, p, q)
	if got := heads(t, hub); got[log].Seq != 3 || got[box.Log(scope, crdt.ClassRecords)].Seq != 2 {
		t.Errorf("the hub holds %v", got)
	}
	if h := p.s.HeldBack()[log]; h.Code != reconcile.Ended || h.UpTo != 3 || !p.s.Met() || !q.s.Met() {
		t.Errorf("held back %+v; met %v and %v", p.s.HeldBack(), p.s.Met(), q.s.Met())
	}
}

// Attachments go piece by piece when all else is there, go on after a cut, and are
// compared with their names.
func TestAttachments(t *testing.T) {
	laptop, box := newNode(t, "laptop", identity.RoleLaptop), newNode(t, "box", identity.RoleBox)
	d := disk{}
	picture, other := []byte(noise(1, 100_000)), []byte(noise(2, 5))
	hash, small, forged, nowhere := sha256.Sum256(picture), sha256.Sum256(other), sha256.Sum256([]byte("forged")), [32]byte{9}
	has := &files{held: map[[32]byte][]byte{hash: picture, small: other, forged: []byte("something else")}, part: map[[32]byte][]byte{}}
	wants := &files{held: map[[32]byte][]byte{}, part: map[[32]byte][]byte{}, wanted: [][32]byte{nowhere, hash, forged, small}}
	save(t, laptop, crdt.ClassBulk, 3)
	for round := range 3 {
		a, b := resume(t, d, laptop, box)
		a.files, b.files = has, wants
		chunks := 0
		a.hook = func(f []byte) {
			if k := parse(t, f).Kind; (k == "part" || k == "content") && heads(t, box)[laptop.Log(scope, crdt.ClassBulk)].Seq < 3 {
				t.Error("an attachment goes before records")
			}
			chunks++
		}
		if round < 2 {
			for chunks < 40 {
				for _, e := range []*end{a, b} {
					for _, step := range steps {
						step(e)
					}
				}
			}
			a.finish()
			b.finish()
		} else {
			settle(t, a, b)
		}
		hangUp(a, b)
		if round < 2 && (wants.held[hash] != nil || len(wants.part[hash])+len(d.of(box, laptop).staged[4].Bytes) == 0) {
			t.Fatalf("round %d: nothing to go on with", round)
		}
	}
	if !bytes.Equal(wants.held[hash], picture) || !bytes.Equal(wants.held[small], other) || wants.held[forged] != nil || wants.held[nowhere] != nil {
		t.Errorf("the box holds %d attachments", len(wants.held))
	}
}

// Past its budget a contact goes on with what is urgent, and ends at the hard limit;
// the rest comes in the next ones.
func TestBudget(t *testing.T) {
	laptop, box := newNode(t, "laptop", identity.RoleLaptop), newNode(t, "box", identity.RoleBox)
	laptop.SegmentEntries = 1
	for i := range 30 {
		if _, err := laptop.Save(scope, crdt.ClassBulk, noise(i, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	d := disk{}
	rounds, ended := 0, 0
	for ; rounds < 40 && heads(t, box)[laptop.Log(scope, crdt.ClassBulk)].Seq < 30; rounds++ {
		frugal := func(c *reconcile.Config) { c.Budget = reconcile.Allowance{Bytes: 6000, Hard: 9000} }
		a, b := newEnd(t, laptop, box, d.of(laptop, box), frugal), newEnd(t, box, laptop, d.of(box, laptop))
		a.far, b.far = b, a
		settle(t, a, b)
		save(t, laptop, crdt.ClassUrgent, 1)
		settle(t, a, b)
		if _, held, _ := box.HashAt(laptop.Log(scope, crdt.ClassUrgent), uint64(rounds+1)); !held && a.refusal == nil {
			t.Fatalf("round %d: what is urgent waits for the budget", rounds)
		}
		if a.refusal != nil {
			ended++
			if a.refusal.Code != reconcile.Budget {
				t.Fatalf("round %d: %v", rounds, a.refusal)
			}
		}
		if used := a.bytes + b.bytes; used > 9000+2*reconcile.MaxFrame+reconcile.MinWindow {
			t.Fatalf("round %d: %d bytes", rounds, used)
		}
		hangUp(a, b)
	}
	if rounds < 3 || rounds == 40 {
		t.Errorf("it took %d contacts; %d ended at the limit", rounds, ended)
	}
}

// inTurn lets every end do all that it can, and look at what it holds only when no frame
// waits, as drivers do.
func inTurn(t check, ends ...*end) {
	t.Helper()
	for moved := true; moved; {
		moved = false
		for _, e := range ends {
			for e.ask() || e.work() || e.write() || e.read() {
				moved = true
			}
			moved = e.notice() || moved
		}
	}
}
