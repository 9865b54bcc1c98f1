package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/engine"
)

// MaxRows is how many rows one import request may hold: it is one save.
const MaxRows = crdt.MaxRecords

// ImportBody is a part of a file to import.
type ImportBody struct {
	Rows   []ImportRow `json:"rows" maxItems:"32" nullable:"false"`
	DryRun bool        `json:"dry_run,omitempty" doc:"Only say what would happen."`
}

// ImportRow is a row of the file, with its values as in a record.
type ImportRow struct {
	Number int            `json:"number" doc:"Which row of the file it is."`
	Key    string         `json:"key" minLength:"1" maxLength:"512" doc:"The source's own key of the record; never a personal identifier."`
	Values map[string]any `json:"values"`
}

// ImportOutcomes says what became of each row, in the order of the request.
type ImportOutcomes struct {
	Outcomes list[ImportOutcome] `json:"outcomes"`
}

// ImportOutcome is what became of a row, or would.
type ImportOutcome struct {
	Number  int          `json:"number"`
	Record  string       `json:"record" doc:"The record's id; empty if the row could not be read."`
	Result  string       `json:"result" enum:"created,changed,unchanged,refused"`
	Flags   list[string] `json:"flags" doc:"Checks that mark the record."`
	Refusal *label       `json:"refusal,omitempty" doc:"Why the row was refused; without values."`
}

type importInput struct {
	Collection string `path:"collection" maxLength:"48"`
	Body       ImportBody
}

type importOutput struct{ Body ImportOutcomes }

func (s *server) registerControl(api huma.API) {
	op := open(http.MethodPost, "/import/{collection}", "import", "Import rows; for the command line only.")
	op.MaxBodyBytes = maxImport
	op.Security = []map[string][]string{{"control": {}}}
	op.Middlewares = huma.Middlewares{s.requireControl}
	add(s, api, op, s.importRows)
}

// requireControl lets the command line in.
func (s *server) requireControl(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	if err := s.fromCommandLine(r); err != nil {
		writeProblem(w, r, err)
		return
	}
	next(ctx)
}

// fromCommandLine says what is against a request at the control door. Whatever says
// that it comes from a browser stays out, whatever else it holds.
func (s *server) fromCommandLine(r *http.Request) error {
	for _, sign := range []string{"Origin", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Cookie", sessionHeader} {
		if r.Header.Get(sign) != "" {
			return node.Errorf(node.Forbidden, "Đường này chỉ dành cho dòng lệnh, không dành cho trình duyệt.",
				"this door is for the command line, not for a browser")
		}
	}
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	given, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(s.Control.Secret))
	if !bearer || s.Control.Secret == "" || subtle.ConstantTimeCompare(given[:], want[:]) != 1 {
		return node.Errorf(node.Unauthenticated,
			"Lệnh không có chìa khóa của chương trình đang chạy. Hãy chạy lệnh bằng người dùng đã khởi động chương trình.",
			"the command lacks the running program's key; run it as the user who started the program")
	}
	return nil
}

// importRows stores the rows that can be read as one bulk save; the others are
// told of, and keep no row out.
func (s *server) importRows(ctx context.Context, in *importInput) (*importOutput, error) {
	c, err := s.collection(in.Collection)
	if err != nil {
		return nil, err
	}
	out := &importOutput{ImportOutcomes{make([]ImportOutcome, len(in.Body.Rows))}}
	var rows []engine.Row
	var places []int // of rows among the outcomes
	for i, row := range in.Body.Rows {
		values, err := parseValues(c, row.Values)
		if err != nil {
			out.Body.Outcomes[i] = ImportOutcome{Number: row.Number, Result: "refused", Refusal: reasonOf(err)}
			continue
		}
		rows, places = append(rows, engine.Row{Key: row.Key, Values: values}), append(places, i)
	}
	outcomes, err := s.Engine.Upsert(ctx, s.Control.Officer, c.ID, rows, in.Body.DryRun)
	if err != nil {
		return nil, err
	}
	for i, o := range outcomes {
		out.Body.Outcomes[places[i]] = outcomeOf(in.Body.Rows[places[i]].Number, o)
	}
	return out, nil
}

func outcomeOf(number int, o engine.Outcome) ImportOutcome {
	out := ImportOutcome{Number: number, Record: o.Record.String(), Result: "unchanged"}
	switch {
	case o.Err != nil:
		out.Result, out.Refusal = "refused", reasonOf(o.Err)
	case o.Created:
		out.Result = "created"
	case o.Changed:
		out.Result = "changed"
	}
	for _, f := range o.Flags {
		out.Flags = append(out.Flags, f.Check)
	}
	return out
}

func reasonOf(err error) *label {
	reason := labelOf(node.Reason(err))
	return &reason
}
