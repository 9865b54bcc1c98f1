package schema

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/schema/yamlfile"
)

// document is one file of a pack.
type document struct {
	Pack        *head                `yaml:"pack"`
	CodeLists   map[string]*CodeList `yaml:"code_lists"`
	Collections []*Collection        `yaml:"collections"`
}

type head struct {
	ID        string    `yaml:"id"`
	Version   uint32    `yaml:"version"`
	Label     node.Text `yaml:"label"`
	UTCOffset string    `yaml:"utc_offset"`
}

// source is a file read: its content and where to say that a mistake stands.
type source struct {
	document
	file    *yamlfile.File
	overlay bool
}

// maxProblems is how many mistakes one error tells of.
const maxProblems = 20

// Load reads the pack in base and adds the collections and code lists of the
// overlays. Files end in .yaml, may lie in folders, and are read in the order
// of their names. Just one, in base, has the key pack. The error names all
// mistakes, up to 20, each with file, line, key and what to do.
func Load(base fs.FS, overlays ...fs.FS) (*Pack, error) {
	files, err := readAll(base, false)
	if err != nil {
		return nil, err
	}
	for _, o := range overlays {
		more, err := readAll(o, true)
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	p, problems := join(files)
	if len(problems) == 0 {
		problems = verify(p, files)
	}
	if len(problems) > 0 {
		return nil, loadError(problems)
	}
	p.resolve()
	return p, nil
}

func loadError(problems []*yamlfile.Problem) error {
	var errs []error
	for _, p := range problems[:min(len(problems), maxProblems)] {
		errs = append(errs, p)
	}
	if n := len(problems) - maxProblems; n > 0 {
		errs = append(errs, fmt.Errorf("and %d more", n))
	}
	return fmt.Errorf("the pack can't be used:\n%w", errors.Join(errs...))
}

func readAll(fsys fs.FS, overlay bool) ([]*source, error) {
	var out []*source
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".yaml" {
			return err
		}
		s, err := readFile(fsys, name)
		if err != nil {
			return err
		}
		s.overlay = overlay
		out = append(out, s)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the pack: %w", err)
	}
	return out, nil
}

func readFile(fsys fs.FS, name string) (*source, error) {
	b, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, err
	}
	s := &source{}
	s.file, err = yamlfile.Read(name, b, &s.document)
	return s, err
}

// join puts the documents together; what stands twice is a problem.
func join(files []*source) (*Pack, []*yamlfile.Problem) {
	p := &Pack{CodeLists: map[string]*CodeList{}}
	var problems []*yamlfile.Problem
	for _, s := range files {
		if h := s.Pack; h != nil {
			if s.overlay || p.ID != "" {
				problems = append(problems, s.file.Problem("pack", "only the base pack has this key, once; delete it here"))
				continue
			}
			offset, ok := parseOffset(h.UTCOffset)
			if !ok {
				problems = append(problems, s.file.Problem("pack.utc_offset", "want the office's offset from UTC as \"+07:00\", in quotes"))
			}
			*p = Pack{ID: h.ID, Version: h.Version, Label: h.Label, OffsetMinutes: offset, Collections: p.Collections, CodeLists: p.CodeLists}
		}
		p.Collections = append(p.Collections, s.Collections...)
		for id, l := range s.CodeLists {
			if p.CodeLists[id] != nil {
				problems = append(problems, s.file.Problem("code_lists."+id, "the list exists already; an overlay adds lists and changes none: choose another id"))
			}
			p.CodeLists[id] = l
		}
	}
	return p, problems
}

// parseOffset reads +hh:mm or -hh:mm, at most 14 hours.
func parseOffset(s string) (minutes int, ok bool) {
	t, err := time.Parse("-07:00", s)
	if err != nil {
		return 0, false
	}
	_, seconds := t.Zone()
	return seconds / 60, seconds >= -14*3600 && seconds <= 14*3600
}

// resolve fills in what is derived: defaults, lookups, lists made by the program.
func (p *Pack) resolve() {
	for id, l := range p.CodeLists {
		l.ID = id
	}
	for _, l := range p.CodeLists {
		if l.Fill == FillOpenLists {
			l.Items = p.openLists()
		}
	}
	for _, c := range p.Collections {
		c.office = p.Zone()
		c.byName, c.byID = map[string]*Field{}, map[uint32]*Field{}
		for _, f := range c.Fields {
			f.codes = p.CodeLists[f.List]
			f.setDefaults()
			c.byName[f.Name], c.byID[f.ID] = f, f
		}
	}
}

func (p *Pack) openLists() []Item {
	var items []Item
	for id, l := range p.CodeLists {
		if l.Open {
			items = append(items, Item{Code: id, Label: l.Label})
		}
	}
	slices.SortFunc(items, func(a, b Item) int { return strings.Compare(a.Code, b.Code) })
	return items
}

func (f *Field) setDefaults() {
	if f.Max == 0 {
		f.Max = map[Type]int{Text: 200, Multiline: 4000, Code: 64, List: 200}[f.Type]
	}
	if f.Kind == "" {
		f.Kind = KindAssign
	}
	if f.Policy == "" && f.Kind == KindAssign {
		f.Policy = PolicyLWW
	}
}
