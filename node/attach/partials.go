package attach

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/vungxa/vungxa/node/store/durable"
	"github.com/vungxa/vungxa/node/store/sealed"
)

// part is what lies here of a content. What a crash has torn is cut off first.
func (s *Store) part(n name) (partial, error) {
	if p, known := s.partials[n]; known {
		return p, nil
	}
	f, err := os.OpenFile(s.partialPath(n), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return partial{}, nil
	}
	if err != nil {
		return partial{}, fmt.Errorf("look for pieces of an attachment: %w", err)
	}
	p := &pieces{store: s, name: n, file: f}
	for ok := true; ok && err == nil; {
		ok, err = p.next()
	}
	if err == nil {
		err = f.Truncate(p.at)
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return partial{}, fmt.Errorf("look for pieces of an attachment: %w", err)
	}
	s.partials[n] = p.partial
	return p.partial, nil
}

// room makes room for another content in part: the one that was touched longest ago
// goes when there are too many.
func (s *Store) room() error {
	files, err := os.ReadDir(filepath.Join(s.dir, dirPartial))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("list the pieces of attachments: %w", err)
	}
	for len(files) >= MaxPartial {
		oldest := -1
		var age uint64
		for i, f := range files {
			if at := s.partials[nameOf(f.Name())].touched; oldest < 0 || at < age {
				oldest, age = i, at
			}
		}
		n := nameOf(files[oldest].Name())
		if err := os.RemoveAll(filepath.Join(s.dir, dirPartial, files[oldest].Name())); err != nil {
			return fmt.Errorf("remove pieces of an attachment: %w", err)
		}
		delete(s.partials, n)
		files = append(files[:oldest], files[oldest+1:]...)
	}
	return nil
}

// nameOf is the name in a file's; the zero name for what is none.
func nameOf(file string) (n name) {
	if b, err := hex.DecodeString(file); err == nil && len(b) == len(n) {
		copy(n[:], b)
	}
	return n
}

// dropPartial removes what lies here of a content that isn't whole.
func (s *Store) dropPartial(n name) error {
	delete(s.partials, n)
	err := os.Remove(s.partialPath(n))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove pieces of an attachment: %w", err)
	}
	return durable.SyncDir(filepath.Join(s.dir, dirPartial))
}

// Has says whether an attachment is here, whole. It doesn't read it.
func (s *Store) Has(h Hash) (bool, error) {
	_, err := os.Lstat(s.path(s.name(h)))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for an attachment: %w", err)
	}
	return true, nil
}

// maxSound bounds what is kept in mind of attachments that were read.
const maxSound = 4096

// Piece gives at most so many bytes of an attachment from an offset on, and how long
// the whole is. All of it was read once in this run of the program, and was what its
// name says. Errors are those of Open.
func (s *Store) Piece(h Hash, offset uint64, most int) ([]byte, uint64, error) {
	n := s.name(h)
	s.mu.Lock()
	known := s.sound[n]
	s.mu.Unlock()
	if !known {
		if err := s.check(h); err != nil {
			return nil, 0, err
		}
	}
	b, total, err := s.piece(n, offset, most)
	if err != nil {
		return nil, 0, fmt.Errorf("read an attachment: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sound) >= maxSound {
		clear(s.sound)
	}
	s.sound[n] = true
	return b, total, nil
}

func (s *Store) piece(n name, offset uint64, most int) (b []byte, total uint64, err error) {
	f, err := os.Open(s.path(n))
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	r, size, err := sealed.NewReaderAt(f, info.Size(), s.keys, purposeFile)
	if err != nil {
		return nil, 0, err
	}
	total = uint64(size)
	if offset >= total {
		return nil, total, nil
	}
	b = make([]byte, min(uint64(most), total-offset))
	_, err = r.ReadAt(b, int64(offset))
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b, total, err
}
