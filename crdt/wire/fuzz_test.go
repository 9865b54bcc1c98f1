package wire

import (
	"bytes"
	"crypto/ed25519"
	"reflect"
	"testing"

	"github.com/vungxa/vungxa/crdt"
)

// Every decoder is fuzzed. What one accepts has one encoding: the bytes that it
// was given. (A segment's compressed body has many; there, what is encoded anew
// must hold the same.)

func FuzzDecodeEntry(f *testing.F) {
	f.Add(encoded(f, testEntry()))
	whole := encoded(f, fullEntry())
	f.Add(whole)
	erased, err := EraseOp(whole, 1)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(erased)
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := DecodeEntry(b)
		if err != nil {
			return
		}
		again, err := EncodeEntry(e)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("accepted, but encodes differently: %v", err)
		}
		hash := ChainHash(b)
		for i := range e.Ops {
			if e, err = DecodeEntry(must(EraseOp(must(EncodeEntry(e)), i))); err != nil {
				t.Fatal(err)
			}
		}
		if ChainHash(must(EncodeEntry(e))) != hash {
			t.Fatal("an erasure changed the chain hash")
		}
	})
}

func FuzzDecodeSegment(f *testing.F) {
	s, _ := testSegment(f)
	f.Add(must(EncodeSegment(s)))
	f.Add(must(EncodeSegment(newOffice(1, everyWord).saves(f, 3, anyField))))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeSegment(b)
		if err != nil {
			return
		}
		again, err := EncodeSegment(s)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeSegment(again)
		if err != nil || !equalEntries(got.Entries, s.Entries) || got.Seal != s.Seal {
			t.Fatalf("encoded anew it holds something else: %v", err)
		}
		_, _ = s.Open()
	})
}

// columnsTwice reads columns and, if they hold entries, writes and reads those.
func columnsTwice(t *testing.T, coding uint, columns []byte) {
	log := testLog(1)
	salts := map[uint64]Salt{0: Salt(bytes.Repeat([]byte{1}, 16))}
	read := &body{coding: coding, bytes: columns}
	raw, err := read.entries(log, 2, salts, nil)
	if err != nil {
		return
	}
	s := &Segment{Log: log, First: 2, Entries: raw, Salts: salts}
	s.Seal = Seal{Seq: s.Last(), Hash: ChainHash(raw[len(raw)-1])}
	entries, err := s.Open()
	if err != nil {
		return // a value that is not canonical, which columns don't look at
	}
	read.bytes = must(s.columnsAs(coding, entries, nil))
	if back, err := read.entries(log, 2, salts, nil); err != nil || !equalEntries(back, raw) {
		t.Fatalf("what was read doesn't go through columns again: %v", err)
	}
}

func columnSeeds(f *testing.F, coding uint) {
	s := newOffice(1, everyWord).saves(f, 2, anyField)
	f.Add(must(s.columnsAs(coding, decoded(f, s), nil)))
	e := fullEntry()
	e.Seq, e.Ops[2].Over = 2, nil
	encoded(f, e)
	f.Add(must((&Segment{Log: e.Log, First: 2}).columnsAs(coding, []*crdt.Entry{e}, nil)))
	f.Add(must((&Segment{Log: e.Log, First: 2}).columnsAs(coding, []*crdt.Entry{Erase(e, 1)}, nil)))
}

func FuzzMixedColumns(f *testing.F) {
	columnSeeds(f, codingMixed)
	f.Fuzz(func(t *testing.T, b []byte) { columnsTwice(t, codingMixed, b) })
}

// The columns before zstd, where a fuzzer finds its way.
func FuzzPlainColumns(f *testing.F) {
	s := newOffice(1, everyWord).saves(f, 2, anyField)
	p := &plain{}
	if err := writeColumns(p, s, decoded(f, s), nil); err != nil {
		f.Fatal(err)
	}
	f.Add(p.raw, p.bytes)
	f.Fuzz(func(t *testing.T, raw, columns []byte) {
		entries, err := readColumns(&plain{reading: true, bytes: columns, raw: raw}, testLog(1), 2, map[uint64]Salt{0: {1}}, nil)
		if err == nil && len(entries) == 0 {
			t.Fatal("no entries and no error")
		}
	})
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add(must(EncodeRecord(testRecord())))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := DecodeRecord(b)
		if err != nil {
			return
		}
		once := must(EncodeRecord(r))
		again, err := DecodeRecord(once)
		if err != nil || !bytes.Equal(must(EncodeRecord(again)), once) {
			t.Fatalf("encoded anew it is something else: %v", err)
		}
	})
}

func FuzzDecodePositions(f *testing.F) {
	f.Add(must(EncodePositions([]crdt.Pos{{Log: testLog(1), Seq: 3}, {Log: testLog(2), Seq: 1}})))
	f.Fuzz(func(t *testing.T, b []byte) {
		ps, err := DecodePositions(b)
		if err != nil {
			return
		}
		if again, err := EncodePositions(ps); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("accepted, but encodes differently: %v", err)
		}
	})
}

func FuzzDecodeCheckpoint(f *testing.F) {
	f.Add(must(EncodeCheckpoint(testCheckpoint())))
	f.Add(must(EncodeCheckpoint(&crdt.Checkpoint{Scope: "n"})))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := DecodeCheckpoint(b)
		if err != nil {
			return
		}
		if again, err := EncodeCheckpoint(c); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("accepted, but encodes differently: %v", err)
		}
	})
}

func FuzzDecodeAck(f *testing.F) {
	f.Add(must(EncodeAck(testAck(f))))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := DecodeAck(b)
		if err != nil {
			return
		}
		if again, err := EncodeAck(a); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("accepted, but encodes differently: %v", err)
		}
	})
}

func FuzzCheckValue(f *testing.F) {
	f.Add([]byte{0x83, 0x01, 0x61, 'x', 0xfb, 0x3f, 0xf1, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a})
	f.Fuzz(func(t *testing.T, b []byte) {
		if CheckValue(b) != nil {
			return
		}
		var v any
		if err := Unmarshal(b, len(b), &v); err != nil {
			t.Fatal(err)
		}
		if again := must(Marshal(v)); !bytes.Equal(again, b) {
			t.Fatal("accepted, but encodes differently")
		}
	})
}

func testCheckpoint() *crdt.Checkpoint {
	a, b := testLog(1), testLog(2)
	return &crdt.Checkpoint{
		Scope: a.Scope, At: crdt.Cite{Epoch: 1, Index: 912}, Prev: crdt.Hash{1}, TimeMS: 1_790_000_000_000,
		Heads:     []crdt.Pin{{Log: a, Seq: 7, Hash: crdt.Hash{7}}, {Log: b, Seq: 9, Hash: crdt.Hash{9}}},
		Floor:     []crdt.Pos{{Log: a, Seq: 2}},
		Witnesses: []crdt.Witness{{Log: a, Seq: 7, TimeMS: 1_789_999_999_000}},
		Cuts: []crdt.Cut{{
			Subject: crdt.Subject{Kind: crdt.SubjectDevice, Device: b.Device}, Epoch: 3, Logs: []crdt.Pin{{Log: b, Seq: 8, Hash: crdt.Hash{8}}},
		}},
		Verdicts: []crdt.Verdict{{Dot: crdt.Dot{Log: a, Seq: 5, Index: 1}, Ruling: crdt.Rejected, Index: 900, Reason: "step-not-allowed"}},
		Lapsed:   []crdt.Device{{9}},
	}
}

func testAck(t testing.TB) *Ack {
	t.Helper()
	a, b := testLog(1), testLog(2)
	b.Scope = "p/04"
	ack, err := SignAck(crdt.Ack{
		Device: a.Device, Incarnation: a.Incarnation, Number: 12,
		Held: []crdt.Pin{{Log: a, Seq: 7, Hash: crdt.Hash{7}}, {Log: b, Seq: 9, Hash: crdt.Hash{9}}},
		Own:  []crdt.Pin{{Log: a, Seq: 7, Hash: crdt.Hash{7}}},
	}, func(m []byte) []byte { return ed25519.Sign(sealKey(), m) })
	if err != nil {
		t.Fatal(err)
	}
	return ack
}

// testRecord has an assign with a conflict, a set, and a supersession that waits.
func testRecord() *crdt.Record {
	e := fullEntry()
	e.Ops[0].Value = []byte{0x61, 'x'}
	r := crdt.NewRecord(e.Log.Scope, "people", e.Ops[0].Record)
	other := *e
	other.Log, other.Seq = testLog(3), 1
	e.Ops[0].Over = []crdt.Pos{{Log: testLog(2), Seq: 4}}
	nobody := func(crdt.LogID, uint64) (crdt.Hash, bool) { return crdt.Hash{}, false }
	for _, from := range []*crdt.Entry{e, &other} {
		r.Apply(from, 0, nobody)
		r.Apply(from, 1, nobody)
	}
	return r
}

func TestRecordsGoRoundWhole(t *testing.T) {
	r := testRecord()
	got, err := DecodeRecord(must(EncodeRecord(r)))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, r) {
		t.Errorf("got\n%+v\nwant\n%+v", got, r)
	}
	if len(r.Cells[6].Pending) == 0 || len(r.Sets) != 1 || len(r.Cells[6].Writes) != 2 {
		t.Errorf("the record has no conflict, no set, or nothing that waits: %+v", r)
	}
}

func TestAckIsTheDevicesOwn(t *testing.T) {
	a, err := DecodeAck(must(EncodeAck(testAck(t))))
	if err != nil {
		t.Fatal(err)
	}
	public := sealKey().Public().(ed25519.PublicKey)
	if !a.Verify(public) {
		t.Error("the signature doesn't verify")
	}
	for _, key := range []ed25519.PublicKey{nil, public[:31], append(public, 0)} {
		if a.Verify(key) {
			t.Errorf("it verifies under a key of %d bytes", len(key))
		}
	}
	a.Held[0].Seq++
	if a.Verify(public) {
		t.Error("it verifies with another head")
	}
}

// What follows an entry that is held, from anyone: what is read of it is of that
// log, and goes the way again.
func FuzzSegmentOnto(f *testing.F) {
	s := newOffice(1, everyWord).saves(f, 12, anyField)
	before, rest, salt := cut(f, s, 4)
	f.Add(must(EncodeSegmentOnto(rest, before)))
	bare := *rest
	bare.Salts = nil
	f.Add(must(EncodeSegmentOnto(&bare, before)))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := DecodeSegmentOnto(b, before, &salt)
		if err != nil {
			return
		}
		if got.Log != before.Log || got.First != before.Seq+1 {
			t.Fatalf("a segment of %v from %d after %d", got.Log, got.First, before.Seq)
		}
		if _, err := got.Open(); err != nil {
			return
		}
		again, err := DecodeSegmentOnto(must(EncodeSegmentOnto(got, before)), before, &salt)
		if err != nil || !equalEntries(again.Entries, got.Entries) || again.Seal != got.Seal {
			t.Fatalf("encoded anew it holds something else: %v", err)
		}
	})
}
