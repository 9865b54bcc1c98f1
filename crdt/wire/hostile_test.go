package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/vungxa/vungxa/crdt"
)

// decoders are all that read what may be anyone's.
var decoders = map[string]func([]byte) error{
	"entry":      func(b []byte) error { _, err := DecodeEntry(b); return err },
	"segment":    func(b []byte) error { _, err := DecodeSegment(b); return err },
	"record":     func(b []byte) error { _, err := DecodeRecord(b); return err },
	"positions":  func(b []byte) error { _, err := DecodePositions(b); return err },
	"checkpoint": func(b []byte) error { _, err := DecodeCheckpoint(b); return err },
	"ack":        func(b []byte) error { _, err := DecodeAck(b); return err },
	"value":      CheckValue,
}

// allocated is the bytes that f allocates, at the least of three tries: what else
// runs in the process allocates too.
func allocated(f func()) uint64 {
	least := ^uint64(0)
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}

// A head that promises more than there is makes no decoder allocate what it
// promises: at most 64 bytes for each that came, and a little.
func TestPromisesAllocateNothing(t *testing.T) {
	good := map[string][]byte{
		"entry": encoded(t, fullEntry()), "record": must(EncodeRecord(testRecord())), "checkpoint": must(EncodeCheckpoint(testCheckpoint())),
		"ack": must(EncodeAck(testAck(t))), "positions": must(EncodePositions([]crdt.Pos{{Log: testLog(1), Seq: 3}})),
	}
	for name, decode := range decoders {
		var inputs [][]byte
		for _, head := range [][]byte{
			{0x9a, 0xff, 0xff, 0xff, 0xff}, {0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, {0x5a, 0x7f, 0xff, 0xff, 0xff},
			{0xba, 0xff, 0xff, 0xff, 0xff}, {0x7b, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, {0x99, 0xff, 0xff},
		} {
			inputs = append(inputs, head, append(bytes.Repeat([]byte{0x81}, 15), head...))
			for i := range good[name] { // in the place of each byte of a good one
				inputs = append(inputs, append(append(bytes.Clone(good[name][:i]), head...), good[name][i+1:]...))
			}
		}
		for _, b := range inputs {
			decode(b) // what is made once is made now
			if n := allocated(func() { decode(b) }); n > uint64(64*len(b)+32<<10) {
				t.Fatalf("%s: %d bytes allocated for %d: % x", name, n, len(b), b)
			}
		}
	}
}

// promising is a segment whose columns promise what they don't hold.
func promising(coding uint, body []byte) []byte {
	log := testLog(1)
	return must(Marshal(wireSegment{
		Format: Format, Scope: string(log.Scope), Log: nameOf(log), First: 1, Seal: must(Marshal(make([]byte, 64))), Coding: coding, Body: body,
	}))
}

// Columns that promise tables, operations and texts without end stop at the
// limits, and so does what unpacks to more than it may.
func TestHostileSegmentsStayWithinLimits(t *testing.T) {
	long := binary.AppendUvarint(nil, 1<<40)
	counts := map[string][]byte{"no entries": {0}, "entries without end": long}
	for tables := range 5 {
		b := append([]byte{1}, make([]byte, tables)...)
		counts[fmt.Sprint("table ", tables, " without end")] = append(b, long...)
	}
	columns := func(b []byte) []byte { return append([]byte{0}, zstdEncoder.EncodeAll(b, nil)...) }
	inputs := map[string][]byte{
		"a bomb of entries":  promising(codingEntries, zstdEncoder.EncodeAll(make([]byte, 64<<20), nil)),
		"a bomb of columns":  promising(codingColumns, columns(make([]byte, 64<<20))),
		"an unknown coding":  promising(3, nil),
		"raw bits beyond it": promising(codingColumns, long),
		"nothing mixed":      promising(codingMixed, nil),
	}
	for name, b := range counts {
		inputs[name] = promising(codingColumns, columns(b))
	}
	for i := range 16 { // a stream of equal bytes is read as something for long
		inputs[fmt.Sprint("mixed ", i)] = promising(codingMixed, bytes.Repeat([]byte{byte(i * 17)}, 4000))
	}
	raw := append([]byte{5}, make([]byte, 5)...) // of the stamp
	inputs["few operations that supersede much"] = promising(codingColumns, zstdEncoder.EncodeAll(muchFromLittle(), raw))
	for name, b := range inputs {
		var err error
		n := allocated(func() { _, err = DecodeSegment(b) })
		if !errors.Is(err, ErrFormat) && !errors.Is(err, crdt.ErrEntry) {
			t.Errorf("%s: %v; want a refusal", name, err)
		}
		// 1.6 MB are the predictor's; what is unpacked is at most MaxSegmentBody, and
		// at most 64 bytes of memory stand for one of it.
		if limit := uint64(4<<20 + 64*MaxSegmentBody); n > limit {
			t.Errorf("%s: %d bytes allocated for %d; at most %d", name, n, len(b), limit)
		}
	}
}

// muchFromLittle is the columns of an entry whose first operation supersedes 250
// logs, and whose others, a byte or two each, the same.
func muchFromLittle() []byte {
	p := &plain{}
	num := func(all ...uint64) {
		for _, v := range all {
			p.num(0, &v)
		}
	}
	num(1) // entry
	num(0) // logs beside the own
	num(1) // officer
	p.text(0, new([]byte))
	num(1) // pack
	name := []byte("x")
	p.text(0, &name)
	num(1, 1) // its version; collections
	p.text(0, &name)
	num(1, 0, 1, 2, 0) // records: one, by dot, of the own log
	num(0, 0)          // stamp; its bits are raw
	num(0, 0, 0, 0, 4000)
	for range 4000 {
		num(0, 1, 0) // record, field, kind
	}
	num(1, 250)
	for range 250 {
		num(0, 1)
	}
	for range 4000 {
		num(0)
	}
	return p.bytes
}

// An item of another format is refused in words for who looks after the machine.
func TestOtherFormatsAreRefused(t *testing.T) {
	for name, b := range map[string][]byte{
		"entry": encoded(t, fullEntry()), "record": must(EncodeRecord(testRecord())), "checkpoint": must(EncodeCheckpoint(testCheckpoint())),
		"ack": must(EncodeAck(testAck(t))), "positions": must(EncodePositions(nil)), "segment": promising(codingEntries, nil),
	} {
		for format, want := range map[byte]string{0: "trial version", 2: "newer than this program"} {
			c := bytes.Clone(b)
			c[1] = format
			if err := decoders[name](c); !errors.Is(err, ErrFormat) || !bytes.Contains([]byte(err.Error()), []byte(want)) {
				t.Errorf("%s of format %d: %v; want %q", name, format, err, want)
			}
		}
	}
}

// manyNamed are entries, too large each, of operations that name a great many logs.
func manyNamed() []*crdt.Entry {
	log := func(i int) crdt.LogID {
		l := testLog(2)
		l.Incarnation = crdt.Incarnation{byte(i), byte(i >> 8)}
		return l
	}
	var entries []*crdt.Entry
	for k := range uint64(4) {
		e := testEntry()
		e.Seq, e.Prev, e.Ops = k+1, crdt.Hash{byte(k)}, nil
		for i := range 4090 {
			l := log(i % 2400)
			e.Ops = append(e.Ops, crdt.Op{
				Collection: "t", Record: crdt.Ref{Dot: crdt.Dot{Log: l, Seq: 1}}, Field: uint32(i + 1), Value: []byte{0xf6}, Over: []crdt.Pos{{Log: l, Seq: 1}},
			})
		}
		entries = append(entries, e)
	}
	return entries
}

// written are the columns of entries that no writer would send.
func written(t *testing.T, s stream, entries []*crdt.Entry) {
	t.Helper()
	w := newWalk(s, entries[0].Log, 1, nil)
	w.entries = entries
	w.collect()
	w.columns()
	if w.broken() != nil {
		t.Fatal(w.broken())
	}
}

// What an entry names is gathered before the entry is known to be one: that costs
// no more than the columns are long.
func TestNamingManyLogsCostsLittle(t *testing.T) {
	p := &plain{}
	written(t, p, manyNamed())
	body := append(binary.AppendUvarint(nil, uint64(len(p.raw))), p.raw...)
	b := promising(codingColumns, zstdEncoder.EncodeAll(p.bytes, body))
	var err error
	n := allocated(func() { _, err = DecodeSegment(b) })
	if !errors.Is(err, crdt.ErrTooLarge) {
		t.Errorf("%v; want a refusal of too many records", err)
	}
	if limit := uint64(64 * MaxSegmentBody * 2); n > limit {
		t.Errorf("%d bytes allocated for %d; at most %d", n, len(b), limit)
	}
}

// A few hundred bytes can stand for numbers of 64 bits without end: what the
// predictor guesses is counted by the bit.
func TestMixedBodyIsBoundedByBits(t *testing.T) {
	e := testEntry()
	e.Ops = nil
	for i := range 40 {
		op := crdt.Op{Collection: "t", Record: crdt.RefByKey("c/03646", "t", "k"), Field: uint32(i), Value: []byte{0xf6}}
		for j := range uint64(250) {
			op.Over = append(op.Over, crdt.Pos{Log: testLog(2), Seq: 1 << 62 * (1 + j%2)})
		}
		e.Ops = append(e.Ops, op)
	}
	m := newMixWriter(copyPrimed())
	written, limit := newWalk(m, e.Log, 1, nil), mixedBits+127
	written.entries = []*crdt.Entry{e}
	written.collect()
	written.columns()
	if !errors.Is(written.broken(), ErrFormat) || m.units > mixedUnits || m.guessed > limit {
		t.Errorf("written: %v, after %d bits and %d units; at most %d bits", written.broken(), m.guessed, m.units, limit)
	}
	r := newMixReader(copyPrimed(), m.coder.end())
	if _, err := readColumns(r, e.Log, 1, nil, nil); !errors.Is(err, ErrFormat) || r.guessed > limit {
		t.Errorf("read: %v, after %d bits; at most %d", err, r.guessed, limit)
	}
}

// What may be coded of bits leaves room for the longest numbers that entries hold.
func TestLongNumbersAreMixed(t *testing.T) {
	m := newMixWriter(copyPrimed())
	e := testEntry()
	e.Ops = e.Ops[:1]
	for i := range 2500 {
		op := crdt.Op{Collection: "dossiers", Record: e.Ops[0].Record, Field: uint32(i + 1)}
		op.Value = head(0, 1<<63|uint64(i)*0x9E3779B97F4A7C15)
		e.Ops = append(e.Ops, op)
	}
	written(t, m, []*crdt.Entry{e})
	if m.units < mixedUnits*6/10 {
		t.Errorf("only %d units", m.units)
	}
}

// The room that an erasure makes in an entry is no room for payloads.
func TestAnEntryBeyondTheLimitIsRefused(t *testing.T) {
	e := fullEntry()
	e.Pins, e.Ops = nil, e.Ops[2:]
	e.Ops[0].Over, e.Ops[0].Made = nil, crdt.Pos{}
	for n := range 2 {
		op := e.Ops[0]
		op.Field += uint32(n + 1)
		op.Value = must(Marshal(strings.Repeat("a", crdt.MaxEntry/2)))
		e.Ops = append(e.Ops, op)
	}
	body, err := bodyOf(e, carriedPayload)
	if err != nil {
		t.Fatal(err)
	}
	b := must(Marshal(wireEntry{Format: Format, Keys: must(encodeKeys(e)), Body: body}))
	if _, err := DecodeEntry(b); !errors.Is(err, ErrFormat) {
		t.Errorf("an entry of %d bytes: %v; want ErrFormat", len(b), err)
	}
}
