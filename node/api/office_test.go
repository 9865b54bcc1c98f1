package api

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"go.uber.org/goleak"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/auth"
	"github.com/vungxa/vungxa/node/engine"
	"github.com/vungxa/vungxa/node/packs"
	"github.com/vungxa/vungxa/node/schema"
	"github.com/vungxa/vungxa/sync/identity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const controlSecret = "control-secret-of-the-test"

// office is a node that listens on a port of this machine: real handler, server,
// engine and store.
type office struct {
	t      *testing.T
	cfg    Config
	host   string
	auth   *auth.Auth
	engine *engine.Engine
	pack   *schema.Pack
	here   *surroundings
	log    *safeBuffer
	doc    *huma.OpenAPI

	mu  sync.Mutex // guards now
	now time.Time
}

// surroundings is the Node and the Lines of an office.
type surroundings struct {
	mu      sync.Mutex // guards what follows
	info    Info
	changed chan struct{}
	far     []Certified // certified, and no peers
}

func (n *surroundings) Info() Info {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.info
}

func (n *surroundings) DeviceName(d crdt.Device) string {
	if d.String() == n.Info().Device {
		return n.Info().Name
	}
	return ""
}

func (n *surroundings) Certified() []Certified {
	i := n.Info()
	all := append([]Certified{{i.Device, i.Name, i.Role}}, n.far...)
	for _, p := range i.Peers {
		all = append(all, Certified{p.Device, p.Name, p.Role})
	}
	return all
}

func (n *surroundings) Changed() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.changed
}

func (n *surroundings) Cut(device string, cut bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := range n.info.Peers {
		if n.info.Peers[i].Device == device {
			n.info.Peers[i].Cut = cut
			close(n.changed)
			n.changed = make(chan struct{})
			return nil
		}
	}
	return node.Errorf(node.NotFound, "Không có máy đó.", "there is no such device")
}

type safeBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

type memory struct{ b []byte }

func (m *memory) LoadOfficers() ([]byte, error) { return m.b, nil }
func (m *memory) StoreOfficers(b []byte) error  { m.b = bytes.Clone(b); return nil }

var builtPage fs.FS = fstest.MapFS{
	"index.html":           {Data: []byte("<!doctype html><title>Vùng Xa</title>")},
	"assets/index-abc1.js": {Data: []byte("export {}")},
	"mark.svg":             {Data: []byte("<svg xmlns='http://www.w3.org/2000/svg'/>")},
	".gitkeep":             {Data: []byte("")},
	".vite/manifest.json":  {Data: []byte("{}")},
}

const peerDevice = "00112233445566778899aabbccddeeff"

// newOffice opens an office; change may replace parts of its configuration.
func newOffice(t *testing.T, change ...func(*Config)) *office {
	t.Helper()
	o := &office{t: t, now: time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC), log: &safeBuffer{}}
	o.openEngine()
	var err error
	o.auth, err = auth.New(&memory{}, o.Now, rand.NewChaCha8([32]byte{1}))
	o.must(err)
	o.must(o.auth.Put("lan", "Nguyễn Thị Lan"))
	o.must(o.auth.Put("hung", "Trần Văn Hùng"))
	why := "không có đường truyền"
	o.here.changed = make(chan struct{})
	o.here.info.Peers = []Peer{{Device: peerDevice, Name: "Tỉnh", Role: "province", WhyNot: &why}}
	done := make(chan struct{})
	o.cfg = Config{
		UI: builtPage, Engine: o.engine, Pack: func() *schema.Pack { return o.pack }, Auth: o.auth, Node: o.here, Lines: o.here,
		Control: Control{Secret: controlSecret, Officer: "import:thu"}, Now: o.Now, Done: done,
		Log: slog.New(slog.NewTextHandler(o.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range change {
		f(&o.cfg)
	}
	o.doc = (&server{}).register(http.NewServeMux())
	o.listen(done)
	return o
}

func (o *office) openEngine() {
	o.t.Helper()
	pack, err := packs.Commune()
	o.must(err)
	o.pack = pack
	seed := sha256.Sum256([]byte("box"))
	key := ed25519.NewKeyFromSeed(seed[:])
	bare, err := engine.OpenBare(o.t.TempDir(), key, engine.Config{
		Pack: pack, Role: identity.RoleBox, Scopes: []crdt.Scope{"c/03646"}, Now: o.Now, Rand: rand.NewChaCha8(seed),
	})
	o.must(err)
	o.engine = bare.Engine
	o.t.Cleanup(func() { o.must(bare.Close()) })
	device := identity.DeviceOf(identity.Public(key))
	o.here = &surroundings{info: Info{
		Name: "Hộp của xã", Role: "box", Device: device.String(), Scope: "c/03646", Commune: &Commune{"03646", "Xã Thử"},
		Protection: Protection{Class: "none", Says: node.Text{VI: "Khóa nằm cạnh đĩa.", EN: "A key beside its disk."}},
	}}
	for { // until the figures are computed, so that answers don't depend on the scheduler
		changed := o.engine.Changed()
		k, err := o.engine.KPIs(0)
		o.must(err)
		if k.Ready {
			return
		}
		<-changed
	}
}

func (o *office) listen(done chan struct{}) {
	o.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	o.must(err)
	o.host = l.Addr().String()
	_, port, err := net.SplitHostPort(o.host)
	o.must(err)
	o.cfg.Hosts = []string{o.host, "localhost:" + port}
	srv := Server(New(o.cfg), o.cfg.Log)
	served := make(chan error)
	go func() { served <- srv.Serve(l) }()
	o.t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		close(done)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		o.must(srv.Shutdown(ctx))
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			o.t.Error(err)
		}
	})
}

func (o *office) Now() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.now
}

func (o *office) pass(d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now = o.now.Add(d)
}

func (o *office) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

// tab is a browser's tab: what it would send with every request.
type tab struct {
	o      *office
	header http.Header
	cookie *http.Cookie
}

func (o *office) stranger() *tab { return &tab{o: o, header: http.Header{}} }

func (o *office) code(officer string) string {
	o.t.Helper()
	code, err := o.auth.NewCode(officer)
	o.must(err)
	return code
}

func (o *office) signIn(officer string) *tab {
	o.t.Helper()
	b := o.stranger()
	a := b.ask("POST", "/api/v0/session", map[string]any{"code": o.code(officer)})
	a.is(200)
	b.header.Set(sessionHeader, a.json["secret"].(string))
	b.cookie = a.Cookies()[0]
	return b
}

// copy is a tab that sends the same, to be changed.
func (b *tab) copy() *tab { return &tab{b.o, b.header.Clone(), b.cookie} }

func (b *tab) with(name, value string) *tab {
	c := b.copy()
	c.header.Set(name, value)
	return c
}

// answer is a response, read.
type answer struct {
	*http.Response
	t    *testing.T
	raw  []byte
	json map[string]any // nil if the body is no object
}

// ask sends a request. body is nil, a reader, or what to send as JSON. Every
// JSON answer is held to the OpenAPI document.
func (b *tab) ask(method, path string, body any) *answer {
	t := b.o.t
	t.Helper()
	var reader io.Reader
	switch body := body.(type) {
	case nil:
	case io.Reader:
		reader = body
	default:
		j, err := json.Marshal(body)
		b.o.must(err)
		reader = bytes.NewReader(j)
	}
	r, err := http.NewRequest(method, "http://"+b.o.host+path, reader)
	b.o.must(err)
	r.Header = b.header.Clone()
	r.Host = cmp.Or(b.header.Get("Host"), b.o.host)
	if b.cookie != nil {
		r.AddCookie(b.cookie)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	b.o.must(err)
	defer func() { b.o.must(resp.Body.Close()) }()
	raw, err := io.ReadAll(resp.Body)
	b.o.must(err)
	a := &answer{Response: resp, t: t, raw: raw}
	if strings.HasSuffix(resp.Header.Get("Content-Type"), "json") && resp.Header.Get("Content-Type") != "application/openapi+json" && method != "HEAD" {
		b.o.conform(method, path, a)
	}
	return a
}

var hole = regexp.MustCompile(`\\\{[a-z]+\\\}`)

// conform holds an answer to the document.
func (o *office) conform(method, path string, a *answer) {
	o.t.Helper()
	var v any
	o.must(json.Unmarshal(a.raw, &v))
	a.json, _ = v.(map[string]any)
	media := a.Header.Get("Content-Type")
	s := &huma.Schema{Ref: "#/components/schemas/Problem"}
	if media != "application/problem+json" {
		s = o.documented(method, path, a.StatusCode, media)
	} else if int(a.json["status"].(float64)) != a.StatusCode {
		o.t.Errorf("%s %s: the problem says %v and the status line %d", method, path, a.json["status"], a.StatusCode)
	}
	res := &huma.ValidateResult{}
	huma.Validate(o.doc.Components.Schemas, s, huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, v, res)
	for _, err := range res.Errors {
		o.t.Errorf("%s %s: the answer is not as documented: %v\n%s", method, path, err, a.raw)
	}
}

func (o *office) documented(method, path string, status int, media string) *huma.Schema {
	o.t.Helper()
	path, _, _ = strings.Cut(path, "?")
	for template, item := range o.doc.Paths {
		pattern := "^" + hole.ReplaceAllString(regexp.QuoteMeta(template), "[^/]+") + "$"
		op := map[string]*huma.Operation{"GET": item.Get, "POST": item.Post, "PUT": item.Put, "PATCH": item.Patch, "DELETE": item.Delete}[method]
		if op == nil || !regexp.MustCompile(pattern).MatchString(path) {
			continue
		}
		if r := op.Responses[strconv.Itoa(status)]; r != nil && r.Content[media] != nil {
			return r.Content[media].Schema
		}
	}
	o.t.Fatalf("%s %s answers %d %s, which is not documented", method, path, status, media)
	return nil
}

// is checks the status of an answer.
func (a *answer) is(status int) *answer {
	a.t.Helper()
	if a.StatusCode != status {
		a.t.Fatalf("%s %s: status %d; want %d\n%s", a.Request.Method, a.Request.URL.Path, a.StatusCode, status, a.raw)
	}
	return a
}

// problem checks that an answer is a problem of that code, and gives the places
// that it names.
func (a *answer) problem(code node.Code) map[string]string {
	a.t.Helper()
	if a.Header.Get("Content-Type") != "application/problem+json" || a.json["code"] != string(code) {
		a.t.Fatalf("%s %s: status %d, %s; want a problem of code %s", a.Request.Method, a.Request.URL.Path, a.StatusCode, a.raw, code)
	}
	places := map[string]string{}
	items, _ := a.json["errors"].([]any)
	for _, i := range items {
		item := i.(map[string]any)
		places[item["location"].(string)] = item["message"].(string)
	}
	return places
}

// petition is a believable record.
func petition(content string) map[string]any {
	return map[string]any{"values": map[string]any{
		"NoiDung": content, "NguoiGui": "Lò Thị Mai", "NgayTiepNhan": "2026-11-20T01:00:00Z", "HanGiaiQuyet": "2026-11-22T01:00:00Z",
	}}
}

func (b *tab) create(content string) map[string]any {
	b.o.t.Helper()
	return b.ask("POST", "/api/v0/collections/petitions/records", petition(content)).is(201).json
}
