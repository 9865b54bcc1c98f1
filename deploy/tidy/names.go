package tidy

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
)

// PackageComments finds packages without a comment, library packages whose
// comment is a single line, and comments that don't begin as godoc expects.
func PackageComments(t *Tree) []Finding {
	var found []Finding
	for _, files := range t.packages() {
		found = append(found, commented(files)...)
	}
	return found
}

// commented judges one folder. A folder of tests alone explains itself in a
// test file; elsewhere a test file's comment is not seen by godoc.
func commented(files []*File) []Finding {
	candidates := slices.DeleteFunc(slices.Clone(files), (*File).Test)
	if len(candidates) == 0 {
		candidates = files
	}
	first := candidates[0]
	begin := slices.IndexFunc(candidates, func(f *File) bool { return f.Go.Doc.Text() != "" })
	if begin < 0 {
		return []Finding{first.at(first.Go.Name, "package "+first.Go.Name.Name+" has no comment",
			"say above the package clause what it is for, what must stay true in it, and where to start reading")}
	}
	f := candidates[begin]
	text := strings.TrimSpace(f.Go.Doc.Text())
	switch {
	case f.Main():
		return nil
	case !strings.Contains(text, "\n"):
		return []Finding{f.at(f.Go.Name, "the comment of package "+f.Go.Name.Name+" is one line", "teach: the parts, their rules, an example, the source")}
	case !strings.HasPrefix(text, "Package "+strings.TrimSuffix(f.Go.Name.Name, "_test")):
		return []Finding{f.at(f.Go.Name, "the package comment begins otherwise", `begin it with "Package `+f.Go.Name.Name+`"`)}
	}
	return nil
}

// StandardNames finds packages and folders of Go code that are named like a
// package of the standard library, whose import paths are given.
func StandardNames(std []string) func(*Tree) []Finding {
	taken := map[string]string{}
	for _, p := range std {
		if !strings.Contains(p, "internal") && !strings.HasPrefix(p, "vendor/") {
			taken[lastElement(p)] = p
		}
	}
	return func(t *Tree) []Finding {
		var found []Finding
		for dir, files := range t.packages() {
			names := []string{path.Base(dir), strings.TrimSuffix(files[0].Go.Name.Name, "_test")}
			for _, name := range slices.Compact(names) {
				if p, ok := taken[name]; ok && !(dir == "sync") {
					found = append(found, files[0].at(files[0].Go.Name, fmt.Sprintf("%s is named like the standard library's %s", dir, p),
						"rename it: a reader of `"+name+".` must not have to look up which is meant"))
				}
			}
		}
		return found
	}
}

// banned names say nothing about what is inside.
var banned = []string{"util", "utils", "common", "misc", "helper", "helpers"}

// EmptyNames finds folders, files and packages whose name says nothing.
func EmptyNames(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Files {
		for part := range strings.SplitSeq(f.Path, "/") {
			stem, _, _ := strings.Cut(part, ".")
			stem = strings.TrimSuffix(stem, "_test")
			if slices.Contains(banned, strings.ToLower(stem)) {
				found = append(found, Finding{f.Path, 0, fmt.Sprintf("the name %q says nothing", part), "name it after the thing it holds"})
			}
		}
		if f.Go != nil && slices.Contains(banned, f.Go.Name.Name) && path.Base(f.Dir()) != f.Go.Name.Name {
			found = append(found, f.at(f.Go.Name, "the package name "+f.Go.Name.Name+" says nothing", "name it after the thing it holds"))
		}
	}
	return found
}

// Inits finds init functions outside the allowed files: work at start-up that
// nobody called for has no error path and no order that a reader can see.
func Inits(allowed Excuses) func(*Tree) []Finding {
	return func(t *Tree) []Finding {
		var found []Finding
		for f := range t.Source {
			for _, d := range f.Go.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					found = append(found, f.at(fn, "an init function", "call it from main, or compute the value in a variable's declaration"))
				}
			}
		}
		return allowed.apply(found)
	}
}

// Excuses are files that a rule lets through, each with the reason.
type Excuses map[string]string

// apply removes what is excused, and reports excuses that excused nothing.
func (e Excuses) apply(found []Finding) []Finding {
	used := map[string]bool{}
	left := slices.DeleteFunc(found, func(f Finding) bool {
		_, ok := e[f.Path]
		used[f.Path] = used[f.Path] || ok
		return ok
	})
	for p, why := range e {
		if !used[p] {
			left = append(left, Finding{p, 0, "this exception excuses nothing any more (" + why + ")", "remove it from deploy/tidy/house.go"})
		}
	}
	return left
}
