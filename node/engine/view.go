package engine

import (
	"context"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/schema"
	"github.com/vungxa/vungxa/node/store"
)

// View is a record as it is shown.
type View struct {
	ID          crdt.RecordID
	Collection  string
	Version     string // what a reader of this view has seen; Change.Seen takes it
	Values      map[string]any
	Cells       map[string]CellView // fields of kind assign
	Flags       []schema.Flag
	Conflicts   []string // fields in which different values stand side by side
	Provisional []string // fields that show a step which isn't confirmed yet
	// Edited says that the record was deleted by someone who hadn't seen all that
	// was written: it is in no list until a person restores it or deletes it again.
	Edited bool
	// Damaged says that the record is here and can't be read; nothing else is set.
	Damaged   bool
	Tick      Tick
	Carried   []Load // who has writes of it that the province isn't known to have received
	CreatedMS int64
	UpdatedMS int64
	UpdatedBy string
}

// CellView is all that stands in a field.
type CellView struct {
	Conflict bool
	Review   bool      // a person has to settle it
	Siblings []Sibling // the first is shown
	Hidden   []Sibling // what a cut or a ruling hides; only in Get
}

// Sibling is one of the values that stand in a field.
type Sibling struct {
	Value       any
	Officer     string
	Device      crdt.Device
	AtMS        int64 // as its device's clock claimed
	EffectiveMS int64 // held between the checkpoint that it cites and the witness; 0: not believed
	Witnessed   bool  // the hub has committed it
	Suspect     bool  // its clock was wrong
	Erased      bool  // its value was erased by law
	Rests       bool  // it replaced a value that is hidden
	Shown       bool
	Tick        Tick
	Why         crdt.Why   // of a hidden one
	Replaced    []Replaced // what it replaced; only in Get
}

// Replaced is a value that another one has replaced.
type Replaced struct {
	Value   any
	Officer string
	Device  crdt.Device
	AtMS    int64
}

// Get is one record as it is shown here, with all that is hidden and was replaced.
func (e *Engine) Get(_ context.Context, collection string, id crdt.RecordID) (*View, error) {
	var v *View
	err := e.cfg.Store.View(func(tx *store.Tx) (err error) {
		v, err = e.view(tx, collection, id, true)
		return err
	})
	return v, err
}

// Each calls f with what every record of a collection shows.
func (e *Engine) Each(collection string, f func(values map[string]any) error) error {
	return e.cfg.Store.View(func(tx *store.Tx) error {
		return tx.Records(collection, func(r *crdt.Record) error {
			read, err := e.read(tx, r)
			if err != nil || !read.exists {
				return err
			}
			return f(read.values)
		})
	})
}

// listed is a record in a list: one that is damaged is there and says so.
func (e *Engine) listed(tx *store.Tx, collection string, id crdt.RecordID) (*View, error) {
	v, err := e.view(tx, collection, id, false)
	if node.CodeOf(err) == node.Damaged {
		return &View{ID: id, Collection: collection, Damaged: true, Values: map[string]any{}}, nil
	}
	return v, err
}

func (e *Engine) view(tx *store.Tx, collection string, id crdt.RecordID, whole bool) (*View, error) {
	r, err := tx.Record(collection, id)
	if err != nil {
		return nil, err
	}
	c, known := e.cfg.Pack.Collection(collection)
	if r == nil || !known {
		return nil, notFound()
	}
	read, err := e.read(tx, r)
	if err != nil {
		return nil, err
	}
	if !read.exists && read.existence != crdt.EditedAfter {
		return nil, notFound()
	}
	seen, err := version(r)
	if err != nil {
		return nil, err
	}
	v := &View{
		ID: id, Collection: collection, Version: seen, Values: read.values, Flags: read.flags, Edited: !read.exists,
		Conflicts: read.conflicts, Provisional: read.provisional, Cells: map[string]CellView{}, Tick: e.recordTick(r), Carried: e.loadsOf(r),
	}
	x := e.reader(tx, r, e.authorities())
	x.Whole = whole
	for _, f := range c.Fields {
		if _, written := r.Cells[f.ID]; written && !f.IsSet() {
			v.Cells[f.Name] = e.cell(x, f)
		}
	}
	if v.Edited {
		v.readDeleted(x, c)
	}
	v.dates(r)
	return v, x.err
}

// readDeleted reads the fields of a record that was deleted, for whoever decides.
func (v *View) readDeleted(x *reader, c *schema.Collection) {
	read := reading{values: v.Values}
	for _, f := range c.Fields {
		read.field(x, f)
	}
	v.Conflicts = read.conflicts
}

// dates says when the record was made, and by whom and when it was last written.
func (v *View) dates(r *crdt.Record) {
	var newest crdt.Stamp
	eachCell(r, func(c crdt.Cell) {
		for _, w := range c.Writes {
			if w.Stamp >= newest {
				newest, v.UpdatedMS, v.UpdatedBy = w.Stamp, w.Stamp.Millis(), w.Officer
			}
		}
	})
	if made := r.Cells[crdt.FieldExistence].Writes; len(made) > 0 {
		v.CreatedMS = made[0].Stamp.Millis()
	}
}

func (e *Engine) cell(x *reader, f *schema.Field) CellView {
	said := x.cell(f)
	out := CellView{Conflict: said.Conflict, Review: said.Review}
	for i, s := range said.Siblings {
		shown := e.sibling(x, f, s.Write)
		shown.Shown, shown.Rests, shown.Suspect, shown.Witnessed = i == 0, s.Rests, s.Time.Suspect, s.Time.Witnessed
		shown.EffectiveMS = s.Time.At.Millis()
		out.Siblings = append(out.Siblings, shown)
	}
	if !x.Whole {
		return out
	}
	for _, h := range said.Hidden {
		hidden := e.sibling(x, f, h.Write)
		hidden.Why = h.Why
		out.Hidden = append(out.Hidden, hidden)
	}
	return out
}

func (e *Engine) sibling(x *reader, f *schema.Field, w crdt.Write) Sibling {
	s := Sibling{
		Value: valueOf(f, w), Officer: w.Officer, Device: w.Dot.Log.Device, AtMS: w.Stamp.Millis(), EffectiveMS: w.Stamp.Millis(),
		Erased: len(w.Value) == 0, Tick: e.tick(w.Pos()),
	}
	if !x.Whole || len(w.Over) == 0 {
		return s
	}
	for _, old := range x.prior(f.ID, "") {
		if slices.Contains(w.Over, old.Pos()) {
			s.Replaced = append(s.Replaced, Replaced{Value: valueOf(f, old), Officer: old.Officer, Device: old.Dot.Log.Device, AtMS: old.Stamp.Millis()})
		}
	}
	return s
}

// valueOf is a write's value; nil of another pack's form, which is kept and not
// shown, and where it was erased.
func valueOf(f *schema.Field, w crdt.Write) any {
	value, err := f.Decode(w.Value)
	if err != nil {
		return nil
	}
	return value
}
