package wire

import (
	"crypto/ed25519"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/vungxa/vungxa/crdt"
)

var update = flag.Bool("update", false, "rewrite testdata")

// vectors are what FORMAT.md points to: items of every kind, and the steps to them.
func vectors(t *testing.T) string {
	var b strings.Builder
	line := func(name string, bytes []byte) { fmt.Fprintf(&b, "%s %s\n", name, hex.EncodeToString(bytes)) }
	hash := func(name string, h crdt.Hash) { line(name, h[:]) }

	e := fullEntry()
	carried := encoded(t, e)
	structure := must(Marshal(must(bodyOf(e, committed))))
	line("salt", noise("salt"))
	line("entry", carried)
	for i := range e.Ops {
		key, id := OpKey(e.Key, i), e.Ops[i].Record.ID()
		line("record-id", id[:])
		line("op-key", key[:])
		line("payload", payload(&e.Ops[i]))
		hash("commitment", Commitment(e, i))
	}
	line("structure", structure)
	hash("chain-hash", ChainHash(carried))
	line("entry-erased-1", must(EraseOp(carried, 1)))
	line("entry-erased-1-2", must(EraseOp(must(EraseOp(carried, 1)), 2)))
	fork := ForkName(ChainHash(carried))
	line("fork-name", fork[:])

	s, key := testSegment(t)
	line("seal-key", key)
	line("seal-message", must(sealedBytes(s.Log, s.Seal.Head())))
	segmentVectors(t, line, "segment", s)
	segmentVectors(t, line, "work", newOffice(1, everyWord).saves(t, 8, anyField))

	segmentVectors(t, line, "odd", oddSegment(t))
	ontoVectors(t, line, "work", newOffice(1, everyWord).saves(t, 8, anyField))
	ontoVectors(t, line, "odd", oddSegment(t))

	line("record", must(EncodeRecord(testRecord())))
	line("positions", must(EncodePositions([]crdt.Pos{{Log: testLog(1), Seq: 3}, {Log: testLog(2), Seq: 1}})))
	checkpoint := must(EncodeCheckpoint(testCheckpoint()))
	line("checkpoint", checkpoint)
	hash("checkpoint-hash", CheckpointHash(checkpoint))
	ack := testAck(t)
	line("ack", must(EncodeAck(ack)))
	line("ack-message", must(ack.message()))
	return b.String()
}

// oddSegment has what a day's work seldom has: sets, pins, an erased operation, a
// key that no salt gives, values of every shape.
func oddSegment(t testing.TB) *Segment {
	t.Helper()
	s := &Segment{Log: testLog(1), First: 256, Salts: map[uint64]Salt{0: Salt(noise("salt"))}}
	full := fullEntry() // the last of its span; what was erased is of the next
	full.Seq, full.Key = s.First, EntryKey(s.Salts[0], s.First)
	head := s.append(t, must(DecodeEntry(encoded(t, full))))
	next := func(e *crdt.Entry) *crdt.Entry {
		e.Seq, e.Prev = head.Seq+1, head.Hash
		return must(DecodeEntry(encoded(t, e)))
	}
	erased := fullEntry()
	erased.Cites, erased.Stamp = crdt.Cite{}, erased.Stamp+1
	head = s.append(t, Erase(next(erased), 1))
	values := fullEntry()
	values.Pins, values.Stamp, values.Key = nil, values.Stamp+1<<40, crdt.Key(noise("a key of its own"))
	op := values.Ops[0]
	values.Ops = nil
	for i, v := range []any{
		nil, true, false, "", "Sùng Thị Ý", "7", "0912345678", "12345", []string{}, []string{"một", "hai"}, uint64(77), uint64(1_800_000_000_000 / minuteMS * minuteMS),
		-5, 1.5, map[string]any{"a": []any{1, "b"}}, []byte("bytes"),
	} {
		op.Field, op.Value = uint32(i+1), must(Marshal(v))
		values.Ops = append(values.Ops, op)
	}
	head = s.append(t, next(values))
	s.Seal = must(Sign(s.Log, head, func(m []byte) []byte { return ed25519.Sign(sealKey(), m) }))
	return s
}

// segmentVectors are the entries of a segment, and it in each of its codings.
func segmentVectors(t *testing.T, line func(string, []byte), name string, s *Segment) {
	t.Helper()
	for _, b := range s.Entries {
		line(name+"-entry", b)
	}
	entries := decoded(t, s)
	p := &plain{}
	if err := writeColumns(p, s, entries, nil); err != nil {
		t.Fatal(err)
	}
	line(name+"-columns", p.bytes)
	line(name+"-raw-bits", p.raw)
	w := wireSegment{Format: Format, Scope: string(s.Log.Scope), Log: nameOf(s.Log), First: s.First, Seal: must(encodeSeal(s)), Salts: s.saltList()}
	for coding, as := range []string{"entries", "columns", "mixed"} {
		w.Coding = uint(coding)
		if w.Body = zstdEncoder.EncodeAll(must(Marshal(s.Entries)), nil); w.Coding != codingEntries {
			w.Body = must(s.columnsAs(w.Coding, entries, nil))
		}
		segment := must(Marshal(w))
		line(name+"-as-"+as, segment)
		if got := must(DecodeSegment(segment)); !equalEntries(got.Entries, s.Entries) {
			t.Errorf("%s as %s holds other entries", name, as)
		}
	}
}

// ontoVectors are what follows a segment's first entry, for who holds that.
func ontoVectors(t *testing.T, line func(string, []byte), name string, whole *Segment) {
	t.Helper()
	before, s, _ := cut(t, whole, 1)
	p := &plain{}
	if err := writeColumns(p, s, decoded(t, s), before); err != nil {
		t.Fatal(err)
	}
	line(name+"-onto-columns", p.bytes)
	line(name+"-onto-raw-bits", p.raw)
	line(name+"-onto", must(EncodeSegmentOnto(s, before)))
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s has changed; a format that has changed needs a new number (-update rewrites it):\n%s", name, got)
	}
}

// What is written here once is what another program must read, and, but for
// compression, write too.
func TestVectors(t *testing.T) {
	golden(t, "testdata/vectors.txt", vectors(t))
	var b strings.Builder
	for _, line := range dictionary {
		fmt.Fprintf(&b, "%s\n", strings.ReplaceAll(line, "\x01", "|"))
	}
	if strings.Contains(strings.Join(dictionary, ""), "|") {
		t.Fatal("a text of the dictionary holds the sign that stands for 1")
	}
	golden(t, "testdata/dictionary.txt", b.String())
}

// testdata/second.py was written from FORMAT.md and shares nothing with this
// package: it reads the vectors and comes to the same bytes.
func TestSecondImplementation(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("SKIPPED: there is no python3 here, so the second implementation didn't check the vectors")
	}
	out, err := exec.CommandContext(t.Context(), python, "testdata/second.py", "testdata/vectors.txt", "testdata/dictionary.txt", "testdata/refuse.txt").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	if !strings.Contains(string(out), "all agree") {
		t.Error("it didn't come to its end")
	}
}
