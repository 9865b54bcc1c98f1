package client

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/api"
	"github.com/vungxa/vungxa/node/auth"
	"github.com/vungxa/vungxa/node/engine"
	"github.com/vungxa/vungxa/node/imports"
	"github.com/vungxa/vungxa/node/packs"
	"github.com/vungxa/vungxa/node/schema"
	"github.com/vungxa/vungxa/sync/identity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "the-control-secret"

func now() time.Time { return time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC) }

// box is a running node: its page's address, engine and pack.
type box struct {
	t      *testing.T
	page   string
	engine *engine.Engine
	pack   *schema.Pack
}

func (b *box) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func newBox(t *testing.T) *box {
	t.Helper()
	b := &box{t: t}
	var err error
	b.pack, err = packs.Commune()
	b.must(err)
	seed := sha256.Sum256([]byte("box"))
	bare, err := engine.OpenBare(t.TempDir(), ed25519.NewKeyFromSeed(seed[:]), engine.Config{
		Pack: b.pack, Role: identity.RoleBox, Scopes: []crdt.Scope{"c/03646"}, Now: now, Rand: rand.NewChaCha8(seed),
	})
	b.must(err)
	b.engine = bare.Engine
	a, err := auth.New(noOfficers{}, now, rand.NewChaCha8(seed))
	b.must(err)
	srv := httptest.NewUnstartedServer(nil)
	host := srv.Listener.Addr().String()
	srv.Config = api.Server(api.New(api.Config{
		Hosts: []string{host}, UI: fstest.MapFS{}, Engine: b.engine, Pack: func() *schema.Pack { return b.pack }, Auth: a,
		Control: api.Control{Secret: secret, Officer: "import:thu"}, Now: now, Log: slog.New(slog.DiscardHandler),
	}), slog.New(slog.DiscardHandler))
	srv.Start()
	b.page = "http://" + host + "/"
	t.Cleanup(func() {
		srv.Close()
		b.must(bare.Close())
	})
	return b
}

type noOfficers struct{}

func (noOfficers) LoadOfficers() ([]byte, error) { return nil, nil }
func (noOfficers) StoreOfficers([]byte) error    { return nil }

func (b *box) sink(change ...func(*Config)) *Sink {
	b.t.Helper()
	c, ok := b.pack.Collection("petitions")
	if !ok {
		b.t.Fatal("the pack has no petitions")
	}
	cfg := Config{Page: b.page, Secret: secret, Collection: c}
	for _, f := range change {
		f(&cfg)
	}
	s, err := New(cfg)
	b.must(err)
	b.t.Cleanup(s.Close)
	return s
}

func (b *box) total() int {
	b.t.Helper()
	p, err := b.engine.Search(context.Background(), engine.Query{Collection: "petitions", Limit: 1})
	b.must(err)
	return p.Total
}

func row(number int, key, content string) imports.Row {
	received := now().UnixMilli() + 7
	return imports.Row{Number: number, Key: key, Values: map[string]any{
		"NoiDung": content, "MaNguon": key, "NgayTiepNhan": received, "CongKhai": true, "TraLoi": nil,
	}}
}

func TestRowsReachARunningNode(t *testing.T) {
	b := newBox(t)
	ctx := context.Background()
	rows := []imports.Row{row(2, "a", "Đường hỏng"), row(3, "b", "Đèn tắt")}
	rows[1].Values["NgayGiaiQuyet"] = now().UnixMilli() - 1000

	planned, err := b.sink(func(c *Config) { c.Dry = true }).Upsert(ctx, rows)
	b.must(err)
	if len(planned) != 2 || planned[0].State != imports.Created || b.total() != 0 {
		t.Fatalf("a dry run gives %v and leaves %d records", planned, b.total())
	}
	s := b.sink()
	got, err := s.Upsert(ctx, rows)
	b.must(err)
	if got[0].State != imports.Created || len(got[0].Flags) != 0 || len(got[1].Flags) == 0 || got[1].Flags[0].Message.VI == "" {
		t.Errorf("outcomes %+v; want two created, the second flagged", got)
	}
	again, err := s.Upsert(ctx, rows)
	b.must(err)
	if again[0].State != imports.Unchanged || again[1].State != imports.Unchanged || len(again[1].Flags) == 0 {
		t.Errorf("outcomes %+v the second time; want unchanged, with the flags that stand", again)
	}
	rows[0].Values["NoiDung"] = "Đường hỏng nặng"
	changed, err := s.Upsert(ctx, rows)
	b.must(err)
	if changed[0].State != imports.Changed || changed[1].State != imports.Unchanged {
		t.Errorf("outcomes %+v; want the first changed", changed)
	}
	p, err := b.engine.Search(ctx, engine.Query{Collection: "petitions", Text: "hong nang", Limit: 1})
	b.must(err)
	v := p.Items[0].Values
	if v["NgayTiepNhan"] != now().UnixMilli()+7 || v["CongKhai"] != true || v["TraLoi"] != nil || p.Items[0].UpdatedBy != "import:thu" {
		t.Errorf("stored %v by %s", v, p.Items[0].UpdatedBy)
	}
}

// The thousand real requests, over HTTP, twice.
func TestRealRequests(t *testing.T) {
	const file, mapping = "../../../../shared/data/requests-2012-11.csv", "../../../deploy/examples/requests-2012-11.yaml"
	if _, err := os.Stat(file); err != nil {
		t.Skipf("the real requests are not here: %v", err)
	}
	b := newBox(t)
	raw, err := os.ReadFile(mapping)
	b.must(err)
	m, err := imports.ReadMapping(mapping, raw)
	b.must(err)
	open := func() (io.ReadCloser, error) { return os.Open(file) }
	s := b.sink()
	first, err := imports.Run(context.Background(), open, m, s.Collection, s)
	b.must(err)
	if first.Rows != 1000 || first.Created != 1000 || first.Rejected != 0 || first.FlaggedRows == 0 || b.total() != 1000 {
		t.Errorf("created %d of %d, rejected %d, flagged %d, stored %d", first.Created, first.Rows, first.Rejected, first.FlaggedRows, b.total())
	}
	position := b.engine.Position()
	second, err := imports.Run(context.Background(), open, m, s.Collection, s)
	b.must(err)
	if second.Unchanged != 1000 || second.FlaggedRows != first.FlaggedRows || b.engine.Position() != position {
		t.Errorf("the second time %d unchanged, %d flagged; want 1000 and %d, and nothing written", second.Unchanged, second.FlaggedRows, first.FlaggedRows)
	}
}

func TestRefusals(t *testing.T) {
	b := newBox(t)
	rows := []imports.Row{row(2, "a", "Đường hỏng")}
	refuses := func(name string, s *Sink, rows []imports.Row, code node.Code, says string) {
		t.Helper()
		_, err := s.Upsert(context.Background(), rows)
		if err == nil || node.CodeOf(err) != code || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v; want code %s and %q", name, err, code, says)
		}
	}
	refuses("wrong secret", b.sink(func(c *Config) { c.Secret = "x" }), rows, node.Unauthenticated, "người dùng đã khởi động")
	refuses("in English", b.sink(func(c *Config) { c.Secret, c.English = "x", true }), rows, node.Unauthenticated, "the user who started")
	refuses("another name", b.sink(func(c *Config) { c.Page = strings.Replace(c.Page, "127.0.0.1", "localhost", 1) }), rows, node.Forbidden, "")
	two, err := b.sink().Upsert(context.Background(), []imports.Row{row(2, "a", "Đường"), row(7, "b", "")})
	b.must(err)
	if two[0].State != imports.Created || two[1].State != imports.Refused || two[1].Reason.VI == "" {
		t.Errorf("a good row and a bad one: %+v; want created and refused with a reason", two)
	}
	gone := b.sink(func(c *Config) { c.Page = "http://127.0.0.1:1/" })
	refuses("nobody there", gone, rows, node.Unavailable, "does not answer")

	for name, h := range map[string]http.HandlerFunc{
		"another program": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "teapot", http.StatusTeapot) },
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, b.page+"api/v0/import/petitions", http.StatusTemporaryRedirect)
		},
	} {
		srv := httptest.NewServer(h)
		refuses(name, b.sink(func(c *Config) { c.Page = srv.URL }), rows, node.Unavailable, "something else answers")
		srv.Close()
	}
	if got := b.total(); got != 1 { // row 2 of the batch with row 7
		t.Errorf("%d records stored; want 1", got)
	}
}

func TestAnswersThatDontFit(t *testing.T) {
	b := newBox(t)
	for _, body := range []string{`{`, `{"outcomes":[{"number":2,"result":"eaten","record":"","flags":[]}]}`, strings.Repeat(" ", maxAnswer) + `{}`} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
		if _, err := b.sink(func(c *Config) { c.Page = srv.URL }).Upsert(context.Background(), []imports.Row{row(2, "a", "x")}); err == nil {
			t.Errorf("the answer %.40q is taken", body)
		}
		srv.Close()
	}
}
