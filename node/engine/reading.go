package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/kpi"
	"github.com/vungxa/vungxa/node/schema"
	"github.com/vungxa/vungxa/node/store"
)

// reading is what a record says, read by the pack: values, marks, index keys.
// It is a function of the entries, the checkpoints held and the pack alone.
type reading struct {
	existence   crdt.Existence
	exists      bool
	values      map[string]any // by field name; missing values are not there
	conflicts   []string       // fields whose writes differ
	provisional []string       // fields that show a step which isn't confirmed
	review      bool           // a person has to settle something
	flags       []schema.Flag
	fact        *kpi.Fact
	keys        [][]byte // sorted
}

// Kinds of index, the first byte after the collection's name. What follows is
// ordered bytes, and then the record's id.
const (
	indexSort     = 's' // field, sort key
	indexEqual    = 'f' // field, value
	indexToken    = 't' // word 0
	indexFlag     = '!' // nothing
	indexConflict = 'c' // nothing: records of which a person has to settle something
	indexEdited   = 'e' // nothing: records that were edited after their deletion
	indexHidden   = 'q' // nothing: records in which something stands that the province's word hides
	indexOpen     = 'o' // due moment, or 0xff if none: records received and not resolved
)

// read reads a record under the checkpoints held. Of a collection or field that this
// pack doesn't know, nothing is read: it is kept and passed on.
func (e *Engine) read(tx *store.Tx, r *crdt.Record) (reading, error) {
	return e.readUnder(tx, r, e.authorities())
}

func (e *Engine) readUnder(tx *store.Tx, r *crdt.Record, under authorities) (reading, error) {
	c, known := e.cfg.Pack.Collection(r.Collection)
	if !known {
		return reading{}, nil
	}
	x := e.reader(tx, r, under)
	v := reading{values: map[string]any{}}
	v.existence, _ = x.existence()
	if v.existence != crdt.Present {
		v.keys = hiddenKeys(c, r, v.existence)
		if v.existence == crdt.Unknown && len(e.hidden(r, under)) > 0 {
			v.keys = append(v.keys, store.Row(c.ID, []byte{indexHidden}, idBytes(r)))
		}
		return v, x.err
	}
	v.exists = true
	for _, f := range c.Fields {
		v.field(x, f)
	}
	slices.Sort(v.conflicts)
	v.flags = c.Flags(v.values)
	v.fact = fact(r.Scope, c, v.values)
	v.keys = indexKeys(c, r.Ref.ID(), v, v.review, len(e.hidden(r, under)) > 0)
	return v, x.err
}

func idBytes(r *crdt.Record) []byte {
	id := r.Ref.ID()
	return id[:]
}

// field reads one field.
func (v *reading) field(x *reader, f *schema.Field) {
	if f.IsSet() {
		if items := x.set(f); len(items) > 0 {
			v.values[f.Name] = items
		}
		return
	}
	if _, written := x.record.Cells[f.ID]; !written {
		return
	}
	said := x.cell(f)
	if value, err := f.Decode(said.Shown()); err == nil && value != nil {
		v.values[f.Name] = value
	}
	if said.Conflict {
		v.conflicts = append(v.conflicts, f.Name)
	}
	if said.Provisional {
		v.provisional = append(v.provisional, f.Name)
	}
	v.review = v.review || said.Review
}

func indexKeys(c *schema.Collection, id crdt.RecordID, v reading, review, hidden bool) [][]byte {
	var keys [][]byte
	add := func(kind byte, parts ...[]byte) {
		parts = append(append([][]byte{{kind}}, parts...), id[:])
		keys = append(keys, store.Row(c.ID, parts...))
	}
	for _, f := range c.Fields {
		if f.Sortable {
			add(indexSort, fieldBytes(f), f.SortKey(v.values[f.Name]))
		}
		if f.Filter {
			add(indexEqual, fieldBytes(f), equalKey(f, v.values[f.Name]))
		}
	}
	for _, word := range c.Tokens(v.values) {
		add(indexToken, wordKey(word), []byte{0})
	}
	if len(v.flags) > 0 {
		add(indexFlag)
	}
	if review {
		add(indexConflict)
	}
	if hidden {
		add(indexHidden)
	}
	if v.fact != nil {
		if due, open := openUntil(v.fact); open {
			add(indexOpen, due)
		}
	}
	slices.SortFunc(keys, slices.Compare)
	return slices.CompactFunc(keys, slices.Equal)
}

// maxKeyPart bounds what one value gives to an index key.
const maxKeyPart = 64

// equalKey is a value as its canonical bytes behind their length, so that no
// value's key begins another's; of a long one, their hash.
func equalKey(f *schema.Field, value any) []byte {
	b := f.Encode(value)
	if len(b) > maxKeyPart {
		sum := sha256.Sum256(b)
		b = append([]byte{0xff}, sum[:]...) // 0xff begins no CBOR item
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
}

// wordKey is a word as far as it is looked at.
func wordKey(word string) []byte { return []byte(word[:min(len(word), maxKeyPart)]) }

// openUntil is the due moment of a record that is received and not resolved, as
// ordered bytes; 0xff... where it has none.
func openUntil(f *kpi.Fact) ([]byte, bool) {
	if _, received := f.Received.MS(); !received {
		return nil, false
	}
	if _, resolved := f.Resolved.MS(); resolved {
		return nil, false
	}
	due, ok := f.Due.MS()
	if !ok {
		return []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, true
	}
	return momentBytes(due), true
}

// momentBytes orders moments, before 1970 too.
func momentBytes(ms int64) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(ms)^1<<63)
}
