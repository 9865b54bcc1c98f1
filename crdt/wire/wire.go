// Package wire is how the things of package crdt look as bytes: canonical CBOR
// (RFC 8949, section 4.2.1, core deterministic encoding), of which exactly one
// form exists for each value. Everything else is refused, so that what is
// hashed and signed can't be written in two ways.
//
// Every top-level item is an array that begins with its format number. FORMAT.md
// lists the items, their fields and limits, well enough for a second program.
// Nothing here does I/O; what a decoder allocates is bounded by the length of its
// input and by the limits.
//
// An entry has two forms. The carried form has its payloads and the key that opens
// their commitments; stores keep it and nodes send it. The structure has
// commitments in the place of payloads, and its hash is the chain hash. So what an
// officer wrote can be erased by law (Erase), and the chain still verifies and
// tells nothing.
//
// A segment is a run of a log's entries, to be sent: as columns, so that like
// stands beside like, and compressed in whichever way is the smallest. What comes
// out is byte for byte what went in.
package wire

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// Format is the number that begins every item. What is written under 1 is read
// for ever; 0 was never promised, and nothing reads it any more.
const Format = 1

// ErrFormat is wrapped by every error of a decoder.
var ErrFormat = errors.New("malformed bytes")

var (
	encMode = must(encOptions().EncMode())
	decMode = must(cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		NaN:               cbor.NaNDecodeForbidden,
		MaxNestedLevels:   maxNested,
		MaxArrayElements:  maxArray,
		MaxMapPairs:       maxMap,
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

// checkFormat refuses an item of another format, in words for who looks after the
// machine.
func checkFormat(format uint) error {
	switch {
	case format == Format:
		return nil
	case format < Format:
		return fmt.Errorf("%w: format %d came before the first that is kept, %d; it was written by a trial version, save its data anew", ErrFormat, format, Format)
	}
	return fmt.Errorf("%w: format %d is newer than this program, which knows %d; update it", ErrFormat, format, Format)
}
