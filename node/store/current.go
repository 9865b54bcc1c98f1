package store

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store/keyring"
)

// Files of a store's directory. Badger's own lie in the generation's directory.
const (
	fileCurrent = "CURRENT"
	fileHeads   = "heads"
	fileTables  = "tables"
	fileLock    = "lock"
	fileBallast = "ballast"
	dirLost     = "lost" // what was damaged, put aside
	firstGen    = "g1"
)

// Current is what CURRENT says: it can be read without a key.
type Current struct {
	Format    int
	StoreID   [16]byte
	Directory string // of the generation, below the store's
	body, mac []byte
}

// ReadCurrent reads a store's CURRENT without any key, so without believing it.
// The error is fs.ErrNotExist where no store is, and node.Damaged where a store of
// format 0 is, or CURRENT can't be read.
func ReadCurrent(dir string) (Current, error) {
	b, err := os.ReadFile(filepath.Join(dir, fileCurrent))
	if errors.Is(err, fs.ErrNotExist) {
		return Current{}, errors.Join(formatZero(dir), err)
	}
	if err != nil {
		return Current{}, fmt.Errorf("read the store's CURRENT: %w", err)
	}
	return parseCurrent(dir, b)
}

// formatZero knows a store of format 0 by Badger's files beside each other.
func formatZero(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "MANIFEST")); err != nil {
		return nil
	}
	return wrongFormat(dir, "0")
}

func wrongFormat(dir, format string) error {
	return node.Errorf(node.Damaged,
		"Kho %s có định dạng %s; chương trình này đọc định dạng %d. Hãy dùng đúng phiên bản chương trình đã ghi nó, hoặc chọn thư mục khác.",
		"the store %s has format %s and this program reads format %d; use the version of the program that wrote it, or another directory",
		dir, format, Format)
}

func parseCurrent(dir string, b []byte) (c Current, err error) {
	unreadable := func() (Current, error) {
		return c, node.Errorf(node.Damaged, "Tệp CURRENT của kho %s bị hỏng.", "the file CURRENT of the store %s is damaged", dir)
	}
	body, mac, ok := strings.Cut(string(b), "mac ")
	lines := strings.Split(body, "\n")
	if !ok || len(lines) < 2 || lines[0] != "vungxa store" {
		return unreadable()
	}
	format, ok := strings.CutPrefix(lines[1], "format ")
	if c.Format, err = strconv.Atoi(format); !ok || err != nil {
		return unreadable()
	}
	if c.Format < 1 || uint32(c.Format) > newest {
		return c, wrongFormat(dir, format)
	}
	if len(lines) != 5 {
		return unreadable()
	}
	id, errID := hex.DecodeString(strings.TrimPrefix(lines[2], "id "))
	sum, errSum := hex.DecodeString(strings.TrimSuffix(mac, "\n"))
	c.Directory = strings.TrimPrefix(lines[3], "directory ")
	if errID != nil || errSum != nil || len(id) != len(c.StoreID) || !generation(c.Directory) {
		return unreadable()
	}
	c.StoreID, c.body, c.mac = [16]byte(id), []byte(body), sum
	return c, nil
}

// generation says whether a name is g and a number: never a path.
func generation(name string) bool {
	n, err := strconv.ParseUint(strings.TrimPrefix(name, "g"), 10, 32)
	return err == nil && name == fmt.Sprintf("g%d", n)
}

// authentic says whether the holder of the keys wrote it.
func (c Current) authentic(keys keyring.Keys) bool {
	return newDigester(keys, purposeRoot).is(c.mac, c.body)
}

// writeCurrent makes CURRENT name a generation, durably: a crash leaves the old
// one or the new one. On a full disk the ballast has the room for it.
func writeCurrent(dir, generation string, opts Options) error {
	keys := opts.Keys
	body := fmt.Sprintf("vungxa store\nformat %d\nid %x\ndirectory %s\n", opts.layout(), keys.StoreID, generation)
	mac := newDigester(keys, purposeRoot).sum([]byte(body))
	err := replaceFile(filepath.Join(dir, fileCurrent), fmt.Appendf(nil, "%smac %x\n", body, mac))
	if DiskFull(err) {
		return noRoomToOpen(dir, err)
	}
	return err
}

// noRoomToOpen is the sentence about a disk whose last block went while the store was
// being opened.
func noRoomToOpen(dir string, err error) error {
	return node.Errorf(node.Unavailable,
		"Ổ đĩa đã đầy, không đủ chỗ để mở kho dữ liệu %s: %w. Những gì đã lưu vẫn còn nguyên. Hãy xóa bớt tệp khác rồi mở lại chương trình.",
		"the disk is full, without room even to open the store %s: %w; what was saved is all there: remove other files, then start the program again", dir, err)
}
