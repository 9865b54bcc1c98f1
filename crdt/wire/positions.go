package wire

import (
	"fmt"

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
	if err := validPositions(ps); err != nil {
		return nil, fmt.Errorf("positions: %w", err)
	}
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
	if err := validPositions(ps); err != nil {
		return nil, fmt.Errorf("positions: %w", err)
	}
	return ps, nil
}

// validPositions holds positions to their order, each log once, and each to what
// names a place in a log.
func validPositions(ps []crdt.Pos) error {
	for i, p := range ps {
		switch {
		case len(p.Log.Scope) == 0 || len(p.Log.Scope) > crdt.MaxScope || p.Seq == 0 || !isClass(p.Log.Class):
			return fmt.Errorf("%w: position %d: no scope, no seq or no class of a log", ErrFormat, i)
		case i > 0 && ps[i-1].Log.Compare(p.Log) >= 0:
			return fmt.Errorf("%w: not sorted by log, each once", ErrFormat)
		}
	}
	return nil
}
