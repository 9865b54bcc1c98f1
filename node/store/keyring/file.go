package keyring

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"os"
	"path/filepath"
	"slices"

	"github.com/gofrs/flock"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store/durable"
)

// Names in a node's directory.
const (
	FileName = "keys"
	CopyName = "keys.copy"
	lockName = "keys.lock"
)

// file is what both copies say together.
type file struct {
	revision uint64
	mask     uint16
	slots    []*block // of this revision, by number; damaged ones are missing
	sound    bool     // both copies are there, whole and equal
}

// readFile reads both copies. The newest revision that either shows counts, and a
// slot that is damaged in one is taken from the other.
func readFile(dir string) (*file, error) {
	var blocks []*block
	var raw [][]byte
	for _, name := range []string{FileName, CopyName} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read the keys: %w", err)
		}
		raw = append(raw, b)
		blocks = append(blocks, decodeAll(b)...)
	}
	if raw[0] == nil && raw[1] == nil {
		return nil, missing(dir)
	}
	f := merge(blocks)
	if f == nil {
		return nil, node.Errorf(node.Damaged,
			"Cả hai bản của tệp khóa (%s và %s trong %s) đều hỏng, nên kho không mở được. Hãy chép lại một bản cất giữ của tệp này, hoặc khôi phục từ bản sao lưu vào thư mục mới: vungxa restore --from BẢN_SAO_LƯU --identity KHÓA_KHÔI_PHỤC --dir THƯ_MỤC_MỚI.",
			"both copies of the key file (%s and %s in %s) are damaged, so the store can't be opened; put back a kept copy of it, or restore a backup to a new directory: vungxa restore --from BACKUPS --identity RECOVERY_KEY --dir NEW", FileName, CopyName, dir)
	}
	f.sound = len(f.slots) == bits.OnesCount16(f.mask) && bytes.Equal(raw[0], raw[1])
	return f, nil
}

func missing(dir string) error {
	return node.Errorf(node.NotFound,
		"Thư mục %s không có tệp khóa (%s và %s), nên kho ở đó không mở được. Hãy chép lại một bản cất giữ của tệp này, hoặc khôi phục từ bản sao lưu vào thư mục mới: vungxa restore --from BẢN_SAO_LƯU --identity KHÓA_KHÔI_PHỤC --dir THƯ_MỤC_MỚI.",
		"there is no key file (%[2]s and %[3]s) in %[1]s, so no store there can be opened; put back a kept copy of that file, or restore a backup to a new directory: vungxa restore --from BACKUPS --identity RECOVERY_KEY --dir NEW", dir, FileName, CopyName)
}

// decodeAll gives the blocks that are whole.
func decodeAll(b []byte) (blocks []*block) {
	for raw := range slices.Chunk(b[:min(len(b), SlotsMax*blockSize)], blockSize) {
		if d, err := decode(raw); err == nil {
			blocks = append(blocks, d)
		}
	}
	return blocks
}

// merge takes each slot of the newest revision once. Blocks of an older one are no
// help: they may hold a password that was taken away.
func merge(blocks []*block) *file {
	if len(blocks) == 0 {
		return nil
	}
	newest := slices.MaxFunc(blocks, func(a, b *block) int { return cmp.Compare(a.Revision, b.Revision) })
	f := &file{revision: newest.Revision, mask: newest.Slots}
	seen := map[uint8]bool{}
	for _, b := range blocks {
		if b.Revision == f.revision && b.Slots == f.mask && b.StoreID == newest.StoreID && !seen[b.Slot] {
			seen[b.Slot] = true
			f.slots = append(f.slots, b)
		}
	}
	slices.SortFunc(f.slots, func(a, b *block) int { return cmp.Compare(a.Slot, b.Slot) })
	return f
}

// step is called between the steps of a write; tests are killed in it.
var step = func(name string) {}

// write makes slots the file's next revision, in both copies. The first that is
// renamed decides: a crash before it leaves the old file, one after it the new.
func write(dir string, revision uint64, slots []*block) error {
	var mask uint16
	for _, b := range slots {
		mask |= 1 << (b.Slot - 1)
	}
	var raw []byte
	for _, b := range slots {
		b.Revision, b.Slots = revision, mask
		e, err := b.encode()
		if err != nil {
			return err
		}
		raw = append(raw, e...)
	}
	return writeCopies(dir, raw)
}

func writeCopies(dir string, raw []byte) error {
	for _, name := range []string{FileName, CopyName} {
		step("before " + name)
		if err := durable.WriteFile(filepath.Join(dir, name), raw); err != nil {
			return fmt.Errorf("write the keys: %w", err)
		}
	}
	step("after both")
	return nil
}

// heal makes the copies whole and equal again, where every slot is still readable
// in one of them.
func (f *file) heal(dir string) error {
	if f.sound || len(f.slots) != bits.OnesCount16(f.mask) {
		return nil
	}
	err := write(dir, f.revision, f.slots)
	f.sound = err == nil
	return err
}

// lock keeps other processes from changing the file meanwhile.
func lock(dir string) (unlock func() error, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory: %w", err)
	}
	l := flock.New(filepath.Join(dir, lockName))
	if err := l.Lock(); err != nil {
		return nil, fmt.Errorf("lock the keys: %w", err)
	}
	return l.Unlock, nil
}
