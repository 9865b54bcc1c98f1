package engine

import (
	"context"
	"crypto/sha256"
	"errors"
	"maps"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/schema"
)

// fieldSource is a field that no pack can name: the digest of what the source
// last said of the record. A row that says the same again changes nothing, even
// where officers have edited the record since.
const fieldSource uint32 = 1 << 31

// Row is what a source says of the record with its key.
type Row struct {
	Key    string
	Values map[string]any // as schema.Field.Parse gives them
}

// Outcome is what became of a row, or would.
type Outcome struct {
	Record  crdt.RecordID
	Created bool
	Changed bool
	Flags   []schema.Flag
	Err     error // why the row was refused; the others go in
}

// errDry ends a transaction that was only tried.
var errDry = errors.New("dry run")

// Upsert stores rows of a source as one bulk save. With dry it only says what
// it would do.
func (e *Engine) Upsert(ctx context.Context, officer, collection string, rows []Row, dry bool) ([]Outcome, error) {
	if err := e.writable(); err != nil {
		return nil, err
	}
	c, ok := e.cfg.Pack.Collection(collection)
	if !ok {
		return nil, node.Errorf(node.NotFound, "Không có loại hồ sơ %q.", "there is no collection %q", collection)
	}
	e.write.Lock()
	defer e.write.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var outcomes []Outcome
	err := e.compose(officer, crdt.ClassBulk, func(w *writer) error {
		outcomes = outcomes[:0]
		for _, row := range rows {
			o, err := w.upsert(c, row)
			if err != nil {
				return err
			}
			outcomes = append(outcomes, o)
		}
		if !dry {
			return nil
		}
		if len(w.entry.Ops) == 0 {
			return errDry
		}
		if _, err := w.encode(); err != nil {
			return err
		}
		return errDry
	})
	if err != nil && !errors.Is(err, errDry) {
		return nil, err
	}
	return outcomes, nil
}

func (w *writer) upsert(c *schema.Collection, row Row) (Outcome, error) {
	t, creating, err := w.target(Change{Collection: c.ID, Key: row.Key})
	if err != nil {
		return Outcome{}, err
	}
	o := Outcome{Record: t.record.Ref.ID()}
	if slices.ContainsFunc(w.entry.Ops, func(op crdt.Op) bool { return op.Record == t.record.Ref }) {
		o.Err = node.Errorf(node.Invalid, "Mã của dòng này đã có ở một dòng trước.", "an earlier row has the same key")
		return o, nil
	}
	if !t.before.exists && t.record.Closed(w.now.of(t.record.Scope).Passed()) {
		o.Err = closed()
		return o, nil
	}
	if is := t.before.existence; is == crdt.Deleted || is == crdt.EditedAfter {
		o.Err = node.Errorf(node.Conflict, "Hồ sơ này đã bị xoá ở đây; hãy khôi phục trước nếu cần nhập lại.",
			"the record was deleted here; restore it first if it is to be imported again")
		return o, nil
	}
	said, err := digest(row.Values)
	if err != nil {
		return o, err
	}
	merged := maps.Clone(t.before.values)
	if merged == nil {
		merged = map[string]any{}
	}
	maps.Copy(merged, row.Values)
	if cell := t.record.Cells[fieldSource]; len(cell.Writes) > 0 && slices.Equal(cell.Writes[0].Value, said) {
		o.Flags = t.before.flags
		return o, nil
	}
	before := len(w.entry.Ops)
	if _, err := w.change(Change{Collection: c.ID, Key: row.Key, Values: row.Values}); err != nil {
		if node.CodeOf(err) != node.Invalid {
			return o, err
		}
		w.entry.Ops = w.entry.Ops[:before]
		o.Err = err
		return o, nil
	}
	o.Created, o.Changed = creating, !creating && len(w.entry.Ops) > before
	o.Flags = c.Flags(merged)
	w.assign(t, fieldSource, said, nil)
	return o, nil
}

// digest is what a row says, in 16 bytes, as a CBOR byte string.
func digest(values map[string]any) ([]byte, error) {
	b, err := wire.Marshal(values)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b)
	return wire.Marshal(sum[:16])
}
