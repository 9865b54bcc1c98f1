package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store/durable"
)

// Purge makes the disk forget what was deleted or written over: an order to erase isn't
// obeyed while an older copy of what it names lies here, which the data key opens.
//
//   - What lies beside the store (stores that were put aside, what unfinished work left)
//     and in lost/ is removed. It can't be rewritten instead: it was put aside because
//     part of it can't be read, and nobody knows what is in that part.
//   - Badger's tables and logs are merged into one level, in which each key is there
//     once, in its newest version.
//
// It names what it removed, for people. Readers are waited for, and new ones wait,
// some seconds; writers wait until it is done: about as long as it takes to write the store anew.
// Called again after an error or a crash, it does what is left.
func (s *Store) Purge() (removed []string, err error) {
	s.write.Lock()
	defer s.write.Unlock()
	if err := s.refusesWrites(); err != nil {
		return nil, err
	}
	if err := s.tend(); err != nil {
		return nil, err
	}
	if err := s.readRest(context.Background()); err != nil {
		return nil, err
	}
	if s.distrusted() {
		return nil, node.Errorf(node.ReadOnly,
			"Kho dữ liệu có chỗ hỏng nên chưa dọn được bản cũ của những gì đã xóa. Hãy sửa kho bằng `vungxa repair`.",
			"the store is damaged, so older copies of what was erased can't be cleared yet; mend it with `vungxa repair`")
	}
	if removed, err = RemoveAside(s.dir); err != nil {
		return removed, err
	}
	lost, err := removeLost(s.path(dirLost))
	if removed = append(removed, lost...); err != nil {
		return removed, err
	}
	if !s.alone() {
		return removed, node.Errorf(node.Unavailable,
			"Kho dữ liệu đang được đọc nên chưa dọn được bản cũ của những gì đã xóa; máy sẽ tự làm lại ở lần khởi động sau.",
			"the store is being read, so older copies of what was erased aren't cleared yet; the next start does it by itself")
	}
	defer s.gate.Unlock()
	if err := s.flatten(); err != nil {
		return removed, s.stop(fmt.Errorf("clear older copies: %w", err))
	}
	return removed, s.space.restock(s.dir)
}

// aloneTries is how often Purge looks whether nobody reads, 20 ms apart: it doesn't
// queue for the gate, because a reader who reads within reading would then wait for it.
const aloneTries = 500

func (s *Store) alone() bool {
	pause := s.opts.Pause
	if pause == nil {
		pause = func() { time.Sleep(20 * time.Millisecond) }
	}
	for range aloneTries {
		if s.gate.TryLock() {
			return true
		}
		pause()
	}
	return false
}

// flatten merges everything: closing makes a table of the memory tables, Flatten merges
// all levels but a lone level 0, and closing again merges what of that overlaps with
// its oldest table. So it is done until all lies in one level below. The caller holds
// write and gate.
func (s *Store) flatten() error {
	if _, err := s.space.reserve(s.dir); err != nil {
		return err
	}
	if err := s.shut(); err != nil {
		return err
	}
	for merged, rounds := false, 0; !merged; rounds++ {
		var err error
		if merged, err = s.mergeOnce(); s.db != nil {
			err = errors.Join(err, s.closeBadger())
		}
		if err == nil && rounds == mergeRounds && !merged {
			err = fmt.Errorf("badger keeps older versions after %d merges", rounds)
		}
		if err != nil {
			return err
		}
	}
	if err := s.openBadger(); err != nil {
		return err
	}
	if err := s.restartWALs(); err != nil || s.pending {
		return err
	}
	return s.noteWithRoom(nil)
}

// mergeRounds is far more than any store needs: a round takes what level 0 holds of one
// range of keys, or rewriteMost keys.
const mergeRounds = 1000

// mergeOnce opens Badger, merges, and says whether nothing is left to do. Each time but
// the last, what lies in level 0 becomes less.
//
// Badger is managed and without compactors of its own, so that what is newest is said
// here, before anything is merged. By itself it drops older versions only up to a mark
// that it moves in a goroutine: merged before that, they would all stay.
func (s *Store) mergeOnce() (merged bool, err error) {
	merging := badgerOptions(s.gen, s.badgerKey(), s.opts).WithCompactL0OnClose(true).WithNumCompactors(0)
	err = guard(func() error {
		db, err := tryAgain(badger.OpenManaged, merging)
		if err != nil {
			return err
		}
		s.db = db
		db.SetDiscardTs(db.MaxVersion())
		if err := db.Flatten(1); err != nil {
			return err
		}
		levels := map[int]bool{}
		for _, t := range db.Tables() {
			levels[t.Level] = true
		}
		if levels[0] || len(levels) > 1 {
			return nil
		}
		again, err := rewriteOlder(db)
		merged = !again
		db.SetDiscardTs(db.MaxVersion()) // closing merges what was written again
		return err
	})
	return merged, err
}

// rewriteMost is how many keys rewriteOlder takes in one turn.
const rewriteMost = 50_000

// rewriteOlder writes again, as they are, the keys of which an older version or the mark
// of a deletion lies beside the newest version: a merge kept it for a reader of then, and
// none looks at it again unless there is something newer. It says whether there were any.
func rewriteOlder(db *badger.DB) (again bool, err error) {
	version := db.MaxVersion()
	tx := db.NewTransactionAt(version, false)
	defer tx.Discard()
	it := tx.NewIterator(badger.IteratorOptions{AllVersions: true})
	defer it.Close()
	batch := db.NewWriteBatchAt(version + 1)
	defer batch.Cancel()
	last, written, owed := []byte(nil), 0, false // owed: the newest version of last isn't written yet
	for it.Rewind(); it.Valid() && written < rewriteMost && err == nil; it.Next() {
		item := it.Item()
		older := bytes.Equal(item.Key(), last)
		last = item.KeyCopy(last)
		switch {
		case older && !owed:
		case item.IsDeletedOrExpired() && !older:
			err, owed = batch.Delete(bytes.Clone(last)), false
			written++
		case older:
			err, owed = rewrite(tx, batch, last), false
			written++
		default:
			owed = true
		}
	}
	if err != nil {
		return false, err
	}
	return written > 0, batch.Flush()
}

func rewrite(tx *badger.Txn, batch *badger.WriteBatch, key []byte) error {
	item, err := tx.Get(key)
	if err != nil {
		return err
	}
	value, err := item.ValueCopy(nil)
	if err != nil {
		return err
	}
	return batch.Set(bytes.Clone(key), value)
}

func (s *Store) closeBadger() error {
	err := s.db.Close()
	s.db = nil
	return err
}

// Aside are the copies of a store that lie beside it: stores that were put aside, and
// what work that was cut short left.
func Aside(dir string) (names []string, err error) {
	dir = filepath.Clean(dir)
	for _, suffix := range []string{wasSuffix + "*", olderSuffix + "*", scratchSuffix, nextSuffix} {
		found, err := filepath.Glob(dir + suffix)
		if err != nil {
			return nil, err
		}
		names = append(names, found...)
	}
	return names, nil
}

// RemoveAside removes all copies beside a store but those to keep, and names them. The
// store is whole: none of them is about to take its place.
func RemoveAside(dir string, keep ...string) (removed []string, err error) {
	names, err := Aside(dir)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if slices.Contains(keep, name) {
			continue
		}
		if err := os.RemoveAll(name); err != nil {
			return removed, cantRemove(name, err)
		}
		removed = append(removed, name)
	}
	return removed, durable.SyncDir(filepath.Dir(filepath.Clean(dir)))
}

// removeLost empties the directory of damaged files that were put aside.
func removeLost(dir string) (removed []string, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the damaged files: %w", err)
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		if err := os.RemoveAll(name); err != nil {
			return removed, cantRemove(name, err)
		}
		removed = append(removed, name)
	}
	return removed, durable.SyncDir(dir)
}

func cantRemove(name string, err error) error {
	return node.Errorf(node.Unavailable,
		"Không xóa được %s, nơi có thể còn bản cũ của những gì đã có lệnh xóa: %w. Hãy xóa bằng tay.",
		"can't remove %s, in which older copies of what was ordered to be erased may lie: %w; remove it by hand", name, err)
}
