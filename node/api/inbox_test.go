package api

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/engine"
	"github.com/vungxa/vungxa/sync/identity"
)

const petitions = "/api/v0/collections/petitions/"

func items(a *answer, name string) (all []map[string]any) {
	a.t.Helper()
	for _, i := range a.is(200).json[name].([]any) {
		all = append(all, i.(map[string]any))
	}
	return all
}

// The history tells each save: whose it was, which fields it wrote, and what each
// value replaced; in pages.
func TestHistoryOfARecord(t *testing.T) {
	o := newOffice(t)
	b := o.signIn("lan")
	r := b.create("Đường hỏng")
	path := petitions + "records/" + r["id"].(string)
	version := r["version"]
	for i := range 4 {
		o.pass(time.Minute)
		version = b.ask("PATCH", path, map[string]any{"version": version, "values": map[string]any{"NoiDung": fmt.Sprint("lần ", i)}}).is(200).json["version"]
	}
	first := b.ask("GET", path+"/history?limit=3", nil)
	saves := items(first, "saves")
	if len(saves) != 3 || first.json["total"] != 5.0 || first.json["next"] == nil || first.json["older"] != false {
		t.Fatalf("%s", first.raw)
	}
	w := saves[0]["wrote"].([]any)[0].(map[string]any)
	was := w["replaced"].([]any)[0].(map[string]any)
	if w["field"] != "NoiDung" || w["what"] != "written" || w["value"] != "lần 3" || w["stands"] != true || was["value"] != "lần 2" || was["officer"] != "Nguyễn Thị Lan" {
		t.Errorf("the newest save: %v", w)
	}
	if s := saves[0]; s["officer"] != "Nguyễn Thị Lan" || s["device_name"] != "Hộp của xã" || s["at_ms"] != float64(o.Now().UnixMilli()) || s["witnessed"] != false || s["tick"] != "office" {
		t.Errorf("whose it was: %v", s)
	}
	rest := b.ask("GET", path+"/history?limit=3&cursor="+url.QueryEscape(first.json["next"].(string)), nil)
	if s := items(rest, "saves"); len(s) != 2 || rest.json["next"] != nil || s[1]["wrote"].([]any)[0].(map[string]any)["what"] != "created" {
		t.Errorf("the second page: %s", rest.raw)
	}
	b.ask("GET", petitions+"records/"+strings.Repeat("0", 32)+"/history", nil).is(404).problem(node.NotFound)
	for _, q := range []string{"limit=0", "limit=101", "limit=x", "cursor=!", "cursor=AAAA"} {
		b.ask("GET", path+"/history?"+q, nil).is(422).problem(node.Invalid)
	}
}

// A deletion hides a record and loses nothing: it is listed as deleted, can be looked
// at, and comes back whole.
func TestDeleteAndRestore(t *testing.T) {
	o := newOffice(t)
	b := o.signIn("lan")
	r := b.create("Đường hỏng")
	path := petitions + "records/" + r["id"].(string)
	gone := b.ask("POST", path+"/delete", map[string]any{"version": r["version"]}).is(200).json
	if d := gone["deleted"].(map[string]any); d["officer"] != "Nguyễn Thị Lan" || d["device_name"] != "Hộp của xã" || gone["title"] != "Đường hỏng" {
		t.Errorf("after the deletion: %v", gone)
	}
	if p := b.ask("POST", petitions+"search", map[string]any{}).is(200).json; p["total"] != 0.0 {
		t.Errorf("%v in the list; want none", p["total"])
	}
	if got := b.ask("GET", path, nil).is(200).json; got["deleted"] == nil || got["values"].(map[string]any)["NguoiGui"] != "Lò Thị Mai" {
		t.Errorf("the deleted record reads %v", got)
	}
	list := b.ask("GET", petitions+"deleted", nil)
	if all := items(list, "items"); len(all) != 1 || list.json["total"] != 1.0 || all[0]["id"] != r["id"] || all[0]["deleted"] == nil {
		t.Errorf("the deleted: %s", list.raw)
	}
	b.ask("POST", path+"/delete", map[string]any{"version": gone["version"]}).is(404).problem(node.NotFound)
	b.ask("PATCH", path, map[string]any{"version": gone["version"], "values": map[string]any{"TraLoi": "x"}}).is(404).problem(node.NotFound)
	back := b.ask("POST", path+"/restore", map[string]any{"version": gone["version"]}).is(200).json
	if back["deleted"] != nil || back["values"].(map[string]any)["NoiDung"] != "Đường hỏng" {
		t.Errorf("restored: %v", back)
	}
	b.ask("POST", path+"/restore", map[string]any{"version": back["version"]}).is(200) // it is there already
	var what []any
	for _, s := range items(b.ask("GET", path+"/history", nil), "saves") {
		what = append(what, s["wrote"].([]any)[0].(map[string]any)["what"])
	}
	if fmt.Sprint(what) != "[restored deleted created]" {
		t.Errorf("history %v", what)
	}
}

func TestRefusedDeletions(t *testing.T) {
	o := newOffice(t)
	b := o.signIn("lan")
	r := b.create("x")
	path := petitions + "records/" + r["id"].(string)
	for _, body := range []any{map[string]any{}, map[string]any{"version": ""}, map[string]any{"version": "!!"}, map[string]any{"version": "x", "values": 1}} {
		b.ask("POST", path+"/delete", body).is(422).problem(node.Invalid)
		b.ask("POST", path+"/restore", body).is(422).problem(node.Invalid)
	}
	for _, missing := range []string{petitions + "records/" + strings.Repeat("0", 32), petitions + "records/x", "/api/v0/collections/nothing/records/x"} {
		b.ask("POST", missing+"/delete", map[string]any{"version": r["version"]}).problem(node.NotFound)
		b.ask("POST", missing+"/restore", map[string]any{"version": r["version"]}).problem(node.NotFound)
	}
	b.ask("GET", "/api/v0/collections/nothing/deleted", nil).is(404).problem(node.NotFound)
	for _, q := range []string{"limit=0", "limit=201", "cursor=!", "cursor=AAAA", "all=1"} {
		b.ask("GET", petitions+"deleted?"+q, nil).is(422).problem(node.Invalid)
	}
	if p := b.ask("POST", petitions+"search", map[string]any{}).is(200).json; p["total"] != 1.0 {
		t.Error("something was deleted all the same")
	}
}

// laptop is another device of the commune, with an engine of its own.
func (o *office) laptop() *engine.Engine {
	o.t.Helper()
	seed := sha256.Sum256([]byte("laptop"))
	bare, err := engine.OpenBare(o.t.TempDir(), ed25519.NewKeyFromSeed(seed[:]), engine.Config{
		Pack: o.pack, Role: identity.RoleLaptop, Scopes: []crdt.Scope{"c/03646"}, Now: o.Now, Rand: rand.NewChaCha8(seed),
	})
	o.must(err)
	o.t.Cleanup(func() { o.must(bare.Close()) })
	return bare.Engine
}

// carry brings one engine what the other holds and it lacks.
func (o *office) carry(from, to *engine.Engine) {
	o.t.Helper()
	theirs, err := from.Heads("c/03646")
	o.must(err)
	ours, err := to.Heads("c/03646")
	o.must(err)
	for log, head := range theirs {
		if ours[log].Seq < head.Seq {
			s, err := from.Segment(log, ours[log].Seq, 0)
			o.must(err)
			o.must(to.Ingest(context.Background(), []*wire.Segment{s}))
		}
	}
}

// The inbox tells conflicts and records that were edited after their deletion, in
// pages and by kind, and is empty when they are settled.
func TestInbox(t *testing.T) {
	o := newOffice(t)
	b := o.signIn("lan")
	laptop := o.laptop()
	var made []map[string]any
	for i := range 3 {
		made = append(made, b.create(fmt.Sprint("Việc ", i)))
	}
	o.carry(o.engine, laptop)
	edit := func(r map[string]any, field, text string) {
		id, err := crdt.ParseRecordID(r["id"].(string))
		o.must(err)
		_, err = laptop.Save(context.Background(), engine.Save{Officer: "Vàng A Páo", Class: crdt.ClassRecords, Changes: []engine.Change{
			{Collection: "petitions", Record: &id, Values: map[string]any{field: text}},
		}})
		o.must(err)
	}
	for _, r := range made[:2] {
		b.ask("POST", petitions+"records/"+r["id"].(string)+"/delete", map[string]any{"version": r["version"]}).is(200)
		edit(r, "TraLoi", "Đã trả lời")
	}
	conflicted := petitions + "records/" + made[2]["id"].(string)
	b.ask("PATCH", conflicted, map[string]any{"version": made[2]["version"], "values": map[string]any{"NoiDung": "Việc khác"}}).is(200)
	edit(made[2], "NoiDung", "Việc khác nữa")
	o.carry(laptop, o.engine)

	counts := b.ask("GET", "/api/v0/inbox/counts", nil).is(200).json
	if counts["edited"] != 2.0 || counts["conflicts"] != 1.0 || counts["late"] != 0.0 {
		t.Errorf("counts %v", counts)
	}
	var told []map[string]any
	for cursor, pages := "", 0; ; pages++ {
		a := b.ask("GET", "/api/v0/inbox?limit=1&cursor="+cursor, nil)
		told = append(told, items(a, "items")...)
		next, more := a.json["next"].(string)
		if cursor = next; !more || pages > 20 {
			break
		}
	}
	if len(told) != 3 || told[0]["kind"] != "edited" || told[2]["kind"] != "conflict" || told[0]["record"] == told[1]["record"] {
		t.Fatalf("told %v", told)
	}
	if e := told[0]; e["officer"] != "Vàng A Páo" || !strings.HasPrefix(e["title"].(string), "Việc") || e["deleted"].(map[string]any)["officer"] != "Nguyễn Thị Lan" {
		t.Errorf("an edited one: %v", e)
	}
	if c := told[2]; fmt.Sprint(c["conflicts"]) != "[NoiDung]" || c["record"] != made[2]["id"] {
		t.Errorf("the conflict: %v", c)
	}
	if only := items(b.ask("GET", "/api/v0/inbox?kind=conflict", nil), "items"); len(only) != 1 || only[0]["kind"] != "conflict" {
		t.Errorf("conflicts only: %v", only)
	}

	for i, way := range []string{"restore", "delete"} {
		path := petitions + "records/" + told[i]["record"].(string)
		if r := b.ask("GET", path, nil).is(200).json; r["edited"] != true || r["deleted"] == nil {
			t.Errorf("what a person decides by: %v", r)
		}
		b.ask("POST", path+"/"+way, map[string]any{"version": told[i]["version"]}).is(200)
	}
	now := b.ask("GET", conflicted, nil).is(200).json
	b.ask("PATCH", conflicted, map[string]any{"version": now["version"], "values": map[string]any{"NoiDung": "Việc khác"}}).is(200)
	if left := items(b.ask("GET", "/api/v0/inbox", nil), "items"); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
	if p := b.ask("POST", petitions+"search", map[string]any{}).is(200).json; p["total"] != 2.0 {
		t.Errorf("%v records; want the restored one and the settled one", p["total"])
	}
	for _, q := range []string{"limit=0", "limit=101", "kind=all", "cursor=!", "cursor=AAAA"} {
		b.ask("GET", "/api/v0/inbox?"+q, nil).is(422).problem(node.Invalid)
	}
	b.ask("POST", "/api/v0/inbox/x/dismiss", nil).is(404).problem(node.NotFound)
}

// lateEngine holds a save that came too late, which takes a hub to make; node/engine
// tests how it comes about.
type lateEngine struct {
	Engine
	gone *string
}

func (e lateEngine) Late(context.Context, string, int) ([]engine.LateSave, string, error) {
	return []engine.LateSave{{
		InboxItem: engine.InboxItem{Kind: engine.InboxLate, Collection: "petitions", Officer: "Vàng A Páo"}, ID: "abc.0",
		Wrote: []engine.Said{{Field: "NoiDung", FieldID: 2, Value: "Đường hỏng"}, {FieldID: 999, Unread: true}},
	}}, "", nil
}

func (e lateEngine) Dismiss(id string) error { *e.gone = id; return nil }

func TestALateSaveIsToldAndDismissed(t *testing.T) {
	var gone string
	o := newOffice(t, func(c *Config) { c.Engine = lateEngine{c.Engine, &gone} })
	b := o.signIn("lan")
	told := items(b.ask("GET", "/api/v0/inbox?kind=late", nil), "items")
	if len(told) != 1 || told[0]["title"] != "Đường hỏng" || fmt.Sprint(told[0]["wrote"]) != "[map[field:NoiDung value:Đường hỏng what:written] map[what:unread]]" {
		t.Fatalf("told %v", told)
	}
	o.here.info.ReadOnly = true
	b.ask("POST", "/api/v0/inbox/abc.0/dismiss", nil).is(403).problem(node.ReadOnly)
	if gone != "" {
		t.Error("a node that only shows dismissed something")
	}
	o.here.info.ReadOnly = false
	b.ask("POST", "/api/v0/inbox/abc.0/dismiss", nil).is(204)
	if gone != "abc.0" {
		t.Errorf("dismissed %q", gone)
	}
}

// forkedEngine holds two histories of three logs; node/engine tests how that comes about.
type forkedEngine struct{ Engine }

func (e forkedEngine) Forks() (all []engine.Fork, err error) {
	for i := range 3 {
		d := crdt.Device{byte(i + 1)}
		all = append(all, engine.Fork{Log: crdt.LogID{Device: d, Scope: "c1"}, Device: d, NoticedMS: int64(1000 + i), Decided: i == 2})
	}
	return all, nil
}

func TestForksAreTold(t *testing.T) {
	o := newOffice(t, func(c *Config) { c.Engine = forkedEngine{c.Engine} })
	b := o.signIn("lan")
	if counts := b.ask("GET", "/api/v0/inbox/counts", nil).is(200).json; counts["forks"] != 3.0 {
		t.Errorf("counts %v", counts)
	}
	var told []map[string]any
	for path, pages := "/api/v0/inbox?limit=2", 0; path != ""; pages++ {
		page := b.ask("GET", path, nil)
		told, path = append(told, items(page, "items")...), ""
		if next, more := page.json["next"].(string); more && pages < 3 {
			path = "/api/v0/inbox?limit=2&cursor=" + url.QueryEscape(next)
		}
	}
	if len(told) != 3 {
		t.Fatalf("told %v; want each fork once", told)
	}
	for i, f := range told {
		if f["kind"] != "fork" || f["at_ms"] != float64(1000+i) || (f["decided"] == true) != (i == 2) {
			t.Errorf("fork %d: %v", i, f)
		}
	}
	b.ask("GET", "/api/v0/inbox?kind=fork&cursor=AAAA", nil).is(422).problem(node.Invalid)
}
