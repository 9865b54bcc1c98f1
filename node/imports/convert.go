package imports

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/schema"
)

// converter makes rows of records: a mapping that was found to fit a collection.
type converter struct {
	m          *Mapping
	collection *schema.Collection
	key        *schema.Field
	cells      []cell
	constants  map[string]any
	missing    map[string]bool
}

// cell makes one field's value.
type cell struct {
	field  *schema.Field
	spec   *Column
	layout string
	zoned  bool              // the format has the offset in it
	codes  map[string]string // source code, in the form of clean: ours
}

// bind holds the mapping to the collection. Every mistake is of the mapping, and
// the error names its line.
func (m *Mapping) bind(c *schema.Collection) (*converter, error) {
	fault := func(key, format string, args ...any) error {
		return unusable(m.file.Problem(key, format, args...))
	}
	if c.ID != m.Collection {
		return nil, fault("collection", "the mapping is for %q, not for %q; choose the mapping or the collection that fits", m.Collection, c.ID)
	}
	key, ok := c.Field(c.KeyField)
	if !ok {
		return nil, fault("collection", "%s has no natural key, so a second import would double every row; give the collection a key in its pack", c.ID)
	}
	v := &converter{m: m, collection: c, key: key, constants: map[string]any{}, missing: map[string]bool{"": true}}
	for _, s := range m.Missing {
		v.missing[strings.TrimSpace(s)] = true
	}
	for _, name := range sortedKeys(m.Columns) {
		field, what := v.target(name)
		if what == "" {
			what = v.addCell(field, m.Columns[name])
		}
		if what != "" {
			return nil, fault("columns."+name, "%s", what)
		}
	}
	for _, name := range sortedKeys(m.Constants) {
		if what := v.addConstant(name, m.Constants[name]); what != "" {
			return nil, fault("constants."+name, "%s", what)
		}
	}
	return v, nil
}

// target finds the field that a name of the mapping means, or says why not.
func (v *converter) target(name string) (*schema.Field, string) {
	f, ok := v.collection.Field(name)
	if !ok {
		return nil, fmt.Sprintf("%s has no field called %q; its fields are %s", v.collection.ID, name, fieldNames(v.collection))
	}
	if f == v.key {
		return nil, "the field holds the natural key; say how it is made under key"
	}
	return f, ""
}

func fieldNames(c *schema.Collection) string {
	var names []string
	for _, f := range c.Fields {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}

func (v *converter) addCell(f *schema.Field, spec *Column) string {
	dated := f.Type == schema.Date || f.Type == schema.Datetime
	c := cell{field: f, spec: spec, codes: map[string]string{}}
	switch {
	case dated != (spec.Format != ""):
		return fmt.Sprintf("the field is a %s; a date or datetime needs a format, as dd/MM/yyyy, and nothing else has one", f.Type)
	case spec.Split != "" && f.Type != schema.List:
		return fmt.Sprintf("the field is a %s; only a list is split", f.Type)
	case spec.Join != "" && len(spec.From) < 2:
		return "join stands between the texts of several columns; name more than one under from"
	}
	if dated {
		var err error
		if c.layout, err = layout(spec.Format); err != nil {
			return "format: " + err.Error()
		}
		c.zoned = strings.Contains(spec.Format, "XXX")
	}
	for from, to := range spec.Codes {
		if _, ferr := v.parse(&c, to); ferr != nil && to != "" {
			return fmt.Sprintf("codes: %q: %s", to, ferr.Message.EN)
		}
		c.codes[clean(from)] = to
	}
	v.cells = append(v.cells, c)
	return ""
}

func (v *converter) addConstant(name string, raw any) string {
	f, what := v.target(name)
	if what != "" {
		return what
	}
	if v.m.Columns[name] != nil {
		return "the field has a column already; delete one of the two"
	}
	if n, ok := raw.(uint64); ok {
		raw = int64(n)
	}
	value, ferr := f.Parse(raw)
	if ferr != nil {
		return ferr.Message.EN
	}
	v.constants[name] = value
	return ""
}

// fault is a value that can't be read, or is odd.
type fault struct {
	column string
	value  string
	reason node.Text
}

// row makes a record of the file's row. faults say why it can't; remarks are
// about values that were taken though something is odd about them.
func (v *converter) row(record []string, column map[string]int) (r Row, faults, remarks []fault) {
	r.Values = make(map[string]any, len(v.cells)+len(v.constants)+1)
	for name, value := range v.constants {
		r.Values[name] = value
	}
	r.Key, faults = v.naturalKey(record, column)
	r.Values[v.key.Name] = r.Key
	for i := range v.cells {
		c := &v.cells[i]
		value, bad, odd := v.cell(c, record, column)
		r.Values[c.field.Name] = value
		if bad != nil {
			faults = append(faults, *bad)
		}
		if odd != nil {
			remarks = append(remarks, *odd)
		}
	}
	if len(faults) == 0 {
		faults = v.refused(r.Values)
	}
	return r, faults, remarks
}

// naturalKey joins the key's columns. All must have a text: half a key would
// make two records one.
func (v *converter) naturalKey(record []string, column map[string]int) (string, []fault) {
	parts := v.texts(v.m.Key.From, record, column)
	name := strings.Join(v.m.Key.From, "+")
	if len(parts) < len(v.m.Key.From) {
		return "", []fault{{column: name, reason: node.Text{VI: "thiếu mã của nguồn, nên không nhận ra được dòng này lần sau", EN: "the source's number is missing, so the row could not be recognised again"}}}
	}
	key, ferr := v.key.Parse(v.m.Key.Prefix + strings.Join(parts, "/"))
	if ferr != nil {
		return "", []fault{{column: name, value: strings.Join(parts, "/"), reason: ferr.Message}}
	}
	return key.(string), nil
}

// texts are the trimmed texts of the columns, without the missing ones.
func (v *converter) texts(names Names, record []string, column map[string]int) []string {
	var out []string
	for _, name := range names {
		if s := strings.TrimSpace(record[column[name]]); !v.missing[s] {
			out = append(out, s)
		}
	}
	return out
}

func (v *converter) cell(c *cell, record []string, column map[string]int) (value any, bad, odd *fault) {
	parts := v.texts(c.spec.From, record, column)
	if len(parts) == 0 {
		return nil, nil, nil
	}
	join := c.spec.Join
	if join == "" {
		join = " "
	}
	text := strings.Join(parts, join)
	at := func(reason node.Text) *fault {
		return &fault{column: strings.Join(c.spec.From, "+"), value: text, reason: reason}
	}
	if c.layout != "" {
		return v.dated(c, text, at)
	}
	ours, ok := c.code(text)
	if !ok {
		return nil, at(node.Text{VI: "mã này không có trong phần codes của tệp ánh xạ; hãy thêm vào", EN: "the mapping's codes don't have this one; add it"}), nil
	}
	value, ferr := v.parse(c, ours)
	if ferr != nil {
		return nil, at(ferr.Message), nil
	}
	return value, nil, nil
}

// code translates a source's code, where the mapping has codes.
func (c *cell) code(text string) (string, bool) {
	if len(c.codes) == 0 || c.field.Type == schema.List {
		return text, true
	}
	ours, ok := c.codes[clean(text)]
	return ours, ok
}

// parse reads a text as the field's type.
func (v *converter) parse(c *cell, text string) (any, *node.FieldError) {
	switch c.field.Type {
	case schema.Bool:
		if text == "true" || text == "false" {
			return text == "true", nil
		}
	case schema.Integer:
		if n, ok := wholeNumber(text); ok {
			return c.field.Parse(n)
		}
	case schema.List:
		return c.field.Parse(c.items(text))
	}
	if text == "" {
		return nil, nil
	}
	return c.field.Parse(text)
}

// items splits a list and translates its codes; one that has no translation
// stays as it is, for the field to judge.
func (c *cell) items(text string) []string {
	items := []string{text}
	if c.spec.Split != "" {
		items = strings.Split(text, c.spec.Split)
	}
	for i, item := range items {
		if ours, ok := c.codes[clean(item)]; ok {
			items[i] = ours
		}
	}
	return items
}

func wholeNumber(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && strconv.FormatInt(n, 10) == s
}

// dated reads a date or a moment. A local time that a change of the clocks makes
// doubtful is taken, and remarked on.
func (v *converter) dated(c *cell, text string, at func(node.Text) *fault) (value any, bad, odd *fault) {
	wall, err := time.Parse(c.layout, text)
	if err != nil {
		return nil, at(node.Text{
			VI: "không phải ngày giờ viết theo dạng " + c.spec.Format,
			EN: "not a date written as " + c.spec.Format,
		}), nil
	}
	if c.field.Type == schema.Date {
		return wall.Format(time.DateOnly), nil, nil
	}
	t, doubt := wall, clockPlain
	if !c.zoned {
		t, doubt = moment(wall, v.m.zone)
	}
	value, ferr := c.field.Parse(t.UnixMilli())
	if ferr != nil {
		return nil, at(ferr.Message), nil
	}
	switch doubt {
	case clockTwice:
		odd = at(node.Text{VI: "giờ này có hai lần vì đồng hồ lùi lại; đã lấy lần đầu", EN: "the clocks went back and this time occurred twice; the first was taken"})
	case clockSkipped:
		odd = at(node.Text{VI: "giờ này không có vì đồng hồ vặn tới; đã lấy theo giờ trước khi vặn", EN: "the clocks went forward and this time never was; the hour before the change was taken"})
	}
	return value, nil, odd
}

// refused are the rules of the collection that no save may break. The values are
// of several columns, so none is shown.
func (v *converter) refused(values map[string]any) []fault {
	var out []fault
	for _, f := range v.collection.Validate(values, true) {
		out = append(out, fault{column: f.Field, reason: f.Message})
	}
	return out
}

// size is about how many bytes the row takes in an entry.
func (v *converter) size(r Row) int {
	const structure = 48 // of an operation: collection, record, field, what it supersedes
	n := 2*structure + len(r.Key)
	for name, value := range r.Values {
		if f, ok := v.collection.Field(name); ok {
			n += structure + len(f.Encode(value))
		}
	}
	return n
}
