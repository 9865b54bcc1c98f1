package durable

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWriteFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "in", "a")
	for _, want := range []string{"old and long", "new"} {
		if err := WriteFile(name, []byte(want)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
	if left, _ := os.ReadDir(filepath.Dir(name)); len(left) != 1 {
		t.Errorf("%v lies there", left)
	}
}

// A write that fails leaves the old file, and nothing beside it.
func TestWriteFileFails(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a")
	if err := os.MkdirAll(filepath.Join(name, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(name, nil); err == nil {
		t.Error("a file took the place of a directory")
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("%v lies there", left)
	}
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	for _, n := range []string{"a", "a.new-1", "a.new-23", "b.new-1"} {
		if err := os.WriteFile(filepath.Join(dir, n), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Sweep(filepath.Join(dir, "a")); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 || left[0].Name() != "a" || left[1].Name() != "b.new-1" {
		t.Errorf("%v lies there", left)
	}
}
