package tidy

import (
	"bytes"
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Wraps finds errors whose chain is cut: fmt.Errorf that is given an error but
// has no %w for it, and err.Error() made into a new error. Whoever asks with
// errors.Is further up would no longer find the cause.
func Wraps(t *Tree) []Finding {
	var found []Finding
	for f := range t.Source {
		ast.Inspect(f.Go, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			if name, ok := f.selects(call.Fun, "fmt"); ok && name == "Errorf" && cutsChain(call.Args) {
				found = append(found, f.at(call, "fmt.Errorf drops the error that it is given", "format it with %w"))
			}
			if name, ok := f.selects(call.Fun, "errors"); ok && name == "New" && isErrorText(call.Args[0]) {
				found = append(found, f.at(call, "a new error from another one's text", "wrap it with fmt.Errorf and %w"))
			}
			return true
		})
	}
	return found
}

func cutsChain(args []ast.Expr) bool {
	format, ok := args[0].(*ast.BasicLit)
	return ok && !strings.Contains(format.Value, "%w") &&
		slices.ContainsFunc(args[1:], func(x ast.Expr) bool { return isError(x) || isErrorText(x) })
}

// isError goes by the name, as syntax is all that is read here.
func isError(x ast.Expr) bool {
	id, ok := x.(*ast.Ident)
	return ok && (id.Name == "err" || strings.HasSuffix(id.Name, "Err"))
}

// isErrorText is err.Error().
func isErrorText(x ast.Expr) bool {
	call, ok := x.(*ast.CallExpr)
	if !ok {
		return false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	return ok && sel.Sel.Name == "Error" && isError(sel.X)
}

// Exits finds code, other than programs and tests, that ends the process: it
// skips every defer, and with them what closes the store.
func Exits(t *Tree) []Finding {
	var found []Finding
	for f := range t.Source {
		if f.Main() {
			continue
		}
		ast.Inspect(f.Go, func(n ast.Node) bool {
			name, isLog := f.selects(n, "log")
			exit, isOS := f.selects(n, "os")
			if isLog && strings.HasPrefix(name, "Fatal") || isOS && exit == "Exit" {
				found = append(found, f.at(n, "a library ends the process", "return the error; only a program may exit"))
			}
			return true
		})
	}
	return found
}

// unfinished are the marks that people leave where something is missing.
var unfinished = regexp.MustCompile(`\b(?:TO` + `DO|FIX` + `ME|HA` + `CK)\b`)

// Unfinished finds marks of work left undone in source files.
func Unfinished(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Files {
		if !slices.Contains([]string{".go", ".ts", ".tsx", ".mjs", ".css", ".sh", ".yaml"}, path.Ext(f.Path)) {
			continue
		}
		for i, line := range bytes.Split(f.Data, []byte("\n")) {
			if mark := unfinished.Find(line); mark != nil {
				found = append(found, Finding{f.Path, i + 1, "unfinished: " + string(mark), "finish it, or say in the folder's DESIGN.md what is not there and why"})
			}
		}
	}
	return found
}
