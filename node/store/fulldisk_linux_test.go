package store

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// writer is a copy of this test that writes to a store.
type writer struct {
	*testing.T
	cmd   *exec.Cmd
	in    io.Closer
	out   *bufio.Scanner
	saved int // the number of the last save that it told of; -1: none
}

func newWriter(t *testing.T, dir string) *writer {
	t.Helper()
	w := &writer{T: t, cmd: exec.Command(os.Args[0]), saved: -1}
	w.cmd.Env = append(os.Environ(), fillAsked+"="+dir)
	w.cmd.Stderr = os.Stderr
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if w.in, err = w.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.out = bufio.NewScanner(out)
	t.Cleanup(func() { _ = w.cmd.Process.Kill() }) // it may have ended
	return w
}

// until reads what the writer says until a word comes, and gives the rest of that
// line.
func (w *writer) until(word string) string {
	w.Helper()
	for w.out.Scan() {
		said, rest, _ := strings.Cut(w.out.Text(), " ")
		if said == "saved" {
			if _, err := fmt.Sscan(rest, &w.saved); err != nil {
				w.Fatal(err)
			}
		}
		if said == word {
			return rest
		}
	}
	w.Fatalf("the writer ended (%v); want it to say %q", w.cmd.Wait(), word)
	return ""
}

// saves lets so many saves pass.
func (w *writer) saves(n int) {
	w.Helper()
	for range n {
		w.until("saved")
	}
}

// kill is kill -9; it gives how many saves had been told of.
func (w *writer) kill() int {
	w.Helper()
	if err := w.cmd.Process.Kill(); err != nil {
		w.Fatal(err)
	}
	for w.out.Scan() {
		if rest, ok := strings.CutPrefix(w.out.Text(), "saved "); ok {
			_, _ = fmt.Sscan(rest, &w.saved) // a line that was cut counts for nothing
		}
	}
	_ = w.cmd.Wait() // it was killed
	return w.saved + 1
}

// close ends the writer cleanly.
func (w *writer) close() {
	w.Helper()
	if err := w.in.Close(); err != nil {
		w.Fatal(err)
	}
	for w.out.Scan() {
		if rest, ok := strings.CutPrefix(w.out.Text(), "saved "); ok {
			_, _ = fmt.Sscan(rest, &w.saved)
		}
	}
	if err := w.cmd.Wait(); err != nil {
		w.Errorf("the writer's end: %v", err)
	}
}

// smallDisk is a file system of so many MiB in memory.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED full disks: mounting a tmpfs needs root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", size)); err != nil {
		t.Skipf("SKIPPED full disks: a tmpfs can't be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// neighbour is another program's file on the disk.
type neighbour struct {
	*testing.T
	f *os.File
	n int64
}

func newNeighbour(t *testing.T, disk string) *neighbour {
	t.Helper()
	f, err := os.Create(filepath.Join(disk, "neighbour"))
	if err != nil {
		t.Fatal(err)
	}
	return &neighbour{t, f, 0}
}

// take takes so much of the disk, and says whether that was there.
func (n *neighbour) take(size int64) bool {
	n.Helper()
	err := syscall.Fallocate(int(n.f.Fd()), 0, n.n, size)
	if err == nil {
		n.n += size
	} else if !errors.Is(err, syscall.ENOSPC) {
		n.Fatal(err)
	}
	return err == nil
}

// fill takes all that is left, 1 MiB every 5 ms: as fast as a disk writes.
func (n *neighbour) fill() {
	n.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for n.take(1 << 20) {
		<-tick.C
	}
	for n.take(4 << 10) {
	}
}

// leave gives all of it back.
func (n *neighbour) leave() {
	n.Helper()
	if err := errors.Join(n.f.Close(), os.Remove(n.f.Name())); err != nil {
		n.Fatal(err)
	}
}

// TestFullDisk lets a writer fill a small disk, and a neighbour take all of it while
// Badger writes tables: the writer lives, says what to do, goes on by itself when
// there is room, and opens again on the full disk with all that it had acknowledged.
func TestFullDisk(t *testing.T) {
	disk := smallDisk(t, 500)
	dir := filepath.Join(disk, "store")
	rng := rand.New(rand.NewPCG(*seed, 3))
	t.Logf("seed %d (-seed replays)", *seed)
	saved := 0
	reopened := func() *writer {
		t.Helper()
		w := newWriter(t, dir)
		if held := w.until("open"); held != fmt.Sprint(saved) && held != fmt.Sprint(saved+1) {
			t.Fatalf("%s saves are there; %d were acknowledged", held, saved)
		} else if _, err := fmt.Sscan(held, &saved); err != nil {
			t.Fatal(err)
		}
		w.saved = saved - 1
		return w
	}
	for range 3 {
		w := reopened()
		w.saves(60 + rng.IntN(120))
		other := newNeighbour(t, disk)
		other.fill()
		if said := w.until("full"); !strings.Contains(said, "the disk is almost full") {
			t.Errorf("it says %q", said)
		}
		saved = w.kill()
		w = reopened() // on the full disk
		w.until("full")
		other.leave()
		w.until("room")
		w.saves(20)
		w.close()
		saved = w.saved + 1
	}
	w := reopened()
	other, room := newNeighbour(t, disk), Room{}
	var err error
	if room, err = roomOf(disk); err != nil || !other.take(int64(room.Free-room.low()-32<<20)) {
		t.Fatal("there is no room for the neighbour", room, err)
	}
	w.until("full") // by its own writing
	w.close()
}
