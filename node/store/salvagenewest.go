package store

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/table"
)

// metaBackup begins the items that mark when a backup was begun, one for each set: what
// was written behind its mark is newer than what the backup holds. They stay here.
const metaBackup = "backup/"

// MarkBackup notes that a backup of a set is being made, of this moment.
func (t *Tx) MarkBackup(set [16]byte, madeMS int64) error {
	return t.PutMeta(metaBackup+hex.EncodeToString(set[:]), binary.BigEndian.AppendUint64(nil, uint64(madeMS)))
}

// Age is how old the copy of an item is that was found.
type Age int

// The ages.
const (
	Unknown Age = iota // than what a backup holds: nobody knows
	Newer
	Older // or the same
)

// Than says whether the copy of a local item that was found was written behind a backup.
func (s *Salvaged) Than(set [16]byte, madeMS int64, kind, name string) (age Age, err error) {
	err = s.view(func(txn *badger.Txn) error {
		mark, err := txn.Get(metaKey(metaBackup + hex.EncodeToString(set[:])))
		if errors.Is(err, badger.ErrKeyNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		b, err := mark.ValueCopy(nil)
		if err != nil || len(b) != 8 || int64(binary.BigEndian.Uint64(b)) != madeMS {
			return err
		}
		item, err := txn.Get(localKey(kind, name))
		if err != nil {
			return err
		}
		if age = Older; item.Version() > mark.Version() {
			age = Newer
		}
		return nil
	})
	return age, err
}

// Whole says whether all that was written is surely there: every file that counts was
// read without a fault, up to the newest commit. Then every item is the newest.
func (s *Salvaged) Whole() (bool, error) {
	if len(s.damaged) > 0 || s.ValuesBad > 0 {
		return false, nil
	}
	b, err := s.Meta(metaCommit)
	if err != nil || len(b) != 8 || binary.BigEndian.Uint64(b) < s.known.Commit || s.known.Commit == 0 {
		return false, err
	}
	tables, err := readTables(filepath.Join(s.dir, fileTables), s.opts.Keys)
	if err != nil || tables.Number < s.known.Tables {
		return false, nil // damaged, or an older one: nobody knows which tables there were
	}
	current, err := ReadCurrent(s.dir)
	if err != nil {
		return false, nil
	}
	gen := filepath.Join(s.dir, current.Directory)
	for _, t := range tables.Tables {
		if _, err := os.Stat(table.NewFilename(t.ID, gen)); err != nil {
			return false, nil
		}
	}
	for _, w := range s.known.WALs {
		if _, err := os.Stat(walName(gen, w.ID)); err != nil {
			return false, nil
		}
	}
	return true, nil
}
