package api

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/engine"
)

// Another local user's server on another port receives the cookie, since cookies
// ignore ports: without the header it is worth nothing, and neither is the header
// without the cookie.
func TestHalfASessionIsNone(t *testing.T) {
	o := newOffice(t)
	b, other := o.signIn("lan"), o.signIn("hung")
	b.ask("GET", "/api/v0/session", nil).is(200)
	secret := b.header.Get(sessionHeader)
	_, bare, _ := strings.Cut(secret, ".")

	for name, attacker := range map[string]*tab{
		"cookie alone":               {o, http.Header{}, b.cookie},
		"header alone":               {o, http.Header{sessionHeader: {secret}}, nil},
		"nothing":                    o.stranger(),
		"the cookie as the header":   {o, http.Header{sessionHeader: {b.cookie.Value}}, b.cookie},
		"tag and cookie as header":   {o, http.Header{sessionHeader: {strings.TrimSuffix(secret, bare) + b.cookie.Value}}, b.cookie},
		"header without its tag":     {o, http.Header{sessionHeader: {bare}}, b.cookie},
		"another session's header":   {o, http.Header{sessionHeader: {other.header.Get(sessionHeader)}}, b.cookie},
		"another session's cookie":   {o, http.Header{sessionHeader: {secret}}, other.cookie},
		"its cookie under our name":  {o, http.Header{sessionHeader: {secret}}, &http.Cookie{Name: b.cookie.Name, Value: other.cookie.Value}},
		"a cookie of another port":   {o, http.Header{sessionHeader: {secret}}, &http.Cookie{Name: "vungxa_1_" + strings.TrimSuffix(secret, "."+bare), Value: b.cookie.Value}},
		"the control door's secret":  {o, http.Header{"Authorization": {"Bearer " + controlSecret}}, nil},
		"both halves in one cookie":  {o, http.Header{"Cookie": {b.cookie.Name + "=" + b.cookie.Value + "; " + sessionHeader + "=" + secret}}, nil},
		"the secret of a dead reply": {o, http.Header{sessionHeader: {"."}}, &http.Cookie{Name: "vungxa_", Value: ""}},
	} {
		for _, r := range signedInRoutes {
			if a := attacker.ask(r[0], r[1], strings.NewReader(`{}`)); a.StatusCode != 401 {
				t.Errorf("%s: %s %s answers %d", name, r[0], r[1], a.StatusCode)
			}
		}
	}
	if n, _, _ := o.engine.Unsent(); n != 0 {
		t.Error("something was saved")
	}
}

// signedInRoutes are all that need a session.
var signedInRoutes = [][2]string{
	{"GET", "/api/v0/session"}, {"DELETE", "/api/v0/session"}, {"PUT", "/api/v0/session/password"}, {"GET", "/api/v0/node"},
	{"GET", "/api/v0/schema"}, {"POST", "/api/v0/collections/petitions/search"}, {"POST", "/api/v0/collections/petitions/records"},
	{"GET", "/api/v0/collections/petitions/records/x"}, {"PATCH", "/api/v0/collections/petitions/records/x"},
	{"GET", "/api/v0/collections/petitions/records/x/history"}, {"POST", "/api/v0/collections/petitions/records/x/delete"},
	{"POST", "/api/v0/collections/petitions/records/x/restore"}, {"GET", "/api/v0/collections/petitions/deleted"},
	{"GET", "/api/v0/sticks"}, {"POST", "/api/v0/sticks/inspect"}, {"POST", "/api/v0/sticks/swap"},
	{"GET", "/api/v0/inbox"}, {"GET", "/api/v0/inbox/counts"}, {"POST", "/api/v0/inbox/x/dismiss"}, {"GET", "/api/v0/kpis"}, {"GET", "/api/v0/events"}, {"POST", "/api/v0/demo/lines/" + peerDevice},
}

// A session of one node is none at its neighbour on another port.
func TestAnotherNodesSession(t *testing.T) {
	box, laptop := newOffice(t), newOffice(t)
	b := box.signIn("lan")
	b.o = laptop
	b.ask("GET", "/api/v0/session", nil).is(401)
	b.cookie = &http.Cookie{Name: strings.Replace(b.cookie.Name, port(box), port(laptop), 1), Value: b.cookie.Value}
	b.ask("GET", "/api/v0/session", nil).is(401)
}

func port(o *office) string { _, p, _ := strings.Cut(o.host, ":"); return p }

func TestTheSecretIsTakenFromNoURL(t *testing.T) {
	o := newOffice(t)
	b := o.signIn("lan")
	secret := b.header.Get(sessionHeader)
	b.header.Del(sessionHeader)
	for _, q := range []string{"?session=", "?" + sessionHeader + "=", "?secret="} {
		b.ask("GET", "/api/v0/session"+q+secret, nil).is(401)
	}
	if a := o.stranger().ask("POST", "/api/v0/session?code="+o.code("lan"), map[string]any{}); a.StatusCode != 422 {
		t.Errorf("a code in the URL answers %d", a.StatusCode)
	}
}

// A name that an attacker points at 127.0.0.1 gets nothing, by any method.
func TestTheHostIsExact(t *testing.T) {
	o := newOffice(t)
	b := o.signIn("lan")
	p := port(o)
	for _, host := range []string{
		"evil.example", "evil.example:" + p, "127.0.0.1", "127.0.0.1:1", "localhost", "localhost:1", "localhost.:" + p, "LOCALHOST:" + p,
		"127.0.0.1.:" + p, "0.0.0.0:" + p, "[::1]:" + p, "127.1:" + p, "127.0.0.1:" + p + ".evil.example", "127.0.0.1:0" + p,
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} {
			for _, path := range []string{"/", "/assets/index-abc1.js", "/api/v0/officers", "/api/v0/session", "/api/v0/import/petitions"} {
				a := b.with("Host", host).ask(method, path, nil)
				if a.StatusCode != 403 || strings.Contains(string(a.raw), "Lan") || strings.Contains(string(a.raw), "doctype") {
					t.Errorf("%s %s for %s answers %d %s", method, path, host, a.StatusCode, a.raw)
				}
			}
		}
	}
	b.with("Host", "localhost:"+p).ask("GET", "/api/v0/session", nil).is(200)
}

// On the port of http a browser names no port.
func TestPort80(t *testing.T) {
	o := newOffice(t)
	cfg := o.cfg
	cfg.Hosts = []string{"127.0.0.1:80"}
	for host, want := range map[string]int{"127.0.0.1": 200, "127.0.0.1:80": 200, "localhost": 403, "127.0.0.1:8080": 403} {
		w := httptest.NewRecorder()
		New(cfg).ServeHTTP(w, httptest.NewRequest("GET", "http://"+host+"/", nil))
		if w.Code != want {
			t.Errorf("%s answers %d; want %d", host, w.Code, want)
		}
	}
}

// What no client of ours would send: an address in the request line, "OPTIONS *",
// two hosts, none.
func TestRawRequests(t *testing.T) {
	o := newOffice(t)
	for request, want := range map[string]int{
		"GET http://evil.example/api/v0/officers HTTP/1.1\r\nHost: " + o.host + "\r\n\r\n":                 403,
		"OPTIONS * HTTP/1.1\r\nHost: evil.example\r\n\r\n":                                                 403,
		"GET /api/v0/officers HTTP/1.1\r\nHost: " + o.host + "\r\nHost: evil.example\r\n\r\n":              400,
		"GET /api/v0/officers HTTP/1.1\r\n\r\n":                                                            400,
		"GET /api/v0/officers HTTP/1.0\r\n\r\n":                                                            403,
		"GET //api/v0/officers HTTP/1.1\r\nHost: " + o.host + "\r\nSec-Fetch-Site: cross-site\r\n\r\n":     307,
		"GET /%61pi/v0/officers HTTP/1.1\r\nHost: " + o.host + "\r\nSec-Fetch-Site: cross-site\r\n\r\n":    403,
		"GET /x/../api/v0/officers HTTP/1.1\r\nHost: " + o.host + "\r\nSec-Fetch-Site: cross-site\r\n\r\n": 307,
	} {
		if got := raw(t, o.host, request); got != want {
			t.Errorf("%q answers %d; want %d", request, got, want)
		}
	}
}

// raw sends bytes and gives the status of the answer; 0 if the connection is
// closed without one.
func raw(t *testing.T, host, request string) int {
	t.Helper()
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}

// A page of another site gets nothing and does nothing, even where the browser
// sends the cookie and the attacker has somehow learned the header.
func TestOtherSites(t *testing.T) {
	o := newOffice(t)
	b := o.signIn("lan")
	signs := [][2]string{
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "Same-Origin"}, {"Sec-Fetch-Site", "x"},
		{"Origin", "null"}, {"Origin", "http://evil.example"}, {"Origin", "https://" + o.host}, {"Origin", "http://localhost:" + port(o)},
		{"Origin", "http://127.0.0.1"}, {"Origin", "http://127.0.0.1:1"}, {"Origin", "http://" + o.host + ".evil.example"},
		{"Origin", "http://" + o.host + "/"}, {"Origin", "HTTP://" + o.host},
	}
	open := [][2]string{{"GET", "/api/v0/officers"}, {"POST", "/api/v0/session"}, {"GET", "/api/v0/openapi.json"}, {"POST", "/"}, {"HEAD", "/api/v0/officers"}, {"OPTIONS", "/api/v0/node"}}
	for _, sign := range signs {
		for _, r := range append(open, signedInRoutes...) {
			a := b.with(sign[0], sign[1]).ask(r[0], r[1], nil)
			if a.StatusCode != 403 {
				t.Errorf("%s: %s: %s %s answers %d", sign[0], sign[1], r[0], r[1], a.StatusCode)
			}
			for name := range a.Header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("the answer has %s", name)
				}
			}
		}
	}
	b.ask("GET", "/api/v0/session", nil).is(200) // and no one was signed out
	same := b.with("Sec-Fetch-Site", "same-origin").with("Origin", "http://"+o.host)
	same.ask("POST", "/api/v0/collections/petitions/search", map[string]any{}).is(200)
	b.with("Sec-Fetch-Site", "none").ask("GET", "/api/v0/session", nil).is(200)
	o.stranger().with("Sec-Fetch-Site", "cross-site").ask("GET", "/", nil).is(200) // a link to our page
}

func TestNoCORS(t *testing.T) {
	o := newOffice(t)
	b := o.stranger().with("Access-Control-Request-Method", "POST").with("Access-Control-Request-Headers", sessionHeader)
	for _, path := range []string{"/api/v0/session", "/api/v0/node", "/"} {
		a := b.ask("OPTIONS", path, nil)
		if a.StatusCode < 400 || a.Header.Get("Access-Control-Allow-Origin") != "" || a.Header.Get("Access-Control-Allow-Headers") != "" {
			t.Errorf("a preflight of %s answers %d %v", path, a.StatusCode, a.Header)
		}
	}
}

func TestEveryAnswerIsHardened(t *testing.T) {
	o := newOffice(t)
	b := o.signIn("lan")
	for name, a := range map[string]*answer{
		"page":         b.ask("GET", "/", nil),
		"asset":        b.ask("GET", "/assets/index-abc1.js", nil),
		"answer":       b.ask("GET", "/api/v0/node", nil),
		"problem":      b.ask("GET", "/api/v0/nothing", nil),
		"unauthorised": o.stranger().ask("GET", "/api/v0/node", nil),
		"wrong host":   b.with("Host", "evil.example").ask("GET", "/", nil),
	} {
		h := a.Header
		csp := h.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'", "object-src 'none'", "img-src 'self' data:"} {
			if !strings.Contains(csp, part) {
				t.Errorf("%s: policy %q lacks %s", name, csp, part)
			}
		}
		if strings.Contains(csp, "script-src") || strings.Contains(csp, "unsafe-eval") {
			t.Errorf("%s: policy %q loosens scripts", name, csp)
		}
		want := map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		}
		for k, v := range want {
			if h.Get(k) != v {
				t.Errorf("%s: %s is %q; want %q", name, k, h.Get(k), v)
			}
		}
		if name != "asset" && h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: Cache-Control %q", name, h.Get("Cache-Control"))
		}
	}
}

// An attacker may plant a cookie that they know; signing in takes nothing of it.
func TestSessionFixation(t *testing.T) {
	o := newOffice(t)
	attacker := o.signIn("hung")
	victim := o.stranger()
	victim.cookie = attacker.cookie
	victim.header.Set(sessionHeader, attacker.header.Get(sessionHeader))
	a := victim.ask("POST", "/api/v0/session", map[string]any{"code": o.code("lan")}).is(200)
	set := a.Cookies()
	if len(set) != 1 || set[0].Name == attacker.cookie.Name || set[0].Value == attacker.cookie.Value || a.json["secret"] == attacker.header.Get(sessionHeader) {
		t.Fatalf("the session takes over what the attacker knows: %v", set)
	}
	got := attacker.ask("GET", "/api/v0/session", nil).is(200).json["officer"].(map[string]any)["id"]
	if got != "hung" {
		t.Errorf("the attacker's session is now %v's", got)
	}
}

func TestOversizedBodies(t *testing.T) {
	o := newOffice(t)
	b := o.signIn("lan")
	long := strings.Repeat("x", maxImport)
	for _, c := range []struct {
		b            *tab
		method, path string
		max          int
	}{
		{b, "POST", "/api/v0/collections/petitions/records", maxBody},
		{b, "POST", "/api/v0/collections/petitions/search", maxBody},
		{b, "POST", "/api/v0/collections/petitions/records/x/delete", maxBody},
		{b, "PUT", "/api/v0/session/password", maxSignIn},
		{o.stranger(), "POST", "/api/v0/session", maxSignIn},
		{o.commandLine(), "POST", "/api/v0/import/petitions", maxImport},
	} {
		body := `{"code":"` + long[:c.max-11] + `"}`
		if a := c.b.ask(c.method, c.path, strings.NewReader(body[:c.max-1])); a.StatusCode == 413 {
			t.Errorf("%s %s: %d bytes are too large", c.method, c.path, c.max-1)
		}
		c.b.ask(c.method, c.path, strings.NewReader(body)).is(413).problem(node.TooLarge)
		// In chunks, without saying how long it will be.
		c.b.ask(c.method, c.path, io.MultiReader(strings.NewReader(body))).is(413).problem(node.TooLarge)
	}
}

// Who isn't signed in is refused before a byte of the body is read.
func TestAStrangersBodyIsNotRead(t *testing.T) {
	o := newOffice(t)
	for _, path := range []string{"/api/v0/collections/petitions/records", "/api/v0/import/petitions"} {
		if got := raw(t, o.host, "POST "+path+" HTTP/1.1\r\nHost: "+o.host+"\r\nContent-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n"); got != 401 {
			t.Errorf("%s: %d; want 401 at once", path, got)
		}
	}
}

func TestHeadersAreBounded(t *testing.T) {
	o := newOffice(t)
	if got := raw(t, o.host, "GET / HTTP/1.1\r\nHost: "+o.host+"\r\nX: "+strings.Repeat("x", 64<<10)+"\r\n\r\n"); got != 431 {
		t.Errorf("a header of 64 KiB answers %d; want 431", got)
	}
}

// A client that sends its headers slowly is let go. The server's own times are
// seconds, so the test shortens them.
func TestSlowHeaders(t *testing.T) {
	o := newOffice(t)
	srv := Server(New(o.cfg), o.cfg.Log)
	for name, d := range map[string]time.Duration{
		"headers": srv.ReadHeaderTimeout, "reading": srv.ReadTimeout, "writing": srv.WriteTimeout, "idle": srv.IdleTimeout,
	} {
		if d <= 0 || d > 2*time.Minute {
			t.Errorf("the time for %s is %v", name, d)
		}
	}
	srv.ReadHeaderTimeout = 50 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	o.must(err)
	served := make(chan error)
	go func() { served <- srv.Serve(l) }()
	defer func() { o.must(srv.Close()); <-served }()
	conn, err := net.Dial("tcp", l.Addr().String())
	o.must(err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: ")
	o.must(err)
	o.must(conn.SetReadDeadline(time.Now().Add(20 * time.Second)))
	if b, err := io.ReadAll(conn); err != nil || len(b) > 0 && !bytes.Contains(b, []byte("408")) {
		t.Errorf("the connection stays open, or answers: %q, %v", b, err)
	}
}

// A hundred wrong sign-ins at once, by a hundred names from one source: few are
// judged, the others are told to wait, and the console still gets in.
func TestAHundredSignInsAtOnce(t *testing.T) {
	o := newOffice(t)
	statuses := make(chan int)
	for i := range 100 {
		go func() {
			r, err := http.Post("http://"+o.host+"/api/v0/session", "application/json",
				strings.NewReader(fmt.Sprintf(`{"officer":"user%d","password":"đoán mò thôi"}`, i)))
			if err != nil {
				statuses <- 0
				return
			}
			r.Body.Close()
			if r.StatusCode == 429 && r.Header.Get("Retry-After") == "" {
				statuses <- -1
				return
			}
			statuses <- r.StatusCode
		}()
	}
	got := map[int]int{}
	for range 100 {
		got[<-statuses]++
	}
	if got[401] < 1 || got[401] > 10 || got[401]+got[429]+got[503] != 100 {
		t.Errorf("answers %v; want at most 10 judged, and all others told to wait or to come back", got)
	}
	o.signIn("lan")
}

// badEngine fails as a fault of the program would, with personal data at hand.
type badEngine struct {
	Engine
	fault any
}

func (e badEngine) Search(context.Context, engine.Query) (engine.Page, error) {
	if err, ok := e.fault.(error); ok {
		return engine.Page{}, err
	}
	panic(e.fault)
}

func TestFaultsTellNothing(t *testing.T) {
	for _, fault := range []any{
		"Lò Thị Mai, 0912345678", struct{ Name string }{"Lò Thị Mai"}, fmt.Errorf("disk /srv/secret: %w", io.ErrUnexpectedEOF),
		node.Errorf(node.Internal, "lỗi ở /srv/secret: %w", "fault at /srv/secret: %w", io.ErrUnexpectedEOF),
	} {
		o := newOffice(t, func(c *Config) { c.Engine = badEngine{c.Engine, fault} })
		b := o.signIn("lan")
		a := b.ask("POST", "/api/v0/collections/petitions/search", map[string]any{}).is(500)
		if a.problem(node.Internal); a.json["detail"] != internalText.VI {
			t.Errorf("detail %q", a.json["detail"])
		}
		if strings.Contains(string(a.raw), "Mai") || strings.Contains(string(a.raw), "secret") || strings.Contains(o.log.String(), "Mai") {
			t.Errorf("the fault's value got out: %s\n%s", a.raw, o.log)
		}
		if !strings.Contains(o.log.String(), "level=ERROR") {
			t.Errorf("the fault left no trace in the log:\n%s", o.log)
		}
		b.ask("GET", "/api/v0/node", nil).is(200)
	}
}

// An answer that a fault cut short must not look like a whole one.
func TestHalfAnAnswer(t *testing.T) {
	o := newOffice(t)
	s := New(o.cfg).(*server)
	s.mux.HandleFunc("/half", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half an answer")
		panic("a fault")
	})
	srv := httptest.NewServer(s)
	defer srv.Close()
	s.hosts[srv.Listener.Addr().String()] = true
	resp, err := srv.Client().Get(srv.URL + "/half")
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	if err == nil {
		t.Error("half an answer was taken for a whole one")
	}
}

// The log holds route templates, methods and statuses; nothing that was typed,
// stored or named.
func TestNoValueInTheLog(t *testing.T) {
	o := newOffice(t)
	b := o.signIn("lan")
	code := o.code("hung")
	r := b.create("Nội dung riêng tư 0912345678")
	id := r["id"].(string)
	path := "/api/v0/collections/petitions/records/" + id
	b.ask("GET", path, nil).is(200)
	b.ask("PATCH", path, map[string]any{"version": r["version"], "values": map[string]any{"NoiDung": 12345678901}}).is(422)
	b.ask("POST", "/api/v0/collections/petitions/search", map[string]any{"text": "timkiemriengtu"}).is(200)
	b.ask("POST", "/api/v0/collections/petitions/search", strings.NewReader(`{"text": hongcuphap`)).is(400)
	b.ask("PUT", "/api/v0/session/password", map[string]any{"password": "matkhaubimat"}).is(204)
	o.stranger().ask("POST", "/api/v0/session", map[string]any{"officer": "nguoila", "password": "matkhausai"}).is(401)
	o.stranger().ask("POST", "/api/v0/session", map[string]any{"code": code}).is(200)
	b.ask("GET", "/timkiemriengtu?x=0912345678", nil).is(200)
	b.ask("GET", "/api/v0/nothing/0912345678", nil).is(404)
	b.with("Origin", "http://evil.example").ask("GET", path, nil).is(403)
	b.with("Host", "evil.example").ask("GET", path, nil).is(403)
	b.ask("TIMKIEM", "/", nil)
	o.commandLine().ask("POST", "/api/v0/import/petitions", importOf("khoariengtu", "Nội dung riêng tư")).is(200)

	log := o.log.String()
	if !strings.Contains(log, "/api/v0/collections/{c}/records/{id}") {
		t.Fatalf("the log has no route templates:\n%s", log)
	}
	for _, secret := range []string{
		"0912345678", "riêng tư", "riengtu", "hongcuphap", "matkhau", "nguoila", "Lan", "lan ", "hung", "evil", "TIMKIEM", "12345678901",
		id, code, strings.ReplaceAll(code, "-", ""), b.header.Get(sessionHeader), b.cookie.Value, b.cookie.Name, r["version"].(string), controlSecret, "127.0.0.1",
	} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %q:\n%s", secret, log)
		}
	}
}

// Nothing that the node serves loads anything from elsewhere.
func TestNothingComesFromOutside(t *testing.T) {
	o := newOffice(t)
	b := o.signIn("lan")
	for _, path := range []string{"/docs", "/openapi", "/openapi.yaml", "/schemas/Record.json", "/api/v0/docs", "/api/v0/openapi.yaml"} {
		a := b.ask("GET", path, nil)
		if bytes.Contains(a.raw, []byte("unpkg")) || bytes.Contains(a.raw, []byte("<script")) {
			t.Errorf("%s serves %s", path, a.raw)
		}
	}
	a := b.ask("GET", "/api/v0/node", nil)
	if a.json["$schema"] != nil || a.Header.Get("Link") != "" {
		t.Error("answers carry links to schemas")
	}
}
