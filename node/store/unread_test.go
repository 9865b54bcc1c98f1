package store

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/dgraph-io/badger/v4/table"

	"github.com/vungxa/vungxa/node"
)

// deepStore makes a store whose tables, several, lie all below level 0, where their
// digests are left for later.
func deepStore(t *testing.T, dir string) *model {
	t.Helper()
	m, rng := newModel(), rand.New(rand.NewPCG(*seed, 5))
	session := func(work func(s *Store)) {
		s, err := Open(dir, testOptions())
		if err != nil {
			t.Fatal(err)
		}
		work(s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	session(func(s *Store) {
		for i := range 40 {
			update(t, s, func(tx *Tx) error {
				for j := range 5 {
					name, value := fmt.Sprintf("item %03d", 5*i+j), fmt.Sprintf("value %d", rng.Uint64())
					m.items[name] = value
					if err := tx.PutMeta(name, append([]byte(value), noise(rng, 30<<10)...)); err != nil {
						return err
					}
				}
				return nil
			})
		}
	})
	session(func(s *Store) {
		if err := m.work(s, rng, 10); err != nil {
			t.Fatal(err)
		}
	})
	session(func(s *Store) {
		if err := s.db.Flatten(1); err != nil {
			t.Fatal(err)
		}
	})
	return m
}

func noise(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// held are options under which no table is read behind the answers.
func held() Options {
	o := testOptions()
	o.held = true
	return o
}

// A store that was closed cleanly answers after reading the tables that the answer
// rests on, and no others.
func TestTheFirstAnswerReadsFewTables(t *testing.T) {
	dir := t.TempDir()
	m := deepStore(t, dir)
	s, err := Open(dir, held())
	if err != nil {
		t.Fatal(err)
	}
	read := func(what string, most int64) {
		t.Helper()
		left, total := s.Checking()
		t.Logf("%s: %d of %d KiB were read", what, (total-left)>>10, total>>10)
		if total == 0 || total-left > most {
			t.Errorf("%s: %d of %d bytes of tables were read; want at most %d", what, total-left, total, most)
		}
	}
	const largest = 2 * tableSize
	read("opening", largest) // commit number and logs lie together
	if err := s.View(func(tx *Tx) error { _, err := tx.Meta("item 000"); return err }); err != nil {
		t.Fatal(err)
	}
	read("one item", 2*largest)
	if told, wrong := m.check(s); len(told) > 0 || len(wrong) > 0 {
		t.Errorf("told %v, wrong %v", told, wrong)
	}
	if _, err := s.Scrub(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	if left, _ := s.Checking(); left != 0 {
		t.Errorf("after a scrub %d bytes are left to be read", left)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// Where damage is on the list nothing is left for later: every table is held to its digest
// while the store is opened.
func TestAStoreWithDamageIsReadAtOnce(t *testing.T) {
	dir := t.TempDir()
	deepStore(t, dir)
	for _, damaged := range []bool{false, true} {
		s, err := Open(dir, held())
		if err != nil {
			t.Fatal(err)
		}
		if left, total := s.Checking(); (left == 0) != damaged || (len(s.Damage()) > 0) != damaged {
			t.Errorf("%d of %d bytes of tables are left to be read, damage %v; want all read: %v", left, total, s.Damage(), damaged)
		}
		s.found(Damage{Kind: DamagedFile, Place: "x"})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// ways to spoil a table so that Badger finds nothing wrong, or something.
var spoilt = []struct {
	name   string
	silent bool // with the rule off
	spoil  func(t *testing.T, dir string, m *model)
}{
	{"a value struck out, and the CRC mended", true, func(t *testing.T, dir string, m *model) {
		const deleted = 1 // bit 0 of the byte three before the value: Badger's mark of what is deleted
		for _, want := range m.items {
			if editTables(t, filepath.Join(dir, firstGen), []byte(want), func(at int) []int { return []int{8*(at-3) + deleted - 1} }) {
				return
			}
		}
		t.Fatal("no value could be struck out")
	}},
	{"a bit flipped in the middle", false, func(t *testing.T, dir string, _ *model) {
		name := itemsTable(t, dir)
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/2] ^= 4
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}},
}

func tablesOf(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, firstGen, "*.sst"))
	if err != nil || len(names) < 3 {
		t.Fatal(names, err)
	}
	return names
}

// itemsTable is a table with nothing but items, which opening doesn't ask for.
func itemsTable(t *testing.T, dir string) string {
	t.Helper()
	known, err := readTables(filepath.Join(dir, fileTables), testKeys)
	if err != nil {
		t.Fatal(err)
	}
	for _, mark := range known.Tables {
		if bytes.Compare(mark.First, metaKey("item")) > 0 && bytes.Compare(mark.Last, metaKey("item 180")) < 0 {
			return table.NewFilename(mark.ID, filepath.Join(dir, firstGen))
		}
	}
	t.Fatal("no table holds items alone")
	return ""
}

// A table that isn't as it was written is told of by the first answer that rests on
// it, whether or not the tables are read before the first answer; and that takes
// effect as always.
func TestNoAnswerRestsOnAnUnreadTable(t *testing.T) {
	clean := filepath.Join(t.TempDir(), "clean")
	m := deepStore(t, clean)
	for _, s := range spoilt {
		spoiled := filepath.Join(t.TempDir(), "spoiled")
		copyDir(t, clean, spoiled)
		s.spoil(t, spoiled, m)
		for _, o := range []Options{{early: true}, {held: true}, {early: true, Without: RuleTables}, {held: true, Without: RuleTables}} {
			t.Run(fmt.Sprintf("%s, early %v, rule %v", s.name, o.early, o.keeps(RuleTables)), func(t *testing.T) {
				opts, dir := testOptions(), filepath.Join(t.TempDir(), "victim")
				opts.early, opts.held, opts.Without = o.early, o.held, o.Without
				copyDir(t, spoiled, dir)
				told, wrong := m.verdict(dir, opts)
				if o.keeps(RuleTables) {
					if len(told) == 0 {
						t.Errorf("not told of; %d answers are wrong", len(wrong))
					}
					isDoubted(t, dir)
					return
				}
				if s.silent && (len(told) > 0 || len(wrong) == 0) {
					t.Errorf("without the rule it is told of, or does nothing: told %v, %d wrong", told, len(wrong))
				}
			})
		}
	}
}

// isDoubted sees that the damage has taken effect for good.
func isDoubted(t *testing.T, dir string) {
	t.Helper()
	s := open(t, dir)
	err := s.Update(func(tx *Tx) error { return tx.PutMeta("a", []byte{1}) })
	if !s.ReadOnly() || node.CodeOf(err) != node.ReadOnly {
		t.Errorf("read only %v, a write: %v", s.ReadOnly(), err)
	}
}

// What is found behind the answers ends the writing, and is on the list when the
// store is opened again, although nobody asked for what is damaged.
func TestDamageIsFoundBehindTheAnswers(t *testing.T) {
	dir := t.TempDir()
	m := deepStore(t, dir)
	spoilt[1].spoil(t, dir, m)
	s, err := Open(dir, held())
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Damage()) > 0 || put(s, "before") != nil {
		t.Fatalf("told of at once: %v", s.Damage())
	}
	s.opts.held = false
	s.readBehind()
	<-s.behind
	if !s.ReadOnly() || node.CodeOf(put(s, "after")) != node.ReadOnly {
		t.Errorf("damage was found, and writing goes on: %v", s.Damage())
	}
	listed, err := readTables(s.path(fileTables), testKeys)
	if err != nil || !slices.ContainsFunc(listed.Damage, func(d storedDamage) bool { return d.Kind == string(DamagedRange) }) {
		t.Errorf("on the disk: %v, %v", listed.Damage, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	isDoubted(t, dir)
}

// A bit flipped in what Badger reads of a table when it opens is told of, and is
// nobody's panic.
func TestTheEndsOfTablesAreReadFirst(t *testing.T) {
	dir := t.TempDir()
	clean, victim := filepath.Join(dir, "clean"), filepath.Join(dir, "victim")
	m := deepStore(t, clean)
	rng := rand.New(rand.NewPCG(*seed, 6))
	for n := range 16 {
		copyDir(t, clean, victim)
		names := tablesOf(t, victim)
		name := names[rng.IntN(len(names))]
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		at := len(b) - 1 - rng.IntN(16<<(n%8)) // the lengths, the checksum, the index, the last block
		b[at] ^= 1 << rng.IntN(8)
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(victim, held())
		if err != nil {
			if node.CodeOf(err) == node.Internal {
				t.Errorf("byte %d of %d: no sentence: %v", at, len(b), err)
			}
			continue
		}
		if told, wrong := m.check(s); len(told) == 0 && len(wrong) > 0 {
			t.Errorf("byte %d of %d in silence: %v", at, len(b), wrong[0])
		}
		if _, err := s.Scrub(context.Background(), nil); err != nil || !s.ReadOnly() {
			t.Errorf("byte %d of %d: after a scrub: %v, damage %v", at, len(b), err, s.Damage())
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Compactors would read what nobody has checked. They begin when all is, and there
// is work for them.
func TestNothingIsCompactedBeforeItIsRead(t *testing.T) {
	dir := t.TempDir()
	deepStore(t, dir)
	s, err := Open(dir, held())
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(*seed, 7))
	more := func() {
		for range 24 {
			update(t, s, func(tx *Tx) error { return tx.PutMeta("more", noise(rng, 500<<10)) })
		}
	}
	before := tablesOf(t, dir)
	more()
	for _, name := range before {
		if !exists(name) {
			t.Errorf("%s was compacted before it was read", filepath.Base(name))
		}
	}
	s.opts.held = false
	s.readBehind()
	<-s.behind
	if !s.space.resting {
		t.Error("Badger was opened anew at once")
	}
	more()
	if s.space.resting {
		t.Error("Badger has no compactors although level 0 is crowded")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestWaysAlongTables walks in both directions over levels that are drawn: at each
// step the tables with keys so far, and the next one of each level, have been read,
// and no other.
func TestWaysAlongTables(t *testing.T) {
	t.Logf("seed %d (-seed)", *seed)
	rng := rand.New(rand.NewPCG(*seed, 8))
	key := func(n int) []byte { return []byte{byte(n)} }
	for range 500 {
		var marks []tableMark
		for level := range uint32(3) {
			for at := rng.IntN(20); at < 250; {
				last := min(255, at+rng.IntN(30))
				marks = append(marks, tableMark{ID: uint64(len(marks)), Level: level + 1, First: key(at), Last: key(last)})
				at = last + 1 + rng.IntN(30)
			}
		}
		for _, reverse := range []bool{false, true} {
			read := map[uint64]bool{}
			u := newUnread(marks, func(t tableMark) { read[t.ID] = true })
			from := rng.IntN(256)
			w := &way{unread: u, tx: &Tx{store: &Store{}}, scan: Scan{Reverse: reverse}, at: key(from)}
			for at := from; at >= 0 && at < 256; {
				if err := w.to(key(at)); err != nil {
					t.Fatal(err)
				}
				if want := consulted(marks, byte(from), byte(at), reverse); !maps.Equal(read, want) {
					t.Fatalf("from %d to %d, reverse %v: read %v; want %v", from, at, reverse, read, want)
				}
				if step := 1 + rng.IntN(12); reverse {
					at -= step
				} else {
					at += step
				}
			}
		}
	}
}

// consulted is what the way from a key to another rests on, said simply.
func consulted(marks []tableMark, from, to byte, reverse bool) map[uint64]bool {
	need := map[uint64]bool{}
	for level := range uint32(3) {
		var next *tableMark
		for _, m := range marks {
			first, last := m.First[0], m.Last[0]
			if m.Level != level+1 {
				continue
			}
			if first <= max(from, to) && last >= min(from, to) {
				need[m.ID] = true
			}
			// The next: where the level stands when it has given all up to here.
			if !reverse && last > to && (next == nil || last < next.Last[0]) {
				next = &m
			}
			if reverse && first < to && (next == nil || first > next.First[0]) {
				next = &m
			}
		}
		if next != nil {
			need[next.ID] = true
		}
	}
	return need
}
