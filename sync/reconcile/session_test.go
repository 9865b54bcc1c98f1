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

// Headers around a datagram: IP and UDP, and those of the thin link.
const (
	headers = 28
	thin    = 24
)

// The budgets that don't depend on a carrier. Bytes are those of frames; they are
// exact as long as the formats are what they are.
func TestCosts(t *testing.T) {
	laptop, box := newNode(t, "laptop", identity.RoleLaptop), newNode(t, "box", identity.RoleBox)
	d := disk{}
	save(t, laptop, crdt.ClassRecords, 1)
	save(t, box, crdt.ClassRecords, 1)
	a, b := resume(t, d, laptop, box)
	settle(t, a, b)
	expect := func(what string, got, want cost) {
		t.Helper()
		t.Logf("%-34s %+v", what, got)
		if got != want {
			t.Errorf("%s: %+v; want %+v", what, got, want)
		}
	}
	hangUp(a, b)
	a, b = resume(t, d, laptop, box)
	expect("idle, resumed", measure(t, a, b), cost{1, 1, 23, 1, 23})
	expect("idle, on an open line", measure(t, a, b), cost{})
	save(t, laptop, crdt.ClassRecords, 1)
	edit := measure(t, a, b)
	expect("one edit, on an open line", edit, cost{2, 1, 97, 1, 74})
	if up, down := edit.bytesUp+headers+thin, edit.bytesDown+headers+thin; up > 160 || down > 130 {
		t.Errorf("one edit takes %d bytes up and %d down with headers; at most 160 and 130", up, down)
	}
	hangUp(a, b)
	save(t, laptop, crdt.ClassRecords, 1)
	a, b = resume(t, d, laptop, box)
	expect("one edit, resumed", measure(t, a, b), cost{3, 3, 140, 3, 117})
	save(t, laptop, crdt.ClassRecords, 300)
	many := measure(t, a, b)
	expect("300 edits, on an open line", many, cost{2, 1, 434, 1, 76})
	same(t, laptop, box)
}

// Both sides have more to send than a window holds, and each one's receipts name
// what the other doesn't have yet.
func TestBacklogsOnBothSides(t *testing.T) {
	laptop, box := newNode(t, "laptop", identity.RoleLaptop), newNode(t, "box", identity.RoleBox)
	laptop.SegmentEntries, box.SegmentEntries = 1, 1
	save(t, laptop, crdt.ClassRecords, 200)
	save(t, box, crdt.ClassRecords, 150)
	a, b := connect(t, laptop, box)
	flight, most := 0, 0
	a.hook = func(frame []byte) { flight += len(frame); most = max(most, flight) }
	b.hook = func(frame []byte) {
		if k := parse(t, frame).Kind; k == "ack" || k == "receipt" || k == "delta" || k == "level" {
			flight = 0 // something was stored
		}
	}
	flights(t, a, b)
	same(t, laptop, box)
	if !a.s.Met() || !b.s.Met() {
		t.Error("both hold the same and don't know it")
	}
	if most > reconcile.MinWindow+2*reconcile.MaxFrame {
		t.Errorf("%d bytes were on their way at once; at most %d", most, reconcile.MinWindow)
	}
}

// Items that are longer than the window, both ways and on several lanes, pass it.
func TestLongItemsPassASmallWindow(t *testing.T) {
	laptop, box := newNode(t, "laptop", identity.RoleLaptop), newNode(t, "box", identity.RoleBox)
	laptop.SegmentEntries, box.SegmentEntries = 2, 2
	for i := range 6 {
		for _, n := range []*memlog.Node{laptop, box} {
			if _, err := n.Save(scope, crdt.Class(1+i%3), noise(i, 11_000+700*i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	a, b := connect(t, laptop, box)
	settle(t, a, b)
	same(t, laptop, box)
	if !a.s.Met() || !b.s.Met() {
		t.Error("both hold the same and don't know it")
	}
}

func parse(t check, frame []byte) reconcile.Parsed {
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
	for i := range byte(40) {
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

// What is urgent is sent before what is not, whenever it was saved; and what is
// least urgent has a tenth of the line.
func TestUrgentFirst(t *testing.T) {
	laptop, box := newNode(t, "laptop", identity.RoleLaptop), newNode(t, "box", identity.RoleBox)
	laptop.SegmentEntries = 2
	for _, class := range []crdt.Class{crdt.ClassBulk, crdt.ClassRecords, crdt.ClassUrgent} {
		save(t, laptop, class, 4)
	}
	a, b := connect(t, laptop, box)
	a.window, b.window = 1<<20, 1<<20
	var order []crdt.Class
	taken := func() (all uint64) {
		for log, h := range holding(t, box, scope).Heads {
			if h.Seq > 0 && !slices.Contains(order, log.Class) {
				order = append(order, log.Class)
			}
		}
		return all
	}
	for range 1000 {
		for _, e := range []*end{a, b} {
			for _, step := range steps {
				step(e)
				taken()
			}
		}
	}
	if want := []crdt.Class{1, 2, 3}; !slices.Equal(order, want) {
		t.Errorf("the classes came as %v; want %v", order, want)
	}
	same(t, laptop, box)
}

// However much is urgent, a tenth is left for what isn't.
func TestTheLowestLaneGetsATenth(t *testing.T) {
	laptop, box := backlog(t, 60, 900)
	if _, err := laptop.Save(scope, crdt.ClassBulk, noise(0, 5000)); err != nil {
		t.Fatal(err)
	}
	a, b := connect(t, laptop, box)
	before, parts := 0, 0
	a.hook = func(frame []byte) {
		switch parse(t, frame).Kind {
		case "part":
			parts++
		case "segment", "after":
			if before += len(frame); before > (parts+1)*10*reconcile.MaxFrame && parts < 4 {
				t.Fatalf("%d bytes of records went before %d parts of an import", before, parts)
			}
		}
	}
	settle(t, a, b)
	same(t, laptop, box)
	if parts < 4 || before < 50_000 {
		t.Errorf("%d parts and %d bytes went: the test shows nothing", parts, before)
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
	want := "hello heads cert segment receipt level level"
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
		for _, h := range a.s.HeldBack() {
			got = h.Code
		}
		if held := len(holding(t, reader, c.scope).Heads) > 0; got != c.want || held != (c.want == 0) {
			t.Errorf("%s writes in %s: code %d, held %v", c.role, c.scope, got, held)
		}
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

// What the store didn't keep is not acknowledged, the reason is told, and nothing
// else waits for it.
func TestNotStored(t *testing.T) {
	laptop, box := newNode(t, "laptop", identity.RoleLaptop), newNode(t, "box", identity.RoleBox)
	save(t, laptop, crdt.ClassRecords, 1)
	save(t, laptop, crdt.ClassUrgent, 1)
	a, b := connect(t, laptop, box)
	dropped := false
	for range 1000 {
		if i, ok := b.todo.(reconcile.Ingest); ok && i.Segment.Log.Class == crdt.ClassRecords {
			b.todo, dropped = nil, true
			b.s.Declined(reconcile.Refuse(reconcile.Chain, "raft"))
		}
		for _, e := range []*end{a, b} {
			e.ask()
			if _, ok := e.todo.(reconcile.Ingest); !ok || e == a {
				e.work()
			} else if i := e.todo.(reconcile.Ingest); i.Segment.Log.Class != crdt.ClassRecords {
				e.work()
			}
			e.write()
			e.read()
			e.notice()
		}
	}
	log := laptop.Log(scope, crdt.ClassRecords)
	if h := a.s.HeldBack()[log]; !dropped || h.Code != reconcile.Chain || h.Reason.VI == "" || h.Where != "raft" {
		t.Errorf("held back: %+v", a.s.HeldBack())
	}
	if _, held, _ := box.HashAt(laptop.Log(scope, crdt.ClassUrgent), 1); !held || a.refusal != nil {
		t.Errorf("the other log waits; %v", a.refusal)
	}
	if !a.s.Met() || !b.s.Met() {
		t.Error("both hold what they will, and don't know it")
	}
}

// A session that can't send what it should says so instead of leaving it out.
func TestCannotSend(t *testing.T) {
	for name, spoil := range map[string]func(e *end, a reconcile.Read) *wire.Segment{
		"no segment": func(*end, reconcile.Read) *wire.Segment { return nil },
		"another segment": func(e *end, a reconcile.Read) *wire.Segment {
			s, err := e.node.Segment(a.Log, a.After+1, 0)
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
				} else {
					a.work()
				}
				b.work()
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
	none := func(c *reconcile.Config) { c.Known = func(crdt.Device) ([]byte, bool) { return nil, false } }
	c, d := newEnd(t, box, hub, nil, none), newEnd(t, hub, box, nil)
	c.far, d.far = d, c
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
