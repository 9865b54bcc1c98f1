package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/fb"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/y"
	"github.com/klauspost/compress/snappy"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
)

// Salvaged is what could be read of a damaged store, which isn't open and isn't
// changed. Badger gives up a whole store for one bad block, or ends the program; so
// its files are read here piece by piece, and every value whose MAC is good counts,
// whatever is wrong around it. Nothing else is believed: an item's MAC covers its key.
//
// Of entries and seals any copy is the right one, since they are never written twice.
// Of other items the newest copy is taken that could be read, which may not be the
// newest that was written.
type Salvaged struct {
	Tables, TablesBad int    // files that could be read, at least in part, and others
	Values, ValuesBad uint64 // items with a good MAC, and items without

	scratch    string
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
		scratch: filepath.Clean(dir) + ".salvage",
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
	gens, err := filepath.Glob(filepath.Join(dir, "g*"))
	if err != nil {
		return nil, err
	}
	for _, gen := range gens {
		if generation(filepath.Base(gen)) {
			if err := s.readGeneration(ctx, dir, gen, opts); err != nil {
				return nil, fmt.Errorf("save what can be read: %w", err)
			}
		}
	}
	return s, s.batch.Flush()
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
	if s.db, err = badger.OpenManaged(badgerOptions(s.scratch, key[:], opts).WithSyncWrites(false)); err != nil {
		return err
	}
	s.batch = s.db.NewManagedWriteBatch()
	return nil
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
	name, read := filepath.Join(gen, fmt.Sprintf("%06d.sst", id)), s.readTable
	if suffix == walSuffix {
		name, read = walName(gen, id), s.readWAL
	}
	b, err := os.ReadFile(name)
	if err != nil {
		s.bad(name)
		return nil
	}
	bad := s.ValuesBad
	switch err := guard(func() error { return read(b, key) }); {
	case errors.Is(err, errUnreadable) || node.CodeOf(err) == node.Damaged:
		s.bad(name)
	case err != nil:
		return err
	default:
		s.Tables++
		if s.ValuesBad > bad {
			s.damaged = append(s.damaged, filepath.Base(name))
		}
	}
	return nil
}

func (s *Salvaged) bad(name string) {
	s.TablesBad++
	s.damaged = append(s.damaged, filepath.Base(name))
}

// dataKey is Badger's own key, from its registry or the copy that the tables file
// keeps.
func (s *Salvaged) dataKey(dir, gen string, opts Options) (*pb.DataKey, error) {
	badgerKey := opts.Keys.Derive(purposeBadger)
	key, err := s.keyIn(gen, badgerKey[:])
	if err == nil {
		return key, nil
	}
	s.damaged = append(s.damaged, badger.KeyRegistryFileName)
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

var errUnreadable = errors.New("it can't be read")

// readTable reads a table of Badger's, block by block.
//
//	blocks | index (flatbuffer, encrypted) | its length (4) | checksum | its length (4)
func (s *Salvaged) readTable(b []byte, key *pb.DataKey) error {
	sum, rest, ok := lastPart(b)
	_ = sum
	if !ok {
		return errUnreadable
	}
	index, _, ok := lastPart(rest)
	if !ok {
		return errUnreadable
	}
	index, err := decrypted(index, key)
	if err != nil {
		return errUnreadable
	}
	root := fb.GetRootAsTableIndex(index, 0)
	blocks := 0
	for i := range root.OffsetsLength() {
		var at fb.BlockOffset
		err := guard(func() error {
			if !root.Offsets(&at, i) {
				return errUnreadable
			}
			first, size := uint64(at.Offset()), uint64(at.Len())
			if first+size > uint64(len(b)) {
				return errUnreadable
			}
			return s.readBlock(b[first:first+size], key)
		})
		if err == nil {
			blocks++
		} else if !errors.Is(err, errUnreadable) && node.CodeOf(err) != node.Damaged {
			return err
		} else {
			s.ValuesBad++
		}
	}
	if blocks == 0 {
		return errUnreadable
	}
	return nil
}

// lastPart splits off what ends with its length in four bytes.
func lastPart(b []byte) (part, before []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	n, b := binary.BigEndian.Uint32(b[len(b)-4:]), b[:len(b)-4]
	if uint64(n) > uint64(len(b)) {
		return nil, nil, false
	}
	return b[len(b)-int(n):], b[:len(b)-int(n)], true
}

// decrypted is what Badger encrypted by AES-CTR, with the IV at its end.
func decrypted(b []byte, key *pb.DataKey) ([]byte, error) {
	if key == nil {
		return b, nil
	}
	if len(b) < 16 {
		return nil, errUnreadable
	}
	return y.XORBlockAllocate(b[:len(b)-16], key.Data, b[len(b)-16:])
}

// readBlock reads a block.
//
//	entries | their offsets (4 each, this machine's order) | how many (4) | checksum | its length (4)
//	entry: bytes shared with the first key (2), bytes of its own (2), those, value
func (s *Salvaged) readBlock(b []byte, key *pb.DataKey) error {
	b, err := decrypted(b, key)
	if err != nil {
		return err
	}
	if plain, err := snappy.Decode(nil, b); err == nil {
		b = plain
	}
	_, b, ok := lastPart(b)
	if !ok || len(b) < 4 {
		return errUnreadable
	}
	n, b := uint64(binary.BigEndian.Uint32(b[len(b)-4:])), b[:len(b)-4]
	if n == 0 || n*4 > uint64(len(b)) {
		return errUnreadable
	}
	offsets, b := b[uint64(len(b))-n*4:], b[:uint64(len(b))-n*4]
	at := func(i uint64) uint64 {
		if i == n {
			return uint64(len(b))
		}
		return uint64(binary.NativeEndian.Uint32(offsets[i*4:]))
	}
	var first []byte
	for i := range n {
		from, to := at(i), at(i+1)
		if from+4 > to || to > uint64(len(b)) {
			s.ValuesBad++
			continue
		}
		entry := b[from:to]
		shared, own := int(binary.NativeEndian.Uint16(entry)), int(binary.NativeEndian.Uint16(entry[2:]))
		if 4+own > len(entry) || shared > len(first) {
			s.ValuesBad++
			continue
		}
		versioned := slices.Concat(first[:shared], entry[4:4+own])
		if i == 0 {
			first = versioned
		}
		var value y.ValueStruct
		if err := guard(func() error { value.Decode(entry[4+own:]); return nil }); err != nil {
			s.ValuesBad++
			continue
		}
		if err := s.take(versioned, value.Meta, value.Value); err != nil {
			return err
		}
	}
	return nil
}

// readWAL reads a write-ahead log (wal.go), past whatever in it can't be read.
func (s *Salvaged) readWAL(b []byte, key *pb.DataKey) error {
	if len(b) < walHeader {
		return errUnreadable
	}
	iv := make([]byte, 16)
	copy(iv, b[8:walHeader])
	for at := walHeader; at < len(b); {
		size, _, ok := walEntry(b[at:])
		if !ok || size == 0 {
			if b[at] != 0 {
				s.ValuesBad++ // where a bad entry begins; and then wherever a byte of it looks like one
			}
			next := s.nextWALEntry(b, at+1)
			if next < 0 {
				break
			}
			at = next
			continue
		}
		entry := b[at : at+size-4]
		head := 2
		var lengths [2]uint64
		for i := range lengths {
			n, used := binary.Uvarint(entry[head:])
			lengths[i], head = n, head+used
		}
		_, used := binary.Uvarint(entry[head:])
		head += used
		binary.BigEndian.PutUint32(iv[12:], uint32(at))
		plain := entry[head:]
		if key != nil {
			var err error
			if plain, err = y.XORBlockAllocate(plain, key.Data, iv); err != nil {
				return err
			}
		}
		if entry[0]&walEnd == 0 {
			if err := s.take(plain[:lengths[0]], entry[0], plain[lengths[0]:]); err != nil {
				return err
			}
		}
		at += size
	}
	return nil
}

// nextWALEntry is where the next entry begins whose checksum is good; -1 where none
// does.
func (s *Salvaged) nextWALEntry(b []byte, from int) int {
	for at := from; at < len(b); at++ {
		if size, _, ok := walEntry(b[at:]); ok && size > 0 {
			return at
		}
	}
	return -1
}

// Badger's marks in an entry's meta.
const (
	metaDeleted = 1 << 0
	metaPointer = 1 << 1
)

// take keeps an item whose MAC is good, under its version.
func (s *Salvaged) take(versioned []byte, meta byte, value []byte) error {
	if len(versioned) <= 8 {
		s.ValuesBad++
		return nil
	}
	key, version := y.ParseKey(versioned), y.ParseTs(versioned)
	if len(key) == 0 || bytes.HasPrefix(key, []byte("!badger!")) || !salvaged(key) || meta&metaPointer != 0 {
		return nil
	}
	if meta&metaDeleted != 0 {
		return nil // nothing that counts here is deleted and then missed
	}
	plain, ok := s.macs.open(key, value)
	if !ok {
		s.ValuesBad++
		return nil
	}
	s.Values++
	return s.batch.SetEntryAt(badger.NewEntry(bytes.Clone(key), bytes.Clone(plain)), version)
}

// salvaged says which kinds are worth it: all else is computed from the entries.
func salvaged(key []byte) bool {
	return strings.IndexByte(string([]byte{keyEntry, keySeal, keyMeta, keyLocal, keyLog}), key[0]) >= 0
}

// Piece is a run of a log's entries without a gap.
type Piece struct {
	Log     crdt.LogID
	First   uint64
	Entries [][]byte    // carried
	Seals   []wire.Seal // over entries of it, in order
}

// Last is the seq of its last entry.
func (p *Piece) Last() uint64 { return p.First + uint64(len(p.Entries)) - 1 }

// pieceBytes bounds a piece, in bytes of entries. It ends at a seal if one is near.
const pieceBytes = 512 << 10

// Pieces calls f with all entries that were found, log by log.
func (s *Salvaged) Pieces(f func(Piece) error) error {
	return s.view(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{keyEntry}})
		defer it.Close()
		var p Piece
		var number uint32
		size := 0
		give := func() error {
			if len(p.Entries) == 0 {
				return nil
			}
			err := s.seals(txn, number, &p)
			if err == nil {
				err = f(p)
			}
			p, size = Piece{}, 0
			return err
		}
		for it.Rewind(); it.Valid(); it.Next() {
			key := it.Item().Key()
			b, err := it.Item().ValueCopy(nil)
			if err != nil {
				return err
			}
			stored, ok := decodeStored(b)
			if len(key) != 13 || !ok {
				continue
			}
			e, err := wire.DecodeEntry(stored.Raw)
			if err != nil || e.Seq != binary.BigEndian.Uint64(key[5:]) {
				continue // of a good MAC, so a fault of the program's; it can't be applied
			}
			follows := len(p.Entries) > 0 && e.Log == p.Log && e.Seq == p.Last()+1
			if !follows || size+len(stored.Raw) > pieceBytes || len(p.Entries) == wire.MaxSegmentEntries {
				if err := give(); err != nil {
					return err
				}
				p.Log, p.First, number = e.Log, e.Seq, binary.BigEndian.Uint32(key[1:])
			}
			p.Entries, size = append(p.Entries, stored.Raw), size+len(stored.Raw)
		}
		return give()
	})
}

// seals finds the seals over a piece's entries.
func (s *Salvaged) seals(txn *badger.Txn, number uint32, p *Piece) error {
	it := txn.NewIterator(badger.IteratorOptions{Prefix: numberKey(keySeal, number)})
	defer it.Close()
	for it.Seek(seqKey(keySeal, number, p.First)); it.Valid(); it.Next() {
		b, err := it.Item().ValueCopy(nil)
		if err != nil {
			return err
		}
		var seal wire.Seal
		if wire.Unmarshal(b, MaxValue, &seal) != nil || seal.Seq > p.Last() {
			break
		}
		p.Seals = append(p.Seals, seal)
	}
	return nil
}

// Locals calls f with the local items that were found, by kind and name.
func (s *Salvaged) Locals(f func(kind, name string, value []byte) error) error {
	return s.each(keyLocal, func(key, value []byte) error {
		kind, name, ok := strings.Cut(string(key[1:]), "\x00")
		if !ok {
			return nil
		}
		return f(kind, name, value)
	})
}

// Meta is the newest copy of a single item that was found; nil where there is none.
func (s *Salvaged) Meta(name string) (value []byte, err error) {
	err = s.view(func(txn *badger.Txn) error {
		item, err := txn.Get(metaKey(name))
		if errors.Is(err, badger.ErrKeyNotFound) {
			return nil
		}
		if err == nil {
			value, err = item.ValueCopy(nil)
		}
		return err
	})
	return value, err
}

// Heads are the heads that the logs had, by the heads file and by what was found.
func (s *Salvaged) Heads() (map[crdt.LogID]crdt.Head, error) {
	heads := map[crdt.LogID]crdt.Head{}
	for id, h := range s.known.heads {
		heads[id] = h
	}
	err := s.each(keyLog, func(key, value []byte) error {
		if len(key) != 5 {
			return nil
		}
		if l, err := decodeLog(binary.BigEndian.Uint32(key[1:]), value); err == nil && l.Head.Seq > heads[l.ID].Seq {
			heads[l.ID] = l.Head
		}
		return nil
	})
	return heads, err
}

func (s *Salvaged) each(kind byte, f func(key, value []byte) error) error {
	return s.view(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{kind}})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			value, err := it.Item().ValueCopy(nil)
			if err != nil {
				return err
			}
			if err := f(it.Item().Key(), value); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Salvaged) view(f func(*badger.Txn) error) error {
	txn := s.db.NewTransactionAt(^uint64(0)-1, false)
	defer txn.Discard()
	return f(txn)
}
