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
	"math"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
)

// Format is the number of the layout on disk, which every later program reads.
const Format = 1

// MaxValue is the largest value in bytes; what is larger would go, with its MAC, to
// the value log, where Badger notices no damage.
const MaxValue = valueThreshold - 1 - macSize

const (
	valueThreshold = 512 << 10 // less than a transaction takes, 15 % of a memory table
	blockSize      = 8 << 10
)

// MaxKey is the longest key in bytes.
const MaxKey = 4096

// Store is an open store. Its methods may be called from several goroutines.
type Store struct {
	db       *badger.DB
	dir, gen string // the store's directory, and Badger's in it
	opts     Options
	macs     valueMACs
	files    *digester // of Badger's files
	unlock   func() error

	gate sync.RWMutex // readers share it; whoever has it alone may change db

	write     sync.Mutex // held by whoever writes; guards journal, space, first and ingested
	journal              // what the files beside Badger say
	space     space
	first     func(*Tx) error // writes before anything else is written; nil: nothing has to
	ingested  int             // bytes written since memory was last looked at
	recovered Recovered       // set by Open

	state     sync.Mutex // guards what follows
	damage    []Damage
	earlier   []Damage // of it, files that were found before this opening, and not again
	unwritten bool     // damage isn't in the tables file yet

	doubt atomic.Bool // some of damage is a range

	unread     atomic.Pointer[unread] // tables that are still to be held to their digests; nil: none
	behind     <-chan struct{}        // closed when they have been, or stopBehind was called; set by Open
	stopBehind context.CancelFunc
}

// Sizes that Badger's memory depends on; BENCH.md has what was measured. A memory
// table of 4 MiB takes 5.2, and there may be four. A table is built in a buffer of
// twice its size, rounded up to a power of two, to which one of double the size is added
// when it is full; 2.7 times the table is used (as it is, compressed, encrypted).
// 1.4 MiB fit 4; the table of a memory table makes that 12, and one of the eight
// buffers that are kept has sooner or later served one. Of 2.8 MiB it would be 24.
// Up to a dozen tables are built at once.
const (
	memTableSize = 4 << 20
	tableSize    = 1400 << 10

	levelZeroTables = 2 // so many are compacted
)

func badgerOptions(dir string, key []byte, opts Options) badger.Options {
	o := badger.DefaultOptions(dir)
	o.TableSizeMultiplier = 1
	return o.
		WithLogger(badgerLog{opts.Log}).
		WithSyncWrites(opts.keeps(RuleSync)).
		WithEncryptionKey(key).
		WithEncryptionKeyRotationDuration(math.MaxInt64). // see makeBadgerKey
		WithMetricsEnabled(false).
		WithDetectConflicts(false). // the engine has one writer
		WithValueThreshold(valueThreshold).
		WithValueLogFileSize(1 << 20). // nothing is in it
		WithMemTableSize(memTableSize).
		WithNumMemtables(2).
		WithNumLevelZeroTables(levelZeroTables).
		WithNumLevelZeroTablesStall(4).
		WithNumCompactors(2).
		WithBaseTableSize(tableSize).
		WithBlockSize(blockSize).
		WithBlockCacheSize(4 << 20).
		WithIndexCacheSize(12 << 20).
		WithNumGoroutines(1)
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
func (s *Store) Close() error {
	s.stopReading()
	s.write.Lock()
	defer s.write.Unlock()
	if s.db == nil {
		return nil // closed before
	}
	s.gate.Lock()
	defer s.gate.Unlock()
	_, err := s.space.reserve(s.dir)
	err = errors.Join(err, s.db.Close())
	s.db = nil
	if err == nil && s.broken == nil {
		err = s.noteClosed()
	}
	return errors.Join(err, s.abandon(), s.space.restock(s.dir))
}

var errClosed = errors.New("the store is closed")

// View reads one consistent state.
func (s *Store) View(f func(*Tx) error) error {
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.db == nil {
		return errClosed
	}
	return s.db.View(func(txn *badger.Txn) error { return f(&Tx{store: s, txn: txn, does: &change{}}) })
}

// Update writes all of f's changes or none; they are durable when it returns, in
// Badger and in the heads file. One Update runs at a time.
func (s *Store) Update(f func(*Tx) error) error {
	s.write.Lock()
	defer s.write.Unlock()
	if err := s.refusesWrites(); err != nil {
		return err
	}
	s.hold()
	room := s.tend()
	if s.db == nil {
		return room
	}
	txn := s.db.NewTransaction(true)
	defer txn.Discard()
	tx := &Tx{store: s, txn: txn, does: &change{moved: map[crdt.LogID]crdt.Head{}, room: room}}
	if s.first != nil && room == nil && !s.distrusted() {
		if err := s.first(tx); err != nil {
			return refusal(err)
		}
	}
	if err := f(tx); err != nil {
		return refusal(err)
	}
	if !tx.does.wrote {
		return nil
	}
	if err := tx.PutMeta(metaCommit, binary.BigEndian.AppendUint64(nil, s.commit+1)); err != nil {
		return err
	}
	if err := txn.Commit(); err != nil {
		return s.stop(err)
	}
	if room == nil {
		s.first = nil
	}
	s.commit++
	if err := s.noteWithRoom(tx.does.moved); err != nil {
		return s.stop(err)
	}
	return nil
}

// First has f write at the beginning of the next Update that can write anything, whoever
// makes it: what a store that can't be written now has to know before all else. If that
// Update fails, the next one does it.
func (s *Store) First(f func(*Tx) error) {
	s.write.Lock()
	defer s.write.Unlock()
	s.first = f
}

// metaCommit counts the transactions.
const metaCommit = "commit"

// MaxKeys is how many keys one transaction may write: Badger takes 15 % of a
// memory table at once, and counts some 100 bytes for each key.
const MaxKeys = 6_000

// change is what an Update does, as far as the heads file needs it.
type change struct {
	wrote bool
	moved map[crdt.LogID]crdt.Head // logs whose heads changed
	room  error                    // why nothing can be written now
}

// Tx is a transaction. What it returns stays valid after it.
type Tx struct {
	store *Store
	txn   *badger.Txn
	does  *change
	pair  *pair // which generations it reads and writes; nil: not looked up yet
}

// Get is the value of a key; nil where there is none.
func (t *Tx) Get(key []byte) ([]byte, error) {
	if u := t.store.unreadNow(); u != nil {
		u.onTheWay(key, key)
	}
	if err := t.believable(key, key); err != nil {
		return nil, err
	}
	var item *badger.Item
	err := guard(func() (err error) {
		item, err = t.txn.Get(key)
		return err
	})
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the store: %w", err)
	}
	return t.value(item)
}

// guard turns a panic of Badger's, which is how it tells of most damage, into an
// error.
func guard(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = node.Errorf(node.Damaged, "Kho dữ liệu có chỗ hỏng: %w. Hãy sửa kho bằng `vungxa repair`.",
				"the store is damaged: %w; mend it with `vungxa repair`", fmt.Errorf("badger: %v", r))
		}
	}()
	return f()
}

// believable says whether what lies between two keys can be.
func (t *Tx) believable(from, to []byte) error {
	if immutable(from) && immutable(to) {
		return nil
	}
	return t.store.uncertain(from, to)
}

// value is an item's value, if its MAC is good.
func (t *Tx) value(item *badger.Item) ([]byte, error) {
	stored, err := item.ValueCopy(nil)
	if err != nil {
		return nil, fmt.Errorf("read the store: %w", err)
	}
	value, ok := t.store.macs.open(item.Key(), stored)
	switch {
	case ok:
		return value, nil
	case !t.store.opts.keeps(RuleMAC):
		return stored[:max(0, len(stored)-macSize)], nil
	}
	return nil, t.store.badValue(item.Key())
}

// Put writes a value, which is never nil.
func (t *Tx) Put(key, value []byte) error {
	if len(value) > MaxValue || len(key) > MaxKey {
		return fmt.Errorf("%w: a key of %d bytes and a value of %d; at most %d and %d", ErrTooBig, len(key), len(value), MaxKey, MaxValue)
	}
	if err := t.writes(key); err != nil {
		return err
	}
	t.store.ingested += len(key) + len(value)
	if err := t.txn.Set(key, t.store.macs.seal(key, value)); err != nil {
		return fmt.Errorf("write the store: %w", refusal(err))
	}
	return nil
}

// writes says whether a key may be written; where part of the store can't be
// believed, none may: the rest would rest on it.
func (t *Tx) writes(key []byte) error {
	if t.does.room != nil {
		return t.does.room
	}
	t.does.wrote = true
	if t.store.distrusted() {
		return node.Errorf(node.ReadOnly,
			"Kho dữ liệu có chỗ hỏng chưa rõ đến đâu nên chỉ còn xem được. Hãy sửa kho bằng `vungxa repair`.",
			"the store is damaged, nobody knows how far, and can only be read; mend it with `vungxa repair`")
	}
	return nil
}

// Delete removes a key.
func (t *Tx) Delete(key []byte) error {
	if err := t.writes(key); err != nil {
		return err
	}
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
	// Damaged is called for an item that isn't as it was written, and says whether
	// to go on; nil ends the scan with an error.
	Damaged func(key []byte) (more bool)
}

// scanPiece is how many keys one of Badger's iterators gives: while one is open,
// the memory tables and files that it reads from can't go.
const scanPiece = 1024

// Scan calls f with every key and, if wanted, its value, until f returns false.
// The key is f's only until it returns.
func (t *Tx) Scan(s Scan, f func(key, value []byte) (bool, error)) error {
	if err := t.believable(s.bounds()); err != nil {
		return err
	}
	for {
		last, err := t.scanSome(s, t.way(s), f)
		if err != nil || last == nil {
			return err
		}
		s.After = last
	}
}

// bounds are the first and the last key that a scan can meet.
func (s Scan) bounds() (from, to []byte) {
	from, to = s.start(), append(bytes.Clone(s.Prefix), bytes.Repeat([]byte{0xff}, 40)...)
	if s.Reverse {
		return s.Prefix, from
	}
	return from, to
}

// scanSome gives f a piece of the scan, and the key after which it goes on; nil
// where it is over. w, if set, checks what each key rests on before f has it.
func (t *Tx) scanSome(s Scan, w *way, f func(key, value []byte) (bool, error)) (last []byte, err error) {
	// Values lie beside the keys, so there is nothing to fetch beforehand.
	if err := w.to(s.start()); err != nil {
		return nil, err
	}
	it := t.txn.NewIterator(badger.IteratorOptions{Reverse: s.Reverse, Prefix: s.Prefix})
	defer it.Close()
	step := func() error { it.Seek(s.start()); return nil }
	for n := 0; ; {
		if err := guard(step); err != nil {
			return nil, err
		}
		if !it.ValidForPrefix(s.Prefix) {
			return nil, w.toEnd()
		}
		step = func() error { it.Next(); return nil }
		item := it.Item()
		if err := w.to(item.Key()); err != nil {
			return nil, err
		}
		if s.After != nil && bytes.Equal(item.Key(), s.After) {
			continue
		}
		value, err := t.value(item)
		if node.CodeOf(err) == node.Damaged && s.Damaged != nil {
			if !s.Damaged(item.Key()) {
				return nil, nil
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		if more, err := f(item.Key(), value); err != nil || !more {
			return nil, err
		}
		if n++; n == scanPiece {
			return item.KeyCopy(nil), nil
		}
	}
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

func (l badgerLog) Errorf(f string, a ...any) { l.say(slog.LevelError, f, a) }
func (l badgerLog) Warningf(f string, a ...any) {
	if !strings.HasPrefix(f, "%s might be too small") && !strings.HasPrefix(f, "Cache life expectancy") { // caches are small on purpose
		l.say(slog.LevelWarn, f, a)
	}
}
func (l badgerLog) Infof(string, ...any)  {}
func (l badgerLog) Debugf(string, ...any) {}

func (l badgerLog) say(level slog.Level, f string, a []any) {
	if l.log != nil {
		l.log.Log(context.Background(), level, "badger", "message", strings.TrimSpace(fmt.Sprintf(f, a...)))
	}
}
