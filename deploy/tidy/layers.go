package tidy

import (
	"fmt"
	"path"
	"strings"
)

// layer orders the top folders: a package imports packages of its own folder
// and of folders with a smaller number. Folders that share a number know
// nothing of each other. deploy stands apart: nobody imports it and it imports
// nobody.
var layer = map[string]int{"crdt": 1, "kpi": 1, "sync": 2, "firmware": 2, "node": 3, "desktop": 4}

// Layers finds imports that point to the right, programs outside the places
// for programs, and Go files in folders that the design does not know.
// Programs may import anything of ours. Tests obey the same order as code.
func Layers(t *Tree) []Finding {
	var found []Finding
	for f := range t.Go {
		found = append(found, placed(f)...)
		if f.Main() {
			continue
		}
		for spec, p := range f.imports {
			target, ours := strings.CutPrefix(p, Module+"/")
			if !ours || !strings.Contains(f.Path, "/") {
				continue
			}
			if from, to := top(f.Path), top(target); !mayImport(from, to) {
				found = append(found, f.at(spec, fmt.Sprintf("%s imports %s", from, target),
					"declare the interface you need here and let the right-hand folder satisfy it"))
			}
		}
	}
	return found
}

func top(p string) string {
	first, _, _ := strings.Cut(p, "/")
	return first
}

func mayImport(from, to string) bool {
	if from == to {
		return true
	}
	return layer[from] > 0 && layer[to] > 0 && layer[to] < layer[from]
}

// placed judges where a Go file lies.
func placed(f *File) []Finding {
	folder := top(f.Path)
	switch {
	case folder != "deploy" && layer[folder] == 0:
		return []Finding{f.at(f.Go.Name, "Go source outside the folders of the design", "move it into crdt, kpi, sync, firmware, node, desktop or deploy")}
	case f.Dir() == "sync":
		return []Finding{f.at(f.Go.Name, "a Go package in sync itself", "move it into a folder of sync: `sync.` must always mean the standard library")}
	case f.Main() && f.Dir() != "desktop" && path.Base(path.Dir(f.Dir())) != "cmd":
		return []Finding{f.at(f.Go.Name, "a program outside cmd", "move it to "+folder+"/cmd/<name>: programs may import anything, so they must be easy to see")}
	}
	return nil
}
