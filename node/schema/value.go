package schema

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/vungxa/vungxa/node"
)

// Limits of values. MaxText bounds Field.Max; MaxItems a list's length.
const (
	MaxText  = 8000
	MaxItems = 64

	maxInteger = 1<<53 - 1
)

// The years 1 to 9999 in milliseconds: what RFC 3339 can write.
const (
	minMillis = -62135596800000
	maxMillis = 253402300799999
)

// Parse makes a value of v, which is as encoding/json gives it (string, bool,
// float64 or json.Number, []any, nil) or already of the Go form. The error says
// what is wanted and what to do; it does not repeat the value, which could be
// personal.
func (f *Field) Parse(v any) (any, *node.FieldError) {
	if v == nil {
		return nil, nil
	}
	switch f.Type {
	case Bool:
		return f.parseBool(v)
	case Integer:
		return f.parseInteger(v)
	case Datetime:
		return f.parseDatetime(v)
	case List:
		return f.parseList(v)
	}
	s, ok := v.(string)
	if !ok {
		return nil, f.fault("cần một chuỗi ký tự", "a text is wanted")
	}
	if s, ferr := f.parseText(s); ferr != nil || s == "" {
		return nil, ferr
	} else {
		return f.parseString(s)
	}
}

// fault is a FieldError at f. The sentence begins in lower case: the screen and
// the report put the field's label before it.
func (f *Field) fault(vi, en string, args ...any) *node.FieldError {
	return &node.FieldError{Field: f.Name, Message: node.Text{VI: fmt.Sprintf(vi, args...), EN: fmt.Sprintf(en, args...)}}
}

// parseText cleans s as text is cleaned and holds it to the field's limit.
func (f *Field) parseText(s string) (string, *node.FieldError) {
	if !utf8.ValidString(s) {
		return "", f.fault("không phải chữ UTF-8; hãy nhập lại bằng bộ gõ Unicode", "not UTF-8 text; type it again with a Unicode keyboard")
	}
	s = strings.TrimSpace(norm.NFC.String(strings.ReplaceAll(s, "\r\n", "\n")))
	if i := strings.IndexFunc(s, f.badRune); i >= 0 {
		if s[i] == '\n' {
			return "", f.fault("chỉ được một dòng; hãy bỏ dấu xuống dòng", "one line only; take the line breaks out")
		}
		return "", f.fault("có ký tự điều khiển không đọc được; hãy xoá và nhập lại", "holds a control character that can't be read; delete it and type again")
	}
	if n := utf8.RuneCountInString(s); f.Max > 0 && n > f.Max {
		return "", f.fault("dài %d ký tự, tối đa %d; hãy viết ngắn lại", "%d characters, at most %d; make it shorter", n, f.Max)
	}
	return s, nil
}

// badRune finds ASCII control characters. Tabs may stand in any text, line
// breaks in a multiline one.
func (f *Field) badRune(r rune) bool {
	switch r {
	case '\t':
		return false
	case '\n':
		return f.Type != Multiline
	}
	return r < ' ' || r == 0x7f
}

// parseString judges a clean text that is not empty.
func (f *Field) parseString(s string) (any, *node.FieldError) {
	switch f.Type {
	case Code:
		if ferr := f.parseCode(s); ferr != nil {
			return nil, ferr
		}
	case Date:
		if _, ok := day(s); !ok {
			return nil, f.fault("cần một ngày có thật, viết năm-tháng-ngày, ví dụ 2026-11-23", "a day that exists is wanted, written year-month-day, as 2026-11-23")
		}
	}
	return s, nil
}

// parseCode refuses a code that a closed list doesn't have.
func (f *Field) parseCode(s string) *node.FieldError {
	if f.codes == nil || f.codes.Open || f.codes.Has(s) {
		return nil
	}
	return f.fault("không có trong danh mục “%[1]s”; hãy chọn một trong: %[2]s", "not in the list “%[3]s”; choose one of: %[4]s",
		f.codes.Label.VI, f.codes.some(func(t node.Text) string { return t.VI }),
		f.codes.Label.EN, f.codes.some(func(t node.Text) string { return t.EN }))
}

// some are the first items of a list, for a message.
func (l *CodeList) some(label func(node.Text) string) string {
	const shown = 12
	var out []string
	for _, item := range l.Items[:min(shown, len(l.Items))] {
		out = append(out, item.Code+" ("+label(item.Label)+")")
	}
	if len(l.Items) > shown {
		out = append(out, "…")
	}
	return strings.Join(out, ", ")
}

func (f *Field) parseBool(v any) (any, *node.FieldError) {
	if b, ok := v.(bool); ok {
		return b, nil
	}
	return nil, f.fault("cần có hoặc không (true, false)", "yes or no is wanted (true, false)")
}

func (f *Field) parseInteger(v any) (any, *node.FieldError) {
	n, ok := integer(v)
	if !ok || n > maxInteger || n < -maxInteger {
		return nil, f.fault("cần một số nguyên, tối đa 15 chữ số", "a whole number is wanted, of at most 15 digits")
	}
	return n, nil
}

func integer(v any) (int64, bool) {
	switch n := v.(type) {
	case int64:
		return n, true
	case int:
		return int64(n), true
	case float64:
		return int64(n), n == math.Trunc(n) && math.Abs(n) <= maxInteger
	case json.Number:
		i, err := n.Int64()
		return i, err == nil
	}
	return 0, false
}

func (f *Field) parseDatetime(v any) (any, *node.FieldError) {
	if ms, ok := v.(int64); ok && ms >= minMillis && ms <= maxMillis {
		return ms, nil
	}
	s, _ := v.(string)
	if s, ok := v.(string); ok && strings.TrimSpace(s) == "" {
		return nil, nil
	}
	t, err := time.Parse(time.RFC3339, strings.TrimSpace(s))
	if err != nil || t.UnixMilli() < minMillis || t.UnixMilli() > maxMillis {
		return nil, f.fault("cần ngày, giờ và múi giờ, ví dụ 2026-11-23T09:30:00+07:00", "day, time and time zone are wanted, as 2026-11-23T09:30:00+07:00")
	}
	return t.UnixMilli(), nil
}

func (f *Field) parseList(v any) (any, *node.FieldError) {
	items, ok := texts(v)
	if !ok {
		return nil, f.fault("cần một danh sách các dòng chữ", "a list of texts is wanted")
	}
	var out []string
	for i, item := range items {
		s, ferr := f.parseText(item)
		if ferr == nil && s != "" {
			ferr = f.parseCode(s)
		}
		if ferr != nil {
			return nil, f.fault("dòng %[1]d: %[2]s", "item %[1]d: %[3]s", i+1, ferr.Message.VI, ferr.Message.EN)
		}
		if s != "" {
			out = append(out, s)
		}
	}
	if len(out) > MaxItems {
		return nil, f.fault("có %d dòng, tối đa %d", "%d items, at most %d", len(out), MaxItems)
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

// texts reads a list of strings, however it came.
func texts(v any) ([]string, bool) {
	switch items := v.(type) {
	case []string:
		return slices.Clone(items), true
	case []any:
		out := make([]string, len(items))
		for i, item := range items {
			s, ok := item.(string)
			if !ok {
				return nil, false
			}
			out[i] = s
		}
		return out, true
	}
	return nil, false
}

// day reads a date of the years 1 to 9999 and refuses days that don't exist.
func day(s string) (time.Time, bool) {
	t, err := time.Parse(time.DateOnly, s)
	return t, err == nil && t.Year() >= 1
}

// Present gives the value its form in JSON: a datetime as UTC text with
// milliseconds only where there are any, everything else as it is.
func (f *Field) Present(v any) any {
	ms, ok := v.(int64)
	if !ok || f.Type != Datetime {
		return v
	}
	if ms%1000 == 0 {
		return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05Z")
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
}
