package wire

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata")

// The vectors of FORMAT.md: what is written here once is what another program
// must write too.
func TestVectors(t *testing.T) {
	e := testEntry()
	entry, err := EncodeEntry(e)
	if err != nil {
		t.Fatal(err)
	}
	s, key := testSegment(t)
	segment, err := EncodeSegment(s)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	line := func(name string, bytes []byte) { fmt.Fprintf(&b, "%s %s\n", name, hex.EncodeToString(bytes)) }
	hash := ChainHash(entry)
	line("entry", entry)
	line("chain-hash", hash[:])
	for _, op := range e.Ops[1:] {
		id := op.Record.ID()
		line("record-id", id[:])
	}
	line("seal-key", key)
	for _, raw := range s.Entries {
		line("segment-entry", raw)
	}
	line("seal-signature", s.Seal.Signature[:])
	line("segment", segment)

	const name = "testdata/vectors.txt"
	if *update {
		if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != string(want) {
		t.Errorf("the vectors have changed; a format that has changed needs a new number (-update rewrites them):\n%s", got)
	}
}
