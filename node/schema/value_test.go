package schema

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/vungxa/vungxa/node"
)

var twoCodes = &CodeList{ID: "Two", Label: node.Text{VI: "Hai mã", EN: "Two codes"}, Items: []Item{
	{Code: "1", Label: node.Text{VI: "một", EN: "one"}}, {Code: "10", Label: node.Text{VI: "mười", EN: "ten"}},
}}

func field(t Type) *Field {
	f := &Field{ID: 1, Name: "F", Type: t}
	if t == Code {
		f.codes = twoCodes
	}
	f.setDefaults()
	return f
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		typ  Type
		in   any
		want any
		says string // part of the English message when it is refused
	}{
		{Text, nil, nil, ""},
		{Text, "  ", nil, ""},
		{Text, " Hòa \t", "Hòa", ""},
		{Text, "Ho\u0300a", "Hòa", ""},
		{Text, "hoà", "hoà", ""}, // tone placement stays as typed
		{Text, "a\nb", nil, "one line only"},
		{Text, "a\x00b", nil, "control character"},
		{Text, "\xff", nil, "not UTF-8"},
		{Text, 5.0, nil, "a text is wanted"},
		{Text, strings.Repeat("ạ", 200), strings.Repeat("ạ", 200), ""},
		{Text, strings.Repeat("ạ", 201), nil, "201 characters, at most 200"},
		{Multiline, "a\r\nb\n", "a\nb", ""},
		{Code, "10", "10", ""},
		{Code, "11", nil, "choose one of: 1 (one), 10 (ten)"},
		{Code, 10.0, nil, "a text is wanted"},
		{Date, "2026-02-28", "2026-02-28", ""},
		{Date, "2026-02-29", nil, "a day that exists"},
		{Date, "23/11/2026", nil, "year-month-day"},
		{Date, "", nil, ""},
		{Datetime, "2026-11-23T09:30:00+07:00", time.Date(2026, 11, 23, 2, 30, 0, 0, time.UTC).UnixMilli(), ""},
		{Datetime, "2026-11-23T02:30:00.25Z", time.Date(2026, 11, 23, 2, 30, 0, 25e7, time.UTC).UnixMilli(), ""},
		{Datetime, "2026-11-23T09:30:00", nil, "time zone"},
		{Datetime, "0000-01-01T00:00:00Z", nil, "day, time"},
		{Datetime, 12.0, nil, "day, time"},
		{Datetime, int64(0), int64(0), ""},
		{Datetime, " ", nil, ""},
		{Bool, false, false, ""},
		{Bool, "false", nil, "yes or no"},
		{Integer, 12.0, int64(12), ""},
		{Integer, 12.5, nil, "whole number"},
		{Integer, json.Number("9007199254740991"), int64(1<<53 - 1), ""},
		{Integer, json.Number("9007199254740992"), nil, "whole number"},
		{Integer, "12", nil, "whole number"},
		{List, []any{" a ", "", "b"}, []string{"a", "b"}, ""},
		{List, []any{}, nil, ""},
		{List, []any{"a", 1.0}, nil, "a list of texts"},
		{List, "a", nil, "a list of texts"},
		{List, []any{"a", "b\nc"}, nil, "item 2: one line only"},
		{List, make65(), nil, "65 items, at most 64"},
	} {
		got, ferr := field(c.typ).Parse(c.in)
		switch {
		case c.says == "" && ferr != nil:
			t.Errorf("%s %#v: refused: %s", c.typ, c.in, ferr.Message.EN)
		case c.says == "" && !reflect.DeepEqual(got, c.want):
			t.Errorf("%s %#v: got %#v, want %#v", c.typ, c.in, got, c.want)
		case c.says != "" && (ferr == nil || !strings.Contains(ferr.Message.EN, c.says)):
			t.Errorf("%s %#v: got %#v and error %+v; want one that says %q", c.typ, c.in, got, ferr, c.says)
		case ferr != nil && (ferr.Field != "F" || ferr.Message.VI == "" || ferr.Value != ""):
			t.Errorf("%s %#v: error %+v must name the field, speak Vietnamese and not hold the value", c.typ, c.in, ferr)
		case ferr != nil && strings.Contains(ferr.Message.VI+ferr.Message.EN, "%!"):
			t.Errorf("%s %#v: badly formatted: %+v", c.typ, c.in, ferr)
		}
	}
}

func make65() []any {
	out := make([]any, 65)
	for i := range out {
		out[i] = "x"
	}
	return out
}

func TestOpenListTakesAnyCode(t *testing.T) {
	f := field(Code)
	f.codes = &CodeList{Open: true}
	if v, ferr := f.Parse("7.777"); ferr != nil || v != "7.777" {
		t.Fatalf("got %v, %v", v, ferr)
	}
}

// values draws a field and a value that Parse would give for it.
func values(t *rapid.T) (*Field, any) {
	f := field(rapid.SampledFrom(allTypes).Draw(t, "type"))
	if rapid.IntRange(0, 9).Draw(t, "missing") == 0 {
		return f, nil
	}
	text := rapid.StringOfN(rapid.Rune(), 1, 40, -1)
	var raw any
	switch f.Type {
	case Text, Multiline:
		raw = text.Draw(t, "text")
	case Code:
		raw = rapid.SampledFrom([]string{"1", "10"}).Draw(t, "code")
	case Date:
		raw = time.UnixMilli(rapid.Int64Range(minMillis, maxMillis).Draw(t, "date")).UTC().Format(time.DateOnly)
	case Datetime:
		raw = rapid.Int64Range(minMillis, maxMillis).Draw(t, "ms")
	case Bool:
		raw = rapid.Bool().Draw(t, "bool")
	case Integer:
		raw = rapid.Int64Range(-maxInteger, maxInteger).Draw(t, "integer")
	case List:
		raw = rapid.SliceOfN(text, 0, 5).Draw(t, "list")
	}
	v, ferr := f.Parse(raw)
	if ferr != nil {
		t.Skip("a text with control characters: " + ferr.Message.EN)
	}
	return f, v
}

func TestValuesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, v := values(t)
		stored := f.Encode(v)
		back, err := f.Decode(stored)
		if err != nil || !reflect.DeepEqual(back, v) {
			t.Fatalf("%s: %#v came back from the store as %#v, %v", f.Type, v, back, err)
		}
		shown, err := json.Marshal(f.Present(v))
		if err != nil {
			t.Fatal(err)
		}
		var raw any
		if err := json.Unmarshal(shown, &raw); err != nil {
			t.Fatal(err)
		}
		again, ferr := f.Parse(raw)
		if ferr != nil || !reflect.DeepEqual(again, v) {
			t.Fatalf("%s: %#v came back from the page as %#v, %v (%s)", f.Type, v, again, ferr, shown)
		}
	})
}

func TestParsedTextIsNFC(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, v := values(t)
		if s, ok := v.(string); ok && !norm.NFC.IsNormalString(s) {
			t.Fatalf("%s: %q is not NFC", f.Type, s)
		}
	})
}

func TestDecodeRefusesOtherForms(t *testing.T) {
	for name, c := range map[string]struct {
		typ Type
		b   []byte
	}{
		"a text for a number":  {Integer, field(Text).Encode("5")},
		"a number for a text":  {Text, field(Integer).Encode(int64(5))},
		"a day that isn't":     {Date, field(Text).Encode("2026-02-30")},
		"an empty text":        {Text, []byte{0x60}},
		"an empty list":        {List, []byte{0x80}},
		"a list of numbers":    {List, []byte{0x81, 0x01}},
		"a map":                {Text, []byte{0xa0}},
		"a long integer form":  {Integer, []byte{0x18, 0x01}},
		"a float":              {Integer, []byte{0xf9, 0x3c, 0x00}},
		"a number over 2^63":   {Integer, []byte{0x1b, 0xff, 0, 0, 0, 0, 0, 0, 0}},
		"nothing":              {Text, nil},
		"two items":            {Text, []byte{0x61, 'a', 0x61, 'b'}},
		"the year 12000":       {Datetime, field(Integer).Encode(int64(316516377600000))},
		"a list cut in middle": {List, []byte{0x82, 0x61, 'a'}},
	} {
		if v, err := field(c.typ).Decode(c.b); err == nil {
			t.Errorf("%s was read as %#v", name, v)
		}
	}
}

func TestEncodePanicsOnAForeignForm(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("an int in a text field was encoded")
		}
	}()
	field(Text).Encode(5)
}

func FuzzDecode(f *testing.F) {
	for _, typ := range allTypes {
		f.Add(string(typ), []byte{0xf6})
	}
	f.Add(string(Text), []byte{0x61, 'a'})
	f.Add(string(List), []byte{0x82, 0x61, 'a', 0x61, 'b'})
	f.Add(string(Datetime), []byte{0x1b, 0, 0, 1, 0x9a, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, typ string, b []byte) {
		fl := field(Type(typ))
		v, err := fl.Decode(b)
		if err != nil {
			return
		}
		if again := fl.Encode(v); !bytes.Equal(again, b) {
			t.Fatalf("%x was read as %#v and written as %x", b, v, again)
		}
	})
}
