package schema

import (
	"fmt"
	"slices"
)

var (
	allTypes     = []Type{Text, Multiline, Code, Date, Datetime, Bool, Integer, List}
	textTypes    = []Type{Text, Multiline, Code, List}
	orderedTypes = []Type{Text, Code, Date, Datetime, Bool, Integer}
)

// fields verifies each field and gives them by name.
func (v *verifier) fields(key string, c *Collection) map[string]*Field {
	byName, byID := map[string]*Field{}, map[uint32]*Field{}
	for i, f := range c.Fields {
		at := fmt.Sprintf("%s.fields[%d]", key, i)
		if f == nil {
			v.want(false, at, "the field is empty; describe it or delete the line")
			continue
		}
		v.want(byName[f.Name] == nil, at+".name", "two fields are called %q; rename the new one", f.Name)
		other := byID[f.ID]
		v.want(other == nil, at+".id", "the number %d is taken by another field; numbers are fixed for ever: take a new one", f.ID)
		byName[f.Name], byID[f.ID] = f, f
		v.field(at, f)
	}
	return byName
}

func (v *verifier) field(key string, f *Field) {
	v.want(f.ID >= 1, key+".id", "want a number from 1; 0 is the record itself")
	v.want(nameForm.MatchString(f.Name), key+".name", "want 1 to 48 letters and digits, beginning with a letter, not %q", f.Name)
	v.label(f.Label, key+".label")
	if f.Hint.VI != "" || f.Hint.EN != "" {
		v.label(f.Hint, key+".hint")
	}
	v.want(slices.Contains(allTypes, f.Type), key+".type", "want one of %v, not %q", allTypes, f.Type)
	v.fieldMerge(key, f)
	v.founded(f.Source, f.Confidence, key)
	v.fieldList(key, f)
	v.fieldUse(key, f)
}

// policyTypes is which types a policy can read; nil: all.
var policyTypes = map[string][]Type{
	"": nil, PolicyLWW: nil, PolicyReview: nil,
	PolicyMax: {Date, Datetime, Bool, Integer}, PolicyMin: {Date, Datetime, Bool, Integer},
	PolicySerial: {Text}, PolicyState: {Code},
}

// fieldMerge holds kind and policy to each other and to the type.
func (v *verifier) fieldMerge(key string, f *Field) {
	v.want(f.Kind == "" || f.Kind == KindAssign || f.Kind == KindSet, key+".kind", "want %s or %s, not %q", KindAssign, KindSet, f.Kind)
	if f.Kind == KindSet {
		v.want(f.Type == List, key+".kind", "only a list is a set, not a %s; make the type list, or the kind assign", f.Type)
		v.want(f.Policy == "", key+".policy", "a set has no policy: what one adds and another removes stays; delete this key")
		return
	}
	types, known := policyTypes[f.Policy]
	v.want(known, key+".policy", "want one of lww, review, max, min, serial and state, not %q", f.Policy)
	v.want(types == nil || slices.Contains(types, f.Type), key+".policy", "%s is for %v, not for a %s", f.Policy, types, f.Type)
}

func (v *verifier) fieldList(key string, f *Field) {
	switch {
	case f.List != "":
		v.want(f.Type == Code || f.Type == List, key+".list", "a %s has no code list; make the type code or list, or delete this key", f.Type)
		v.want(v.pack.CodeLists[f.List] != nil, key+".list", "no code list is called %q; add it under code_lists, open: true if no official text is known", f.List)
	case f.Type == Code:
		v.want(false, key+".list", "a code needs a code list; name one, or make the type text")
	}
}

// fieldUse holds what the field is used for to what its type can do.
func (v *verifier) fieldUse(key string, f *Field) {
	is := func(types ...Type) bool { return slices.Contains(types, f.Type) }
	v.want(f.Max == 0 || is(textTypes...), key+".max", "a %s has no length; delete this key", f.Type)
	v.want(f.Max >= 0 && f.Max <= MaxText, key+".max", "want 1 to %d characters, not %d", MaxText, f.Max)
	v.want(!f.Sortable || is(orderedTypes...), key+".sortable", "a %s has no order; delete this key", f.Type)
	v.want(!f.Filter || is(orderedTypes...), key+".filter", "a %s can't be filtered; use search", f.Type)
	v.want(!f.Search || is(textTypes...), key+".search", "a %s has no words; use filter", f.Type)
	v.want(!f.Person || is(Text), key+".person", "only a text holds a person's name")
	v.want(f.Generated == "" || (f.Generated == GeneratedTemporary && is(Text)), key+".generated", "want %s, at a text, or nothing, not %q", GeneratedTemporary, f.Generated)
}

func (v *verifier) checks(key string, c *Collection, fields map[string]*Field) {
	seen := map[string]bool{}
	for i := range c.Checks {
		k, at := &c.Checks[i], fmt.Sprintf("%s.checks[%d]", key, i)
		v.want(checkForm.MatchString(k.ID), at+".id", "want 1 to 48 of a-z, 0-9 and -, beginning with a letter, not %q", k.ID)
		v.want(!seen[k.ID], at+".id", "two checks are called %q; rename one", k.ID)
		seen[k.ID] = true
		v.label(k.Message, at+".message")
		v.want(k.Severity == SeverityFlag || k.Severity == SeverityRefuse, at+".severity", "want %s or %s, not %q", SeverityFlag, SeverityRefuse, k.Severity)
		v.checkForm(at, k, fields)
	}
}

func (v *verifier) checkForm(key string, k *Check, fields map[string]*Field) {
	switch {
	case len(k.Order) == 2 && k.When == nil && k.Then == nil:
		v.named(fields, k.Order[0], key+".order[0]", Date, Datetime)
		v.named(fields, k.Order[1], key+".order[1]", Date, Datetime)
	case len(k.Order) == 0 && k.When != nil && k.Then != nil:
		v.condition(key+".when", k.When, fields)
		v.condition(key+".then", k.Then, fields)
	default:
		v.want(false, key, "want either order: [A, B] with two date fields, or when and then")
	}
}

func (v *verifier) condition(key string, q *Condition, fields map[string]*Field) {
	v.named(fields, q.Field, key+".field")
	forms := 0
	for _, given := range []bool{q.Set != nil, len(q.In) > 0, len(q.NotIn) > 0} {
		if given {
			forms++
		}
	}
	v.want(forms == 1, key, "want just one of set, in and not_in")
	f := fields[q.Field]
	if f == nil || forms != 1 || q.Set != nil {
		return
	}
	v.want(f.List != "", key, "%s has no code list; in and not_in ask for codes", f.Name)
	list := v.pack.CodeLists[f.List]
	for _, code := range append(slices.Clone(q.In), q.NotIn...) {
		v.want(list == nil || list.Has(code), key, "the list %s has no code %q", f.List, code)
	}
}
