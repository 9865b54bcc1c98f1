package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// ballast is a file of real blocks in which nothing is. It is given up when the
// disk fills, so that Badger can finish what it has begun: it writes through
// mappings of sparse files, and where a block is missing there, the kernel ends
// the program.
type ballast struct {
	name string
	size int64 // bytes; 0: none is kept
}

// make makes the file, or leaves it as it is. Its blocks are there when it
// returns.
func (b ballast) make() (err error) {
	if b.size == 0 || b.whole() {
		return nil
	}
	f, err := os.OpenFile(b.name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("make the ballast: %w", err)
	}
	err = preallocate(f, b.size)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("make the ballast: %w", err), b.release())
	}
	return nil
}

func (b ballast) whole() bool {
	info, err := os.Stat(b.name)
	return err == nil && info.Size() == b.size
}

// release gives the blocks back.
func (b ballast) release() error {
	if err := os.Remove(b.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("release the ballast: %w", err)
	}
	return nil
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
