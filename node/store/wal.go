package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Badger's write-ahead logs, NNNNN.mem. Badger stops reading one at the first
// entry that it can't read, and drops the rest without a word. So the heads file
// keeps, for each log that holds a commit, its length and digest after the newest
// one.
//
//	header: key id (8), base IV (12)
//	entry:  meta (1), user meta (1), key length, value length, expiry (uvarints),
//	        key and value (encrypted), CRC-32C of all before (4)
//
// The entry that ends a transaction has the highest bit of meta.
const (
	walHeader = 20
	walEnd    = 1 << 7
	walSuffix = ".mem"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// wal is a write-ahead log up to the end of a commit.
type wal struct {
	ID  uint64
	Len int64
	sum hash.Hash

	backed bool // it has its blocks
}

func walName(dir string, id uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%05d%s", id, walSuffix))
}

// walIDs are the numbers of the logs in a directory, in order.
func walIDs(dir string) ([]uint64, error) { return fileIDs(dir, walSuffix) }

func fileIDs(dir, suffix string) (ids []uint64, err error) {
	files, err := os.ReadDir(dir)
	for _, f := range files {
		name, ok := strings.CutSuffix(f.Name(), suffix)
		id, bad := strconv.ParseUint(name, 10, 64)
		if ok && bad == nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, err
}

// advance reads what was written since, and moves to the end of the last whole
// transaction.
func (w *wal) advance(dir string, buffer []byte) error {
	f, err := os.Open(walName(dir, w.ID))
	if err != nil {
		return err
	}
	defer f.Close() // nothing was written
	for {
		b, more, err := commits(f, w.Len, buffer)
		if err != nil {
			return fmt.Errorf("read the write-ahead log %d: %w", w.ID, err)
		}
		w.sum.Write(b) // a hash.Hash never fails
		w.Len += int64(len(b))
		if !more {
			return nil
		}
	}
}

// commits are the bytes of the next whole transactions from at, as many as are read
// at once, and whether more may follow. They lie in the buffer, if that is long enough.
func commits(r io.ReaderAt, at int64, buffer []byte) (b []byte, more bool, err error) {
	for size := 32 << 10; ; size *= 4 {
		if size > len(buffer) {
			buffer = make([]byte, size)
		}
		b := buffer[:size]
		n, err := r.ReadAt(b, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, false, err
		}
		end, cut := wholeCommits(b[:n], at == 0)
		if end > 0 || !cut || n < size {
			return b[:end], cut && n == size, nil
		}
	}
}

// wholeCommits is where the last whole transaction in b ends, and whether b
// breaks off inside one.
func wholeCommits(b []byte, first bool) (end int, cut bool) {
	at := 0
	if first {
		at = walHeader
	}
	for at < len(b) {
		size, last, ok := walEntry(b[at:])
		if !ok || size == 0 {
			return end, ok
		}
		at += size
		if last {
			end = at
		}
	}
	return end, true
}

// walEntry is the size of the entry that b begins with; 0 where b is too short
// for it, false where no entry is.
func walEntry(b []byte) (size int, last, ok bool) {
	at := 2
	var lengths [3]uint64
	for i := range lengths {
		n, used := binary.Uvarint(b[min(at, len(b)):])
		if used <= 0 {
			return 0, false, used == 0
		}
		lengths[i], at = n, at+used
	}
	key, value := lengths[0], lengths[1]
	if key == 0 || key > 1<<16 || value > 1<<30 {
		return 0, false, false
	}
	end := at + int(key+value)
	if end+crc32.Size > len(b) {
		return 0, false, true
	}
	if crc32.Checksum(b[:end], castagnoli) != binary.BigEndian.Uint32(b[end:]) {
		return 0, false, false
	}
	return end + crc32.Size, b[0]&walEnd != 0, true
}

// holdsPrefix says whether a file begins with so many bytes of that digest.
func (d *digester) holdsPrefix(name string, size int64, sum []byte) (bool, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close() // nothing was written
	h := d.hasher()
	defer d.pool.Put(h)
	n, err := io.Copy(h, io.LimitReader(f, size))
	return err == nil && n == size && string(h.Sum(nil)) == string(sum), err
}
