package schema

import (
	"slices"

	"github.com/vungxa/vungxa/node"
)

// Severities of a check.
const (
	SeverityFlag   = "flag"   // marks the record and lets it in
	SeverityRefuse = "refuse" // refuses the save
)

// Check is a declared rule about one record. It has one of two forms:
//
//	order: [A, B]     the date A is not after the date B, where both are there
//	when: …, then: …  where the first condition holds, the second does too
type Check struct {
	ID       string     `yaml:"id"`
	Order    []string   `yaml:"order"`
	When     *Condition `yaml:"when"`
	Then     *Condition `yaml:"then"`
	Severity string     `yaml:"severity"`
	Message  node.Text  `yaml:"message"` // what is odd and what to look at; never a value
}

// Condition asks one thing of one field: that it has a value or has none (Set),
// or that its value is one of some codes (In) or is there and is none of them
// (NotIn).
type Condition struct {
	Field string   `yaml:"field"`
	Set   *bool    `yaml:"set"`
	In    []string `yaml:"in"`
	NotIn []string `yaml:"not_in"`
}

// Flag says which check a record fails, in which fields.
type Flag struct {
	Check   string
	Message node.Text
	Fields  []string
}

// Flags are the checks of severity flag that the record fails. values is the
// whole record as it is shown.
func (c *Collection) Flags(values map[string]any) []Flag {
	return c.failing(SeverityFlag, values)
}

// Validate names what refuses a save. When creating, values is the whole record
// and a required field must be there, unless the program generates it; when
// changing, a key that is absent stands for a field that stays as it is, so pass
// the merged values if checks of severity refuse are to see the whole record.
func (c *Collection) Validate(values map[string]any, creating bool) []node.FieldError {
	var out []node.FieldError
	for _, f := range c.Fields {
		v, given := values[f.Name]
		if f.Required && v == nil && (given || creating) && f.Generated == "" {
			out = append(out, *f.fault("bắt buộc; hãy điền vào", "required; fill it in"))
		}
	}
	for _, flag := range c.failing(SeverityRefuse, values) {
		for _, name := range flag.Fields {
			out = append(out, node.FieldError{Field: name, Message: flag.Message})
		}
	}
	return out
}

func (c *Collection) failing(severity string, values map[string]any) []Flag {
	var out []Flag
	for i := range c.Checks {
		k := &c.Checks[i]
		if k.Severity == severity && !c.holds(k, values) {
			out = append(out, Flag{Check: k.ID, Message: k.Message, Fields: k.Fields()})
		}
	}
	return out
}

// Fields are the fields that the check looks at.
func (k *Check) Fields() []string {
	if len(k.Order) > 0 {
		return slices.Clone(k.Order)
	}
	return slices.Compact([]string{k.When.Field, k.Then.Field})
}

func (c *Collection) holds(k *Check, values map[string]any) bool {
	if len(k.Order) > 0 {
		return c.inOrder(k.Order[0], k.Order[1], values)
	}
	return !k.When.met(values) || k.Then.met(values)
}

// inOrder compares by the office's days: a date without an hour is after a
// moment only if all of its day is.
func (c *Collection) inOrder(a, b string, values map[string]any) bool {
	first, _ := c.span(a, values)
	_, last := c.span(b, values)
	return first == nil || last == nil || *first <= *last
}

func (q *Condition) met(values map[string]any) bool {
	v := values[q.Field]
	switch {
	case q.Set != nil:
		return (v != nil) == *q.Set
	case len(q.In) > 0:
		return v != nil && q.names(q.In, v)
	}
	return v != nil && !q.names(q.NotIn, v)
}

// names says whether the value, or an item of a list, is one of the codes.
func (q *Condition) names(codes []string, v any) bool {
	switch v := v.(type) {
	case string:
		return slices.Contains(codes, v)
	case []string:
		return slices.ContainsFunc(v, func(s string) bool { return slices.Contains(codes, s) })
	}
	return false
}
