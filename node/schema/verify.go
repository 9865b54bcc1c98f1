package schema

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/schema/yamlfile"
)

var (
	idForm    = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,47}$`)
	nameForm  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,47}$`)
	checkForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,47}$`)
)

// verifier collects the mistakes of one file.
type verifier struct {
	pack     *Pack
	src      *source
	problems []*yamlfile.Problem
}

// verify holds the joined pack to every rule of FORMAT.md.
func verify(p *Pack, files []*source) []*yamlfile.Problem {
	var problems []*yamlfile.Problem
	seen := map[string]bool{}
	if p.ID == "" {
		problems = append(problems, &yamlfile.Problem{File: "pack", What: "no file has the key pack; the base pack needs one, with id, version, label and utc_offset"})
	}
	for _, s := range files {
		v := &verifier{pack: p, src: s}
		v.head()
		for id, l := range s.CodeLists {
			v.codeList("code_lists."+id, id, l)
		}
		for i, c := range s.Collections {
			v.collection(fmt.Sprintf("collections[%d]", i), c, seen)
		}
		slices.SortFunc(v.problems, func(a, b *yamlfile.Problem) int {
			return cmp.Or(cmp.Compare(a.Line, b.Line), strings.Compare(a.Key, b.Key))
		})
		problems = append(problems, v.problems...)
	}
	return problems
}

// want notes a problem at key unless ok.
func (v *verifier) want(ok bool, key, format string, args ...any) {
	if !ok {
		v.problems = append(v.problems, v.src.file.Problem(key, format, args...))
	}
}

func (v *verifier) label(t node.Text, key string) {
	v.want(t.VI != "" && t.EN != "", key, "want a text in both languages, {vi: …, en: …}")
}

func (v *verifier) founded(source string, c Confidence, key string) {
	v.want(slices.Contains([]Confidence{"", "V", "S", "?"}, c), key+".confidence", "want V (read in a primary text), S (secondary source) or \"?\" (looked for and not found), not %q", c)
	v.want(source != "" || (c != "V" && c != "S"), key+".source", "confidence %s needs a source: name the text", c)
}

func (v *verifier) head() {
	h := v.src.Pack
	if h == nil {
		return
	}
	v.want(idForm.MatchString(h.ID), "pack.id", "want 1 to 48 of a-z, 0-9, - and _, beginning with a letter, not %q", h.ID)
	v.want(h.Version > 0, "pack.version", "want a number from 1 that goes up with every change")
	v.label(h.Label, "pack.label")
}

func (v *verifier) codeList(key, id string, l *CodeList) {
	if l == nil {
		v.want(false, key, "the list is empty; give it a label, and items or open: true")
		return
	}
	v.want(nameForm.MatchString(id), key, "want letters and digits as a list's id, beginning with a letter, not %q", id)
	v.label(l.Label, key+".label")
	v.founded(l.Source, l.Confidence, key)
	v.want(l.Fill == "" || l.Fill == FillOpenLists, key+".fill", "want %s or nothing, not %q", FillOpenLists, l.Fill)
	v.want(l.Fill == "" || (!l.Open && len(l.Items) == 0), key+".fill", "a list that the program fills is closed and has no items of its own; delete open and items")
	v.want(l.Open || l.Fill != "" || len(l.Items) > 0, key, "a closed list without items takes nothing; add items, or say open: true")
	seen := map[string]bool{}
	for i, item := range l.Items {
		v.item(fmt.Sprintf("%s.items[%d]", key, i), item)
		v.want(!seen[item.Code], fmt.Sprintf("%s.items[%d].code", key, i), "the code %q stands twice in the list; delete one", item.Code)
		seen[item.Code] = true
	}
}

func (v *verifier) item(key string, item Item) {
	v.want(cleanCode(item.Code), key+".code", "want 1 to 64 characters of clean text in quotes, not %q", item.Code)
	v.label(item.Label, key+".label")
	v.founded(item.Source, item.Confidence, key)
	for _, d := range []struct{ name, day string }{{"from", item.From}, {"to", item.To}} {
		_, ok := day(d.day)
		v.want(ok || d.day == "", key+"."+d.name, "want a day that exists as \"2026-11-23\", or nothing")
	}
	v.want(item.From == "" || item.To == "" || item.From <= item.To, key+".to", "lies before from; exchange them")
}

// cleanCode says whether Parse would take the code as it stands.
func cleanCode(s string) bool {
	f := &Field{Type: Code, Max: 64}
	t, ferr := f.parseText(s)
	return ferr == nil && t == s && s != ""
}

func (v *verifier) collection(key string, c *Collection, seen map[string]bool) {
	if c == nil {
		v.want(false, key, "the collection is empty; describe it or delete the line")
		return
	}
	v.want(idForm.MatchString(c.ID), key+".id", "want 1 to 48 of a-z, 0-9, - and _, beginning with a letter, not %q", c.ID)
	v.want(!seen[c.ID], key+".id", "the collection %q exists already; an overlay adds collections and changes none: choose another id", c.ID)
	seen[c.ID] = true
	v.label(c.Label, key+".label")
	v.founded(c.Source, c.Confidence, key)
	v.want(len(c.Fields) > 0, key+".fields", "a collection has at least one field")
	fields := v.fields(key, c)
	v.roles(key, c, fields)
	v.sections(key, c, fields)
	v.next(key, c, fields)
	v.checks(key, c, fields)
}

// named notes a problem unless name is a field of one of the types; none given
// means any type.
func (v *verifier) named(fields map[string]*Field, name, key string, types ...Type) {
	f := fields[name]
	if f == nil {
		v.want(false, key, "no field is called %q; the fields are listed under fields", name)
		return
	}
	v.want(len(types) == 0 || slices.Contains(types, f.Type), key, "the field %s is a %s; want one of %v", name, f.Type, types)
}

// roles are the fields with a part to play.
func (v *verifier) roles(key string, c *Collection, fields map[string]*Field) {
	v.named(fields, c.TitleField, key+".title", Text, Multiline, Code)
	optional := func(name, part string, types ...Type) {
		if name != "" {
			v.named(fields, name, key+"."+part, types...)
		}
	}
	optional(c.CodeField, "code", Text, Code)
	optional(c.StatusField, "status", Code)
	optional(c.KeyField, "key", Text)
	if c.KPI != nil {
		optional(c.KPI.Received, "kpi.received", Date, Datetime)
		optional(c.KPI.Resolved, "kpi.resolved", Date, Datetime)
		optional(c.KPI.Due, "kpi.due", Date, Datetime)
	}
	v.want(len(c.Columns) > 0, key+".columns", "a list shows at least one column")
	for i, name := range c.Columns {
		v.named(fields, name, fmt.Sprintf("%s.columns[%d]", key, i))
		v.want(slices.Index(c.Columns, name) == i, fmt.Sprintf("%s.columns[%d]", key, i), "%s stands twice; delete one", name)
	}
	v.named(fields, c.Sort.Field, key+".sort.field")
	if f := fields[c.Sort.Field]; f != nil {
		v.want(f.Sortable, key+".sort.field", "%s is not sortable; say sortable: true at the field", f.Name)
	}
}

// sections hold each field once: a field in none can't be reached on the form.
func (v *verifier) sections(key string, c *Collection, fields map[string]*Field) {
	v.want(len(c.Sections) > 0, key+".sections", "a form has at least one section")
	placed := map[string]bool{}
	for i, s := range c.Sections {
		at := fmt.Sprintf("%s.sections[%d]", key, i)
		v.label(s.Label, at+".label")
		for j, name := range s.Fields {
			at := fmt.Sprintf("%s.fields[%d]", at, j)
			v.named(fields, name, at)
			v.want(!placed[name], at, "%s stands in the form already; delete one", name)
			placed[name] = true
		}
	}
	for i, f := range c.Fields {
		v.want(f == nil || placed[f.Name], fmt.Sprintf("%s.fields[%d]", key, i), "the field stands in no section; add it to one, or nobody can fill it")
	}
}

func (v *verifier) next(key string, c *Collection, fields map[string]*Field) {
	if c.Next == nil {
		return
	}
	f := fields[c.StatusField]
	if f == nil || v.pack.CodeLists[f.List] == nil {
		v.want(false, key+".next", "moves between statuses need a status field with a code list")
		return
	}
	list := v.pack.CodeLists[f.List]
	for from, tos := range c.Next {
		for _, code := range append([]string{from}, tos...) {
			v.want(list.Has(code), key+".next", "the list %s has no code %q", f.List, code)
		}
	}
}
