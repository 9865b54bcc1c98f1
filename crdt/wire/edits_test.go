package wire

import (
	"encoding/json"
	"flag"
	"os"
	"testing"
)

var editsTo = flag.String("edits", "", "write the 300 edits of TestSegmentBytes to this file as JSON, for deploy/peers")

// peerEdits is the work of 300 Saves as another library is given it: 100 records
// that are there with all their fields, and the edits of them.
type peerEdits struct {
	Records map[uint64]map[uint32]any `json:"records"`
	Edits   []peerEdit                `json:"edits"`
}

type peerEdit struct {
	Record uint64 `json:"record"`
	Field  uint32 `json:"field"`
	Value  any    `json:"value"`
}

// The edits that other libraries are measured with are those of TestSegmentBytes.
func TestEditsForPeers(t *testing.T) {
	work := peerEdits{Records: map[uint64]map[uint32]any{}}
	before := newOffice(99, everyWord)
	for _, e := range decoded(t, newOffice(1, everyWord).saves(t, 300, anyField)) {
		op := e.Ops[0]
		var value any
		if err := Unmarshal(op.Value, MaxSegment, &value); err != nil {
			t.Fatal(err)
		}
		record := op.Record.Dot.Seq
		work.Edits = append(work.Edits, peerEdit{record, op.Field, value})
		if work.Records[record] == nil {
			work.Records[record] = map[uint32]any{}
			for _, field := range anyField {
				work.Records[record][field] = before.value(field, 1_790_000_000_000)
			}
		}
	}
	if len(work.Edits) != 300 || len(work.Records) < 80 || len(work.Records) > 100 {
		t.Fatalf("%d edits of %d records", len(work.Edits), len(work.Records))
	}
	if *editsTo == "" {
		return
	}
	b, err := json.Marshal(work)
	if err == nil {
		err = os.WriteFile(*editsTo, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
