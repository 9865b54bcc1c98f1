package tidy

import (
	"go/ast"
	"regexp"
)

// Sleeps finds time.Sleep in tests. A test that waits for a length of time is
// slow when it is right and wrong when the machine is slow. Inside
// synctest.Test the time is virtual: there it is fine, and so it is in a
// function that no test reaches from outside such a bubble. Reaching goes by
// name, so it may see more ways than there are, never fewer by direct calls.
func Sleeps(allowed Excuses) func(*Tree) []Finding {
	return func(t *Tree) []Finding {
		var found []Finding
		for _, files := range t.packages() {
			found = append(found, realSleeps(files)...)
		}
		return allowed.apply(found)
	}
}

// realSleeps judges one package. One that knows no bubbles sleeps in real time
// whoever calls.
func realSleeps(files []*File) []Finding {
	var funcs []testFunc
	for _, f := range files {
		if f.Test() {
			funcs = append(funcs, readFuncs(f)...)
		}
	}
	awake, bubbles := reached(funcs), usesBubbles(files)
	var found []Finding
	for _, fn := range funcs {
		if bubbles && !awake[fn.name] {
			continue
		}
		for _, n := range fn.sleeps {
			found = append(found, fn.file.at(n, "a test sleeps", "wait for the event itself, or run the test under testing/synctest"))
		}
	}
	return found
}

// A testFunc is a function of a test file and what it does outside bubbles.
type testFunc struct {
	file   *File
	name   string
	names  []string // that it mentions
	sleeps []ast.Node
}

func readFuncs(f *File) []testFunc {
	var funcs []testFunc
	for _, d := range f.Go.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		found := testFunc{file: f, name: fn.Name.Name}
		ast.Inspect(fn, func(n ast.Node) bool {
			if f.bubble(n) {
				return false
			}
			if id, ok := n.(*ast.Ident); ok && id != fn.Name {
				found.names = append(found.names, id.Name)
			}
			if name, ok := f.selects(n, "time"); ok && name == "Sleep" {
				found.sleeps = append(found.sleeps, n)
			}
			return true
		})
		funcs = append(funcs, found)
	}
	return funcs
}

// bubble recognises a call of synctest.Test.
func (f *File) bubble(n ast.Node) bool {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return false
	}
	name, ok := f.selects(call.Fun, "testing/synctest")
	return ok && name == "Test"
}

// usesBubbles tells whether a package's tests know virtual time at all.
func usesBubbles(files []*File) bool {
	for _, f := range files {
		if f.Test() && f.localName("testing/synctest") != "" {
			return true
		}
	}
	return false
}

// runByGo are the functions that the go tool calls, in real time.
var runByGo = regexp.MustCompile(`^(?:Test|Benchmark|Fuzz|Example)`)

// reached are the names that tests mention outside bubbles, directly or through
// functions that they so mention.
func reached(funcs []testFunc) map[string]bool {
	awake := map[string]bool{}
	for _, fn := range funcs {
		if runByGo.MatchString(fn.name) {
			awake[fn.name] = true
		}
	}
	for grown := true; grown; {
		before := len(awake)
		for _, fn := range funcs {
			if awake[fn.name] {
				for _, name := range fn.names {
					awake[name] = true
				}
			}
		}
		grown = len(awake) > before
	}
	return awake
}
