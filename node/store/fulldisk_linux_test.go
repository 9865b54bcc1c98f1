package store

import (
	"bufio"
	"bytes"
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
)

// writer is a copy of this test that writes to a store.
type writer struct {
	*testing.T
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Scanner
	saved int // the number of the last save that it told of; -1: none
	died  bytes.Buffer
}

func newWriter(t *testing.T, dir string) *writer {
	t.Helper()
	w := &writer{T: t, cmd: exec.Command(os.Args[0]), saved: -1}
	w.cmd.Env = append(os.Environ(), fillAsked+"="+dir)
	w.cmd.Stderr = &w.died
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
	t.Cleanup(func() {
		_ = w.cmd.Process.Kill() // it may have ended
		if t.Failed() {
			t.Logf("a writer's last words: %.2000s", w.died.String())
		}
	})
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

// look lets the writer look at the disk, and gives what it says of a full one.
func (w *writer) look() (full string) {
	w.Helper()
	if _, err := w.in.Write([]byte{'?'}); err != nil {
		w.Fatal(err)
	}
	for w.out.Scan() {
		switch said, rest, _ := strings.Cut(w.out.Text(), " "); said {
		case "looked":
			return full
		case "full":
			full = rest
		case "saved":
			if _, err := fmt.Sscan(rest, &w.saved); err != nil {
				w.Fatal(err)
			}
		}
	}
	w.Fatalf("the writer ended (%v) when it was to look at the disk", w.cmd.Wait())
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

// piece is what a neighbour takes at most between two looks of the store's: far less
// than low water.
const piece = 4 << 20

// fill takes all that is left, in pieces between which the writer has looked at the
// disk, until the writer says that it is full; the rest at once. It gives what the
// writer said.
func (n *neighbour) fill(w *writer) (said string) {
	n.Helper()
	for said == "" {
		if !n.take(piece) {
			n.Fatal("nothing is left, and the writer doesn't say so")
		}
		said = w.look()
	}
	n.rest()
	return said
}

// rest takes all that is left.
func (n *neighbour) rest() {
	n.Helper()
	for size := int64(piece); size >= 4<<10; size /= 2 {
		for n.take(size) {
		}
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
		if said := other.fill(w); !strings.Contains(said, "the disk is almost full") {
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

// TestADiskThatIsTakenInOneMoment is what isn't promised: a neighbour takes the whole
// disk between two looks while Badger writes tables, and the kernel may end the writer
// (SIGBUS). Then too the store opens, on the full disk as it is or, where not even the
// ballast is left, once there is room, with all that was acknowledged and without damage.
func TestADiskThatIsTakenInOneMoment(t *testing.T) {
	disk := smallDisk(t, 300)
	dir := filepath.Join(disk, "store")
	rng := rand.New(rand.NewPCG(*seed, 4))
	t.Logf("seed %d (-seed replays)", *seed)
	saved, ended := 0, 0
	const rounds = 6
	for range rounds {
		w := newWriter(t, dir)
		w.until("open")
		w.saves(100 + rng.IntN(150))
		other := newNeighbour(t, disk)
		other.rest()
		if w.ends() {
			ended++
		}
		saved = max(saved, w.saved+1)
		w = newWriter(t, dir) // on the full disk
		said, opened := w.opens()
		if !opened {
			other.leave()
			w = newWriter(t, dir)
			said = w.until("open")
		}
		var held int
		if _, err := fmt.Sscan(said, &held); err != nil || held != saved && held != saved+1 {
			t.Fatalf("%d saves are there; %d were acknowledged: %v", held, saved, err)
		}
		saved = held
		if opened {
			w.until("full")
		}
		w.kill()
		if opened {
			other.leave()
		}
		s := open(t, dir)
		if len(s.Damage()) > 0 || s.Recovered().any() {
			t.Errorf("damage %v, recovered %+v", s.Damage(), s.Recovered())
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("the kernel ended the writer in %d of %d rounds", ended, rounds)
}

// opens waits until the writer has opened the store, and gives what it says then, or has
// refused to, because the neighbour took the ballast's blocks while Badger was opened.
func (w *writer) opens() (says string, opened bool) {
	w.Helper()
	for w.out.Scan() {
		if said, rest, _ := strings.Cut(w.out.Text(), " "); said == "open" {
			return rest, true
		}
	}
	if err := w.cmd.Wait(); !strings.Contains(w.died.String(), "without room even to open") {
		w.Errorf("opening on the full disk: %v, %.300s", err, w.died.String())
	}
	return "", false
}

// ends waits until the writer was ended by the kernel, has stopped because Badger found
// no block for opening anew, or says that the disk is full and is killed then. It says
// whether it was the first.
func (w *writer) ends() (byKernel bool) {
	w.Helper()
	for w.out.Scan() {
		said, rest, _ := strings.Cut(w.out.Text(), " ")
		switch said {
		case "saved":
			_, _ = fmt.Sscan(rest, &w.saved) // a line that was cut counts for nothing
		case "full":
			w.kill()
			return false
		}
	}
	err := w.cmd.Wait()
	byKernel = strings.Contains(w.died.String(), "SIGBUS")
	if !byKernel && !strings.Contains(w.died.String(), syscall.ENOSPC.Error()) {
		w.Errorf("the writer ended: %v, %.300s", err, w.died.String())
	}
	return byKernel
}

// Where somebody else has taken the last block between the look and the save, the
// tables file finds its room in the ballast; without one it is written later, and the
// save is durable all the same.
func TestTheTablesFileOnAFullDisk(t *testing.T) {
	for ballast, now := range map[int64]bool{defaultBallast: true, -1: false} {
		disk := smallDisk(t, 120)
		dir, o := filepath.Join(disk, "store"), testOptions()
		o.Ballast = ballast
		o.Room = func(string) (Room, error) { return Room{Free: 1 << 30, Total: 2 << 30}, nil } // what the look saw
		s, err := Open(dir, o)
		if err == nil {
			err = put(s, "a")
		}
		if err != nil {
			t.Fatal(err)
		}
		number := s.tables.Number
		other := newNeighbour(t, disk)
		other.rest()
		s.state.Lock()
		s.unwritten = true // as when Badger has changed the MANIFEST
		s.state.Unlock()
		if err := put(s, "b"); err != nil || (s.tables.Number > number) != now || s.newDamage() == now {
			t.Fatalf("ballast %d: %v, tables file %d after %d; want it written now: %v", ballast, err, s.tables.Number, number, now)
		}
		killed := t.TempDir()
		copyDir(t, dir, killed)
		other.leave()
		if err := put(s, "c"); err != nil || s.newDamage() || s.space.ballast.held() != max(0, ballast) {
			t.Errorf("ballast %d, with room: %v, unwritten %v, %d bytes held", ballast, err, s.newDamage(), s.space.ballast.held())
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		for in, want := range map[string][]string{killed: {"a", "b"}, dir: {"a", "b", "c"}} {
			s := open(t, in)
			holds(t, s, want...)
			if r := s.Recovered(); r.Commits > 0 {
				t.Errorf("recovered %+v", r)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
