package backup

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"pgregory.net/rapid"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store/keyring"
)

var testKeys = keyring.Keys{StoreID: [16]byte{1, 2, 3}, Data: [32]byte{4, 5, 6}}

func chance() *rand.ChaCha8 { return rand.NewChaCha8([32]byte{7}) }

// content is what is backed up: keys and values.
type content map[string]string

func (c content) items(yield func(key, value []byte) error) error {
	for _, k := range slices.Sorted(maps.Keys(c)) {
		if err := yield([]byte(k), []byte(c[k])); err != nil {
			return err
		}
	}
	return nil
}

// office is content of about 60 MB/1000: n items, some of them long.
func office(n int) content {
	r := rand.New(rand.NewPCG(1, 2))
	c := content{}
	for i := range n {
		value := make([]byte, 200+r.IntN(400))
		for j := range value {
			value[j] = byte(r.IntN(20)) // packs a little
		}
		c[fmt.Sprintf("s%08d", i)] = string(value)
	}
	return c
}

func add(t *testing.T, dir string, c content, recipients ...string) Report {
	t.Helper()
	return addDrawn(t, dir, c, chance(), recipients...)
}

func addDrawn(t *testing.T, dir string, c content, random io.Reader, recipients ...string) Report {
	t.Helper()
	s, err := Writable(dir, testKeys, recipients, random)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Add(t.Context(), About{MadeMS: 5, Program: "test"}, c.items)
	if err = errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	return r
}

// back reads a backup whole.
func back(dir string, number uint64, who ...age.Identity) (content, error) {
	if len(who) == 0 {
		who = []age.Identity{Own(testKeys)}
	}
	s, err := Open(dir, who...)
	if err != nil {
		return nil, err
	}
	m, err := s.Manifest(number)
	if err != nil {
		return nil, err
	}
	c := content{}
	err = s.Items(context.Background(), m, func(k, v []byte) error {
		c[string(k)] = string(v)
		return nil
	})
	return c, err
}

func wantBack(t *testing.T, dir string, number uint64, want content) {
	t.Helper()
	got, err := back(dir, number)
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(got, want) {
		t.Errorf("backup %d holds %d items; want %d, the same", number, len(got), len(want))
	}
}

func TestWhatWasBackedUpComesBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := filepath.Join(t.TempDir(), fmt.Sprint(rapid.Int().Draw(rt, "run")))
		c := content{}
		for range rapid.IntRange(0, 30).Draw(rt, "items") {
			key := rapid.StringN(1, 40, 100).Draw(rt, "key")
			size := rapid.SampledFrom([]int{0, 1, 100, leastPart - 5, mostPart, maxItemValue}).Draw(rt, "size")
			c[key] = strings.Repeat(rapid.StringN(1, 1, 1).Draw(rt, "value")[:1], size)
		}
		add(t, dir, c)
		wantBack(t, dir, 1, c)
	})
}

func TestASecondBackupWritesWhatChanged(t *testing.T) {
	dir := t.TempDir()
	c := office(20_000)
	first := add(t, dir, c)
	if first.Parts < 20 || first.PartsNew != first.Parts {
		t.Fatalf("the first backup: %+v", first)
	}
	if again := add(t, dir, c); again.PartsNew != 0 || again.Parts != first.Parts {
		t.Errorf("the same again wrote %d parts of %d", again.PartsNew, again.Parts)
	}
	next := maps.Clone(c)
	next["s00000500"] = "changed"
	delete(next, "s00009000")
	next["s00015000x"] = "new"
	if third := add(t, dir, next); third.PartsNew == 0 || third.PartsNew > 6 {
		t.Errorf("three changes wrote %d parts of %d", third.PartsNew, third.Parts)
	}
	wantBack(t, dir, 1, c)
	wantBack(t, dir, 3, next)
	wantBack(t, dir, 0, next)
}

func TestAnInterruptedBackupGoesOn(t *testing.T) {
	dir := t.TempDir()
	old, c := office(2000), office(20_000)
	add(t, dir, old)
	s, err := Writable(dir, testKeys, nil, chance())
	if err != nil {
		t.Fatal(err)
	}
	cut, n := errors.New("cut"), 0
	_, err = s.Add(t.Context(), About{}, func(yield func(_, _ []byte) error) error {
		return c.items(func(k, v []byte) error {
			if n++; n == 15_000 {
				return cut
			}
			return yield(k, v)
		})
	})
	if err2 := s.Close(); !errors.Is(err, cut) || err2 != nil {
		t.Fatal(err, err2)
	}
	wantBack(t, dir, 0, old)
	r := add(t, dir, c)
	if r.Number != 2 || r.PartsLeft < r.Parts/2 || r.PartsNew == 0 {
		t.Errorf("the second try: %+v; want most parts found", r)
	}
	wantBack(t, dir, 2, c)
}

func files(t *testing.T, dir, under string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(filepath.Join(dir, under), func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != fileLock {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestARecoveryKeyOpensABackup(t *testing.T) {
	dir := t.TempDir()
	c := office(100)
	a, b := identity(t), identity(t)
	add(t, dir, c)
	if _, err := back(dir, 0, a); node.CodeOf(err) != node.Damaged {
		t.Errorf("a key that the set doesn't know: %v", err)
	}
	add(t, dir, c, a.Recipient().String())
	add(t, dir, c, b.Recipient().String())
	add(t, dir, c)
	for _, who := range []age.Identity{a, b, Own(testKeys)} {
		for _, number := range []uint64{1, 4} {
			if got, err := back(dir, number, who); err != nil || !maps.Equal(got, c) {
				t.Errorf("backup %d: %v", number, err)
			}
		}
	}
	if _, err := Writable(dir, testKeys, []string{"age1nonsense"}, chance()); node.CodeOf(err) != node.Invalid {
		t.Errorf("nonsense for a recipient: %v; want a sentence", err)
	}
	stranger := keyring.Keys{StoreID: testKeys.StoreID, Data: [32]byte{9}}
	if _, err := Writable(dir, stranger, nil, chance()); node.CodeOf(err) != node.Damaged {
		t.Errorf("another store: %v; want a sentence", err)
	}
}

func identity(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestExpiry(t *testing.T) {
	dir := t.TempDir()
	c := office(5000)
	add(t, dir, c)
	c["s00000001"] = "later"
	add(t, dir, c)
	c["s00004000"] = "last"
	last := add(t, dir, c)
	s, err := Writable(dir, testKeys, nil, chance())
	if err != nil {
		t.Fatal(err)
	}
	removed, err := s.Expire(1)
	if err = errors.Join(err, s.Close()); err != nil || removed != 2 {
		t.Errorf("%d parts were removed, %v; want the two that changed", removed, err)
	}
	if n := len(files(t, dir, dirParts)); n != last.Parts {
		t.Errorf("%d parts are left; want %d", n, last.Parts)
	}
	wantBack(t, dir, 0, c)
	if _, err := back(dir, 2); node.CodeOf(err) != node.NotFound {
		t.Errorf("an expired backup: %v", err)
	}
	if r := add(t, dir, c); r.Number != 4 {
		t.Errorf("the next is number %d; want 4", r.Number)
	}
}

func TestOneBackupAtATime(t *testing.T) {
	dir := t.TempDir()
	s, err := Writable(dir, testKeys, nil, chance())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Writable(dir, testKeys, nil, chance()); node.CodeOf(err) != node.Unavailable {
		t.Errorf("a second writer: %v; want a sentence", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.TempDir(), Own(testKeys)); node.CodeOf(err) != node.NotFound {
		t.Errorf("an empty directory: %v; want a sentence", err)
	}
}

// Nothing of what is backed up can be read in the files, nor what changed when.
func TestNothingLiesOpen(t *testing.T) {
	dir := t.TempDir()
	add(t, dir, content{"ssecret-key-name": strings.Repeat("Nguyễn Văn An ", 100)})
	for _, name := range files(t, dir, ".") {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, plain := range []string{"secret", "Nguyễn", string([]byte{0x28, 0xb5, 0x2f, 0xfd})} {
			if bytes.Contains(b, []byte(plain)) {
				t.Errorf("%s holds %q", filepath.Base(name), plain)
			}
		}
	}
}

func TestADevicesSignature(t *testing.T) {
	dir := t.TempDir()
	public, private, err := ed25519.GenerateKey(chance())
	if err != nil {
		t.Fatal(err)
	}
	s, err := Writable(dir, testKeys, nil, chance())
	if err != nil {
		t.Fatal(err)
	}
	about := About{Certificate: []byte("cert"), Sign: func(m []byte) []byte { return ed25519.Sign(private, m) }}
	if _, err := s.Add(t.Context(), about, office(10).items); err != nil {
		t.Fatal(err)
	}
	m, err := s.Manifest(0)
	if err = errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	other, _, err := ed25519.GenerateKey(rand.NewChaCha8([32]byte{8}))
	if err != nil || !m.SignedBy(public) || m.SignedBy(other) || string(m.Certificate) != "cert" {
		t.Errorf("signed %v, by another %v, %q, %v", m.SignedBy(public), m.SignedBy(other), m.Certificate, err)
	}
}
