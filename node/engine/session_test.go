package engine

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
)

// town is engines on real stores, and lines in memory between them.
type town struct {
	t         *testing.T
	authority ed25519.PrivateKey
	nodes     []*townsman
	partly    bool // meetings may end with a log held back: one has compacted what the other lacks
}

// townsman is an engine with what its device says of itself, and what it remembers of
// others.
type townsman struct {
	*peer
	certificate []byte
	claims      identity.Claims
	directory   *identity.Directory
	memory      map[string][]byte // by the name of the place at the line's other end
	place       string
	root        ed25519.PublicKey
}

func newTown(t *testing.T) *town {
	seed := sha256.Sum256([]byte("authority"))
	return &town{t: t, authority: ed25519.NewKeyFromSeed(seed[:])}
}

// join makes a peer one of the town.
func (w *town) join(place string, p *peer) *townsman {
	w.t.Helper()
	seed := sha256.Sum256(append([]byte("peer key"), p.device[:]...))
	peerKey := identity.Public(ed25519.NewKeyFromSeed(seed[:]))
	claims := identity.Claims{
		Issuer: "town", Name: "máy", ID: [16]byte(p.device), Device: p.device, Role: p.role, Scopes: []crdt.Scope{testScope},
		SealKey: identity.Public(p.key), PeerKey: peerKey,
	}
	n := &townsman{peer: p, claims: claims, memory: map[string][]byte{}, place: place, root: identity.Public(w.authority)}
	var err error
	if n.certificate, err = identity.Issue(w.authority, claims); err == nil {
		if n.directory, err = identity.New(identity.Public(w.authority)); err == nil {
			_, err = n.directory.Add(n.certificate)
		}
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.nodes = append(w.nodes, n)
	return n
}

// side is one end of a line.
type side struct {
	*townsman
	s     *reconcile.Session
	far   *side
	in    [][]byte
	bytes int
	dirty bool // something was stored since the view was read
	why   *reconcile.Refusal
}

func (n *townsman) view() reconcile.View {
	n.t.Helper()
	for {
		heads, err := n.Heads(testScope)
		if err != nil {
			n.t.Fatal(err)
		}
		receipts, err := n.Receipts(testScope)
		if err != nil {
			n.t.Fatal(err)
		}
		h := reconcile.Holding{Heads: heads, Receipts: receipts}
		owed, owes := h.Owes(n.device)
		if !owes {
			return reconcile.View{testScope: h}
		}
		r := &identity.Receipt{Signer: n.device, Scope: testScope, Heads: owed}
		if n.role == identity.RoleHub {
			r.HubEpoch, r.Index = 1, 1
		}
		if err := errors.Join(r.Sign(func(m []byte) []byte { return ed25519.Sign(n.key, m) }), n.StoreReceipt(r)); err != nil {
			n.t.Fatal(err)
		}
	}
}

func (n *townsman) begin(with *townsman) *side {
	n.t.Helper()
	c := reconcile.Config{
		Root: n.root, Own: n.certificate, Scopes: n.claims.Scopes, PeerKey: with.claims.PeerKey, Peer: with.device, Known: n.directory.Certificate,
	}
	if b := n.memory[with.place]; b != nil {
		m, err := reconcile.DecodeMemory(b)
		if err != nil {
			n.t.Fatal(err)
		}
		c.Memory = m
	}
	s, err := reconcile.New(c, n.view())
	if err != nil {
		n.t.Fatal(err)
	}
	return &side{townsman: n, s: s}
}

// meet lets two nodes talk until neither has anything to say, or until so many frames
// have crossed, and gives the bytes that each sent.
func (w *town) meet(a, b *townsman, frames int) (sent [2]int) {
	w.t.Helper()
	x, y := a.begin(b), b.begin(a)
	x.far, y.far = y, x
	for turn := 0; ; turn++ {
		if turn > 10_000 {
			w.t.Fatalf("%s and %s never come to rest", a.place, b.place)
		}
		moved := x.act(&frames)
		moved = y.act(&frames) || moved
		for _, e := range []*side{x, y} {
			if len(e.in) > 0 && e.why == nil {
				frame := e.in[0]
				e.in = e.in[1:]
				e.s.Receive(frame, len(e.in) > 0)
				e.act(&frames)
				moved = true
			} else if e.why == nil && e.dirty {
				e.dirty, moved = false, true
				e.s.Changed(e.townsman.view())
			}
		}
		if !moved || frames <= 0 {
			break
		}
	}
	for _, e := range []*side{x, y} {
		if e.why != nil {
			w.t.Fatalf("%s with %s: %v", e.place, e.far.place, e.why)
		}
		m, _ := e.s.End()
		var err error
		if e.memory[e.far.place], err = m.Encode(); err != nil {
			w.t.Fatal(err)
		}
	}
	if frames > 0 && !w.partly && (!x.s.Met() || !y.s.Met() || x.s.HeldCount()+y.s.HeldCount() > 0) {
		w.t.Fatalf("%s and %s don't know that they hold the same: %v, %v; held back %v, %v",
			a.place, b.place, x.s.Met(), y.s.Met(), x.s.HeldBack(), y.s.HeldBack())
	}
	return [2]int{x.bytes, y.bytes}
}

// act does what the session wants, and says whether that was anything.
func (e *side) act(frames *int) (moved bool) {
	e.t.Helper()
	for a := e.s.Next(); a != nil; a = e.s.Next() {
		moved = true
		var err error
		switch a := a.(type) {
		case reconcile.Send:
			for _, f := range a.Frames {
				e.bytes += len(f)
				if *frames--; *frames >= 0 {
					e.far.in = append(e.far.in, f)
				}
			}
			e.s.Written()
		case reconcile.Read:
			var s *wire.Segment
			if s, err = e.Segment(a.Log, a.After, a.UpTo); errors.Is(err, reconcile.ErrCompacted) {
				err = nil
				e.s.Dropped()
				break
			}
			e.s.Segment(s)
		case reconcile.Look:
			var hashes []crdt.Hash
			for _, p := range a.At {
				var h crdt.Hash
				h, _, err = e.HashAt(p.Log, p.Seq)
				hashes = append(hashes, h)
			}
			e.s.Hashes(hashes)
		case reconcile.Base:
			var b []byte
			var salt *wire.Salt
			if b, err = e.Entry(a.At.Log, a.At.Seq); err == nil {
				salt, err = e.Salt(a.At.Log, wire.Span(a.At.Seq))
			}
			e.s.Based(b, salt)
		case reconcile.Ingest:
			e.learn(a.Certificate)
			if err = e.Ingest(e.t.Context(), []*wire.Segment{a.Segment}); errors.Is(err, ErrBranch) {
				err = nil
			}
			e.dirty = true
			e.s.Stored()
		case reconcile.Keep:
			e.learn(a.Certificate)
			if a.Receipt != nil {
				err = e.StoreReceipt(a.Receipt)
			}
			e.dirty = true
			e.s.Stored()
		case reconcile.Stage:
			e.s.Kept()
		case reconcile.Seek:
			e.s.Sought(nil)
		case reconcile.Close:
			e.why = a.Refusal
			return true
		}
		if err != nil {
			e.t.Fatalf("%s: %v", e.place, err)
		}
	}
	return moved
}

func (e *side) learn(cert []byte) {
	if cert != nil {
		if _, err := e.directory.Add(cert); err != nil {
			e.t.Fatal(err)
		}
	}
}

// A copied disk: two machines write two histories of each log under one name, and meet a
// laptop and a province in whatever order, with lines that are cut and starts in between.
// In the end all hold both branches, show the same, and say so in two frames.
func TestBothBranchesTravel(t *testing.T) {
	for seed := range uint64(*histories) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 3))
			others := map[crdt.Device]identity.Role{}
			box := testEngine(t, "box", identity.RoleBox, others)
			id := box.create(map[string]any{"subject": "Chung"})
			for i := range r.IntN(30) {
				box.edit(id, "", map[string]any{"note": fmt.Sprint("chung ", i)})
			}
			box.receipt()
			w := newTown(t)
			laptop := w.join("laptop", testEngine(t, "laptop", identity.RoleLaptop, others))
			hub := w.join("hub", testEngine(t, "hub", identity.RoleHub, others))
			knows := w.join("box", box)
			if seed%2 == 0 { // the laptop knew the box before
				w.meet(laptop, knows, toTheEnd)
			}
			copied := box.twin()
			twin := w.join("twin", copied)
			maps.Copy(twin.memory, knows.memory)
			twin.directory = knows.directory
			writers := []*townsman{knows, twin, laptop}
			lines := [][2]*townsman{{laptop, knows}, {laptop, twin}, {hub, knows}, {hub, twin}, {laptop, hub}}
			saves := 0
			for range 25 {
				switch r.IntN(5) {
				case 0, 1:
					n := writers[r.IntN(len(writers))]
					for range 1 + r.IntN(3) {
						saves++
						n.create(map[string]any{"subject": fmt.Sprint("việc ", saves), "note": fmt.Sprint(n.place, " ", saves)})
						n.receipt() // seals, so that branches come in pieces
					}
				case 2:
					n := w.nodes[r.IntN(len(w.nodes))]
					n.close()
					n.open()
				case 3:
					l := lines[r.IntN(len(lines))]
					w.meet(l[0], l[1], 1+r.IntN(8))
				default:
					l := lines[r.IntN(len(lines))]
					w.meet(l[0], l[1], toTheEnd)
				}
			}
			knows.edit(id, "", map[string]any{"subject": "Nhánh một"})
			twin.edit(id, "", map[string]any{"subject": "Nhánh hai"})
			for range 3 {
				for _, l := range lines {
					w.meet(l[0], l[1], toTheEnd)
				}
			}
			want := fmt.Sprint(w.nodes[0].view()[testScope].Heads)
			for _, n := range w.nodes {
				if got := fmt.Sprint(n.view()[testScope].Heads); got != want {
					t.Errorf("%s holds\n%s\nthe laptop\n%s", n.place, got, want)
				}
				if n.stateHash() != w.nodes[0].stateHash() {
					t.Errorf("%s shows something else than the laptop", n.place)
				}
				n.sound()
			}
			for _, l := range lines {
				// A resume is 23 bytes while its counts are below 24, and a few more later.
				if sent := w.meet(l[0], l[1], toTheEnd); sent[0] < 23 || sent[0] > 25 || sent[1] < 23 || sent[1] > 25 {
					t.Errorf("%s and %s: an idle contact is %d bytes; want 23 and 23", l[0].place, l[1].place, sent)
				}
			}
		})
	}
}

// testPackNewer has a field and a collection more.
var testPackNewer = strings.NewReplacer(
	"version: 1", "version: 2", "source, note]}]", "source, note, hamlet]}]", "    checks:\n",
	"      - {id: 9, name: hamlet, label: {vi: Thôn, en: Hamlet}, type: text, kind: assign, policy: lww, search: true}\n    checks:\n",
).Replace(testPack) + `
  - id: visits
    label: {vi: Lượt đến, en: Visits}
    title: subject
    columns: [subject]
    sort: {field: subject, desc: true}
    sections: [{label: {vi: Chung, en: General}, fields: [subject]}]
    fields:
      - {id: 1, name: subject, label: {vi: Việc, en: Subject}, type: text, required: true, kind: assign, policy: lww, search: true, sortable: true}
`

// What a newer pack writes goes through a node with the older one, which knows neither the
// field nor the collection: kept, passed on, signed for, and shown once that node has the
// newer pack too. What that node writes meanwhile takes nothing of it away.
func TestANewerPackIsKeptAndForwarded(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	begin := func(name string, role identity.Role, pack string) *peer {
		p := newPeer(t, name, role, t.TempDir(), others)
		p.openWith(pack)
		t.Cleanup(p.close)
		return p
	}
	w := newTown(t)
	laptop := w.join("laptop", begin("laptop", identity.RoleLaptop, testPackNewer))
	box := w.join("box", begin("box", identity.RoleBox, testPack))
	hub := w.join("hub", begin("hub", identity.RoleHub, testPackNewer))
	id := laptop.create(map[string]any{"subject": "Việc", "hamlet": "Thôn Đông"})
	if _, err := laptop.Save(t.Context(), Save{
		Officer: "a", Class: crdt.ClassRecords, Changes: []Change{{Collection: "visits", Values: map[string]any{"subject": "Lượt một"}}},
	}); err != nil {
		t.Fatal(err)
	}
	w.meet(laptop, box, toTheEnd)
	if v := box.get(id).Values; v["subject"] != "Việc" || v["hamlet"] != nil {
		t.Errorf("the older pack shows %v", v)
	}
	box.edit(id, "", map[string]any{"note": "bằng gói cũ"})
	for range 2 {
		w.meet(box, hub, toTheEnd)
		w.meet(laptop, box, toTheEnd)
	}
	box.close()
	box.openWith(testPackNewer)
	box.settle()
	for _, n := range w.nodes {
		if v := n.get(id).Values; v["hamlet"] != "Thôn Đông" || v["note"] != "bằng gói cũ" {
			t.Errorf("%s shows %v", n.place, v)
		}
		if page, err := n.Search(t.Context(), Query{Collection: "visits", Limit: 5}); err != nil || page.Total != 1 {
			t.Errorf("%s shows %d visits, %v", n.place, page.Total, err)
		}
		if page := n.search(Query{Text: "dong"}); page.Total != 1 {
			t.Errorf("%s finds %d records by the newer field", n.place, page.Total)
		}
		if n.stateHash() != laptop.stateHash() {
			t.Errorf("%s shows something else than the laptop", n.place)
		}
		n.sound()
	}
	if received, err := laptop.Receipts(testScope); err != nil || len(received) < 2 {
		t.Errorf("the laptop holds %d receipts, %v; want the box's and the hub's", len(received), err)
	}
	if sent := w.meet(laptop, box, toTheEnd); sent != [2]int{23, 23} {
		t.Errorf("an idle contact is %d bytes; want 23 and 23", sent)
	}
}

const toTheEnd = 1 << 30

var histories = flag.Int("histories", 4, "how many histories of a copied disk to try")
