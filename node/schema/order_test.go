package schema

import (
	"bytes"
	"cmp"
	"math/rand"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

// sorted gives the values in the order of their keys.
func sorted(f *Field, in []string) []string {
	out := slices.Clone(in)
	slices.SortStableFunc(out, func(a, b string) int { return bytes.Compare(f.SortKey(a), f.SortKey(b)) })
	return out
}

// in each order, the list is as a Vietnamese dictionary or roll would have it.
func TestSortKeyKnownOrders(t *testing.T) {
	person := field(Text)
	person.Person = true
	for name, c := range map[string]struct {
		field *Field
		want  []string
	}{
		"tones are ngang, huyền, hỏi, ngã, sắc, nặng": {field(Text), []string{"ma", "mà", "mả", "mã", "má", "mạ", "mai"}},
		"ă, â, đ, ê, ô, ơ, ư are letters":             {field(Text), []string{"az", "ăa", "âa", "b", "da", "đa", "e", "ê", "oz", "ôa", "ơa", "uz", "ưa"}},
		"codes by number":                             {field(Code), []string{"1", "2", "9", "10", "G09.2", "G09.20", "G10.1"}},
		"people by last word, tones included, then middle, then family": {person, []string{
			"Phạm An", "Trần Bình An", "Lê Văn An", "Nguyễn Văn An", "Trần Văn Án", "Lê Thị Bích", "Nguyễn Thị Bích", "Đỗ Đức"}},
	} {
		shuffled := slices.Clone(c.want)
		rand.New(rand.NewSource(1)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if got := sorted(c.field, shuffled); !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %v\nwant %v", name, got, c.want)
		}
	}
}

var syllables = rapid.SampledFrom([]string{"a", "à", "ả", "ã", "á", "ạ", "ă", "ằ", "â", "b", "d", "đ", "e", "ê", "Hòa", "Hoà", "hoa", "Nguyễn", "Nguyen", " ", "-", "1", "2", "10", ".", "z", "漢", "€"})

func vietnamese(t *rapid.T, label string) string {
	return norm.NFC.String(strings.Join(rapid.SliceOfN(syllables, 1, 8).Draw(t, label), ""))
}

func TestSortKeyIsCollationOrder(t *testing.T) {
	c := collate.New(language.Vietnamese)
	f := field(Text)
	rapid.Check(t, func(t *rapid.T) {
		a, b := vietnamese(t, "a"), vietnamese(t, "b")
		if got, want := bytes.Compare(f.SortKey(a), f.SortKey(b)), c.CompareString(a, b); got != want {
			t.Fatalf("%q and %q: keys say %d, the collator %d", a, b, got, want)
		}
	})
}

// The key of a name orders as comparing word by word does: last, middle, first.
func TestSortKeyOfPersonsComparesPartByPart(t *testing.T) {
	c := collate.New(language.Vietnamese)
	f := field(Text)
	f.Person = true
	word := rapid.SampledFrom([]string{"An", "Án", "Ân", "Anh", "Ánh", "Bình", "Binh", "Văn", "Thị", "Lê", "Le", "Đỗ", "Do"})
	name := rapid.SliceOfN(word, 2, 4)
	rapid.Check(t, func(t *rapid.T) {
		a, b := name.Draw(t, "a"), name.Draw(t, "b")
		want := cmp.Or(
			c.CompareString(a[len(a)-1], b[len(b)-1]),
			c.CompareString(strings.Join(a[1:len(a)-1], " "), strings.Join(b[1:len(b)-1], " ")),
			c.CompareString(a[0], b[0]))
		if got := bytes.Compare(f.SortKey(strings.Join(a, " ")), f.SortKey(strings.Join(b, " "))); got != want {
			t.Fatalf("%v and %v: keys say %d, want %d", a, b, got, want)
		}
	})
}

func TestSortKeyOfNumbersAndTimes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := field(rapid.SampledFrom([]Type{Integer, Datetime}).Draw(t, "type"))
		a, b := rapid.Int64().Draw(t, "a"), rapid.Int64().Draw(t, "b")
		if got := bytes.Compare(f.SortKey(a), f.SortKey(b)); got != cmp.Compare(a, b) {
			t.Fatalf("%d and %d: keys say %d", a, b, got)
		}
	})
}

func TestSortKeyMissingLast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, v := values(t)
		if f.Type == List || v == nil {
			return
		}
		if bytes.Compare(f.SortKey(v), f.SortKey(nil)) >= 0 {
			t.Fatalf("%s: %#v doesn't sort before missing", f.Type, v)
		}
	})
}

// An index appends record ids to the keys, and a store bounds its keys.
func TestSortKeyStaysShort(t *testing.T) {
	f := field(Text)
	if n := len(f.SortKey(strings.Repeat("ặ漢", 4000))); n > 1200 {
		t.Errorf("a long text makes a key of %d bytes", n)
	}
}

func TestSortKeyFromManyGoroutines(t *testing.T) {
	f := field(Text)
	want := f.SortKey("Nguyễn Thị Ánh")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if !bytes.Equal(f.SortKey("Nguyễn Thị Ánh"), want) {
					t.Error("keys differ between goroutines")
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestFold(t *testing.T) {
	for in, want := range map[string]string{
		"Nguyễn  Thị\tÁNH":   "nguyen thi anh",
		"ĐÔNG đỏ":            "dong do",
		"Ho\u0300a":          "hoa",
		" hoà/hòa ":          "hoa/hoa",
		"Ｆｕｌｌ ①":             "full 1",
		"İstanbul":           "istanbul",
		"G09.20-20260609":    "g09.20-20260609",
		"\u0110\u01b0\u01a1": "duo",
	} {
		if got := Fold(in); got != want {
			t.Errorf("Fold(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestFoldProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		if once := Fold(s); Fold(once) != once {
			t.Fatalf("%q folds to %q, and that to %q", s, once, Fold(once))
		}
		if Fold(norm.NFD.String(s)) != Fold(norm.NFC.String(s)) {
			t.Fatalf("%q folds differently composed and decomposed", s)
		}
	})
}

func TestWordsAndTokens(t *testing.T) {
	if got, want := Words("Số 12/3, thôn Đoài — 1.001193"), []string{"so", "12", "3", "thon", "doai", "1", "001193"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := Words(strings.Repeat("a", 100)); len(got[0]) != maxTokenRunes {
		t.Errorf("a word of %d runes was kept", len(got[0]))
	}
	c := &Collection{Fields: []*Field{{Name: "A", Search: true}, {Name: "B"}, {Name: "C", Search: true}, {Name: "D", Search: true}}}
	got := c.Tokens(map[string]any{"A": "Thôn Đoài", "B": "hidden", "C": []string{"đoài", "Bắc"}, "D": int64(5)})
	if want := []string{"bac", "doai", "thon"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func BenchmarkSortKey(b *testing.B) {
	f := field(Text)
	f.Person = true
	for b.Loop() {
		f.SortKey("Nguyễn Thị Minh Ánh")
	}
}

func BenchmarkTokens(b *testing.B) {
	c := &Collection{Fields: []*Field{{Name: "A", Search: true}, {Name: "B", Search: true}}}
	values := map[string]any{"A": "Nguyễn Thị Minh Ánh", "B": "Chứng thực bản sao từ bản chính giấy tờ, văn bản do cơ quan có thẩm quyền cấp"}
	for b.Loop() {
		c.Tokens(values)
	}
}
