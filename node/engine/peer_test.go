package engine

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node/attach"
	"github.com/vungxa/vungxa/node/schema"
	"github.com/vungxa/vungxa/sync/identity"
)

const testScope = crdt.Scope("c/03646")

const testPack = `
pack: {id: test, version: 1, label: {vi: Thử, en: Test}, utc_offset: "+07:00"}
code_lists:
  state:
    label: {vi: Trạng thái, en: State}
    source: test
    items:
      - {code: open, label: {vi: Mở, en: Open}}
      - {code: done, label: {vi: Xong, en: Done}}
collections:
  - id: cases
    label: {vi: Việc, en: Cases}
    title: subject
    code: code
    status: state
    key: source
    columns: [code, subject, state]
    sort: {field: received, desc: true}
    kpi: {received: received, resolved: resolved, due: due}
    sections: [{label: {vi: Chung, en: General}, fields: [code, subject, state, received, due, resolved, source, note]}]
    fields:
      - {id: 1, name: code, label: {vi: Mã, en: Code}, type: text, generated: temporary, kind: assign, policy: lww, search: true, sortable: true}
      - {id: 2, name: subject, label: {vi: Việc, en: Subject}, type: text, required: true, kind: assign, policy: review, search: true, sortable: true}
      - {id: 3, name: state, label: {vi: Trạng thái, en: State}, type: code, list: state, kind: assign, policy: lww, filter: true}
      - {id: 4, name: received, label: {vi: Nhận, en: Received}, type: datetime, kind: assign, policy: lww, sortable: true}
      - {id: 5, name: due, label: {vi: Hẹn, en: Due}, type: datetime, kind: assign, policy: lww, sortable: true}
      - {id: 6, name: resolved, label: {vi: Xong, en: Resolved}, type: datetime, kind: assign, policy: lww}
      - {id: 8, name: note, label: {vi: Ghi chú, en: Note}, type: multiline, max: 8000, kind: assign, policy: lww, search: true}
      - {id: 7, name: source, label: {vi: Nguồn, en: Source}, type: text, kind: assign, policy: lww}
    checks:
      - {id: order, order: [received, resolved], severity: flag, message: {vi: Xong trước khi nhận, en: Resolved before received}}
`

// peer is an engine with the keys and the clock of its device.
type peer struct {
	*Bare
	t        *testing.T
	key      ed25519.PrivateKey
	device   crdt.Device
	role     identity.Role
	dir      string
	erasures []Erasure // that its configuration brings
	forget   func([]attach.Hash) error
	now      time.Time
	others   map[crdt.Device]identity.Role
	opened   byte                                         // how often
	onStep   func(ctx context.Context, name string) error // of work behind the office
}

var testNow = time.Date(2026, 11, 23, 9, 0, 0, 0, time.FixedZone("", 7*3600))

func testEngine(t *testing.T, name string, role identity.Role, others map[crdt.Device]identity.Role) *peer {
	t.Helper()
	p := newPeer(t, name, role, t.TempDir(), others)
	p.open()
	t.Cleanup(p.close)
	return p
}

func newPeer(t *testing.T, name string, role identity.Role, dir string, others map[crdt.Device]identity.Role) *peer {
	seed := sha256.Sum256([]byte(name))
	key := ed25519.NewKeyFromSeed(seed[:])
	p := &peer{
		t: t, key: key, device: identity.DeviceOf(key.Public().(ed25519.PublicKey)), role: role,
		dir: dir, now: testNow, others: others,
	}
	others[p.device] = role
	return p
}

func (p *peer) open() {
	p.t.Helper()
	p.openWith(testPack)
}

func (p *peer) openWith(yaml string) {
	p.t.Helper()
	pack, err := schema.Load(fstest.MapFS{"pack.yaml": {Data: []byte(yaml)}})
	if err != nil {
		p.t.Fatal(err)
	}
	p.opened++
	p.Bare, err = OpenBare(p.dir, p.key, Config{
		Erasures: p.erasures, Forget: p.forget,
		Pack: pack, Role: p.role, Scopes: []crdt.Scope{testScope},
		RoleOf: func(d crdt.Device) (identity.Role, bool) { r, ok := p.others[d]; return r, ok },
		Now:    func() time.Time { return p.now },
		Rand:   rand.NewChaCha8(sha256.Sum256(append(p.device[:], p.opened))),
		step:   p.onStep,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	if p.onStep == nil {
		p.settle()
	}
}

func (p *peer) close() {
	if p.Bare == nil {
		return
	}
	if err := p.Close(); err != nil {
		p.t.Error(err)
	}
	p.Bare = nil
}

// settle waits until the figures have been read and the index is there.
func (p *peer) settle() {
	p.t.Helper()
	p.figures.wait()
	p.rebuild.idle()
	if err := p.rebuild.failed(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) create(values map[string]any) crdt.RecordID {
	p.t.Helper()
	ids, err := p.Save(context.Background(), Save{
		Officer: "a", Class: crdt.ClassRecords, Changes: []Change{{Collection: "cases", Values: values}},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return ids[0]
}

func (p *peer) edit(id crdt.RecordID, seen string, values map[string]any) {
	p.t.Helper()
	_, err := p.Save(context.Background(), Save{
		Officer: "a", Class: crdt.ClassRecords, Changes: []Change{{Collection: "cases", Record: &id, Seen: seen, Values: values}},
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) get(id crdt.RecordID) *View {
	p.t.Helper()
	v, err := p.Get(context.Background(), "cases", id)
	if err != nil {
		p.t.Fatal(err)
	}
	return v
}

func (p *peer) search(q Query) Page {
	p.t.Helper()
	q.Collection = "cases"
	if q.Limit == 0 {
		q.Limit = 50
	}
	page, err := p.Search(context.Background(), q)
	if err != nil {
		p.t.Fatal(err)
	}
	return page
}

// pull brings p what q has and p lacks, and gives q's device a receipt for it.
func (p *peer) pull(q *peer) {
	p.t.Helper()
	theirs, err := q.Heads(testScope)
	if err != nil {
		p.t.Fatal(err)
	}
	ours, err := p.Heads(testScope)
	if err != nil {
		p.t.Fatal(err)
	}
	for log, head := range theirs {
		for at := ours[log].Seq; at < head.Seq; {
			s, err := q.Segment(log, at, 0)
			if err != nil || s == nil {
				p.t.Fatalf("segment past %d: %v, %v", at, s, err)
			}
			if err := p.Ingest(context.Background(), []*wire.Segment{s}); err != nil {
				p.t.Fatal(err)
			}
			at = s.Last()
		}
	}
}

// receipt is p's signed statement of what it holds.
func (p *peer) receipt() *identity.Receipt {
	p.t.Helper()
	heads, err := p.Heads(testScope)
	if err != nil {
		p.t.Fatal(err)
	}
	r := &identity.Receipt{Signer: p.device, Scope: testScope}
	for log, head := range heads {
		r.Heads = append(r.Heads, identity.LogHead{Log: log, Head: head})
	}
	slices.SortFunc(r.Heads, func(a, b identity.LogHead) int { return a.Log.Compare(b.Log) })
	if err := r.Sign(func(m []byte) []byte { return ed25519.Sign(p.key, m) }); err != nil {
		p.t.Fatal(err)
	}
	return r
}

func must(s []*wire.Segment, err error) []*wire.Segment {
	if err != nil {
		panic(err)
	}
	return s
}

func (p *peer) segmentsAll() (all []*wire.Segment, err error) {
	if _, err := p.Heads(testScope); err != nil {
		return nil, err
	}
	err = p.Segments(func(s *wire.Segment) error { all = append(all, s); return nil })
	return all, err
}

// change makes one change of a record of the cases.
func (p *peer) change(c Change) {
	p.t.Helper()
	c.Collection = "cases"
	if _, err := p.Save(context.Background(), Save{Officer: "a", Class: crdt.ClassRecords, Changes: []Change{c}}); err != nil {
		p.t.Fatal(err)
	}
}
