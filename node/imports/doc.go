// Package imports reads CSV files of other systems into a collection, by a
// mapping that a person writes once for each source (MAPPING.md).
//
// # Twice
//
// A file is read twice. [Plan] reads it whole and writes nothing: a file that is
// broken as a file (another encoding, another delimiter, cut off, not a file at
// all) is refused before anything is done. [Run] does the same and then sends
// the rows to a [Sink] in batches, each small enough to be one Save, so that
// each is in wholly or not at all. A run that is stopped is simply run again:
// rows are known by their natural key, and what is there already is unchanged.
//
// # Broken file, unreadable row, odd row
//
// A broken file is an error. A row with a value that can't be read, or that has
// the number of an earlier row, is left out and reported by row, column, value
// and reason; the others go in. An odd row (closed before it was opened) is
// none of these: it goes in, and the collection's checks flag it. A missing
// value stays missing.
//
// # Memory
//
// What is held does not grow with the file, but for 16 to 32 bytes a row to
// find numbers that occur twice, and a file has at most MaxRows rows.
//
// # Personal data
//
// The values in a [Report] are for the person who runs the import, on their own
// terminal: [Report.Print] shows them. They are of a type that hides itself from
// logs, JSON and %v.
package imports

import (
	"context"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/schema"
)

// Limits. A batch is one Save: values and 48 bytes of structure for each, within
// 40 KiB, leave an entry of 64 KiB room for the codes that are generated.
const (
	MaxRows      = 1_000_000
	MaxRowBytes  = 1 << 20
	MaxColumns   = 1000
	MaxBatchRows = crdt.MaxRecords
	MaxBatchSize = 40 << 10
)

// Row is one row of the file, read. Values are in Go form, by field name; a
// field that the file doesn't know of is absent, one that is missing is nil.
type Row struct {
	Number int    // as a spreadsheet counts: the header is row 1
	Key    string // the natural key
	Values map[string]any
}

// State is what became of a row.
type State int

// The states. What a comparing sink says would happen, an engine does.
const (
	Created State = iota
	Changed
	Unchanged
	Refused // by the record that is there already: Outcome.Reason
)

// Outcome is the answer to one row. Flags are those of the record as it is, or
// would be, after it.
type Outcome struct {
	State  State
	Flags  []schema.Flag
	Reason node.Text // of a refusal; without values
}

// Sink takes batches. Upsert writes all rows or none, is durable when it
// returns, and answers row by row. Keys within a batch are distinct. A sink that
// only compares makes a dry run.
type Sink interface {
	Upsert(ctx context.Context, rows []Row) ([]Outcome, error)
}
