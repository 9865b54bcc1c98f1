package attach

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Kind is what is wrong with a file.
type Kind string

// The kinds.
const (
	Damaged Kind = "damaged" // it can't be read, or isn't what its name says
	Missing Kind = "missing" // something points to it, and it isn't here
	Foreign Kind = "foreign" // no attachment: somebody else put it here
)

// Finding is something wrong. File is its name on the disk, which tells nothing
// of what is in it; Hash is set where it is known.
type Finding struct {
	Kind Kind
	File string
	Hash *Hash
	Err  error
}

// Collected is what Collect did.
type Collected struct {
	Kept, Removed int
	Bytes         int64 // removed, on the disk
}

// Collect removes the attachments that referenced doesn't name and that nobody has
// put or pinned since the store was opened. referenced names everything that any
// record or held entry points to: so nothing goes that someone still has to fetch.
// When referenced fails, nothing is removed; where nothing is here, it isn't asked.
func (s *Store) Collect(ctx context.Context, referenced func(func(Hash) error) error) (Collected, error) {
	if empty, err := s.empty(ctx); err != nil || empty {
		return Collected{}, err
	}
	keep := map[name]struct{}{}
	err := referenced(func(h Hash) error {
		keep[s.name(h)] = struct{}{}
		return ctx.Err()
	})
	if err != nil {
		return Collected{}, fmt.Errorf("find what points to attachments: %w", err)
	}
	var done Collected
	err = s.walk(ctx, func(path string, n name, size int64) error {
		if _, ok := keep[n]; ok {
			done.Kept++
			return nil
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if _, ok := s.pinned[n]; ok {
			done.Kept++
			return nil
		}
		if err := s.remove(n); err != nil {
			return err
		}
		done.Removed, done.Bytes = done.Removed+1, done.Bytes+size
		return nil
	}, func(string) {})
	return done, err
}

var errFound = errors.New("there is one")

func (s *Store) empty(ctx context.Context) (bool, error) {
	err := s.walk(ctx, func(string, name, int64) error { return errFound }, func(string) {})
	if errors.Is(err, errFound) {
		return false, nil
	}
	return err == nil, err
}

// Verify reads every attachment and reports what is wrong, and what of referenced
// is not here. It says how many it read.
func (s *Store) Verify(ctx context.Context, referenced func(func(Hash) error) error, report func(Finding)) (read int, err error) {
	err = s.walk(ctx, func(path string, n name, _ int64) error {
		read++
		if _, err := s.readNamed(path, n); err != nil {
			report(Finding{Kind: Damaged, File: filepath.Base(path), Err: err})
		}
		return nil
	}, func(path string) { report(Finding{Kind: Foreign, File: filepath.Base(path)}) })
	if err != nil {
		return read, err
	}
	told := map[name]struct{}{}
	return read, referenced(func(h Hash) error {
		n := s.name(h)
		if _, ok := told[n]; ok {
			return ctx.Err()
		}
		if _, err := os.Lstat(s.path(n)); errors.Is(err, fs.ErrNotExist) {
			told[n] = struct{}{}
			report(Finding{Kind: Missing, File: filepath.Base(s.path(n)), Hash: &h})
		} else if err != nil {
			return fmt.Errorf("look for an attachment: %w", err)
		}
		return ctx.Err()
	})
}

// walk calls f with every attachment's file and foreign with whatever else lies
// there. Links are not followed.
func (s *Store) walk(ctx context.Context, f func(path string, n name, size int64) error, foreign func(path string)) error {
	shelves, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // nothing was ever put
	}
	if err != nil {
		return fmt.Errorf("list the attachments: %w", err)
	}
	for _, shelf := range shelves {
		if shelf.Name() == dirIncoming || shelf.Name() == dirPartial {
			continue
		}
		dir := filepath.Join(s.dir, shelf.Name())
		if !shelf.IsDir() {
			foreign(dir)
			continue
		}
		files, err := os.ReadDir(dir)
		if err != nil {
			return fmt.Errorf("list the attachments: %w", err)
		}
		for _, file := range files {
			path := filepath.Join(dir, file.Name())
			n, ok := s.parse(path)
			if !ok || !file.Type().IsRegular() {
				foreign(path)
				continue
			}
			info, err := file.Info()
			if err != nil {
				return fmt.Errorf("list the attachments: %w", err)
			}
			if err := errors.Join(ctx.Err(), f(path, n, info.Size())); err != nil {
				return err
			}
		}
	}
	return nil
}

// parse reads a file's name, and says whether it lies where it belongs.
func (s *Store) parse(path string) (n name, ok bool) {
	b, err := hex.DecodeString(filepath.Base(path))
	if err != nil || len(b) != len(n) {
		return n, false
	}
	copy(n[:], b)
	return n, s.path(n) == path
}
