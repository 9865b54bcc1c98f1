package schema

import (
	"fmt"
	"math"

	"github.com/vungxa/vungxa/crdt/wire"
)

// cborNull is what a missing value is written as.
var cborNull = []byte{0xf6}

// Encode gives the value's canonical CBOR: null, text, bool, integer, or an
// array of texts. v is of the Go form; anything else is a fault of the program
// and panics.
func (f *Field) Encode(v any) []byte {
	if v == nil {
		return cborNull
	}
	if !f.fits(v) {
		panic(fmt.Sprintf("schema: %s is a %s and can't hold a %T", f.Name, f.Type, v))
	}
	b, err := wire.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("schema: %s: %v", f.Name, err))
	}
	return b
}

// Decode reads what Encode wrote. It judges the form only, so that a value
// written under another version of the pack, with other codes or limits, is
// still read; a form that is not the field's is an error.
func (f *Field) Decode(b []byte) (any, error) {
	var raw any
	if err := wire.Unmarshal(b, len(b), &raw); err != nil {
		return nil, fmt.Errorf("field %s: %w", f.Name, err)
	}
	v := goForm(raw)
	if v != nil && !f.fits(v) {
		return nil, fmt.Errorf("field %s: the stored value is no %s; it was written by a newer program or is damaged", f.Name, f.Type)
	}
	return v, nil
}

// EncodeElem gives the canonical CBOR of one item of a set.
func (f *Field) EncodeElem(item string) ([]byte, error) {
	b, err := wire.Marshal(item)
	if err != nil {
		return nil, fmt.Errorf("field %s: %w", f.Name, err)
	}
	return b, nil
}

// DecodeElem reads what EncodeElem wrote.
func (f *Field) DecodeElem(b []byte) (string, error) {
	var item string
	if err := wire.Unmarshal(b, len(b), &item); err != nil {
		return "", fmt.Errorf("field %s: an item: %w", f.Name, err)
	}
	return item, nil
}

// goForm turns what a CBOR decoder gives into the Go form, where there is one.
func goForm(raw any) any {
	switch v := raw.(type) {
	case uint64:
		if v <= math.MaxInt64 {
			return int64(v)
		}
	case []any:
		if list, ok := texts(v); ok {
			return list
		}
	}
	return raw
}

// fits says whether v, not missing, has the form of the field's type. An empty
// text or list has not: what is nothing is written as null.
func (f *Field) fits(v any) bool {
	switch f.Type {
	case Text, Multiline, Code:
		s, ok := v.(string)
		return ok && s != ""
	case Date:
		s, _ := v.(string)
		_, ok := day(s)
		return ok
	case Bool:
		_, ok := v.(bool)
		return ok
	case Integer:
		n, ok := v.(int64)
		return ok && n <= maxInteger && n >= -maxInteger
	case Datetime:
		n, ok := v.(int64)
		return ok && n >= minMillis && n <= maxMillis
	case List:
		l, ok := v.([]string)
		return ok && len(l) > 0
	}
	return false
}
