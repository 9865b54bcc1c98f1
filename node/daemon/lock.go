package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

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
		who := holder(l.Path())
		return nil, node.Errorf(node.Unavailable,
			"Một bản khác của chương trình đang chạy trên thư mục %[1]s%[2]s. Hãy dừng nó trước, hoặc chọn --dir khác.",
			"another copy of the program is running on the directory %[1]s%[3]s; stop it first, or choose another --dir", dir, who.VI, who.EN)
	}
	// For the sentence above alone: on a disk that is full it names nobody.
	_ = os.WriteFile(l.Path(), []byte(strconv.Itoa(os.Getpid())), 0o600)
	return l.Unlock, nil
}

// holder names the process that wrote itself into a lock file, as words to follow.
func holder(name string) (t node.Text) {
	b, err := os.ReadFile(name)
	if err != nil {
		return t // some systems keep others from a locked file
	}
	pid, err := strconv.Atoi(string(b))
	if err != nil {
		return t
	}
	return node.Text{VI: fmt.Sprintf(" (tiến trình %d)", pid), EN: fmt.Sprintf(" (process %d)", pid)}
}
