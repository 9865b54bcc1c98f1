package tidy

import (
	"go/ast"
	"slices"
	"strconv"
)

// Clock finds time.Now, time.Since and time.Until outside programs and the
// listed edges. What decides anything is told the time, so that a test can set
// it and a replay can repeat it. Tests are exempt, and so are the deadlines of
// sockets, which the operating system measures by its own clock.
func Clock(edges Excuses) func(*Tree) []Finding {
	return func(t *Tree) []Finding {
		var found []Finding
		for f := range t.Source {
			if f.Main() {
				continue
			}
			ast.Inspect(f.Go, func(n ast.Node) bool {
				if setsDeadline(n) {
					return false
				}
				if name, ok := f.selects(n, "time"); ok && slices.Contains([]string{"Now", "Since", "Until"}, name) {
					found = append(found, f.at(n, "time."+name+" away from the edge", "take a `now func() time.Time` from whoever constructs this"))
				}
				return true
			})
		}
		return edges.apply(found)
	}
}

// setsDeadline recognises conn.SetReadDeadline(...) and its kin.
func setsDeadline(n ast.Node) bool {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	return ok && slices.Contains([]string{"SetDeadline", "SetReadDeadline", "SetWriteDeadline"}, sel.Sel.Name)
}

// Chance finds global randomness where it decides something: math/rand's
// package-level functions, outside tests, programs and the listed edges.
// A seeded *rand.Rand and an injected io.Reader are fine.
func Chance(edges Excuses) func(*Tree) []Finding {
	constructors := []string{"New", "NewSource", "NewPCG", "NewChaCha8", "NewZipf", "Rand", "Source", "PCG", "ChaCha8", "Zipf"}
	return func(t *Tree) []Finding {
		var found []Finding
		for f := range t.Source {
			if f.Main() {
				continue
			}
			ast.Inspect(f.Go, func(n ast.Node) bool {
				for _, p := range []string{"math/rand", "math/rand/v2"} {
					if name, ok := f.selects(n, p); ok && !slices.Contains(constructors, name) {
						found = append(found, f.at(n, "the global generator "+p+"."+name, "take an io.Reader or a seeded *rand.Rand from whoever constructs this"))
					}
				}
				return true
			})
		}
		return edges.apply(found)
	}
}

// Skips finds tests that skip without a word: the reason is what `make test`
// prints at its end, so that nobody mistakes a skipped check for a passed one.
func Skips(t *Tree) []Finding {
	var found []Finding
	for f := range t.Tests {
		ast.Inspect(f.Go, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok && silent(sel.Sel.Name, call.Args) {
				found = append(found, f.at(call, "a skip without a reason", `write t.Skip("what is missing, and how to get it")`))
			}
			return true
		})
	}
	return found
}

func silent(method string, args []ast.Expr) bool {
	switch method {
	case "SkipNow":
		return true
	case "Skip", "Skipf":
		if len(args) == 0 {
			return true
		}
		text, ok := args[0].(*ast.BasicLit)
		if !ok {
			return false
		}
		reason, err := strconv.Unquote(text.Value)
		return err == nil && len(reason) < 8
	}
	return false
}
