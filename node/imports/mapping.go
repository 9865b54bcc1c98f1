package imports

import (
	"fmt"
	"maps"
	"slices"
	"time"
	_ "time/tzdata" // Windows and small Linux images have no time zone files

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/schema/yamlfile"
)

// Mapping says how the columns of a source become the fields of a collection.
// MAPPING.md describes the file.
type Mapping struct {
	Collection string             `yaml:"collection"`
	Delimiter  string             `yaml:"delimiter"` // "," when left out
	TimeZone   string             `yaml:"time_zone"` // IANA name, as Asia/Ho_Chi_Minh
	Key        Key                `yaml:"key"`
	Missing    []string           `yaml:"missing"` // texts that mean no value, besides the empty one
	Columns    map[string]*Column `yaml:"columns"` // by field name
	Constants  map[string]any     `yaml:"constants"`

	file  *yamlfile.File
	zone  *time.Location
	comma rune
}

// Key makes the natural key: the columns' texts, joined by "/", after a prefix
// that names the source, so that the numbers of two sources never meet.
type Key struct {
	From   Names  `yaml:"from"`
	Prefix string `yaml:"prefix"`
}

// Column says where a field's value comes from and how it is written there.
type Column struct {
	From   Names             `yaml:"from"`
	Join   string            `yaml:"join"`   // between the texts of several columns; " " when left out
	Format string            `yaml:"format"` // of a date or datetime
	Codes  map[string]string `yaml:"codes"`  // the source's codes: ours; "" for none
	Split  string            `yaml:"split"`  // between the items of a list
}

// Names is one column or a list of them.
type Names []string

// UnmarshalYAML reads either a text or a list of texts.
func (n *Names) UnmarshalYAML(decode func(any) error) error {
	var one string
	if err := decode(&one); err == nil {
		*n = Names{one}
		return nil
	}
	var many []string
	if err := decode(&many); err != nil {
		return fmt.Errorf("want a column's name or a list of them: %w", err)
	}
	*n = many
	return nil
}

// delimiters are those that a file may have, with their names for messages.
var delimiters = map[rune]string{',': `","`, ';': `";"`, '\t': `"\t"`, '|': `"|"`}

// ReadMapping reads a mapping file. name is for its errors, which name line and
// key and say what to do.
func ReadMapping(name string, b []byte) (*Mapping, error) {
	m := &Mapping{}
	var err error
	if m.file, err = yamlfile.Read(name, b, m); err != nil {
		return nil, unusable(err)
	}
	if p := m.verify(); p != nil {
		return nil, unusable(p)
	}
	return m, nil
}

// unusable is the error of a mapping that a person can mend.
func unusable(err error) error {
	return node.Errorf(node.Invalid, "không dùng được bảng ánh xạ: %[1]w. Đây phải là một tệp YAML, viết như node/imports/MAPPING.md chỉ; bảng mẫu ở deploy/examples",
		"the mapping can't be used: %[1]w; it is a YAML file as node/imports/MAPPING.md tells, with examples in deploy/examples", err)
}

// verify judges what needs no collection. It fills in zone and comma.
func (m *Mapping) verify() *yamlfile.Problem {
	var err error
	switch {
	case m.Collection == "":
		return m.file.Problem("collection", "name the collection that the rows go into")
	case m.TimeZone == "" || m.TimeZone == "Local":
		return m.file.Problem("time_zone", "name the time zone of the file's dates, as Asia/Ho_Chi_Minh")
	case len(m.Key.From) == 0:
		return m.file.Problem("key", "name the column that holds the source's own number: key: {from: …}; without it a second import would double every row")
	}
	if m.zone, err = time.LoadLocation(m.TimeZone); err != nil {
		return m.file.Problem("time_zone", "no time zone is called %q; use an IANA name, as Asia/Ho_Chi_Minh", m.TimeZone)
	}
	if m.Delimiter == "" {
		m.Delimiter = ","
	}
	m.comma = []rune(m.Delimiter)[0]
	if delimiters[m.comma] == "" || string(m.comma) != m.Delimiter {
		return m.file.Problem("delimiter", `want one of "," ";" "\t" "|", not %q`, m.Delimiter)
	}
	m.Key.From.clean()
	for _, name := range sortedKeys(m.Columns) {
		c := m.Columns[name]
		if c == nil || len(c.From) == 0 {
			return m.file.Problem("columns."+name, "say which column it is from: {from: …}")
		}
		c.From.clean()
	}
	return nil
}

func (n Names) clean() {
	for i := range n {
		n[i] = clean(n[i])
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// wanted are the columns that the mapping reads, each once.
func (m *Mapping) wanted() []string {
	names := slices.Clone(m.Key.From)
	for _, field := range sortedKeys(m.Columns) {
		names = append(names, m.Columns[field].From...)
	}
	var out []string
	for _, n := range names {
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}
