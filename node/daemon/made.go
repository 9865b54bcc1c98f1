package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/node/store/durable"
)

// fileMade lies beside a store that was opened once. Without it a disk that isn't
// mounted, or a directory that someone deleted, would look like an office that has
// stored nothing yet, and a new store would be begun in its place. Directories from
// before there was such a file get it when their store is opened next.
const fileMade = "store.made"

// markMade durably notes that the directory has a store.
func markMade(dir string) error {
	name := filepath.Join(dir, fileMade)
	_, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		err = durable.WriteFile(name, []byte("vungxa store\n"))
	}
	if err != nil {
		return fmt.Errorf("note that the store was made: %w", err)
	}
	return nil
}

// mayMake is an error where a store was and is none: only a node that never had one
// gets one by being opened.
func (d *Daemon) mayMake() error {
	_, err := os.Stat(filepath.Join(d.dir, fileMade))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look whether a store was made: %w", err)
	}
	at := filepath.Join(d.dir, dirStore)
	if store.There(at) {
		return nil
	}
	return node.Errorf(node.Damaged,
		"Kho dữ liệu %s đã từng có và nay không còn (hoặc mất cả CURRENT lẫn heads). Có thể ổ đĩa chưa được gắn: hãy gắn rồi thử lại. Nếu mất thật, hãy chạy `vungxa repair --from BẢN_SAO_LƯU`, hoặc `vungxa restore` vào thư mục mới.",
		"the store %s was there and is gone, or has lost both CURRENT and heads; perhaps its disk isn't mounted: mount it and try again. If it is lost, run `vungxa repair --from BACKUP`, or `vungxa restore` to another directory", at)
}

// hasStored is for what only reads: it never makes a store, at a new node either.
func (d *Daemon) hasStored() error {
	at := filepath.Join(d.dir, dirStore)
	if err := d.mayMake(); err != nil || store.There(at) {
		return err
	}
	return node.Errorf(node.NotFound,
		"Nút trong %s chưa lưu gì: chưa có kho dữ liệu %s. Nếu lẽ ra phải có, hãy xem ổ đĩa của nó đã được gắn chưa.",
		"the node in %s has stored nothing yet: there is no store %s; if there should be one, see whether its disk is mounted", d.dir, at)
}

// OpenStored is OpenOffice of a node that has stored something: it makes no store.
func OpenStored(dir string, opts Options) (*Daemon, error) {
	d := &Daemon{dir: dir, opts: opts, closing: make(chan struct{})}
	return d.open(d.lock, d.openKeys, d.lookAtSelf, d.hasStored, d.limitMemory, d.loadPack, d.openStore, d.openAttachments, d.openEngine)
}
