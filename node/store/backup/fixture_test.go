package backup

import (
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
)

// testdata/v1 is a set of format 1, made once by this program on amd64. Every later
// program, and every machine, must read it: it is never made again.
const fixture = "testdata/v1"

var writeFixture = flag.Bool("write-fixture", false, "make testdata/v1, which must not be there")

// recovery is the fixture's recovery key; it protects nothing else.
const recovery = "AGE-SECRET-KEY-1CEMSPLVS47ZZ8JW3WJMJ8MNZPX29S5RFF0D3H7LNZ2UMET3X2EJSVXQ74P"

// fixtureContent is what it holds, made by arithmetic alone.
func fixtureContent() content {
	c := content{"fnode.json\x00" + strings.Repeat("\x00", 8): "{}\n", "s" + "\x00": ""}
	for i := range 300 {
		c[fmt.Sprintf("se\x00\x00\x00\x01%08d", i*7)] = strings.Repeat(fmt.Sprintf("mục %d của hồ sơ; ", i), 1+i%60)
	}
	return c
}

func TestFormat1IsRead(t *testing.T) {
	id := fixtureIdentity(t)
	if *writeFixture {
		if _, err := os.Stat(fixture); err == nil {
			t.Fatal("testdata/v1 is there, and is never made again")
		}
		if err := os.MkdirAll(fixture, 0o755); err != nil {
			t.Fatal(err)
		}
		c := fixtureContent()
		delete(c, "s\x00")
		add(t, fixture, c, id.Recipient().String())
		add(t, fixture, fixtureContent())
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(fixture)); err != nil {
		t.Fatal(err)
	}
	for _, who := range []age.Identity{Own(testKeys), id} {
		got, err := back(dir, 2, who)
		if err != nil || !maps.Equal(got, fixtureContent()) {
			t.Errorf("backup 2: %d items, %v", len(got), err)
		}
	}
	if problems := check(t, dir); len(problems) > 0 {
		t.Error(problems)
	}
	if r := add(t, dir, fixtureContent()); r.PartsNew != 0 || r.Number != 3 {
		t.Errorf("the same content added to it: %+v; want no new part: parts are cut and named as then", r)
	}
}

func fixtureIdentity(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.ParseX25519Identity(recovery)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// The vectors of FORMAT.md.
func TestVectors(t *testing.T) {
	s, err := Open(fixture, fixtureIdentity(t))
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.Manifest(1)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	nameKey := s.derive("part name")
	first := readPart(m.table)
	vectors := map[string]string{
		"set id":      hex.EncodeToString(s.keys.StoreID[:]),
		"set key":     hex.EncodeToString(s.keys.Data[:]),
		"name key":    hex.EncodeToString(nameKey[:]),
		"item":        hex.EncodeToString(appendItem(nil, []byte("sab"), []byte("xyz"))),
		"name":        hex.EncodeToString(nameOf(keyed(nameKey, appendItem(nil, []byte("sab"), []byte("xyz"))))),
		"part 1":      hex.EncodeToString(first.name[:]),
		"part 1 size": fmt.Sprintf("%d, %d", first.plain, first.sealed),
		"parts":       fmt.Sprint(m.Parts),
	}
	for what, value := range vectors {
		if line := fmt.Sprintf("%-12s %s", what, value); !strings.Contains(string(text), line) {
			t.Errorf("FORMAT.md lacks %q", line)
		}
	}
	if _, err := os.Stat(filepath.Join(fixture, "000002.backup")); errors.Is(err, os.ErrNotExist) {
		t.Error("the fixture has no second backup")
	}
}

func nameOf(d Digest) []byte { return d[:] }
