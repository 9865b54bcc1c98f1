package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/fb"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/badger/v4/y"
	"github.com/klauspost/compress/snappy"
	"google.golang.org/protobuf/proto"
)

// The end of a table is what Badger reads of it when it opens, and what it goes by
// when it looks for a key. Damage there is a panic in a goroutine of Badger's, or
// sends it to other tables. So of a table whose digest is left for later, the end
// is read before Badger opens it:
//
//	blocks, index, length of index (4), checksum of index, length of checksum (4)
//	a block: entries, where each begins (4 each, little endian), their number (4), checksum, its length (4)
//	an entry: bytes of key it shares with the block's first (2), bytes of its own (2), both little endian, key, value
//
// Block and index each end in the IV under which they are encrypted; of a block what
// is encrypted is compressed.

var errTail = errors.New("the end of a table isn't as it was written")

const pieceOfFile = 256 << 10 // holds the index and the last block of a usual table

// tails says whether the ends of all tables are as Badger wrote them, and name the
// first and the last key that is known of each. Where not, or where that can't be
// read, a whole check finds out what is wrong.
func (s *Store) tails(marks []tableMark) bool {
	registry, err := badger.OpenKeyRegistry(badger.KeyRegistryOptions{Dir: s.gen, ReadOnly: true, EncryptionKey: s.badgerKey()})
	if err != nil {
		return false
	}
	return inParallel(len(marks), func(i int, buffer []byte) error {
		key, err := registry.DataKey(marks[i].Key)
		if err != nil {
			return err
		}
		return tail(table.NewFilename(marks[i].ID, s.gen), marks[i], key, buffer)
	}) == nil
}

// inParallel calls f with the numbers up to n, on as many goroutines as there are
// processors, each with a buffer of its own. An error ends it.
func inParallel(n int, f func(i int, buffer []byte) error) error {
	var next atomic.Int64
	workers := min(n, runtime.GOMAXPROCS(0))
	errs := make([]error, workers)
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			buffer := make([]byte, pieceOfFile)
			for i := int(next.Add(1)) - 1; i < n && errs[w] == nil; i = int(next.Add(1)) - 1 {
				if errs[w] = f(i, buffer); errs[w] != nil {
					next.Store(int64(n))
				}
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// tail compares the first and last key of a table, as its end says, to the mark's.
func tail(name string, mark tableMark, key *pb.DataKey, buffer []byte) error {
	first, last, err := tailKeys(name, mark.Size, key, buffer)
	if err == nil && (!bytes.Equal(first, mark.First) || !bytes.Equal(last, mark.Last)) {
		err = errTail
	}
	return err
}

// tailKeys reads the end of a table of a size, and never through a mapping: Badger
// empties a file before it removes it, and reading that would end the program.
func tailKeys(name string, size int64, key *pb.DataKey, buffer []byte) (first, last []byte, err error) {
	defer func() {
		if recover() != nil { // whatever reached past its bounds
			err = errTail
		}
	}()
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close() // nothing was written
	if info, err := f.Stat(); err != nil || info.Size() != size {
		return nil, nil, errors.Join(errTail, err)
	}
	from := max(0, size-int64(len(buffer)))
	b := buffer[:size-from]
	if _, err := f.ReadAt(b, from); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errTail, err)
	}
	first, last, more, err := ends(b, from, key)
	if more { // an unusually long index
		b = make([]byte, size)
		if _, err := f.ReadAt(b, 0); err != nil {
			return nil, nil, fmt.Errorf("%w: %w", errTail, err)
		}
		first, last, _, err = ends(b, 0, key)
	}
	return first, last, err
}

// ends gives the first and the last key of a table whose bytes from an offset on are
// given; more says that the last block begins before them.
func ends(b []byte, from int64, key *pb.DataKey) (first, last []byte, more bool, err error) {
	sum, b, _ := lastPart(b)
	sealed, b, ok := lastPart(b)
	if !ok {
		return nil, nil, from > 0, errTail
	}
	if !checksummed(sealed, sum) {
		return nil, nil, false, errTail
	}
	plain, err := decrypted(sealed, key)
	if err != nil {
		return nil, nil, false, err
	}
	index := fb.GetRootAsTableIndex(plain, 0)
	var o fb.BlockOffset
	if !index.Offsets(&o, index.OffsetsLength()-1) {
		return nil, nil, false, errTail
	}
	at := int64(o.Offset()) - from
	if at < 0 {
		return nil, nil, from > 0, errTail
	}
	if last, err = lastKey(b[at:at+int64(o.Len())], key); err == nil && index.Offsets(&o, 0) {
		first = y.ParseKey(bytes.Clone(o.KeyBytes()))
	}
	return first, last, false, err
}

func lastKey(sealed []byte, key *pb.DataKey) ([]byte, error) {
	packed, err := decrypted(sealed, key)
	if err != nil {
		return nil, err
	}
	block, err := snappy.Decode(nil, packed)
	if err != nil {
		block = packed // not compressed, or the checksum tells
	}
	sum, block, _ := lastPart(block)
	if !checksummed(block, sum) {
		return nil, errTail
	}
	entries := block[:len(block)-4]
	n := int(binary.BigEndian.Uint32(block[len(entries):]))
	lastAt := binary.LittleEndian.Uint32(entries[len(entries)-4:])
	entries = entries[:len(entries)-4*n]
	base := entries[4:][:binary.LittleEndian.Uint16(entries[2:])]
	entry := entries[lastAt:]
	shared, own := binary.LittleEndian.Uint16(entry), binary.LittleEndian.Uint16(entry[2:])
	return y.ParseKey(slices.Concat(base[:shared], entry[4:][:own])), nil
}

func checksummed(b, sum []byte) bool {
	var c pb.Checksum
	return proto.Unmarshal(sum, &c) == nil && y.VerifyChecksum(b, &c) == nil
}
