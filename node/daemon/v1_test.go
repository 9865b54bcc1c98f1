package daemon_test

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/demo"
	"github.com/vungxa/vungxa/node/dump"
	"github.com/vungxa/vungxa/node/engine"
	"github.com/vungxa/vungxa/node/sample"
)

// testdata/v1.tar.gz is a box's directory of format 1, with a key beside the disk and
// generated people alone; v1.jsonl is what it says. Every later program has to open
// it and to find all of that. It was made once, by -write-v1, and is never made again:
// a later format gets a v2 of its own beside it.
const (
	v1Directory = "testdata/v1.tar.gz"
	v1Says      = "testdata/v1.jsonl"
)

var writeV1 = flag.Bool("write-v1", false, "make testdata/v1.tar.gz and v1.jsonl, which must not be there")

func TestV1IsOpenedForEver(t *testing.T) {
	if *writeV1 {
		makeV1(t)
	}
	want, err := os.ReadFile(v1Says)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "box")
	if err := unpack(v1Directory, dir); err != nil {
		t.Fatal(err)
	}
	d := office(t, dir)
	for range 2 { // as it is opened first, and after what that may have changed
		if got := said(t, d); got != string(want) {
			t.Fatalf("it says %d bytes; want the %d of %s: first difference at %q", len(got), len(want), v1Says, difference(got, string(want)))
		}
		wantSound(t, d)
		closed(t, d)
		d = office(t, dir)
	}
	save(t, d, 0, 2)
	to := filepath.Join(t.TempDir(), "backups")
	key := recoveryKey(t)
	backUp(t, d, to, key.Recipient().String())
	all := said(t, d)
	fresh := filepath.Join(t.TempDir(), "new")
	if _, err := restore(fresh, to, key); err != nil {
		t.Fatal(err)
	}
	if got := said(t, office(t, fresh)); got != all {
		t.Errorf("restored, it says something else at %q", difference(got, all))
	}
}

func difference(a, b string) string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return a[n:min(len(a), n+80)]
}

// said is all records and entries of a node.
func said(t *testing.T, d *daemon.Daemon) string {
	t.Helper()
	var b strings.Builder
	for _, o := range []daemon.DumpOrder{{}, {Log: true}} {
		done, err := d.Dump(t.Context(), o, dump.Lines[any](&b))
		if err != nil || done.Skipped > 0 {
			t.Fatal(done, err)
		}
	}
	return b.String()
}

// makeV1 makes a box with some of everything: two officers' concurrent edits, an
// import, an erasure, a log that came from the laptop.
func makeV1(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(v1Directory); err == nil {
		t.Fatal("testdata/v1.tar.gz is there, and is never made again")
	}
	root, random := t.TempDir(), rand.NewChaCha8([32]byte{1})
	if err := errors.Join(demo.Provision(root, random), demo.Address(root, "127.0.0.1:0")); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	at := func(name string) *daemon.Daemon {
		d, err := daemon.OpenOffice(filepath.Join(root, name), daemon.Options{
			Now: func() time.Time { now = now.Add(time.Second); return now }, Rand: random, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	box, laptop := at("box"), at("laptop")
	fillV1(t, box, laptop, now)
	closed(t, laptop)
	if err := os.Mkdir("testdata", 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	if err := os.WriteFile(v1Says, []byte(said(t, box)), 0o644); err != nil {
		t.Fatal(err)
	}
	closed(t, box)
	if err := pack(filepath.Join(root, "box"), v1Directory); err != nil {
		t.Fatal(err)
	}
}

func fillV1(t *testing.T, box, laptop *daemon.Daemon, now time.Time) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var ids []crdt.RecordID
	var kinds []string
	n := 0
	for r := range sample.Generate(1, now, box.Pack()) {
		if n++; n > 40 {
			break
		}
		made, err := box.Engine().Save(t.Context(), engine.Save{Officer: r.Officer, Class: crdt.ClassRecords, Changes: []engine.Change{{Collection: r.Collection, Values: r.Values}}})
		must(err)
		ids, kinds = append(ids, made...), append(kinds, r.Collection)
	}
	must(send(t, box, laptop))
	for i, id := range ids[:12] {
		c, _ := box.Pack().Collection(kinds[i])
		field := c.Fields[0].Name
		for j, d := range []*daemon.Daemon{box, laptop} {
			v, err := d.Engine().Get(t.Context(), kinds[i], id)
			must(err)
			values := map[string]any{field: v.Values[field]}
			for _, f := range c.Fields {
				if s, ok := v.Values[f.Name].(string); ok && f.Type == "text" {
					values = map[string]any{f.Name: fmt.Sprintf("%s (%d)", s, j)}
				}
			}
			_, err = d.Engine().Save(t.Context(), engine.Save{Officer: fmt.Sprintf("Cán bộ %d", j), Class: crdt.ClassUrgent, Changes: []engine.Change{{
				Collection: kinds[i], Record: &id, Seen: v.Version, Values: values,
			}}})
			must(err)
		}
	}
	must(send(t, laptop, box))
	order, err := box.Engine().ErasureOf(t.Context(), "12/QĐ", kinds[20], ids[20])
	must(err)
	must(box.Engine().Erase(order))
	_, err = box.Engine().Upsert(t.Context(), "import:mau", "petitions", []engine.Row{{Key: "mau/1", Values: map[string]any{"NoiDung": "Phản ánh mẫu"}}}, false)
	must(err)
}

// pack writes a directory as one file, without the ballast, which is zeros.
func pack(dir, file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	z := gzip.NewWriter(f)
	w := tar.NewWriter(z)
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "ballast" || strings.HasSuffix(d.Name(), "lock") {
			return err
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Name: filepath.ToSlash(relative), Mode: 0o600, Size: int64(len(b)), Format: tar.FormatPAX}); err != nil {
			return err
		}
		_, err = w.Write(b)
		return err
	})
	return errors.Join(err, w.Close(), z.Close(), f.Close())
}

func unpack(file, dir string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := filepath.Join(dir, filepath.FromSlash(h.Name))
		b, err := io.ReadAll(r)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(name), 0o700)
		}
		if err == nil {
			err = os.WriteFile(name, b, 0o600)
		}
		if err != nil {
			return err
		}
	}
}
