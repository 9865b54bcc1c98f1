// Package client sends the rows of an import to a running node, through the
// control door that package api keeps for the command line. The node's address
// and the door's secret come from the file that its daemon writes; who can read
// that file is the user who runs the node.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/api"
	"github.com/vungxa/vungxa/node/imports"
	"github.com/vungxa/vungxa/node/schema"
)

// maxAnswer bounds an answer, in bytes; one to 50 rows has a few thousand.
const maxAnswer = 8 << 20

// timeout is how long one batch may take; it is durable at its end.
const timeout = 2 * time.Minute

// Config of a Sink. Page and Secret are what the daemon's control file holds.
type Config struct {
	Page       string // address of the node's page
	Secret     string
	Collection *schema.Collection
	Dry        bool // the node only says what it would do
	English    bool // the language of what the node refuses with
}

// Sink is an imports.Sink that a running node serves.
type Sink struct {
	Config
	target string
	http   *http.Client
}

// New makes a sink. Nothing is sent yet.
func New(cfg Config) (*Sink, error) {
	target, err := url.JoinPath(cfg.Page, "api/v0/import", url.PathEscape(cfg.Collection.ID))
	if err != nil {
		return nil, fmt.Errorf("the running node's address: %w", err)
	}
	return &Sink{Config: cfg, target: target, http: &http.Client{
		Timeout:   timeout,
		Transport: &http.Transport{}, // no proxy: the secret goes to this machine only
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}}, nil
}

// Close lets go of the connection.
func (s *Sink) Close() { s.http.CloseIdleConnections() }

// Upsert implements imports.Sink.
func (s *Sink) Upsert(ctx context.Context, rows []imports.Row) ([]imports.Outcome, error) {
	body, err := json.Marshal(s.body(rows))
	if err != nil {
		return nil, fmt.Errorf("write the rows as JSON: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.target, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask the running node: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+s.Secret)
	r.Header.Set("Accept-Language", "vi")
	if s.English {
		r.Header.Set("Accept-Language", "en")
	}
	resp, err := s.http.Do(r)
	if err != nil {
		return nil, node.Errorf(node.Unavailable,
			"Chương trình đang chạy không trả lời: %w. Nếu nó đã dừng đột ngột, hãy khởi động lại rồi nhập lại.",
			"the running node does not answer: %w; if it ended suddenly, start it and import again", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the node's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, refused(resp.StatusCode, answer)
	}
	return s.outcomes(answer)
}

func (s *Sink) body(rows []imports.Row) api.ImportBody {
	b := api.ImportBody{Rows: make([]api.ImportRow, len(rows)), DryRun: s.Dry}
	for i, row := range rows {
		values := make(map[string]any, len(row.Values))
		for name, v := range row.Values {
			if f, ok := s.Collection.Field(name); ok {
				v = f.Present(v)
			}
			values[name] = v
		}
		b.Rows[i] = api.ImportRow{Number: row.Number, Key: row.Key, Values: values}
	}
	return b
}

// refused is the error of a problem, whose sentence is in the language that was
// asked for.
func refused(status int, answer []byte) error {
	var p api.Problem
	if err := json.Unmarshal(answer, &p); err != nil || p.Code == "" {
		return node.Errorf(node.Unavailable,
			"Ở địa chỉ của chương trình đang chạy có thứ khác trả lời (HTTP %d). Hãy khởi động lại chương trình rồi nhập lại.",
			"something else answers at the running node's address (HTTP %d); start the node again and import again", status)
	}
	return problem(p)
}

func problem(p api.Problem) error {
	e := &node.Error{Code: node.Code(p.Code), Message: node.Text{VI: p.Detail, EN: p.Detail}}
	for _, item := range p.Errors {
		e.Fields = append(e.Fields, node.FieldError{Field: item.Location, Message: node.Text{VI: item.Message, EN: item.Message}})
	}
	return e
}

var states = map[string]imports.State{"created": imports.Created, "changed": imports.Changed, "unchanged": imports.Unchanged}

func (s *Sink) outcomes(answer []byte) ([]imports.Outcome, error) {
	var told api.ImportOutcomes
	if err := json.Unmarshal(answer, &told); err != nil {
		return nil, fmt.Errorf("read the node's answer: %w", err)
	}
	out := make([]imports.Outcome, len(told.Outcomes))
	for i, o := range told.Outcomes {
		if o.Refusal != nil {
			out[i] = imports.Outcome{State: imports.Refused, Reason: node.Text(*o.Refusal)}
			continue
		}
		state, known := states[o.Result]
		if !known {
			return nil, fmt.Errorf("row %d: the node answers %q; it is of another version", o.Number, o.Result)
		}
		out[i] = imports.Outcome{State: state, Flags: s.flags(o.Flags)}
	}
	return out, nil
}

// flags gives the checks of the collection by their ids.
func (s *Sink) flags(ids []string) []schema.Flag {
	var out []schema.Flag
	for _, id := range ids {
		f := schema.Flag{Check: id}
		for i := range s.Collection.Checks {
			if k := &s.Collection.Checks[i]; k.ID == id {
				f.Message, f.Fields = k.Message, k.Fields()
			}
		}
		out = append(out, f)
	}
	return out
}
