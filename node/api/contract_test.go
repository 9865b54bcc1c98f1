package api

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/schema"
)

func TestSessions(t *testing.T) {
	o := newOffice(t)
	a := o.stranger().ask("GET", "/api/v0/officers", nil).is(200)
	if got := strings.TrimSpace(string(a.raw)); got != `[{"id":"hung","name":"Trần Văn Hùng"},{"id":"lan","name":"Nguyễn Thị Lan"}]` {
		t.Errorf("officers %s", got)
	}
	b := o.signIn("lan")
	s := b.ask("GET", "/api/v0/session", nil).is(200).json
	if s["password_set"] != false || s["officer"].(map[string]any)["name"] != "Nguyễn Thị Lan" {
		t.Errorf("session %v", s)
	}
	b.ask("PUT", "/api/v0/session/password", map[string]any{"password": "ngắn"}).is(422).problem(node.Invalid)
	b.ask("PUT", "/api/v0/session/password", map[string]any{"password": "một mật khẩu"}).is(204)
	wrong := b.ask("PUT", "/api/v0/session/password", map[string]any{"password": "mật khẩu khác", "current": "sai sai sai"}).is(422)
	if wrong.problem(node.Invalid)["current"] == "" {
		t.Errorf("problem %s; want one that names current", wrong.raw)
	}
	c := o.stranger()
	c.ask("POST", "/api/v0/session", map[string]any{"officer": "lan", "password": "sai sai sai"}).is(401).problem(node.Unauthenticated)
	in := c.ask("POST", "/api/v0/session", map[string]any{"officer": "lan", "password": "một mật khẩu"}).is(200)
	if in.json["password_set"] != true {
		t.Errorf("signed in %v", in.json)
	}
	for _, bad := range []map[string]any{{}, {"code": "x", "officer": "lan"}, {"officer": "lan"}, {"password": "một mật khẩu"}} {
		c.ask("POST", "/api/v0/session", bad).is(422).problem(node.Invalid)
	}
	out := b.ask("DELETE", "/api/v0/session", nil).is(204)
	if c := out.Cookies(); len(c) != 1 || c[0].MaxAge >= 0 || len(out.raw) != 0 {
		t.Errorf("sign-out sets %v and says %q", c, out.raw)
	}
	b.ask("GET", "/api/v0/session", nil).is(401).problem(node.Unauthenticated)
}

func TestTheCookie(t *testing.T) {
	o := newOffice(t)
	a := o.stranger().ask("POST", "/api/v0/session", map[string]any{"code": o.code("lan")}).is(200)
	c := a.Cookies()[0]
	_, port, _ := strings.Cut(o.host, ":")
	if !strings.HasPrefix(c.Name, "vungxa_"+port+"_") || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || c.MaxAge != 0 {
		t.Errorf("cookie %s", a.Header.Get("Set-Cookie"))
	}
	if bytes.Contains(a.raw, []byte(c.Value)) {
		t.Error("the page is told the cookie's half")
	}
}

// Two tabs of one browser have sessions of their own; the cookies of sessions
// that are over are cleared away.
func TestTabs(t *testing.T) {
	o := newOffice(t)
	first, second := o.signIn("lan"), o.signIn("hung")
	first.ask("GET", "/api/v0/session", nil).is(200)
	second.ask("GET", "/api/v0/session", nil).is(200)
	first.ask("DELETE", "/api/v0/session", nil).is(204)
	third := o.stranger()
	third.header.Set("Cookie", first.cookie.String()+"; "+second.cookie.Name+"="+second.cookie.Value+"; other=1")
	set := third.ask("POST", "/api/v0/session", map[string]any{"code": o.code("lan")}).is(200).Cookies()
	if len(set) != 2 || set[0].Name != first.cookie.Name || set[0].MaxAge >= 0 || set[1].MaxAge != 0 {
		t.Errorf("cookies set: %v; want the first session's cleared and a new one", set)
	}
}

func TestNode(t *testing.T) {
	o := newOffice(t)
	b := o.signIn("lan")
	b.create("Đường hỏng")
	n := b.ask("GET", "/api/v0/node", nil).is(200).json
	want := map[string]any{"name": "Hộp của xã", "role": "box", "scope": "c/03646", "demo": true, "read_only": false, "now_ms": float64(o.Now().UnixMilli())}
	for k, v := range want {
		if n[k] != v {
			t.Errorf("%s is %v; want %v", k, n[k], v)
		}
	}
	if n["commune"].(map[string]any)["code"] != "03646" || n["pack"].(map[string]any)["id"] != "commune" {
		t.Errorf("node %v", n)
	}
	if u := n["unsent"].(map[string]any); u["count"] != 1.0 || u["oldest_ms"] != float64(o.Now().UnixMilli()) {
		t.Errorf("unsent %v; want the one save", u)
	}
	b.ask("POST", "/api/v0/demo/lines/"+peerDevice, map[string]any{"cut": true}).is(204)
	p := b.ask("GET", "/api/v0/node", nil).is(200).json["peers"].([]any)[0].(map[string]any)
	if p["cut"] != true || p["last_contact_ms"] != nil || p["why_not"] != "không có đường truyền" {
		t.Errorf("peer %v", p)
	}
	b.ask("POST", "/api/v0/demo/lines/ffff", map[string]any{"cut": true}).is(404).problem(node.NotFound)
}

func TestLinesOnlyInADemonstration(t *testing.T) {
	o := newOffice(t, func(c *Config) { c.Lines = nil })
	b := o.signIn("lan")
	b.ask("POST", "/api/v0/demo/lines/"+peerDevice, map[string]any{"cut": true}).is(404).problem(node.NotFound)
	if b.ask("GET", "/api/v0/node", nil).json["demo"] != false {
		t.Error("it says that it is a demonstration")
	}
	if o.here.Info().Peers[0].Cut {
		t.Error("the line was cut")
	}
}

func TestSchema(t *testing.T) {
	o := newOffice(t)
	s := o.signIn("lan").ask("GET", "/api/v0/schema", nil).is(200).json
	var got []string
	for _, c := range s["collections"].([]any) {
		c := c.(map[string]any)
		got = append(got, c["id"].(string))
		known, _ := o.pack.Collection(c["id"].(string))
		if len(c["fields"].([]any)) != len(known.Fields) {
			t.Errorf("%s: %d fields; want %d", c["id"], len(c["fields"].([]any)), len(known.Fields))
		}
		if (c["statuses"] == nil) != (c["status"] == nil) {
			t.Errorf("%s: statuses %v for the status field %v", c["id"], c["statuses"], c["status"])
		}
	}
	if !slices.Contains(got, "petitions") || !slices.Contains(got, "dossiers") {
		t.Errorf("collections %v", got)
	}
	channel := s["code_lists"].(map[string]any)["KenhPhanAnh"].(map[string]any)
	if channel["open"] != true || channel["source"] != nil || channel["confidence"] != "?" || channel["items"] == nil {
		t.Errorf("an open list is shown as %v", channel)
	}
}

func TestTheSchemaFollowsImportedItems(t *testing.T) {
	o := newOffice(t)
	b := o.signIn("lan")
	o.pack = o.pack.WithItems([]schema.ListItem{{List: "KenhPhanAnh", Item: schema.Item{Code: "web", Label: node.Text{VI: "Trang web", EN: "Web"}}}})
	lists := b.ask("GET", "/api/v0/schema", nil).is(200).json["code_lists"].(map[string]any)
	if items := lists["KenhPhanAnh"].(map[string]any)["items"].([]any); len(items) != 1 {
		t.Errorf("items %v; want the imported one", items)
	}
}

func TestRecords(t *testing.T) {
	o := newOffice(t)
	b := o.signIn("lan")
	r := b.create("Đường liên xóm hỏng")
	values := r["values"].(map[string]any)
	c, _ := o.pack.Collection("petitions")
	if len(values) != len(c.Fields) || values["TraLoi"] != nil || values["NgayTiepNhan"] != "2026-11-20T01:00:00Z" {
		t.Errorf("values %v; want every field, null where missing", values)
	}
	if r["title"] != "Đường liên xóm hỏng" || r["updated_by"] != "Nguyễn Thị Lan" || r["tick"] != "office" {
		t.Errorf("record %v", r)
	}
	path := "/api/v0/collections/petitions/records/" + r["id"].(string)
	first := b.ask("GET", path, nil).is(200).json
	cell := first["cells"].(map[string]any)["NoiDung"].(map[string]any)
	sib := cell["siblings"].([]any)[0].(map[string]any)
	if sib["value"] != "Đường liên xóm hỏng" || sib["device_name"] != "Hộp của xã" || sib["shown"] != true || cell["conflict"] != false {
		t.Errorf("cell %v", cell)
	}
	o.pass(1000)
	b.ask("PATCH", path, map[string]any{"version": first["version"], "values": map[string]any{"TraLoi": "Đã sửa", "NguoiGui": nil}}).is(200)
	now := b.ask("GET", path, nil).is(200).json["values"].(map[string]any)
	if now["TraLoi"] != "Đã sửa" || now["NguoiGui"] != nil {
		t.Errorf("values %v after the change", now)
	}
}

// Whoever saves from an older version overwrites nothing that they had not seen.
func TestAConflictIsKeptAndSettled(t *testing.T) {
	o := newOffice(t)
	b := o.signIn("lan")
	r := b.create("Đường hỏng")
	path := "/api/v0/collections/petitions/records/" + r["id"].(string)
	b.ask("PATCH", path, map[string]any{"version": r["version"], "values": map[string]any{"NoiDung": "Đường hỏng nặng"}}).is(200)
	late := b.ask("PATCH", path, map[string]any{"version": r["version"], "values": map[string]any{"NoiDung": "Đường hỏng nhẹ"}}).is(200).json
	cell := late["cells"].(map[string]any)["NoiDung"].(map[string]any)
	if late["conflicts"].([]any)[0] != "NoiDung" || len(cell["siblings"].([]any)) != 2 {
		t.Fatalf("record %v; want both values", late)
	}
	found := b.ask("POST", "/api/v0/collections/petitions/search", map[string]any{"conflicted": true}).is(200).json
	if found["total"] != 1.0 {
		t.Errorf("%v conflicted records; want 1", found["total"])
	}
	settled := b.ask("PATCH", path, map[string]any{"version": late["version"], "values": map[string]any{"NoiDung": "Đường hỏng nặng"}}).is(200).json
	if len(settled["conflicts"].([]any)) != 0 {
		t.Errorf("conflicts %v after it was settled", settled["conflicts"])
	}
}

func TestRefusedRecords(t *testing.T) {
	o := newOffice(t)
	b := o.signIn("lan")
	create := "/api/v0/collections/petitions/records"
	for name, c := range map[string]struct {
		values any
		place  string
	}{
		"missing":       {map[string]any{"NguoiGui": "Mai"}, "values.NoiDung"},
		"wrong type":    {map[string]any{"NoiDung": 3}, "values.NoiDung"},
		"no such date":  {map[string]any{"NoiDung": "x", "NgayTiepNhan": "2026-02-30T00:00:00Z"}, "values.NgayTiepNhan"},
		"unknown field": {map[string]any{"NoiDung": "x", "Khac": "y"}, "values.Khac"},
		"no object":     {"chữ", "values"},
		"null":          {nil, "values"},
	} {
		places := b.ask("POST", create, map[string]any{"values": c.values}).is(422).problem(node.Invalid)
		if places[c.place] == "" {
			t.Errorf("%s: places %v; want %s", name, places, c.place)
		}
	}
	both := b.ask("POST", create, map[string]any{"values": map[string]any{"NoiDung": 3, "Kenh": true}}).is(422).problem(node.Invalid)
	if len(both) != 2 {
		t.Errorf("places %v; want both faults at once", both)
	}
	r := b.create("Đường hỏng")
	path := create + "/" + r["id"].(string)
	b.ask("PATCH", path, map[string]any{"version": "", "values": map[string]any{}}).is(422).problem(node.Invalid)
	b.ask("PATCH", path, map[string]any{"values": map[string]any{}}).is(422).problem(node.Invalid)
	b.ask("PATCH", path, map[string]any{"version": "!!", "values": map[string]any{}}).is(422).problem(node.Invalid)
	b.ask("PATCH", path, map[string]any{"version": r["version"], "values": map[string]any{"NoiDung": nil}}).is(422).problem(node.Invalid)
	for _, missing := range []string{"/api/v0/collections/nothing/records", "/api/v0/collections/..%2fx/records"} {
		b.ask("POST", missing, petition("x")).is(404).problem(node.NotFound)
	}
	for _, id := range []string{"x", strings.Repeat("0", 32), "%00", strings.Repeat("f", 60)} {
		b.ask("GET", create+"/"+id, nil).is(404).problem(node.NotFound)
	}
}

func TestRequestsThatCantBeRead(t *testing.T) {
	o := newOffice(t)
	b := o.signIn("lan")
	path := "/api/v0/collections/petitions/search"
	for body, status := range map[string]int{
		``: 400, `{`: 400, `[]`: 422, `{} {}`: 400, `null`: 422, `{"surplus":1}`: 422, `{"limit":0}`: 422, `{"limit":201}`: 422,
		`{"limit":1.5}`: 422, `{"limit":"9"}`: 422, `{"tick":"moon"}`: 422, `{"sort":{"field":"NgayTiepNhan","desc":true,"x":1}}`: 422,
		`{"filters":[{"field":"NgayTiepNhan","op":"like"}]}`: 422, "\xff\xfe": 400,
		`{"filters":[` + strings.Repeat(`[`, 20000) + strings.Repeat(`]`, 20000) + `]}`: 400,
	} {
		a := b.ask("POST", path, strings.NewReader(body)).is(status)
		a.problem(node.Invalid)
		if !strings.HasPrefix(a.json["detail"].(string), "Yêu cầu") || bytes.Contains(a.raw, []byte(`"value"`)) {
			t.Errorf("problem %s; want Vietnamese, and nothing repeated that was sent", a.raw)
		}
	}
	places := b.ask("POST", path, map[string]any{"filters": []any{map[string]any{"field": "Kenh", "op": "eq", "value": 1}}}).is(422).problem(node.Invalid)
	if places["filters[0].value"] == "" {
		t.Errorf("places %v; want filters[0].value", places)
	}
	for _, f := range []map[string]any{
		{"field": "Nothing", "op": "eq", "value": "x"}, {"field": "Kenh", "op": "eq"}, {"field": "Kenh", "op": "empty", "value": "x"}, {"field": "TraLoi", "op": "eq", "value": "x"},
	} {
		b.ask("POST", path, map[string]any{"filters": []any{f}}).is(422).problem(node.Invalid)
	}
	b.ask("POST", path, map[string]any{"cursor": "!"}).is(422).problem(node.Invalid)
	b.ask("POST", path, map[string]any{"sort": map[string]any{"field": "TraLoi", "desc": false}}).is(422).problem(node.Invalid)
	b.with("Content-Type", "text/plain").ask("POST", path, strings.NewReader(`{}`)).is(415).problem(node.Invalid)
	b.ask("GET", "/api/v0/node?verbose=1", nil).is(422).problem(node.Invalid)
	for _, gone := range []string{"/api/v0/nothing", "/api/v1/node", "/api/", "/api/v0/docs"} {
		b.ask("GET", gone, nil).is(404).problem(node.NotFound)
	}
	b.ask("PUT", "/api/v0/node", map[string]any{}).is(404).problem(node.NotFound)
}

func TestSearch(t *testing.T) {
	o := newOffice(t)
	b := o.signIn("lan")
	for _, content := range []string{"Đường liên xóm hỏng", "Nước giếng đục", "Đèn đường tắt"} {
		o.pass(1000)
		b.create(content)
	}
	search := func(body map[string]any) map[string]any {
		t.Helper()
		return b.ask("POST", "/api/v0/collections/petitions/search", body).is(200).json
	}
	if p := search(map[string]any{"text": "duong hon"}); p["total"] != 1.0 || p["next"] != nil {
		t.Errorf("found %v", p)
	}
	if p := search(map[string]any{"overdue": true, "open": true, "tick": "office"}); p["total"] != 3.0 || p["as_of_ms"] != float64(o.Now().UnixMilli()) {
		t.Errorf("overdue %v", p)
	}
	if p := search(map[string]any{"flagged": true}); p["total"] != 0.0 || p["items"] == nil {
		t.Errorf("flagged %v", p)
	}
	from := map[string]any{"field": "NgayTiepNhan", "op": "from", "value": "2026-11-21T00:00:00Z"}
	if p := search(map[string]any{"filters": []any{from}}); p["total"] != 0.0 {
		t.Errorf("received later: %v", p)
	}
	if p := search(map[string]any{"filters": []any{map[string]any{"field": "Kenh", "op": "empty"}}}); p["total"] != 3.0 {
		t.Errorf("without a channel: %v", p)
	}
	seen := map[any]bool{}
	body := map[string]any{"limit": 2, "sort": map[string]any{"field": "NgayTiepNhan", "desc": true}}
	for range 2 {
		p := search(body)
		for _, r := range p["items"].([]any) {
			seen[r.(map[string]any)["id"]] = true
			if r.(map[string]any)["cells"] != nil {
				t.Error("a list carries cells")
			}
		}
		body["cursor"] = p["next"]
		if p["next"] == nil {
			delete(body, "cursor")
		}
	}
	if len(seen) != 3 || body["cursor"] != nil {
		t.Errorf("two pages hold %d records, next %v; want 3 and none", len(seen), body["cursor"])
	}
}

func TestFlagsAreTold(t *testing.T) {
	o := newOffice(t)
	b := o.signIn("lan")
	odd := petition("Giải quyết trước khi nhận")
	odd["values"].(map[string]any)["NgayGiaiQuyet"] = "2026-11-19T01:00:00Z"
	r := b.ask("POST", "/api/v0/collections/petitions/records", odd).is(201).json
	flags := r["flags"].([]any)
	if len(flags) == 0 || flags[0].(map[string]any)["message"].(map[string]any)["vi"] == "" {
		t.Errorf("flags %v; want the odd order", flags)
	}
}

func TestKPIs(t *testing.T) {
	o := newOffice(t)
	b := o.signIn("lan")
	b.create("Đường hỏng")
	old := petition("Từ năm trước")
	old["values"].(map[string]any)["NgayTiepNhan"] = "2025-09-30T18:00:00Z" // October in the office's zone
	b.ask("POST", "/api/v0/collections/petitions/records", old).is(201)
	k := b.ask("GET", "/api/v0/kpis?month=2026-11", nil).is(200).json
	if k["state"] != "ready" || k["month"] != "2026-11" {
		t.Fatalf("figures %v", k)
	}
	months := k["months"].([]any)
	if months[0] != "2026-11" || months[len(months)-1] != "2025-10" || len(months) != 14 {
		t.Errorf("months %v; want 2026-11 back to 2025-10", months)
	}
	got := map[string]any{}
	for _, s := range k["sets"].([]any) {
		s := s.(map[string]any)
		if s["collection"] != "petitions" {
			continue
		}
		if !strings.Contains(s["due_source"].(map[string]any)["vi"].(string), "chưa có bộ tính hạn") {
			t.Errorf("due source %v", s["due_source"])
		}
		for _, f := range s["figures"].([]any) {
			f := f.(map[string]any)
			got[f["id"].(string)] = f["value"]
			if f["label"].(map[string]any)["vi"] == "" {
				t.Errorf("figure %v has no name", f["id"])
			}
		}
	}
	want := map[string]any{"received": 1.0, "resolved": 0.0, "open": 2.0, "overdue": 2.0, "on_time": nil, "undated": 0.0}
	for id, v := range want {
		if got[id] != v {
			t.Errorf("%s is %v; want %v", id, got[id], v)
		}
	}
	if c := b.ask("GET", "/api/v0/kpis", nil).is(200).json; c["month"] != "2026-11" {
		t.Errorf("the current month is %v", c["month"])
	}
	for _, bad := range []string{"2026-13", "x", "2026-11-01", "%00"} {
		b.ask("GET", "/api/v0/kpis?month="+bad, nil).is(422).problem(node.Invalid)
	}
}

func TestCoverage(t *testing.T) {
	o := newOffice(t)
	b := o.signIn("lan")
	b.create("Đường hỏng")
	heard := o.Now().UnixMilli() - 5000
	laptop := Peer{Device: strings.Repeat("ab", 16), Name: "Máy của Lan", Role: "laptop", Connected: true, LastContactMS: &heard}
	o.here.info.Peers = append(o.here.info.Peers, laptop)
	cover := func() map[string]any {
		return b.ask("GET", "/api/v0/kpis", nil).is(200).json["coverage"].(map[string]any)
	}
	c := cover()
	devices := c["devices"].([]any)
	if c["complete"] != true || len(devices) != 2 {
		t.Fatalf("coverage %v; want this node and the laptop, complete", c)
	}
	self, other := devices[0].(map[string]any), devices[1].(map[string]any)
	if self["self"] != true || self["entries"] != 1.0 || self["newest_entry_ms"] == nil {
		t.Errorf("this node is covered as %v", self)
	}
	if other["last_heard_ms"] != float64(heard) || other["entries"] != 0.0 || other["newest_entry_ms"] != nil {
		t.Errorf("the laptop is covered as %v", other)
	}
	o.here.info.Peers[1].Connected = false
	if cover()["complete"] != false {
		t.Error("complete without the laptop")
	}
	o.here.info.Peers[1].Connected = true
	o.here.far = []Certified{{strings.Repeat("cd", 16), "Máy ở xa", "laptop"}}
	c = cover()
	far := c["devices"].([]any)[1].(map[string]any)
	if c["complete"] != false || far["name"] != "Máy ở xa" || far["last_heard_ms"] != nil {
		t.Errorf("with a device that never spoke: %v; want it listed, and not complete", c)
	}
}
