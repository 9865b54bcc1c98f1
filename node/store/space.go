package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/vungxa/vungxa/node"
)

// Room that a store wants on its disk. Badger writes through mappings of sparse
// files, and ends the program where the disk has no block for what it writes. So
// the store stops taking writes while there is still room for all that Badger may
// have begun: a memory table and its log (2 x 5 MiB), its table (5), a compaction
// of level 0 into the next (5 tables of 4 MiB and about 20 MiB), another one (20).
const (
	lowWater       = 64 << 20 // below it nothing is written
	highWater      = 16 << 20 // so far above low water and ballast, writing goes on
	openRoom       = 16 << 20 // what opening takes at most: logs become tables one by one
	defaultBallast = 24 << 20
)

// space is what the store knows of the room on its disk. Guarded by Store.write.
type space struct {
	ballast ballast
	free    func(dir string) (uint64, error)
	full    bool // nothing is written until there is room again
	resting bool // Badger is open without compactors: it writes nothing by itself
}

func newSpace(dir string, o Options) space {
	s := space{ballast: ballast{name: dir + string(os.PathSeparator) + fileBallast, size: o.Ballast}, free: o.Free}
	if o.Ballast == 0 {
		s.ballast.size = defaultBallast
	}
	s.ballast.size = max(0, s.ballast.size)
	if s.free == nil {
		s.free = freeBytes
	}
	return s
}

// find looks at the disk, gives the ballast up where it fills, and takes it back
// when there is room again. It returns how many bytes are free.
func (s *space) find(dir string) (free uint64, err error) {
	if free, err = s.free(dir); err != nil {
		return 0, fmt.Errorf("ask how much room the disk has: %w", err)
	}
	switch {
	case !s.full && free < lowWater:
		s.full = true
		err = s.ballast.release()
	case s.full && free >= s.enough():
		if err := s.ballast.make(); err != nil {
			return free, nil // somebody else was faster: still full
		}
		s.full = false
	}
	return free, err
}

// enough is how much must be free for writing to go on, without the ballast.
func (s *space) enough() uint64 { return uint64(lowWater + highWater + s.ballast.size) }

// refusal is the sentence for the officer.
func (s *space) refusal(free uint64) error {
	return node.Errorf(node.ReadOnly,
		"Ổ đĩa sắp đầy (còn %d MiB) nên máy này tạm thời chỉ xem, chưa lưu thêm được. Những gì đã lưu vẫn còn nguyên. Hãy xóa bớt hoặc chuyển tệp khác đi cho đến khi còn trống %d MiB; sau đó lại lưu được ngay.",
		"the disk is almost full (%d MiB left), so this device only shows records for now and saves nothing more; what was saved is all there: remove or move other files until %d MiB are free, then saving goes on by itself",
		free>>20, s.enough()>>20)
}

// prepareRoom is called before Badger is opened, which writes.
func (s *Store) prepareRoom() error {
	s.space = newSpace(s.dir, s.opts)
	free, err := s.space.find(s.dir)
	if err == nil && !s.space.full {
		if err = s.space.ballast.make(); err != nil {
			s.space.full = true // no room for it: nothing is to be written
			err = s.space.ballast.release()
		}
	}
	s.space.resting = s.space.full
	if err == nil && s.space.full {
		free, err = s.space.free(s.dir)
	}
	if err == nil && s.space.full && free < openRoom {
		err = node.Errorf(node.Unavailable,
			"Ổ đĩa đã đầy (còn %d MiB), không đủ chỗ để mở kho dữ liệu %s. Những gì đã lưu vẫn còn nguyên. Hãy xóa bớt tệp khác cho đến khi còn trống %d MiB rồi mở lại chương trình.",
			"the disk is full (%d MiB left), without room even to open the store %s; what was saved is all there: remove other files until %d MiB are free, then start the program again",
			free>>20, s.dir, s.space.enough()>>20)
	}
	return err
}

// Tend looks at the room on the disk: what Update does before it writes, for when
// nobody writes. The error is the sentence for the officer while there is none.
func (s *Store) Tend() error {
	s.write.Lock()
	defer s.write.Unlock()
	return s.tend()
}

// tend follows the disk: while it is full Badger is opened anew without compactors,
// so that it writes nothing by itself and nobody's filling of the disk can end the
// program. The caller holds write.
func (s *Store) tend() error {
	if s.db == nil {
		return errClosed
	}
	free, err := s.space.find(s.dir)
	if err != nil {
		return err
	}
	if s.space.full != s.space.resting && s.broken == nil && !s.distrusted() {
		if err := s.change(s.space.full); err != nil {
			return err
		}
	}
	if s.space.full {
		return s.space.refusal(free)
	}
	return nil
}

// change opens Badger anew with or without compactors, unless somebody reads just
// now: then it is tried again the next time.
func (s *Store) change(rest bool) error {
	if !s.gate.TryLock() {
		return nil
	}
	defer s.gate.Unlock()
	if s.opts.Log != nil {
		s.opts.Log.Warn("the room on the disk has changed", "full", rest)
	}
	err := s.db.Close()
	s.db = nil
	if err == nil {
		s.space.resting = rest
		err = s.openBadger()
	}
	if err == nil {
		err = s.restartWALs()
	}
	if err != nil {
		return s.stop(fmt.Errorf("open the store anew: %w", err))
	}
	return s.note(nil, false)
}

// restartWALs follows the logs of a Badger that has just been opened: it made
// tables of all that was in the old ones, and counts from the start.
func (s *Store) restartWALs() error {
	ids, err := walIDs(s.gen)
	s.wals, s.lastWAL = nil, 0
	for _, id := range ids {
		s.wals, s.lastWAL = append(s.wals, &wal{ID: id, sum: s.files.hasher()}), id
	}
	return errors.Join(err, s.backWALs())
}

// backWALs puts blocks behind the write-ahead logs, which Badger makes sparse: a
// save then finds its place even if somebody else fills the disk in the same
// moment. Where there are none left, the next look at the disk finds that.
func (s *Store) backWALs() error {
	for _, w := range s.wals {
		if w.backed {
			continue
		}
		f, err := os.OpenFile(walName(s.gen, w.ID), os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a table has been made of it
		}
		if err != nil {
			return err
		}
		info, err := f.Stat()
		if err == nil && info.Size() == 2*memTableSize {
			err = back(f, info.Size())
		}
		if err = errors.Join(err, f.Close()); err != nil && !errors.Is(err, syscall.ENOSPC) {
			return fmt.Errorf("back a write-ahead log: %w", err)
		}
		w.backed = true
	}
	return nil
}

// pieces of ingest between which the store looks whether memory is short.
const ingestPiece = 1 << 20

// holdsMax bounds how often a write waits in a row: some memory may never come
// back, and an officer's save must not wait for it.
const holdsMax = 50

// hold lets a writer that has written much wait until the process is in its
// budget of memory again: Badger's tables are made behind the writes.
func (s *Store) hold() {
	if s.opts.Busy == nil || s.ingested < ingestPiece {
		return
	}
	s.ingested = 0
	pause := s.opts.Pause
	if pause == nil {
		pause = func() { time.Sleep(20 * time.Millisecond) }
	}
	for range holdsMax {
		if !s.opts.Busy() {
			return
		}
		pause()
	}
}
