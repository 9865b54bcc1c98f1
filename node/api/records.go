package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/engine"
	"github.com/vungxa/vungxa/node/schema"
)

type searchBody struct {
	Text       string   `json:"text,omitempty" maxLength:"500" doc:"Words, with or without diacritics; the last as far as it goes."`
	Filters    []filter `json:"filters,omitempty" maxItems:"32" nullable:"false"`
	Flagged    bool     `json:"flagged,omitempty"`
	Conflicted bool     `json:"conflicted,omitempty"`
	Tick       string   `json:"tick,omitempty" enum:"here,office,province"`
	Overdue    bool     `json:"overdue,omitempty" doc:"Judged at as_of_ms."`
	Open       bool     `json:"open,omitempty"`
	Sort       *sort    `json:"sort,omitempty"`
	Cursor     string   `json:"cursor,omitempty" maxLength:"4096" doc:"next of the page before."`
	Limit      int      `json:"limit,omitempty" minimum:"1" maximum:"200" doc:"50 if absent."`
}

const defaultLimit = 50

type filter struct {
	Field string `json:"field"`
	Op    string `json:"op" enum:"eq,from,to,empty"`
	Value any    `json:"value,omitempty" doc:"As in a record; none for empty."`
}

type searchInput struct {
	C    string `path:"c" maxLength:"48"`
	Body searchBody
}

type pageAnswer struct {
	Items  list[recordAnswer] `json:"items"`
	Total  int                `json:"total"`
	Next   *string            `json:"next"`
	AsOfMS int64              `json:"as_of_ms"`
}

type pageOutput struct{ Body pageAnswer }

type recordAnswer struct {
	ID         string          `json:"id"`
	Collection string          `json:"collection"`
	Version    string          `json:"version" doc:"What a reader of this answer has seen."`
	Title      string          `json:"title"`
	Values     map[string]any  `json:"values" doc:"Every field of the collection; null where it is missing."`
	Flags      list[flag]      `json:"flags"`
	Conflicts  list[string]    `json:"conflicts" doc:"Fields in which different values stand side by side."`
	Tick       string          `json:"tick" enum:"here,office,province,covered"`
	Carried    list[load]      `json:"carried" doc:"Who has some of it on the way to the province. None of it has arrived."`
	CreatedMS  int64           `json:"created_ms"`
	UpdatedMS  int64           `json:"updated_ms"`
	UpdatedBy  string          `json:"updated_by"`
	Damaged    bool            `json:"damaged,omitempty" doc:"The record is here and can't be read; only in lists, and nothing else is set."`
	Edited     bool            `json:"edited,omitempty" doc:"It was deleted by someone who hadn't seen all of it; it is in no list."`
	Deleted    *deletion       `json:"deleted,omitempty" doc:"It was deleted; restore takes that back. Values are what it said."`
	Cells      map[string]cell `json:"cells,omitempty" doc:"Not in lists."`
}

type flag struct {
	Check   string       `json:"check"`
	Message label        `json:"message"`
	Fields  list[string] `json:"fields"`
}

type cell struct {
	Conflict bool          `json:"conflict"`
	Review   bool          `json:"review,omitempty" doc:"A person has to settle it."`
	Siblings list[sibling] `json:"siblings"`
	Hidden   list[sibling] `json:"hidden,omitempty" doc:"What a revocation or a ruling of the province hides."`
}

type sibling struct {
	Value      any    `json:"value"`
	Officer    string `json:"officer"`
	Device     string `json:"device"`
	DeviceName string `json:"device_name"`
	AtMS       int64  `json:"at_ms" doc:"As its device's clock claimed."`
	Shown      bool   `json:"shown"`
	Tick       string `json:"tick" enum:"here,office,province,covered"`

	EffectiveMS int64          `json:"effective_ms,omitempty" doc:"The claim, held between what the device had heard of the province and the province's own time; 0: not believed."`
	Suspect     bool           `json:"suspect,omitempty" doc:"Its clock was wrong."`
	Erased      bool           `json:"erased,omitempty" doc:"Its value was erased by law."`
	Replaced    list[replaced] `json:"replaced,omitempty" doc:"The values that it replaced."`
}

type replaced struct {
	Value      any    `json:"value"`
	Officer    string `json:"officer"`
	DeviceName string `json:"device_name"`
	AtMS       int64  `json:"at_ms"`
}

type createBody struct {
	Values map[string]any `json:"values"`
}

type createInput struct {
	C    string `path:"c" maxLength:"48"`
	Body createBody
}

type changeBody struct {
	Version string         `json:"version" minLength:"1" doc:"Of the record that the form was opened on: what came since is not overwritten."`
	Values  map[string]any `json:"values"`
	Again   bool           `json:"again,omitempty" doc:"Write what is named also where that stands already: for what is refused."`
}

type recordInput struct {
	C  string `path:"c" maxLength:"48"`
	ID string `path:"id" maxLength:"64"`
}

type changeInput struct {
	C    string `path:"c" maxLength:"48"`
	ID   string `path:"id" maxLength:"64"`
	Body changeBody
}

type recordOutput struct{ Body recordAnswer }

func (s *server) registerRecords(api huma.API) {
	add(s, api, s.signedIn(http.MethodPost, "/collections/{c}/search", "search", "A page of a collection's records."), s.search)
	op := s.signedIn(http.MethodPost, "/collections/{c}/records", "create", "Save a new record.")
	op.DefaultStatus = http.StatusCreated
	add(s, api, op, s.create)
	add(s, api, s.signedIn(http.MethodGet, "/collections/{c}/records/{id}", "record", "One record, with all that stands in its fields."), s.record)
	add(s, api, s.signedIn(http.MethodGet, "/collections/{c}/records/{id}/history", "history", "What was ever saved of a record, newest first."), s.history)
	add(s, api, s.signedIn(http.MethodPatch, "/collections/{c}/records/{id}", "change", "Save fields of a record."), s.change)
	s.registerDeletion(api)
}

func (s *server) collection(id string) (*schema.Collection, error) {
	if c, ok := s.Pack().Collection(id); ok {
		return c, nil
	}
	return nil, node.Errorf(node.NotFound, "Không có loại hồ sơ này.", "there is no such collection")
}

func (s *server) search(ctx context.Context, in *searchInput) (*pageOutput, error) {
	c, err := s.collection(in.C)
	if err != nil {
		return nil, err
	}
	q, err := queryOf(c, in.Body)
	if err != nil {
		return nil, err
	}
	page, err := s.Engine.Search(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &pageOutput{pageAnswer{Total: page.Total, Next: orNull(page.Next), AsOfMS: page.AsOfMS}}
	for _, v := range page.Items {
		out.Body.Items = append(out.Body.Items, s.recordOf(c, v))
	}
	return out, nil
}

func queryOf(c *schema.Collection, b searchBody) (engine.Query, error) {
	q := engine.Query{
		Collection: c.ID, Text: b.Text, Flagged: b.Flagged, Conflicted: b.Conflicted,
		Open: b.Open, Overdue: b.Overdue, Cursor: b.Cursor, Limit: b.Limit,
	}
	if q.Limit == 0 {
		q.Limit = defaultLimit
	}
	if b.Sort != nil {
		q.SortField, q.Desc = b.Sort.Field, b.Sort.Desc
	}
	if t, ok := engine.ParseTick(b.Tick); ok {
		q.Tick = &t
	}
	for i, f := range b.Filters {
		value, err := filterValue(c, f)
		if err != nil {
			return q, at(fmt.Sprintf("filters[%d].", i), err)
		}
		q.Filters = append(q.Filters, engine.Filter{Field: f.Field, Op: engine.Op(f.Op), Value: value})
	}
	return q, nil
}

func filterValue(c *schema.Collection, f filter) (any, error) {
	spec, ok := c.Field(f.Field)
	if !ok {
		return nil, wrong(node.FieldError{Field: "field", Message: node.Text{VI: "mẫu không có trường này", EN: "the pack has no such field"}})
	}
	value, fault := spec.Parse(f.Value)
	switch {
	case fault != nil:
		fault.Field = "value"
		return nil, wrong(*fault)
	case (value == nil) != (engine.Op(f.Op) == engine.Missing):
		return nil, wrong(node.FieldError{Field: "value", Message: node.Text{
			VI: "cần một giá trị, trừ khi lọc “để trống”", EN: "a value is wanted, unless the filter is for empty",
		}})
	}
	return value, nil
}

// wrong is the error of a request whose fields need mending.
func wrong(fields ...node.FieldError) error {
	return &node.Error{Code: node.Invalid, Fields: fields, Message: node.Text{
		VI: "Có chỗ cần sửa rồi gửi lại.", EN: "Something needs mending before it is sent again.",
	}}
}

// parseValues reads the values of a save, and names all that are wrong at once.
func parseValues(c *schema.Collection, given map[string]any) (map[string]any, error) {
	values := make(map[string]any, len(given))
	var faults []node.FieldError
	for name, v := range given {
		f, ok := c.Field(name)
		if !ok {
			faults = append(faults, node.FieldError{Field: name, Message: node.Text{VI: "mẫu không có trường này", EN: "the pack has no such field"}})
			continue
		}
		value, fault := f.Parse(v)
		if fault != nil {
			faults = append(faults, *fault)
			continue
		}
		values[name] = value
	}
	if len(faults) > 0 {
		return nil, wrong(faults...)
	}
	return values, nil
}

func (s *server) create(ctx context.Context, in *createInput) (*recordOutput, error) {
	return s.save(ctx, in.C, engine.Change{}, in.Body.Values)
}

func (s *server) change(ctx context.Context, in *changeInput) (*recordOutput, error) {
	id, err := recordID(in.ID)
	if err != nil {
		return nil, err
	}
	return s.save(ctx, in.C, engine.Change{Record: &id, Seen: in.Body.Version, Anew: in.Body.Again}, in.Body.Values)
}

func (s *server) save(ctx context.Context, collection string, change engine.Change, given map[string]any) (*recordOutput, error) {
	c, err := s.collection(collection)
	if err != nil {
		return nil, err
	}
	if change.Values, err = parseValues(c, given); err != nil {
		return nil, at("values.", err)
	}
	change.Collection = c.ID
	ids, err := s.Engine.Save(ctx, engine.Save{
		Officer: sessionOf(ctx).Officer.Name, Class: crdt.ClassRecords, Changes: []engine.Change{change},
	})
	if err != nil {
		return nil, at("values.", err)
	}
	return s.read(ctx, c, ids[0])
}

func (s *server) record(ctx context.Context, in *recordInput) (*recordOutput, error) {
	c, err := s.collection(in.C)
	if err != nil {
		return nil, err
	}
	id, err := recordID(in.ID)
	if err != nil {
		return nil, err
	}
	return s.read(ctx, c, id)
}

func recordID(s string) (crdt.RecordID, error) {
	id, err := crdt.ParseRecordID(s)
	if err != nil {
		return id, node.Errorf(node.NotFound, "Không có hồ sơ này trên máy này.", "there is no such record on this device")
	}
	return id, nil
}

func (s *server) read(ctx context.Context, c *schema.Collection, id crdt.RecordID) (*recordOutput, error) {
	v, err := s.Engine.Get(ctx, c.ID, id)
	if node.CodeOf(err) == node.NotFound {
		return s.readDeleted(ctx, c, id)
	}
	if err != nil {
		return nil, err
	}
	out := &recordOutput{s.recordOf(c, v)}
	if v.Edited {
		d, err := s.Engine.DeletedRecord(ctx, c.ID, id)
		if err != nil {
			return nil, err
		}
		out.Body.Deleted = s.deletionOf(d.Deletion)
	}
	out.Body.Cells = map[string]cell{}
	for name, view := range v.Cells {
		if f, ok := c.Field(name); ok {
			out.Body.Cells[name] = s.cellOf(f, view)
		}
	}
	return out, nil
}

func (s *server) recordOf(c *schema.Collection, v *engine.View) recordAnswer {
	r := recordAnswer{
		ID: v.ID.String(), Collection: v.Collection, Version: v.Version, Title: titleOf(c, v.Values), Values: map[string]any{},
		Conflicts: v.Conflicts, Damaged: v.Damaged, Edited: v.Edited, Tick: v.Tick.String(), Carried: s.loadsOf(v.Carried), CreatedMS: v.CreatedMS, UpdatedMS: v.UpdatedMS, UpdatedBy: v.UpdatedBy,
	}
	for _, f := range c.Fields {
		r.Values[f.Name] = f.Present(v.Values[f.Name])
	}
	for _, f := range v.Flags {
		r.Flags = append(r.Flags, flag{f.Check, labelOf(f.Message), f.Fields})
	}
	return r
}

// titleOf is what a record is called: its title, or its code where it has none.
func titleOf(c *schema.Collection, values map[string]any) string {
	if s, _ := values[c.TitleField].(string); s != "" {
		return s
	}
	s, _ := values[c.CodeField].(string)
	return s
}

func (s *server) cellOf(f *schema.Field, v engine.CellView) cell {
	out := cell{Conflict: v.Conflict, Review: v.Review}
	for _, w := range v.Siblings {
		out.Siblings = append(out.Siblings, s.siblingOf(f, w))
	}
	for _, w := range v.Hidden {
		out.Hidden = append(out.Hidden, s.siblingOf(f, w))
	}
	return out
}

func (s *server) siblingOf(f *schema.Field, w engine.Sibling) sibling {
	out := sibling{
		Value: f.Present(w.Value), Officer: w.Officer, Device: w.Device.String(), DeviceName: s.Node.DeviceName(w.Device),
		AtMS: w.AtMS, Shown: w.Shown, Tick: w.Tick.String(),
		EffectiveMS: w.EffectiveMS, Suspect: w.Suspect, Erased: w.Erased,
	}
	for _, r := range w.Replaced {
		out.Replaced = append(out.Replaced, replaced{
			Value: f.Present(r.Value), Officer: r.Officer, DeviceName: s.Node.DeviceName(r.Device), AtMS: r.AtMS,
		})
	}
	return out
}
