package wire

import (
	"fmt"
	"maps"
	"slices"

	"github.com/fxamacker/cbor/v2"

	"github.com/vungxa/vungxa/crdt"
)

// MaxRecord is the size of an encoded record in bytes.
const MaxRecord = 1<<20 - 1

// wireRecord is a record as a store keeps it. Cells are sorted by field, logs
// as in an entry.
type wireRecord struct {
	_          struct{} `cbor:",toarray"`
	Format     uint
	Scope      string
	Collection string
	Record     cbor.RawMessage
	Logs       []logName
	Cells      []wireCell
}

type wireCell struct {
	_      struct{} `cbor:",toarray"`
	Field  uint32
	Writes []wireWrite
	Over   []wirePos
}

type wireWrite struct {
	_       struct{} `cbor:",toarray"`
	Log     uint
	Seq     uint64
	Index   uint16
	Stamp   uint64
	Officer string
	Value   []byte
}

// EncodeRecord gives the bytes of a record: equal states give equal bytes.
func EncodeRecord(r *crdt.Record) ([]byte, error) {
	t := newLogTable(recordLogs(r))
	ref, err := encodeRef(r.Ref, t)
	if err != nil {
		return nil, err
	}
	w := wireRecord{Format: Format, Scope: string(r.Scope), Collection: r.Collection, Record: ref, Logs: t}
	for _, field := range slices.Sorted(maps.Keys(r.Cells)) {
		cell := r.Cells[field]
		wc := wireCell{Field: field, Writes: make([]wireWrite, len(cell.Writes)), Over: encodeOver(cell.Over, t)}
		for i, x := range cell.Writes {
			wc.Writes[i] = wireWrite{
				Log: t.place(x.Dot.Log), Seq: x.Dot.Seq, Index: x.Dot.Index,
				Stamp: uint64(x.Stamp), Officer: x.Officer, Value: x.Value,
			}
		}
		w.Cells = append(w.Cells, wc)
	}
	return Marshal(w)
}

func recordLogs(r *crdt.Record) map[crdt.LogID]bool {
	logs := map[crdt.LogID]bool{}
	if !r.Ref.ByKey() {
		logs[r.Ref.Dot.Log] = true
	}
	for _, c := range r.Cells {
		for _, p := range c.Over {
			logs[p.Log] = true
		}
		for _, w := range c.Writes {
			logs[w.Dot.Log] = true
		}
	}
	return logs
}

// DecodeRecord reads what EncodeRecord writes. It comes from a store and not
// from a stranger, so its form is checked and its canonicity is not.
func DecodeRecord(b []byte) (*crdt.Record, error) {
	var w wireRecord
	if len(b) > MaxRecord {
		return nil, fmt.Errorf("record: %w: %d bytes; at most %d", ErrFormat, len(b), MaxRecord)
	}
	if err := decMode.Unmarshal(b, &w); err != nil {
		return nil, fmt.Errorf("record: %w: %w", ErrFormat, err)
	}
	if w.Format != Format {
		return nil, fmt.Errorf("record: %w: format %d; this program knows %d", ErrFormat, w.Format, Format)
	}
	scope := crdt.Scope(w.Scope)
	ref, err := decodeRef(w.Record, w.Logs, scope)
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	r := crdt.NewRecord(scope, w.Collection, ref)
	for _, wc := range w.Cells {
		cell, err := decodeCell(wc, w.Logs, scope)
		if err != nil {
			return nil, fmt.Errorf("record: field %d: %w", wc.Field, err)
		}
		r.Cells[wc.Field] = cell
	}
	return r, nil
}

func decodeCell(wc wireCell, t logTable, scope crdt.Scope) (crdt.Cell, error) {
	over, err := decodeOver(wc.Over, t, scope)
	if err != nil {
		return crdt.Cell{}, err
	}
	cell := crdt.Cell{Over: over}
	for _, x := range wc.Writes {
		log, err := t.log(x.Log, scope)
		if err != nil {
			return crdt.Cell{}, err
		}
		cell.Writes = append(cell.Writes, crdt.Write{
			Dot:   crdt.Dot{Log: log, Seq: x.Seq, Index: x.Index},
			Stamp: crdt.Stamp(x.Stamp), Officer: x.Officer, Value: x.Value,
		})
	}
	return cell, nil
}

type wirePositions struct {
	_      struct{} `cbor:",toarray"`
	Format uint
	Logs   []logName
	Scopes []string
	Seqs   []uint64
}

// EncodePositions gives the bytes of a list of positions: what a reader has seen.
func EncodePositions(ps []crdt.Pos) ([]byte, error) {
	w := wirePositions{Format: Format}
	for _, p := range ps {
		w.Logs = append(w.Logs, nameOf(p.Log))
		w.Scopes = append(w.Scopes, string(p.Log.Scope))
		w.Seqs = append(w.Seqs, p.Seq)
	}
	return Marshal(w)
}

// DecodePositions reads what EncodePositions writes, sorted by log.
func DecodePositions(b []byte) ([]crdt.Pos, error) {
	var w wirePositions
	if err := Unmarshal(b, 1<<16, &w); err != nil {
		return nil, fmt.Errorf("positions: %w", err)
	}
	if w.Format != Format || len(w.Logs) != len(w.Seqs) || len(w.Logs) != len(w.Scopes) {
		return nil, fmt.Errorf("positions: %w: its columns differ in length", ErrFormat)
	}
	ps := make([]crdt.Pos, len(w.Logs))
	for i, n := range w.Logs {
		ps[i] = crdt.Pos{Log: n.in(crdt.Scope(w.Scopes[i])), Seq: w.Seqs[i]}
	}
	if !slices.IsSortedFunc(ps, func(a, b crdt.Pos) int { return a.Log.Compare(b.Log) }) {
		return nil, fmt.Errorf("positions: %w: not sorted", ErrFormat)
	}
	return ps, nil
}
