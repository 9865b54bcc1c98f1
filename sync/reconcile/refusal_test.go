package reconcile_test

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"
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
	b.e = newEnd(b, b.box, laptop)
	b.e.far = &end{}
}

// greet lets the laptop say hello, and state the heads that it really holds.
func (b *bench) greet() {
	b.Helper()
	l := newEnd(b, b.laptop, b.box)
	b.feed(l.s.Next().(reconcile.Send).Frame)
	frame, err := reconcile.HeadsFrame(scope, holding(b, b.laptop, scope))
	b.must(err)
	b.feed(frame)
	if b.e.refusal != nil {
		b.Fatalf("the greeting was refused: %v", b.e.refusal)
	}
}

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
	frame, err := reconcile.CertificateFrame(n.Certificate)
	b.must(err)
	b.feed(frame)
}

// segment gives a device's log above a seq, after a change to it.
func (b *bench) segment(n *memlog.Node, after uint64, change func(*wire.Segment)) *wire.Segment {
	b.Helper()
	_, err := n.Heads(scope) // seals
	b.must(err)
	s, err := n.Segment(n.Log(scope, crdt.ClassRecords), after)
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
	frame, err := reconcile.SegmentFrame(raw)
	b.must(err)
	b.feed(frame)
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
	frame, err := reconcile.ReceiptFrame(raw)
	b.must(err)
	b.feed(frame)
}

// known is everything that could have changed on the box.
func (b *bench) known() string {
	return fmt.Sprint(state(b, b.box), b.box.Directory.All())
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

var refusals = []struct {
	name string
	code reconcile.Code
	do   func(*bench)
}{
	{"garbage", reconcile.Malformed, func(b *bench) { b.feed([]byte("GET / HTTP/1.1\r\n\r\n")) }},
	{"an empty frame", reconcile.Malformed, func(b *bench) { b.feed(nil) }},
	{"garbage after the greeting", reconcile.Malformed, func(b *bench) { b.greet(); b.feed([]byte{0x82, 3, 0x41, 0xff}) }},
	{"a frame that is too large", reconcile.TooLarge, func(b *bench) { b.greet(); b.feed(make([]byte, reconcile.MaxFrame+1)) }},
	{"an unknown message", reconcile.Unknown, func(b *bench) { b.greet(); b.feed([]byte{0x82, 9, 0x40}) }},
	{"a form that is not canonical", reconcile.Malformed, func(b *bench) {
		b.greet()
		frame, err := reconcile.CertificateFrame(b.laptop.Certificate)
		b.must(err)
		b.feed(slices.Insert(bytes.Clone(frame), 2, 0x5a, 0, 0)) // a length in long form
	}},
	{"another version", reconcile.Format, func(b *bench) { b.feed([]byte{0x83, 0, 1, 0xa0}) }},

	{"a certificate by an unknown root", reconcile.Certificate, func(b *bench) {
		n, err := memlog.New(memlog.Key("another authority"), "laptop", identity.RoleLaptop, scope)
		b.must(err)
		b.meet(n)
		frame := newHello(b, n, memlog.Key("another authority"))
		b.feed(frame)
	}},
	{"a certificate by an unknown root for a third device", reconcile.Certificate, func(b *bench) {
		n, err := memlog.New(memlog.Key("another authority"), "third", identity.RoleLaptop, scope)
		b.must(err)
		b.greet()
		b.cert(n)
	}},
	{"a certificate with another peer key", reconcile.PeerKey, func(b *bench) {
		third := newNode(b, "third", identity.RoleLaptop)
		b.e = newEndAs(b, b.box, b.laptop.Claims.Device, third.Claims.PeerKey)
		b.feed(newHello(b, b.laptop, root))
	}},
	{"another device than the one expected", reconcile.Unwelcome, func(b *bench) {
		third := newNode(b, "third", identity.RoleLaptop)
		b.e = newEndAs(b, b.box, b.laptop.Claims.Device, third.Claims.PeerKey)
		b.feed(newHello(b, third, root))
	}},
	{"itself", reconcile.Unwelcome, func(b *bench) {
		b.e = newEndAs(b, b.box, b.box.Claims.Device, b.box.Claims.PeerKey)
		b.feed(newHello(b, b.box, root))
	}},
	{"a hello for a scope outside the certificate", reconcile.Scope, func(b *bench) {
		b.feed(spoilHello(b, newHello(b, b.laptop, root), "c/99999"))
	}},
	{"a hello for a scope more than the certificate's", reconcile.Scope, func(b *bench) {
		frame, err := wire.Marshal([]any{0, 0, b.laptop.Certificate, []any{
			[]any{string(scope), [16]byte{}}, []any{"c/99999", [16]byte{}},
		}})
		b.must(err)
		b.feed(frame)
	}},
	{"a hello with no scope in common", reconcile.Scope, func(b *bench) {
		n := newNode(b, "elsewhere", identity.RoleLaptop, "c/99999")
		b.meet(n)
		b.feed(newHello(b, n, root))
	}},
	{"a second hello", reconcile.Order, func(b *bench) { b.greet(); b.feed(newHello(b, b.laptop, root)) }},
	{"a certificate before hello", reconcile.Order, func(b *bench) { b.cert(b.laptop) }},
	{"heads before hello", reconcile.Order, func(b *bench) {
		frame, err := reconcile.HeadsFrame(scope, reconcile.Holding{})
		b.must(err)
		b.feed(frame)
	}},
	{"heads of another scope", reconcile.Scope, func(b *bench) {
		b.greet()
		frame, err := reconcile.HeadsFrame("c/99999", reconcile.Holding{})
		b.must(err)
		b.feed(frame)
	}},
	{"later heads of a log that was not sent", reconcile.Order, func(b *bench) {
		b.greet()
		frame, err := reconcile.HeadsFrame(scope, reconcile.Holding{Heads: map[crdt.LogID]crdt.Head{
			{Device: crdt.Device{7}, Scope: scope}: {Seq: 1, Hash: crdt.Hash{1}},
		}})
		b.must(err)
		b.feed(frame)
	}},
	{"a segment before heads", reconcile.Order, func(b *bench) {
		save(b, b.laptop, crdt.ClassRecords, 1)
		b.feed(newHello(b, b.laptop, root))
		b.sendSegment(b.segment(b.laptop, 2, nil))
	}},

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
	{"a segment that is no segment", reconcile.Malformed, func(b *bench) {
		b.greet()
		frame, err := reconcile.SegmentFrame([]byte("not a segment"))
		b.must(err)
		b.feed(frame)
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
		frame, err := reconcile.SegmentFrame(raw)
		b.must(err)
		b.feed(frame)
	}},
	{"a gap", reconcile.Chain, func(b *bench) {
		b.greet()
		save(b, b.laptop, crdt.ClassRecords, 2)
		b.sendSegment(b.segment(b.laptop, 3, nil))
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
		s, err := n.Segment(p.Log, 0)
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

	{"a fork at one head", reconcile.Fork, func(b *bench) {
		b.feed(newHello(b, b.laptop, root))
		frame, err := reconcile.HeadsFrame(scope, holding(b, b.twin(2), scope))
		b.must(err)
		b.feed(frame)
	}},
	{"a fork below the sender's head", reconcile.Fork, func(b *bench) {
		b.feed(newHello(b, b.laptop, root)) // and then it holds less, of another branch
		frame, err := reconcile.HeadsFrame(scope, holding(b, b.twin(1), scope))
		b.must(err)
		b.feed(frame)
	}},
	{"a fork above the head", reconcile.Fork, func(b *bench) {
		b.greet()
		b.sendSegment(b.segment(b.twin(3), 2, nil))
	}},
	{"a fork in what overlaps", reconcile.Fork, func(b *bench) {
		b.greet()
		b.sendSegment(b.segment(b.twin(4), 0, nil))
	}},
	{"a fork in what ends at the head", reconcile.Fork, func(b *bench) {
		b.greet()
		b.sendSegment(b.segment(b.twin(2), 0, nil))
	}},
	{"a fork in what is held wholly", reconcile.Fork, func(b *bench) {
		b.greet()
		b.sendSegment(b.segment(b.twin(1), 0, nil))
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
	{"a receipt that is no receipt", reconcile.Malformed, func(b *bench) {
		b.greet()
		frame, err := reconcile.ReceiptFrame([]byte{0x80})
		b.must(err)
		b.feed(frame)
	}},
	{"a receipt for what is not held", reconcile.Unheld, func(b *bench) {
		b.greet()
		save(b, b.laptop, crdt.ClassRecords, 1)
		b.sendReceipt(b.receipt(b.laptop, nil))
	}},
	{"a receipt for a log that is not held", reconcile.Unheld, func(b *bench) {
		b.greet()
		save(b, b.laptop, crdt.ClassUrgent, 1)
		b.sendReceipt(b.receipt(b.laptop, nil))
	}},
	{"a receipt for another branch at the head", reconcile.Fork, func(b *bench) {
		b.greet()
		b.sendReceipt(b.receipt(b.twin(2), nil))
	}},
	{"a receipt for another branch below the head", reconcile.Fork, func(b *bench) {
		b.greet()
		b.sendReceipt(b.receipt(b.twin(1), nil))
	}},
	{"a receipt passed on for another branch", reconcile.Fork, func(b *bench) {
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
	{"a receipt by a device without a certificate", reconcile.Certificate, func(b *bench) {
		n := newNode(b, "unknown", identity.RoleLaptop)
		b.greet()
		b.sendReceipt(b.receipt(n, nil))
	}},
	{"a receipt for another scope", reconcile.Scope, func(b *bench) {
		b.greet()
		b.sendReceipt(b.receipt(b.laptop, func(r *identity.Receipt) { r.Scope, r.Heads = "c/99999", nil }))
	}},

	{"too many certificates", reconcile.Limit, func(b *bench) {
		b.greet()
		for range reconcile.MaxCertificates {
			b.cert(b.laptop)
		}
	}},
	{"too many logs", reconcile.Limit, func(b *bench) {
		full := reconcile.Holding{Heads: map[crdt.LogID]crdt.Head{}}
		for i := range reconcile.MaxLogs {
			log := crdt.LogID{Device: crdt.Device{1}, Incarnation: crdt.Incarnation{byte(i >> 8), byte(i)}, Scope: scope}
			full.Heads[log] = crdt.Head{Seq: 1, Hash: crdt.Hash{1}}
		}
		b.fill(full)
		b.sendSegment(b.segment(b.laptop, 0, nil))
	}},
	{"too many signers", reconcile.Limit, func(b *bench) {
		full := reconcile.Holding{}
		for i := range reconcile.MaxSigners {
			full.Receipts = append(full.Receipts, &identity.Receipt{Signer: crdt.Device{byte(i >> 8), byte(i)}, Scope: scope})
		}
		b.fill(full)
		b.sendReceipt(b.receipt(b.laptop, func(r *identity.Receipt) { r.Heads = nil }))
	}},
	{"too many heads", reconcile.Malformed, func(b *bench) {
		b.feed(newHello(b, b.laptop, root))
		var logs [][]any
		for i := range reconcile.MaxLogs + 1 {
			logs = append(logs, []any{[16]byte{1}, [8]byte{byte(i >> 8), byte(i)}, 2, 1, [32]byte{1}})
		}
		frame, err := wire.Marshal([]any{1, string(scope), logs, []any{}})
		b.must(err)
		b.feed(frame)
	}},
}

// fill lets the box believe that it holds something else than it does, and the
// laptop say that it holds the same.
func (b *bench) fill(h reconcile.Holding) {
	b.Helper()
	s, err := reconcile.New(config(b.box, b.laptop), reconcile.View{scope: h})
	b.must(err)
	b.e.s = s
	b.feed(newHello(b, b.laptop, root))
	frame, err := reconcile.HeadsFrame(scope, h)
	b.must(err)
	b.feed(frame)
	if b.e.refusal != nil {
		b.Fatal(b.e.refusal)
	}
}

// newHello is what a device, certified by an authority, says first.
func newHello(b *bench, n *memlog.Node, authority ed25519.PrivateKey) []byte {
	b.Helper()
	c := config(n, b.box)
	c.Root = identity.Public(authority)
	s, err := reconcile.New(c, reconcile.View{})
	b.must(err)
	return s.Next().(reconcile.Send).Frame
}

// spoilHello puts another scope in the place of the hello's own.
func spoilHello(b *bench, hello []byte, to crdt.Scope) []byte {
	b.Helper()
	at := bytes.LastIndex(hello, []byte(scope)) // the certificate comes before
	if at < 0 || len(to) != len(scope) {
		b.Fatal("no scope to spoil")
	}
	return slices.Replace(bytes.Clone(hello), at, at+len(to), []byte(to)...)
}

// newEndAs is the box's end of a connection, of which the carrier and the
// operator say different things.
func newEndAs(b *bench, n *memlog.Node, peer crdt.Device, key ed25519.PublicKey) *end {
	b.Helper()
	c := config(n, b.laptop)
	c.Peer, c.PeerKey = peer, key
	s, err := reconcile.New(c, view(b, n))
	b.must(err)
	return &end{t: b, node: n, s: s, seen: n.Changed(), far: &end{}}
}

// A thing that can't be accepted is refused with a code and a reason in both
// languages, the peer is told, the session closes, and nothing has changed.
func TestRefusals(t *testing.T) {
	for _, c := range refusals {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			before := b.known()
			c.do(b)
			r := b.e.refusal
			if !b.e.closed || r == nil {
				t.Fatal("not refused")
			}
			if r.Code != c.code {
				t.Errorf("code %d (%v); want %d", r.Code, r, c.code)
			}
			if r.Remote || r.Reason.VI == "" || r.Reason.EN == "" || r.Where == "" || !strings.Contains(r.Error(), r.Reason.EN) {
				t.Errorf("no reason that a person could read: %+v", r)
			}
			told, err := reconcile.Parse(b.e.far.in[len(b.e.far.in)-1])
			if err != nil || told.Refusal == nil || told.Refusal.Code != c.code || told.Refusal.Reason != r.Reason {
				t.Errorf("the peer was told %+v, %v", told, err)
			}
			if after := b.known(); after != before {
				t.Errorf("something changed:\n%s\n%s", before, after)
			}
			b.e.s.Receive([]byte("more"))
			if a := b.e.s.Next(); a != nil {
				t.Errorf("after the end it still wants %T", a)
			}
		})
	}
}
