package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
)

// helpers are put beside the instrumented files: a fault is on if the environment
// names its number.
const helpers = `
import (
	"os"
	"strconv"
)

var plantedFault, _ = strconv.Atoi(os.Getenv("PLANTED_FAULT"))

func faultOn(n int) bool { return plantedFault == n }

func faultPick[T any](n int, right, wrong T) T {
	if plantedFault == n {
		return wrong
	}
	return right
}
`

// fault is one small change of the code.
type fault struct {
	number     int
	place      token.Position
	right, now string
}

func (f fault) String() string {
	return fmt.Sprintf("%4d %s:%d: %s -> %s", f.number, f.place.Filename, f.place.Line, f.right, f.now)
}

// instrumenter writes a file anew with faults in it.
type instrumenter struct {
	fset   *token.FileSet
	text   string
	faults []fault
}

// instrument gives a file with its faults in it, the package's name, and the list
// of faults, of which those of other files are already given.
func instrument(name string, text []byte, faults []fault) ([]byte, string, []fault, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, text, parser.SkipObjectResolution)
	if err != nil {
		return nil, "", nil, err
	}
	in := &instrumenter{fset: fset, text: string(text), faults: faults}
	var edits []edit
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
			edits = append(edits, edit{f.Body, in.node(f.Body)})
		}
	}
	return []byte(in.splice(0, len(text), edits)), file.Name.Name, in.faults, nil
}

// edit is a node and the text in its place.
type edit struct {
	node ast.Node
	text string
}

func (in *instrumenter) at(p token.Pos) int { return in.fset.Position(p).Offset }

func (in *instrumenter) source(n ast.Node) string { return in.text[in.at(n.Pos()):in.at(n.End())] }

// splice is the text from one offset to another, with edits made.
func (in *instrumenter) splice(from, to int, edits []edit) string {
	slices.SortFunc(edits, func(a, b edit) int { return int(a.node.Pos() - b.node.Pos()) })
	var b strings.Builder
	for _, e := range edits {
		b.WriteString(in.text[from:in.at(e.node.Pos())])
		b.WriteString(e.text)
		from = in.at(e.node.End())
	}
	b.WriteString(in.text[from:to])
	return b.String()
}

// inside is the text of a node whose children have faults in them.
func (in *instrumenter) inside(n ast.Node) string {
	var edits []edit
	ast.Inspect(n, func(child ast.Node) bool {
		if child == nil || child == n {
			return child == n
		}
		edits = append(edits, edit{child, in.node(child)})
		return false
	})
	return in.splice(in.at(n.Pos()), in.at(n.End()), edits)
}

func (in *instrumenter) add(n ast.Node, right, now string) int {
	f := fault{number: len(in.faults) + 1, place: in.fset.Position(n.Pos()), right: oneLine(right), now: oneLine(now)}
	in.faults = append(in.faults, f)
	return f.number
}

func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 90 {
		return string(r[:90]) + "..."
	}
	return s
}

// wrong are the operators that are put in the place of others.
var wrong = map[token.Token]string{
	token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">", token.EQL: "!=", token.NEQ: "==",
	token.ADD: "-", token.SUB: "+", token.LAND: "||", token.LOR: "&&",
}

// node is the text of a node with faults in it.
func (in *instrumenter) node(n ast.Node) string {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		return in.operator(n)
	case *ast.UnaryExpr:
		if n.Op == token.NOT {
			i := in.add(n, in.source(n), in.source(n.X))
			return fmt.Sprintf("faultPick(%d, %s, %s)", i, in.inside(n), in.source(n.X))
		}
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "min" || f.Name == "max") {
			other := map[string]string{"min": "max", "max": "min"}[f.Name] + in.source(n)[3:]
			i := in.add(n, in.source(n), other)
			return fmt.Sprintf("faultPick(%d, %s, %s)", i, in.inside(n), other)
		}
	case *ast.Ident:
		if other, ok := map[string]string{"true": "false", "false": "true"}[n.Name]; ok {
			return fmt.Sprintf("faultPick(%d, %s, %s)", in.add(n, n.Name, other), n.Name, other)
		}
	case *ast.IfStmt:
		return in.condition(n)
	case *ast.BlockStmt:
		return in.block(n, n.List)
	case *ast.CaseClause:
		return in.block(n, n.Body)
	}
	return in.inside(n)
}

func (in *instrumenter) operator(n *ast.BinaryExpr) string {
	op, ok := wrong[n.Op]
	if !ok || isText(n.X) || isText(n.Y) || constant(n) {
		return in.inside(n)
	}
	other := in.source(n.X) + " " + op + " " + in.source(n.Y)
	i := in.add(n, in.source(n), other)
	if n.Op == token.LAND || n.Op == token.LOR { // what comes second may not be looked at
		return fmt.Sprintf("(func() bool { if faultOn(%d) { return %s }; return %s }())", i, other, in.inside(n))
	}
	return fmt.Sprintf("faultPick(%d, %s, %s)", i, in.inside(n), other)
}

func isText(x ast.Expr) bool {
	lit, ok := x.(*ast.BasicLit)
	return ok && lit.Kind == token.STRING
}

// constant says whether an expression is made of literals, and so has no type yet.
func constant(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.BasicLit:
		return true
	case *ast.BinaryExpr:
		return constant(x.X) && constant(x.Y)
	}
	return false
}

// condition lets a body run never, where the condition alone can't be turned
// round by its operator.
func (in *instrumenter) condition(n *ast.IfStmt) string {
	text := in.inside(n)
	if _, operator := n.Cond.(*ast.BinaryExpr); operator {
		return text
	}
	from := in.at(n.Cond.Pos()) - in.at(n.Pos())
	if n.Init != nil || !strings.HasPrefix(text[from:], in.source(n.Cond)) {
		return text
	}
	i := in.add(n, "if "+in.source(n.Cond), "if false")
	return text[:from] + fmt.Sprintf("!faultOn(%d) && (%s)", i, in.source(n.Cond)) + text[from+len(in.source(n.Cond)):]
}

// block leaves statements out: calls, assignments to what is there already, and
// jumps.
func (in *instrumenter) block(n ast.Node, list []ast.Stmt) string {
	var edits []edit
	if c, ok := n.(*ast.CaseClause); ok {
		for _, x := range c.List {
			edits = append(edits, edit{x, in.node(x)})
		}
	}
	for _, s := range list {
		text := in.node(s)
		if leavable(s) {
			text = fmt.Sprintf("if !faultOn(%d) { %s }", in.add(s, in.source(s), "(left out)"), text)
		}
		edits = append(edits, edit{s, text})
	}
	return in.splice(in.at(n.Pos()), in.at(n.End()), edits)
}

func leavable(s ast.Stmt) bool {
	switch s := s.(type) {
	case *ast.ExprStmt:
		return true
	case *ast.AssignStmt:
		return s.Tok != token.DEFINE
	case *ast.IncDecStmt:
		return true
	case *ast.BranchStmt:
		return s.Tok == token.CONTINUE
	}
	return false
}
