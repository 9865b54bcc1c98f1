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

// impure are the standard-library packages (with all below them) that reach
// outside the computation, or make its order depend on the scheduler.
var impure = []string{
	"crypto/rand", "io/fs", "io/ioutil", "log", "math/rand", "net", "os", "path/filepath", "plugin",
	"sync", "syscall", "testing", "database/sql", "embed", "golang.org/x/sys", "golang.org/x/sync",
}

// Purity finds, in the pure packages, imports of impure ones, calls that read
// or wait for the clock, printing, and goroutines. Tests are exempt.
func Purity(t *Tree) []Finding {
	var found []Finding
	for f := range t.Source {
		if pure(f.Dir()) {
			found = append(found, impureImports(f)...)
			found = append(found, impureCode(f)...)
		}
	}
	return found
}

func impureImports(f *File) []Finding {
	var found []Finding
	for spec, p := range f.imports {
		for _, bad := range impure {
			if p == bad || strings.HasPrefix(p, bad+"/") {
				found = append(found, f.at(spec, fmt.Sprintf("pure package %s imports %s", f.Dir(), p),
					"take what it gives (bytes, a time, an io.Reader) as an argument"))
			}
		}
		if ours, ok := strings.CutPrefix(p, Module+"/"); ok && !pure(ours) && mayImport(top(f.Path), top(ours)) {
			found = append(found, f.at(spec, fmt.Sprintf("pure package %s imports %s, which is not pure", f.Dir(), ours),
				"declare a small interface here and let the caller pass it in"))
		}
	}
	return found
}

// waiting are the functions of package time that read the clock or wait for it.
var waiting = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

func impureCode(f *File) []Finding {
	var found []Finding
	ast.Inspect(f.Go, func(n ast.Node) bool {
		if g, ok := n.(*ast.GoStmt); ok {
			found = append(found, f.at(g, "a goroutine in pure package "+f.Dir(), "let the caller decide what runs beside what"))
		}
		if name, ok := f.selects(n, "time"); ok && slices.Contains(waiting, name) {
			found = append(found, f.at(n, "time."+name+" in pure package "+f.Dir(), "take the time as an argument"))
		}
		if name, ok := f.selects(n, "fmt"); ok && strings.HasPrefix(name, "Print") {
			found = append(found, f.at(n, "fmt."+name+" in pure package "+f.Dir(), "return what is to be said"))
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
