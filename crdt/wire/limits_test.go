package wire

import (
	"bytes"
	"errors"
	"testing"

	"github.com/vungxa/vungxa/crdt"
)

// What is too large to be read isn't written either: neither a record that its
// store would then hold damaged, nor a checkpoint that members sign and nobody reads.
func TestWhatIsWrittenIsRead(t *testing.T) {
	ref := crdt.RefByKey("c/03646", "things", "k")
	for n, fits := range map[int]bool{3000: true, 5000: false} {
		r := crdt.NewRecord("c/03646", "things", ref)
		set := map[string]crdt.Cell{}
		for i := range n {
			elem := append([]byte{0x58, 250}, bytes.Repeat([]byte{byte(i), byte(i >> 8)}, 125)...)
			set[string(elem)] = crdt.Cell{Writes: []crdt.Write{{Dot: crdt.Dot{Log: testLog(1), Seq: uint64(i + 1)}, Value: []byte{crdt.True}}}}
		}
		r.Sets[1] = set
		b, err := EncodeRecord(r)
		if fits != (err == nil) || err != nil && !errors.Is(err, ErrFormat) {
			t.Errorf("a record of %d elements: %v", n, err)
		}
		if _, decodeErr := DecodeRecord(b); err == nil && decodeErr != nil {
			t.Errorf("a record of %d elements is written, and not read: %v", n, decodeErr)
		}
	}
	for n, fits := range map[int]bool{maxArray: true, maxArray + 1: false} {
		c := &crdt.Checkpoint{Scope: "c/03646", At: crdt.Cite{Epoch: 1, Index: 1}, TimeMS: 5}
		for i := range uint64(n) {
			dot := crdt.Dot{Log: testLog(1), Seq: i + 1}
			c.Verdicts = append(c.Verdicts, crdt.Verdict{Dot: dot, Ruling: crdt.Confirmed, Index: 1})
		}
		b, err := EncodeCheckpoint(c)
		if fits != (err == nil) || err != nil && !errors.Is(err, ErrFormat) {
			t.Errorf("a checkpoint of %d verdicts: %v", n, err)
		}
		if _, decodeErr := DecodeCheckpoint(b); err == nil && decodeErr != nil {
			t.Errorf("a checkpoint of %d verdicts is written, and not read: %v", n, decodeErr)
		}
	}
}
