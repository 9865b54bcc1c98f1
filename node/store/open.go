package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/gofrs/flock"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store/durable"
	"github.com/vungxa/vungxa/node/store/keyring"
)

// Options of Open.
type Options struct {
	Log  *slog.Logger
	Keys keyring.Keys
	Now  func() time.Time // says since when something is known to be damaged; may be nil
	// Ballast is the size in bytes of the file that is given up when the disk fills;
	// 0 is 24 MiB, negative none.
	Ballast int64
	// Room says how much of a directory's disk is free; nil asks the system.
	Room func(dir string) (Room, error)
	// Busy says that the process holds more memory than it should: whoever writes
	// much then waits, by Pause, a second at most for each MiB. nil: never.
	Busy  func() bool
	Pause func() // nil: 20 ms
	// Without switches rules off, for tests only: deploy/tidy sees to that.
	Without Rules
	format  uint32 // 0: the newest
	early   bool   // hold all tables to their digests before the first answer
	held    bool   // nothing is read behind the answers
	// replace writes the tables file; nil: replaceFile.
	replace func(name string, b []byte) error
}

func (o Options) layout() uint32 {
	if o.format == 0 {
		return newest
	}
	return o.format
}

// Open opens the store in a directory, making it where there is none. A second
// copy on the same directory, a store of another format and other keys get a
// sentence.
//
// Whatever isn't as it was written is on Damage when it returns. A store with
// damage whose extent isn't known is opened for reading only. One of an older format
// is brought to this one first (migrate.go).
func Open(dir string, opts Options) (*Store, error) {
	if err := opts.Keys.Check(); err != nil {
		return nil, fmt.Errorf("open the store %s: %w", dir, err)
	}
	if err := migrate(dir, opts); err != nil {
		return nil, err
	}
	return openAs(dir, opts)
}

// openAs opens a store of the format that the options say.
func openAs(dir string, opts Options) (*Store, error) {
	s := &Store{
		dir: dir, opts: opts,
		macs:  valueMACs{newDigester(opts.Keys, purposeValue), opts.Keys.StoreID, opts.layout()},
		files: newDigester(opts.Keys, purposeFile),
	}
	s.heads = &headsFile{
		name: s.path(fileHeads), keys: opts.Keys, mac: newDigester(opts.Keys, purposeHeads), sync: (*os.File).Sync,
		heads: map[crdt.LogID]crdt.Head{},
	}
	if err := s.open(); err != nil {
		if noBlock(err) && node.CodeOf(err) == node.Internal {
			err = noRoomToOpen(dir, err)
		}
		return nil, errors.Join(err, s.abandon())
	}
	return s, nil
}

func (s *Store) path(name string) string { return filepath.Join(s.dir, name) }

func (s *Store) open() error {
	if err := makeDir(s.dir); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	if err := s.lock(); err != nil {
		return err
	}
	if err := s.findGeneration(); err != nil {
		return err
	}
	if err := s.prepareRoom(); err != nil {
		return err
	}
	if err := s.makeGeneration(); err != nil {
		return fmt.Errorf("make the store: %w", err)
	}
	i, err := s.inspect()
	if err != nil {
		return err
	}
	if err := i.noteOpening(); err != nil {
		return err
	}
	if i.suspect && s.opts.keeps(RuleProbe) {
		if err := s.probe(); err != nil {
			return err
		}
	}
	if err := i.readFiles(); err != nil { // the copy has made tables, too
		return fmt.Errorf("inspect the store: %w", err)
	}
	if err := s.openBadger(); err != nil {
		return err
	}
	if err := s.begin(i); err != nil {
		return err
	}
	if err := s.space.restock(s.dir); err != nil {
		return err
	}
	s.readBehind()
	return nil
}

// abandon lets go of a store that isn't opened after all.
func (s *Store) abandon() error {
	var errs []error
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	errs = append(errs, s.heads.close())
	if s.unlock != nil {
		errs = append(errs, s.unlock())
	}
	return errors.Join(errs...)
}

func (s *Store) lock() error {
	l := flock.New(s.path(fileLock))
	held, err := l.TryLock()
	if err != nil {
		return fmt.Errorf("lock the store %s: %w", s.dir, err)
	}
	if !held {
		return taken(s.dir, nil)
	}
	s.unlock = l.Unlock
	return nil
}

func taken(dir string, err error) error {
	dir = filepath.Dir(filepath.Clean(dir))
	return &node.Error{Code: node.Unavailable, Err: err, Message: node.Text{
		VI: fmt.Sprintf("Một chương trình khác đang dùng thư mục %s. Hãy đóng nó trước, hoặc chọn thư mục khác.", dir),
		EN: fmt.Sprintf("another program is using the directory %s; close it first, or choose another directory", dir),
	}}
}

// findGeneration reads CURRENT. One that was changed is written anew where the
// heads file proves the keys right; where there is none, the store is new, or its
// making was interrupted.
func (s *Store) findGeneration() error {
	c, err := ReadCurrent(s.dir)
	s.gen = s.path(firstGen)
	if node.CodeOf(err) == node.Damaged && (c.Format == 0 && !s.ours() || c.Format != 0 && uint32(c.Format) != s.opts.layout()) {
		return err
	}
	switch {
	case err == nil && c.StoreID != s.opts.Keys.StoreID:
		if s.ours() {
			break
		}
		return node.Errorf(node.Invalid,
			"Khóa không phải của kho %s.", "the keys are not those of the store %s", s.dir)
	case err == nil && c.authentic(s.opts.Keys):
		s.gen = s.path(c.Directory)
		return nil
	case err == nil && !s.ours():
		return node.Errorf(node.Invalid,
			"Khóa không mở được kho %s, hoặc cả hai tệp CURRENT và heads đều bị hỏng.",
			"the keys don't open the store %s, or both its files CURRENT and heads are damaged", s.dir)
	case errors.Is(err, fs.ErrNotExist) && !s.ours():
		return s.refuseTables() // new
	case err != nil && node.CodeOf(err) != node.Damaged && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return s.restoreCurrent()
}

// ours says whether the heads file was written under these keys.
func (s *Store) ours() bool {
	k, err := readHeads(s.path(fileHeads), s.opts.Keys)
	return (err == nil || errors.Is(err, errHeads)) && k.Commit > 0
}

// restoreCurrent names the only generation there is.
func (s *Store) restoreCurrent() error {
	gens, err := filepath.Glob(s.path("g*"))
	if err != nil {
		return err
	}
	gens = slices.DeleteFunc(gens, func(g string) bool { return !generation(filepath.Base(g)) })
	if len(gens) != 1 {
		return node.Errorf(node.Damaged, "Tệp CURRENT của kho %s bị hỏng, và có %d thế hệ dữ liệu. Hãy dùng `vungxa repair`.",
			"the file CURRENT of the store %s is damaged, and there are %d generations; use `vungxa repair`", s.dir, len(gens))
	}
	s.gen = gens[0]
	s.found(Damage{Kind: DamagedFile, Place: fileCurrent})
	if err := s.aside(s.path(fileCurrent)); err != nil {
		return err
	}
	return writeCurrent(s.dir, filepath.Base(s.gen), s.opts)
}

// makeGeneration makes what a new store lacks: the directory, Badger's one key,
// and CURRENT last, with which the directory is a store.
func (s *Store) makeGeneration() error {
	for _, name := range []string{fileCurrent, fileHeads, fileTables} {
		if err := durable.Sweep(s.path(name)); err != nil {
			return err
		}
	}
	if exists(s.path(fileCurrent)) {
		return nil
	}
	if err := makeDir(s.gen); err != nil {
		return err
	}
	if err := s.makeBadgerKey(); err != nil {
		return err
	}
	return writeCurrent(s.dir, filepath.Base(s.gen), s.opts)
}

// makeBadgerKey draws Badger's data key. Badger would do that itself, unless the
// clock says that it is within the key's lifetime of 1970: then it would write
// everything in the clear. So the key is made here, and never rotated: a new key
// comes with a new generation.
func (s *Store) makeBadgerKey() error {
	if !s.opts.keeps(RuleEncryption) {
		return nil
	}
	registry, err := badger.OpenKeyRegistry(badger.KeyRegistryOptions{
		Dir: s.gen, EncryptionKey: s.badgerKey(), EncryptionKeyRotationDuration: math.MinInt64,
	})
	if err != nil {
		return err
	}
	if key, err := registry.DataKey(1); err == nil && key != nil {
		return registry.Close() // its making was interrupted here
	}
	_, err = registry.LatestDataKey()
	return errors.Join(err, registry.Close())
}

func (s *Store) badgerKey() []byte {
	if !s.opts.keeps(RuleEncryption) {
		return nil
	}
	key := s.opts.Keys.Derive(purposeBadger)
	return key[:]
}

// begun says that a crash left a log of Badger's that was made and not yet given
// its length. It holds nothing. Badger fails on it with an error that means no
// failure (its issue 2207), but has finished making it by then; there may be one
// of each kind.
func begun(err error) bool { return err != nil && strings.Contains(err.Error(), "Create a new file") }

// openBadger opens Badger; a panic of it becomes an error.
func (s *Store) openBadger() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = openError(s.dir, fmt.Errorf("badger: %v", r))
		}
	}()
	o := badgerOptions(s.gen, s.badgerKey(), s.opts)
	if s.unreadNow() != nil {
		s.space.resting, s.space.idle = true, true
	}
	if s.distrusted() || s.space.resting {
		// They would read what can't be believed, or write where there is no room.
		o = o.WithNumCompactors(0).WithNumLevelZeroTablesStall(math.MaxInt32)
	}
	if s.db, err = openAnyway(o); err != nil {
		s.db = nil
		return openError(s.dir, err)
	}
	return nil
}

func openAnyway(o badger.Options) (*badger.DB, error) { return tryAgain(badger.Open, o) }

func tryAgain(open func(badger.Options) (*badger.DB, error), o badger.Options) (*badger.DB, error) {
	db, err := open(o)
	for again := 0; again < 3 && begun(err); again++ {
		db, err = open(o)
	}
	return db, err
}

func openError(dir string, err error) error {
	if strings.Contains(err.Error(), "Cannot acquire directory lock") {
		return taken(dir, err)
	}
	if noBlock(err) {
		return noRoomToOpen(dir, err)
	}
	return node.Errorf(node.Damaged,
		"Không mở được kho dữ liệu %s: %w. Hãy dùng `vungxa repair`, hoặc khôi phục từ bản sao lưu.",
		"can't open the store %s: %w; use `vungxa repair`, or restore a backup", dir, err)
}

// begin takes up where the store was left: it compares what Badger came up with to
// the files beside it, reads everything if that isn't the same, and starts both
// files anew.
func (s *Store) begin(i *inspection) error {
	if err := s.readCommit(i); err != nil {
		return err
	}
	if err := i.settleHeads(); err != nil {
		return err
	}
	if i.suspect || s.distrusted() { // the latter by what was read just now
		if _, err := s.Scrub(context.Background(), nil); err != nil {
			return fmt.Errorf("check the store: %w", err)
		}
	}
	if err := s.takeUp(i); err != nil {
		return err
	}
	s.recovered.Unknown = i.lost
	// What the heads file knows of logs of this device must not be forgotten before
	// the engine has acted on it: it is written again with the next commit.
	if s.pending = s.recovered.any(); s.pending {
		return nil
	}
	return s.noteWithRoom(nil)
}

// readCommit reads the commit number and the format.
func (s *Store) readCommit(i *inspection) error {
	return s.View(func(tx *Tx) error {
		b, err := tx.Get(metaKey(metaCommit))
		if err == nil && len(b) == 8 {
			s.commit = binary.BigEndian.Uint64(b)
		}
		if node.CodeOf(err) == node.Damaged {
			err = nil // on the list; the heads file knows a number
		}
		return err
	})
}

// takeUp prepares what note follows.
func (s *Store) takeUp(i *inspection) error {
	ids, err := walIDs(s.gen)
	if err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(i.wals)) { // also those that Badger has made tables of already
		s.wals, s.lastWAL = append(s.wals, i.wals[id]), id
	}
	for _, id := range ids {
		if i.wals[id] == nil {
			s.wals, s.lastWAL = append(s.wals, &wal{ID: id, sum: s.files.hasher()}), id
		}
	}
	if s.tables.Registry == nil {
		s.tables.Registry, err = os.ReadFile(filepath.Join(s.gen, badger.KeyRegistryFileName))
	}
	s.tables.Number = max(i.before.Number, i.known.Tables)
	s.commit = max(s.commit, i.known.Commit)
	s.heads.last = i.known.frame
	s.state.Lock()
	s.unwritten = true
	s.state.Unlock()
	held := map[crdt.LogID]crdt.Head{}
	read := i.unread(s.View(func(tx *Tx) error {
		return tx.Logs(func(l Log) error {
			held[l.ID] = l.Head
			return nil
		})
	}))
	if i.lost {
		maps.Copy(s.heads.heads, i.known.heads)
	}
	maps.Copy(s.heads.heads, held)
	return errors.Join(err, read)
}

// makeDir makes a directory that a power cut doesn't take away again.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(filepath.Clean(dir)))
}

// SyncDir makes what was created or renamed in a directory durable.
func SyncDir(dir string) error { return durable.SyncDir(dir) }
