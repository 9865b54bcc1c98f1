package tidy

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
)

// Limits of the house. They are where good design lands, not targets: cutting
// a function in two to please them makes it worse.
const (
	functionLines = 70
	functionShare = 0.03 // of the functions may be longer
	fileLines     = 500
	fileShare     = 0.08 // of the files may be longer
)

// A size is the length of something and where it is.
type size struct {
	path  string
	line  int
	name  string
	lines int
}

// Functions finds the longest functions, once more than their share is long.
// Tests are not counted: a table of cases may be as long as it likes.
func Functions(t *Tree) []Finding {
	return tooMany(functionSizes(t), functionLines, functionShare, "a function of", "find the second thing it does and give that its own name")
}

// Lengths finds the longest source files, Go and TypeScript, once more than
// their share is long. Tests and generated files are not counted.
func Lengths(t *Tree) []Finding {
	return tooMany(fileSizes(t), fileLines, fileShare, "a file of", "find the second subject in it and give that its own file")
}

// Summary tells the figures in one line, for the log.
func Summary(t *Tree) string {
	fns, files := functionSizes(t), fileSizes(t)
	return fmt.Sprintf("%d functions: median %d lines, 90th percentile %d, %d over %d; %d files, %d over %d",
		len(fns), quantile(fns, 0.5), quantile(fns, 0.9), over(fns, functionLines), functionLines,
		len(files), over(files, fileLines), fileLines)
}

func functionSizes(t *Tree) []size {
	var sizes []size
	for f := range t.Source {
		for _, d := range f.Go.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && !generated(f) {
				sizes = append(sizes, size{f.Path, f.Line(fn.Pos()), fn.Name.Name, f.Line(fn.End()) - f.Line(fn.Pos()) + 1})
			}
		}
	}
	return sizes
}

func fileSizes(t *Tree) []size {
	var sizes []size
	for _, f := range t.Files {
		if isSource(f.Path) && !generated(f) {
			sizes = append(sizes, size{f.Path, 0, path.Base(f.Path), bytes.Count(f.Data, []byte("\n"))})
		}
	}
	return sizes
}

func isSource(p string) bool {
	base := path.Base(p)
	script := slices.Contains([]string{".ts", ".tsx", ".mjs"}, path.Ext(base)) && !strings.Contains(base, ".test.") && !strings.Contains(p, "/e2e/")
	return script || isGoSource(p) && !strings.HasSuffix(base, "_test.go")
}

// generated knows the marks that generators leave in their first lines.
func generated(f *File) bool {
	head := bytes.ToLower(f.Data[:min(len(f.Data), 300)])
	return bytes.Contains(head, []byte("do not edit")) || bytes.Contains(head, []byte("do not make direct changes"))
}

func over(sizes []size, limit int) int {
	n := 0
	for _, s := range sizes {
		if s.lines > limit {
			n++
		}
	}
	return n
}

func quantile(sizes []size, q float64) int {
	if len(sizes) == 0 {
		return 0
	}
	lines := make([]int, len(sizes))
	for i, s := range sizes {
		lines[i] = s.lines
	}
	slices.Sort(lines)
	return lines[int(q*float64(len(lines)-1))]
}

// tooMany reports all that are over the limit when there are more of them than
// the share allows, longest first.
func tooMany(sizes []size, limit int, share float64, what, do string) []Finding {
	if float64(over(sizes, limit)) <= share*float64(len(sizes)) {
		return nil
	}
	slices.SortStableFunc(sizes, func(a, b size) int { return cmp.Compare(b.lines, a.lines) })
	var found []Finding
	for _, s := range sizes[:over(sizes, limit)] {
		found = append(found, Finding{s.path, s.line, fmt.Sprintf("%s: %s %d lines, and more than %.0f %% are over %d", s.name, what, s.lines, share*100, limit), do})
	}
	return found
}
