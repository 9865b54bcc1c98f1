// Package dump writes what a node has stored as lines of JSON: for a person who
// wants to see everything, and as a last resort, since any program can read it.
//
//	Records  one line a record: every write that stands in each of its fields
//	Entries  one line a log entry: who wrote what, when, in place of what
//
// Fields have the names of the pack where it knows them, and their numbers where it
// doesn't. What a dump holds is not encrypted, and nothing of it is left out.
package dump

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node/schema"
	"github.com/vungxa/vungxa/node/store"
)

// Record is a record's line.
type Record struct {
	Collection string                      `json:"collection"`
	ID         string                      `json:"id"`
	Scope      string                      `json:"scope"`
	Exists     bool                        `json:"exists"`         // false: deleted
	Fields     map[string][]Write          `json:"fields"`         // the newest claim first; several: nobody chose yet
	Sets       map[string]map[string]Write `json:"sets,omitempty"` // by element
}

// Write is a write that stands.
type Write struct {
	Value   any       `json:"value"`
	At      time.Time `json:"at"` // as its device's clock claimed
	Officer string    `json:"officer"`
	Device  string    `json:"device"`
	Entry   string    `json:"entry"` // LOG/SEQ
	Erased  bool      `json:"erased,omitempty"`
}

// Entry is an entry's line.
type Entry struct {
	Log     string    `json:"log"`
	Seq     uint64    `json:"seq"`
	Hash    string    `json:"hash"`
	At      time.Time `json:"at"`
	Officer string    `json:"officer"`
	Pack    string    `json:"pack"`
	Ops     []Op      `json:"ops"`
}

// Op is an operation of an entry.
type Op struct {
	Collection string   `json:"collection"`
	Record     string   `json:"record"`
	Field      string   `json:"field"`
	Kind       string   `json:"kind"`
	Element    any      `json:"element,omitempty"`
	Value      any      `json:"value"`
	Erased     bool     `json:"erased,omitempty"`
	Over       []string `json:"over,omitempty"` // LOG/SEQ of what it replaced
}

// Records calls tell with the records of a collection, or of all of the pack's where
// it is "". What can't be read is given to skip.
func Records(ctx context.Context, s *store.Store, pack *schema.Pack, collection string, tell func(Record) error, skip func(error)) error {
	collections := []string{collection}
	if collection == "" {
		collections = nil
		for _, c := range pack.Collections {
			collections = append(collections, c.ID)
		}
	}
	return s.View(func(tx *store.Tx) error {
		for _, c := range collections {
			err := tx.Sound(c, func(r *crdt.Record) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				return tell(record(pack, r))
			}, func(_ []byte, err error) { skip(err) })
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func record(pack *schema.Pack, r *crdt.Record) Record {
	out := Record{
		Collection: r.Collection, ID: r.Ref.ID().String(), Scope: string(r.Scope), Exists: r.Exists(), Fields: map[string][]Write{},
	}
	for id, cell := range r.Cells {
		if id == crdt.FieldExistence {
			continue
		}
		name, field := fieldOf(pack, r.Collection, id)
		for _, w := range cell.Writes {
			out.Fields[name] = append(out.Fields[name], write(w, field))
		}
	}
	for id, set := range r.Sets {
		name, _ := fieldOf(pack, r.Collection, id)
		for elem, cell := range set {
			for _, w := range cell.Writes[:min(1, len(cell.Writes))] {
				if out.Sets == nil {
					out.Sets = map[string]map[string]Write{}
				}
				if out.Sets[name] == nil {
					out.Sets[name] = map[string]Write{}
				}
				out.Sets[name][fmt.Sprint(value([]byte(elem), nil))] = write(w, nil)
			}
		}
	}
	return out
}

func write(w crdt.Write, f *schema.Field) Write {
	return Write{
		Value: value(w.Value, f), At: at(w.Stamp), Officer: w.Officer, Device: w.Dot.Log.Device.String(),
		Entry: place(w.Pos()), Erased: len(w.Value) == 0,
	}
}

func at(s crdt.Stamp) time.Time { return time.UnixMilli(s.Millis()).UTC() }

func place(p crdt.Pos) string { return fmt.Sprintf("%v/%d", p.Log, p.Seq) }

// fieldOf is a field's name, and the field where the pack knows it.
func fieldOf(pack *schema.Pack, collection string, id uint32) (string, *schema.Field) {
	switch id {
	case crdt.FieldExistence:
		return "(existence)", nil
	case crdt.SameAs:
		return "(same as)", nil
	}
	if c, ok := pack.Collection(collection); ok {
		if f, ok := c.FieldByID(id); ok {
			return f.Name, f
		}
	}
	return strconv.FormatUint(uint64(id), 10), nil
}

// value is a value as JSON has it: in the field's form, or else whatever the CBOR
// says, bytes as hexadecimal.
func value(b []byte, f *schema.Field) any {
	if len(b) == 0 {
		return nil
	}
	if f != nil {
		if v, err := f.Decode(b); err == nil {
			return f.Present(v)
		}
	}
	var v any
	if wire.Unmarshal(b, len(b), &v) != nil {
		return "cbor:" + hex.EncodeToString(b)
	}
	if raw, ok := v.([]byte); ok {
		return hex.EncodeToString(raw)
	}
	if _, err := json.Marshal(v); err != nil { // a map that JSON has no form for
		text, err := cbor.Diagnose(b)
		if err != nil {
			return "cbor:" + hex.EncodeToString(b)
		}
		return text
	}
	return v
}

// Entries calls tell with all entries, log by log. What can't be read is given to
// skip.
func Entries(ctx context.Context, s *store.Store, pack *schema.Pack, tell func(Entry) error, skip func(error)) error {
	return s.View(func(tx *store.Tx) error {
		var logs []store.Log
		err := tx.Logs(func(l store.Log) error {
			logs = append(logs, l)
			return nil
		})
		for _, l := range logs {
			for seq := l.Dropped.Seq + 1; err == nil && seq <= l.Head.Seq; seq++ {
				if err = ctx.Err(); err != nil {
					break
				}
				raw, readErr := tx.Entry(l, seq)
				if readErr != nil {
					skip(fmt.Errorf("entry %d of log %v: %w", seq, l.ID, readErr))
					continue
				}
				err = Raw(pack, raw, tell, skip)
			}
		}
		return err
	})
}

// Raw calls tell with an entry, given as it is carried.
func Raw(pack *schema.Pack, raw []byte, tell func(Entry) error, skip func(error)) error {
	e, err := wire.DecodeEntry(raw)
	if err != nil {
		skip(err)
		return nil
	}
	hash := wire.ChainHash(raw)
	out := Entry{
		Log: e.Log.String(), Seq: e.Seq, Hash: hash.String(), At: at(e.Stamp), Officer: e.Officer,
		Pack: fmt.Sprintf("%s/%d", e.Pack.ID, e.Pack.Version), Ops: make([]Op, len(e.Ops)),
	}
	for i := range e.Ops {
		out.Ops[i] = op(pack, &e.Ops[i])
	}
	return tell(out)
}

func op(pack *schema.Pack, o *crdt.Op) Op {
	name, field := fieldOf(pack, o.Collection, o.Field)
	out := Op{
		Collection: o.Collection, Record: o.Record.ID().String(), Field: name, Kind: "assign",
		Value: value(o.Value, field), Erased: o.Erased != crdt.Hash{},
	}
	if o.Kind == crdt.Set {
		out.Kind, out.Element, out.Value = "set", value(o.Elem, nil), value(o.Value, nil)
	}
	for _, p := range o.Over {
		out.Over = append(out.Over, place(p))
	}
	return out
}

// Lines writes each value as a line of JSON.
func Lines[T any](w io.Writer) func(T) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return func(v T) error { return e.Encode(v) }
}
