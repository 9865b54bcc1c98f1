package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"
)

// Limits of any CBOR item, written or read.
const (
	maxNested = 16      // arrays and maps within each other
	maxArray  = 1 << 16 // elements
	maxMap    = 1 << 12 // pairs
)

// CheckValue says whether b is one canonical CBOR item, as the value of an
// operation must be: of integers, byte strings, texts, arrays, maps, false, true,
// null and numbers with a fraction. FORMAT.md, "Values", says which bytes exactly.
// Nothing is built of them, so that no two programs can differ by what they build.
func CheckValue(b []byte) error {
	rest, err := checkItem(b, 0)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%w: %d bytes after a value", ErrFormat, len(rest))
	}
	return err
}

// checkItem checks the first item of b, which lies within so many arrays and
// maps, and gives what follows it.
func checkItem(b []byte, within int) (rest []byte, err error) {
	if len(b) > 0 && b[0]>>5 == majorSimple {
		return checkSimple(b)
	}
	major, n, rest, ok := cutHead(b)
	switch {
	case !ok || len(head(major, n)) != len(b)-len(rest):
		return nil, fmt.Errorf("%w: a value ends early, or has a head that is not the shortest", ErrFormat)
	case major <= majorNegative:
		return rest, nil
	case major <= majorText:
		if n > uint64(len(rest)) || major == majorText && !utf8.Valid(rest[:n]) {
			return nil, fmt.Errorf("%w: a string of %d bytes that ends early or isn't UTF-8", ErrFormat, n)
		}
		return rest[n:], nil
	case within == maxNested:
		return nil, fmt.Errorf("%w: nested in more than %d levels", ErrFormat, maxNested)
	case major == majorArray && n <= maxArray:
		for range n {
			if rest, err = checkItem(rest, within+1); err != nil {
				return nil, err
			}
		}
		return rest, nil
	case major == majorMap && n <= maxMap:
		return checkPairs(rest, n, within+1)
	}
	return nil, fmt.Errorf("%w: a tag, or more elements than a list may have: %d", ErrFormat, n)
}

// checkPairs holds the keys of a map to their order, each once.
func checkPairs(b []byte, n uint64, within int) (rest []byte, err error) {
	var before []byte
	for range n {
		if len(b) > 0 && b[0]>>5 > majorText {
			return nil, fmt.Errorf("%w: a key of a map that is no integer, byte string or text", ErrFormat)
		}
		if rest, err = checkItem(b, within); err != nil {
			return nil, err
		}
		key := b[:len(b)-len(rest)]
		if bytes.Compare(before, key) >= 0 {
			return nil, fmt.Errorf("%w: the keys of a map are not sorted, each once", ErrFormat)
		}
		before = key
		if b, err = checkItem(rest, within); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// checkSimple: false, true, null, and floats in the fewest bytes. NaN is none:
// it equals nothing, not even itself.
func checkSimple(b []byte) (rest []byte, err error) {
	length, short, f := 1, false, 0.0
	switch small := b[0] & 31; {
	case small == 20, small == 21, small == 22:
		return b[1:], nil
	case small == 25 && len(b) >= 3:
		length = 3
		if h := binary.BigEndian.Uint16(b[1:]); h>>10&31 == 31 && h&1023 != 0 {
			f = math.NaN()
		}
	case small == 26 && len(b) >= 5:
		length = 5
		single := math.Float32frombits(binary.BigEndian.Uint32(b[1:]))
		f, short = float64(single), isHalf(single)
	case small == 27 && len(b) >= 9:
		length = 9
		f = math.Float64frombits(binary.BigEndian.Uint64(b[1:]))
		short = float64(float32(f)) == f
	default:
		return nil, fmt.Errorf("%w: a simple value % x", ErrFormat, b[:1])
	}
	if math.IsNaN(f) || short {
		return nil, fmt.Errorf("%w: a number that is none, or that has a shorter form", ErrFormat)
	}
	return b[length:], nil
}

// isHalf says whether a number is one of 16 bits too.
func isHalf(f float32) bool {
	bits := math.Float32bits(f)
	exponent, fraction := int(bits>>23&0xff)-127, bits&(1<<23-1)
	switch {
	case exponent == 128, bits<<1 == 0: // infinite; zero
		return true
	case exponent > 15, exponent < -24:
		return false
	case exponent >= -14:
		return fraction&(1<<13-1) == 0
	}
	return (fraction|1<<23)&(1<<(-1-exponent)-1) == 0
}

// marshalItem is Marshal of what a decoder must take again: at most limit bytes,
// and lists of the lengths that are read.
func marshalItem(v any, limit int) ([]byte, error) {
	b, err := Marshal(v)
	if err != nil {
		return nil, err
	}
	if len(b) > limit {
		return nil, fmt.Errorf("%w: %d bytes; at most %d", ErrFormat, len(b), limit)
	}
	return b, CheckValue(b)
}
