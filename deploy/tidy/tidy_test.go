package tidy

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestHouse runs every rule on the project itself.
func TestHouse(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	tree, err := Load(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(Summary(tree))
	for _, rule := range Rules(standardLibrary(t)) {
		t.Run(rule.Name, func(t *testing.T) {
			for _, line := range report(rule.Find(tree)) {
				t.Error(line)
			}
		})
	}
}

func standardLibrary(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "std").Output()
	if err != nil {
		t.Fatalf("list the standard library: %v", err)
	}
	return strings.Fields(string(out))
}

// report sorts findings, which rules may return in any order.
func report(found []Finding) []string {
	var lines []string
	for _, f := range found {
		lines = append(lines, f.String())
	}
	slices.Sort(lines)
	return lines
}

// tree builds a Tree of tracked files from their contents.
func tree(t *testing.T, files map[string]string) *Tree {
	t.Helper()
	var list []*File
	for p, text := range files {
		list = append(list, &File{Path: p, Tracked: true, Data: []byte(text)})
	}
	tr, err := Parse(list)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// planted expects a rule to find exactly these places ("path:line" or "path"),
// in sorted order.
func planted(t *testing.T, rule func(*Tree) []Finding, files map[string]string, want ...string) {
	t.Helper()
	var got []string
	for _, line := range report(rule(tree(t, files))) {
		where, _, _ := strings.Cut(line, ": ")
		got = append(got, where)
		if !strings.Contains(line, "; ") {
			t.Errorf("%s: a finding without a way out", line)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}

func TestParseNamesTheBrokenLine(t *testing.T) {
	_, err := Parse([]*File{{Path: "kpi/a.go", Data: []byte("package kpi\nfunc {")}})
	if err == nil || !strings.Contains(err.Error(), "kpi/a.go:2") {
		t.Errorf("error %v doesn't name the line", err)
	}
}

func TestGoSourceIsWhatTheGoToolSees(t *testing.T) {
	for p, want := range map[string]bool{
		"a/b.go": true, "a/b_test.go": true, "a/testdata/b.go": false, "a/_b/c.go": false, "a/.b/c.go": false, "a/_c.go": false, "a/b.ts": false,
	} {
		if got := isGoSource(p); got != want {
			t.Errorf("isGoSource(%q) = %v", p, got)
		}
	}
}

// TestLoadSeesTrackedAndNewFiles loads a checkout made for it: a tracked file,
// a new one, an ignored one, and one that is deleted but not yet committed.
func TestLoadSeesTrackedAndNewFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"kept.go": "package p", "gone.go": "package p", ".gitignore": "*.log\n", "x.log": "x"})
	git(t, dir, "init", "-q")
	git(t, dir, "add", "kept.go", "gone.go", ".gitignore")
	write(t, dir, map[string]string{"new.go": "package p"})
	remove(t, dir, "gone.go")
	tr, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, f := range tr.Files {
		got[f.Path] = f.Tracked
	}
	want := map[string]bool{".gitignore": true, "kept.go": true, "new.go": false}
	if len(got) != len(want) || got["kept.go"] != true || got["new.go"] != false {
		t.Errorf("loaded %v, want %v", got, want)
	}
}

func TestLoadSaysThatItNeedsGit(t *testing.T) {
	if _, err := Load(t.TempDir()); err == nil || !strings.Contains(err.Error(), "git checkout") {
		t.Errorf("error %v doesn't say what is needed", err)
	}
}
