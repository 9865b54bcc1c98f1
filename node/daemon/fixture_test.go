package daemon_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node/attach"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/demo"
	"github.com/vungxa/vungxa/node/engine"
	"github.com/vungxa/vungxa/node/store/keyring"
)

func restOptions() daemon.Options {
	return daemon.Options{Now: time.Now, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler)}
}

// office opens a box at rest; it is closed with the test, or before.
func office(t *testing.T, dir string) *daemon.Daemon {
	t.Helper()
	d, err := daemon.OpenOffice(dir, restOptions())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func closed(t *testing.T, d *daemon.Daemon) {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

func save(t *testing.T, d *daemon.Daemon, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		_, err := d.Engine().Save(t.Context(), engine.Save{Officer: "mot-cua", Class: crdt.ClassRecords, Changes: []engine.Change{{
			Collection: "petitions", Values: map[string]any{"NoiDung": fmt.Sprintf("Đường hỏng số %d", i), "NgayTiepNhan": int64(1_790_000_000_000 + i)},
		}}})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// saveText saves a petition that says a text.
func saveText(t *testing.T, d *daemon.Daemon, text string) crdt.RecordID {
	t.Helper()
	ids, err := d.Engine().Save(t.Context(), engine.Save{Officer: "mot-cua", Class: crdt.ClassRecords, Changes: []engine.Change{{
		Collection: "petitions", Values: map[string]any{"NoiDung": text},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return ids[0]
}

// eraseText has what a petition says erased by order.
func eraseText(t *testing.T, d *daemon.Daemon, id crdt.RecordID) {
	t.Helper()
	order, err := d.Engine().ErasureOf(t.Context(), "12/QĐ", "petitions", id, "NoiDung")
	if err == nil {
		err = d.Engine().Erase(order)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// wantNotShown looks for a text in all records and entries.
func wantNotShown(t *testing.T, d *daemon.Daemon, text string) {
	t.Helper()
	for _, what := range []daemon.DumpOrder{{}, {Log: true}} {
		lines := 0
		_, err := d.Dump(t.Context(), what, func(line any) error {
			b, err := json.Marshal(line)
			if lines++; strings.Contains(string(b), text) {
				t.Errorf("it is there: %s", b)
			}
			return err
		})
		if err != nil || lines == 0 {
			t.Errorf("%d lines, %v", lines, err)
		}
	}
}

// shown is what all petitions show, sorted.
func shown(t *testing.T, d *daemon.Daemon) (all []string) {
	t.Helper()
	err := d.Engine().Each("petitions", func(values map[string]any) error {
		b, err := json.Marshal(values)
		all = append(all, string(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

func wantSound(t *testing.T, d *daemon.Daemon) {
	t.Helper()
	wantFindings(t, d)
}

// wantFindings compares what verify tells, as part, kind and place.
func wantFindings(t *testing.T, d *daemon.Daemon, want ...string) {
	t.Helper()
	var got []string
	_, err := d.Verify(t.Context(), func(f daemon.Finding) error {
		got = append(got, fmt.Sprint(f.Part, " ", f.Kind, " ", f.Place))
		if f.What.VI == "" || f.What.EN == "" || f.Do.VI == "" || f.Do.EN == "" {
			t.Errorf("%+v: words are missing", f)
		}
		return nil
	})
	slices.Sort(got)
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("verify tells %q, %v; want %q", got, err, want)
	}
}

func attachTo(t *testing.T, dir string) (all map[attach.Hash][]byte) {
	t.Helper()
	s := attachmentsOf(t, dir)
	all = map[attach.Hash][]byte{}
	for _, size := range []int{0, 1, 700_000} {
		b := bytes.Repeat([]byte{byte(size), 7}, size)
		h, _, err := s.Put(t.Context(), bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		all[h] = b
	}
	return all
}

func wantAttached(t *testing.T, dir string, want map[attach.Hash][]byte) {
	t.Helper()
	s := attachmentsOf(t, dir)
	for h, b := range want {
		f, err := s.Open(h)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(f)
		if err = errors.Join(err, f.Close()); err != nil || !bytes.Equal(got, b) {
			t.Errorf("attachment %v: %d bytes, %v; want %d", h, len(got), err, len(b))
		}
	}
}

func attachmentsOf(t *testing.T, dir string) *attach.Store {
	t.Helper()
	ring, err := keyring.Open(dir, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := attach.OpenStore(filepath.Join(dir, "attachments"), attach.Options{Keys: ring.Keys()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func recoveryKey(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func backUp(t *testing.T, d *daemon.Daemon, to string, recipients ...string) daemon.BackupReport {
	t.Helper()
	r, err := d.Backup(t.Context(), daemon.BackupOrder{To: to, Recipients: recipients, Program: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func restore(dir, from string, who age.Identity) (daemon.Restored, error) {
	return daemon.Restore(context.Background(), dir, daemon.RestoreOrder{From: from, Who: []age.Identity{who}, Secret: keyring.BesideSecret()}, restOptions())
}

// incarnations are those under which the box's own logs were written.
func incarnations(t *testing.T, d *daemon.Daemon) map[crdt.Incarnation]uint64 {
	t.Helper()
	heads, err := d.Engine().Heads(demo.Scope())
	if err != nil {
		t.Fatal(err)
	}
	all := map[crdt.Incarnation]uint64{}
	for log, head := range heads {
		all[log.Incarnation] += head.Seq
	}
	return all
}

func contains(all, some []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { _, found := slices.BinarySearch(all, s); return !found })
}

func send(t *testing.T, from, to *daemon.Daemon) error {
	t.Helper()
	if _, err := from.Engine().Heads(demo.Scope()); err != nil { // seals
		return err
	}
	return from.Engine().Segments(func(s *wire.Segment) error { return to.Engine().Ingest(t.Context(), []*wire.Segment{s}) })
}
