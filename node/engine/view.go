package engine

import (
	"context"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node/schema"
	"github.com/vungxa/vungxa/node/store"
)

// View is a record as it is shown.
type View struct {
	ID         crdt.RecordID
	Collection string
	Version    string // what a reader of this view has seen; Change.Seen takes it
	Values     map[string]any
	Cells      map[string]CellView
	Flags      []schema.Flag
	Conflicts  []string // fields in which different values stand side by side
	Tick       Tick
	CreatedMS  int64
	UpdatedMS  int64
	UpdatedBy  string
}

// CellView is all that stands in a field.
type CellView struct {
	Conflict bool
	Siblings []Sibling // the first is shown
}

// Sibling is one of the values that stand in a field.
type Sibling struct {
	Value   any
	Officer string
	Device  crdt.Device
	AtMS    int64 // as its device's clock claimed
	Shown   bool
	Tick    Tick
}

// Get is one record as it is shown here.
func (e *Engine) Get(_ context.Context, collection string, id crdt.RecordID) (*View, error) {
	var v *View
	err := e.cfg.Store.View(func(tx *store.Tx) (err error) {
		v, err = e.view(tx, collection, id)
		return err
	})
	return v, err
}

// Each calls f with what every record of a collection shows.
func (e *Engine) Each(collection string, f func(values map[string]any) error) error {
	return e.cfg.Store.View(func(tx *store.Tx) error {
		return tx.Records(collection, func(r *crdt.Record) error {
			if read := e.read(r); read.exists {
				return f(read.values)
			}
			return nil
		})
	})
}

func (e *Engine) view(tx *store.Tx, collection string, id crdt.RecordID) (*View, error) {
	r, err := tx.Record(collection, id)
	if err != nil {
		return nil, err
	}
	c, known := e.cfg.Pack.Collection(collection)
	if r == nil || !known || !r.Exists() {
		return nil, notFound()
	}
	read := e.read(r)
	v := &View{
		ID: id, Collection: collection, Version: version(r), Values: read.values, Flags: read.flags,
		Conflicts: read.conflicts, Cells: map[string]CellView{}, Tick: e.recordTick(r),
	}
	var newest crdt.Stamp
	for field, cell := range r.Cells {
		for _, w := range cell.Writes {
			if w.Stamp >= newest {
				newest, v.UpdatedMS, v.UpdatedBy = w.Stamp, w.Stamp.Millis(), w.Officer
			}
		}
		if f, ok := c.FieldByID(field); ok {
			v.Cells[f.Name] = e.cell(f, cell)
		}
	}
	v.CreatedMS = r.Cells[crdt.FieldExistence].Writes[0].Stamp.Millis()
	return v, nil
}

func (e *Engine) cell(f *schema.Field, cell crdt.Cell) CellView {
	out := CellView{Conflict: cell.Conflict()}
	for i, w := range cell.Writes {
		value, err := f.Decode(w.Value)
		if err != nil {
			value = nil // of another pack's form: kept, not shown
		}
		out.Siblings = append(out.Siblings, Sibling{
			Value: value, Officer: w.Officer, Device: w.Dot.Log.Device, AtMS: w.Stamp.Millis(), Shown: i == 0,
			Tick: e.tick(crdt.Pos{Log: w.Dot.Log, Seq: w.Dot.Seq}),
		})
	}
	return out
}
