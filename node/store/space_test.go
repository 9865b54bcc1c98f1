package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vungxa/vungxa/node"
)

// disk is a disk whose room a test sets.
type disk struct{ free uint64 }

func (d *disk) options() Options {
	o := testOptions()
	o.Room = func(string) (Room, error) { return Room{Free: d.free, Total: 1 << 30}, nil }
	return o
}

func put(s *Store, name string) error {
	return s.Update(func(tx *Tx) error { return tx.PutMeta(name, []byte(name)) })
}

func holds(t *testing.T, s *Store, names ...string) {
	t.Helper()
	err := s.View(func(tx *Tx) error {
		for _, name := range names {
			if b, err := tx.Meta(name); string(b) != name || err != nil {
				return fmt.Errorf("%s holds %q: %w", name, b, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func hasBallast(s *Store) bool {
	_, err := os.Stat(s.path(fileBallast))
	return err == nil
}

// A disk that fills makes the store read-only before it is full, with a sentence
// that says what to do.
func TestAFullDiskIsReadOnlyUntilThereIsRoom(t *testing.T) {
	dir, d := t.TempDir(), &disk{free: 1 << 30}
	s, err := Open(dir, d.options())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := put(s, "a"); err != nil || !hasBallast(s) {
		t.Fatalf("with room: %v, ballast %v", err, hasBallast(s))
	}
	d.free = 128<<20 - 1 // an eighth of the disk, and a byte less
	for range 3 {
		err := put(s, "b")
		if node.CodeOf(err) != node.ReadOnly || !strings.Contains(err.Error(), "what was saved is all there") {
			t.Fatalf("a save on a full disk: %v; want a sentence", err)
		}
	}
	if !hasBallast(s) || !s.space.resting {
		t.Errorf("ballast %v, resting %v; want it kept, since there was room for Badger to come to rest", hasBallast(s), s.space.resting)
	}
	holds(t, s, "a")
	d.free = s.space.enough(Room{Total: 1 << 30}) - 1 // more than low water, but not enough for the ballast
	if err := s.Tend(); node.CodeOf(err) != node.ReadOnly {
		t.Errorf("with little room: %v; want it read-only still", err)
	}
	d.free = s.space.enough(Room{Total: 1 << 30})
	if err := s.Tend(); err != nil || !hasBallast(s) || s.space.resting {
		t.Errorf("with room again: %v, ballast %v, resting %v", err, hasBallast(s), s.space.resting)
	}
	if err := put(s, "c"); err != nil {
		t.Errorf("a save with room again: %v", err)
	}
	holds(t, s, "a", "c")
}

// Badger is not closed under a reader's hands: it goes to rest when he is done.
func TestAReaderKeepsBadgerOpen(t *testing.T) {
	d := &disk{free: 1 << 30}
	s, err := Open(t.TempDir(), d.options())
	if err != nil {
		t.Fatal(err)
	}
	if err := put(s, "a"); err != nil {
		t.Fatal(err)
	}
	err = s.View(func(tx *Tx) error {
		d.free = 0
		if err := put(s, "b"); node.CodeOf(err) != node.ReadOnly {
			t.Errorf("a save on a full disk: %v", err)
		}
		if s.space.resting {
			t.Error("Badger was opened anew under a reader")
		}
		_, err := tx.Meta("a")
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if err := s.Tend(); node.CodeOf(err) != node.ReadOnly || !s.space.resting {
		t.Errorf("after the reader: %v, resting %v", err, s.space.resting)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// A store opens on a full disk as long as its ballast gives it some room, and says
// how much is wanted where that is not enough.
// Of a disk that is nearly full the ballast takes back what there is, and leaves some
// for the small files that are written anew.
func TestTheBallastLeavesRoom(t *testing.T) {
	dir, d := t.TempDir(), &disk{free: 3 * spare}
	o := d.options()
	o.Ballast = 6 * spare
	s := newSpace(dir, o)
	if err := s.restock(dir); err != nil {
		t.Fatal(err)
	}
	if held := s.ballast.held(); held != 2*spare {
		t.Errorf("%d bytes are held; want all but %d of %d", held, spare, d.free)
	}
}

func TestOpeningOnAFullDisk(t *testing.T) {
	dir, d := t.TempDir(), &disk{free: 1 << 30}
	reopen := func() (*Store, error) { return Open(dir, d.options()) }
	s, err := reopen()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(put(s, "a"), s.Close()); err != nil {
		t.Fatal(err)
	}
	d.free = openRoom
	if s, err = reopen(); err != nil {
		t.Fatalf("with the ballast's room: %v", err)
	}
	holds(t, s, "a")
	if err := put(s, "b"); node.CodeOf(err) != node.ReadOnly {
		t.Errorf("a save: %v; want it refused", err)
	}
	d.free = 1 << 30
	if err := errors.Join(put(s, "c"), s.Close()); err != nil {
		t.Errorf("with room again: %v", err)
	}
	d.free = openRoom - 1
	if _, err = reopen(); node.CodeOf(err) != node.Unavailable || !strings.Contains(err.Error(), "start the program again") {
		t.Errorf("without any room: %v; want a sentence", err)
	}
	d.free = 1 << 30
	if s, err = reopen(); err != nil {
		t.Fatal(err)
	}
	holds(t, s, "a", "c")
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// Whoever writes much waits while memory is short, and no longer than a while.
func TestIngestWaitsForMemory(t *testing.T) {
	busy, pauses := true, 0
	o := testOptions()
	o.Busy = func() bool { return busy }
	o.Pause = func() {
		if pauses++; pauses == 7 {
			busy = false
		}
	}
	s, err := Open(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := put(s, "a little"); err != nil || pauses > 0 {
		t.Errorf("a small write: %v after %d pauses; want none", err, pauses)
	}
	much := func() {
		t.Helper()
		for i := range 3 * ingestPiece / (64 << 10) {
			err := s.Update(func(tx *Tx) error { return tx.PutMeta(fmt.Sprint(i), make([]byte, 64<<10)) })
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if much(); pauses != 7 {
		t.Errorf("%d pauses; want 7, until memory was there", pauses)
	}
	busy, pauses = true, 10 // never there again
	if much(); pauses < 10+holdsMax || pauses > 10+4*holdsMax {
		t.Errorf("%d pauses for 3 MiB; want them bounded", pauses-10)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// Where the disk has no block left for the tables file just when the store is opened,
// it opens and saves nevertheless, and a crash then is one like any other: nothing is
// lost, and what the heads file says of the MANIFEST still guards it.
func TestOpeningWithoutRoomForTheTablesFile(t *testing.T) {
	work, cut := filepath.Join(t.TempDir(), "work"), filepath.Join(t.TempDir(), "cut")
	m := fillStore(t, work)
	crashed(t, m, work, cut) // so that opening makes tables of logs
	before, err := readHeads(filepath.Join(cut, fileHeads), testKeys)
	if err != nil || before.Manifest.Len == 0 {
		t.Fatal(before.Manifest, err)
	}
	o := testOptions()
	refused := 0
	o.replace = func(string, []byte) error { refused++; return syscall.ENOSPC }
	s, err := Open(cut, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := put(s, "saved"); err != nil || refused < 2 || len(s.Damage()) > 0 {
		t.Fatalf("a save: %v, refused %d times, damage %v", err, refused, s.Damage())
	}
	after, err := readHeads(filepath.Join(cut, fileHeads), testKeys)
	if err != nil || after.Manifest.Len != before.Manifest.Len || after.Tables != before.Tables {
		t.Errorf("the heads file speaks of MANIFEST %+v, tables %v, %v; want those that the tables file on the disk belongs to: %+v, %v",
			after.Manifest, after.Tables, err, before.Manifest, before.Tables)
	}
	crash := filepath.Join(t.TempDir(), "crash")
	copyDir(t, cut, crash)
	if err := s.Close(); !DiskFull(err) {
		t.Errorf("closed: %v; want to be told that the disk is full", err)
	}
	for _, dir := range []string{crash, cut} {
		struck := filepath.Join(t.TempDir(), "struck")
		copyDir(t, dir, struck)
		if told, wrong := m.verdict(dir, testOptions()); len(told) > 0 || len(wrong) > 0 {
			t.Errorf("%s: told %v, wrong %v", filepath.Base(dir), told, wrong)
		}
		s := open(t, dir)
		holds(t, s, "saved")
		if err := os.Truncate(manifestName(filepath.Join(struck, firstGen)), 40); err != nil {
			t.Fatal(err)
		}
		if told, _ := m.verdict(struck, testOptions()); len(told) == 0 {
			t.Errorf("%s: a MANIFEST that was cut off isn't told of", filepath.Base(dir))
		}
	}
}
