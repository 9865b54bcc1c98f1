package tidy

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strconv"
	"strings"
)

// pure tells whether a folder promises to compute and nothing else: the same
// bytes in give the same bytes out, on any machine, at any time.
func pure(dir string) bool {
	return slices.Contains([]string{"crdt", "kpi"}, top(dir)) ||
		dir == "sync/reconcile" || strings.HasPrefix(dir, "sync/reconcile/")
}

// outside are the standard-library packages (with all below them) that reach
// outside the computation.
var outside = []string{
	"crypto/rand", "io/fs", "io/ioutil", "log", "math/rand", "net", "os", "path/filepath", "plugin",
	"syscall", "testing", "database/sql", "embed", "golang.org/x/sys",
}

// beside are those that only concurrent code needs.
var beside = []string{"sync", "golang.org/x/sync"}

// Purity finds, in the pure packages, imports that reach outside, calls that
// read or wait for the clock, printing, goroutines and locks. What a pure
// package imports of ours must be as pure, except that it may guard its state
// with a lock. Tests are exempt.
func Purity(t *Tree) []Finding {
	var found []Finding
	rests := restsOn(t)
	for f := range t.Source {
		switch {
		case pure(f.Dir()):
			found = append(found, impureImports(f, slices.Concat(outside, beside))...)
			found = append(found, impureCode(f)...)
		case rests[f.Dir()]:
			found = append(found, impureImports(f, outside)...)
			found = append(found, impureCode(f)...)
		}
	}
	return found
}

// restsOn are the folders of ours that pure packages import, directly or not.
// Imports against the layers are left to that rule.
func restsOn(t *Tree) map[string]bool {
	packages := t.packages()
	seen := map[string]bool{}
	var visit func(dir string)
	visit = func(dir string) {
		if seen[dir] {
			return
		}
		seen[dir] = true
		for _, f := range packages[dir] {
			for _, p := range f.imports {
				ours, ok := strings.CutPrefix(p, Module+"/")
				if ok && !f.Test() && mayImport(top(dir), top(ours)) {
					visit(ours)
				}
			}
		}
	}
	for dir := range packages {
		if pure(dir) {
			visit(dir)
		}
	}
	return seen
}

func impureImports(f *File, impure []string) []Finding {
	var found []Finding
	for spec, p := range f.imports {
		for _, bad := range impure {
			if p == bad || strings.HasPrefix(p, bad+"/") {
				found = append(found, f.at(spec, fmt.Sprintf("%s imports %s, but %s", f.Dir(), p, promise(f)),
					"take what it gives (bytes, a time, an io.Reader) as an argument"))
			}
		}
	}
	return found
}

// promise says why a file has to be pure.
func promise(f *File) string {
	if pure(f.Dir()) {
		return "it is pure"
	}
	return "pure packages rest on it"
}

// waiting are the functions of package time that read the clock or wait for it.
var waiting = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

func impureCode(f *File) []Finding {
	var found []Finding
	ast.Inspect(f.Go, func(n ast.Node) bool {
		if g, ok := n.(*ast.GoStmt); ok {
			found = append(found, f.at(g, "a goroutine, but "+promise(f), "let the caller decide what runs beside what"))
		}
		if name, ok := f.selects(n, "time"); ok && slices.Contains(waiting, name) {
			found = append(found, f.at(n, "time."+name+", but "+promise(f), "take the time as an argument"))
		}
		if name, ok := f.selects(n, "fmt"); ok && strings.HasPrefix(name, "Print") {
			found = append(found, f.at(n, "fmt."+name+", but "+promise(f), "return what is to be said"))
		}
		return true
	})
	return found
}

// selects tells which name of an imported package a node uses, whatever the
// file calls that package, and whether it is called or passed on.
func (f *File) selects(n ast.Node, importPath string) (name string, ok bool) {
	sel, ok := n.(*ast.SelectorExpr)
	if !ok {
		return "", false
	}
	x, ok := sel.X.(*ast.Ident)
	return sel.Sel.Name, ok && x.Name == f.localName(importPath)
}

// localName is what the file calls an imported package, "" when it doesn't
// import it. An import into the file's own scope (a dot) is staticcheck's to
// refuse.
func (f *File) localName(importPath string) string {
	for spec, p := range f.imports {
		if p != importPath {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return lastElement(p)
	}
	return ""
}

// lastElement is the default package name of an import path: its last element
// that is not a major version.
func lastElement(p string) string {
	base := path.Base(p)
	if _, err := strconv.Atoi(strings.TrimPrefix(base, "v")); err == nil && strings.HasPrefix(base, "v") && strings.Contains(p, "/") {
		return path.Base(path.Dir(p))
	}
	return base
}
