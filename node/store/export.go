package store

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/vungxa/vungxa/node"
)

// localSecret begins the kinds of local items that never leave their device, also
// not in a backup: officers' wrapped keys, second factors. A restored device has
// none of them.
const localSecret = "secret"

// notExported are the prefixes of what a backup doesn't carry: what this store makes
// for itself (index rows, counts, its format), and what a restored device must not
// go on with. It draws a new incarnation, since what it wrote since is elsewhere,
// and begins raft's log anew.
var notExported = [][]byte{
	{keyIndex}, metaKey("format"), metaKey("commit"), metaKey(metaGenerations), metaKey("incarnation"), metaKey("raft/"),
	metaKey(metaBackup),
	append([]byte{keyLocal}, localSecret...),
	localKey("view", ""), // of the engine: what it computed, to compute less at its next start
}

// exportedGeneration is the generation of records in a backup, whichever is read.
const exportedGeneration = 1

func exported(key []byte) bool {
	for _, prefix := range notExported {
		if bytes.HasPrefix(key, prefix) {
			return false
		}
	}
	return true
}

// Export calls f with everything that a backup carries, of one moment, keys
// ascending, values without what this store adds to them. The slices are f's only
// until it returns. The store may be written meanwhile. Every value's MAC is checked:
// what is damaged is an error and is never exported.
//
// It is one reader for its whole time, and under a reader Badger can't be opened anew:
// when the store's disk fills meanwhile, it makes way, with an error that says so. On a
// disk that was full before it goes on.
func (s *Store) Export(f func(key, value []byte) error) error {
	if err := s.Tend(); err != nil && node.CodeOf(err) != node.ReadOnly {
		return err
	}
	before, err := s.short()
	if err != nil {
		return err
	}
	n := 0
	return s.View(func(tx *Tx) error {
		g, err := tx.generation()
		if err != nil {
			return err
		}
		read := numberKey(keyRecord, g.records)
		return tx.Scan(Scan{Values: true}, func(key, value []byte) (bool, error) {
			if n++; n%exportLooks == 0 && !before {
				if now, err := s.short(); err != nil || now {
					return false, errors.Join(err, errMakesWay)
				}
			}
			if !exported(key) {
				return true, nil
			}
			if key[0] == keyRecord {
				if !bytes.HasPrefix(key, read) {
					return true, nil // of a snapshot that is being loaded, or of one that was left
				}
				key = append(numberKey(keyRecord, exportedGeneration), key[generationKey:]...)
			}
			return true, f(key, value)
		})
	})
}

// exportLooks is after how many items Export looks at the disk.
const exportLooks = 1024

var errMakesWay = node.Errorf(node.Unavailable,
	"Ổ đĩa của kho dữ liệu vừa gần đầy, nên việc đọc toàn bộ kho dừng lại để kho được an toàn. Hãy xóa bớt tệp khác rồi chạy lại: sao lưu sẽ đi tiếp từ chỗ dừng.",
	"the store's disk has almost filled meanwhile, so reading all of the store makes way to keep it safe: remove other files and run this again; a backup goes on where it was")

// short says whether the disk has less room than the store wants.
func (s *Store) short() (bool, error) {
	room, err := s.space.ask(s.dir)
	if err != nil {
		return false, fmt.Errorf("ask how much room the disk has: %w", err)
	}
	return room.Free < room.low(), nil
}

// Limits of one transaction of Load.
const (
	loadBytes = 256 << 10
	loadKeys  = 2048
)

// Load fills a new store with items of Export; items calls its argument with each.
// They are durable when it returns. What an engine makes of them (indexes) is not
// there yet. Loaded gives them again; Forget then takes away what another program
// exported and this one doesn't go on with.
func (s *Store) Load(items func(put func(key, value []byte) error) error) error {
	if err := s.fill(items); err != nil {
		return fmt.Errorf("load the store: %w", err)
	}
	return nil
}

// Loaded calls f with what was loaded, keys ascending.
func (s *Store) Loaded(f func(key, value []byte) error) error { return s.walkAll(f) }

// Forget takes away what Export leaves out.
func (s *Store) Forget() error {
	return s.Update(func(tx *Tx) error {
		for _, prefix := range notExported {
			if own(prefix) {
				continue
			}
			keys, err := tx.keys(prefix, MaxKeys)
			if err != nil {
				return err
			}
			for _, k := range keys {
				if err := tx.Delete(k); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// own says whether each store makes an item for itself.
func own(key []byte) bool {
	return key[0] == keyIndex || bytes.Equal(key, metaKey(metaCommit)) || bytes.Equal(key, metaKey(metaGenerations))
}

type loader struct {
	store *Store
	rows  [][2][]byte
	bytes int
}

func (l *loader) add(key, value []byte) error {
	if len(l.rows) == loadKeys || len(l.rows) > 0 && l.bytes+len(key)+len(value) > loadBytes {
		if err := l.write(); err != nil {
			return err
		}
	}
	l.rows = append(l.rows, [2][]byte{bytes.Clone(key), append([]byte{}, value...)})
	l.bytes += len(key) + len(value)
	return nil
}

// fill is Load of anything.
func (s *Store) fill(items func(put func(key, value []byte) error) error) error {
	l := loader{store: s}
	if err := items(l.add); err != nil {
		return err
	}
	return l.write()
}

func (l *loader) write() error {
	err := l.store.Update(func(tx *Tx) error {
		for _, row := range l.rows {
			if err := tx.Put(row[0], row[1]); err != nil {
				return err
			}
		}
		return nil
	})
	l.rows, l.bytes = l.rows[:0], 0
	step("some items are written")
	return err
}
