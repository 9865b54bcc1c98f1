package api

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/vungxa/vungxa/node"
)

func TestThePage(t *testing.T) {
	o := newOffice(t)
	b := o.stranger()
	for path, want := range map[string][2]string{
		"/":                     {"text/html; charset=utf-8", "no-store"},
		"/index.html":           {"text/html; charset=utf-8", "no-store"},
		"/petitions/123":        {"text/html; charset=utf-8", "no-store"},
		"/.gitkeep":             {"text/html; charset=utf-8", "no-store"},
		"/.vite/manifest.json":  {"text/html; charset=utf-8", "no-store"},
		"/assets":               {"text/html; charset=utf-8", "no-store"},
		"/assets/index-abc1.js": {"text/javascript; charset=utf-8", "public, max-age=31536000, immutable"},
		"/mark.svg":             {"image/svg+xml", "no-cache"},
	} {
		a := b.ask("GET", path, nil).is(200)
		if a.Header.Get("Content-Type") != want[0] || a.Header.Get("Cache-Control") != want[1] {
			t.Errorf("%s: %s, %s; want %v", path, a.Header.Get("Content-Type"), a.Header.Get("Cache-Control"), want)
		}
	}
	a := b.ask("GET", "/assets/index-old0.js", nil).is(404)
	a.problem(node.NotFound)
	if a.Header.Get("Cache-Control") != "no-store" {
		t.Error("a missing asset may be remembered as missing")
	}
	b.ask("POST", "/", map[string]any{}).is(404).problem(node.NotFound)
	if a := b.ask("HEAD", "/", nil).is(200); len(a.raw) != 0 {
		t.Error("HEAD has a body")
	}
}

func TestThePageIsNotBuilt(t *testing.T) {
	o := newOffice(t, func(c *Config) { c.UI = fstest.MapFS{".gitkeep": {}} })
	a := o.stranger().ask("GET", "/", nil).is(503)
	a.problem(node.Unavailable)
	if !strings.Contains(a.json["detail"].(string), "make") {
		t.Errorf("detail %q doesn't say what to do", a.json["detail"])
	}
}

func TestSpec(t *testing.T) {
	first, err := Spec()
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		again, err := Spec()
		if err != nil || !bytes.Equal(first, again) {
			t.Fatalf("the document differs from call to call (%v)", err)
		}
	}
	var doc struct {
		OpenAPI    string                                `json:"openapi"`
		Paths      map[string]map[string]json.RawMessage `json:"paths"`
		Components struct {
			Schemas map[string]any `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(first, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.OpenAPI != "3.1.0" || doc.Components.Schemas["ErrorModel"] != nil || doc.Components.Schemas["Problem"] == nil {
		t.Errorf("version %s, schemas %v", doc.OpenAPI, doc.Components.Schemas)
	}
	want := []string{
		"DELETE /api/v0/session", "GET /api/v0/collections/{c}/deleted", "GET /api/v0/collections/{c}/records/{id}",
		"GET /api/v0/collections/{c}/records/{id}/history", "GET /api/v0/events", "GET /api/v0/inbox", "GET /api/v0/inbox/counts",
		"GET /api/v0/kpis", "GET /api/v0/node",
		"GET /api/v0/officers", "GET /api/v0/schema", "GET /api/v0/session", "GET /api/v0/sticks", "PATCH /api/v0/collections/{c}/records/{id}",
		"POST /api/v0/collections/{c}/records", "POST /api/v0/collections/{c}/records/{id}/delete", "POST /api/v0/collections/{c}/records/{id}/restore",
		"POST /api/v0/collections/{c}/search", "POST /api/v0/demo/lines/{device}",
		"POST /api/v0/import/{collection}", "POST /api/v0/inbox/{id}/dismiss", "POST /api/v0/session",
		"POST /api/v0/sticks/inspect", "POST /api/v0/sticks/swap", "PUT /api/v0/session/password",
	}
	var got []string
	for path, ops := range doc.Paths {
		for method := range ops {
			got = append(got, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("operations %v; want %v", got, want)
	}
	o := newOffice(t)
	served := o.stranger().ask("GET", "/api/v0/openapi.json", nil).is(200)
	if !bytes.Equal(served.raw, first) {
		t.Error("the document that is served is another one")
	}
}

func TestProblemsSpeakBothLanguages(t *testing.T) {
	o := newOffice(t)
	b := o.signIn("lan")
	for lang, want := range map[string]string{
		"": "Không có loại hồ sơ này.", "vi": "Không có loại hồ sơ này.", "en": "There is no such collection.",
		"en-US,en;q=0.9,vi;q=0.8": "There is no such collection.", "fr": "Không có loại hồ sơ này.", "%%%": "Không có loại hồ sơ này.",
		strings.Repeat("a-b-c,", 400): "Không có loại hồ sơ này.",
	} {
		a := b.with("Accept-Language", lang).ask("POST", "/api/v0/collections/nothing/records", petition("x")).is(404)
		a.problem(node.NotFound)
		if a.json["detail"] != want || a.json["type"] != "urn:vungxa:problem:not_found" {
			t.Errorf("%q: %s; want %q", lang, a.raw, want)
		}
	}
	a := b.with("Accept-Language", "en").ask("POST", "/api/v0/collections/petitions/search", map[string]any{"limit": 999})
	if a.problem(node.Invalid)["limit"] != "expected number <= 200" {
		t.Errorf("problem %s", a.raw)
	}
	a = b.ask("POST", "/api/v0/collections/petitions/search", map[string]any{"limit": 999})
	if a.problem(node.Invalid)["limit"] != "cần một số không quá 200" {
		t.Errorf("problem %s", a.raw)
	}
}

func TestCodesHaveTheirStatus(t *testing.T) {
	for code, status := range map[node.Code]int{
		node.Invalid: 422, node.NotFound: 404, node.Conflict: 409, node.Unauthenticated: 401, node.Forbidden: 403, node.RateLimited: 429,
		node.ReadOnly: 403, node.TooLarge: 413, node.Unavailable: 503, node.Damaged: 500, node.Internal: 500,
	} {
		if p := problemOf(&node.Error{Code: code}, english); p.Status != status || p.Title == "" {
			t.Errorf("%s: status %d, title %q; want %d", code, p.Status, p.Title, status)
		}
	}
}
