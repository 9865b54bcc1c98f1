package engine

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/kpi"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/packs"
	"github.com/vungxa/vungxa/node/schema"
	"github.com/vungxa/vungxa/node/store"
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
	*Engine
	t      *testing.T
	key    ed25519.PrivateKey
	device crdt.Device
	role   identity.Role
	dir    string
	now    time.Time
	store  *store.Store
	others map[crdt.Device]identity.Role
}

var testNow = time.Date(2026, 11, 23, 9, 0, 0, 0, time.FixedZone("", 7*3600))

func testEngine(t *testing.T, name string, role identity.Role, others map[crdt.Device]identity.Role) *peer {
	t.Helper()
	seed := sha256.Sum256([]byte(name))
	key := ed25519.NewKeyFromSeed(seed[:])
	p := &peer{
		t: t, key: key, device: identity.DeviceOf(key.Public().(ed25519.PublicKey)), role: role,
		dir: t.TempDir(), now: testNow, others: others,
	}
	others[p.device] = role
	p.open()
	t.Cleanup(p.close)
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
	if p.store, err = store.Open(p.dir, store.Options{Log: slog.New(slog.DiscardHandler)}); err != nil {
		p.t.Fatal(err)
	}
	p.Engine, err = Open(Config{
		Store: p.store, Pack: pack, Device: p.device, Role: p.role, Scopes: []crdt.Scope{testScope},
		Sign:   func(m []byte) []byte { return ed25519.Sign(p.key, m) },
		RoleOf: func(d crdt.Device) (identity.Role, bool) { r, ok := p.others[d]; return r, ok },
		Now:    func() time.Time { return p.now },
		Rand:   rand.NewChaCha8(sha256.Sum256(p.device[:])),
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.settle()
}

func (p *peer) close() {
	if p.store == nil {
		return
	}
	if err := p.Engine.Close(); err != nil {
		p.t.Error(err)
	}
	if err := p.store.Close(); err != nil {
		p.t.Error(err)
	}
	p.store = nil
}

// settle waits until the figures have been read.
func (p *peer) settle() {
	<-p.figures.done
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
			s, err := q.Segment(log, at)
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
	if err := r.Sign(func(m []byte) []byte { return ed25519.Sign(p.key, m) }); err != nil {
		p.t.Fatal(err)
	}
	return r
}

func TestSaveIsThereAfterReopening(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	id := p.create(map[string]any{"subject": "Khai sinh", "received": testNow.UnixMilli()})
	before := p.get(id)
	p.close()
	p.open()
	after := p.get(id)
	if after.Values["subject"] != "Khai sinh" || after.Version != before.Version || after.CreatedMS != testNow.UnixMilli() {
		t.Errorf("after reopening: %+v; before: %+v", after, before)
	}
	if code, _ := after.Values["code"].(string); code != TemporaryCode(id) {
		t.Errorf("code %q; want the temporary %q", code, TemporaryCode(id))
	}
	p.now = testNow.Add(-time.Hour) // the clock was set back
	p.edit(id, "", map[string]any{"subject": "Khai tử"})
	if v := p.get(id); v.Values["subject"] != "Khai tử" || len(v.Cells["subject"].Siblings) != 1 {
		t.Errorf("an edit under a clock that was set back: %+v", v.Cells["subject"])
	}
}

func TestBothValuesSurvive(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	id := box.create(map[string]any{"subject": "Chung", "state": "open"})
	laptop.pull(box)
	box.now = testNow.Add(time.Minute)
	box.edit(id, "", map[string]any{"subject": "Của hộp"})
	laptop.edit(id, "", map[string]any{"subject": "Của máy tính", "state": "done"})
	laptop.pull(box)
	box.pull(laptop)
	for name, p := range map[string]*peer{"box": box, "laptop": laptop} {
		v := p.get(id)
		cell := v.Cells["subject"]
		if len(cell.Siblings) != 2 || !cell.Conflict || v.Values["subject"] != "Của hộp" {
			t.Errorf("%s: siblings %+v; want both, the box's later one shown", name, cell.Siblings)
		}
		if v.Values["state"] != "done" || len(v.Conflicts) != 1 {
			t.Errorf("%s: state %v, conflicts %v; want done and the subject's", name, v.Values["state"], v.Conflicts)
		}
		if n := p.search(Query{Conflicted: true}).Total; n != 1 {
			t.Errorf("%s: %d records to settle; want 1", name, n)
		}
	}
	laptop.edit(id, laptop.get(id).Version, map[string]any{"subject": "Của máy tính"})
	box.pull(laptop)
	if v := box.get(id); len(v.Conflicts) != 0 || v.Values["subject"] != "Của máy tính" {
		t.Errorf("after settling: %v, conflicts %v", v.Values["subject"], v.Conflicts)
	}
	if n := box.search(Query{Conflicted: true}).Total; n != 0 {
		t.Errorf("%d records to settle after settling; want 0", n)
	}
}

// An officer supersedes what the form showed, and nothing that arrived since.
func TestWhatWasNotSeenIsNotOverwritten(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	id := box.create(map[string]any{"subject": "Đầu"})
	laptop.pull(box)
	form := box.get(id).Version
	laptop.edit(id, "", map[string]any{"subject": "Từ xa"})
	box.pull(laptop)
	box.edit(id, form, map[string]any{"subject": "Từ biểu mẫu cũ"})
	if cell := box.get(id).Cells["subject"]; len(cell.Siblings) != 2 || !cell.Conflict {
		t.Errorf("siblings %+v; want both values", cell.Siblings)
	}
}

func TestSegmentsThatDoNotFit(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	var segments []*wire.Segment
	for i := range 3 {
		box.create(map[string]any{"subject": "Việc", "state": "open"})
		heads, err := box.Heads(testScope)
		if err != nil {
			t.Fatal(err)
		}
		for log := range heads {
			s, err := box.Segment(log, uint64(i))
			if err != nil || s == nil {
				t.Fatal(s, err)
			}
			segments = append(segments, s)
		}
	}
	ctx := context.Background()
	if err := laptop.Ingest(ctx, segments[1:2]); err == nil {
		t.Error("a segment after a gap was taken")
	}
	for range 2 { // the second time all of it is held
		if err := laptop.Ingest(ctx, segments); err != nil {
			t.Fatal(err)
		}
	}
	if n := laptop.search(Query{}).Total; n != 3 {
		t.Errorf("%d records; want 3", n)
	}

	// The box loses its disk and writes another history under the same name.
	twin := testEngine(t, "box", identity.RoleBox, others)
	twin.create(map[string]any{"subject": "Lịch sử khác"})
	if err := laptop.Ingest(ctx, must(twin.segmentsAll())); err == nil {
		t.Error("another branch of a log was taken")
	}
	if n := laptop.search(Query{}).Total; n != 3 {
		t.Errorf("%d records after a refused fork; want 3", n)
	}
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

// A store that was rolled back meets its own saves at a peer: it takes them back
// and goes on under another incarnation.
func TestRolledBackStoreBeginsANewIncarnation(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	box.create(map[string]any{"subject": "Một"})
	laptop.pull(box)
	box.close()
	box.dir = t.TempDir() // the disk is gone; the seeded draw gives the same incarnation
	box.open()
	box.pull(laptop)
	box.create(map[string]any{"subject": "Hai"})
	laptop.pull(box)
	for name, p := range map[string]*peer{"box": box, "laptop": laptop} {
		if n := p.search(Query{}).Total; n != 2 {
			t.Errorf("%s: %d records; want 2", name, n)
		}
	}
}

func TestTicksMoveWithReceipts(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	hub := testEngine(t, "hub", identity.RoleHub, others)
	id := laptop.create(map[string]any{"subject": "Việc"})
	want := func(p *peer, tick Tick) {
		t.Helper()
		if got := p.get(id).Tick; got != tick {
			t.Errorf("tick %v; want %v", got, tick)
		}
		for _, other := range []Tick{Here, Office, Province} {
			n := 0
			if other == tick {
				n = 1
			}
			if got := p.search(Query{Tick: &other}).Total; got != n {
				t.Errorf("%d records with tick %v; want %d", got, other, n)
			}
		}
	}
	want(laptop, Here)
	box.pull(laptop)
	want(laptop, Here)
	want(box, Office)
	if err := laptop.StoreReceipt(box.receipt()); err != nil {
		t.Fatal(err)
	}
	want(laptop, Office)
	if n, oldest, err := laptop.Unsent(); n != 1 || oldest == nil || *oldest != testNow.UnixMilli() || err != nil {
		t.Errorf("unsent %d, oldest %v, %v; want 1 of %d", n, oldest, err, testNow.UnixMilli())
	}
	if err := hub.ApplySegments(7, must(box.segmentsAll())); err != nil {
		t.Fatal(err)
	}
	if index, err := hub.Applied(); index != 7 || err != nil {
		t.Errorf("applied %d, %v; want 7", index, err)
	}
	want(hub, Province)
	received := hub.receipt()
	if err := laptop.StoreReceipt(received); err != nil {
		t.Fatal(err)
	}
	want(laptop, Province)
	laptop.edit(id, "", map[string]any{"state": "done"})
	want(laptop, Here)
	laptop.close()
	laptop.open()
	want(laptop, Here)
	if n, _, err := laptop.Unsent(); n != 1 || err != nil {
		t.Errorf("unsent %d, %v after an edit; want 1", n, err)
	}
}

func TestSearch(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	day := func(n int) int64 { return testNow.AddDate(0, 0, n).UnixMilli() }
	p.create(map[string]any{"subject": "Đăng ký khai sinh", "state": "open", "received": day(-3), "due": day(-1)})
	p.create(map[string]any{"subject": "Chứng thực bản sao", "state": "done", "received": day(-2), "due": day(1), "resolved": day(-1)})
	p.create(map[string]any{"subject": "Đăng ký khai tử", "state": "open", "received": day(-1), "due": day(2)})
	p.create(map[string]any{"subject": "Không rõ ngày"})
	p.create(map[string]any{"subject": "Ngược ngày", "received": day(-1), "resolved": day(-2)})
	here := Here
	for name, c := range map[string]struct {
		q    Query
		want []string
	}{
		"newest first, undated last": {Query{}, []string{"*", "*", "Chứng thực bản sao", "Đăng ký khai sinh", "Không rõ ngày"}},
		"oldest first, undated last": {Query{SortField: "received"}, []string{"Đăng ký khai sinh", "Chứng thực bản sao", "*", "*", "Không rõ ngày"}},
		"text without diacritics":    {Query{Text: "DANG ky khai", SortField: "subject"}, []string{"Đăng ký khai sinh", "Đăng ký khai tử"}},
		"the last word grows":        {Query{Text: "khai si"}, []string{"Đăng ký khai sinh"}},
		"an earlier word is whole":   {Query{Text: "kha sinh"}, nil},
		"a code":                     {Query{Filters: []Filter{{"state", Equal, "done"}}}, []string{"Chứng thực bản sao"}},
		"no code":                    {Query{Filters: []Filter{{"state", Missing, nil}}, SortField: "subject"}, []string{"Không rõ ngày", "Ngược ngày"}},
		"from a moment":              {Query{Filters: []Filter{{"due", From, day(1)}}}, []string{"Đăng ký khai tử", "Chứng thực bản sao"}},
		"to a moment":                {Query{Filters: []Filter{{"due", To, day(1)}}}, []string{"Chứng thực bản sao", "Đăng ký khai sinh"}},
		"open":                       {Query{Open: true}, []string{"Đăng ký khai tử", "Đăng ký khai sinh"}},
		"overdue":                    {Query{Overdue: true}, []string{"Đăng ký khai sinh"}},
		"flagged":                    {Query{Flagged: true}, []string{"Ngược ngày"}},
		"both conditions":            {Query{Open: true, Tick: &here, Text: "khai"}, nil}, // on a box all is at the office
	} {
		t.Run(name, func(t *testing.T) {
			whole := p.search(c.q)
			if whole.Total != len(c.want) || len(whole.Items) != len(c.want) {
				t.Fatalf("%d of %d records; want %d", len(whole.Items), whole.Total, len(c.want))
			}
			c.q.Limit = 1
			for i, want := range c.want {
				page := p.search(c.q)
				if page.Items[0].ID != whole.Items[i].ID {
					t.Errorf("page %d differs from the whole list", i)
				}
				if want != "*" && page.Items[0].Values["subject"] != want {
					t.Errorf("place %d: %v; want %s", i, page.Items[0].Values["subject"], want)
				}
				if (page.Next == "") != (i == len(c.want)-1) {
					t.Errorf("place %d of %d: next %q", i, len(c.want), page.Next)
				}
				c.q.Cursor = page.Next
			}
		})
	}
}

func TestRefusedSavesLeaveNothing(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	for name, c := range map[string]struct {
		change Change
		code   node.Code
	}{
		"no such collection":  {Change{Collection: "none"}, node.NotFound},
		"no required field":   {Change{Collection: "cases", Values: map[string]any{"state": "open"}}, node.Invalid},
		"no such field":       {Change{Collection: "cases", Values: map[string]any{"subject": "x", "none": "y"}}, node.Invalid},
		"no such record":      {Change{Collection: "cases", Record: &crdt.RecordID{1}, Values: map[string]any{"state": "open"}}, node.NotFound},
		"an unread version":   {Change{Collection: "cases", Seen: "!", Values: map[string]any{"subject": "x"}}, node.Invalid},
		"more than one entry": {Change{Collection: "cases", Values: map[string]any{"subject": string(bytes.Repeat([]byte("x"), 70<<10))}}, node.TooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			good := Change{Collection: "cases", Values: map[string]any{"subject": "Tốt"}}
			_, err := p.Save(context.Background(), Save{Officer: "a", Class: crdt.ClassRecords, Changes: []Change{good, c.change}})
			if node.CodeOf(err) != c.code {
				t.Errorf("got %v; want %s", err, c.code)
			}
			if n := p.search(Query{}).Total; n != 0 {
				t.Errorf("%d records after a refused save; want 0", n)
			}
		})
	}
	hub := testEngine(t, "hub", identity.RoleHub, map[crdt.Device]identity.Role{})
	if _, err := hub.Save(context.Background(), Save{Changes: []Change{{Collection: "cases"}}}); node.CodeOf(err) != node.ReadOnly {
		t.Errorf("a save on a hub: %v; want read_only", err)
	}
}

func TestUpsert(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	row := Row{Key: "17", Values: map[string]any{"subject": "Rác", "received": testNow.UnixMilli(), "resolved": testNow.UnixMilli() - 1, "source": "17"}}
	put := func(dry bool, rows ...Row) []Outcome {
		t.Helper()
		o, err := p.Upsert(context.Background(), "nhập", "cases", rows, dry)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	if o := put(true, row); !o[0].Created || len(o[0].Flags) != 1 || p.search(Query{}).Total != 0 {
		t.Errorf("dry run: %+v; want created and flagged, and nothing stored", o)
	}
	if o := put(false, row); !o[0].Created || len(o[0].Flags) != 1 {
		t.Errorf("first: %+v; want created and flagged", o)
	}
	id := crdt.RefByKey(testScope, "cases", "17").ID()
	p.edit(id, "", map[string]any{"subject": "Rác thải"})
	before := p.get(id).Version
	if o := put(false, row); o[0].Created || o[0].Changed || p.get(id).Version != before {
		t.Errorf("again: %+v; want nothing, and the officer's edit kept", o)
	}
	row.Values["state"] = "done"
	if o := put(false, row); !o[0].Changed || p.get(id).Values["state"] != "done" {
		t.Errorf("the source says more: %+v", o)
	}
	if o := put(false, Row{Key: "18", Values: map[string]any{}}, Row{Key: "19", Values: map[string]any{"subject": "x"}}, Row{Key: "19", Values: map[string]any{"subject": "y"}}); o[0].Err == nil || !o[1].Created || o[2].Err == nil {
		t.Errorf("a bad row, a good one and its double: %+v", o)
	}
	if n := p.search(Query{}).Total; n != 2 {
		t.Errorf("%d records; want 2", n)
	}
}

// A log longer than a segment and than a transaction arrives whole.
func TestLongLogsTravelInSegments(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	for i := range 40 {
		var rows []Row
		for j := range 20 {
			key := string(rune('a'+i%26)) + string(rune('0'+i/26)) + string(rune('a'+j))
			rows = append(rows, Row{Key: key, Values: map[string]any{"subject": string(bytes.Repeat([]byte(key), 200))}})
		}
		if _, err := box.Upsert(context.Background(), "nhập", "cases", rows, false); err != nil {
			t.Fatal(err)
		}
	}
	laptop.pull(box)
	if n := laptop.search(Query{}).Total; n != 800 {
		t.Errorf("%d records arrived; want 800", n)
	}
	a, b := box.receipt(), laptop.receipt()
	if len(a.Heads) != 1 || a.Heads[0] != b.Heads[0] {
		t.Errorf("heads %v and %v; want the same", a.Heads, b.Heads)
	}
}

func TestFiguresFollowAndAreRebuilt(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	id := p.create(map[string]any{"subject": "Việc", "received": testNow.UnixMilli(), "due": testNow.Add(time.Hour).UnixMilli()})
	want := func(received, open, overdue, resolved int64) {
		t.Helper()
		answer, err := p.KPIs(0)
		if err != nil || !answer.Ready {
			t.Fatalf("not ready: %v", err)
		}
		for m, n := range map[kpi.Measure]int64{kpi.Received: received, kpi.Open: open, kpi.Overdue: overdue, kpi.Resolved: resolved} {
			if v, ok := answer.Sets[0].Figures.Get(m); !ok || v.Num != n {
				t.Errorf("%v: %v, %v; want %d", m, v.Num, ok, n)
			}
		}
	}
	want(1, 1, 0, 0)
	p.now = testNow.Add(2 * time.Hour)
	want(1, 1, 1, 0)
	p.close()
	p.open()
	want(1, 1, 1, 0)
	p.now = testNow.AddDate(1, 0, 0) // the clock leaps ahead, and is put right
	want(0, 1, 1, 0)
	p.now = testNow.Add(time.Minute)
	if _, err := p.KPIs(0); err != nil {
		t.Fatal(err)
	}
	p.settle()
	want(1, 1, 0, 0)
	p.now = testNow.Add(2 * time.Hour)
	p.edit(id, "", map[string]any{"resolved": p.now.UnixMilli()})
	want(1, 0, 0, 1)
}

// The fullest entry that there can be, every word of every record replaced by
// another, fits one transaction of the store: on a hub, one that did not would
// stop the province.
func TestFullestEntryFitsATransaction(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	words := func(first int) string {
		var b bytes.Buffer
		for i := range schema.MaxTokens {
			fmt.Fprintf(&b, "%x ", first+i)
		}
		return b.String()
	}
	for round := range 2 {
		var rows []Row
		for i := range crdt.MaxRecords {
			rows = append(rows, Row{Key: fmt.Sprint(i), Values: map[string]any{"subject": "x", "note": words(1000 + 300*(i+round))}})
		}
		if _, err := p.Upsert(context.Background(), "nhập", "cases", rows, false); err != nil {
			t.Fatal(err)
		}
	}
	pack, err := packs.Commune()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range pack.Collections {
		if keys := crdt.MaxRecords * 2 * (schema.MaxTokens + 2*len(c.Fields) + 3); keys > store.MaxKeys {
			t.Errorf("%s: an entry may write %d index rows; a transaction takes %d", c.ID, keys, store.MaxKeys)
		}
	}
}

// Records are found by the pack of today, whichever was there when they came.
func TestAnotherPackMakesTheIndexAnew(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	box.create(map[string]any{"subject": "Khai sinh", "note": "hai bản"})
	laptop.close()
	other := strings.ReplaceAll(testPack, "id: cases", "id: others")
	laptop.openWith(other)
	laptop.pull(box) // of a collection that it doesn't know
	laptop.close()
	laptop.open()
	for name, q := range map[string]Query{"all": {}, "word": {Text: "khai"}, "another field's word": {Text: "ban"}} {
		if n := laptop.search(q).Total; n != 1 {
			t.Errorf("%s: %d records; want 1", name, n)
		}
	}
	laptop.close()
	laptop.openWith(strings.Replace(testPack, "lww, search: true}\n      - {id: 7", "lww}\n      - {id: 7", 1))
	if n, all := laptop.search(Query{Text: "ban"}).Total, laptop.search(Query{}).Total; n != 0 || all != 1 {
		t.Errorf("a field that is searched no more: %d found, %d in all; want 0 and 1", n, all)
	}
}

func TestDueNowIsNotOverdue(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	p.create(map[string]any{"subject": "Việc", "received": testNow.UnixMilli() - 1, "due": testNow.UnixMilli()})
	if n := p.search(Query{Overdue: true}).Total; n != 0 {
		t.Errorf("%d overdue at the due moment; want 0", n)
	}
	p.now = testNow.Add(time.Millisecond)
	if n := p.search(Query{Overdue: true}).Total; n != 1 {
		t.Errorf("%d overdue past the due moment; want 1", n)
	}
}

func TestACursorOfAnotherListIsRefused(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	for range 2 {
		p.create(map[string]any{"subject": "Việc", "received": testNow.UnixMilli()})
	}
	next := p.search(Query{SortField: "subject", Limit: 1}).Next
	_, err := p.Search(context.Background(), Query{Collection: "cases", SortField: "received", Cursor: next, Limit: 1})
	if node.CodeOf(err) != node.Invalid {
		t.Errorf("a cursor of the list by subject in the list by received: %v; want invalid", err)
	}
}

func TestAnOlderReceiptIsPassedOver(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	box.create(map[string]any{"subject": "Một"})
	older := box.receipt()
	box.create(map[string]any{"subject": "Hai"})
	for _, r := range []*identity.Receipt{box.receipt(), older} {
		if err := laptop.StoreReceipt(r); err != nil {
			t.Fatal(err)
		}
	}
	held, err := laptop.Receipts(testScope)
	if err != nil || len(held) != 1 || held[0].Heads[0].Head.Seq != 2 {
		t.Errorf("held %v, %v; want the newer alone", held, err)
	}
}

// What is saved while the records are being read is counted when they are.
func TestFiguresCountWhatWaited(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	p.figures.mu.Lock()
	p.figures.ready = false
	p.figures.mu.Unlock()
	p.create(map[string]any{"subject": "Việc", "received": testNow.UnixMilli()})
	if answer, err := p.KPIs(0); answer.Ready || err != nil {
		t.Fatalf("ready %v, %v; want not yet", answer.Ready, err)
	}
	p.figures.finish(nil)
	answer, err := p.KPIs(0)
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := answer.Sets[0].Figures.Get(kpi.Received); !ok || v.Num != 1 {
		t.Errorf("received %v, %v; want 1", v.Num, ok)
	}
}

// The digest follows what the source says: its newest row, again, changes nothing.
func TestUpsertRemembersTheNewestRow(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	put := func(subject string) Outcome {
		t.Helper()
		o, err := p.Upsert(context.Background(), "nhập", "cases", []Row{{Key: "17", Values: map[string]any{"subject": subject}}}, false)
		if err != nil {
			t.Fatal(err)
		}
		return o[0]
	}
	put("Rác")
	id := put("Rác nhiều").Record
	p.edit(id, "", map[string]any{"subject": "Rác thải"})
	if o := put("Rác nhiều"); o.Changed || p.get(id).Values["subject"] != "Rác thải" {
		t.Errorf("again: %+v, %v; want nothing, and the officer's edit kept", o, p.get(id).Values["subject"])
	}
}

func TestTheIndexOfHeldSegmentsIsKept(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, hub := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "hub", identity.RoleHub, others)
	box.create(map[string]any{"subject": "Việc"})
	for index := range uint64(2) {
		if err := hub.ApplySegments(7+index, must(box.segmentsAll())); err != nil {
			t.Fatal(err)
		}
	}
	if index, err := hub.Applied(); index != 8 || err != nil {
		t.Errorf("applied %d, %v; want 8", index, err)
	}
}

// The first new entry names the one before it: another branch is seen there too.
func TestAForkBeforeTheSegmentIsRefused(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	laptop := testEngine(t, "laptop", identity.RoleLaptop, others)
	box, twin := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "box", identity.RoleBox, others)
	box.create(map[string]any{"subject": "Một"})
	laptop.pull(box)
	twin.create(map[string]any{"subject": "Lịch sử khác"})
	for _, head := range twin.receipt().Heads {
		twin.create(map[string]any{"subject": "Hai"})
		twin.receipt() // seals
		s, err := twin.Segment(head.Log, 1)
		if err != nil || s == nil {
			t.Fatal(s, err)
		}
		if err := laptop.Ingest(context.Background(), []*wire.Segment{s}); !errors.Is(err, ErrFork) {
			t.Errorf("the second entry of another branch: %v; want ErrFork", err)
		}
	}
}
