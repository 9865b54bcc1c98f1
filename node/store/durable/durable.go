// Package durable replaces small files so that a crash or a power cut, whenever it
// comes, leaves the old file or the new one, and never a part of either.
//
//	write beside it -> fsync -> rename over it -> fsync the directory
//
// What a crash leaves beside it ends in ".new-" and a number; Sweep takes it away.
package durable

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

const beside = ".new-"

// WriteFile replaces a file of this user alone (mode 0600) and makes its directory
// where there is none.
func WriteFile(name string, b []byte) error {
	if err := Put(name, b); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(name))
}

// Put is WriteFile whose name is durable only when its directory has been synced: for
// many files at once.
func Put(name string, b []byte) (err error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+beside+"*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// Unfinished says whether a file's name is that of one which isn't whole yet.
func Unfinished(name string) bool { return strings.Contains(filepath.Base(name), beside) }

// Sweep removes what crashes left beside a file. Nobody may be writing it.
func Sweep(name string) error {
	left, err := filepath.Glob(name + beside + "*")
	if err != nil {
		return err
	}
	var errs []error
	for _, l := range left {
		errs = append(errs, os.Remove(l))
	}
	return errors.Join(errs...)
}

// SyncDir makes what was created, renamed or removed in a directory durable.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // directories can't be synced there, and needn't be
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
