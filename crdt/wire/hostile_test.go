package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
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
