package main

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const sample = `package sample

const bits = 1<<8 - 1

func less(a, b int) bool {
	if a == b && ready() {
		return false
	}
	return min(a, 7)+1 < b
}

func ready() bool { return !false }

func count(list []int, stop func(int) bool) (n int) {
	for _, x := range list {
		if stop(x) {
			continue
		}
		n += x
	}
	return n
}
`

func TestFaultsAreListed(t *testing.T) {
	_, name, faults, err := instrument("sample.go", []byte(sample), nil)
	if err != nil || name != "sample" {
		t.Fatal(name, err)
	}
	var got []string
	for _, f := range faults {
		got = append(got, f.right+" -> "+f.now)
	}
	for _, want := range []string{
		"a == b && ready() -> a == b || ready()", "a == b -> a != b", "false -> true", "min(a, 7) -> max(a, 7)",
		"min(a, 7)+1 -> min(a, 7) - 1", "min(a, 7)+1 < b -> min(a, 7)+1 <= b", "!false -> false",
		"if stop(x) -> if false", "continue -> (left out)", "n += x -> (left out)",
	} {
		if !strings.Contains(strings.Join(got, "\n"), want) {
			t.Errorf("no fault %q among\n%s", want, strings.Join(got, "\n"))
		}
	}
	for i, f := range faults {
		if f.number != i+1 || strings.Contains(f.right, "1<<8") {
			t.Errorf("fault %d: %v", i, f)
		}
	}
}

// A package with all faults in it builds, and its tests notice those that they can.
func TestPlantedFaultsAreNoticed(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module sample\n\ngo 1.24\n", "sample.go": sample,
		"sample_test.go": `package sample

import "testing"

func TestLess(t *testing.T) {
	if less(1, 1) || !less(1, 3) || less(9, 8) {
		t.Error("less")
	}
}
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	work := t.TempDir()
	faults, overlay, err := plant(".", work)
	if err != nil {
		t.Fatal(err)
	}
	for file := range overlay {
		if _, err := parser.ParseFile(token.NewFileSet(), overlay[file], nil, 0); err != nil {
			t.Error(err)
		}
	}
	tests := tests{dir: ".", binary: filepath.Join(work, "tests")}
	if err := tests.build(work, overlay); err != nil {
		t.Fatal(err)
	}
	if out, noticed := tests.on(0); noticed {
		t.Fatalf("the tests fail without a fault:\n%s", out)
	}
	for _, f := range faults {
		_, noticed := tests.on(f.number)
		switch {
		case f.right == "min(a, 7)+1 < b" && !noticed, f.right == "n += x" && noticed:
			t.Errorf("noticed %v: %v", noticed, f)
		}
	}
}
