package daemon_test

import (
	"os"
	"path/filepath"
	"testing"
)

// A file of the store that isn't as it was written is told of on the page, also at
// the starts after it was put right.
func TestDamageIsOnThePage(t *testing.T) {
	dir := filepath.Join(provision(t), "box")
	d := open(t, dir)
	if n := d.Info().Damage.Count; n != 0 {
		t.Errorf("a new store has %d damaged places", n)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "store", "CURRENT")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-5] ^= 1
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		d = open(t, dir)
		if got := d.Info().Damage; got.Count != 1 || got.ReadOnly || got.SinceMS == nil {
			t.Errorf("the page says %+v of a flipped bit in CURRENT", got)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
