package reconcile_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
	"github.com/vungxa/vungxa/sync/replica/memlog"
)

var update = flag.Bool("update", false, "write the test vectors into PROTOCOL.md")

const (
	protocol     = "../PROTOCOL.md"
	vectorsBegin = "<!-- vectors: go test ./sync/reconcile -run Vectors -update -->\n"
	vectorsEnd   = "<!-- end of vectors -->"
)

// The vectors in PROTOCOL.md are what this package says.
func TestVectors(t *testing.T) {
	b, err := os.ReadFile(protocol)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(b), vectorsBegin)
	got, after, ended := strings.Cut(rest, vectorsEnd)
	if !found || !ended {
		t.Fatalf("%s has no place for vectors", protocol)
	}
	want := vectors(t)
	if *update {
		if err := os.WriteFile(protocol, []byte(before+vectorsBegin+want+vectorsEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Errorf("%s has other vectors; if the format was meant to change, run with -update. Now:\n%s", protocol, want)
	}
}

// testdata/second.py was written from PROTOCOL.md and shares nothing with this package: it
// reads the vectors and comes to the same names and digests. It notices what is wrong.
func TestSecondReader(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("SKIPPED: there is no python3 here, so the second reader didn't check the vectors")
	}
	spec, err := os.ReadFile(protocol)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), python, "testdata/second.py", protocol).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "all agree") {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	for _, wrong := range [][2]string{{"\n  86010150", "\n  86010151"}, {"\n  841144", "\n  841145"}, {"\n  83040250e8", "\n  83040250e9"}} {
		spoilt := filepath.Join(t.TempDir(), "spoilt.md")
		text := strings.Replace(string(spec), wrong[0], wrong[1], 1)
		if text == string(spec) {
			t.Fatalf("no vector begins with %s", wrong[0][3:])
		}
		if err := os.WriteFile(spoilt, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), python, "testdata/second.py", spoilt).CombinedOutput(); err == nil {
			t.Errorf("%s in the place of %s is read: %s", wrong[1][3:], wrong[0][3:], out)
		}
	}
}

func vectors(t *testing.T) string {
	laptop, box := newNode(t, "laptop", identity.RoleLaptop), newNode(t, "box", identity.RoleBox)
	d := disk{}
	var out strings.Builder
	add := func(name string, b []byte) {
		text := hex.EncodeToString(b)
		out.WriteString(name + "\n")
		for len(text) > 0 {
			n := min(len(text), 120)
			out.WriteString("  " + text[:n] + "\n")
			text = text[n:]
		}
	}
	out.WriteString("```\n")
	for _, k := range []struct {
		name string
		key  ed25519.PrivateKey
	}{
		{"authority", root}, {"laptop seal", laptop.Keys.Seal}, {"laptop peer", laptop.Keys.Peer},
		{"box seal", box.Keys.Seal}, {"box peer", box.Keys.Peer},
	} {
		add("key of "+k.name, k.key.Seed())
	}
	var a, b *end
	talk := func(before string) {
		a, b = resume(t, d, laptop, box)
		a.hook = func(f []byte) { add(before+", laptop: "+parse(t, f).Kind, f) }
		b.hook = func(f []byte) { add(before+", box: "+parse(t, f).Kind, f) }
		flights(t, a, b)
	}
	save(t, laptop, crdt.ClassRecords, 1)
	talk("first")
	hangUp(a, b)
	talk("idle")
	save(t, laptop, crdt.ClassRecords, 1)
	flights(t, a, b)
	hangUp(a, b)
	if _, err := laptop.Save(scope, crdt.ClassUrgent, noise(1, 1500)); err != nil {
		t.Fatal(err)
	}
	talk("long")
	hangUp(a, b)
	p := memlog.NewProvince(1, 3, scope)
	for i := range 3 {
		add(fmt.Sprint("key of member ", i), memlog.Key(fmt.Sprint("member ", i)).Seed())
	}
	announce(t, p, box)
	decide(t, p, crdt.Checkpoint{}, 2, box)
	talk("decided")
	refusal, err := reconcile.Refuse(reconcile.Cut, "operator").Frame()
	if err != nil {
		t.Fatal(err)
	}
	add("refuse", refusal)
	out.WriteString("```\n")
	return out.String()
}
