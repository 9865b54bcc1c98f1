package tidy

import (
	"bytes"
	"strings"
)

// peersDir holds what the product is compared with.
const peersDir = "deploy/peers"

// peerModules are the Go modules that only comparisons use. (bbolt is under raft's
// log as well.)
var peerModules = []string{"modernc.org/sqlite"}

// Peers finds a way by which what the product is compared with could become part
// of it: comparisons are a module of their own, which nobody imports.
func Peers(t *Tree) []Finding {
	var found []Finding
	apart, there := false, false
	for _, f := range t.Files {
		there = there || strings.HasPrefix(f.Path, peersDir+"/")
		switch f.Path {
		case peersDir + "/go.mod":
			apart = true
		case "go.mod":
			for i, line := range bytes.Split(f.Data, []byte("\n")) {
				for _, m := range peerModules {
					if bytes.Contains(line, []byte(m)) {
						found = append(found, Finding{f.Path, i + 1, "the product needs " + m, "require it in " + peersDir + "/go.mod alone"})
					}
				}
			}
		}
	}
	if there && !apart {
		found = append(found, Finding{peersDir, 0, "comparisons without a go.mod of their own", "give it back: `go build ./...` must not see them"})
	}
	for f := range t.Go {
		for spec, p := range f.imports {
			if strings.HasPrefix(p, Module+"/"+peersDir) && !strings.HasPrefix(f.Path, peersDir+"/") {
				found = append(found, f.at(spec, "imports a comparison", "leave it out"))
			}
		}
	}
	return found
}
