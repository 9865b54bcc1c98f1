package normal

import (
	"encoding/binary"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Number is the one form of a text that is a number and nothing else: no signs
// between groups of three, a point before the fraction, no zeros at its end. A
// single separator before exactly three digits could be either, so such a text is
// no number here. Zeros in front stay: they belong to codes.
func Number(s string) (string, bool) {
	sign, rest := "", s
	if strings.HasPrefix(s, "-") {
		sign, rest = "-", s[1:]
	}
	parts := strings.FieldsFunc(rest, isSeparator)
	separators := strings.Map(onlySeparators, rest)
	if len(parts) == 0 || len(separators) != len(parts)-1 || strings.TrimLeft(strings.Join(parts, ""), "0123456789") != "" {
		return "", false
	}
	whole, fraction, ok := divide(parts, separators)
	if !ok {
		return "", false
	}
	if fraction = strings.TrimRight(fraction, "0"); fraction != "" {
		whole += "." + fraction
	}
	return sign + whole, true
}

func isSeparator(r rune) bool { return r == '.' || r == ',' || r == ' ' }

func onlySeparators(r rune) rune {
	if isSeparator(r) {
		return r
	}
	return -1
}

// divide finds the fraction: what follows the last separator, if that one is
// another than those between the groups before it.
func divide(parts []string, separators string) (whole, fraction string, ok bool) {
	n := len(separators)
	switch {
	case n == 0:
		return parts[0], "", true
	case n == 1:
		return parts[0], parts[1], separators[0] != ' ' && len(parts[1]) != 3
	case strings.Count(separators, separators[:1]) == n:
		return strings.Join(parts, ""), "", grouped(parts)
	case strings.Count(separators, separators[:1]) == n-1 && separators[n-1] != ' ' && separators[n-1] != separators[0]:
		return strings.Join(parts[:n], ""), parts[n], grouped(parts[:n])
	}
	return "", "", false
}

// grouped says whether all groups but the first have three digits.
func grouped(parts []string) bool {
	for _, p := range parts[1:] {
		if len(p) != 3 {
			return false
		}
	}
	return len(parts[0]) <= 3
}

// textOf is the text of a canonical CBOR text string.
func textOf(value []byte) (string, bool) {
	major, n, rest, ok := head(value)
	if !ok || major != 3 || uint64(len(rest)) != n || !utf8.Valid(rest) {
		return "", false
	}
	return string(rest), true
}

// numberOf is the decimal form of a CBOR integer or finite float: 1 and 1.0 are
// one number.
func numberOf(value []byte) (string, bool) {
	major, n, rest, ok := head(value)
	switch {
	case !ok || len(rest) > 0:
		return "", false
	case major == 0:
		return strconv.FormatUint(n, 10), true
	case major == 1:
		return new(big.Int).Not(new(big.Int).SetUint64(n)).String(), true
	}
	f, ok := floatOf(value, n)
	if !ok || math.IsNaN(f) || math.IsInf(f, 0) {
		return "", false
	}
	if f == 0 {
		return "0", true // of either sign
	}
	return strconv.FormatFloat(f, 'f', -1, 64), true
}

func floatOf(value []byte, bits uint64) (float64, bool) {
	switch value[0] {
	case 0xf9:
		return half(uint16(bits)), true
	case 0xfa:
		return float64(math.Float32frombits(uint32(bits))), true
	case 0xfb:
		return math.Float64frombits(bits), true
	}
	return 0, false
}

// half is an IEEE 754 binary16 (RFC 8949, appendix D).
func half(bits uint16) float64 {
	exponent, fraction := int(bits>>10&0x1f), float64(bits&0x3ff)
	f := math.Ldexp(fraction, -24)
	switch {
	case exponent == 31 && fraction != 0:
		f = math.NaN()
	case exponent == 31:
		f = math.Inf(1)
	case exponent > 0:
		f = math.Ldexp(fraction+1024, exponent-25)
	}
	if bits>>15 == 1 {
		return -f
	}
	return f
}

// head reads the first byte of a CBOR item and its argument.
func head(b []byte) (major byte, n uint64, rest []byte, ok bool) {
	if len(b) == 0 {
		return 0, 0, nil, false
	}
	major, n = b[0]>>5, uint64(b[0]&31)
	if n < 24 {
		return major, n, b[1:], true
	}
	size := 1 << (n - 24)
	if n > 27 || len(b) < 1+size {
		return 0, 0, nil, false
	}
	var argument [8]byte
	copy(argument[8-size:], b[1:1+size])
	return major, binary.BigEndian.Uint64(argument[:]), b[1+size:], true
}
