package reconcile_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
	"github.com/vungxa/vungxa/sync/replica/memlog"
)

// flights lets two ends talk in lockstep, and counts how often something had to
// cross the line: what both send at once crosses together. Two are a round trip.
func flights(t check, a, b *end) (n int) {
	t.Helper()
	act := func(e *end, frames [][]byte) {
		later := e.in
		e.in = frames
		settle(t, e)
		e.in = append(later, e.in...)
	}
	for act(a, nil); ; n++ {
		act(b, nil)
		toA, toB := a.in, b.in
		if len(toA)+len(toB) == 0 {
			return n
		}
		a.in, b.in = nil, nil
		act(a, toA)
		act(b, toB)
	}
}

// cost is what some talk took.
type cost struct{ flights, framesUp, bytesUp, framesDown, bytesDown int }

func measure(t check, up, down *end) cost {
	t.Helper()
	c := cost{framesUp: -up.frames, bytesUp: -up.bytes, framesDown: -down.frames, bytesDown: -down.bytes}
	c.flights = flights(t, up, down)
	c.framesUp += up.frames
	c.bytesUp += up.bytes
	c.framesDown += down.frames
	c.bytesDown += down.bytes
	return c
}

// The baseline for later work. Bytes are those of frames, before any carrier.
// They are exact as long as the formats, are what they are.
func TestCosts(t *testing.T) {
	laptop, box := newNode(t, "laptop", identity.RoleLaptop), newNode(t, "box", identity.RoleBox)
	save(t, laptop, crdt.ClassRecords, 1)
	save(t, box, crdt.ClassRecords, 1)
	a, b := connect(t, laptop, box)
	settle(t, a, b)
	expect := func(what string, got, want cost) {
		t.Helper()
		t.Logf("%-34s %+v", what, got)
		if got != want {
			t.Errorf("%s: %+v; want %+v", what, got, want)
		}
	}
	a, b = connect(t, laptop, box)
	expect("idle, cold", measure(t, a, b), cost{1, 1, 367, 1, 361})
	expect("idle, on an open line", measure(t, a, b), cost{})
	save(t, laptop, crdt.ClassRecords, 1)
	expect("one edit, on an open line", measure(t, a, b), cost{2, 1, 190, 1, 226})
	save(t, laptop, crdt.ClassRecords, 1)
	a, b = connect(t, laptop, box)
	expect("one edit, cold", measure(t, a, b), cost{4, 3, 733, 3, 763})
	save(t, laptop, crdt.ClassRecords, 300)
	expect("300 edits, on an open line", measure(t, a, b), cost{2, 1, 564, 1, 228})
	same(t, laptop, box)
}

// Both sides have more to send than a window holds, and each one's receipts name
// what the other doesn't have yet.
func TestBacklogsOnBothSides(t *testing.T) {
	laptop, box := newNode(t, "laptop", identity.RoleLaptop), newNode(t, "box", identity.RoleBox)
	laptop.SegmentEntries, box.SegmentEntries = 1, 1
	save(t, laptop, crdt.ClassRecords, 5*reconcile.Window)
	save(t, box, crdt.ClassRecords, 4*reconcile.Window)
	a, b := connect(t, laptop, box)
	flight, most := 0, 0
	a.hook = func(frame []byte) {
		if said := parse(t, frame); said.Kind == "segment" {
			flight++
			most = max(most, flight)
		}
	}
	b.hook = func(frame []byte) {
		for _, h := range parse(t, frame).Heads {
			if h.Log.Device == laptop.Claims.Device {
				flight = 0 // at least something was stored
			}
		}
	}
	flights(t, a, b)
	same(t, laptop, box)
	if most != reconcile.Window {
		t.Errorf("%d segments were on their way at once; want %d", most, reconcile.Window)
	}
}

func parse(t check, frame []byte) reconcile.Said {
	t.Helper()
	said, err := reconcile.Parse(frame)
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	return said
}

// Many logs with little in each pass through the window as well as one with much.
func TestManyLogs(t *testing.T) {
	laptop, box := newNode(t, "laptop", identity.RoleLaptop), newNode(t, "box", identity.RoleBox)
	for i := range byte(3 * reconcile.Window) {
		laptop.Renew(crdt.Incarnation{i})
		save(t, laptop, crdt.ClassRecords, 1)
	}
	a, b := connect(t, laptop, box)
	settle(t, a, b)
	same(t, laptop, box)
}

// Both hold the same when they say hello; what one saves before it hears the
// other's is sent.
func TestSavedDuringHello(t *testing.T) {
	laptop, box := newNode(t, "laptop", identity.RoleLaptop), newNode(t, "box", identity.RoleBox)
	save(t, laptop, crdt.ClassRecords, 1)
	a, b := connect(t, laptop, box)
	settle(t, a, b)
	a, b = connect(t, laptop, box)
	a.ask()
	save(t, laptop, crdt.ClassRecords, 1)
	a.notice()
	settle(t, a, b)
	same(t, laptop, box)
}

// Two branches of equal length, and nothing else to tell the sides apart.
func TestForkAtHello(t *testing.T) {
	box, laptop := newNode(t, "box", identity.RoleBox), newNode(t, "laptop", identity.RoleLaptop)
	a, b := connect(t, laptop, box)
	for i, e := range []*end{a, b} {
		s, err := reconcile.New(config(e.node, e.far.node), reconcile.View{scope: {Heads: map[crdt.LogID]crdt.Head{
			laptop.Log(scope, crdt.ClassRecords): {Seq: 2, Hash: crdt.Hash{1, byte(i)}},
		}}})
		e.must(err)
		e.s = s
	}
	settle(t, a, b)
	for _, e := range []*end{a, b} {
		if e.refusal == nil || e.refusal.Code != reconcile.Fork {
			t.Errorf("%s: %v; want a fork", e.node.Claims.Name, e.refusal)
		}
	}
}

// Both hold the same entries, and one a receipt more.
func TestOnlyAReceiptIsMissing(t *testing.T) {
	laptop, box, hub := newNode(t, "laptop", identity.RoleLaptop), newNode(t, "box", identity.RoleBox), newNode(t, "hub", identity.RoleHub)
	save(t, laptop, crdt.ClassRecords, 1)
	a, b := connect(t, laptop, box)
	settle(t, a, b)
	c, d := connect(t, box, hub)
	settle(t, c, d)
	a, b = connect(t, laptop, box)
	settle(t, a, b)
	same(t, laptop, box, hub)
}

// A peer contradicts itself: first it states one branch, then it signs for the
// other. Nothing of it is kept.
func TestNothingAfterRefusal(t *testing.T) {
	b := newBench(t)
	save(t, b.laptop, crdt.ClassRecords, 1)
	heads, err := reconcile.HeadsFrame(scope, holding(b, b.twin(1), scope))
	b.must(err)
	b.box.Forget(scope) // so that any receipt of the laptop would be news
	b.e = newEnd(b, b.box, b.laptop)
	r := b.receipt(b.laptop, func(r *identity.Receipt) {
		for i, h := range r.Heads {
			if h.Log.Device == b.laptop.Claims.Device {
				hash, _, _ := b.laptop.HashAt(h.Log, 1)
				r.Heads[i].Head = crdt.Head{Seq: 1, Hash: hash}
			}
		}
	})
	raw, err := r.Encode()
	b.must(err)
	receipt, err := reconcile.ReceiptFrame(raw)
	b.must(err)
	s := b.e.s
	s.Next() // hello; it is never written, so nothing else is sent
	for _, f := range [][]byte{newHello(b, b.laptop, root), heads, receipt} {
		s.Receive(f)
		for a := s.Next(); a != nil; a = s.Next() {
			look, ok := a.(reconcile.Look)
			if !ok {
				t.Fatalf("the session wants %T", a)
			}
			var hashes []crdt.Hash
			for _, p := range look.At {
				h, _, _ := b.box.HashAt(p.Log, p.Seq)
				hashes = append(hashes, h)
			}
			s.Hashes(hashes)
		}
	}
	s.Written()
	if send, ok := s.Next().(reconcile.Send); !ok || parse(t, send.Frame).Refusal == nil || parse(t, send.Frame).Refusal.Code != reconcile.Fork {
		t.Error("the contradiction was not refused as a fork")
	}
}

// What is urgent is sent before what is not, whenever it was saved.
func TestUrgentFirst(t *testing.T) {
	laptop, box := newNode(t, "laptop", identity.RoleLaptop), newNode(t, "box", identity.RoleBox)
	laptop.SegmentEntries = 2
	for _, class := range []crdt.Class{crdt.ClassBulk, crdt.ClassRecords, crdt.ClassUrgent} {
		save(t, laptop, class, 4)
	}
	a, b := connect(t, laptop, box)
	var order []crdt.Class
	a.hook = func(frame []byte) {
		if s := parse(t, frame).Segment; s != nil {
			order = append(order, s.Log.Class)
		}
	}
	settle(t, a, b)
	if !slices.IsSorted(order) || len(order) != 6 {
		t.Errorf("the classes came as %v", order)
	}
}

// A box passes on what a laptop wrote, with the laptop's certificate before it,
// once; and what the province said of it.
func TestRelay(t *testing.T) {
	laptop, box, hub := newNode(t, "laptop", identity.RoleLaptop), newNode(t, "box", identity.RoleBox), newNode(t, "hub", identity.RoleHub)
	save(t, laptop, crdt.ClassRecords, 3)
	a, b := connect(t, laptop, box)
	settle(t, a, b)
	c, d := connect(t, box, hub)
	var kinds []string
	c.hook = func(frame []byte) { kinds = append(kinds, parse(t, frame).Kind) }
	settle(t, a, b, c, d)
	want := "hello heads cert segment receipt"
	if got := strings.Join(kinds, " "); got != want {
		t.Errorf("the box sent %s; want %s", got, want)
	}
	same(t, laptop, box, hub)
	r := holding(t, laptop, scope).Receipts
	if i := slices.IndexFunc(r, func(r *identity.Receipt) bool { return r.Signer == hub.Claims.Device }); i < 0 || r[i].Index == 0 {
		t.Errorf("the laptop has no receipt of the hub with an index: %v", r)
	}
	if _, ok := laptop.Directory.ByDevice(hub.Claims.Device); !ok {
		t.Error("the laptop believes a hub whose certificate it doesn't keep")
	}
}

// Scopes that only one side has stay where they are.
func TestScopesInCommon(t *testing.T) {
	laptop := newNode(t, "laptop", identity.RoleLaptop, scope, "c/11111")
	box := newNode(t, "box", identity.RoleBox, scope, "c/22222")
	for n, s := range map[*memlog.Node]crdt.Scope{laptop: "c/11111", box: "c/22222"} {
		if _, err := n.Save(s, crdt.ClassRecords, "private"); err != nil {
			t.Fatal(err)
		}
		save(t, n, crdt.ClassRecords, 1)
	}
	a, b := connect(t, laptop, box)
	settle(t, a, b)
	same(t, laptop, box)
	if h := holding(t, box, "c/11111"); len(h.Heads) != 0 {
		t.Errorf("the box holds %v", h.Heads)
	}
}

// In the scopes above a commune only hubs write.
func TestOnlyHubsWriteAbove(t *testing.T) {
	for _, c := range []struct {
		role  identity.Role
		scope crdt.Scope
		want  reconcile.Code
	}{
		{identity.RoleHub, "p/04", 0}, {identity.RoleBox, "p/04", reconcile.Scope},
		{identity.RoleHub, "n", 0}, {identity.RoleLaptop, "n", reconcile.Scope},
		{identity.RoleHub, "u/04", 0}, {identity.RoleBox, "u/04", reconcile.Scope},
	} {
		writer, reader := newNode(t, "writer", c.role, c.scope), newNode(t, "reader", identity.RoleBox, c.scope)
		if _, err := writer.Save(c.scope, crdt.ClassRecords, "x"); err != nil {
			t.Fatal(err)
		}
		a, b := connect(t, writer, reader)
		settle(t, a, b)
		got := reconcile.Code(0)
		if b.refusal != nil {
			got = b.refusal.Code
		}
		if held := len(holding(t, reader, c.scope).Heads) > 0; got != c.want || held != (c.want == 0) {
			t.Errorf("%s writes in %s: code %d, held %v", c.role, c.scope, got, held)
		}
	}
}

// The side that is refused learns why, in its own program's words.
func TestRefusalArrives(t *testing.T) {
	laptop, twin := newNode(t, "laptop", identity.RoleLaptop), newNode(t, "laptop", identity.RoleLaptop)
	box := newNode(t, "box", identity.RoleBox)
	save(t, laptop, crdt.ClassRecords, 1)
	a, b := connect(t, laptop, box)
	settle(t, a, b)
	save(t, twin, crdt.ClassRecords, 3)
	twin.Cut(twin.Log(scope, crdt.ClassRecords), 0)
	save(t, twin, crdt.ClassUrgent, 1)
	save(t, twin, crdt.ClassRecords, 2)
	a, b = connect(t, twin, box)
	settle(t, a, b)
	if a.refusal == nil || b.refusal == nil || a.refusal.Code != reconcile.Fork || b.refusal.Code != reconcile.Fork {
		t.Fatalf("%v and %v; want a fork", a.refusal, b.refusal)
	}
	if a.refusal.Remote == b.refusal.Remote || !a.closed || !b.closed {
		t.Errorf("%v and %v; want one that says it and one that hears it", a.refusal, b.refusal)
	}
	if a.refusal.Reason != b.refusal.Reason || a.refusal.Where != b.refusal.Where {
		t.Errorf("%+v and %+v differ", a.refusal, b.refusal)
	}
}

// A refusal with a code of a later program is shown in that program's words.
func TestRefusalWithUnknownCode(t *testing.T) {
	b := newBench(t)
	b.greet()
	frame, err := wire.Marshal([]any{5, 99, "Chưa biết.", "Not known.", "here"})
	b.must(err)
	sent := b.e.frames
	b.feed(frame)
	if r := b.e.refusal; r == nil || !r.Remote || r.Code != 99 || r.Reason.VI != "Chưa biết." || b.e.frames != sent {
		t.Errorf("got %+v, answered with %d frames", r, b.e.frames-sent)
	}
}

// A laptop whose store was restored from a backup gets its own entries back.
func TestRestored(t *testing.T) {
	laptop, box := newNode(t, "laptop", identity.RoleLaptop), newNode(t, "box", identity.RoleBox)
	save(t, laptop, crdt.ClassRecords, 10)
	a, b := connect(t, laptop, box)
	settle(t, a, b)
	laptop.Cut(laptop.Log(scope, crdt.ClassRecords), 4)
	a, b = connect(t, laptop, box)
	settle(t, a, b)
	same(t, laptop, box)
	laptop.Renew(crdt.Incarnation{1})
	save(t, laptop, crdt.ClassRecords, 2)
	settle(t, a, b)
	same(t, laptop, box)
	if a.refusal != nil || len(holding(t, box, scope).Heads) != 2 {
		t.Errorf("%v, %v", a.refusal, holding(t, box, scope).Heads)
	}
}

// What the store didn't keep is not acknowledged: raft may drop what fits no more.
func TestNotStored(t *testing.T) {
	laptop, box := newNode(t, "laptop", identity.RoleLaptop), newNode(t, "box", identity.RoleBox)
	save(t, laptop, crdt.ClassRecords, 1)
	a, b := connect(t, laptop, box)
	for b.todo == nil {
		a.ask()
		a.work()
		a.write()
		b.read()
		b.ask()
		b.write()
		a.read()
	}
	if _, ok := b.todo.(reconcile.Ingest); !ok {
		t.Fatalf("the box wants %T", b.todo)
	}
	b.todo = nil // dropped
	b.s.Stored(view(t, box))
	settle(t, a, b)
	if b.refusal == nil || b.refusal.Code != reconcile.Unavailable || a.refusal == nil || !a.refusal.Remote {
		t.Errorf("%v and %v; want that it is not available", b.refusal, a.refusal)
	}
}

// A session that can't send what it should says so instead of leaving it out.
func TestCannotSend(t *testing.T) {
	for name, spoil := range map[string]func(e *end, a reconcile.Read) *wire.Segment{
		"no segment": func(*end, reconcile.Read) *wire.Segment { return nil },
		"another segment": func(e *end, a reconcile.Read) *wire.Segment {
			s, err := e.node.Segment(a.Log, a.After+1)
			e.must(err)
			return s
		},
	} {
		t.Run(name, func(t *testing.T) {
			laptop, box := newNode(t, "laptop", identity.RoleLaptop), newNode(t, "box", identity.RoleBox)
			laptop.SegmentEntries = 1
			save(t, laptop, crdt.ClassRecords, 2)
			a, b := connect(t, laptop, box)
			for range 100 {
				if r, ok := a.todo.(reconcile.Read); ok {
					a.todo = nil
					a.s.Segment(spoil(a, r))
				}
				a.ask()
				a.write()
				b.read()
				b.ask()
				b.write()
				a.read()
			}
			if a.refusal == nil || a.refusal.Code != reconcile.Unavailable || a.refusal.Remote {
				t.Errorf("got %v", a.refusal)
			}
		})
	}
}

// A device's certificate that is not stored can't be left out in silence.
func TestCertificateMissing(t *testing.T) {
	laptop, box, hub := newNode(t, "laptop", identity.RoleLaptop), newNode(t, "box", identity.RoleBox), newNode(t, "hub", identity.RoleHub)
	save(t, laptop, crdt.ClassRecords, 1)
	a, b := connect(t, laptop, box)
	settle(t, a, b)
	c, d := newEnd(t, box, hub), newEnd(t, hub, box)
	c.far, d.far = d, c
	own := config(box, hub)
	own.Known = func(crdt.Device) ([]byte, bool) { return nil, false }
	s, err := reconcile.New(own, view(t, box))
	c.must(err)
	c.s = s
	settle(t, c, d)
	if c.refusal == nil || c.refusal.Code != reconcile.Unavailable {
		t.Errorf("got %v", c.refusal)
	}
}

func TestNewer(t *testing.T) {
	log := func(n byte) crdt.LogID { return crdt.LogID{Device: crdt.Device{n}, Scope: scope} }
	make := func(seqs ...uint64) *identity.Receipt {
		r := &identity.Receipt{Scope: scope}
		for i, s := range seqs {
			if s > 0 {
				r.Heads = append(r.Heads, identity.LogHead{Log: log(byte(i)), Head: crdt.Head{Seq: s}})
			}
		}
		return r
	}
	for _, c := range []struct {
		name    string
		r, held *identity.Receipt
		want    bool
	}{
		{"the first", make(1), nil, true},
		{"the same", make(1, 2), make(1, 2), false},
		{"more of one log", make(1, 3), make(1, 2), true},
		{"one log more", make(1, 2, 1), make(1, 2), true},
		{"less", make(1, 1), make(1, 2), false},
		{"a log less", make(0, 9), make(1, 2), false},
		{"more of one and less of another", make(9, 1), make(1, 2), false},
	} {
		if got := reconcile.Newer(c.r, c.held); got != c.want {
			t.Errorf("%s: %v; want %v", c.name, got, c.want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	n, other := newNode(t, "laptop", identity.RoleLaptop), newNode(t, "box", identity.RoleBox)
	for name, spoil := range map[string]func(*reconcile.Config, reconcile.View){
		"no root":                       func(c *reconcile.Config, _ reconcile.View) { c.Root = nil },
		"a certificate by another root": func(c *reconcile.Config, _ reconcile.View) { c.Root = identity.Public(memlog.Key("x")) },
		"no scope":                      func(c *reconcile.Config, _ reconcile.View) { c.Scopes = nil },
		"a scope twice":                 func(c *reconcile.Config, _ reconcile.View) { c.Scopes = []crdt.Scope{scope, scope} },
		"a scope outside":               func(c *reconcile.Config, _ reconcile.View) { c.Scopes = []crdt.Scope{"c/99999"} },
		"too many signers": func(_ *reconcile.Config, v reconcile.View) {
			v[scope] = reconcile.Holding{Receipts: make([]*identity.Receipt, reconcile.MaxSigners+1)}
		},
	} {
		c, v := config(n, other), reconcile.View{}
		spoil(&c, v)
		if _, err := reconcile.New(c, v); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
