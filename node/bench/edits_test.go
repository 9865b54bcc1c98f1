package bench

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"testing"

	"github.com/vungxa/vungxa/node/packs"
	"github.com/vungxa/vungxa/node/sample"
)

var (
	editsTo      = flag.String("edits", "", "write the work of Sync to this file as JSON, for deploy/peers")
	editsRecords = flag.Int("edits.records", 10_000, "records of the first exchange in it")
)

// syncEdits is the work of Sync as another program is given it.
type syncEdits struct {
	Changed []map[string]any `json:"changed"` // records that are there, all their fields
	Edits   []syncEdit       `json:"edits"`   // the one edit, then those made offline
	First   []map[string]any `json:"first"`   // records of the first exchange
}

type syncEdit struct {
	Record int            `json:"record"` // of Changed
	Values map[string]any `json:"values"`
}

// What other programs are measured with is what Sync saves.
func TestEditsForPeers(t *testing.T) {
	work := syncEdits{}
	for i := range savesRecords {
		work.Changed = append(work.Changed, fullDossier(i))
	}
	times := map[int]int{}
	for _, record := range editedRecords() {
		times[record]++
		work.Edits = append(work.Edits, syncEdit{record, newAddress(times[record])})
	}
	pack, err := packs.Commune()
	if err != nil {
		t.Fatal(err)
	}
	for seed := uint64(1); len(work.First) < *editsRecords; seed++ {
		for made := range sample.Generate(seed, lastReceived, pack) {
			if len(work.First) == *editsRecords {
				break
			}
			work.First = append(work.First, withCollection(made))
		}
	}
	b, err := json.Marshal(work)
	if err != nil {
		t.Fatal(err)
	}
	if each := len(b) / (len(work.First) + len(work.Changed)); each < 300 || each > 1000 {
		t.Fatalf("%d bytes a record: no realistic records", each)
	}
	if *editsTo == "" {
		return
	}
	if err := os.WriteFile(*editsTo, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// editedRecords are the records that Sync changes, in order: one while connected, then
// all in turn.
func editedRecords() []int {
	order := []int{0}
	for i := range savesOffline {
		order = append(order, i%savesRecords)
	}
	return order
}

// withCollection puts the collection's name beside the values: other programs have one
// kind of record.
func withCollection(made sample.Record) map[string]any {
	values := maps.Clone(made.Values)
	values["collection"] = made.Collection
	return values
}
