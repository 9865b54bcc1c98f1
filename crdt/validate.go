package crdt

import (
	"errors"
	"fmt"
	"slices"
)

// Errors of Validate and of encoding: every one wraps ErrEntry; ErrTooLarge is
// wrapped where a smaller Save would do.
var (
	ErrEntry    = errors.New("malformed entry")
	ErrTooLarge = fmt.Errorf("%w: too large for one save", ErrEntry)
)

// Validate holds an entry to what its form promises, whoever wrote it. It does
// not judge the domain: a value may be nonsense and still be an entry.
func (e *Entry) Validate() error {
	switch {
	case e.Seq == 0:
		return fmt.Errorf("%w: seq 0; entries count from 1", ErrEntry)
	case (e.Seq == 1) != (e.Prev == Hash{}):
		return fmt.Errorf("%w: seq %d: only the first entry has no previous hash", ErrEntry, e.Seq)
	case e.Log.Class > ClassBulk:
		return fmt.Errorf("%w: class %d; logs have classes 0 to %d", ErrEntry, e.Log.Class, ClassBulk)
	case len(e.Log.Scope) == 0 || len(e.Log.Scope) > MaxScope:
		return fmt.Errorf("%w: scope of %d bytes; want 1 to %d", ErrEntry, len(e.Log.Scope), MaxScope)
	case len(e.Officer) > MaxOfficer || !isName(e.Pack.ID):
		return fmt.Errorf("%w: an officer's name too long, or a pack's that is no name", ErrEntry)
	case len(e.Ops) == 0 || len(e.Ops) > MaxOps:
		return fmt.Errorf("%w: %d operations; want 1 to %d", ErrEntry, len(e.Ops), MaxOps)
	}
	cells := make(map[cellName]bool, len(e.Ops))
	for i := range e.Ops {
		if err := e.validateOp(i, cells); err != nil {
			return fmt.Errorf("%w: operation %d: %w", ErrEntry, i, err)
		}
	}
	if n := e.Records(); n > MaxRecords {
		return fmt.Errorf("%w: it touches %d records; at most %d", ErrTooLarge, n, MaxRecords)
	}
	if err := e.validatePins(); err != nil {
		return fmt.Errorf("%w: %w", ErrEntry, err)
	}
	return e.validateKeys()
}

// isName says whether s can name a collection or a pack. Names are parts of
// store keys: one must never hold another's end.
func isName(s string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' {
			return false
		}
	}
	return len(s) > 0 && len(s) <= MaxName
}

// cellName names a cell within a collection.
type cellName struct {
	record RecordID
	field  uint32
	elem   string
}

func (e *Entry) validateOp(i int, cells map[cellName]bool) error {
	op := &e.Ops[i]
	name := cellName{op.Record.ID(), op.Field, string(op.Elem)}
	switch {
	case cells[name] && op.Erased == Hash{}:
		return errors.New("the entry writes one cell twice")
	case !isName(op.Collection):
		return fmt.Errorf("a collection's name is 1 to %d letters a-z, digits, - and _", MaxName)
	case op.Record.ByKey() && (op.Record.Dot != (Dot{}) || op.Record.Scope != e.Log.Scope):
		return errors.New("the record's key is not of the entry's scope, or it has a dot too")
	case !op.Record.ByKey() && (op.Record.Dot.Log.Scope != e.Log.Scope || op.Record.Dot.Seq == 0):
		return errors.New("the record's creation dot lies outside the entry's scope")
	case !op.Record.ByKey() && op.Made != Pos{}:
		return errors.New("it names the existence of a record that is named by a dot")
	case op.Made.Seq == 0 && op.Made != Pos{}, op.Made.Seq > 0 && op.Made.Log.Scope != e.Log.Scope:
		return errors.New("the existence that it names lies outside the entry's scope")
	case op.Made.Log == e.Log && op.Made.Seq >= e.Seq:
		return errors.New("the existence that it names lies in its own future")
	}
	cells[name] = true
	if err := op.validatePayload(); err != nil {
		return err
	}
	return e.validateOver(op)
}

func (op *Op) validatePayload() error {
	whole := op.Erased == Hash{}
	switch {
	case op.Kind > Set:
		return fmt.Errorf("merge kind %d; this program knows 0 and 1", op.Kind)
	case op.Field == FieldExistence && op.Kind != Assign, op.Field == SameAs && op.Kind != Set:
		return errors.New("a field of the program's own with another merge kind than its own")
	case !whole && (len(op.Value) > 0 || len(op.Elem) > 0):
		return errors.New("an erased payload that is there")
	case whole && len(op.Value) == 0:
		return errors.New("no value; a missing value is CBOR null")
	case whole && (op.Kind == Set) != (len(op.Elem) > 0):
		return errors.New("a set without an element, or an assign with one")
	case len(op.Elem) > MaxElem:
		return fmt.Errorf("an element of %d bytes; want at most %d", len(op.Elem), MaxElem)
	case whole && (op.Kind == Set || op.Field == FieldExistence) && !isBool(op.Value):
		return errors.New("existence and sets know true and false and no other value")
	case whole && op.Field == SameAs && !isRecordID(op.Elem):
		return errors.New("what a record is the same as is no record's id")
	}
	return nil
}

func isBool(value []byte) bool {
	return len(value) == 1 && (value[0] == True || value[0] == False)
}

// isRecordID says whether elem is a byte string of 16, in CBOR.
func isRecordID(elem []byte) bool { return len(elem) == 17 && elem[0] == 0x50 }

func (e *Entry) validateOver(op *Op) error {
	if len(op.Over) > MaxOver {
		return fmt.Errorf("supersedes %d logs; want at most %d", len(op.Over), MaxOver)
	}
	if !slices.IsSortedFunc(op.Over, func(a, b Pos) int { return a.Log.Compare(b.Log) }) {
		return errors.New("what it supersedes is not sorted by log")
	}
	for i, p := range op.Over {
		switch {
		case p.Seq == 0:
			return errors.New("supersedes seq 0")
		case i > 0 && p.Log == op.Over[i-1].Log:
			return errors.New("supersedes one log twice")
		case p.Log.Scope != e.Log.Scope:
			return errors.New("supersedes a write of another scope")
		case p.Log == e.Log && p.Seq >= e.Seq:
			return errors.New("supersedes its own future")
		}
	}
	return nil
}

// validatePins holds each pin to the highest seq that is named of its log.
func (e *Entry) validatePins() error {
	if len(e.Pins) > MaxPins {
		return fmt.Errorf("%d pins; at most %d", len(e.Pins), MaxPins)
	}
	if len(e.Pins) == 0 {
		return nil
	}
	named := e.Named()
	for i, p := range e.Pins {
		at, ok := find(named, p.Log)
		switch {
		case i > 0 && e.Pins[i-1].Log.Compare(p.Log) >= 0:
			return errors.New("pins are not sorted by log, each once")
		case !ok || named[at].Seq != p.Seq:
			return errors.New("a pin is not at the highest seq that the entry names of a foreign log")
		case p.Hash == Hash{}:
			return errors.New("a pin without a hash")
		}
	}
	return nil
}

// validateKeys: the entry has one key, or, once an operation was erased, those
// that stay have one each.
func (e *Entry) validateKeys() error {
	erased := slices.ContainsFunc(e.Ops, func(op Op) bool { return op.Erased != Hash{} })
	if erased && e.Key != (Key{}) {
		return fmt.Errorf("%w: an operation was erased, and the entry's key was not", ErrEntry)
	}
	for i := range e.Ops {
		op := &e.Ops[i]
		if wants := erased && op.Erased == (Hash{}); wants != (op.Key != Key{}) {
			return fmt.Errorf("%w: operation %d: a key of its own is for what stays beside an erased operation", ErrEntry, i)
		}
	}
	return nil
}
