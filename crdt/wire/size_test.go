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

// The bytes of segments of a commune's work, whole: log, seal, salts, every value
// and clock. They are exact, and a change of them is a change of the format. The
// seeds are not those that the dictionary was trained on.
func TestSegmentBytes(t *testing.T) {
	for _, c := range []struct {
		work   string
		fields []uint32
		saves  int
		want   int
	}{
		{"any field", anyField, 1, 184},
		{"any field", anyField, 10, 274},
		{"any field", anyField, 100, 933},
		{"any field", anyField, 300, 2197},
		{"progress", progress, 1, 183},
		{"progress", progress, 10, 263},
		{"progress", progress, 100, 817},
		{"progress", progress, 300, 1883},
	} {
		sum := 0
		for seed := range uint64(5) {
			b, err := EncodeSegment(newOffice(seed+1, everyWord).saves(t, c.saves, c.fields))
			if err != nil {
				t.Fatal(err)
			}
			sum += len(b)
		}
		t.Logf("%3d Saves, %-9s: %5d B, with one seal", c.saves, c.work, sum/5)
		if sum/5 != c.want {
			t.Errorf("%d Saves, %s: %d B; want %d", c.saves, c.work, sum/5, c.want)
		}
	}
}

// What was chosen from: the bodies of the same 300 Saves, and of such whose words
// no dictionary has seen.
func TestCodingsCompared(t *testing.T) {
	t.Logf("%-30s %7s %7s %7s %7s %7s", "body of 300 Saves, B", "entries", "columns", "+dict", "mixed", "+dict")
	works := map[string][]uint32{"any field": anyField, "progress": progress}
	for _, c := range []struct {
		words         string
		trained, used func(int, int) bool
	}{
		{"", everyWord, everyWord},
		{", words never seen", evenWords, oddWords},
	} {
		knowing := unprimed()
		prime(knowing, train(t, c.trained))
		dictionary := trainedZstd(t, c.trained)
		for _, work := range []string{"any field", "progress"} {
			name := work + c.words
			n := bodies(t, newOffice(1, c.used).saves(t, 300, works[work]), dictionary, knowing)
			t.Logf("%-30s %7d %7d %7d %7d %7d", name, n[0], n[1], n[2], n[3], n[4])
			if columns := min(n[1], n[2]); n[4]*10 > columns*9 {
				t.Errorf("%s: mixed %d B, columns with zstd %d: the predictor doesn't pay", name, n[4], columns)
			}
			if c.words == "" && n[4]*100 > n[3]*95 {
				t.Errorf("%s: %d B with the dictionary, %d without: it doesn't pay", name, n[4], n[3])
			}
		}
	}
}

// bodies are the bytes of a segment's body in every coding that was tried.
func bodies(t testing.TB, s *Segment, dictionary *zstd.Encoder, knowing *predictor) [5]int {
	t.Helper()
	array, err := Marshal(s.Entries)
	if err != nil {
		t.Fatal(err)
	}
	entries := decoded(t, s)
	p := &plain{}
	bare := newMixWriter(unprimed())
	copied := *knowing
	mixed := newMixWriter(&copied)
	for _, stream := range []stream{p, bare, mixed} {
		if err := writeColumns(stream, s, entries, nil); err != nil {
			t.Fatal(err)
		}
	}
	return [5]int{
		len(zstdEncoder.EncodeAll(array, nil)),
		len(p.raw) + len(zstdEncoder.EncodeAll(p.bytes, nil)),
		len(p.raw) + len(dictionary.EncodeAll(p.bytes, nil)),
		len(bare.coder.end()),
		len(mixed.coder.end()),
	}
}

// trainedZstd is zstd with a dictionary of 16 KiB, which was tried and not taken.
func trainedZstd(t testing.TB, words func(int, int) bool) *zstd.Encoder {
	t.Helper()
	var contents [][]byte
	var history []byte
	for i := range uint64(30) {
		s := newOffice(trainingSeed+i, words).saves(t, 60, anyField)
		p := &plain{}
		if err := writeColumns(p, s, decoded(t, s), nil); err != nil {
			t.Fatal(err)
		}
		contents = append(contents, p.bytes)
		if len(history) < 16<<10 {
			history = append(history, p.bytes...)
		}
	}
	d, err := zstd.BuildDict(zstd.BuildDictOptions{
		ID: 1, Contents: contents, History: history, Offsets: [3]int{1, 4, 8}, Level: zstd.SpeedBestCompression,
	})
	if err != nil {
		t.Fatal(err)
	}
	e, err := zstd.NewWriter(nil, zstd.WithEncoderDict(d), zstd.WithEncoderCRC(false), zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func BenchmarkEncodeSegment(b *testing.B) {
	s := newOffice(1, everyWord).saves(b, 300, progress)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := EncodeSegment(s); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeBulk(b *testing.B) {
	s := newOffice(1, everyWord).saves(b, 700, []uint32{24})
	b.SetBytes(int64(carriedSize(s.Entries)))
	for b.Loop() {
		if _, err := EncodeSegment(s); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeSegment(b *testing.B) {
	for _, n := range []int{1, 300} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			raw, err := EncodeSegment(newOffice(1, everyWord).saves(b, n, progress))
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(len(raw)), "B/segment")
			b.ReportAllocs()
			for b.Loop() {
				s, err := DecodeSegment(raw)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := s.Open(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
