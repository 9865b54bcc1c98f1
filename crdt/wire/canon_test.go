package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/vungxa/vungxa/crdt"
)

func fromHex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return b
}

// valuesTaken and valuesRefused are vectors too: the second reader judges them.
var valuesTaken = []string{
	"00", "17", "1818", "1bffffffffffffffff", "20", "3bffffffffffffffff", "40", "41ff", "60", "63e1bb87", "80", "a0", "f4", "f5", "f6",
	"f90000", "f98000", "f90001", "f97bff", "f97c00", "f9fc00", "fa47800000", "fa33000000", "fa3f800001", "fb3ff199999999999a", "fb7fefffffffffffff",
	"a201004101f6", "a3000020004000", "a2616100626161f5", strings.Repeat("81", 16) + "00",
}

var valuesRefused = []string{
	"", "0000", "1800", "1817", "1900ff", "1a0000ffff", "1b00000000ffffffff", "1c", "1f", "18", "4101ff", "42ff", "5800", "5f4101ff", "61ff", "62c328",
	"63eda080", "81", "8100f6", "9fff", "bfff", "a1", "a100", "a201004100", "c074", "c24101", "d81800", "e0", "f3", "f7", "f820", "f8ff", "fc", "ff",
	"f97e00", "f97e01", "fa7fc00000", "fb7ff8000000000001", "fa7f800000", "fa00000000", "fa3f800000", "fa33800000", "fb3ff8000000000000", "fb7ff0000000000000",
	"a1f97e0001", "a2f97e0001f97e0002", "a2f97e0002f97e0001", "a2f9000001f9800002", "a1f601", "a1f501", "a18000", "a1a000",
	"a202000100", "a201000100", "a2414000414100f6", "a26261610061 6100", strings.Repeat("81", 17) + "00",
}

// A value is canonical or it isn't: by its bytes alone, each time alike.
func TestValuesAreTakenByTheirBytes(t *testing.T) {
	for _, s := range valuesTaken {
		if err := CheckValue(fromHex(t, s)); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	for _, s := range valuesRefused {
		for range 20 {
			if err := CheckValue(fromHex(t, s)); !errors.Is(err, ErrFormat) {
				t.Fatalf("%s: %v; want ErrFormat", s, err)
			}
		}
	}
	long := append(head(majorArray, maxArray), bytes.Repeat([]byte{0}, maxArray)...)
	if err := CheckValue(long); err != nil {
		t.Error(err)
	}
	if err := CheckValue(append(append(head(majorArray, maxArray+1), long[5:]...), 0)); !errors.Is(err, ErrFormat) {
		t.Errorf("an array of %d: %v", maxArray+1, err)
	}
	for n, want := range map[int]error{maxMap: nil, maxMap + 1: ErrFormat} {
		pairs := head(majorMap, uint64(n))
		for i := range n {
			pairs = append(append(pairs, head(0, uint64(i))...), 0xf6)
		}
		if err := CheckValue(pairs); !errors.Is(err, want) {
			t.Errorf("a map of %d: %v; want %v", n, err, want)
		}
	}
}

// The walker agrees with the library's encoder on every float, and on values of
// any shape: what it writes is taken, and of another form of it only one.
func TestValuesAgreeWithTheEncoder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bits := rapid.OneOf(rapid.Uint64(), rapid.Map(rapid.Uint32(), func(u uint32) uint64 { return math.Float64bits(float64(math.Float32frombits(u))) }),
			rapid.Map(rapid.IntRange(-1<<24, 1<<24), func(i int) uint64 { return math.Float64bits(float64(i) * 0x1p-24) })).Draw(t, "bits")
		f := math.Float64frombits(bits)
		forms := [][]byte{
			binary.BigEndian.AppendUint32([]byte{0xfa}, math.Float32bits(float32(f))), binary.BigEndian.AppendUint64([]byte{0xfb}, math.Float64bits(f)),
		}
		for _, b := range append(forms, must(Marshal(f))) {
			var v any
			want := decMode.Unmarshal(b, &v) == nil && bytes.Equal(must(Marshal(v)), b)
			if got := CheckValue(b) == nil; got != want {
				t.Fatalf("% x (%v): taken %v, want %v", b, f, got, want)
			}
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		b := must(Marshal(drawnValue(t, 4)))
		if err := CheckValue(b); err != nil {
			t.Fatalf("% x: %v", b, err)
		}
		i := rapid.IntRange(0, len(b)-1).Draw(t, "spoilt")
		b[i] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		var v any
		if CheckValue(b) == nil && (decMode.Unmarshal(b, &v) != nil || !bytes.Equal(must(Marshal(v)), b)) {
			t.Fatalf("% x: taken, and is not canonical", b)
		}
	})
}

func drawnValue(t *rapid.T, depth int) any {
	switch rapid.IntRange(0, 5+min(depth, 2)).Draw(t, "what") {
	case 0:
		return nil
	case 1:
		return rapid.Bool().Draw(t, "bool")
	case 2:
		return rapid.Int64().Draw(t, "int")
	case 3:
		return rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")
	case 4:
		return rapid.String().Draw(t, "text")
	case 5:
		return rapid.Float64().Draw(t, "float")
	case 6:
		var list []any
		for range rapid.IntRange(0, 4).Draw(t, "length") {
			list = append(list, drawnValue(t, depth-1))
		}
		return list
	}
	pairs := map[any]any{}
	for range rapid.IntRange(0, 4).Draw(t, "pairs") {
		pairs[rapid.OneOf(rapid.Map(rapid.Int64(), func(i int64) any { return i }), rapid.Map(rapid.String(), func(s string) any { return s })).Draw(t, "key")] = drawnValue(t, depth-1)
	}
	return pairs
}

// An entry of a value that is not canonical isn't written, and isn't read.
func TestEntriesHoldCanonicalValuesOnly(t *testing.T) {
	for _, s := range []string{"a2f97e0001f97e0002", "f97e00", "1817", "a202000100"} {
		e := testEntry()
		e.Ops[1].Value = fromHex(t, s)
		if _, err := EncodeEntry(e); !errors.Is(err, crdt.ErrEntry) {
			t.Errorf("%s was written: %v", s, err)
		}
		b := must(Marshal(wireEntry{Format: Format, Keys: must(encodeKeys(e)), Body: must(bodyOf(e, carriedPayload))}))
		for range 20 {
			if _, err := DecodeEntry(b); !errors.Is(err, ErrFormat) {
				t.Fatalf("%s was read: %v", s, err)
			}
		}
	}
}
