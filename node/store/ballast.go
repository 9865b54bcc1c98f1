package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/vungxa/vungxa/node/store/durable"
)

// ballast is a file of real blocks in which nothing is: the store's own reserve on a
// disk that others fill to the last block. It is given up for the moment in which
// Badger is opened or closed there, and taken back, as far as there is room, after
// it.
type ballast struct {
	name string
	size int64 // bytes, when it is whole; 0: none is kept
}

// make makes the file whole. Its blocks are there when it returns.
func (b ballast) make() error { return b.take(b.size) }

// take makes the file at least so large.
func (b ballast) take(size int64) (err error) {
	if size <= b.held() {
		return nil
	}
	f, err := os.OpenFile(b.name, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("make the ballast: %w", err)
	}
	err = preallocate(f, size)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("make the ballast: %w", err)
	}
	return nil
}

// held is how large the file is.
func (b ballast) held() int64 {
	info, err := os.Stat(b.name)
	if err != nil {
		return 0
	}
	return info.Size()
}

// release gives the blocks back.
func (b ballast) release() error {
	if err := os.Remove(b.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("release the ballast: %w", err)
	}
	return nil
}

// replaceFile is durable.WriteFile that takes the blocks, where the disk has none left,
// from the ballast beside the file: a little more of it each time, because somebody
// else may be faster.
func replaceFile(name string, b []byte) error {
	reserve := ballast{name: filepath.Join(filepath.Dir(name), fileBallast)}
	held := reserve.held()
	err := durable.WriteFile(name, b)
	for left := held; DiskFull(err) && left > 0; {
		left = max(0, left-int64(len(b))-replaceSlack)
		if err = os.Truncate(reserve.name, left); err == nil {
			err = durable.WriteFile(name, b)
		}
	}
	if err != nil || reserve.held() == held {
		return err
	}
	if err := reserve.take(held); !DiskFull(err) {
		return err
	}
	return nil // restock takes it when there is room
}

// replaceSlack is what a new file takes beside its bytes: the rest of its last block,
// and of the directory's.
const replaceSlack = 64 << 10

// DiskFull says whether an error means that the disk has no block left.
func DiskFull(err error) bool {
	const windowsDiskFull = syscall.Errno(112) // ERROR_DISK_FULL
	return errors.Is(err, syscall.ENOSPC) || runtime.GOOS == "windows" && errors.Is(err, windowsDiskFull)
}

// noBlock is DiskFull, also of what Badger says: it passes some causes on as words.
func noBlock(err error) bool {
	return DiskFull(err) || strings.Contains(err.Error(), syscall.ENOSPC.Error())
}

// writeZeros writes zeros to a file of which no blocks can be had otherwise.
func writeZeros(f *os.File, size int64) error {
	zeros := make([]byte, 1<<20)
	for at := int64(0); at < size; {
		n, err := f.WriteAt(zeros[:min(int64(len(zeros)), size-at)], at)
		if err != nil {
			return err
		}
		at += int64(n)
	}
	return nil
}
