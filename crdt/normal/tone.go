package normal

import (
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// marks are the five tones, as combining characters: huyền, sắc, hỏi, ngã, nặng.
var marks = [...]string{"\u0300", "\u0301", "\u0309", "\u0303", "\u0323"}

// pair is two vowels of which one carries the tone.
type pair struct{ first, second rune }

// moved maps a pair of the older convention (òa, òe, ùy) to the newer (oà, oè,
// uỳ).
var moved = movedTones()

func movedTones() map[pair]pair {
	m := map[pair]pair{}
	for _, vowels := range []string{"oa", "oe", "uy", "Oa", "Oe", "Uy", "OA", "OE", "UY", "oA", "oE", "uY"} {
		first, second := rune(vowels[0]), rune(vowels[1])
		for _, mark := range marks {
			m[pair{compose(first, mark), second}] = pair{first, compose(second, mark)}
		}
	}
	return m
}

func compose(vowel rune, mark string) rune {
	return []rune(norm.NFC.String(string(vowel) + mark))[0]
}

// tones moves the tone of a syllable that ends in oa, oe or uy to its second
// vowel. Before a final consonant both conventions put it there.
func tones(s string) string {
	text := []rune(s)
	for i := 0; i+1 < len(text); i++ {
		to, ok := moved[pair{text[i], text[i+1]}]
		if ok && (i+2 == len(text) || !unicode.IsLetter(text[i+2])) {
			text[i], text[i+1] = to.first, to.second
		}
	}
	return string(text)
}
