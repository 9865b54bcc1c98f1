package wire

import (
	"bytes"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/vungxa/vungxa/crdt"
)

// anySegment draws a chain of entries with anything in it that an entry may hold.
func anySegment(t *rapid.T) *Segment {
	log := testLog(1)
	s := &Segment{Log: log, First: rapid.SampledFrom([]uint64{1, 2, 200, 70_000}).Draw(t, "first"), Salts: map[uint64]Salt{}}
	head := crdt.Head{Seq: s.First - 1}
	if s.First > 1 {
		head.Hash = crdt.Hash{1}
	}
	stamp := crdt.Stamp(rapid.Uint64().Draw(t, "stamp"))
	erased := map[uint64]bool{}
	for range rapid.IntRange(1, 12).Draw(t, "entries") {
		seq := head.Seq + 1
		stamp += crdt.Stamp(rapid.SampledFrom([]uint64{0, 1, 65536, 65536 * 77_123, 1 << 60}).Draw(t, "later"))
		e := &crdt.Entry{
			Log: log, Seq: seq, Prev: head.Hash, Stamp: stamp, Officer: rapid.SampledFrom([]string{"", "hoa", "a\x00b"}).Draw(t, "officer"),
			Pack:  crdt.Pack{ID: rapid.SampledFrom([]string{"commune", "x"}).Draw(t, "pack"), Version: rapid.Uint32().Draw(t, "version")},
			Epoch: rapid.Uint64Range(0, 3).Draw(t, "epoch"), Key: crdt.Key{byte(seq), 1},
			Cites: crdt.Cite{Epoch: rapid.Uint64Range(0, 1).Draw(t, "hub"), Index: rapid.Uint64Range(0, 3).Draw(t, "index")},
		}
		if salted := rapid.IntRange(0, 2).Draw(t, "salted"); salted > 0 {
			s.Salts[Span(seq)] = Salt{byte(Span(seq)), 5}
			e.Key = EntryKey(s.Salts[Span(seq)], seq)
		}
		anyOps(t, e)
		for _, p := range e.Named() {
			if rapid.Bool().Draw(t, "pin") {
				e.Pins = append(e.Pins, crdt.Pin{Log: p.Log, Seq: p.Seq, Hash: crdt.Hash{byte(p.Seq), 3}})
			}
		}
		if err := e.Validate(); err != nil {
			t.Fatalf("drew a wrong entry: %v", err)
		}
		for i := range e.Ops {
			if rapid.IntRange(0, 9).Draw(t, "erase") == 0 {
				e = Erase(e, i)
				erased[Span(seq)] = true
			}
		}
		b, err := EncodeEntry(e)
		if err != nil {
			t.Fatal(err)
		}
		head = crdt.Head{Seq: seq, Hash: ChainHash(b)}
		s.Entries = append(s.Entries, b)
	}
	for span := range erased {
		delete(s.Salts, span)
	}
	s.Seal = Seal{Seq: head.Seq, Hash: head.Hash, Signature: [64]byte{1}}
	return s
}

func anyOps(t *rapid.T, e *crdt.Entry) {
	used := map[string]bool{}
	for range rapid.IntRange(1, 5).Draw(t, "ops") {
		op := crdt.Op{Collection: rapid.SampledFrom([]string{"dossiers", "petitions"}).Draw(t, "collection")}
		other := testLog(byte(rapid.IntRange(1, 4).Draw(t, "log")))
		op.Record = crdt.Ref{Dot: crdt.Dot{Log: other, Seq: rapid.Uint64Range(1, 4).Draw(t, "record"), Index: uint16(rapid.IntRange(0, 1).Draw(t, "index"))}}
		if rapid.IntRange(0, 2).Draw(t, "by key") == 0 {
			op.Record = crdt.RefByKey(e.Log.Scope, op.Collection, fmt.Sprint(rapid.IntRange(1, 3).Draw(t, "key")))
			if rapid.Bool().Draw(t, "made") {
				op.Made = crdt.Pos{Log: testLog(2), Seq: rapid.Uint64Range(1, 9).Draw(t, "made at")}
			}
		}
		op.Field = rapid.SampledFrom([]uint32{1, 2, 3, 1 << 31, 1<<31 - 1}).Draw(t, "field")
		op.Value = anyValue(t, e.Stamp)
		if rapid.IntRange(0, 3).Draw(t, "set") == 0 {
			op.Field, op.Kind, op.Elem, op.Value = 9, crdt.Set, anyValue(t, e.Stamp), []byte{crdt.True - byte(rapid.IntRange(0, 1).Draw(t, "present"))}
			if len(op.Elem) > crdt.MaxElem {
				op.Elem = []byte{1}
			}
		}
		for i := byte(1); i <= 4; i++ {
			seq := rapid.Uint64Range(0, 5).Draw(t, "over")
			if seq > 0 && (i > 1 || seq < e.Seq) {
				op.Over = append(op.Over, crdt.Pos{Log: testLog(i), Seq: seq})
			}
		}
		id := op.Record.ID()
		if name := fmt.Sprint(id, op.Field, op.Elem); !used[name] {
			used[name] = true
			e.Ops = append(e.Ops, op)
		}
	}
}

func anyValue(t *rapid.T, stamp crdt.Stamp) []byte {
	near := uint64(stamp.Millis()) / minuteMS * minuteMS
	v := rapid.SampledFrom([]any{
		nil, true, false, "", "Giàng A Páo", "a\x00b", "0912345678", "7", "1234", "12345", "0000000000000000000000001", []string{}, []string{"a", "b"},
		[]string{"a\x01"}, []any{"a", 1}, uint64(0), uint64(77), near, near + dayMS, near - 90*dayMS, near + 1, uint64(1) << 63, int64(-5), 1.5,
		[]byte{}, []byte("hash"), map[string]int{"a": 1}, [][]byte{{1}},
	}).Draw(t, "value")
	b, err := Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What comes out of a segment is byte for byte what went in, in every coding and
// with every salt.
func TestSegmentsAreLossless(t *testing.T) {
	taken := map[uint]int{}
	rapid.Check(t, func(t *rapid.T) {
		s := anySegment(t)
		b, err := EncodeSegment(s)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeSegment(b)
		if err != nil {
			t.Fatal(err)
		}
		if !equalEntries(got.Entries, s.Entries) || got.Seal != s.Seal || got.Log != s.Log {
			t.Fatal("another segment came out")
		}
		for span, salt := range got.Salts {
			if s.Salts[span] != salt {
				t.Fatalf("span %d has another salt", span)
			}
		}
		var w wireSegment
		if err := Unmarshal(b, MaxSegment, &w); err != nil {
			t.Fatal(err)
		}
		taken[w.Coding]++
		if w.Coding != codingEntries && len(got.Salts) != len(s.Salts) {
			t.Fatalf("%d salts; want %d", len(got.Salts), len(s.Salts))
		}
	})
	if taken[codingMixed] == 0 {
		t.Errorf("codings taken: %v; the columns are never taken, so this shows nothing", taken)
	}
}

// Each coding of columns alone gives back what it was given, but for what columns
// can't hold: then EncodeSegment sees it and takes another.
func TestEveryCodingIsLossless(t *testing.T) {
	held := 0
	rapid.Check(t, func(t *rapid.T) {
		s := anySegment(t)
		entries, err := s.Open()
		if err != nil {
			t.Fatal(err)
		}
		for _, coding := range []uint{codingColumns, codingMixed} {
			b, err := s.columnsAs(coding, entries, nil)
			if err != nil {
				t.Fatal(err)
			}
			back, err := (&body{coding: coding, bytes: b}).entries(s.Log, s.First, s.Salts, nil)
			if odd := bytes.Contains(bytes.Join(s.Entries, nil), []byte("a\x00b")); odd {
				continue
			}
			if err != nil || !equalEntries(back, s.Entries) {
				t.Fatalf("coding %d: %v", coding, err)
			}
			held++
		}
	})
	if held == 0 {
		t.Error("no segment was compared")
	}
}

// Bulk that is too long for the predictor takes zstd, and what columns can't hold
// goes whole.
func TestCodingByWhatIsSent(t *testing.T) {
	coding := func(s *Segment) uint {
		b, err := EncodeSegment(s)
		if err != nil {
			t.Fatal(err)
		}
		var w wireSegment
		if err := Unmarshal(b, MaxSegment, &w); err != nil {
			t.Fatal(err)
		}
		return w.Coding
	}
	if got := coding(newOffice(1, everyWord).saves(t, 300, progress)); got != codingMixed {
		t.Errorf("300 Saves take coding %d; want %d", got, codingMixed)
	}
	bulk := newOffice(1, everyWord).saves(t, 700, []uint32{24})
	if got := coding(bulk); got != codingColumns {
		t.Errorf("700 long Saves take coding %d; want %d", got, codingColumns)
	}
	broken := newOffice(1, everyWord).saves(t, 3, progress)
	broken.Entries[1], broken.Entries[2] = broken.Entries[2], broken.Entries[1]
	if got := coding(broken); got != codingEntries {
		t.Errorf("a broken chain takes coding %d; want %d", got, codingEntries)
	}
}
