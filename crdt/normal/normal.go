// Package normal says when two values read as one. Two officers who type the same
// name on two keyboards have not disagreed: one writes "hòa" and the other "hoà",
// one leaves a space behind, one writes 1.000.000 and the other 1 000 000. Such
// siblings are shown as one and don't go to an inbox.
//
// It is applied when values are read and never written back, and it has a
// version: another version may find other values equal, and changes nothing that
// is stored. Where two readings of a text are possible ("1.234"), they stay
// different: a conflict too many is settled by a person, one too few is lost.
package normal

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Version is the version of the rules.
const Version = 1

// Same says whether two values, canonical CBOR, read as one.
func Same(a, b []byte) bool { return Form(a) == Form(b) }

// Form is the normal form of a value, canonical CBOR: values with one form read
// as one. It is for comparing, not for showing.
func Form(value []byte) string {
	if text, ok := textOf(value); ok {
		return "t" + Text(text)
	}
	if number, ok := numberOf(value); ok {
		return "n" + number
	}
	return "v" + string(value)
}

// Text is the normal form of a text: NFC, one space for every run of spaces and
// none at the ends, tones where the newer convention puts them, and a text that
// is nothing but a number in one form.
func Text(s string) string {
	s = strings.Join(strings.FieldsFunc(norm.NFC.String(s), unicode.IsSpace), " ")
	if number, ok := Number(s); ok {
		return number
	}
	return tones(s)
}
