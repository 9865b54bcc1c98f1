package store

import (
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vungxa/vungxa/crdt"
)

// otherwise are ways to spoil a file of a store, given the same store of an
// earlier time. They say whether they could.
var otherwise = map[string]func(rng *rand.Rand, dir, earlier, name string, kind []string) (bool, error){
	"truncated": func(rng *rand.Rand, dir, _, name string, _ []string) (bool, error) {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Size() == 0 {
			return false, err
		}
		return true, os.Truncate(filepath.Join(dir, name), rng.Int64N(info.Size()))
	},
	"deleted": func(_ *rand.Rand, dir, _, name string, _ []string) (bool, error) {
		return true, os.Remove(filepath.Join(dir, name))
	},
	"swapped": func(rng *rand.Rand, dir, _, name string, kind []string) (bool, error) {
		other := kind[rng.IntN(len(kind))]
		if other == name {
			return false, nil
		}
		a, b, aside := filepath.Join(dir, name), filepath.Join(dir, other), filepath.Join(dir, "aside")
		return true, errors.Join(os.Rename(a, aside), os.Rename(b, a), os.Rename(aside, b))
	},
	"rolled back": func(_ *rand.Rand, dir, earlier, name string, _ []string) (bool, error) {
		b, err := os.ReadFile(filepath.Join(earlier, name))
		if errors.Is(err, os.ErrNotExist) {
			return false, nil
		}
		return true, errors.Join(err, os.WriteFile(filepath.Join(dir, name), b, 0o600))
	},
}

// TestSpoiledFiles truncates, deletes, swaps and rolls back each file of a store,
// closed and cut. Each answer is right then, or damage is told of.
func TestSpoiledFiles(t *testing.T) {
	t.Logf("seed %d (-seed)", *seed)
	rng := rand.New(rand.NewPCG(*seed, 3))
	dir := t.TempDir()
	stores := makeTimes(t, dir)
	victim := filepath.Join(dir, "victim")
	for _, way := range slices.Sorted(maps.Keys(otherwise)) {
		done, said := 0, 0
		for _, s := range stores {
			for _, kind := range storeFiles(t, s.dir) {
				for _, name := range kind {
					copyDir(t, s.dir, victim)
					did, err := otherwise[way](rng, victim, s.earlier, name, kind)
					if err != nil {
						t.Fatal(err)
					}
					if !did {
						continue
					}
					told, wrong := s.m.verdict(victim, testOptions())
					if len(told) == 0 && len(wrong) > 0 {
						t.Errorf("%s %s in silence: %v", way, name, wrong[0])
					}
					if done++; len(told) > 0 {
						said++
					}
				}
			}
		}
		t.Logf("%-12s %3d files, %3d told of, the rest without effect", way, done, said)
	}
}

// times are one store at two moments, and what it holds at the later one.
type times struct {
	dir, earlier string
	m, before    *model
}

// makeTimes makes a store that was closed at both moments, and one whose power was
// cut at both.
func makeTimes(t *testing.T, dir string) []times {
	t.Helper()
	at := func(name string) string { return filepath.Join(dir, name) }
	m := fillStore(t, at("work"))
	clone := func() *model { return &model{items: maps.Clone(m.items), logs: maps.Clone(m.logs)} }
	closed, cut := times{dir: at("closed"), earlier: at("closed before")}, times{dir: at("cut"), earlier: at("cut before")}
	copyDir(t, at("work"), closed.earlier)
	closed.before = clone()
	rng := rand.New(rand.NewPCG(*seed, 4))
	s := open(t, at("work"))
	step := func() {
		if err := m.work(s, rng, 40); err != nil {
			t.Fatal(err)
		}
	}
	step()
	copyDir(t, at("work"), cut.earlier)
	cut.before = clone()
	step()
	copyDir(t, at("work"), cut.dir)
	cut.m = clone()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	copyDir(t, at("work"), closed.dir)
	closed.m = clone()
	return []times{closed, cut}
}

// A disk that was rolled back is noticed as long as the heads file wasn't rolled
// back too. All files together can't be told from the store as it was: peers, who
// hold signed heads, notice that (attack 3).
func TestTheWholeDiskRolledBack(t *testing.T) {
	dir := t.TempDir()
	for _, s := range makeTimes(t, dir) {
		told, wrong := s.before.verdict(s.earlier, testOptions())
		if len(told) > 0 || len(wrong) > 0 {
			t.Errorf("all files of an earlier time: told %v, wrong %v", told, wrong)
		}
	}
	for _, s := range makeTimes(t, t.TempDir()) {
		b, err := os.ReadFile(filepath.Join(s.dir, fileHeads))
		if err == nil {
			err = os.WriteFile(filepath.Join(s.earlier, fileHeads), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		store := open(t, s.earlier)
		r := store.Recovered()
		if r.Commits == 0 || !r.OwnAhead(testLogs[0].Device) || r.OwnAhead(crdt.Device{99}) {
			t.Errorf("all but the heads of an earlier time: recovered %+v", r)
		}
		for _, w := range store.Wants() {
			if want := uint64(len(s.m.logs[w.Log])); w.To != want || w.From != uint64(len(s.before.logs[w.Log]))+1 {
				t.Errorf("wants %d to %d of a log of %d", w.From, w.To, want)
			}
		}
		if len(store.Wants()) == 0 {
			t.Error("no entries are wanted")
		}
	}
}
