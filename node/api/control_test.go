package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/vungxa/vungxa/node"
)

// commandLine is a client with the control door's secret.
func (o *office) commandLine() *tab {
	return &tab{o: o, header: http.Header{"Authorization": {"Bearer " + controlSecret}}}
}

func importOf(keyAndContent ...string) map[string]any {
	var rows []any
	for i := 0; i < len(keyAndContent); i += 2 {
		rows = append(rows, map[string]any{
			"number": i/2 + 2, "key": keyAndContent[i],
			"values": map[string]any{"NoiDung": keyAndContent[i+1], "MaNguon": keyAndContent[i], "NgayTiepNhan": "2026-11-20T01:00:00Z"},
		})
	}
	return map[string]any{"rows": rows}
}

func results(a *answer) []string {
	var out []string
	for _, o := range a.json["outcomes"].([]any) {
		out = append(out, o.(map[string]any)["result"].(string))
	}
	return out
}

func wantResults(t *testing.T, a *answer, want ...string) {
	t.Helper()
	got := results(a.is(200))
	if len(got) != len(want) {
		t.Fatalf("outcomes %v; want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("outcomes %v; want %v", got, want)
		}
	}
}

func TestImport(t *testing.T) {
	o := newOffice(t)
	c := o.commandLine()
	rows := importOf("a", "Đường hỏng", "b", "Đèn tắt")
	dry := map[string]any{"rows": rows["rows"], "dry_run": true}
	wantResults(t, c.ask("POST", "/api/v0/import/petitions", dry), "created", "created")
	if n, _, _ := o.engine.Unsent(); n != 0 {
		t.Fatal("a dry run saved something")
	}
	wantResults(t, c.ask("POST", "/api/v0/import/petitions", rows), "created", "created")
	position := o.engine.Position()
	wantResults(t, c.ask("POST", "/api/v0/import/petitions", rows), "unchanged", "unchanged")
	if o.engine.Position() != position {
		t.Error("importing the same again changed something")
	}
	wantResults(t, c.ask("POST", "/api/v0/import/petitions", importOf("a", "Đường hỏng nặng")), "changed")

	b := o.signIn("lan")
	items := b.ask("POST", "/api/v0/collections/petitions/search", map[string]any{"text": "hong nang"}).is(200).json["items"].([]any)
	if len(items) != 1 || items[0].(map[string]any)["updated_by"] != "import:thu" {
		t.Errorf("found %v; want the imported record, by the name that the daemon gave", items)
	}
}

func TestARowThatIsRefusedKeepsNoOtherOut(t *testing.T) {
	o := newOffice(t)
	rows := importOf("a", "Đường hỏng", "b", "Đèn tắt", "c", "Nước đục", "a", "Lại dòng một")
	list := rows["rows"].([]any)
	list[1].(map[string]any)["values"].(map[string]any)["NgayTiepNhan"] = "hôm qua"
	delete(list[2].(map[string]any)["values"].(map[string]any), "NoiDung")
	a := o.commandLine().ask("POST", "/api/v0/import/petitions", rows)
	wantResults(t, a, "created", "refused", "refused", "refused")
	second := a.json["outcomes"].([]any)[1].(map[string]any)
	why := second["refusal"].(map[string]any)["en"].(string)
	if second["number"] != 3.0 || !strings.Contains(why, "NgayTiepNhan") || strings.Contains(why, "hôm qua") {
		t.Errorf("outcome %v; want the field named, and not the value", second)
	}
}

func TestTheControlDoorIsNoPagesDoor(t *testing.T) {
	o := newOffice(t)
	b := o.signIn("lan")
	body := importOf("a", "Đường hỏng")
	for name, c := range map[string]struct {
		who  *tab
		code node.Code
	}{
		"no secret":            {o.stranger(), node.Unauthenticated},
		"a session":            {b, node.Forbidden},
		"a session and secret": {b.with("Authorization", "Bearer "+controlSecret), node.Forbidden},
		"an origin of ours":    {o.commandLine().with("Origin", "http://"+o.host), node.Forbidden},
		"a page of ours":       {o.commandLine().with("Sec-Fetch-Site", "same-origin"), node.Forbidden},
		"another site":         {o.commandLine().with("Sec-Fetch-Site", "cross-site"), node.Forbidden},
		"a wrong secret":       {o.commandLine().with("Authorization", "Bearer "+controlSecret+"x"), node.Unauthenticated},
		"an empty secret":      {o.commandLine().with("Authorization", "Bearer "), node.Unauthenticated},
		"no scheme":            {o.commandLine().with("Authorization", controlSecret), node.Unauthenticated},
		"another scheme":       {o.commandLine().with("Authorization", "Basic "+controlSecret), node.Unauthenticated},
		"a rebound name":       {o.commandLine().with("Host", "evil.example"), node.Forbidden},
	} {
		if a := c.who.ask("POST", "/api/v0/import/petitions", body); a.json["code"] != string(c.code) {
			t.Errorf("%s answers %d %s; want %s", name, a.StatusCode, a.raw, c.code)
		}
	}
	if n, _, _ := o.engine.Unsent(); n != 0 {
		t.Error("something was imported")
	}
}

// Asked without a network in between, which would trim the empty secret away.
func TestTheControlDoorIsShutWithoutASecret(t *testing.T) {
	o := newOffice(t, func(c *Config) { c.Control = Control{} })
	for _, token := range []string{"Bearer ", "Bearer x", ""} {
		r := httptest.NewRequest("POST", "http://"+o.host+"/api/v0/import/petitions", strings.NewReader(`{"rows":[]}`))
		r.Header.Set("Authorization", token)
		w := httptest.NewRecorder()
		New(o.cfg).ServeHTTP(w, r)
		if w.Code != 401 {
			t.Errorf("%q answers %d", token, w.Code)
		}
	}
}

func TestImportsThatCantBeRead(t *testing.T) {
	o := newOffice(t)
	c := o.commandLine()
	c.ask("POST", "/api/v0/import/nothing", importOf("a", "x")).is(404).problem(node.NotFound)
	c.ask("POST", "/api/v0/import/petitions", map[string]any{}).is(422).problem(node.Invalid)
	c.ask("POST", "/api/v0/import/petitions", importOf("", "x")).is(422).problem(node.Invalid)
	many := make([]any, MaxRows+1)
	for i := range many {
		many[i] = importOf("a", "x")["rows"].([]any)[0]
	}
	c.ask("POST", "/api/v0/import/petitions", map[string]any{"rows": many}).is(422).problem(node.Invalid)
}
