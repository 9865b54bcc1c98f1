package store

import (
	"errors"
	"os"
	"syscall"
)

// preallocate gives a file its length with real blocks behind it.
func preallocate(f *os.File, size int64) error {
	err := syscall.Fallocate(int(f.Fd()), 0, 0, size)
	if errors.Is(err, syscall.EOPNOTSUPP) {
		return writeZeros(f, size)
	}
	return err
}

// back gives a file that has its length the blocks behind it; what is in it stays.
// File systems that can't leave it sparse.
func back(f *os.File, size int64) error {
	err := syscall.Fallocate(int(f.Fd()), 0, 0, size)
	if errors.Is(err, syscall.EOPNOTSUPP) {
		return nil
	}
	return err
}
