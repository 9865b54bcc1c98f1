package wire

import (
	"fmt"
	"slices"

	"github.com/vungxa/vungxa/crdt"
)

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
	if err := checkFormat(w.Format); err != nil {
		return nil, fmt.Errorf("positions: %w", err)
	}
	if len(w.Logs) != len(w.Seqs) || len(w.Logs) != len(w.Scopes) {
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
