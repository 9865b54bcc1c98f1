package wire

import (
	"fmt"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/vungxa/vungxa/crdt"
)

func decoded(t testing.TB, s *Segment) []*crdt.Entry {
	t.Helper()
	entries, err := s.Open()
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// sizes are the bytes of one segment's body in every coding.
type sizes struct{ segment, entries, columns, columnsDict, mixedBare, mixed int }

func measure(t testing.TB, s *Segment, dict *zstd.Encoder) sizes {
	t.Helper()
	b, err := EncodeSegment(s)
	if err != nil {
		t.Fatal(err)
	}
	array, err := Marshal(s.Entries)
	if err != nil {
		t.Fatal(err)
	}
	entries := decoded(t, s)
	p := &plain{}
	if err := writeColumns(p, s, entries); err != nil {
		t.Fatal(err)
	}
	bare := newMixWriter(unprimed())
	if err := writeColumns(bare, s, entries); err != nil {
		t.Fatal(err)
	}
	mixed, err := s.columnsAs(codingMixed, entries)
	if err != nil {
		t.Fatal(err)
	}
	return sizes{
		segment: len(b), entries: len(zstdEncoder.EncodeAll(array, nil)),
		columns:     len(p.raw) + len(zstdEncoder.EncodeAll(p.bytes, nil)),
		columnsDict: len(p.raw) + len(dict.EncodeAll(p.bytes, nil)),
		mixedBare:   len(bare.coder.end()), mixed: len(mixed),
	}
}

func TestSizes(t *testing.T) {
	dict := trainedZstd(t)
	for _, words := range []struct {
		name string
		of   func(int, int) bool
	}{{"all words", everyWord}, {"even words", evenWords}, {"odd words", oddWords}} {
		for _, n := range []int{1, 10, 100, 300} {
			for name, fields := range map[string][]uint32{"any field": anyField, "progress": progress} {
				var sum sizes
				for seed := uint64(1); seed <= 5; seed++ {
					m := measure(t, newOffice(seed, words.of).saves(t, n, fields), dict)
					sum.segment += m.segment
					sum.entries += m.entries
					sum.columns += m.columns
					sum.columnsDict += m.columnsDict
					sum.mixedBare += m.mixedBare
					sum.mixed += m.mixed
				}
				fmt.Printf("%s %s %d: segment %d | entries %d columns %d dict %d | mixed bare %d primed %d\n", words.name, name, n, sum.segment/5, sum.entries/5, sum.columns/5, sum.columnsDict/5, sum.mixedBare/5, sum.mixed/5)
			}
		}
	}
}

// trainedZstd is zstd with a dictionary, which was tried and not taken.
func trainedZstd(t testing.TB) *zstd.Encoder {
	var contents [][]byte
	var history []byte
	for seed := uint64(1000); seed < 1200; seed++ {
		s := newOffice(seed, everyWord).saves(t, 60, anyField)
		p := &plain{}
		if err := writeColumns(p, s, decoded(t, s)); err != nil {
			t.Fatal(err)
		}
		contents = append(contents, p.bytes)
		if len(history) < 16<<10 {
			history = append(history, p.bytes...)
		}
	}
	d, err := zstd.BuildDict(zstd.BuildDictOptions{ID: 1, Contents: contents, History: history, Offsets: [3]int{1, 4, 8}, Level: zstd.SpeedBestCompression})
	if err != nil {
		t.Fatal(err)
	}
	e, err := zstd.NewWriter(nil, zstd.WithEncoderDict(d), zstd.WithEncoderCRC(false), zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	if err != nil {
		t.Fatal(err)
	}
	return e
}
