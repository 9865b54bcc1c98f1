package tidy

import "go/ast"

// Switches finds product code that switches a rule of the store off. The switches
// (store.Options.Without) are for the tests that plant faults; passing on what one
// was given is fine.
func Switches(t *Tree) []Finding {
	var found []Finding
	for f := range t.Source {
		say := func(n ast.Node) {
			found = append(found, f.at(n, "a rule of the store is switched off", "only tests may set Without; take it away"))
		}
		ast.Inspect(f.Go, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Without" && !without(n.Value) {
					say(n)
				}
			case *ast.AssignStmt:
				for i, left := range n.Lhs {
					if without(left) && (len(n.Lhs) != len(n.Rhs) || !without(n.Rhs[i])) {
						say(n)
					}
				}
			}
			return true
		})
	}
	return found
}

// without recognises x.Without.
func without(e ast.Expr) bool {
	s, ok := e.(*ast.SelectorExpr)
	return ok && s.Sel.Name == "Without"
}
