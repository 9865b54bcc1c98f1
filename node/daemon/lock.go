package daemon

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"github.com/vungxa/vungxa/node"
)

// Lock takes a directory for this process, until unlock or the process's end. A
// second copy is told, before it has touched anything.
func Lock(dir string) (unlock func() error, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory: %w", err)
	}
	l := flock.New(filepath.Join(dir, "lock"))
	held, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock the directory %s: %w", dir, err)
	}
	if !held {
		return nil, node.Errorf(node.Unavailable,
			"Một bản khác của chương trình đang chạy trên thư mục %s. Hãy dừng nó trước, hoặc chọn --dir khác.",
			"another copy of the program is running on the directory %s; stop it first, or choose another --dir", dir)
	}
	return l.Unlock, nil
}
