// Package store keeps logs, records and their indexes in BadgerDB. It knows how
// things lie on the disk and nothing of what they mean: node/engine decides what
// is written, in which transaction.
//
// A transaction is durable when Update returns: Badger runs with SyncWrites, and
// nothing is ever in its value log. DESIGN.md lists the keys.
package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/dgraph-io/badger/v4"

	"github.com/vungxa/vungxa/node"
)

// Format is the number of the layout on disk. 0 makes no promise: a store of
// format 0 may have to be filled again by a later program.
const Format = 0

// MaxValue is the largest value in bytes; what is larger would go to the value
// log, where Badger notices no damage.
const MaxValue = 1<<20 - 1

// MaxKey is the longest key in bytes.
const MaxKey = 4096

// Store is an open store. Its methods may be called from several goroutines.
type Store struct {
	db *badger.DB
}

// Options of Open.
type Options struct {
	Log *slog.Logger
}

// Open opens the store in a directory, making it where there is none. A second
// copy on the same directory, and a store of another format, get a sentence.
func Open(dir string, opts Options) (*Store, error) {
	if err := makeDir(dir); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	db, err := badger.Open(badgerOptions(dir, opts.Log))
	for again := 0; again < 3 && begun(err); again++ {
		db, err = badger.Open(badgerOptions(dir, opts.Log))
	}
	if err != nil {
		return nil, openError(dir, err)
	}
	s := &Store{db: db}
	if err := s.checkFormat(dir); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// makeDir makes a directory that a power cut doesn't take away again.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(filepath.Clean(dir)))
}

// SyncDir makes what was created or renamed in a directory durable.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // directories can't be synced there, and needn't be
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// begun says that a crash left a log of Badger's that was made and not yet given
// its length. It holds nothing. Badger fails on it with an error that means no
// failure (its issue 2207), but has finished making it by then; there may be one
// of each kind.
func begun(err error) bool { return err != nil && strings.Contains(err.Error(), "Create a new file") }

func badgerOptions(dir string, log *slog.Logger) badger.Options {
	return badger.DefaultOptions(dir).
		WithLogger(badgerLog{log}).
		WithSyncWrites(true).
		WithMetricsEnabled(false).
		WithDetectConflicts(false). // the engine has one writer
		WithValueThreshold(MaxValue + 1).
		WithValueLogFileSize(64 << 20).
		WithMemTableSize(16 << 20).
		WithNumMemtables(2).
		WithNumLevelZeroTables(2).
		WithNumLevelZeroTablesStall(4).
		WithNumCompactors(2).
		WithBaseTableSize(1 << 20).
		WithBlockSize(8 << 10).
		WithBlockCacheSize(8 << 20).
		WithIndexCacheSize(16 << 20).
		WithNumGoroutines(1)
}

func openError(dir string, err error) error {
	if strings.Contains(err.Error(), "Cannot acquire directory lock") {
		return &node.Error{Code: node.Unavailable, Err: err, Message: node.Text{
			VI: fmt.Sprintf("Một chương trình khác đang dùng thư mục %s. Hãy đóng nó trước, hoặc chọn thư mục khác.", filepath.Dir(dir)),
			EN: fmt.Sprintf("another program is using the directory %s; close it first, or choose another directory", filepath.Dir(dir)),
		}}
	}
	return node.Errorf(node.Damaged, "Không mở được kho dữ liệu %s: %w", "can't open the store %s: %w", dir, err)
}

func (s *Store) checkFormat(dir string) error {
	return s.Update(func(tx *Tx) error {
		b, err := tx.Get(metaKey("format"))
		if err != nil {
			return err
		}
		if b == nil {
			return tx.Put(metaKey("format"), binary.BigEndian.AppendUint32(nil, Format))
		}
		if len(b) != 4 || binary.BigEndian.Uint32(b) != Format {
			return node.Errorf(node.Damaged,
				"Kho %s có định dạng % x; chương trình này đọc định dạng %d. Hãy dùng đúng phiên bản chương trình.",
				"the store %s has format % x and this program reads format %d; use the version of the program that wrote it", dir, b, Format)
		}
		return nil
	})
}

// ErrTooBig is wrapped by errors about a key, a value or a transaction that this
// store can't take, on a disk in good order.
var ErrTooBig = errors.New("too big for the store")

// refusal turns Badger's own limits into ErrTooBig.
func refusal(err error) error {
	if errors.Is(err, badger.ErrTxnTooBig) || errors.Is(err, badger.ErrInvalidRequest) {
		return fmt.Errorf("%w: %w", ErrTooBig, err)
	}
	return err
}

// Close waits for what is under way and closes the store.
func (s *Store) Close() error { return s.db.Close() }

// View reads one consistent state.
func (s *Store) View(f func(*Tx) error) error {
	return s.db.View(func(txn *badger.Txn) error { return f(&Tx{txn: txn}) })
}

// Update writes all of f's changes or none; they are durable when it returns.
// Callers see to it that one Update runs at a time.
func (s *Store) Update(f func(*Tx) error) error {
	return refusal(s.db.Update(func(txn *badger.Txn) error { return f(&Tx{txn: txn}) }))
}

// MaxKeys is how many keys one transaction may write: Badger takes 15 % of a
// memory table at once, and counts some 100 bytes for each key.
const MaxKeys = 24_000

// Tx is a transaction. What it returns stays valid after it.
type Tx struct {
	txn  *badger.Txn
	pair *pair // which generations it reads and writes; nil: not looked up yet
}

// Get is the value of a key; nil where there is none.
func (t *Tx) Get(key []byte) ([]byte, error) {
	item, err := t.txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the store: %w", err)
	}
	return item.ValueCopy([]byte{})
}

// Put writes a value, which is never nil.
func (t *Tx) Put(key, value []byte) error {
	if len(value) > MaxValue || len(key) > MaxKey {
		return fmt.Errorf("%w: a key of %d bytes and a value of %d; at most %d and %d", ErrTooBig, len(key), len(value), MaxKey, MaxValue)
	}
	if err := t.txn.Set(key, value); err != nil {
		return fmt.Errorf("write the store: %w", refusal(err))
	}
	return nil
}

// Delete removes a key.
func (t *Tx) Delete(key []byte) error {
	if err := t.txn.Delete(key); err != nil {
		return fmt.Errorf("write the store: %w", refusal(err))
	}
	return nil
}

// Scan is a walk over the keys that begin with Prefix, in order, or in reverse.
type Scan struct {
	Prefix  []byte
	From    []byte // begin at this key, if set
	After   []byte // begin past this key, if set
	Reverse bool
	Values  bool // values are wanted too
}

// scanPiece is how many keys one of Badger's iterators gives: while one is open,
// the memory tables and files that it reads from can't go.
const scanPiece = 1024

// Scan calls f with every key and, if wanted, its value, until f returns false.
// The key is f's only until it returns.
func (t *Tx) Scan(s Scan, f func(key, value []byte) (bool, error)) error {
	for {
		last, err := t.scanSome(s, f)
		if err != nil || last == nil {
			return err
		}
		s.After = last
	}
}

// scanSome gives f a piece of the scan, and the key after which it goes on; nil
// where it is over.
func (t *Tx) scanSome(s Scan, f func(key, value []byte) (bool, error)) (last []byte, err error) {
	it := t.txn.NewIterator(badger.IteratorOptions{
		PrefetchValues: s.Values, PrefetchSize: 64, Reverse: s.Reverse, Prefix: s.Prefix,
	})
	defer it.Close()
	n := 0
	for it.Seek(s.start()); it.ValidForPrefix(s.Prefix); it.Next() {
		item := it.Item()
		if s.After != nil && bytes.Equal(item.Key(), s.After) {
			continue
		}
		var value []byte
		if s.Values {
			v, err := item.ValueCopy(nil)
			if err != nil {
				return nil, fmt.Errorf("read the store: %w", err)
			}
			value = v
		}
		if more, err := f(item.Key(), value); err != nil || !more {
			return nil, err
		}
		if n++; n == scanPiece {
			return item.KeyCopy(nil), nil
		}
	}
	return nil, nil
}

func (s Scan) start() []byte {
	switch {
	case s.After != nil:
		return s.After
	case s.From != nil:
		return s.From
	case s.Reverse:
		return append(bytes.Clone(s.Prefix), bytes.Repeat([]byte{0xff}, 40)...) // ids are hashes: past any key
	}
	return s.Prefix
}

// badgerLog passes Badger's warnings and errors on; they name files and sizes.
type badgerLog struct{ log *slog.Logger }

func (l badgerLog) Errorf(f string, a ...any)   { l.say(slog.LevelError, f, a) }
func (l badgerLog) Warningf(f string, a ...any) { l.say(slog.LevelWarn, f, a) }
func (l badgerLog) Infof(string, ...any)        {}
func (l badgerLog) Debugf(string, ...any)       {}

func (l badgerLog) say(level slog.Level, f string, a []any) {
	if l.log != nil {
		l.log.Log(context.Background(), level, "badger", "message", strings.TrimSpace(fmt.Sprintf(f, a...)))
	}
}
