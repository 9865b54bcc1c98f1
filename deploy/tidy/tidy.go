// Package tidy holds the rules of this house as functions over its source.
//
// A Tree is what git knows of the project (tracked files, and new ones that
// are not ignored), with every Go file parsed once. A Rule looks at a Tree and
// returns findings; a finding names a file and a line, says what is wrong there
// and what to do about it. Rules read text and syntax, never types: they see
// files of every operating system and build tag alike, and take a second.
//
// TestHouse runs every rule on the project itself. Beside each rule stands a
// test that plants a violation in a small tree and sees it caught, because a
// rule that cannot fail proves nothing. Exceptions are listed in house.go, each
// with its reason, and an exception that no longer excuses anything is itself a
// finding.
package tidy

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Module is the import path of the project, and with a slash the prefix of
// every import path in it.
const Module = "github.com/vungxa/vungxa"

// A Finding is one violation: where it is, what it is, and the way out.
type Finding struct {
	Path string
	Line int // 1-based; 0 when the finding is about the file as a whole
	What string
	Do   string
}

func (f Finding) String() string {
	where := f.Path
	if f.Line > 0 {
		where += ":" + strconv.Itoa(f.Line)
	}
	return fmt.Sprintf("%s: %s; %s", where, f.What, f.Do)
}

// A Rule is one convention and the function that finds what breaks it.
type Rule struct {
	Name string
	Find func(*Tree) []Finding
}

// A File is one file of the project, with its syntax if it is Go.
type File struct {
	Path    string // slash-separated, relative to the root
	Tracked bool   // known to git, not merely present
	Data    []byte
	Go      *ast.File // nil unless it is a Go file that the go tool would look at
	fset    *token.FileSet
}

// Line is the 1-based line of a position in a Go file.
func (f *File) Line(p token.Pos) int { return f.fset.Position(p).Line }

// Dir is the file's folder, "." at the root.
func (f *File) Dir() string { return path.Dir(f.Path) }

// Test tells whether the go tool compiles the file for tests only.
func (f *File) Test() bool { return strings.HasSuffix(f.Path, "_test.go") }

// Main tells whether the file belongs to a program.
func (f *File) Main() bool { return f.Go != nil && f.Go.Name.Name == "main" }

// imports yields the import specs with their paths unquoted.
func (f *File) imports(yield func(*ast.ImportSpec, string) bool) {
	if f.Go == nil {
		return
	}
	for _, spec := range f.Go.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err == nil && !yield(spec, p) {
			return
		}
	}
}

// at is a finding on the line of a node.
func (f *File) at(n ast.Node, what, do string) Finding {
	return Finding{f.Path, f.Line(n.Pos()), what, do}
}

// A Tree is the project as the rules see it, sorted by path.
type Tree struct{ Files []*File }

// Source yields the Go files that are not tests.
func (t *Tree) Source(yield func(*File) bool) {
	for _, f := range t.Files {
		if f.Go != nil && !f.Test() && !yield(f) {
			return
		}
	}
}

// Go yields all Go files, tests included.
func (t *Tree) Go(yield func(*File) bool) {
	for _, f := range t.Files {
		if f.Go != nil && !yield(f) {
			return
		}
	}
}

// Tests yields the Go files that only tests see.
func (t *Tree) Tests(yield func(*File) bool) {
	for _, f := range t.Files {
		if f.Go != nil && f.Test() && !yield(f) {
			return
		}
	}
}

// packages groups the Go files by folder.
func (t *Tree) packages() map[string][]*File {
	dirs := map[string][]*File{}
	for f := range t.Go {
		dirs[f.Dir()] = append(dirs[f.Dir()], f)
	}
	return dirs
}

// Parse builds a Tree from file contents. A Go file that does not parse is an
// error, which names the line.
func Parse(files []*File) (*Tree, error) {
	slices.SortFunc(files, func(a, b *File) int { return cmp.Compare(a.Path, b.Path) })
	for _, f := range files {
		if !isGoSource(f.Path) {
			continue
		}
		f.fset = token.NewFileSet()
		parsed, err := parser.ParseFile(f.fset, f.Path, f.Data, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("parse Go source: %w", err)
		}
		f.Go = parsed
	}
	return &Tree{files}, nil
}

// isGoSource follows the go tool: testdata and names that begin with a dot or
// an underscore are not looked at.
func isGoSource(p string) bool {
	if !strings.HasSuffix(p, ".go") {
		return false
	}
	for part := range strings.SplitSeq(p, "/") {
		if part == "testdata" || strings.HasPrefix(part, "_") || strings.HasPrefix(part, ".") {
			return false
		}
	}
	return true
}

// Load reads the checkout whose root is given.
func Load(root string) (*Tree, error) {
	tracked, err := gitFiles(root, "--cached")
	if err != nil {
		return nil, err
	}
	fresh, err := gitFiles(root, "--others", "--exclude-standard")
	if err != nil {
		return nil, err
	}
	files, err := readAll(root, tracked, true)
	if err != nil {
		return nil, err
	}
	more, err := readAll(root, fresh, false)
	if err != nil {
		return nil, err
	}
	return Parse(append(files, more...))
}

// gitFiles asks git for paths, which it separates by NUL.
func gitFiles(root string, args ...string) ([]string, error) {
	cmd := exec.Command("git", append([]string{"-C", root, "ls-files", "-z"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list files with git in %s (the rules need a git checkout): %w: %s", root, err, stderr.String())
	}
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == 0 }), nil
}

// readAll skips what git lists but is gone from the folder: a deletion that is
// not committed yet.
func readAll(root string, paths []string, tracked bool) ([]*File, error) {
	var files []*File
	for _, p := range paths {
		full := filepath.Join(root, filepath.FromSlash(p))
		if info, err := os.Lstat(full); err == nil && !info.Mode().IsRegular() {
			continue
		}
		data, err := os.ReadFile(full)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the tree: %w", err)
		}
		files = append(files, &File{Path: p, Tracked: tracked, Data: data})
	}
	return files, nil
}
