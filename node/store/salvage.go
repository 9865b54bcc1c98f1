package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/y"

	"github.com/vungxa/vungxa/node"
)

// Salvaged is what could be read of a damaged store, which isn't open and isn't
// changed. Badger gives up a whole store for one bad block, or ends the program; so
// its files are read here piece by piece, and every value whose MAC is good counts,
// whatever is wrong around it. Nothing else is believed: an item's MAC covers its key.
//
// Of entries and seals any copy is the right one, since they are never written twice.
// Of other items the newest copy is taken that could be read, which may not be the
// newest that was written. That one was deleted is said without a MAC, so it counts only
// where a checksum says that nothing happened to it by accident.
type Salvaged struct {
	Tables, TablesBad int    // files that could be read, at least in part, and others
	Values, ValuesBad uint64 // items with a good MAC, and items without

	dir        string
	opts       Options
	scratch    string
	kinds      []byte // that the pass takes
	db         *badger.DB
	macs       valueMACs
	registries []*badger.KeyRegistry
	batch      *badger.WriteBatch
	known      known // what the heads file says
	damaged    []string
}

// Salvage reads what there is of a store, into a scratch directory that it makes
// beside it and Close takes away. The store's files and the scratch are encrypted
// under the same key.
func Salvage(ctx context.Context, dir string, opts Options) (_ *Salvaged, err error) {
	if err := opts.Keys.Check(); err != nil {
		return nil, err
	}
	s := &Salvaged{
		dir: dir, opts: opts,
		scratch: filepath.Clean(dir) + scratchSuffix,
		macs:    valueMACs{newDigester(opts.Keys, purposeValue), opts.Keys.StoreID, opts.layout()},
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := s.makeScratch(opts); err != nil {
		return nil, fmt.Errorf("save what can be read: %w", err)
	}
	s.known, err = readHeads(filepath.Join(dir, fileHeads), opts.Keys)
	if err != nil {
		s.damaged = append(s.damaged, fileHeads)
	}
	return s, s.pass(ctx, logKinds)
}

// Kinds of items that a pass takes: first logs, and what is in no log; of what is
// computed from the entries only records, and those only where entries are gone.
var (
	logKinds    = []byte{keyEntry, keySeal, keyMeta, keyLocal, keyLog}
	recordKinds = []byte{keyRecord}
)

// pass reads all files for items of some kinds.
func (s *Salvaged) pass(ctx context.Context, kinds []byte) error {
	s.kinds, s.Tables, s.TablesBad, s.batch = kinds, 0, 0, s.db.NewManagedWriteBatch()
	gens, err := filepath.Glob(filepath.Join(s.dir, "g*"))
	if err != nil {
		return err
	}
	for _, gen := range gens {
		if !generation(filepath.Base(gen)) {
			continue
		}
		if err := s.readGeneration(ctx, s.dir, gen, s.opts); err != nil {
			return fmt.Errorf("save what can be read: %w", err)
		}
	}
	return s.batch.Flush()
}

func (s *Salvaged) makeScratch(opts Options) (err error) {
	if err := os.RemoveAll(s.scratch); err != nil {
		return err
	}
	if err := os.MkdirAll(s.scratch, 0o700); err != nil {
		return err
	}
	key := opts.Keys.Derive("salvage 1")
	// Not synced: after a crash it is made again.
	s.db, err = badger.OpenManaged(badgerOptions(s.scratch, key[:], opts).WithSyncWrites(false))
	return err
}

// Close takes the scratch away.
func (s *Salvaged) Close() error {
	var errs []error
	if s.batch != nil {
		s.batch.Cancel()
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	for _, r := range s.registries {
		errs = append(errs, r.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(s.scratch))...)
}

// Damaged names the files that could not be read whole.
func (s *Salvaged) Damaged() []string { return s.damaged }

// readGeneration reads all of Badger's files in a directory. One that can't be read
// is passed over.
func (s *Salvaged) readGeneration(ctx context.Context, dir, gen string, opts Options) error {
	key, err := s.dataKey(dir, gen, opts)
	if err != nil {
		return err
	}
	for _, suffix := range []string{".sst", walSuffix} {
		ids, err := fileIDs(gen, suffix)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := s.readFile(gen, id, suffix, key); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Salvaged) readFile(gen string, id uint64, suffix string, key *pb.DataKey) error {
	r := fileReader{key: key, item: s.take, bad: &s.ValuesBad}
	name, read := filepath.Join(gen, fmt.Sprintf("%06d.sst", id)), r.table
	if suffix == walSuffix {
		name, read = walName(gen, id), r.wal
	}
	b, err := os.ReadFile(name)
	if err != nil {
		s.bad(name)
		return nil
	}
	bad := s.ValuesBad
	switch err := guard(func() error { return read(b) }); {
	case errors.Is(err, errUnreadable) || node.CodeOf(err) == node.Damaged:
		s.bad(name)
	case err != nil:
		return err
	default:
		s.Tables++
		if s.ValuesBad > bad {
			s.name(name)
		}
	}
	return nil
}

func (s *Salvaged) bad(name string) {
	s.TablesBad++
	s.name(name)
}

// name puts a file on the list of those that couldn't be read whole.
func (s *Salvaged) name(file string) {
	if file = filepath.Base(file); !slices.Contains(s.damaged, file) {
		s.damaged = append(s.damaged, file)
	}
}

// dataKey is Badger's own key, from its registry or the copy that the tables file
// keeps.
func (s *Salvaged) dataKey(dir, gen string, opts Options) (*pb.DataKey, error) {
	badgerKey := opts.Keys.Derive(purposeBadger)
	key, err := s.keyIn(gen, badgerKey[:])
	if err == nil {
		return key, nil
	}
	s.name(badger.KeyRegistryFileName)
	tables, tablesErr := readTables(filepath.Join(dir, fileTables), opts.Keys)
	if tablesErr != nil || len(tables.Registry) == 0 {
		return nil, node.Errorf(node.Damaged,
			"Khóa mã hóa của kho (KEYREGISTRY) và bản chép của nó đều hỏng nên không đọc lại được gì từ đĩa: %w. Hãy dùng bản sao lưu.",
			"the store's encryption key (KEYREGISTRY) and its copy are both damaged, so nothing can be read from the disk: %w; use a backup", err)
	}
	copied := filepath.Join(s.scratch, "registry")
	if err := os.MkdirAll(copied, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(copied, badger.KeyRegistryFileName), tables.Registry, 0o600); err != nil {
		return nil, err
	}
	return s.keyIn(copied, badgerKey[:])
}

func (s *Salvaged) keyIn(dir string, badgerKey []byte) (key *pb.DataKey, err error) {
	err = guard(func() error {
		if _, err := os.Stat(filepath.Join(dir, badger.KeyRegistryFileName)); err != nil {
			return err
		}
		r, err := badger.OpenKeyRegistry(badger.KeyRegistryOptions{Dir: dir, ReadOnly: true, EncryptionKey: badgerKey})
		if err != nil {
			return err
		}
		s.registries = append(s.registries, r)
		key, err = r.DataKey(1)
		if err == nil && key == nil {
			err = errUnreadable
		}
		return err
	})
	return key, err
}

// take keeps an item whose MAC is good, under its version.
func (s *Salvaged) take(versioned []byte, meta byte, value []byte) error {
	if len(versioned) <= 8 {
		s.ValuesBad++
		return nil
	}
	key, version := y.ParseKey(versioned), y.ParseTs(versioned)
	if len(key) == 0 || bytes.HasPrefix(key, []byte("!badger!")) || !bytes.Contains(s.kinds, key[:1]) || meta&metaPointer != 0 {
		return nil
	}
	if meta&metaDeleted != 0 {
		if key[0] == keyEntry || key[0] == keySeal {
			return nil // any copy is the right one
		}
		return s.batch.DeleteAt(bytes.Clone(key), version)
	}
	plain, ok := s.macs.open(key, value)
	if !ok {
		s.ValuesBad++
		return nil
	}
	s.Values++
	return s.batch.SetEntryAt(badger.NewEntry(bytes.Clone(key), bytes.Clone(plain)), version)
}
