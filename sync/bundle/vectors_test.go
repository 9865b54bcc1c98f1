package bundle_test

import (
	"bytes"
	"crypto/ecdh"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/bundle"
	"github.com/vungxa/vungxa/sync/identity"
)

var update = flag.Bool("update", false, "write the test vectors anew")

const vectors = "testdata/v1.txt"

// What was written in format 1 is read for ever, by each of its readers.
func TestVectors(t *testing.T) {
	office := newDesk(t, "laptop", identity.RoleLaptop)
	want := &bundle.Content{By: office.Claims.Device, Certificate: office.Certificate, Counter: 7, Part: 1, Last: true, Entries: 3, Scopes: []crdt.Scope{scope}, Messages: [][]byte{{0x81, 0x0c}, {0x82, 0x0c, 0}}}
	if *update {
		writeVectors(t, office, want)
	}
	b, err := os.ReadFile(vectors)
	must(t, err)
	v := map[string][]byte{}
	for line := range strings.Lines(string(b)) {
		name, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		v[name], err = hex.DecodeString(text)
		must(t, err)
	}
	dir, err := identity.New(v["authority"])
	must(t, err)
	for _, name := range []string{"first", "second"} {
		key, err := ecdh.X25519().NewPrivateKey(v[name])
		must(t, err)
		s, err := bundle.Parse(v["bundle"])
		must(t, err)
		c, err := s.Open(key, dir)
		must(t, err)
		if s.Readers != 2 || c.By != want.By || !bytes.Equal(c.Certificate, want.Certificate) || fmt.Sprint(c) != fmt.Sprint(want) {
			t.Errorf("%s reads %+v; want %+v", name, c, want)
		}
	}
}

// testdata/second.py was written from FORMAT.md and shares nothing with this package, not
// even a library: it opens the bundle with each reader's key, and reads the same. It
// notices what is wrong.
func TestSecondReader(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("SKIPPED: there is no python3 here, so the second reader didn't check the vectors")
	}
	out, err := exec.CommandContext(t.Context(), python, "testdata/second.py", vectors).CombinedOutput()
	must(t, err)
	device := newDesk(t, "laptop", identity.RoleLaptop).Claims.Device
	holds := fmt.Sprintf("by=%s counter=7 part=1 last=1 entries=3 scopes=c/03646 messages=810c,820c00\n", device)
	if want := "first " + holds + "second " + holds; string(out) != want {
		t.Errorf("it reads\n%s\nwant\n%s", out, want)
	}
	whole, err := os.ReadFile(vectors)
	must(t, err)
	line := strings.Index(string(whole), "bundle ") + len("bundle ")
	for _, at := range []int{0, 9, 20, 60, 200, 400, len(whole) - line - 10} { // in hexadecimal digits
		spoilt := bytes.Clone(whole)
		if spoilt[line+at]++; !strings.ContainsRune("0123456789abcdef", rune(spoilt[line+at])) {
			spoilt[line+at] = '0'
		}
		path := filepath.Join(t.TempDir(), "spoilt.txt")
		must(t, os.WriteFile(path, spoilt, 0o600))
		if out, err := exec.CommandContext(t.Context(), python, "testdata/second.py", path).CombinedOutput(); err == nil {
			t.Errorf("with another digit at %d it is read: %s", at, out)
		}
	}
}

func writeVectors(t *testing.T, office *desk, c *bundle.Content) {
	first, second := keyOf(t, "first"), keyOf(t, "second")
	raw, err := bundle.Seal(c, []*ecdh.PublicKey{first.PublicKey(), second.PublicKey()}, office.sign)
	must(t, err)
	out := fmt.Sprintf("authority %x\nfirst %x\nsecond %x\nbundle %x\n", identity.Public(root), first.Bytes(), second.Bytes(), raw)
	must(t, os.WriteFile(vectors, []byte(out), 0o644))
}
