package reconcile_test

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
	"github.com/vungxa/vungxa/sync/replica/memlog"
)

// bench is a box in session with a laptop whose frames the test writes.
type bench struct {
	*testing.T
	box, laptop *memlog.Node
	e           *end // the box's
}

// newBench has the box hold three entries of its own and two of the laptop's.
// Of the laptop's session only the hello is true.
func newBench(t *testing.T) *bench {
	b := &bench{T: t, box: newNode(t, "box", identity.RoleBox), laptop: newNode(t, "laptop", identity.RoleLaptop)}
	save(t, b.box, crdt.ClassRecords, 3)
	save(t, b.laptop, crdt.ClassRecords, 2)
	x, y := connect(t, b.laptop, b.box)
	settle(t, x, y)
	same(t, b.box, b.laptop)
	b.meet(b.laptop)
	return b
}

// meet begins the session in which the box expects a device.
func (b *bench) meet(laptop *memlog.Node) {
	b.laptop = laptop
	b.e = newEnd(b, b.box, laptop, nil)
	b.e.far = &end{}
}

// greet lets the laptop say hello, and state the heads that it really holds.
func (b *bench) greet() {
	b.Helper()
	b.feed(hello(b.laptop), reconcile.HeadsFrame(scope, holding(b, b.laptop, scope)))
	if b.e.refusal != nil {
		b.Fatalf("the greeting was refused: %v", b.e.refusal)
	}
}

func hello(n *memlog.Node) []byte { return reconcile.HelloFrame(n.Certificate, 1, n.Claims.Scopes...) }

func (b *bench) feed(frames ...[]byte) {
	b.e.in = append(b.e.in, frames...)
	settle(b, b.e)
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) cert(n *memlog.Node) {
	b.Helper()
	b.feed(reconcile.CertificateFrame(n.Certificate))
}

// segment gives a device's log above a seq, after a change to it.
func (b *bench) segment(n *memlog.Node, after uint64, change func(*wire.Segment)) *wire.Segment {
	b.Helper()
	_, err := n.Heads(scope) // seals
	b.must(err)
	s, err := n.Segment(n.Log(scope, crdt.ClassRecords), after, 0)
	b.must(err)
	if change != nil {
		change(s)
	}
	return s
}

func (b *bench) sendSegment(s *wire.Segment) {
	b.Helper()
	raw, err := wire.EncodeSegment(s)
	b.must(err)
	b.feed(reconcile.CutFrames(2, reconcile.SegmentFrame(raw))...)
}

// seal seals a segment anew with a node's key.
func (b *bench) seal(n *memlog.Node, s *wire.Segment) {
	b.Helper()
	var err error
	s.Seal, err = wire.Sign(s.Log, s.Seal.Head(), func(m []byte) []byte { return ed25519.Sign(n.Keys.Seal, m) })
	b.must(err)
}

// receipt gives a node's receipt for what it holds, after a change, signed anew.
func (b *bench) receipt(n *memlog.Node, change func(*identity.Receipt)) *identity.Receipt {
	b.Helper()
	heads, _ := holding(b, n, scope).Owes(n.Claims.Device)
	r, err := n.Sign(b.Context(), scope, heads)
	b.must(err)
	if change != nil {
		change(r)
		b.must(r.Sign(func(m []byte) []byte { return ed25519.Sign(n.Keys.Seal, m) }))
	}
	return r
}

func (b *bench) sendReceipt(r *identity.Receipt) {
	b.Helper()
	raw, err := r.Encode()
	b.must(err)
	b.feed(reconcile.ReceiptFrame(raw))
}

// twin is a device with the laptop's keys and another history: a clone.
func (b *bench) twin(entries int) *memlog.Node {
	n := newNode(b, "laptop", identity.RoleLaptop)
	for i := range entries {
		_, err := n.Save(scope, crdt.ClassRecords, fmt.Sprint("another ", i))
		b.must(err)
	}
	return n
}

type attempt struct {
	name string
	code reconcile.Code // 0: passed over in silence
	do   func(*bench)
}

// What breaks the protocol ends the session.
var violations = []attempt{
	{"garbage", reconcile.Malformed, func(b *bench) { b.feed([]byte("GET / HTTP/1.1\r\n\r\n")) }},
	{"an empty frame", reconcile.TooLarge, func(b *bench) { b.feed([]byte{}) }},
	{"garbage after the greeting", reconcile.Malformed, func(b *bench) { b.greet(); b.feed([]byte{0x82, 3, 0x41, 0xff}) }},
	{"a frame that is too large", reconcile.TooLarge, func(b *bench) { b.greet(); b.feed(make([]byte, reconcile.MaxFrame+1)) }},
	{"an unknown message", reconcile.Unknown, func(b *bench) { b.greet(); b.feed(reconcile.Frame(63, 1)) }},
	{"a kind past all", reconcile.Unknown, func(b *bench) { b.greet(); b.feed(reconcile.Frame(128, 1)) }},
	{"a form that is not canonical", reconcile.Malformed, func(b *bench) {
		b.greet()
		b.feed(slices.Insert(bytes.Clone(reconcile.CertificateFrame(b.laptop.Certificate)), 2, 0x5a, 0, 0)) // a length in long form
	}},
	{"the first format", reconcile.Format, func(b *bench) {
		b.feed(reconcile.Frame(0, 0, b.laptop.Certificate, []any{[]any{string(scope), [16]byte{}}}))
	}},
	{"a certificate by an unknown root", reconcile.Certificate, func(b *bench) {
		n, err := memlog.New(memlog.Key("another authority"), "laptop", identity.RoleLaptop, scope)
		b.must(err)
		b.meet(n)
		b.feed(hello(n))
	}},
	{"a certificate by an unknown root for a third device", reconcile.Certificate, func(b *bench) {
		n, err := memlog.New(memlog.Key("another authority"), "third", identity.RoleLaptop, scope)
		b.must(err)
		b.greet()
		b.cert(n)
	}},
	{"a certificate with another peer key", reconcile.PeerKey, func(b *bench) {
		third := newNode(b, "third", identity.RoleLaptop)
		b.expects(b.laptop.Claims.Device, third.Claims.PeerKey)
		b.feed(hello(b.laptop))
	}},
	{"another device than the one expected", reconcile.Unwelcome, func(b *bench) {
		third := newNode(b, "third", identity.RoleLaptop)
		b.expects(b.laptop.Claims.Device, third.Claims.PeerKey)
		b.feed(hello(third))
	}},
	{"itself", reconcile.Unwelcome, func(b *bench) {
		b.expects(b.box.Claims.Device, b.box.Claims.PeerKey)
		b.feed(hello(b.box))
	}},
	{"a hello for a scope more than the certificate's", reconcile.Scope, func(b *bench) {
		b.feed(reconcile.HelloFrame(b.laptop.Certificate, 1, scope, "c/99999"))
	}},
	{"a hello with no scope in common", reconcile.Scope, func(b *bench) {
		n := newNode(b, "elsewhere", identity.RoleLaptop, "c/99999")
		b.meet(n)
		b.feed(hello(n))
	}},
	{"a second hello", reconcile.Order, func(b *bench) { b.greet(); b.feed(hello(b.laptop)) }},
	{"heads of another scope", reconcile.Scope, func(b *bench) {
		b.greet()
		b.feed(reconcile.HeadsFrame("c/99999", reconcile.Holding{}))
	}},
	{"an item before the heads", reconcile.Order, func(b *bench) {
		save(b, b.laptop, crdt.ClassRecords, 1)
		b.feed(hello(b.laptop))
		b.sendSegment(b.segment(b.laptop, 2, nil))
	}},
	{"more taken than was sent", reconcile.Order, func(b *bench) { b.greet(); b.feed(reconcile.Frame(3, 99, []any{})) }},
	{"a list of four billion", reconcile.Malformed, func(b *bench) {
		b.greet()
		b.feed([]byte{0x83, 21, 0, 0x9a, 0xff, 0xff, 0xff, 0xff})
	}},
	{"bytes without end", reconcile.Malformed, func(b *bench) {
		b.greet()
		b.feed([]byte{0x82, 16, 0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	}},
	{"lists in lists", reconcile.Malformed, func(b *bench) {
		b.greet()
		b.feed(append([]byte{0x82, 16}, bytes.Repeat([]byte{0x81}, 1000)...))
	}},
	{"a part of a gigabyte", reconcile.Malformed, func(b *bench) {
		b.greet()
		b.feed(reconcile.Frame(2, 1, []byte{1}, 1<<30, [16]byte{1}, 0))
	}},
	{"an attachment of a terabyte", reconcile.Malformed, func(b *bench) {
		b.greet()
		b.feed(reconcile.Frame(23, [32]byte{1}, 0, 1<<40, []byte{1}))
	}},
	{"a part of nothing", reconcile.Order, func(b *bench) { b.greet(); b.feed(reconcile.Frame(2, 1, []byte{1})) }},
	{"a part that goes on with what is not there", reconcile.Order, func(b *bench) {
		b.greet()
		b.feed(reconcile.Frame(2, 1, []byte{1}, 100, [16]byte{1}, 50))
	}},
	{"an item that is not the one announced", reconcile.Malformed, func(b *bench) {
		b.greet()
		b.feed(reconcile.Frame(2, 1, []byte{1}, 1, [16]byte{1}, 0))
	}},
	{"a message in parts that may not be", reconcile.Order, func(b *bench) {
		b.greet()
		b.feed(reconcile.InParts(1, reconcile.Frame(4, 0, [16]byte{}))...)
	}},
	{"a piece of an attachment that nobody asked for", reconcile.Order, func(b *bench) {
		b.greet()
		b.feed(reconcile.Frame(23, [32]byte{1}, 0, 1, []byte{1}))
	}},
	{"too many certificates", reconcile.Limit, func(b *bench) {
		b.greet()
		for range reconcile.MaxCertificates {
			b.cert(b.laptop)
		}
	}},
	{"too many items that are refused", reconcile.Limit, func(b *bench) {
		b.greet()
		save(b, b.laptop, crdt.ClassRecords, 1)
		for range reconcile.MaxDeclined + 1 {
			b.sendSegment(b.segment(b.laptop, 2, func(s *wire.Segment) { s.Seal.Signature[9] ^= 1 }))
		}
	}},
	{"a segment that is no segment", reconcile.Malformed, func(b *bench) {
		b.greet()
		b.feed(reconcile.SegmentFrame([]byte("not a segment")))
	}},
	{"a segment that unpacks to 64 MiB", reconcile.Malformed, func(b *bench) {
		b.greet()
		s := b.segment(b.laptop, 0, nil)
		raw, err := wire.EncodeSegment(s)
		b.must(err)
		var parts []any
		b.must(wire.Unmarshal(raw, len(raw), &parts))
		z, err := zstd.NewWriter(nil)
		b.must(err)
		parts[len(parts)-1] = z.EncodeAll(make([]byte, 64<<20), nil)
		raw, err = wire.Marshal(parts)
		b.must(err)
		b.feed(reconcile.CutFrames(2, reconcile.SegmentFrame(raw))...)
	}},
	{"a receipt that is no receipt", reconcile.Malformed, func(b *bench) {
		b.greet()
		b.feed(reconcile.ReceiptFrame([]byte{0x80}))
	}},
}

// What is wrong with one item is told, and ends nothing.
var declines = []attempt{
	{"a wrong seal", reconcile.Seal, func(b *bench) {
		b.greet()
		save(b, b.laptop, crdt.ClassRecords, 1)
		b.sendSegment(b.segment(b.laptop, 2, func(s *wire.Segment) { s.Seal.Signature[9] ^= 1 }))
	}},
	{"a seal by another device", reconcile.Seal, func(b *bench) {
		b.greet()
		save(b, b.laptop, crdt.ClassRecords, 1)
		b.sendSegment(b.segment(b.laptop, 2, func(s *wire.Segment) { b.seal(b.box, s) }))
	}},
	{"entries that don't follow each other", reconcile.Chain, func(b *bench) {
		b.greet()
		save(b, b.laptop, crdt.ClassRecords, 3)
		b.sendSegment(b.segment(b.laptop, 2, func(s *wire.Segment) { s.Entries[0], s.Entries[1] = s.Entries[1], s.Entries[0] }))
	}},
	{"a log of another scope", reconcile.Scope, func(b *bench) {
		n := newNode(b, "wide", identity.RoleLaptop, scope, "c/99999")
		b.greet()
		b.cert(n)
		p, err := n.Save("c/99999", crdt.ClassRecords, "x")
		b.must(err)
		_, err = n.Heads("c/99999")
		b.must(err)
		s, err := n.Segment(p.Log, 0, 0)
		b.must(err)
		b.sendSegment(s)
	}},
	{"a device outside its scope", reconcile.Scope, func(b *bench) {
		n := newNode(b, "elsewhere", identity.RoleLaptop, "c/99999")
		save(b, n, crdt.ClassRecords, 1) // in a scope that its certificate doesn't name
		b.greet()
		b.cert(n)
		b.sendSegment(b.segment(n, 0, nil))
	}},
	{"a device without a certificate", reconcile.Certificate, func(b *bench) {
		n := newNode(b, "unknown", identity.RoleLaptop)
		save(b, n, crdt.ClassRecords, 1)
		b.greet()
		b.sendSegment(b.segment(n, 0, nil))
	}},
	{"a forged receipt", reconcile.Receipt, func(b *bench) {
		b.greet()
		r := b.receipt(b.laptop, nil)
		r.Signature[0] ^= 1
		b.sendReceipt(r)
	}},
	{"a receipt in a hub's manner by a laptop", reconcile.Receipt, func(b *bench) {
		b.greet()
		b.sendReceipt(b.receipt(b.laptop, func(r *identity.Receipt) { r.HubEpoch, r.Index = 1, 1 }))
	}},
	{"a receipt for what is not held", 0, func(b *bench) {
		b.greet()
		save(b, b.laptop, crdt.ClassRecords, 1)
		b.sendReceipt(b.receipt(b.laptop, nil))
	}},
	{"a segment above a gap", 0, func(b *bench) { // what is missing is asked for
		b.greet()
		b.laptop.SegmentEntries = 1
		save(b, b.laptop, crdt.ClassRecords, 2)
		b.sendSegment(b.segment(b.laptop, 3, nil))
	}},
	{"a receipt for more than is held, with the hash of what is", 0, func(b *bench) {
		b.greet()
		b.sendReceipt(b.receipt(b.laptop, func(r *identity.Receipt) { r.Heads[0].Head.Seq++ }))
	}},
	{"a receipt for a log that is not held", 0, func(b *bench) {
		b.greet()
		save(b, b.laptop, crdt.ClassUrgent, 1)
		b.sendReceipt(b.receipt(b.laptop, nil))
	}},
	{"a receipt for another branch at the head", 0, func(b *bench) {
		b.greet()
		b.sendReceipt(b.receipt(b.twin(2), nil))
	}},
	{"a receipt for another branch below the head", 0, func(b *bench) {
		b.greet()
		b.sendReceipt(b.receipt(b.twin(1), nil))
	}},
	{"a receipt passed on for another branch", 0, func(b *bench) {
		third := newNode(b, "third", identity.RoleLaptop)
		b.greet()
		b.cert(third)
		heads, _ := holding(b, b.twin(2), scope).Owes(third.Claims.Device)
		b.sendReceipt(b.receipt(third, func(r *identity.Receipt) { r.Heads = heads }))
	}},
	{"a receipt by a device outside its scope", reconcile.Scope, func(b *bench) {
		n := newNode(b, "elsewhere", identity.RoleLaptop, "c/99999")
		b.greet()
		b.cert(n)
		b.sendReceipt(b.receipt(n, func(r *identity.Receipt) { r.Heads = nil }))
	}},
	{"a certificate of an older epoch", reconcile.Scope, func(b *bench) {
		n := newNode(b, "moved", identity.RoleLaptop)
		newer := n.Claims
		newer.Epoch, newer.ID, newer.Scopes = n.Claims.Epoch+1, [16]byte{9}, []crdt.Scope{"c/99999"}
		cert, err := identity.Issue(root, newer)
		b.must(err)
		b.must(b.box.StoreCertificate(cert))
		save(b, n, crdt.ClassRecords, 1)
		b.greet()
		b.cert(n)
		b.sendSegment(b.segment(n, 0, nil))
	}},
	{"a receipt by a device without a certificate", reconcile.Certificate, func(b *bench) {
		n := newNode(b, "unknown", identity.RoleLaptop)
		b.greet()
		b.sendReceipt(b.receipt(n, nil))
	}},
	{"a receipt for another scope", reconcile.Scope, func(b *bench) {
		b.greet()
		b.sendReceipt(b.receipt(b.laptop, func(r *identity.Receipt) { r.Scope, r.Heads = "c/99999", nil }))
	}},
}

// expects has the box expect a device behind a key.
func (b *bench) expects(d crdt.Device, key ed25519.PublicKey) {
	b.e = newEnd(b, b.box, b.laptop, nil, func(c *reconcile.Config) { c.Peer, c.PeerKey = d, key })
	b.e.far = &end{}
}

func TestViolations(t *testing.T) {
	for _, c := range violations {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			before := fmt.Sprint(state(t, b.box))
			c.do(b)
			if r := b.e.refusal; r == nil || r.Code != c.code || r.Remote || r.Reason.VI == "" || r.Reason.EN == "" {
				t.Fatalf("got %v; want code %d", b.e.refusal, c.code)
			}
			last := b.e.far.in[len(b.e.far.in)-1]
			if said := parse(t, last); said.Refusal == nil || said.Kind != "refuse" || said.Refusal.Code != c.code {
				t.Errorf("the last frame says %+v", said)
			}
			if after := fmt.Sprint(state(t, b.box)); after != before {
				t.Errorf("the box held\n%s\nand now\n%s", before, after)
			}
			sent := len(b.e.far.in)
			b.feed(hello(b.laptop))
			if len(b.e.far.in) != sent {
				t.Error("it goes on talking")
			}
		})
	}
}

func TestDeclines(t *testing.T) {
	for _, c := range declines {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			before := fmt.Sprint(state(t, b.box))
			c.do(b)
			var codes []reconcile.Code
			for _, f := range b.e.far.in {
				if said := parse(t, f); said.Kind == "refused" {
					codes = append(codes, said.Refusal.Code)
				}
			}
			if b.e.refusal != nil || c.code != 0 && !slices.Equal(codes, []reconcile.Code{c.code}) || c.code == 0 && len(codes) > 0 {
				t.Errorf("%v, refused with %v; want the session to live, and code %d", b.e.refusal, codes, c.code)
			}
			if after := fmt.Sprint(state(t, b.box)); after != before {
				t.Errorf("the box held\n%s\nand now\n%s", before, after)
			}
			good := newNode(b, "good", identity.RoleLaptop) // and something else is taken
			save(b, good, crdt.ClassUrgent, 1)
			b.cert(good)
			_, err := good.Heads(scope)
			b.must(err)
			s, err := good.Segment(good.Log(scope, crdt.ClassUrgent), 0, 0)
			b.must(err)
			b.sendSegment(s)
			if _, held, _ := b.box.HashAt(good.Log(scope, crdt.ClassUrgent), 1); !held {
				t.Error("what came after it was not taken")
			}
		})
	}
}

// A program of a later version says more: elements after those that are known, kinds
// that may be ignored, items among them, and a higher format.
func TestNewerProgram(t *testing.T) {
	b := newBench(t)
	b.feed(reconcile.Frame(0, 7, b.laptop.Certificate, []any{string(scope)}, 1, "more", []any{1}))
	b.feed(reconcile.Longer(reconcile.HeadsFrame(scope, holding(b, b.laptop, scope))))
	b.feed(reconcile.Frame(64, "a message"), reconcile.Frame(100, "an item"), reconcile.Frame(127, "another"))
	save(b, b.laptop, crdt.ClassRecords, 1)
	b.sendSegment(b.segment(b.laptop, 2, nil))
	if _, held, _ := b.box.HashAt(b.laptop.Log(scope, crdt.ClassRecords), 3); !held || b.e.refusal != nil {
		t.Fatalf("%v; held %v", b.e.refusal, held)
	}
	b.feed(reconcile.Frame(4, 1, [16]byte{}, "more"))
	if m := b.e.s.Memory(); m.Took != 4 { // heads, two items that were ignored, the segment
		t.Errorf("%d items were taken; want 4", m.Took)
	}
}

// Words about logs that nobody holds leave nothing behind, however many they are.
func TestWordsAboutUnknownLogs(t *testing.T) {
	b := newBench(t)
	b.greet()
	for i := range 2000 {
		name := []any{0, [16]byte{1}, [8]byte{byte(i >> 8), byte(i)}, 2}
		b.feed(reconcile.Frame(7, 11, "", "", "", name, 3), reconcile.Frame(6, name, 1, 0), reconcile.Frame(6, name, 1, 9))
	}
	if b.e.refusal != nil || b.e.s.HeldCount() > 0 {
		t.Errorf("%v; %d logs are held back", b.e.refusal, b.e.s.HeldCount())
	}
	if m, err := b.e.s.Memory().Encode(); err != nil || len(m) > 4096 {
		t.Errorf("%d bytes are remembered, %v", len(m), err)
	}
}
