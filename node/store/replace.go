package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/vungxa/vungxa/node/store/durable"
)

// A store is replaced by another as a whole: by one of a newer format, by what
// could be saved of a damaged one. The new store is built beside the old one, which
// nobody touches meanwhile:
//
//	store.next/ is built and closed   killed here: it is thrown away, the old one stays
//	store.next/ready is written       from here on the new one is the store
//	store      -> store.was-1         killed here or later: the next Open goes on
//	store.next -> store
//	store/ready is removed
//
// ready says under which name the old store is put aside: one that was damaged is
// kept (was), one of an older format isn't (older).
const (
	nextSuffix  = ".next"
	wasSuffix   = ".was-"
	olderSuffix = ".older-"

	scratchSuffix = ".salvage" // of Salvage's own
	fileReady     = "ready"
)

// step is called between the steps of a replacement; tests are killed in it.
var step = func(string) {}

// Replace builds another store in the place of the one in dir, which isn't open, and
// says where that one lies now; "" where there was none. build makes and closes it.
func Replace(dir string, build func(next string) error) (was string, err error) {
	return replace(dir, wasSuffix, build)
}

func replace(dir, aside string, build func(next string) error) (was string, err error) {
	if err := finishReplace(dir); err != nil {
		return "", err
	}
	next := filepath.Clean(dir) + nextSuffix
	if err := os.RemoveAll(next); err != nil {
		return "", fmt.Errorf("take away an unfinished store: %w", err)
	}
	step("before the new store")
	if err := build(next); err != nil {
		return "", errors.Join(err, os.RemoveAll(next))
	}
	step("the new store is built")
	if err := durable.WriteFile(filepath.Join(next, fileReady), []byte(aside)); err != nil {
		return "", fmt.Errorf("finish the new store: %w", err)
	}
	step("the new store is ready")
	return switchStores(filepath.Clean(dir))
}

// finishReplace goes on with a replacement that was cut short after its new store
// was ready.
func finishReplace(dir string) error {
	dir = filepath.Clean(dir)
	if exists(filepath.Join(dir+nextSuffix, fileReady)) {
		if _, err := switchStores(dir); err != nil {
			return fmt.Errorf("put the new store in its place: %w", err)
		}
		return nil
	}
	if exists(filepath.Join(dir, fileReady)) {
		return unready(dir)
	}
	return nil
}

// switchStores puts the new store in the place of the old one.
func switchStores(dir string) (was string, err error) {
	if exists(dir) {
		aside, err := os.ReadFile(filepath.Join(dir+nextSuffix, fileReady))
		if err != nil {
			return "", err
		}
		if was = free(dir + wasSuffix); string(aside) == olderSuffix {
			was = free(dir + olderSuffix)
		}
		if err := os.Rename(dir, was); err != nil {
			return "", err
		}
	}
	step("the old store is aside")
	if err := os.Rename(dir+nextSuffix, dir); err != nil {
		return "", err
	}
	if err := durable.SyncDir(filepath.Dir(dir)); err != nil {
		return "", err
	}
	step("the new store is in its place")
	return was, unready(dir)
}

func unready(dir string) error {
	if err := os.Remove(filepath.Join(dir, fileReady)); err != nil {
		return err
	}
	return durable.SyncDir(dir)
}

// free is the first name with a number that nothing has yet.
func free(prefix string) string {
	for n := 1; ; n++ {
		if name := fmt.Sprint(prefix, n); !exists(name) {
			return name
		}
	}
}
