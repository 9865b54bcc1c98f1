package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
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
