package engine

import (
	"context"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/schema"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/sync/identity"
)

// Save is what an officer saves at once: all of it is stored, or none.
type Save struct {
	Officer string
	Class   crdt.Class
	Changes []Change
}

// Change creates a record, or writes fields of one.
type Change struct {
	Collection string
	Record     *crdt.RecordID // nil: create
	Key        string         // the source's own key: create or write the record of that key
	// Seen is the version of the record that the officer looked at; empty for
	// all that is here. What was not seen is not superseded: it stays beside.
	Seen   string
	Values map[string]any // by field name, as schema.Field.Parse gives them
	// Delete deletes the record, as far as it was seen: what was written unseen
	// comes to the inbox. Restore takes a deletion back. Neither has values.
	Delete, Restore bool
	// Anew writes what it names also where that stands already, and that the record is
	// there: what stands lies where it doesn't get on its way (Refused).
	Anew bool
}

// Save checks the changes by the pack and stores them as one entry of this
// device's log. They are durable when it returns the records' ids.
func (e *Engine) Save(ctx context.Context, s Save) ([]crdt.RecordID, error) {
	if err := e.writable(); err != nil {
		return nil, err
	}
	if err := e.lockToSave(s); err != nil {
		return nil, err
	}
	defer e.write.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var ids []crdt.RecordID
	err := e.compose(s.Officer, s.Class, func(w *writer) error {
		ids = make([]crdt.RecordID, len(s.Changes))
		for i, c := range s.Changes {
			id, err := w.change(c)
			if err != nil {
				return err
			}
			ids[i] = id
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ids, nil
}

func (e *Engine) writable() error {
	if e.cfg.Role == identity.RoleHub {
		return node.Errorf(node.ReadOnly,
			"Máy của tỉnh chỉ xem hồ sơ; hãy sửa ở máy của xã.", "the province's node only shows records; change them at the commune's")
	}
	return nil
}

// writer makes one entry of this device's own log.
type writer struct {
	*batch
	log   *store.Log
	entry *crdt.Entry
}

func (b *batch) begin(officer string, class crdt.Class) (*writer, error) {
	e := b.engine
	l, err := b.log(e.ownLog(class))
	if err != nil {
		return nil, err
	}
	a := b.now.of(l.ID.Scope)
	var cites crdt.Cite
	var epoch uint64
	if a != nil {
		epoch = a.Epoch
		if a.Newest.Compare(l.Cite) > 0 {
			cites = a.Newest
		}
	}
	return &writer{batch: b, log: l, entry: &crdt.Entry{
		Log: l.ID, Seq: l.Head.Seq + 1, Prev: l.Head.Hash, Stamp: e.clock.Next(e.nowMS()), Officer: officer, Epoch: epoch, Cites: cites,
		Pack: crdt.Pack{ID: e.cfg.Pack.ID, Version: e.cfg.Pack.Version},
	}}, nil
}

// compose makes one entry of this device's own log by build and applies it, in one
// transaction if the store can take it. The caller holds e.write.
func (e *Engine) compose(officer string, class crdt.Class, build func(*writer) error) error {
	if err := e.drawSalt(class); err != nil {
		return err
	}
	err := e.update(func(b *batch) error {
		w, err := b.begin(officer, class)
		if err != nil {
			return err
		}
		if err := build(w); err != nil {
			return err
		}
		return w.finish()
	})
	if errors.Is(err, store.ErrTooBig) {
		return e.composeLong(officer, class, build)
	}
	return err
}

// composeLong makes the entry without storing it, and then applies it in as many
// transactions as it needs.
func (e *Engine) composeLong(officer string, class crdt.Class, build func(*writer) error) error {
	var s *staged
	err := e.update(func(b *batch) error {
		w, err := b.begin(officer, class)
		if err != nil {
			return err
		}
		if err := build(w); err != nil {
			return err
		}
		raw, err := w.encode()
		if err != nil {
			return err
		}
		if err := w.recordsFit(); err != nil {
			return err
		}
		s = stage(w.entry.Log, w.entry.Seq, [][]byte{raw})
		return errDry
	})
	if !errors.Is(err, errDry) {
		return err
	}
	return e.applyStaged(s, nil)
}

// recordsFit refuses a save after which a record would be larger than any value
// of the store.
func (w *writer) recordsFit() error {
	if err := w.merge(w.entry, nil); err != nil {
		return err
	}
	for _, t := range w.order {
		b, err := wire.EncodeRecord(t.record)
		if err != nil {
			return err
		}
		if len(b) > store.MaxValue {
			return node.Errorf(node.TooLarge, "Hồ sơ sẽ quá lớn (tối đa %d KiB). Hãy rút ngắn các trường dài.",
				"the record would be too large (at most %d KiB); shorten its long fields", store.MaxValue>>10)
		}
	}
	return nil
}

// finish appends the entry, unless it says nothing new, and seals the log when
// much of it is unsealed.
func (w *writer) finish() error {
	if len(w.entry.Ops) == 0 {
		return nil
	}
	raw, err := w.encode()
	if err != nil {
		return err
	}
	if err := w.apply(w.entry.Log, w.entry, raw); err != nil {
		return err
	}
	return w.sealIfLong()
}

// encode gives the entry its pins and its key, and its bytes.
func (w *writer) encode() ([]byte, error) {
	w.entry.Pins = w.entry.PinsOf(w.held)
	if w.failed != nil {
		return nil, w.failed
	}
	salt, err := w.engine.salt(w.tx, w.entry.Log, w.entry.Seq)
	if err != nil {
		return nil, err
	}
	w.entry.Key = wire.EntryKey(salt, w.entry.Seq)
	raw, err := wire.EncodeEntry(w.entry)
	if errors.Is(err, crdt.ErrTooLarge) {
		return nil, &node.Error{Code: node.TooLarge, Err: err, Message: node.Text{
			VI: fmt.Sprintf("Lần lưu này quá lớn (tối đa %d KiB). Hãy chia nhỏ ra.", crdt.MaxEntry>>10),
			EN: fmt.Sprintf("this save is too large (at most %d KiB); divide it", crdt.MaxEntry>>10),
		}}
	}
	return raw, err
}

func (w *writer) sealIfLong() error {
	if w.log.Head.Seq-w.log.Sealed.Seq < sealEntries && w.log.Unsealed < sealBytes {
		return nil
	}
	return w.engine.sealAt(w.tx, w.log)
}

func (w *writer) change(c Change) (crdt.RecordID, error) {
	collection, ok := w.engine.cfg.Pack.Collection(c.Collection)
	if !ok {
		return crdt.RecordID{}, node.Errorf(node.NotFound, "Không có loại hồ sơ %q.", "there is no collection %q", c.Collection)
	}
	if c.Delete || c.Restore {
		return w.existence(c)
	}
	t, creating, err := w.target(c)
	if err != nil {
		return crdt.RecordID{}, err
	}
	id := t.record.Ref.ID()
	values := maps.Clone(c.Values)
	if creating {
		w.generate(collection, id, values)
	}
	if err := check(collection, t, values, creating); err != nil {
		return id, err
	}
	seen, err := parseVersion(c.Seen)
	if err != nil {
		return id, err
	}
	switch {
	case creating && !t.before.exists:
		w.add(t.record.Create(nil))
	case c.Anew:
		w.add(t.record.Create(seen))
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		f, ok := collection.Field(name)
		if !ok {
			return id, unknownField(name)
		}
		if creating && values[name] == nil {
			continue
		}
		if err := w.write(t, f, values[name], seen, c.Anew); err != nil {
			return id, err
		}
	}
	return id, nil
}

func (w *writer) write(t *touched, f *schema.Field, value any, seen []crdt.Pos, anew bool) error {
	switch {
	case f.IsSet():
		return w.put(t, f, value, seen, anew)
	case anew:
		w.add(t.record.Assign(f.ID, f.Encode(value), seen))
	default:
		w.assign(t, f.ID, f.Encode(value), seen)
	}
	return nil
}

// put adds the items that a set lacks, and takes out those that aren't named, as
// far as they were seen.
func (w *writer) put(t *touched, f *schema.Field, value any, seen []crdt.Pos, anew bool) error {
	want, _ := value.([]string)
	have, _ := t.before.values[f.Name].([]string)
	change := func(item string, present bool) error {
		elem, err := f.EncodeElem(item)
		if err != nil {
			return err
		}
		op := t.record.Put(f.ID, elem, present, seen)
		if present || len(op.Over) > 0 { // what was not seen is not taken out
			w.add(op)
		}
		return nil
	}
	for _, item := range want {
		if anew || !slices.Contains(have, item) {
			if err := change(item, true); err != nil {
				return err
			}
		}
	}
	for _, item := range have {
		if !slices.Contains(want, item) {
			if err := change(item, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// existence deletes a record or takes its deletion back.
func (w *writer) existence(c Change) (crdt.RecordID, error) {
	if c.Record == nil {
		return crdt.RecordID{}, notFound()
	}
	seen, err := parseVersion(c.Seen)
	if err != nil {
		return *c.Record, err
	}
	stored, err := w.tx.Record(c.Collection, *c.Record)
	if err == nil && stored == nil {
		err = notFound()
	}
	if err != nil {
		return *c.Record, err
	}
	t, err := w.record(stored.Scope, c.Collection, stored.Ref)
	if err != nil {
		return *c.Record, err
	}
	switch {
	case c.Delete && (t.before.exists || t.before.existence == crdt.EditedAfter):
		w.add(t.record.Delete(seen))
	case c.Restore && !t.before.exists && t.record.Closed(w.now.of(t.record.Scope).Passed()):
		return *c.Record, closed()
	case c.Restore && !t.before.exists && t.before.existence != crdt.Unknown:
		w.add(t.record.Create(seen))
	case c.Delete:
		return *c.Record, notFound()
	}
	return *c.Record, nil
}

// target is the record that a change is about, and whether the change makes it.
func (w *writer) target(c Change) (*touched, bool, error) {
	scope := w.engine.cfg.Scopes[0]
	switch {
	case c.Record != nil:
		stored, err := w.tx.Record(c.Collection, *c.Record)
		if err == nil && stored == nil {
			err = notFound()
		}
		if err != nil {
			return nil, false, err
		}
		t, err := w.record(scope, c.Collection, stored.Ref)
		if err == nil && !t.before.exists {
			err = notFound()
		}
		return t, false, err
	case c.Key != "":
		t, err := w.record(scope, c.Collection, crdt.RefByKey(scope, c.Collection, c.Key))
		return t, err == nil && !t.before.exists, err
	}
	ref := crdt.Ref{Dot: w.entry.Dot(len(w.entry.Ops))}
	t, err := w.record(scope, c.Collection, ref)
	return t, true, err
}

// closed says that a deletion is final: all others may have forgotten the record, and a
// restore would reach none of them.
func closed() error {
	return node.Errorf(node.Conflict,
		"Không khôi phục được nữa: mọi máy đều đã nhận việc xoá này và có thể đã bỏ hồ sơ. Hãy mở hồ sơ đã xoá, chép các nội dung cần giữ và lập hồ sơ mới.",
		"it can't be restored any more: every device has acknowledged the deletion and may have forgotten the record; open the deleted record, and save what is needed of it as a new one")
}

func notFound() error {
	return node.Errorf(node.NotFound, "Không có hồ sơ này trên máy này.", "there is no such record on this device")
}

func unknownField(name string) error {
	return &node.Error{Code: node.Invalid, Message: node.Text{VI: "Có trường mà mẫu không có.", EN: "the pack has no such field"},
		Fields: []node.FieldError{{Field: name, Message: node.Text{VI: "Mẫu không có trường này.", EN: "the pack has no such field"}}}}
}

// generate fills the fields that the program gives: for now a code that is
// marked as temporary, made of the record's id.
func (w *writer) generate(c *schema.Collection, id crdt.RecordID, values map[string]any) {
	for _, f := range c.Fields {
		if f.Generated == schema.GeneratedTemporary && values[f.Name] == nil {
			values[f.Name] = TemporaryCode(id)
		}
	}
}

// TemporaryCode is the code of a record that has no leased number yet.
func TemporaryCode(id crdt.RecordID) string {
	return "TẠM-" + base32.StdEncoding.EncodeToString(id[:5])
}

// check holds the record as it will be to the pack's rules; a field that the
// save doesn't touch is not held against it.
func check(c *schema.Collection, t *touched, values map[string]any, creating bool) error {
	merged := maps.Clone(t.before.values)
	if merged == nil {
		merged = map[string]any{}
	}
	maps.Copy(merged, values)
	var wrong []node.FieldError
	for _, f := range c.Validate(merged, creating) {
		if _, touched := values[f.Field]; touched || creating {
			wrong = append(wrong, f)
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return &node.Error{Code: node.Invalid, Fields: wrong, Message: node.Text{
		VI: "Chưa lưu được: có trường cần sửa.", EN: "not saved: some fields need mending",
	}}
}

// assign adds an operation, unless it would write what stands there alone, or
// nothing where nothing stands.
func (w *writer) assign(t *touched, field uint32, value []byte, seen []crdt.Pos) {
	cell := t.record.Cells[field]
	nothing := len(cell.Writes) == 0 && slices.Equal(value, []byte{0xf6}) // CBOR null
	if nothing || len(cell.Writes) == 1 && slices.Equal(cell.Writes[0].Value, value) {
		return
	}
	w.add(t.record.Assign(field, value, seen))
}

// add adds an operation.
func (w *writer) add(op crdt.Op) { w.entry.Ops = append(w.entry.Ops, op) }

// version names what a reader of the record has seen.
func version(r *crdt.Record) (string, error) {
	b, err := wire.EncodePositions(r.Known())
	if err != nil {
		return "", fmt.Errorf("name the version of record %v: %w", r.Ref.ID(), err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

func parseVersion(s string) ([]crdt.Pos, error) {
	if s == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return nil, node.Errorf(node.Invalid, "Phiên bản hồ sơ không đọc được: %w", "the record's version can't be read: %w", err)
	}
	seen, err := wire.DecodePositions(b)
	if err != nil {
		return nil, node.Errorf(node.Invalid, "Phiên bản hồ sơ không đọc được: %w", "the record's version can't be read: %w", err)
	}
	if seen == nil {
		seen = []crdt.Pos{}
	}
	return seen, nil
}
