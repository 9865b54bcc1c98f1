package backup

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"lukechampine.com/blake3"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store/durable"
)

// Items calls yield with the items of one moment, keys strictly ascending. Neither
// slice is kept by yield.
type Items func(yield func(key, value []byte) error) error

// Report says what a backup did.
type Report struct {
	Number    uint64 `json:"number"`
	MadeMS    int64  `json:"made_ms"`
	Items     uint64 `json:"items"`
	Bytes     uint64 `json:"bytes"`      // of all items, before they are packed
	Parts     int    `json:"parts"`      // that the backup consists of
	PartsNew  int    `json:"parts_new"`  // of them, written now
	BytesNew  uint64 `json:"bytes_new"`  // written now, sealed
	PartsLeft int    `json:"parts_left"` // found from an earlier backup, or from this one's interrupted try
}

// Add makes a backup of all items. Until its manifest is there, at the very end, it
// doesn't exist, and the earlier ones are as they were; called again after an error
// or a crash, it finds the parts that it wrote. It believes no part which is there
// already: it reads each that it needs, and writes anew what isn't right.
func (s *Set) Add(ctx context.Context, about About, items Items) (Report, error) {
	latest, err := s.newest()
	if err != nil {
		return Report{}, err
	}
	w := &writer{set: s, ctx: ctx, nameKey: s.derive("part name"), touched: map[string]bool{}}
	if err := items(w.item); err != nil {
		return Report{}, explainWrite(fmt.Errorf("back up: %w", err))
	}
	if err := w.end(); err != nil {
		return Report{}, explainWrite(fmt.Errorf("back up: %w", err))
	}
	if err := s.writeManifest(about, w, latest); err != nil {
		return Report{}, explainWrite(fmt.Errorf("back up: %w", err))
	}
	return w.report, nil
}

// Where parts are cut: past leastPart, where the hash of a key is small enough
// against the item's size, so that a part has about meanPart more; at mostPart in
// any case. Readers needn't know.
const (
	leastPart = 32 << 10
	meanPart  = 128 << 10
	mostPart  = 512 << 10
)

// writer cuts items into parts and sees to it that they are there.
type writer struct {
	set     *Set
	ctx     context.Context
	nameKey [32]byte
	touched map[string]bool // directories to make durable
	dry     bool            // only names are wanted

	last   []byte // the key before
	plain  []byte // the part so far
	table  []byte // rows of the parts so far
	names  []Digest
	report Report
}

func (w *writer) item(key, value []byte) error {
	if w.last != nil && string(key) <= string(w.last) {
		return fmt.Errorf("items are out of order at item %d", w.report.Items)
	}
	if len(key) > maxItemKey || len(value) > maxItemValue {
		return fmt.Errorf("an item of %d and %d bytes; at most %d and %d", len(key), len(value), maxItemKey, maxItemValue)
	}
	w.last = append(w.last[:0], key...)
	before := len(w.plain)
	w.plain = appendItem(w.plain, key, value)
	w.report.Items++
	w.report.Bytes += uint64(len(key) + len(value))
	if w.cut(key, len(w.plain)-before) {
		return w.flush()
	}
	return nil
}

// cut says whether a part ends after a key.
func (w *writer) cut(key []byte, size int) bool {
	if len(w.plain) < leastPart {
		return false
	}
	h := blake3.Sum256(key)
	return len(w.plain) >= mostPart || binary.BigEndian.Uint32(h[:])%meanPart < uint32(size)
}

func (w *writer) flush() error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	name := keyed(w.nameKey, w.plain)
	w.names = append(w.names, name)
	if w.dry {
		w.plain = w.plain[:0]
		return nil
	}
	size, err := w.ensure(name)
	if err != nil {
		return err
	}
	w.table = part{name, uint32(len(w.plain)), size}.append(w.table)
	w.report.Parts++
	w.plain = w.plain[:0]
	return nil
}

// ensure writes a part unless it is there. It is read before it is believed, also
// where an earlier manifest vouches for it: it may be half of one, or have rotted.
func (w *writer) ensure(name Digest) (size uint32, err error) {
	file := w.set.partFile(name)
	if sealedPart, err := os.ReadFile(file); err == nil {
		if _, err := w.set.openPart(part{name: name, plain: uint32(len(w.plain))}, sealedPart); err == nil {
			w.report.PartsLeft++
			return uint32(len(sealedPart)), nil
		}
	}
	b, err := w.set.sealPart(name, w.plain)
	if err != nil {
		return 0, err
	}
	w.touched[filepath.Dir(file)] = true
	w.report.PartsNew++
	w.report.BytesNew += uint64(len(b))
	return uint32(len(b)), durable.Put(file, b)
}

// end makes the last part, and all names durable.
func (w *writer) end() error {
	if len(w.plain) > 0 {
		if err := w.flush(); err != nil {
			return err
		}
	}
	if w.dry {
		return nil
	}
	for dir := range w.touched {
		if err := durable.SyncDir(dir); err != nil {
			return err
		}
	}
	return durable.SyncDir(filepath.Join(w.set.dir, dirParts))
}

// explainWrite makes a sentence of a disk's failure.
func explainWrite(err error) error {
	var failed *fs.PathError
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return node.Errorf(node.Unavailable,
			"Đĩa chứa bản sao lưu đã đầy: %w. Các bản sao lưu trước vẫn nguyên. Hãy dọn đĩa hoặc dùng đĩa lớn hơn rồi chạy lại: lệnh sẽ tiếp tục phần còn lại.",
			"the disk of the backup is full: %w; the earlier backups are whole. Make room or use a larger disk and run it again: it goes on where it was", err)
	case errors.As(err, &failed) && node.CodeOf(err) == node.Internal:
		return node.Errorf(node.Unavailable,
			"Không ghi được bản sao lưu: %w. Các bản sao lưu trước vẫn nguyên. Hãy kiểm tra ổ đĩa rồi chạy lại.",
			"the backup can't be written: %w; the earlier backups are whole. Check the disk and run it again", err)
	}
	return err
}
