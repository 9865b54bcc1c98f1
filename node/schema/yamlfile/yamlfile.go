// Package yamlfile reads YAML written by people, strictly, and tells them of
// every mistake by file, line and key.
//
// Strict means: UTF-8, one document, no unknown or repeated key; no anchors or
// aliases, so that a file can't unfold into more than it shows; and no number
// but a plain whole one, so that a code such as 1.10 or 010, written without
// quotes, can't lose a digit. A file is at most MaxBytes long.
package yamlfile

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// MaxBytes is the longest file that is read.
const MaxBytes = 1 << 20

// Problem is one mistake in a file. What says what is wrong and what to do.
type Problem struct {
	File string
	Line int    // from 1; 0 when it concerns the whole file
	Key  string // as collections[0].fields[3].list; empty for the whole file
	What string
}

func (p *Problem) Error() string {
	var at strings.Builder
	at.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&at, ":%d", p.Line)
	}
	if p.Key != "" {
		at.WriteString(": " + p.Key)
	}
	return at.String() + ": " + p.What
}

// File is a file that was read, for telling where a key of it stands.
type File struct {
	Name string
	root *ast.File
}

// Read decodes the file into v, a pointer to a struct with yaml tags. Every
// error is a *Problem.
func Read(name string, b []byte, v any) (*File, error) {
	switch {
	case len(b) > MaxBytes:
		return nil, &Problem{File: name, What: fmt.Sprintf("%d bytes, at most %d; split the file", len(b), MaxBytes)}
	case !utf8.Valid(b):
		return nil, &Problem{File: name, What: "not UTF-8; save it as UTF-8"}
	}
	root, err := parser.ParseBytes(b, 0)
	if err != nil {
		return nil, problem(name, err)
	}
	f := &File{Name: name, root: root}
	if err := f.plain(); err != nil {
		return nil, err
	}
	if err := yaml.NewDecoder(bytes.NewReader(b), yaml.Strict()).Decode(v); err != nil {
		return nil, problem(name, err)
	}
	return f, nil
}

// plain refuses what Strict doesn't: nothing at all, several documents, anchors.
func (f *File) plain() error {
	switch {
	case len(f.root.Docs) == 0 || f.root.Docs[0].Body == nil:
		return &Problem{File: f.Name, What: "the file is empty; write its keys or delete it"}
	case len(f.root.Docs) > 1:
		return &Problem{File: f.Name, What: "more than one document (---); keep one to a file"}
	}
	r := refuser{file: f.Name}
	ast.Walk(&r, f.root.Docs[0].Body)
	if r.found != nil {
		return r.found
	}
	return nil
}

// refuser finds the first node of a kind that isn't read.
type refuser struct {
	file  string
	found *Problem
}

func (r *refuser) Visit(n ast.Node) ast.Visitor {
	if what := refused(n); what != "" && r.found == nil {
		r.found = &Problem{File: r.file, Line: n.GetToken().Position.Line, What: what}
	}
	return r
}

func refused(n ast.Node) string {
	switch n.Type() {
	case ast.AnchorType, ast.AliasType, ast.MergeKeyType:
		return "anchors and aliases (& and *) are not read; write the value out, or quote it"
	case ast.FloatType, ast.InfinityType, ast.NanType:
		return "write " + n.GetToken().Value + " in quotes, or its zeros are lost"
	case ast.IntegerType:
		if s := n.GetToken().Value; s != n.String() || !plainInteger(s) {
			return "write " + s + " in quotes, or it is read as another number"
		}
	}
	return ""
}

// plainInteger says whether a whole number is written in the only way that
// reads and writes as the same text.
func plainInteger(s string) bool {
	i, err := strconv.ParseInt(s, 10, 64)
	return err == nil && strconv.FormatInt(i, 10) == s
}

// problem takes line and sentence out of the decoder's error.
func problem(name string, err error) error {
	p := &Problem{File: name, What: err.Error()}
	var yerr yaml.Error
	if !errors.As(err, &yerr) {
		return p
	}
	p.What = yerr.GetMessage()
	if t := yerr.GetToken(); t != nil && t.Position != nil {
		p.Line = t.Position.Line
	}
	return p
}

// Problem is a mistake at key, written as collections[0].fields[3].list. Its
// line is that of the key, or of the nearest thing around it that is there.
func (f *File) Problem(key, format string, args ...any) *Problem {
	return &Problem{File: f.Name, Line: f.line(key), Key: key, What: fmt.Sprintf(format, args...)}
}

func (f *File) line(key string) int {
	for ; key != ""; key = key[:max(strings.LastIndexAny(key, ".["), 0)] {
		path, err := yaml.PathString("$." + key)
		if err != nil {
			continue
		}
		if n, err := path.FilterFile(f.root); err == nil && n != nil {
			return n.GetToken().Position.Line
		}
	}
	return 1
}
