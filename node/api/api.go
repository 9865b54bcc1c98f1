// Package api is the node's face to a browser and to the command line: HTTP,
// version 0, with the web UI beside it. It decides nothing about records; it
// reads requests, asks the engine, and writes answers.
//
// Who may ask:
//
//   - The page. A session is a cookie and the header X-Vungxa-Session, neither
//     enough alone (package auth says why). The cookie's name holds the port and
//     the session's tag, so that neither two nodes on one machine nor two tabs
//     of one browser take each other's.
//   - The command line, through the control door: a bearer secret that the daemon
//     leaves in a file only its user can read. A browser can't use it.
//
// What every request passes first (guard.go): the Host must be one that this node
// listens on, on every method, or a name that an attacker points at 127.0.0.1
// would do; a request that another site's page caused is refused; bodies, headers
// and times are bounded; a panic becomes a problem without detail. There is no
// CORS: a page of another origin never reads an answer.
//
// What goes wrong is told as a problem (RFC 9457) with a code of package node and
// a sentence in the language asked for, Vietnamese by default. The log holds route
// templates and codes, never a path, a value or a name.
//
// The OpenAPI document is made from the same registrations that serve requests
// (Spec), and the UI's types are made from it.
package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/kpi"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/auth"
	"github.com/vungxa/vungxa/node/engine"
	"github.com/vungxa/vungxa/node/schema"
)

// Engine is what is asked of the records; *engine.Engine is one.
type Engine interface {
	Save(context.Context, engine.Save) ([]crdt.RecordID, error)
	Upsert(ctx context.Context, officer, collection string, rows []engine.Row, dry bool) ([]engine.Outcome, error)
	Get(ctx context.Context, collection string, id crdt.RecordID) (*engine.View, error)
	History(ctx context.Context, collection string, id crdt.RecordID, cursor string, limit int) (engine.History, error)
	Deleted(ctx context.Context, collection, cursor string, limit int) (engine.DeletedPage, error)
	DeletedRecord(ctx context.Context, collection string, id crdt.RecordID) (*engine.Deleted, error)
	Waiting(limit int) (engine.Waiting, error)
	Edited(ctx context.Context, cursor string, limit int) (items []engine.EditedRecord, next string, err error)
	Late(ctx context.Context, cursor string, limit int) (items []engine.LateSave, next string, err error)
	Dismiss(id string) error
	Forks() ([]engine.Fork, error)
	Refused(ctx context.Context, stuck []engine.Stuck, cursor string, limit int) (items []engine.Refused, next string, err error)
	Hidden(ctx context.Context, cursor string, limit int) (items []engine.Refused, next string, err error)
	WaitingRefused(stuck []engine.Stuck, limit int) (int, error)
	Loads() ([]engine.Load, error)
	Search(context.Context, engine.Query) (engine.Page, error)
	KPIs(kpi.Month) (engine.KPIs, error)
	Views() ([]engine.ViewState, error)
	Devices() ([]engine.Device, error)
	Unsent() (n int, oldestMS *int64, err error)
	Position() uint64
	Changed() <-chan struct{}
}

// Node is what is asked of the node around the records.
type Node interface {
	// Info is the node and the peers it knows, as of now.
	Info() Info
	// DeviceName is how people call a device; "" if it is unknown.
	DeviceName(crdt.Device) string
	// Certified are the devices that have a certificate here, this one too, in
	// any order that stays.
	Certified() []Certified
	// Changed is closed when Info may next differ.
	Changed() <-chan struct{}
}

// Lines are the demonstration's lines, which the page can cut.
type Lines interface {
	// Cut cuts or mends the line to a device; node.NotFound if there is none.
	Cut(device string, cut bool) error
}

// Control is the door for the command line.
type Control struct {
	Secret  string // the bearer token; the door is shut if it is empty
	Officer string // who imports, as entries name them: "import:" and a user
	Jobs    map[string]Job
}

// Config of the handler. All but Lines, Control, Done and KeepAlive is needed.
type Config struct {
	Hosts   []string // host:port as in a Host header, of everything listened on
	UI      fs.FS    // the built page; says that it isn't built if empty
	Engine  Engine
	Pack    func() *schema.Pack // with the items that the office has imported
	Auth    *auth.Auth
	Node    Node
	Lines   Lines  // nil: this is no demonstration
	Sticks  Sticks // nil: nothing is carried
	Control Control
	Now     func() time.Time
	Log     *slog.Logger
	// Done ends the event streams when it is closed, so that a shutdown need not
	// wait for them.
	Done <-chan struct{}
	// KeepAlive is how often an event stream says something; 15 s if zero.
	KeepAlive time.Duration
}

// Limits of bodies, in bytes.
const (
	maxBody   = 1 << 20
	maxSignIn = 8 << 10
	maxImport = 4 << 20
)

// bodyTimeout is how long a body may take; the handler's context ends then too.
const bodyTimeout = 30 * time.Second

const prefix = "/api/v0"

type server struct {
	Config
	hosts   map[string]bool
	port    string
	mux     *http.ServeMux
	streams streams
}

// New makes the handler of everything that the node serves over HTTP.
func New(cfg Config) http.Handler {
	s := &server{Config: cfg, hosts: map[string]bool{}, mux: http.NewServeMux()}
	for _, h := range cfg.Hosts {
		s.hosts[h] = true
		_, s.port, _ = net.SplitHostPort(h)
		if bare, ok := strings.CutSuffix(h, ":80"); ok {
			s.hosts[bare] = true // browsers leave the port of http out
		}
	}
	if s.KeepAlive == 0 {
		s.KeepAlive = 15 * time.Second
	}
	s.streams.open = map[*auth.Session]int{}
	s.register(s.mux)
	s.mux.HandleFunc("POST "+prefix+"/jobs/{job}", s.job)
	s.mux.HandleFunc("/api/", s.noSuchRoute)
	s.mux.HandleFunc("/", s.page)
	return s
}

// Spec is the OpenAPI 3.1 document, indented, the same at every call.
func Spec() ([]byte, error) {
	s := &server{}
	return s.spec(s.register(http.NewServeMux()))
}

func (s *server) spec(doc *huma.OpenAPI) ([]byte, error) {
	b, err := doc.MarshalJSON()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

func (s *server) register(mux *http.ServeMux) *huma.OpenAPI {
	registry := huma.NewMapRegistry("#/components/schemas/", schemaName)
	api := humago.New(mux, huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: "Vùng Xa node", Version: "0", Description: "The HTTP interface of a node. Version 0 makes no promise."},
			Components: &huma.Components{Schemas: registry, SecuritySchemes: map[string]*huma.SecurityScheme{
				"session": {Type: "apiKey", In: "header", Name: sessionHeader, Description: "The header half of a session; its cookie is needed too."},
				"control": {Type: "http", Scheme: "bearer", Description: "The secret in the daemon's control.json. Refused from a browser."},
			}},
		},
		// No docs page: huma's would load scripts from elsewhere.
		Formats:                      huma.DefaultFormats,
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{tellProblem},
	})
	s.registerSession(api)
	s.registerNode(api)
	s.registerRecords(api)
	s.registerInbox(api)
	s.registerKPIs(api)
	s.registerSticks(api)
	s.registerEvents(api)
	s.registerControl(api)
	s.registerSpec(api)
	// Huma adds its own form of errors to the document; ours is Problem.
	delete(registry.Map(), "ErrorModel")
	delete(registry.Map(), "ErrorDetail")
	return api.OpenAPI()
}

// schemaName names a type in the document: nodeAnswer is Node there, since here
// node is a package.
func schemaName(t reflect.Type, hint string) string {
	return strings.TrimSuffix(huma.DefaultSchemaNamer(t, hint), "Answer")
}

// add registers an operation: with the problem as its other answer, limits, and
// errors of package node turned into problems.
func add[I, O any](s *server, api huma.API, op huma.Operation, f func(context.Context, *I) (*O, error)) {
	problem := api.OpenAPI().Components.Schemas.Schema(problemType, true, "")
	op.Responses = map[string]*huma.Response{"default": {
		Description: "A problem",
		Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: problem}},
	}}
	if op.MaxBodyBytes == 0 {
		op.MaxBodyBytes = maxBody
	}
	op.BodyReadTimeout = bodyTimeout
	huma.Register(api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := f(ctx, in)
		if err != nil {
			return nil, s.refuse(op.OperationID, err)
		}
		return out, nil
	})
}

// signedIn is an operation that needs a session.
func (s *server) signedIn(method, path, id, summary string) huma.Operation {
	op := open(method, path, id, summary)
	op.Security = []map[string][]string{{"session": {}}}
	op.Middlewares = huma.Middlewares{s.requireSession}
	return op
}

// open is an operation that anyone who passes the guard may ask for.
func open(method, path, id, summary string) huma.Operation {
	return huma.Operation{Method: method, Path: prefix + path, OperationID: id, Summary: summary}
}

type specOutput struct {
	ContentType string `header:"Content-Type" hidden:"true"`
	Body        []byte `contentType:"application/openapi+json"`
}

func (s *server) registerSpec(api huma.API) {
	op := open(http.MethodGet, "/openapi.json", "spec", "This document.")
	op.Hidden = true
	add(s, api, op, func(context.Context, *struct{}) (*specOutput, error) {
		b, err := s.spec(api.OpenAPI())
		return &specOutput{"application/openapi+json", b}, err
	})
}

func (s *server) noSuchRoute(w http.ResponseWriter, r *http.Request) {
	writeProblem(w, r, node.Errorf(node.NotFound,
		"Giao diện của chương trình không có địa chỉ này, hoặc địa chỉ không nhận phương thức này.",
		"the interface has no such address, or the address doesn't take this method"))
}
