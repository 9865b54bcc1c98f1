package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/vungxa/vungxa/node"
)

// A store of an older format is opened by writing it anew, one format after the
// other, beside the old one, and by replacing that when the new one is whole
// (Replace). A step is a pure function of the items: it reads and writes no file and
// can be run again from its beginning, as it is after a crash.
//
// Every format from 1 on is opened for ever: testdata/v1 and its successors are
// opened by the tests, and never made again.
type migration struct {
	from uint32 // to the next number
	// item gives what an item of the old format is in the new one: none, the same
	// under its new form, or several. Index rows are not asked for: the engine makes
	// them anew.
	item func(key, value []byte, put func(key, value []byte) error) error
}

// migrations are the steps there are. Format 1 is the first that a promise was made
// for, so there is none yet; the tests bring their own.
var migrations []migration

// newest is the format that Open brings a store to.
var newest = uint32(Format)

// migrate brings the store in a directory to the newest format.
func migrate(dir string, opts Options) error {
	if err := errors.Join(finishReplace(dir), removeOlder(dir)); err != nil {
		return err
	}
	for {
		c, err := ReadCurrent(dir)
		if errors.Is(err, fs.ErrNotExist) || node.CodeOf(err) == node.Damaged {
			return nil // nothing is there, or Open says what is wrong with it
		}
		if err != nil || uint32(c.Format) >= newest {
			return err
		}
		if err := migrateOne(dir, uint32(c.Format), opts); err != nil {
			return fmt.Errorf("bring the store from format %d to %d: %w", c.Format, c.Format+1, err)
		}
	}
}

func migrateOne(dir string, from uint32, opts Options) error {
	for _, m := range migrations {
		if m.from != from {
			continue
		}
		_, err := replace(dir, olderSuffix, func(next string) error { return m.rewrite(dir, next, opts) })
		return errors.Join(err, removeOlder(dir))
	}
	return wrongFormat(dir, fmt.Sprint(from))
}

// removeOlder takes away what a newer store holds as well.
func removeOlder(dir string) error {
	older, err := filepath.Glob(filepath.Clean(dir) + olderSuffix + "*")
	for _, name := range older {
		err = errors.Join(err, os.RemoveAll(name))
	}
	return err
}

// rewrite fills next with what the old store holds, in the format after it.
func (m migration) rewrite(dir, next string, opts Options) (err error) {
	opts.format = m.from
	old, err := openAs(dir, opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, old.Close()) }()
	if damage := old.Damage(); len(damage) > 0 {
		return node.Errorf(node.Damaged,
			"Kho %s có chỗ hỏng nên chưa đổi được sang định dạng mới. Hãy sửa bằng phiên bản chương trình cũ (`vungxa repair`) trước.",
			"the store %s is damaged and can't be brought to the new format; mend it first, with the version of the program that wrote it (`vungxa repair`)", dir)
	}
	opts.format = m.from + 1
	fresh, err := openAs(next, opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fresh.Close()) }()
	return fresh.fill(func(put func(key, value []byte) error) error {
		return old.walkAll(func(key, value []byte) error { return m.item(key, value, put) })
	})
}

// OpenAs opens a store in an older format, making it where there is none: to load a
// backup of that format. The next Open brings it to the newest one.
func OpenAs(dir string, opts Options, format uint32) (*Store, error) {
	if format < 1 || format > newest {
		return nil, wrongFormat(dir, fmt.Sprint(format))
	}
	if err := opts.Keys.Check(); err != nil {
		return nil, fmt.Errorf("open the store %s: %w", dir, err)
	}
	opts.format = format
	return openAs(dir, opts)
}

// walkAll calls f with every item but index rows, and those that each store makes
// for itself.
func (s *Store) walkAll(f func(key, value []byte) error) error {
	return s.View(func(tx *Tx) error {
		return tx.Scan(Scan{Values: true}, func(key, value []byte) (bool, error) {
			if own(key) {
				return true, nil
			}
			return true, f(key, value)
		})
	})
}
