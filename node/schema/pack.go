package schema

import (
	"bytes"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
)

// Pack is a set of collections and code lists, loaded and found sound. It is
// never changed after Load: readers need no lock.
type Pack struct {
	ID      string
	Version uint32 // goes up with every change; entries name it
	Label   node.Text
	// OffsetMinutes is the office's time zone, east of UTC, without summer time.
	// It says where a day begins for a date that has no hour.
	OffsetMinutes int
	Collections   []*Collection
	CodeLists     map[string]*CodeList
}

// Collection finds a collection by its id.
func (p *Pack) Collection(id string) (*Collection, bool) {
	for _, c := range p.Collections {
		if c.ID == id {
			return c, true
		}
	}
	return nil, false
}

// Zone is the office's time zone.
func (p *Pack) Zone() *time.Location { return zone(p.OffsetMinutes) }

func zone(offsetMinutes int) *time.Location {
	return time.FixedZone("", offsetMinutes*60)
}

// Collection describes one kind of record.
type Collection struct {
	ID    string    `yaml:"id"`
	Label node.Text `yaml:"label"`

	// Names of fields with a part to play. CodeField, StatusField and KeyField
	// may be empty. KeyField holds the natural key: the number that the record
	// has at its source, by which an import recognises it; never a personal
	// identifier.
	TitleField  string `yaml:"title"`
	CodeField   string `yaml:"code"`
	StatusField string `yaml:"status"`
	KeyField    string `yaml:"key"`

	Columns  []string   `yaml:"columns"` // of a list on screen
	Sort     Sort       `yaml:"sort"`    // a list's first order
	Fields   []*Field   `yaml:"fields"`
	Sections []Section  `yaml:"sections"` // of the form
	Checks   []Check    `yaml:"checks"`
	KPI      *KPIFields `yaml:"kpi"` // nil: the collection has no figures

	// Next lists the statuses that may follow each status; nil when no source
	// for such a table is known, and then any status may follow any.
	Next map[string][]string `yaml:"next"`

	Source     string     `yaml:"source"`
	Confidence Confidence `yaml:"confidence"`

	byName map[string]*Field
	byID   map[uint32]*Field
	office *time.Location
}

// Sort orders a list by one field.
type Sort struct {
	Field string `yaml:"field"`
	Desc  bool   `yaml:"desc"`
}

// Section is a part of a form.
type Section struct {
	Label  node.Text `yaml:"label"`
	Fields []string  `yaml:"fields"`
}

// KPIFields names the date or datetime fields that the figures are made of. A
// date means its whole day in office time: Due its last millisecond, the others
// their first. Any may be empty.
type KPIFields struct {
	Received string `yaml:"received"`
	Resolved string `yaml:"resolved"`
	Due      string `yaml:"due"`
}

// Field finds a field by its name.
func (c *Collection) Field(name string) (*Field, bool) {
	f, ok := c.byName[name]
	return f, ok
}

// FieldByID finds a field by the number under which logs and stores know it.
func (c *Collection) FieldByID(id uint32) (*Field, bool) {
	f, ok := c.byID[id]
	return f, ok
}

// Type is what may stand in a field.
type Type string

// The types; the comment gives the Go form of a value that is not missing.
const (
	Text      Type = "text"      // string, one line
	Multiline Type = "multiline" // string
	Code      Type = "code"      // string: a code of Field.List
	Date      Type = "date"      // string "2006-01-02"
	Datetime  Type = "datetime"  // int64: ms since the Unix epoch
	Bool      Type = "bool"      // bool
	Integer   Type = "integer"   // int64, exact in JSON: at most 2^53-1 either way
	List      Type = "list"      // []string: texts, or codes of Field.List
)

// Confidence is how well a statement is founded: V read in a primary text,
// S from a secondary source, ? looked for and not found. Empty: our own.
type Confidence string

// Merge kinds, fixed for ever per field.
const (
	KindAssign = "assign" // one value; writes that don't know each other stand side by side
	KindSet    = "set"    // a list whose items are added and removed one by one; adding wins
)

// Policies are ways of reading the writes that stand in a field of kind assign. A
// pack may change them.
const (
	PolicyLWW    = "lww"    // the newest by its effective time is shown
	PolicyReview = "review" // so it is, and writes that differ wait for a person
	PolicyMax    = "max"    // the largest is shown
	PolicyMin    = "min"    // the smallest is shown
	PolicySerial = "serial" // the earliest stands: what was printed never changes; more is a conflict
	PolicyState  = "state"  // a step of a workflow: confirmed before provisional
)

// GeneratedTemporary marks a code that the program fills with a temporary one
// until numbers are leased.
const GeneratedTemporary = "temporary"

// Field describes one field of a collection.
type Field struct {
	ID    uint32    `yaml:"id"` // fixed for ever, at least 1
	Name  string    `yaml:"name"`
	Label node.Text `yaml:"label"`
	Hint  node.Text `yaml:"hint"`
	Type  Type      `yaml:"type"`
	List  string    `yaml:"list"` // code list of a code or list field
	// Max is the longest text, in characters; of a list, of each item. 0 in the
	// file becomes the type's default, so that a loaded text has always a limit.
	Max int `yaml:"max"`

	Required bool `yaml:"required"`
	Filter   bool `yaml:"filter"`
	Sortable bool `yaml:"sortable"`
	Search   bool `yaml:"search"`
	// Person says that the text is a person's name: it is sorted by its last
	// word, then the middle ones, then the first, as Vietnamese lists are.
	Person bool `yaml:"person"`

	Generated string `yaml:"generated"` // "" or GeneratedTemporary
	Kind      string `yaml:"kind"`      // KindAssign or KindSet
	Policy    string `yaml:"policy"`    // one of the policies; of a set, none

	Source     string     `yaml:"source"`
	Confidence Confidence `yaml:"confidence"`

	codes *CodeList // of List; nil without one
}

// Reading is how the writes that stand in the field are read.
func (f *Field) Reading() crdt.Policy {
	switch f.Policy {
	case PolicyReview:
		return crdt.Review
	case PolicyMax:
		return crdt.Max
	case PolicyMin:
		return crdt.Min
	case PolicySerial:
		return crdt.Serial
	case PolicyState:
		return crdt.State
	}
	return crdt.LWW
}

// Compare orders two encoded values for the policies max and min: by the field's
// order, and a missing value, or one of another form, is never the one that is
// shown while there is another.
func (f *Field) Compare(a, b []byte) int {
	va, errA := f.Decode(a)
	vb, errB := f.Decode(b)
	noneA, noneB := errA != nil || va == nil, errB != nil || vb == nil
	if noneA || noneB {
		none := 1 // past all others, for min
		if f.Policy == PolicyMax {
			none = -1
		}
		switch {
		case noneA && noneB:
			return 0
		case noneA:
			return none
		}
		return -none
	}
	return bytes.Compare(f.SortKey(va), f.SortKey(vb))
}

// Review says whether differing writes of the field wait for a person.
func (f *Field) Review() bool { return f.Policy == PolicyReview || f.Policy == PolicySerial }

// IsSet says whether the field's items are added and removed one by one.
func (f *Field) IsSet() bool { return f.Kind == KindSet }

// CodeList is a list of codes and what they mean.
type CodeList struct {
	ID         string     `yaml:"-"`
	Label      node.Text  `yaml:"label"`
	Source     string     `yaml:"source"` // empty: no official text is known
	Confidence Confidence `yaml:"confidence"`
	Open       bool       `yaml:"open"` // takes any code; Items are suggestions
	Items      []Item     `yaml:"items"`
	// Fill names a list that the program makes: FillOpenLists, or nothing.
	Fill string `yaml:"fill"`
}

// FillOpenLists fills a code list with the ids and labels of all open lists.
const FillOpenLists = "open_lists"

// Item is one code. From and To are the first and last day of its use
// ("2006-01-02"), empty where unknown: they inform, since an old record keeps
// the code that it was given.
type Item struct {
	Code       string     `yaml:"code"`
	Label      node.Text  `yaml:"label"`
	From       string     `yaml:"from"`
	To         string     `yaml:"to"`
	Source     string     `yaml:"source"`
	Confidence Confidence `yaml:"confidence"`
}

// Has says whether the list has an item with that code.
func (l *CodeList) Has(code string) bool {
	_, ok := l.Item(code)
	return ok
}

// Item finds an item by its code.
func (l *CodeList) Item(code string) (Item, bool) {
	for _, item := range l.Items {
		if item.Code == code {
			return item, true
		}
	}
	return Item{}, false
}
