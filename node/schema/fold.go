package schema

import (
	"maps"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Limits of what one record gives to the search index.
const (
	MaxTokens     = 300 // words, the first ones in the order of the fields
	maxTokenRunes = 32  // longer words are cut, on both sides of a search
)

// Fold brings a text to the form in which it is searched: lower case, without
// diacritics (đ becomes d), compatibility forms made plain, runs of space
// collapsed to one. Folding twice changes nothing.
func Fold(s string) string {
	s = strings.Map(foldRune, norm.NFKD.String(s))
	if !norm.NFKD.IsNormalString(s) { // a lower-case letter may be composed where its capital was not
		s = strings.Map(foldRune, norm.NFKD.String(s))
	}
	return strings.Join(strings.Fields(s), " ")
}

func foldRune(r rune) rune {
	const firstMark = 0x300
	switch {
	case r >= firstMark && unicode.Is(unicode.Mn, r):
		return -1
	case r == 'đ', r == 'Đ':
		return 'd'
	}
	return unicode.ToLower(r)
}

// Words are the folded words of a text: runs of letters and digits.
func Words(s string) []string {
	words := strings.FieldsFunc(Fold(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for i, w := range words {
		if r := []rune(w); len(r) > maxTokenRunes {
			words[i] = string(r[:maxTokenRunes])
		}
	}
	return words
}

// Tokens are the distinct words of the fields marked search, sorted, at most
// MaxTokens of them.
func (c *Collection) Tokens(values map[string]any) []string {
	seen := map[string]bool{}
	for _, f := range c.Fields {
		if !f.Search {
			continue
		}
		for _, w := range valueWords(values[f.Name]) {
			if len(seen) < MaxTokens {
				seen[w] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

func valueWords(v any) []string {
	switch v := v.(type) {
	case string:
		return Words(v)
	case []string:
		return Words(strings.Join(v, " "))
	}
	return nil
}
