package reconcile_test

import (
	"context"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
	"github.com/vungxa/vungxa/sync/replica/memlog"
)

// announce has nodes know a group.
func announce(t check, p *memlog.Province, nodes ...*memlog.Node) {
	t.Helper()
	cert, err := identity.IssueGroup(root, p.Group)
	if err != nil {
		t.Fatalf("group: %v", err)
	}
	for _, n := range nodes {
		if err := n.StoreGroup(cert); err != nil {
			t.Fatalf("group: %v", err)
		}
	}
}

// decide makes the next checkpoint, signed by so many members, and has nodes hold it.
func decide(t check, p *memlog.Province, c crdt.Checkpoint, signers int, nodes ...*memlog.Node) reconcile.Believe {
	t.Helper()
	b, err := p.Decide(c, signers)
	if err != nil {
		t.Fatalf("decide: %v", err)
	}
	for _, n := range nodes {
		if err := n.Believe(context.Background(), b); err != nil {
			t.Fatalf("decide: %v", err)
		}
	}
	return b
}

func newest(t check, n *memlog.Node) crdt.Hash {
	t.Helper()
	c, err := n.Newest(scope)
	if err != nil {
		t.Fatalf("newest: %v", err)
	}
	return c.Hash
}

func cutOf(n *memlog.Node, upTo uint64) crdt.Checkpoint {
	cut := crdt.Cut{Subject: crdt.Subject{Kind: crdt.SubjectDevice, Device: n.Claims.Device}, Epoch: 1}
	if upTo > 0 {
		cut.Logs = []crdt.Pin{{Log: n.Log(scope, crdt.ClassRecords), Seq: upTo, Hash: crdt.Hash{1}}}
	}
	return crdt.Checkpoint{Cuts: []crdt.Cut{cut}}
}

// A laptop gets from the box what the hub has decided, group and all, and obeys it
// before it takes anything that comes with it.
func TestCheckpointsComeOverTheBox(t *testing.T) {
	hub, box, laptop := newNode(t, "hub", identity.RoleHub), newNode(t, "box", identity.RoleBox), newNode(t, "laptop", identity.RoleLaptop)
	thief := newNode(t, "thief", identity.RoleLaptop)
	d := disk{}
	save(t, thief, crdt.ClassRecords, 2)
	x, y := resume(t, d, thief, box)
	settle(t, x, y)
	hangUp(x, y)
	p := memlog.NewProvince(1, 3, scope)
	announce(t, p, hub)
	for range 40 { // more than one frame
		decide(t, p, crdt.Checkpoint{}, 3, hub)
	}
	decide(t, p, cutOf(thief, 0), 2, hub)
	x, y = resume(t, d, hub, box)
	settle(t, x, y)
	hangUp(x, y)
	save(t, box, crdt.ClassRecords, 1)
	x, y = resume(t, d, box, laptop)
	settle(t, x, y)
	for _, n := range []*memlog.Node{box, laptop} {
		if newest(t, n) != newest(t, hub) || newest(t, n) == (crdt.Hash{}) {
			t.Errorf("%s holds %v; want %v", n.Claims.Name, newest(t, n), newest(t, hub))
		}
	}
	if got := heads(t, laptop); len(got) != 1 || got[box.Log(scope, crdt.ClassRecords)].Seq != 1 {
		t.Errorf("the laptop holds %v; want the box's log alone", got)
	}
	if held := x.s.HeldBack()[thief.Log(scope, crdt.ClassRecords)]; held.Code != reconcile.Ended {
		t.Errorf("of what was cut the box is told %+v", held)
	}
	decide(t, p, crdt.Checkpoint{}, 3, box) // in the running session
	settle(t, x, y)
	if newest(t, laptop) != newest(t, box) {
		t.Error("the next one doesn't come")
	}
	hangUp(x, y)
	x, y = resume(t, d, box, laptop)
	settle(t, x, y)
	if !x.s.Met() || !y.s.Met() {
		t.Error("the next contact doesn't end in agreement")
	}
	hangUp(x, y)
	decide(t, p, crdt.Checkpoint{}, 2, laptop) // it comes back the other way
	x, y = resume(t, d, box, laptop)
	settle(t, x, y)
	if newest(t, laptop) != newest(t, box) {
		t.Error("it doesn't come back")
	}
}

// What isn't signed by most members of the newest group known is refused with the reason,
// stored nowhere, and nothing else waits for it.
func TestCheckpointsThatAreNotBelieved(t *testing.T) {
	for name, c := range map[string]struct {
		epoch   uint64 // of the group that signs; 2 is the newest
		signers int
		alter   func(*identity.Chain)
		code    reconcile.Code
	}{
		"a minority":         {2, 1, nil, reconcile.Unproven},
		"nobody":             {2, 0, nil, reconcile.Unproven},
		"an older epoch":     {1, 3, nil, reconcile.Unproven},
		"a gap":              {2, 3, func(c *identity.Chain) { c.Checkpoints = c.Checkpoints[1:] }, reconcile.Chain},
		"another's position": {2, 3, nil, reconcile.Fork},
	} {
		t.Run(name, func(t *testing.T) {
			box, laptop := newNode(t, "box", identity.RoleBox), newNode(t, "laptop", identity.RoleLaptop)
			old, p := memlog.NewProvince(1, 3, scope), memlog.NewProvince(2, 3, scope)
			announce(t, old, box)
			announce(t, p, box, laptop)
			signs := map[uint64]*memlog.Province{1: old, 2: p}[c.epoch]
			first := decide(t, signs, cutOf(newNode(t, "thief", identity.RoleLaptop), 0), c.signers, box)
			second := decide(t, signs, crdt.Checkpoint{}, c.signers, box)
			second.Chain.Checkpoints = append(first.Chain.Checkpoints, second.Chain.Checkpoints...)
			if c.alter != nil {
				c.alter(second.Chain)
			}
			if c.code == reconcile.Fork { // the laptop has heard something else from the hub
				decide(t, memlog.NewProvince(2, 3, scope), crdt.Checkpoint{}, 3, laptop)
			}
			before := newest(t, laptop)
			save(t, box, crdt.ClassRecords, 3)
			save(t, laptop, crdt.ClassRecords, 3)
			d := disk{}
			for contact := range 5 {
				x, y := resume(t, d, box, laptop)
				x.forged = second.Chain
				settle(t, x, y)
				held := x.s.HeldBack()[crdt.LogID{Scope: scope}]
				if held.Code != c.code || held.Reason.VI == "" || newest(t, laptop) != before {
					t.Errorf("contact %d: the box is told %+v", contact, held)
				}
				if !x.s.Met() || !y.s.Met() || x.refusal != nil || y.refusal != nil {
					t.Errorf("contact %d doesn't end in agreement: %v, %v", contact, x.refusal, y.refusal)
				}
				if contact == 4 && x.frames+y.frames > 2 {
					t.Errorf("it is paid for at every contact: %d frames", x.frames+y.frames)
				}
				hangUp(x, y)
			}
			same(t, box, laptop)
		})
	}
}

// What a former group has signed is believed as part of a chain that the new one has.
func TestANewGroupVouchesForTheChain(t *testing.T) {
	box, laptop := newNode(t, "box", identity.RoleBox), newNode(t, "laptop", identity.RoleLaptop)
	old := memlog.NewProvince(1, 3, scope)
	announce(t, old, box)
	for range 3 {
		decide(t, old, crdt.Checkpoint{}, 3, box)
	}
	p := old.Renew(2)
	announce(t, p, box)
	d := disk{}
	x, y := resume(t, d, box, laptop)
	settle(t, x, y)
	if newest(t, laptop) != (crdt.Hash{}) {
		t.Error("checkpoints of a former group are believed by themselves")
	}
	decide(t, p, crdt.Checkpoint{}, 2, box)
	settle(t, x, y)
	if newest(t, laptop) != newest(t, box) {
		t.Error("the chain isn't believed once the new group has signed")
	}
	if g, _ := laptop.Directory.Group(scope); g.Epoch != 2 {
		t.Errorf("the laptop believes the group of epoch %d", g.Epoch)
	}
	hangUp(x, y)
	x, y = resume(t, d, box, laptop)
	settle(t, x, y)
	if n := x.frames + y.frames; n != 2 {
		t.Errorf("an idle contact takes %d frames", n)
	}
	hangUp(x, y)
	decide(t, p, crdt.Checkpoint{}, 2, laptop)
	x, y = resume(t, d, box, laptop)
	settle(t, x, y)
	if x.frames+y.frames > 5 || x.bytes+y.bytes > 500 || newest(t, laptop) != newest(t, box) {
		t.Errorf("one more checkpoint takes %d frames, %d bytes", x.frames+y.frames, x.bytes+y.bytes)
	}
}

// The line cut at every frame: both hold the same in the end, and nothing is asked for
// that was there.
func TestCheckpointsOverALineThatIsCut(t *testing.T) {
	for cut := range 30 {
		box, laptop := newNode(t, "box", identity.RoleBox), newNode(t, "laptop", identity.RoleLaptop)
		p := memlog.NewProvince(1, 3, scope)
		announce(t, p, box)
		for range 25 {
			decide(t, p, crdt.Checkpoint{}, 3, box)
		}
		save(t, laptop, crdt.ClassRecords, 2)
		d := disk{}
		x, y := resume(t, d, box, laptop)
		for n := 0; n < cut; n++ {
			for _, step := range steps {
				step(x)
				step(y)
			}
		}
		x.finish()
		y.finish()
		hangUp(x, y)
		x, y = resume(t, d, box, laptop)
		settle(t, x, y)
		if newest(t, laptop) != newest(t, box) || !x.s.Met() || !y.s.Met() {
			t.Fatalf("cut after %d steps: they differ", cut)
		}
	}
}
