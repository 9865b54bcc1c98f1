package bundle_test

import (
	"bytes"
	"crypto/ecdh"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
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

func writeVectors(t *testing.T, office *desk, c *bundle.Content) {
	first, second := keyOf(t, "first"), keyOf(t, "second")
	raw, err := bundle.Seal(c, []*ecdh.PublicKey{first.PublicKey(), second.PublicKey()}, office.sign)
	must(t, err)
	out := fmt.Sprintf("authority %x\nfirst %x\nsecond %x\nbundle %x\n", identity.Public(root), first.Bytes(), second.Bytes(), raw)
	must(t, os.WriteFile(vectors, []byte(out), 0o644))
}
