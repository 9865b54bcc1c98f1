package engine

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/schema"
	"github.com/vungxa/vungxa/node/store"
)

// indexForm is the number of the form that this program gives to index rows, and of
// how it reads records. Another number makes every index anew.
const indexForm = 2

// parts tells, for every part of an index, what its rows are made of: a digest of
// what the pack says of it. A part is a collection and a kind of index, and of the
// kinds that are by field, the field; its name is how its rows begin. Where an old
// index and today's pack agree in a part, its rows are the same, and it answers
// until the new index is there.
type parts struct {
	digests map[string]partDigest
	bytes   []byte // what the store keeps of it
}

type partDigest [8]byte

// partsOf are the parts of a pack's index.
func partsOf(p *schema.Pack) (*parts, error) {
	out := &parts{digests: map[string]partDigest{}}
	for _, c := range p.Collections {
		if err := out.collection(p.OffsetMinutes, c); err != nil {
			return nil, fmt.Errorf("what the index of %s is made of: %w", c.ID, err)
		}
	}
	return out, out.encode()
}

// storedPart is a part as the store keeps it, sorted by name.
type storedPart struct {
	_      struct{} `cbor:",toarray"`
	Name   []byte
	Digest partDigest
}

func (p *parts) encode() (err error) {
	var all []storedPart
	for _, name := range slices.Sorted(maps.Keys(p.digests)) {
		all = append(all, storedPart{Name: []byte(name), Digest: p.digests[name]})
	}
	p.bytes, err = wire.Marshal(all)
	return err
}

func decodeParts(b []byte) (*parts, error) {
	var all []storedPart
	if err := wire.Unmarshal(b, store.MaxValue, &all); err != nil {
		return nil, fmt.Errorf("what the index was made of: %w", err)
	}
	p := &parts{digests: map[string]partDigest{}, bytes: b}
	for _, part := range all {
		p.digests[string(part.Name)] = part.Digest
	}
	return p, nil
}

// both is the parts that are the same in both.
func (p *parts) both(today *parts) (*parts, error) {
	out := &parts{digests: maps.Clone(p.digests)}
	maps.DeleteFunc(out.digests, func(name string, d partDigest) bool { return today.digests[name] != d })
	return out, out.encode()
}

func (p *parts) collection(offset int, c *schema.Collection) error {
	var errs error
	add := func(of any, kind byte, rest ...[]byte) {
		b, err := json.Marshal(struct {
			Form, Offset int
			Of           any
		}{indexForm, offset, of})
		if err != nil {
			errs = err
		}
		sum := sha256.Sum256(b)
		name := store.Row(c.ID, append([][]byte{{kind}}, rest...)...)
		p.digests[string(name)] = partDigest(sum[:])
	}
	var searched, all []schema.Field
	for _, f := range c.Fields {
		form := formOf(f)
		all = append(all, form)
		if f.Sortable {
			add(form, indexSort, fieldBytes(f))
		}
		if f.Filter {
			add(form, indexEqual, fieldBytes(f))
		}
		if f.Search {
			searched = append(searched, form)
		}
	}
	add(searched, indexToken)
	add(all, indexConflict)
	add(nil, indexEdited)
	add(nil, indexHidden)
	add(nil, indexDeleted)
	add([]any{c.Checks, named(c, checked(c)...)}, indexFlag)
	if c.KPI != nil {
		add([]any{c.KPI, named(c, c.KPI.Received, c.KPI.Resolved, c.KPI.Due)}, indexOpen)
	}
	return errs
}

// formOf is a field without what only people read of it, and what only saves heed.
func formOf(f *schema.Field) schema.Field {
	form := *f
	form.Label, form.Hint, form.Source, form.Confidence = node.Text{}, node.Text{}, "", ""
	form.Required, form.Generated, form.Max = false, "", 0
	form.Filter, form.Sortable, form.Search = false, false, false
	return form
}

func checked(c *schema.Collection) (names []string) {
	for i := range c.Checks {
		names = append(names, c.Checks[i].Fields()...)
	}
	return names
}

func named(c *schema.Collection, names ...string) (out []schema.Field) {
	for _, name := range names {
		if f, ok := c.Field(name); ok {
			out = append(out, formOf(f))
		}
	}
	return out
}

// partOf is the name of the part that a row belongs to.
func partOf(row []byte) string {
	n := bytes.IndexByte(row, 0) + 2
	if n > len(row) {
		return ""
	}
	if kind := row[n-1]; kind == indexSort || kind == indexEqual {
		n = min(n+4, len(row))
	}
	return string(row[:n])
}

// has says whether the part that a row belongs to is the same in both.
func (p *parts) has(today *parts, row []byte) bool {
	if p == today {
		return true
	}
	part := partOf(row)
	made, ok := p.digests[part]
	return ok && made == today.digests[part]
}

// shared is those of the rows whose part is the same in both.
func (p *parts) shared(today *parts, rows [][]byte) [][]byte {
	var out [][]byte
	for _, row := range rows {
		if p.has(today, row) {
			out = append(out, row)
		}
	}
	return out
}

// knows says whether the collection was in the pack.
func (p *parts) knows(c *schema.Collection) bool {
	_, ok := p.digests[string(store.Row(c.ID, []byte{indexToken}))]
	return ok
}

// madeOf is what a generation of the index was made of; e.parts itself where that
// is today's pack, nil where there is no such generation.
func (e *Engine) madeOf(tx *store.Tx, number uint32) (*parts, error) {
	if number == 0 {
		return nil, nil
	}
	b, err := tx.In(0, number).IndexItem(itemMade)
	if err != nil || b == nil {
		return nil, err
	}
	if bytes.Equal(b, e.parts.bytes) {
		return e.parts, nil
	}
	e.state.Lock()
	made := e.made
	e.state.Unlock()
	if made != nil && bytes.Equal(b, made.bytes) {
		return made, nil
	}
	if made, err = decodeParts(b); err != nil {
		return nil, err
	}
	e.state.Lock()
	e.made = made
	e.state.Unlock()
	return made, nil
}

func fieldBytes(f *schema.Field) []byte { return binary.BigEndian.AppendUint32(nil, f.ID) }
