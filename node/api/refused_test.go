package api

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/engine"
)

// What a peer doesn't take is told with the reason and what it says, doesn't keep other
// saves from being made, and leaves the list when it is saved again.
func TestRefusedIsToldAndSavedAgain(t *testing.T) {
	o := newOffice(t)
	b := o.signIn("lan")
	b.create("Trước")
	r := b.create("Đường hỏng")
	heads, err := o.engine.Heads("c/03646")
	o.must(err)
	var log crdt.LogID
	for l := range heads {
		log = l
	}
	o.here.mu.Lock()
	for _, peer := range []string{"Tỉnh", "Tỉnh 2"} { // two members of one hub: told once
		o.here.info.Stuck = append(o.here.info.Stuck, Stuck{
			Stuck: engine.Stuck{Log: log, UpTo: 1}, Peer: peer, Why: node.Text{VI: "Dấu niêm phong không đúng.", EN: "The seal is wrong."},
		})
	}
	o.here.mu.Unlock()
	if counts := b.ask("GET", "/api/v0/inbox/counts", nil).is(200).json; counts["refused"] != 1.0 {
		t.Errorf("counts %v", counts)
	}
	told := items(b.ask("GET", "/api/v0/inbox?kind=refused", nil), "items")
	if len(told) != 1 || told[0]["record"] != r["id"] || told[0]["title"] != "Đường hỏng" || told[0]["by"] != "Tỉnh" ||
		told[0]["why"].(map[string]any)["vi"] != "Dấu niêm phong không đúng." || !strings.Contains(fmt.Sprint(told[0]["wrote"]), "Đường hỏng") {
		t.Fatalf("told %v", told)
	}
	begun, err := o.engine.GoOnElsewhere(log)
	o.must(err)
	if !begun {
		t.Fatal("the log is gone on with")
	}
	values := map[string]any{}
	for _, w := range told[0]["wrote"].([]any) {
		if said := w.(map[string]any); said["what"] == "written" {
			values[said["field"].(string)] = said["value"]
		}
	}
	path := petitions + "records/" + r["id"].(string)
	b.ask("PATCH", path, map[string]any{"version": r["version"], "values": values}).is(200) // writes nothing: it stands there
	if left := items(b.ask("GET", "/api/v0/inbox", nil), "items"); len(left) != 1 {
		t.Errorf("left by a save that says nothing new: %v", left)
	}
	b.ask("PATCH", path, map[string]any{"version": r["version"], "values": values, "again": true}).is(200)
	if left := items(b.ask("GET", "/api/v0/inbox", nil), "items"); len(left) != 0 {
		t.Errorf("left after it was saved again: %v", left)
	}
}

// What an officer has typed and not saved, be it that the node refused it, is nowhere but
// on that officer's page: not with another officer of this box, and on no other node.
func TestNobodySeesAnothersDraft(t *testing.T) {
	o := newOffice(t)
	lan, hung := o.signIn("lan"), o.signIn("hung")
	r := lan.create("Việc chung")
	laptop := o.laptop()
	o.carry(o.engine, laptop)
	before, err := o.engine.Heads("c/03646")
	o.must(err)
	position := o.engine.Position()
	const secret = "điều Lan chưa muốn gửi"
	path := petitions + "records/" + r["id"].(string)
	for _, draft := range []map[string]any{
		{"NoiDung": secret, "NgayTiepNhan": "không phải ngày"}, // a fault beside it
		{"NoiDung": strings.Repeat(secret, 5000)},              // too long
		{"NoiDung": secret, "KhongCo": secret},                 // no such field
	} {
		a := lan.ask("PATCH", path, map[string]any{"version": r["version"], "values": draft})
		if a.StatusCode == 200 || strings.Contains(string(a.raw), secret) {
			t.Errorf("a draft with a fault: %d, %.200s", a.StatusCode, a.raw)
		}
		lan.ask("POST", petitions+"records", map[string]any{"values": draft}).is(422)
	}
	after, err := o.engine.Heads("c/03646")
	o.must(err)
	if fmt.Sprint(before) != fmt.Sprint(after) || o.engine.Position() != position {
		t.Errorf("a draft has reached the logs: %v, then %v", before, after)
	}
	o.carry(o.engine, laptop)
	for _, where := range []string{path, path + "/history", "/api/v0/inbox", "/api/v0/inbox/counts", "/api/v0/node", petitions + "deleted", "/api/v0/kpis?month=2026-11"} {
		if a := hung.ask("GET", where, nil).is(200); strings.Contains(string(a.raw), "chưa muốn gửi") {
			t.Errorf("another officer reads the draft by %s", where)
		}
	}
	for _, ask := range []map[string]any{{}, {"text": "chưa muốn gửi"}} {
		if a := hung.ask("POST", petitions+"search", ask).is(200); strings.Contains(string(a.raw), "chưa muốn gửi") {
			t.Errorf("another officer finds the draft by %v", ask)
		}
	}
	page, err := laptop.Search(context.Background(), engine.Query{Collection: "petitions", Text: "chưa muốn gửi", Limit: 10})
	o.must(err)
	if page.Total != 0 || strings.Contains(o.log.String(), "chưa muốn gửi") {
		t.Error("the draft is on another node, or in the log")
	}
	lan.ask("PATCH", path, map[string]any{"version": r["version"], "values": map[string]any{"NoiDung": secret}}).is(200)
	if a := hung.ask("GET", path, nil).is(200); !strings.Contains(string(a.raw), secret) {
		t.Error("what was saved isn't seen: this test finds nothing")
	}
}
