// Package wire is how the things of package crdt look as bytes: canonical CBOR
// (RFC 8949, section 4.2.1, core deterministic encoding), of which exactly one
// form exists for each value. Everything else is refused, so that what is
// hashed and signed can't be written in two ways.
//
// Every top-level item is an array that begins with its format number. FORMAT.md
// lists the items, their fields and limits. Nothing here does I/O; every decoder
// bounds what it allocates by the length of its input.
package wire

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// Format is the number that begins every item. 0 makes no promise: it may
// change until 1 is fixed.
const Format = 0

// ErrFormat is wrapped by every error of a decoder.
var ErrFormat = errors.New("malformed bytes")

var (
	encMode = must(encOptions().EncMode())
	decMode = must(cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		MaxNestedLevels:   16,
		MaxArrayElements:  1 << 16,
		MaxMapPairs:       1 << 12,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
	}.DecMode())
)

// encOptions are the core deterministic ones; a list with nothing in it has one
// form too, the empty array.
func encOptions() cbor.EncOptions {
	o := cbor.CoreDetEncOptions()
	o.NilContainers = cbor.NilContainerAsEmpty
	return o
}

// must is for modes built from constants, when the program starts.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Marshal gives the canonical encoding of v.
func Marshal(v any) ([]byte, error) {
	b, err := encMode.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return b, nil
}

// Unmarshal reads one item into v, at most limit bytes of it, and refuses any
// encoding of it but the canonical one.
func Unmarshal(b []byte, limit int, v any) error {
	if len(b) > limit {
		return fmt.Errorf("%w: %d bytes; at most %d", ErrFormat, len(b), limit)
	}
	if err := decMode.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	again, err := encMode.Marshal(v)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if !bytes.Equal(again, b) {
		return fmt.Errorf("%w: not the canonical encoding", ErrFormat)
	}
	return nil
}

// CheckValue says whether b is one canonical CBOR item, as the value of an
// operation must be.
func CheckValue(b []byte) error {
	var v any
	return Unmarshal(b, len(b), &v)
}
