package daemon_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/demo"
	"github.com/vungxa/vungxa/node/engine"
	"github.com/vungxa/vungxa/node/store/keyring"
)

// The child of a crash test changes a node's data key and kills itself at the n-th
// step.
const (
	envRotate = "VUNGXA_ROTATE_TEST_DIR"
	envKill   = "VUNGXA_ROTATE_TEST_KILL"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(envRotate); dir != "" {
		if err := rotateAndDie(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func rotateAndDie(dir string) error {
	at, err := strconv.Atoi(os.Getenv(envKill))
	if err != nil {
		return err
	}
	steps := 0
	daemon.OnRotationStep(func(name string) {
		if steps++; steps == at {
			fmt.Println("killed", name)
			self, err := os.FindProcess(os.Getpid())
			if err == nil {
				err = self.Kill()
			}
			panic(fmt.Sprint("still alive: ", err))
		}
	})
	_, err = daemon.Rotate(context.Background(), dir, options(), false, func() {})
	return err
}

func options() daemon.Options {
	return daemon.Options{Now: time.Now, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler)}
}

// received makes a demonstration in which the province has received what the box
// saved, so that its raft directory holds something.
func received(t *testing.T) (dir string) {
	t.Helper()
	dir = provision(t)
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	var box *daemon.Daemon
	running := map[*daemon.Daemon]chan error{}
	for _, name := range []string{"province", "box"} {
		box = open(t, filepath.Join(dir, name))
		ended := make(chan error, 1)
		running[box] = ended
		go func(d *daemon.Daemon) { ended <- d.Run(ctx) }(box)
	}
	petition(t, box)
	for {
		changed := box.Engine().Changed()
		receipts, err := box.Engine().Receipts(demo.Scope())
		if err != nil {
			t.Fatal(err)
		}
		if len(receipts) > 0 {
			break
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatal("no receipt came")
		}
	}
	stop()
	for d, ended := range running {
		if err := errors.Join(<-ended, d.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// petition saves something at a node.
func petition(t *testing.T, d *daemon.Daemon) {
	t.Helper()
	_, err := d.Engine().Save(t.Context(), engine.Save{Officer: "mot-cua", Class: crdt.ClassRecords, Changes: []engine.Change{{
		Collection: "petitions", Values: map[string]any{"NoiDung": "Đường hỏng", "NgayTiepNhan": int64(1795399200000)},
	}}})
	if err != nil {
		t.Fatal(err)
	}
}

// saved runs a node until it has saved what it should, and stops it.
func saved(t *testing.T, dir string) {
	t.Helper()
	d := open(t, dir)
	if !d.Info().ReadOnly {
		petition(t, d)
		petition(t, d)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

func heads(t *testing.T, dir string) map[crdt.LogID]crdt.Head {
	t.Helper()
	d, err := daemon.OpenOffice(dir, options())
	if err != nil {
		t.Fatal(err)
	}
	h, err := d.Engine().Heads(demo.Scope())
	if err = errors.Join(err, d.Close()); err != nil {
		t.Fatal(err)
	}
	return h
}

func dataKey(t *testing.T, dir string) keyring.Keys {
	t.Helper()
	r, err := keyring.Open(dir, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return r.Keys()
}

// After a change of the data key the node goes on as the same device under another
// key, raft included, and the old key opens nothing of it.
func TestRotate(t *testing.T) {
	all := received(t)
	for _, name := range []string{"box", "province"} {
		dir := filepath.Join(all, name)
		before, key := heads(t, dir), dataKey(t, dir)
		if len(before) == 0 {
			t.Fatalf("%s holds nothing", name)
		}
		if p, err := daemon.Rotate(t.Context(), dir, options(), false, func() {}); err != nil || p.Rotating || p.Class != keyring.ClassNone {
			t.Fatalf("%s: %+v, %v", name, p, err)
		}
		if now := dataKey(t, dir); now.Data == key.Data || now.StoreID != key.StoreID {
			t.Errorf("%s: the data key wasn't changed, or the store id was", name)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "next*")); len(left) > 0 {
			t.Errorf("%s: %v is left", name, left)
		}
		after := heads(t, dir)
		if len(after) != len(before) {
			t.Errorf("%s: %d logs; want %d", name, len(after), len(before))
		}
		for log, head := range before {
			if after[log] != head {
				t.Errorf("%s: another head of %v", name, log)
			}
		}
		saved(t, dir) // goes on, under the same incarnation
		if again := heads(t, dir); len(again) != len(before) {
			t.Errorf("%s: %d logs after another save; want %d", name, len(again), len(before))
		}
	}
}

func TestRotateRefuses(t *testing.T) {
	dir := filepath.Join(provision(t), "box")
	ring, err := keyring.Open(dir, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text, err := keyring.NewKeyText(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := keyring.KeySecret(keyring.Environment, text)
	if err == nil {
		_, err = ring.Add(secret, "")
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := daemon.Rotate(t.Context(), dir, options(), false, func() {}); node.CodeOf(err) != node.Conflict {
		t.Errorf("a slot was dropped without a word: %v", err)
	}
	d := open(t, dir)
	if _, err := daemon.Rotate(t.Context(), dir, options(), true, func() {}); node.CodeOf(err) != node.Unavailable {
		t.Errorf("under a node that runs: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if p, err := daemon.Rotate(t.Context(), dir, options(), true, func() {}); err != nil || len(p.Slots) != 1 {
		t.Errorf("with leave to drop: %+v, %v", p, err)
	}
	if p, err := keyring.Read(dir); err != nil || len(p.Slots) != 1 || p.Rotating {
		t.Errorf("%+v, %v", p, err)
	}
}

// Killed at any step, the node opens with everything that it had, under the old key
// or the new.
func TestKilledInARotation(t *testing.T) {
	if testing.Short() {
		t.Skip("a process for every step")
	}
	whole := filepath.Join(received(t), "province")
	for kill := 1; ; kill++ {
		dir := filepath.Join(t.TempDir(), "province")
		if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
			t.Fatal(err)
		}
		before, key := heads(t, dir), dataKey(t, dir)
		if len(before) == 0 {
			t.Fatal("the province holds nothing")
		}
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), envRotate+"="+dir, envKill+"="+strconv.Itoa(kill))
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if err != nil && (!errors.As(err, &exit) || exit.ExitCode() == 1) {
			t.Fatalf("%v: %s", err, out)
		}
		saved(t, dir)
		after := heads(t, dir)
		for log, head := range before {
			if after[log].Seq < head.Seq {
				t.Errorf("step %d, %s: %v is at %d; was at %d", kill, out, log, after[log].Seq, head.Seq)
			}
		}
		p, readErr := keyring.Read(dir)
		if readErr != nil || p.Rotating || p.Damaged {
			t.Errorf("step %d, %s: %+v, %v", kill, out, p, readErr)
		}
		if _, statErr := os.Stat(filepath.Join(dir, "next")); statErr == nil {
			t.Errorf("step %d, %s: what was half made is left", kill, out)
		}
		t.Logf("step %d: %s; new key: %v", kill, out, dataKey(t, dir) != key)
		if err == nil {
			if kill < 10 {
				t.Errorf("only %d steps", kill)
			}
			return
		}
	}
}

// A store that was put back to an earlier state has to say so to the engine; the copy
// under a new key couldn't.
func TestADamagedStoreIsNotCopiedToANewKey(t *testing.T) {
	dir := filepath.Join(provision(t), "box")
	d := office(t, dir)
	save(t, d, 0, 3)
	closed(t, d)
	now, then := filepath.Join(dir, "store"), filepath.Join(t.TempDir(), "store")
	if err := os.CopyFS(then, os.DirFS(now)); err != nil {
		t.Fatal(err)
	}
	d = office(t, dir)
	save(t, d, 3, 6)
	closed(t, d)
	if err := errors.Join(os.RemoveAll(filepath.Join(now, "g1")), os.CopyFS(filepath.Join(now, "g1"), os.DirFS(filepath.Join(then, "g1")))); err != nil {
		t.Fatal(err)
	}
	for range 2 { // being refused makes it no better
		if _, err := daemon.Rotate(t.Context(), dir, options(), true, func() {}); node.CodeOf(err) != node.Damaged {
			t.Fatalf("a change of the key: %v; want a sentence", err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, "next*")); err != nil || len(left) > 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}

// What lies under the old key is named before the key goes, or goes with it.
func TestNothingStaysUnderTheOldKey(t *testing.T) {
	dir := filepath.Join(provision(t), "box")
	d := office(t, dir)
	save(t, d, 0, 3)
	closed(t, d)
	done, err := daemon.Repair(t.Context(), dir, daemon.RepairOrder{}, options())
	if err != nil {
		t.Fatal(err)
	}
	scratch := []string{filepath.Join(dir, "store.next"), filepath.Join(dir, "store.salvage")}
	for _, name := range scratch {
		if err := os.MkdirAll(filepath.Join(name, "g1"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	_, err = daemon.Rotate(t.Context(), dir, options(), true, func() {})
	if node.CodeOf(err) != node.Conflict || !strings.Contains(err.Error(), done.Was) {
		t.Fatalf("with %s there: %v; want that it is named", done.Was, err)
	}
	if err := os.RemoveAll(done.Was); err != nil {
		t.Fatal(err)
	}
	if _, err := daemon.Rotate(t.Context(), dir, options(), true, func() {}); err != nil {
		t.Fatal(err)
	}
	for _, name := range scratch {
		if _, err := os.Stat(name); !os.IsNotExist(err) {
			t.Errorf("%s: %v; want that it is gone", name, err)
		}
	}
	if got := shown(t, office(t, dir)); len(got) != 3 {
		t.Errorf("%d petitions; want 3", len(got))
	}
}
