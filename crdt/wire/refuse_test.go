package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/vungxa/vungxa/crdt"
)

// altered writes one of the numbers of a stream as another one.
type altered struct {
	stream
	of   class // column, whatever the group
	skip int   // how many of it are written as they are
	add  uint64
}

func (a *altered) num(c class, v *uint64) {
	n := *v
	if c&0xff == a.of {
		if a.skip == 0 {
			n += a.add
		}
		a.skip--
	}
	a.stream.num(c, &n)
}

// alterations are numbers that no entry has, by what they would be read as.
var alterations = map[string]altered{
	"entries-none":         {of: colEntries, add: ^uint64(0) - 2},
	"prev-form-2":          {of: colPrev, add: 2},
	"log-class-258":        {of: colLogClass, add: 256},
	"log-class-4":          {of: colLogClass, add: 2},
	"pack-version-wraps":   {of: colTable, skip: 3, add: 1 << 32},
	"record-index-wraps":   {of: colRecordIndex, add: 1 << 16},
	"stamp-wraps":          {of: colStamp, add: 256},
	"later-stamp-wraps":    {of: colStamp, skip: 1, add: 1 << 48},
	"counter-wraps":        {of: colCounter, add: 1 << 16},
	"later-counter-wraps":  {of: colCounter, skip: 1, add: 1 << 16},
	"officer-beyond":       {of: colOfficer, add: 1},
	"cites-form-2":         {of: colCites, add: 1},
	"keys-form-4":          {of: colKeys, add: 4},
	"next-record-form-2":   {of: colNextRecord, add: 2},
	"field-wraps":          {of: colFirstField, add: 1 << 32},
	"kind-wraps":           {of: colKind, add: 256},
	"erased-form-2":        {of: colErased, skip: 1, add: 1},
	"over-form-2":          {of: colOver, skip: 2, add: 1},
	"over-log-beyond":      {of: colOverLog, add: 2},
	"made-form-3":          {of: colMade, add: 1},
	"pins-form-3":          {of: colPins, add: 1},
	"shape-10":             {of: colShape, add: 10},
	"digits-of-25":         {of: colLength, add: 24},
	"digits-wrap":          {of: colDigits, add: 10_000},
	"hour-24":              {of: colHour, add: 24},
	"minute-60":            {of: colMinute, add: 60},
	"byte-wraps":           {of: colByte, add: 256},
	"present-2":            {of: colPresent, add: 1},
	"day-wraps":            {of: colDay, add: 1 << 63},
	"fraction-of-a-second": {of: colLowBits, add: 49},
}

// tooLargeDigits writes three digits as more than 999.
type tooLargeDigits struct{ stream }

func (s *tooLargeDigits) bits(n int, v *uint64) {
	x := *v
	if n == 10 {
		x = 1000 + x%24
	}
	s.stream.bits(n, &x)
}

// refused are items that a reader must refuse, by kind and what is wrong with them.
func refused(t *testing.T) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for i, s := range valuesRefused {
		all[fmt.Sprintf("value %02d", i)] = fromHex(t, s)
	}
	entry := func(name string, change func(*wireEntry)) {
		e := must(DecodeEntry(encoded(t, fullEntry())))
		w := wireEntry{Format: Format, Keys: must(encodeKeys(e)), Body: must(bodyOf(e, carriedPayload))}
		change(&w)
		all["entry "+name] = must(Marshal(w))
	}
	entry("class-4", func(w *wireEntry) { w.Body.Log.Class = 4 })
	entry("of-a-branch", func(w *wireEntry) { w.Body.Log.Class |= 0x80 })
	entry("names-class-4", func(w *wireEntry) { w.Body.Logs[1].Class = 4 })
	entry("names-class-132", func(w *wireEntry) { w.Body.Logs[1].Class = 0x84 })
	entry("value-nan", func(w *wireEntry) { w.Body.Ops[0].Payload = []byte{0xf9, 0x7e, 0} })
	entry("value-two-nans", func(w *wireEntry) { w.Body.Ops[0].Payload = fromHex(t, "a2f97e0001f97e0002") })
	entry("element-head-too-long", func(w *wireEntry) { w.Body.Ops[1].Payload = []byte{0x82, 0x18, 1, 0xf5} })
	entry("seq-0", func(w *wireEntry) { w.Body.Seq = 0 })
	entry("tables-unused", func(w *wireEntry) { w.Body.Logs = append(w.Body.Logs, nameOf(testLog(9))) })
	entry("over-seq-0", func(w *wireEntry) { w.Body.Ops[2].Over[0].Seq = 0 })

	a := testLog(1)
	name, scope := []logName{nameOf(a)}, []string{string(a.Scope)}
	for what, w := range map[string]wirePositions{
		"twice":    {Logs: []logName{name[0], name[0]}, Scopes: []string{scope[0], scope[0]}, Seqs: []uint64{3, 9}},
		"no-scope": {Logs: name, Scopes: []string{""}, Seqs: []uint64{3}},
		"seq-0":    {Logs: name, Scopes: scope, Seqs: []uint64{0}},
		"unequal":  {Logs: name, Scopes: scope},
		"class-4":  {Logs: []logName{{Device: a.Device, Class: 4}}, Scopes: scope, Seqs: []uint64{3}},
	} {
		w.Format = Format
		all["positions "+what] = must(Marshal(w))
	}
	hash := crdt.Hash{7}
	for what, change := range map[string]func(*wireCheckpoint){
		"floor-twice":   func(w *wireCheckpoint) { w.Floor = []wirePos{{Seq: 9}, {Seq: 3}} },
		"floor-seq-0":   func(w *wireCheckpoint) { w.Floor = []wirePos{{}} },
		"heads-twice":   func(w *wireCheckpoint) { w.Heads = []wirePin{{Seq: 1, Hash: hash}, {Seq: 2, Hash: hash}} },
		"head-seq-0":    func(w *wireCheckpoint) { w.Heads = []wirePin{{Hash: hash}} },
		"verdict-seq-0": func(w *wireCheckpoint) { w.Verdicts = []wireVerdict{{Ruling: 1}} },
		"ruling-4":      func(w *wireCheckpoint) { w.Verdicts = []wireVerdict{{Dot: wireDot{Seq: 1}, Ruling: 4}} },
		"lapsed-twice": func(w *wireCheckpoint) {
			w.Floor, w.Lapsed = []wirePos{{Seq: 3}}, []crdt.Device{{1}, {1}}
		},
		"class-4": func(w *wireCheckpoint) { w.Logs[0].Class, w.Floor = 4, []wirePos{{Seq: 3}} },
	} {
		w := wireCheckpoint{Format: Format, Scope: scope[0], At: wireCite{Epoch: 1, Index: 1}, TimeMS: 5, Logs: []logName{name[0]}}
		change(&w)
		all["checkpoint "+what] = must(Marshal(w))
	}
	return all
}

// refusedColumns are columns and raw bits, of the odd segment but for one number.
func refusedColumns(t *testing.T) map[string]*plain {
	t.Helper()
	all := map[string]*plain{}
	s := oddSegment(t)
	write := func(name string, alter func(*plain) stream) {
		p := &plain{}
		w := newWalk(alter(p), s.Log, s.First, s.Salts)
		w.entries = decoded(t, s)
		w.collect()
		w.columns()
		all[name] = p
	}
	for name, a := range alterations {
		write(name, func(p *plain) stream {
			a.stream = p
			return &a
		})
	}
	write("three-digits-of-1000", func(p *plain) stream { return &tooLargeDigits{p} })
	return all
}

// What must be refused is refused here, and by the second reader.
func TestRefusals(t *testing.T) {
	var lines []string
	for name, b := range refused(t) {
		kind, _, _ := strings.Cut(name, " ")
		for range 5 {
			if err := decoders[kind](b); !errors.Is(err, ErrFormat) && !errors.Is(err, crdt.ErrEntry) {
				t.Errorf("%s: %v; want a refusal", name, err)
			}
		}
		lines = append(lines, strings.TrimSpace(name+" "+hex.EncodeToString(b)))
	}
	s := oddSegment(t)
	for name, p := range refusedColumns(t) {
		_, err := readColumns(&plain{reading: true, bytes: p.bytes, raw: p.raw}, s.Log, s.First, s.Salts, nil)
		if !errors.Is(err, ErrFormat) && !errors.Is(err, crdt.ErrEntry) {
			t.Errorf("columns %s: %v; want a refusal", name, err)
		}
		lines = append(lines, fmt.Sprintf("columns %s %x %x", name, p.bytes, p.raw))
	}
	slices.Sort(lines)
	golden(t, "testdata/refuse.txt", strings.Join(lines, "\n")+"\n")
}

// A segment's body is one zstd frame, of any window that RFC 8878 asks for, and its
// salts are salts.
func TestSegmentFrames(t *testing.T) {
	s, _ := testSegment(t)
	array := must(Marshal(s.Entries))
	decode := func(body []byte, salts ...[]byte) error {
		_, err := DecodeSegment(must(Marshal(wireSegment{
			Format: Format, Scope: string(s.Log.Scope), Log: nameOf(s.Log), First: s.First, Seal: must(encodeSeal(s)), Salts: salts, Body: body,
		})))
		return err
	}
	windowed := func(size int, o ...zstd.EOption) []byte {
		var out bytes.Buffer
		z := must(zstd.NewWriter(&out, append(o, zstd.WithWindowSize(size), zstd.WithEncoderConcurrency(1))...))
		for _, part := range [][]byte{array[:5], array[5:]} { // so that the frame doesn't know its size
			must(z.Write(part))
			if err := z.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	frame := zstdEncoder.EncodeAll(array, nil)
	for name, body := range map[string][]byte{
		"8 MiB": windowed(8 << 20), "1 MiB, a checksum": windowed(1<<20, zstd.WithEncoderCRC(true)), "one block": frame,
	} {
		var err error
		if n := allocated(func() { err = decode(body) }); err != nil || n > 4<<20 {
			t.Errorf("%s: %v, %d bytes allocated", name, err, n)
		}
	}
	skippable := []byte{0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9}
	for name, body := range map[string][]byte{
		"16 MiB": windowed(16 << 20), "two frames": zstdEncoder.EncodeAll(array[9:], zstdEncoder.EncodeAll(array[:9], nil)), "nothing": nil,
		"a skippable frame before": append(bytes.Clone(skippable), frame...), "and behind": append(bytes.Clone(frame), skippable...),
		"a byte behind": append(bytes.Clone(frame), 0), "a byte missing": frame[:len(frame)-1],
	} {
		if err := decode(body); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v; want ErrFormat", name, err)
		}
	}
	if err := decode(frame, []byte{1, 2, 3}); !errors.Is(err, ErrFormat) {
		t.Errorf("a salt of 3 bytes: %v; want ErrFormat", err)
	}
	s.Log.Class = 0x82
	if err := decode(frame); !errors.Is(err, ErrFormat) {
		t.Errorf("of a branch's class: %v; want ErrFormat", err)
	}
}

// Times of whole minutes begin on 2 January 1970, and don't wrap.
func TestMinutesBeginAndEnd(t *testing.T) {
	read := func(day, hour uint64) (b []byte, err error) {
		p := &plain{}
		w := newWalk(p, testLog(1), 1, nil)
		w.delta(colDay, &day, 0)
		w.num(colHour, &hour)
		w.num(colMinute, new(uint64))
		r := newWalk(&plain{reading: true, bytes: p.bytes}, testLog(1), 1, nil)
		r.reading = true
		r.minuteItem(value{entry: &crdt.Entry{}}, &b)
		return b, r.broken()
	}
	if b, err := read(1, 6); err == nil {
		t.Errorf("% x is a time before %d", b, dayMS)
	}
	if b, err := read(2, 7); err != nil || !bytes.Equal(b, head(0, 2*dayMS)) {
		t.Errorf("% x, %v; want %d", b, err, 2*dayMS)
	}
	for _, day := range []uint64{0, 1<<64/dayMS + 3, 1<<63/dayMS + 2} {
		if b, err := read(day, 7); err == nil {
			t.Errorf("day %d: % x", day, b)
		}
	}
}
