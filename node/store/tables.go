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
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/table"
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

func (t tablesFile) write(name string, keys keyring.Keys, replace func(name string, b []byte) error) error {
	plain, err := wire.Marshal(t)
	if err != nil {
		return err
	}
	b, err := sealed.Seal(keys, purposeTables, plain)
	if err != nil {
		return err
	}
	err = replace(name, b)
	if DiskFull(err) {
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
func (d *digester) fileSum(name string, buffer []byte) (size int64, sum []byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, nil, err
	}
	defer f.Close() // nothing was written
	h := d.hasher()
	defer d.pool.Put(h)
	size, err = io.CopyBuffer(h, struct{ io.Reader }{f}, buffer)
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
	key, err := s.dataKey(t.key)
	if err != nil {
		return tableMark{}, err
	}
	mark := tableMark{ID: id}
	if mark.Size, mark.Sum, err = s.files.fileSum(name, s.buffer()); err == nil {
		if mark.First, mark.Last, err = tailKeys(name, mark.Size, key, s.buffer()); err == nil {
			return mark, nil
		}
	}
	if info, serr := os.Stat(name); mark.Size == 0 || serr != nil || info.Size() != mark.Size {
		return tableMark{}, errGone
	}
	return tableMark{}, err
}

// dataKey is a key of Badger's.
func (s *Store) dataKey(id uint64) (*pb.DataKey, error) {
	registry, err := badger.OpenKeyRegistry(badger.KeyRegistryOptions{Dir: s.gen, ReadOnly: true, EncryptionKey: s.badgerKey()})
	if err != nil {
		return nil, err
	}
	return registry.DataKey(id)
}

// sound checks a table against Badger's own checksums, never through a mapping.
func (s *Store) sound(id uint64, t manifestTable) bool {
	b, err := os.ReadFile(table.NewFilename(id, s.gen))
	if err != nil {
		return false
	}
	return guard(func() error {
		key, err := s.dataKey(t.key)
		if err != nil {
			return err
		}
		indexes, err := ristretto.NewCache(&ristretto.Config[uint64, *fb.TableIndex]{NumCounters: 10, MaxCost: 1 << 30, BufferItems: 1})
		if err != nil {
			return err
		}
		defer indexes.Close()
		tbl, err := table.OpenInMemoryTable(b, id, &table.Options{
			DataKey: key, Compression: options.CompressionType(t.compression), ChkMode: options.OnTableRead, IndexCache: indexes, BlockSize: blockSize, ReadOnly: true,
		})
		if err != nil {
			return err
		}
		return tbl.VerifyChecksum()
	}) == nil
}

// checkTables holds each table that the MANIFEST names to its digest, or leaves that
// for later. One that has none was made just before the end, and has Badger's own
// checksums.
func (i *inspection) checkTables() error {
	if !i.opts.keeps(RuleTables) {
		return nil
	}
	m, _, err := readManifest(i.gen, 0)
	if err != nil {
		return ignore(err, errManifest, fs.ErrNotExist) // noted, or a new store
	}
	marks := i.before.byID()
	ids := slices.Sorted(maps.Keys(m.live))
	if left := i.calm(m, marks); left != nil {
		i.leaveUnread(left)
		ids = slices.DeleteFunc(ids, func(id uint64) bool { return m.live[id].level > 0 })
		i.tables.Tables = left
	}
	sound := make([]bool, len(ids))
	err = inParallel(len(ids), func(n int, buffer []byte) (err error) {
		mark, known := marks[ids[n]]
		if known {
			sound[n], err = i.files.checkTable(i.gen, mark, buffer)
			return err
		}
		sound[n] = i.sound(ids[n], m.live[ids[n]])
		return nil
	})
	if err != nil {
		return err
	}
	for n, id := range ids {
		mark, known := marks[id]
		switch {
		case sound[n] && known:
			i.tables.Tables = append(i.tables.Tables, mark)
		case sound[n]:
		case known && mark.Last != nil:
			i.wrong(table.IDToFilename(id))
			i.distrust(table.IDToFilename(id), mark.First, mark.Last)
		default:
			i.wrong(table.IDToFilename(id))
			i.distrustAll(table.IDToFilename(id))
		}
	}
	return nil
}

// calm gives the tables that can be held to their digests later: all below level 0,
// where the store was closed, nothing is wrong with anything else, and each table
// has its size and ends as it should. Of level 0 there are a few, which every read
// goes through.
func (i *inspection) calm(m manifest, marks map[uint64]tableMark) (left []tableMark) {
	if !i.known.Clean || i.suspect || i.lost || len(i.Damage()) > 0 || i.opts.early {
		return nil
	}
	for id, t := range m.live {
		mark, known := marks[id]
		if !known || mark.Last == nil || t != (manifestTable{mark.Level, mark.Key, mark.Compression}) {
			return nil
		}
		if t.level > 0 {
			left = append(left, mark)
		}
	}
	if !i.tails(left) {
		return nil
	}
	return left
}

// checkTable says whether a table's file is the one that was digested.
func (d *digester) checkTable(dir string, t tableMark, buffer []byte) (bool, error) {
	name := table.NewFilename(t.ID, dir)
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil || info.Size() != t.Size {
		return false, err
	}
	_, sum, err := d.fileSum(name, buffer)
	return string(sum) == string(t.Sum), err
}
