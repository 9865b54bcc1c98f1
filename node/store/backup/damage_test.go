package backup

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vungxa/vungxa/node"
)

// Half a part, as a power cut may leave it, is not taken for a whole one.
func TestHalfAPartIsWrittenAgain(t *testing.T) {
	dir := t.TempDir()
	c := office(5000)
	add(t, dir, c)
	parts := files(t, dir, dirParts)
	if err := errors.Join(os.Truncate(parts[1], 1000), os.Remove(filepath.Join(dir, "000001.backup"))); err != nil {
		t.Fatal(err)
	}
	if r := add(t, dir, c); r.PartsNew != 1 || r.Number != 1 {
		t.Errorf("%+v; want one part written again", r)
	}
	wantBack(t, dir, 1, c)
}

// A later backup doesn't vouch for a part that rotted since an earlier one did.
func TestARottenPartIsWrittenAgain(t *testing.T) {
	dir := t.TempDir()
	c := office(5000)
	add(t, dir, c)
	parts := files(t, dir, dirParts)
	for at, name := range parts[:3] {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		b[(at+1)*len(b)/4] ^= 1 // the size stays
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if r := add(t, dir, c); r.PartsNew != 3 || r.PartsLeft != len(parts)-3 {
		t.Errorf("%+v; want three parts written again", r)
	}
	if problems := check(t, dir); len(problems) != 0 {
		t.Error(problems)
	}
	wantBack(t, dir, 2, c)
}

// Whatever is done to the files, a backup is what it was, or is refused with a
// sentence.
func TestNothingForeignIsBelieved(t *testing.T) {
	c := office(3000)
	pristine := t.TempDir()
	add(t, pristine, c)
	other := maps.Clone(c)
	other["s00000001"] = "other"
	add(t, pristine, other)
	foreign := t.TempDir()
	addDrawn(t, foreign, c, rand.NewChaCha8([32]byte{8}))

	part := func(dir string, i int) string { return files(t, dir, dirParts)[i] }
	move := func(a, b string) error { return os.Rename(a, b) }
	flip := func(name string, at int) error {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		b[(at%len(b)+len(b))%len(b)] ^= 1
		return os.WriteFile(name, b, 0o600)
	}
	cases := map[string]func(dir string) error{
		"a part is missing":              func(d string) error { return os.Remove(part(d, 2)) },
		"a part is cut short":            func(d string) error { return os.Truncate(part(d, 2), 100) },
		"a part is empty":                func(d string) error { return os.Truncate(part(d, 2), 0) },
		"a part in the place of another": func(d string) error { return move(part(d, 1), part(d, 2)) },
		"a manifest is cut short":        func(d string) error { return os.Truncate(filepath.Join(d, "000002.backup"), 400) },
		"a manifest under another number": func(d string) error {
			return move(filepath.Join(d, "000001.backup"), filepath.Join(d, "000002.backup"))
		},
		"a manifest of another set": func(d string) error {
			return copyFile(filepath.Join(foreign, "000001.backup"), filepath.Join(d, "000002.backup"))
		},
		"a part of another set":            func(d string) error { return copyFile(part(foreign, 1), part(d, 1)) },
		"another set's key and a manifest": func(d string) error { return copyFile(filepath.Join(foreign, fileKey), filepath.Join(d, fileKey)) },
	}
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 60 {
		where := []string{"000002.backup", fileKey, dirParts}[i%3]
		cases[fmt.Sprintf("bit %d of %s", i, where)] = func(d string) error {
			names := files(t, d, where)
			return flip(names[r.IntN(len(names))], r.Int())
		}
	}
	for name, harm := range cases {
		dir := t.TempDir()
		if err := errors.Join(os.CopyFS(dir, os.DirFS(pristine)), harm(dir)); err != nil {
			t.Fatal(name, err)
		}
		got, err := back(dir, 2)
		switch {
		case err == nil && !maps.Equal(got, other):
			t.Errorf("%s: other items were believed", name)
		case err == nil && strings.Contains(name, "manifest"), err == nil && strings.Contains(name, "part is"):
			t.Errorf("%s: not noticed", name)
		case err != nil && node.CodeOf(err) != node.Damaged:
			t.Errorf("%s: %v; want a sentence about damage", name, err)
		}
	}
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600)
}

// The set's key is in every manifest, too.
func TestALostKeyFileIsMade(t *testing.T) {
	dir := t.TempDir()
	c := office(100)
	add(t, dir, c)
	if err := os.Remove(filepath.Join(dir, fileKey)); err != nil {
		t.Fatal(err)
	}
	wantBack(t, dir, 0, c)
	add(t, dir, c)
	if _, err := os.Stat(filepath.Join(dir, fileKey)); err != nil {
		t.Error(err)
	}
	wantBack(t, dir, 2, c)
}

// A part of an earlier backup that was cut short since is written anew.
func TestAPartCutShortIsWrittenAgain(t *testing.T) {
	dir := t.TempDir()
	c := office(5000)
	add(t, dir, c)
	if err := os.Truncate(files(t, dir, dirParts)[0], 50); err != nil {
		t.Fatal(err)
	}
	if r := add(t, dir, c); r.PartsNew != 1 {
		t.Errorf("%d parts were written; want the one that was cut short", r.PartsNew)
	}
	wantBack(t, dir, 0, c)
}

// What is wrong with a part is told of each backup that needs it.
func TestADamagedPartIsToldOfEveryBackup(t *testing.T) {
	dir := t.TempDir()
	c := office(5000)
	add(t, dir, c)
	add(t, dir, c)
	if err := os.Truncate(files(t, dir, dirParts)[0], 50); err != nil {
		t.Fatal(err)
	}
	var told []uint64
	for _, p := range check(t, dir) {
		told = append(told, p.Number)
	}
	if !slices.Equal(told, []uint64{1, 2}) {
		t.Errorf("told of the backups %v; want 1 and 2", told)
	}
}

func TestCheckTellsWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	c := office(5000)
	add(t, dir, c)
	c["s00000001"] = "later"
	add(t, dir, c)
	add(t, dir, c)
	if problems := check(t, dir); len(problems) != 0 {
		t.Fatalf("a whole set: %v", problems)
	}
	parts := files(t, dir, dirParts)
	if err := errors.Join(os.Remove(parts[0]), os.Truncate(parts[3], 50), os.Remove(filepath.Join(dir, "000002.backup"))); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, p := range check(t, dir) {
		all = append(all, p.What.EN)
	}
	told := strings.Join(all, "\n")
	for _, want := range []string{"is missing", "is damaged", "does not follow"} {
		if !strings.Contains(told, want) {
			t.Errorf("%q is not told: %s", want, told)
		}
	}
}

func check(t *testing.T, dir string) (problems []Problem) {
	t.Helper()
	s, err := Open(dir, Own(testKeys))
	if err == nil {
		_, err = s.CheckAll(t.Context(), func(p Problem) { problems = append(problems, p) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return problems
}
