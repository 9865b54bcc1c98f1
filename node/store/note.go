package store

import (
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
)

// journal follows what Badger does to its files, so that the heads file can say
// how they were after a commit. Guarded by Store.write.
type journal struct {
	commit   uint64
	wals     []*wal // those that hold a commit
	lastWAL  uint64
	manifest followed
	tables   tablesFile
	heads    *headsFile
	pending  bool  // the heads file is kept as it was found until the next commit
	broken   error // why nothing more is written
	piece    []byte
}

// buffer is what Badger's files are read with, piece by piece, by whoever writes.
func (j *journal) buffer() []byte {
	if j.piece == nil {
		j.piece = make([]byte, pieceOfFile)
	}
	return j.piece
}

// followed is a file that grows, up to a length.
type followed struct {
	info os.FileInfo // of the file, to see that it was replaced
	size int64       // of the file when it was looked at
	len  int64
	sum  hash.Hash
}

func (f followed) prefix() prefix {
	if f.sum == nil {
		return prefix{}
	}
	return prefix{Len: f.len, Sum: f.sum.Sum(nil)}
}

// note makes a commit part of the heads file; with it Update may return.
func (s *Store) note(moved map[crdt.LogID]crdt.Head, clean bool) error {
	// First the logs: one may be a table already when its successor is seen for the
	// first time, and would else be kept as the newest, of which no table is made.
	s.findWALs()
	if err := s.followManifest(); err != nil {
		return fmt.Errorf("follow the MANIFEST: %w", err)
	}
	if err := s.followWALs(); err != nil {
		return fmt.Errorf("follow the write-ahead log: %w", err)
	}
	if s.pending { // the engine has acted: what the file knew of logs that came further is on the list
		if err := s.heads.close(); err != nil {
			return err
		}
		s.pending = false
	}
	return s.heads.put(s.frame(clean), moved)
}

func (s *Store) frame(clean bool) frame {
	f := frame{Commit: s.commit, Clean: clean, Tables: s.tables.Number, Manifest: s.manifest.prefix(), WALs: []walMark{}}
	for _, w := range s.wals {
		if w.Len > 0 {
			f.WALs = append(f.WALs, walMark{ID: w.ID, Len: w.Len, Sum: w.sum.Sum(nil)})
		}
	}
	return f
}

// followManifest takes in what was added to the MANIFEST, and digests the tables
// that came.
func (s *Store) followManifest() error {
	for range 100 {
		info, err := os.Stat(manifestName(s.gen))
		if err != nil {
			return err
		}
		if s.manifest.info != nil && os.SameFile(info, s.manifest.info) && info.Size() == s.manifest.size && !s.newDamage() {
			return nil
		}
		gone, err := s.readOn(info)
		if err != nil || !gone {
			return err
		}
	}
	return errors.New("it changes faster than it is read")
}

// readOn reads the whole MANIFEST and writes the tables file. gone says that
// Badger has changed it meanwhile.
func (s *Store) readOn(info os.FileInfo) (gone bool, err error) {
	wals := s.goneWALs() // a log that is gone by now is a table in what is read next
	m, b, err := readManifest(s.gen, s.manifest.len)
	if err != nil {
		return false, err
	}
	if s.manifest.info != nil && !os.SameFile(info, s.manifest.info) {
		wals = len(s.wals) // it was written anew, and doesn't say what was flushed
	}
	marks, gone, err := s.markTables(m)
	if err != nil || gone {
		return gone, err
	}
	// What the heads file says of the MANIFEST must outlive a power cut.
	if err := syncFile(manifestName(s.gen)); err != nil {
		return false, err
	}
	sum := s.files.hasher()
	sum.Write(b[:m.whole]) // a hash.Hash never fails
	s.manifest = followed{info: info, size: int64(len(b)), len: m.whole, sum: sum}
	s.forgetWALs(max(wals, m.flushed))
	s.tables.Tables, s.tables.Manifest = marks, s.manifest.prefix()
	return false, s.writeTables()
}

func (s *Store) writeTables() error {
	s.tables.Number++
	s.state.Lock()
	s.tables.Damage = storeDamage(s.damage)
	s.unwritten = false
	s.state.Unlock()
	replace := s.opts.replace
	if replace == nil {
		replace = replaceFile
	}
	if err := s.tables.write(s.path(fileTables), s.opts.Keys, replace); err != nil {
		return fmt.Errorf("write what is known of the tables: %w", err)
	}
	return nil
}

// newDamage says whether the damage list has to be written.
func (s *Store) newDamage() bool {
	s.state.Lock()
	defer s.state.Unlock()
	return s.unwritten
}

// noteClosed writes how Badger has left its files.
func (s *Store) noteClosed() error {
	if s.pending {
		return nil
	}
	s.wals = nil // all in tables now
	if err := s.followManifest(); err != nil {
		return fmt.Errorf("follow the MANIFEST: %w", err)
	}
	return s.heads.put(s.frame(true), nil)
}

// noteDamage makes the damage list durable.
func (s *Store) noteDamage() error {
	if err := s.writeTables(); err != nil || s.pending {
		return err
	}
	return s.heads.put(s.frame(false), nil)
}

func syncFile(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// findWALs takes in the write-ahead logs that Badger has begun.
func (s *Store) findWALs() {
	for exists(walName(s.gen, s.lastWAL+1)) {
		s.lastWAL++
		s.wals = append(s.wals, &wal{ID: s.lastWAL, sum: s.files.hasher()})
	}
}

// followWALs takes in what was added to the write-ahead logs. One that is gone
// stays until the MANIFEST has been seen to name its table.
func (s *Store) followWALs() error {
	for _, w := range s.wals {
		if err := w.advance(s.gen, s.buffer()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return s.backWALs()
}

// goneWALs is how many write-ahead logs, oldest first, are tables as far as their
// files tell: they become tables in order, but a reader may keep an older one.
func (s *Store) goneWALs() (n int) {
	for i, w := range s.wals {
		if !exists(walName(s.gen, w.ID)) {
			n = i + 1
		}
	}
	return n
}

// forgetWALs forgets the n oldest write-ahead logs: they are tables that the
// MANIFEST names. Badger removes their files later, when nobody reads them any more
// and perhaps after the last commit; a heads file that still spoke of them would
// then tell of damage where none is. The newest is written to and never a table.
func (s *Store) forgetWALs(n int) {
	s.wals = s.wals[min(n, max(0, len(s.wals)-1)):]
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// stop makes the store refuse writes: what is on the disk is no longer known.
func (s *Store) stop(err error) error {
	s.broken = err
	return s.refusesWrites()
}

func (s *Store) refusesWrites() error {
	if s.broken != nil {
		return node.Errorf(node.Unavailable,
			"Kho dữ liệu không ghi được nữa: %w. Lần lưu vừa rồi có thể đã vào kho hoặc chưa; hãy khởi động lại chương trình rồi xem lại.",
			"the store can't be written any more: %w; the last save may be stored or not: start the program again and look", s.broken)
	}
	return nil
}
