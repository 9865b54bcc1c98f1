package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/text/language"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/auth"
)

// Problem is what every failure is told as (RFC 9457), with a code that programs
// can go by.
type Problem struct {
	Type   string        `json:"type" doc:"urn:vungxa:problem: and the code."`
	Title  string        `json:"title" doc:"What kind of problem it is, in the language asked for."`
	Status int           `json:"status"`
	Detail string        `json:"detail" doc:"A whole sentence, in the language asked for."`
	Code   string        `json:"code" enum:"invalid,not_found,conflict,unauthenticated,forbidden,rate_limited,read_only,too_large,unavailable,damaged,internal"`
	Errors []ProblemItem `json:"errors,omitempty" nullable:"false" doc:"What is wrong with the request, place by place."`
}

// ProblemItem is what is wrong with one place of the request.
type ProblemItem struct {
	Location string `json:"location" doc:"As values.NAME, filters[0].value or limit."`
	Message  string `json:"message"`
	Value    string `json:"value,omitempty" doc:"What stood there; never where it could be personal."`
}

var problemType = reflect.TypeFor[Problem]()

type kind struct {
	status int
	title  node.Text
}

var kinds = map[node.Code]kind{
	node.Invalid:         {http.StatusUnprocessableEntity, node.Text{VI: "Yêu cầu chưa đúng", EN: "The request is not right"}},
	node.NotFound:        {http.StatusNotFound, node.Text{VI: "Không tìm thấy", EN: "Not found"}},
	node.Conflict:        {http.StatusConflict, node.Text{VI: "Đã đổi ở nơi khác", EN: "Changed elsewhere"}},
	node.Unauthenticated: {http.StatusUnauthorized, node.Text{VI: "Chưa đăng nhập", EN: "Not signed in"}},
	node.Forbidden:       {http.StatusForbidden, node.Text{VI: "Không được phép", EN: "Not allowed"}},
	node.RateLimited:     {http.StatusTooManyRequests, node.Text{VI: "Thử quá nhiều lần", EN: "Too many tries"}},
	node.ReadOnly:        {http.StatusForbidden, node.Text{VI: "Chỉ được xem", EN: "Read only"}},
	node.TooLarge:        {http.StatusRequestEntityTooLarge, node.Text{VI: "Quá lớn", EN: "Too large"}},
	node.Unavailable:     {http.StatusServiceUnavailable, node.Text{VI: "Tạm thời chưa được", EN: "Not now"}},
	node.Damaged:         {http.StatusInternalServerError, node.Text{VI: "Dữ liệu hỏng", EN: "Damaged data"}},
	node.Internal:        {http.StatusInternalServerError, node.Text{VI: "Lỗi chương trình", EN: "A fault of the program"}},
}

var internalText = node.Text{
	VI: "Chương trình gặp lỗi không lường trước. Những gì đã lưu vẫn còn nguyên; hãy thử lại, và báo người quản trị nếu còn lỗi.",
	EN: "The program met an unexpected fault. What was saved is safe; try again, and tell the administrator if it goes on.",
}

// problemOf tells an error. What is no node.Error, or an internal one, keeps its
// detail for the log.
func problemOf(err error, lang tongue) Problem {
	e := &node.Error{Code: node.Internal}
	errors.As(err, &e)
	k := kinds[e.Code]
	p := Problem{
		Type: "urn:vungxa:problem:" + string(e.Code), Title: lang.say(k.title), Status: k.status,
		Detail: sentence(lang.say(e.Message)), Code: string(e.Code),
	}
	if e.Code == node.Internal {
		p.Detail = lang.say(internalText)
		return p
	}
	for _, f := range e.Fields {
		p.Errors = append(p.Errors, ProblemItem{Location: f.Field, Message: lang.say(f.Message), Value: f.Value})
	}
	return p
}

// sentence begins with a capital and ends with a full stop: errors of Go do neither.
func sentence(s string) string {
	r := []rune(s)
	if len(r) == 0 {
		return s
	}
	s = strings.ToUpper(string(r[0])) + string(r[1:])
	if !strings.ContainsAny(s[len(s)-1:], ".?!") {
		s += "."
	}
	return s
}

// at moves the fields of an error below a place of the request: what the engine
// calls MaHoSo is values.MaHoSo here.
func at(place string, err error) error {
	var e *node.Error
	if !errors.As(err, &e) || len(e.Fields) == 0 {
		return err
	}
	moved := *e
	moved.Fields = nil
	for _, f := range e.Fields {
		f.Field = place + f.Field
		moved.Fields = append(moved.Fields, f)
	}
	return &moved
}

// refusal carries an error through huma, which asks it for status and headers.
type refusal struct{ err error }

func (r *refusal) Error() string             { return r.err.Error() }
func (r *refusal) GetStatus() int            { return kinds[node.CodeOf(r.err)].status }
func (r *refusal) ContentType(string) string { return "application/problem+json" }

// GetHeaders implements huma.HeadersError.
func (r *refusal) GetHeaders() http.Header {
	h := http.Header{}
	retryAfter(h, r.err)
	return h
}

func retryAfter(h http.Header, err error) {
	var late *auth.Delayed
	if errors.As(err, &late) {
		h.Set("Retry-After", strconv.Itoa(late.Seconds()))
	}
}

// refuse makes the answer of a failed operation, and logs what is a fault of the
// node. Errors hold no personal data; that is a rule of the house.
func (s *server) refuse(operation string, err error) error {
	if code := node.CodeOf(err); code == node.Internal || code == node.Damaged {
		s.Log.Error("an operation failed", "operation", operation, "code", code, "error", err)
	}
	return &refusal{err}
}

// tellProblem is the huma.Transformer that makes problems of its errors and ours.
func tellProblem(ctx huma.Context, _ string, v any) (any, error) {
	lang := tongueOf(ctx.Header("Accept-Language"))
	switch v := v.(type) {
	case *refusal:
		return problemOf(v.err, lang), nil
	case *huma.ErrorModel:
		p := problemOf(unread(v), lang)
		p.Status = v.Status
		return p, nil
	}
	return v, nil
}

// writeProblem answers outside of huma.
func writeProblem(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err, tongueOf(r.Header.Get("Accept-Language")))
	b, err2 := json.Marshal(p)
	if err2 != nil {
		panic(fmt.Errorf("a problem always has a JSON form: %w", err2))
	}
	retryAfter(w.Header(), err)
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(b, '\n')) // the asker may be gone; nothing more can be told
}

// tongue is the language of an answer.
type tongue bool

const (
	vietnamese tongue = false
	english    tongue = true
)

var tongues = language.NewMatcher([]language.Tag{language.Vietnamese, language.English})

func tongueOf(acceptLanguage string) tongue {
	tags, _, err := language.ParseAcceptLanguage(acceptLanguage)
	if err != nil {
		return vietnamese
	}
	_, i, _ := tongues.Match(tags...)
	return tongue(i == 1)
}

func (t tongue) say(text node.Text) string {
	if t == english {
		return text.EN
	}
	return text.VI
}
