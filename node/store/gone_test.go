package store

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/vungxa/vungxa/node"
)

// A store of which only tables are left isn't a new one, and keeps them.
func TestTablesAloneAreNoNewStore(t *testing.T) {
	for name, gone := range map[string][]string{
		"all but tables":     {fileCurrent, fileHeads, fileTables, "g1/MANIFEST"},
		"CURRENT and tables": {fileHeads, fileTables, "g1/MANIFEST"},
	} {
		dir := t.TempDir()
		fillStore(t, dir)
		var err error
		for _, f := range gone {
			err = errors.Join(err, os.Remove(filepath.Join(dir, f)))
		}
		before, errGlob := filepath.Glob(filepath.Join(dir, firstGen, "*.sst"))
		if err := errors.Join(err, errGlob); err != nil || len(before) == 0 {
			t.Fatal(before, err)
		}
		s, err := Open(dir, testOptions())
		if err == nil {
			err = s.Close()
		}
		if node.CodeOf(err) != node.Damaged {
			t.Errorf("%s: %v; want a refusal", name, err)
		}
		if after, _ := filepath.Glob(filepath.Join(dir, firstGen, "*.sst")); len(after) != len(before) {
			t.Errorf("%s: %d of %d tables are left", name, len(after), len(before))
		}
	}
}
