package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
)

// Room that a store wants on its disk. Badger writes through mappings of sparse
// files, and the kernel ends the program where the disk has no block for what it
// writes. So the store stops taking writes while there is still room for all that
// Badger may have begun, and time for it to come to rest: the table of a memory
// table (5 MiB), a compaction of level 0 into the next (some 40), another one (20).
// That is an eighth of the disk, within bounds.
const (
	lowWaterMin    = 64 << 20
	lowWaterMax    = 256 << 20
	highWater      = 16 << 20 // so far above low water and ballast, writing goes on
	openRoom       = 16 << 20 // what opening takes at most: logs become tables one by one
	spare          = 4 << 20  // of a full disk, beside the ballast: for files that are written anew
	defaultBallast = 24 << 20
)

// Room is how much of a disk is there, in bytes.
type Room struct{ Free, Total uint64 }

// low is what must be free for anything to be written.
func (r Room) low() uint64 { return min(max(r.Total/8, lowWaterMin), lowWaterMax) }

// space is what the store knows of the room on its disk. Guarded by Store.write.
type space struct {
	ballast ballast
	ask     func(dir string) (Room, error)
	full    bool // nothing is written until there is room again
	resting bool // Badger is open without compactors: it writes nothing by itself
	idle    bool // so it was opened, and nothing was to be compacted since
}

func newSpace(dir string, o Options) space {
	s := space{ballast: ballast{name: dir + string(os.PathSeparator) + fileBallast, size: o.Ballast}, ask: o.Room}
	if o.Ballast == 0 {
		s.ballast.size = defaultBallast
	}
	s.ballast.size = max(0, s.ballast.size)
	if s.ask == nil {
		s.ask = roomOf
	}
	return s
}

// find looks at the disk. One that fills makes the store read-only; with room
// again, and the ballast whole, writing goes on.
func (s *space) find(dir string) (room Room, err error) {
	if room, err = s.ask(dir); err != nil {
		return room, fmt.Errorf("ask how much room the disk has: %w", err)
	}
	switch {
	case !s.full:
		s.full = room.Free < room.low()
	case room.Free >= s.enough(room):
		s.full = s.ballast.make() != nil // an error: somebody else was faster
	}
	return room, nil
}

// enough is how much must be free for writing to go on.
func (s *space) enough(r Room) uint64 {
	return r.low() + highWater + uint64(s.ballast.size-min(s.ballast.size, s.ballast.held()))
}

// reserve gives the ballast up where there is no room for Badger to open or close.
func (s *space) reserve(dir string) (room Room, err error) {
	room, err = s.ask(dir)
	if err == nil && room.Free < openRoom {
		if err = s.ballast.release(); err == nil {
			room, err = s.ask(dir)
		}
	}
	return room, err
}

// restock takes back of the ballast what there is room for, and leaves some for
// small files.
func (s *space) restock(dir string) error {
	room, err := s.ask(dir)
	if err != nil || room.Free < 2*spare {
		return err
	}
	err = s.ballast.take(min(s.ballast.size, s.ballast.held()+int64(room.Free)-spare))
	if DiskFull(err) {
		return nil // somebody else was faster
	}
	return err
}

// refusal is the sentence for the officer.
func (s *space) refusal(room Room) error {
	return node.Errorf(node.ReadOnly,
		"Ổ đĩa sắp đầy (còn %d MiB) nên máy này tạm thời chỉ xem, chưa lưu thêm được. Những gì đã lưu vẫn còn nguyên. Hãy xóa bớt hoặc chuyển tệp khác đi cho đến khi còn trống %d MiB; sau đó lại lưu được ngay.",
		"the disk is almost full (%d MiB left), so this device only shows records for now and saves nothing more; what was saved is all there: remove or move other files until %d MiB are free, then saving goes on by itself",
		room.Free>>20, s.enough(room)>>20)
}

// prepareRoom is called before Badger is opened, which writes.
func (s *Store) prepareRoom() error {
	s.space = newSpace(s.dir, s.opts)
	room, err := s.space.find(s.dir)
	if err == nil && !s.space.full {
		s.space.full = s.space.ballast.make() != nil // without it nothing is to be written
	}
	s.space.resting = s.space.full
	if err == nil && s.space.full {
		room, err = s.space.reserve(s.dir)
	}
	if err == nil && s.space.full && room.Free < openRoom {
		err = node.Errorf(node.Unavailable,
			"Ổ đĩa đã đầy (còn %d MiB), không đủ chỗ để mở kho dữ liệu %s. Những gì đã lưu vẫn còn nguyên. Hãy xóa bớt tệp khác cho đến khi còn trống %d MiB rồi mở lại chương trình.",
			"the disk is full (%d MiB left), without room even to open the store %s; what was saved is all there: remove other files until %d MiB are free, then start the program again",
			room.Free>>20, s.dir, s.space.enough(room)>>20)
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
	room, err := s.space.find(s.dir)
	if err != nil {
		return err
	}
	if rest := s.rests(); rest != s.space.resting && s.broken == nil && !s.distrusted() {
		if err := s.change(rest); err != nil {
			return err
		}
	}
	if s.space.full {
		return s.space.refusal(room)
	}
	return nil
}

// rests says whether Badger is to be open without compactors: where the disk is full,
// and while tables have to be checked that compactors would read. It then stays so
// until there is work for them, so that it isn't opened anew for nothing.
func (s *Store) rests() bool {
	return s.space.full || s.unreadNow() != nil || s.space.idle && !s.crowded()
}

// crowded says whether level 0 has so many tables that Badger would compact it.
func (s *Store) crowded() bool {
	n := 0
	for _, t := range s.tables.Tables {
		if t.Level == 0 {
			n++
		}
	}
	return n >= levelZeroTables
}

// change opens Badger anew with or without compactors, unless somebody reads just
// now: then it is tried again the next time.
func (s *Store) change(rest bool) error {
	if !s.gate.TryLock() {
		return nil
	}
	defer s.gate.Unlock()
	if s.opts.Log != nil {
		level := slog.LevelInfo // it was open without compactors because there was nothing to compact
		if s.space.full {
			level = slog.LevelWarn
		}
		s.opts.Log.Log(context.Background(), level, "the store is opened anew", "full", s.space.full, "compactors", !rest)
	}
	_, err := s.space.reserve(s.dir)
	if err == nil {
		err = s.shut()
	}
	if err == nil {
		s.space.resting, s.space.idle = rest, s.space.idle && rest
		err = s.openBadger()
	}
	if err == nil {
		err = s.restartWALs()
	}
	if err == nil && !s.pending { // the engine hasn't acted on what the heads file knows
		err = s.noteWithRoom(nil)
	}
	if err != nil {
		return s.stop(fmt.Errorf("open the store anew: %w", err))
	}
	return s.space.restock(s.dir)
}

// shut closes Badger to open it anew. It makes tables of all its logs, and counts new
// ones from the start: a heads file that still spoke of the old ones would tell of
// damage if the program ended before the next note.
func (s *Store) shut() error {
	err := s.db.Close()
	s.db = nil
	if err != nil || s.pending {
		return err
	}
	s.wals = nil
	return s.noteWithRoom(nil)
}

// noteWithRoom is note, also where somebody else has taken the last block: then the
// frame, which is written in place, speaks of the MANIFEST as it was before, as after
// a crash, and the digests of the tables that came since are written with a later one.
func (s *Store) noteWithRoom(moved map[crdt.LogID]crdt.Head) error {
	before := s.journal
	err := s.note(moved, false)
	if !errors.Is(err, errTablesLater) {
		return err
	}
	s.manifest, s.tables, s.wals, s.lastWAL = before.manifest, before.tables, before.wals, before.lastWAL
	s.state.Lock()
	s.unwritten = true // so that the next note tries again
	s.state.Unlock()
	s.pending = false
	s.findWALs()
	if err := s.followWALs(); err != nil {
		return fmt.Errorf("follow the write-ahead log: %w", err)
	}
	f := s.frame(false)
	f.Tables, f.Manifest = s.heads.last.Tables, s.heads.last.Manifest
	return s.heads.put(f, moved)
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
		if err = errors.Join(err, f.Close()); err != nil && !DiskFull(err) {
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
