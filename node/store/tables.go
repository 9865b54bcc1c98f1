package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/fb"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/badger/v4/y"
	"github.com/dgraph-io/ristretto/v2"

	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node/store/keyring"
	"github.com/vungxa/vungxa/node/store/sealed"
)

// The tables file is what the store knows of Badger's other files and of its own
// damage: one sealed item (node/store/sealed), because keys of a table's first and
// last row can be personal. It is written anew before the heads file tells of a
// change of the MANIFEST.

// tablesFile is its content.
type tablesFile struct {
	_        struct{} `cbor:",toarray"`
	Number   uint64   // counts how often it was written
	Registry []byte   // a copy of Badger's KEYREGISTRY, which never changes
	Manifest prefix   // the MANIFEST that names the tables
	Tables   []tableMark
	Damage   []storedDamage
}

// tableMark is a table: what the MANIFEST says of it, the digest of its file, and
// the range of its keys.
type tableMark struct {
	_           struct{} `cbor:",toarray"`
	ID          uint64
	Level       uint32
	Key         uint64
	Compression uint32
	Size        int64
	Sum         []byte
	First, Last []byte
}

const maxTablesFile = 64 << 20

func readTables(name string, keys keyring.Keys) (tablesFile, error) {
	var t tablesFile
	b, err := os.ReadFile(name)
	if err != nil {
		return t, err
	}
	plain, err := sealed.Open(keys, purposeTables, b)
	if err != nil {
		return t, err
	}
	return t, wire.Unmarshal(plain, maxTablesFile, &t)
}

// errTablesLater says that the disk has no room for the tables file just now.
var errTablesLater = errors.New("no room for the tables file")

func (t tablesFile) write(name string, keys keyring.Keys) error {
	plain, err := wire.Marshal(t)
	if err != nil {
		return err
	}
	b, err := sealed.Seal(keys, purposeTables, plain)
	if err != nil {
		return err
	}
	err = replaceFile(name, b)
	if diskFull(err) {
		return fmt.Errorf("%w: %w", errTablesLater, err)
	}
	return err
}

func (t tablesFile) byID() map[uint64]tableMark {
	m := map[uint64]tableMark{}
	for _, mark := range t.Tables {
		m[mark.ID] = mark
	}
	return m
}

// fileSum is the size and digest of a whole file.
func (d *digester) fileSum(name string) (size int64, sum []byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, nil, err
	}
	defer f.Close() // nothing was written
	h := d.hasher()
	defer d.pool.Put(h)
	size, err = io.CopyBuffer(h, struct{ io.Reader }{f}, make([]byte, 256<<10))
	return size, h.Sum(nil), err
}

// markTables are the tables that a MANIFEST names. Digests of known ones stay: a
// table never changes. gone says that one isn't there any more, so that Badger has
// moved on since.
func (s *Store) markTables(m manifest) (marks []tableMark, gone bool, err error) {
	before := s.tables.byID()
	for _, id := range slices.Sorted(maps.Keys(m.live)) {
		entry := m.live[id]
		mark, known := before[id]
		if !known {
			mark, err = s.markTable(id, entry)
		}
		if errors.Is(err, errGone) {
			return nil, true, nil
		}
		if err != nil {
			return nil, false, fmt.Errorf("digest a table: %w", err)
		}
		mark.Level, mark.Key, mark.Compression = entry.level, entry.key, entry.compression
		marks = append(marks, mark)
	}
	return marks, false, nil
}

// errGone is a table that Badger has taken away while it was read.
var errGone = errors.New("the table is gone")

// markTable digests a table of a Badger that runs. A compaction may end the table
// meanwhile: Badger empties the file and then removes it.
func (s *Store) markTable(id uint64, t manifestTable) (tableMark, error) {
	name := table.NewFilename(id, s.gen)
	b, err := os.ReadFile(name)
	if err == nil {
		h := s.files.hasher()
		defer s.files.pool.Put(h)
		h.Write(b) // a hash.Hash never fails
		mark := tableMark{ID: id, Size: int64(len(b)), Sum: h.Sum(nil)}
		if mark.First, mark.Last, err = s.keyRange(b, id, t, options.NoVerification); err == nil {
			return mark, nil
		}
	}
	if info, serr := os.Stat(name); len(b) == 0 || serr != nil || info.Size() != int64(len(b)) {
		return tableMark{}, errGone
	}
	return tableMark{}, err
}

// tableRange opens a table by itself, checks it against Badger's own checksums if
// mode says so, and gives its first and last key.
func (s *Store) tableRange(id uint64, t manifestTable, mode options.ChecksumVerificationMode) (first, last []byte, err error) {
	b, err := os.ReadFile(table.NewFilename(id, s.gen))
	if err != nil {
		return nil, nil, err
	}
	return s.keyRange(b, id, t, mode)
}

// keyRange reads a table's first and last key from its bytes, and never through a
// mapping: reading one whose file Badger has emptied would end the program.
func (s *Store) keyRange(b []byte, id uint64, t manifestTable, mode options.ChecksumVerificationMode) (first, last []byte, err error) {
	err = guard(func() error {
		registry, err := badger.OpenKeyRegistry(badger.KeyRegistryOptions{Dir: s.gen, ReadOnly: true, EncryptionKey: s.badgerKey()})
		if err != nil {
			return err
		}
		key, err := registry.DataKey(t.key)
		if err != nil {
			return err
		}
		indexes, err := ristretto.NewCache(&ristretto.Config[uint64, *fb.TableIndex]{NumCounters: 10, MaxCost: 1 << 30, BufferItems: 1})
		if err != nil {
			return err
		}
		defer indexes.Close()
		tbl, err := table.OpenInMemoryTable(b, id, &table.Options{
			DataKey: key, Compression: options.CompressionType(t.compression), ChkMode: mode, IndexCache: indexes, BlockSize: blockSize, ReadOnly: true,
		})
		if err != nil {
			return err
		}
		first, last = y.ParseKey(slices.Clone(tbl.Smallest())), y.ParseKey(slices.Clone(tbl.Biggest()))
		if mode == options.OnTableRead {
			return tbl.VerifyChecksum()
		}
		return nil
	})
	return first, last, err
}

// checkTable says whether a table's file is the one that was digested.
func (d *digester) checkTable(dir string, t tableMark) (bool, error) {
	name := table.NewFilename(t.ID, dir)
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil || info.Size() != t.Size {
		return false, err
	}
	_, sum, err := d.fileSum(name)
	return string(sum) == string(t.Sum), err
}
