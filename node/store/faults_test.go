package store

import (
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestAWholeStoreTellsNoDamage(t *testing.T) {
	dir := t.TempDir()
	m := fillStore(t, dir)
	told, wrong := m.verdict(dir, testOptions())
	if len(told) > 0 || len(wrong) > 0 {
		t.Errorf("told %v, wrong %v", told, wrong)
	}
}

// crashed is the directory of a store whose power was cut: what is on the disk
// while it is open.
func crashed(t *testing.T, m *model, dir, to string) {
	t.Helper()
	s := open(t, dir)
	if err := m.work(s, rand.New(rand.NewPCG(*seed, 1)), 30); err != nil {
		t.Fatal(err)
	}
	copyDir(t, dir, to)
}

// TestFlippedBits flips one bit after the other, in every kind of file, of a store
// that was closed and of one that wasn't. Each answer is right then, or damage is
// told of.
func TestFlippedBits(t *testing.T) {
	t.Logf("seed %d (-seed), %d bits (-bits)", *seed, *bits)
	rng := rand.New(rand.NewPCG(*seed, 2))
	dir := t.TempDir()
	closed, cut, victim := filepath.Join(dir, "closed"), filepath.Join(dir, "cut"), filepath.Join(dir, "victim")
	atRest := fillStore(t, closed)
	copyDir(t, closed, filepath.Join(dir, "work"))
	working := &model{items: maps.Clone(atRest.items), logs: maps.Clone(atRest.logs)}
	crashed(t, working, filepath.Join(dir, "work"), cut)
	told := map[string][2]int{}
	for n := range *bits {
		m, from := atRest, closed
		if n%2 == 1 {
			m, from = working, cut
		}
		kinds := storeFiles(t, from)
		names := slices.Sorted(maps.Keys(kinds))
		kind := names[n/2%len(names)]
		name := kinds[kind][rng.IntN(len(kinds[kind]))]
		copyDir(t, from, victim)
		at := flip(t, rng, filepath.Join(victim, name))
		said, wrong := m.verdict(victim, testOptions())
		for _, w := range wrong {
			if len(said) == 0 {
				t.Errorf("flip %d: bit %d of %s: in silence: %s", n, at, name, w)
			}
		}
		c := told[kind]
		c[0]++
		if len(said) > 0 {
			c[1]++
		}
		told[kind] = c
	}
	for _, kind := range slices.Sorted(maps.Keys(told)) {
		t.Logf("%-12s %4d flips, %4d told of, the rest without effect", kind, told[kind][0], told[kind][1])
	}
}

// flip flips a bit of a file, and says which: one where the file has contents, if
// it has any.
func flip(t *testing.T, rng *rand.Rand, name string) int64 {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	end := len(b)
	for end > 1 && b[end-1] == 0 {
		end--
	}
	if end = min(len(b), end+64); end == 0 {
		return -1
	}
	at := rng.Int64N(int64(end) * 8)
	b[at/8] ^= 1 << (at % 8)
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return at
}
