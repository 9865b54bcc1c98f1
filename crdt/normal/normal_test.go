package normal

import (
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

func encode(t testing.TB, v any) []byte {
	t.Helper()
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		t.Fatal(err)
	}
	b, err := mode.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSame(t *testing.T) {
	for _, x := range [][2]any{
		{"Hòa", "Hoà"}, {"HÒA BÌNH", "HOÀ BÌNH"}, {"khỏe", "khoẻ"}, {"thủy", "thuỷ"}, {"Thúy", "Thuý"}, {"qúy", "quý"},
		{"xóe, lóa", "xoé, loá"}, {norm.NFD.String("Nguyễn Thị Hòa"), "Nguyễn Thị Hoà"},
		{"  Hà   Giang ", "Hà\u00a0Giang"}, {"a\tb\nc", "a b c"},
		{"1.000.000", "1 000 000"}, {"1,000,000", "1000000"}, {"1.234.567,50", "1,234,567.5"}, {"1,5", "1.50"}, {"-2,0", "-2"},
		{1, 1.0}, {-3, -3.0}, {0, 0.0}, {1.5, float32(1.5)}, {uint64(1 << 40), float64(1 << 40)},
	} {
		if !Same(encode(t, x[0]), encode(t, x[1])) {
			t.Errorf("%q and %q don't read as one: %q, %q", x[0], x[1], Form(encode(t, x[0])), Form(encode(t, x[1])))
		}
	}
}

func TestDifferent(t *testing.T) {
	for _, x := range [][2]any{
		{"Hòa", "Hóa"}, {"Hoa", "Hòa"}, {"Hà Giang", "HàGiang"}, {"hòa", "Hòa"}, {"hoàn", "hòan"},
		{"1.234", "1234"}, {"1.234", "1,234"}, {"12 345", "12345"}, {"0912345678", "912345678"}, {"1.2.3", "123"},
		{"1.5.2026", "152026"}, {"12.34.567", "1234567"}, {"1234.567.890", "1234567890"}, {"5 Lê Lợi", "5,0 Lê Lợi"},
		{"1 5", "1.5"}, {"1.000 000", "1000000"}, {"1.000.000 5", "1000000.5"}, {"-", ""}, {".5", "5"}, {"5.", "5"},
		{"1..000", "1000"}, {"1", 1}, {"", nil}, {true, false}, {1, -1}, {[]byte("a"), "a"}, {1, []int{1}},
	} {
		if Same(encode(t, x[0]), encode(t, x[1])) {
			t.Errorf("%q and %q read as one: %q", x[0], x[1], Form(encode(t, x[0])))
		}
	}
}

// Of bytes that are no CBOR text or number, each reads as itself.
func TestOtherBytesAreThemselves(t *testing.T) {
	for _, b := range [][]byte{nil, {0x63, 'a'}, {0x62, 'a', 'b', 'c'}, {0x61, 0xff}, {0xf9, 0x7c, 0x00}, {0xf9, 0x7e, 0x00}, {0x1b, 1}, {0x1c}, {0xf4}, {0x01, 0x01}} {
		if got := Form(b); got != "v"+string(b) {
			t.Errorf("% x: %q", b, got)
		}
	}
}

// A form is its own form, and says nothing of spaces, of how characters are
// composed, or of numbers of any size.
func TestFormsAreStable(t *testing.T) {
	word := rapid.StringMatching(`[a-zA-ZòóỏõọùúủũụoaeyuqhàÀÒ]{0,6}|[0-9]{1,4}([., ][0-9]{1,4}){0,3}`)
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(word, 0, 5).Draw(t, "words")
		text := strings.Join(words, rapid.SampledFrom([]string{" ", "  ", "\u00a0", "\n"}).Draw(t, "space"))
		form := Text(text)
		if again := Text(form); again != form {
			t.Fatalf("%q: %q, and again %q", text, form, again)
		}
		if other := Text(" " + norm.NFD.String(text)); other != form {
			t.Fatalf("%q: %q, decomposed %q", text, form, other)
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		i := rapid.Int32().Draw(t, "integer")
		if mode, _ := cbor.CoreDetEncOptions().EncMode(); mode != nil {
			whole, _ := mode.Marshal(i)
			float, _ := mode.Marshal(float64(i))
			if !Same(whole, float) {
				t.Fatalf("%d: %q and %q", i, Form(whole), Form(float))
			}
		}
	})
}
