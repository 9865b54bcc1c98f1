package bundle

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/vungxa/vungxa/crdt"
)

// Stick is a directory with bundles in it, such as a USB stick's root. Nothing is read but
// regular files in it that begin as a bundle does, or have the name of one: no directory,
// no link, nothing outside. Nothing is written but under fixed names.
type Stick struct{ root *os.Root }

// Limits of a stick.
const (
	maxNames = 1 << 16 // in the directory
	maxFiles = 4096    // bundles that are looked at
	maxLooks = 4096    // files of other names that are looked at: somebody renamed a bundle
	// answerRoom is left free, so that the receipt has room on the way back.
	answerRoom = 64 << 10
)

// Names fit FAT's 8.3, in capitals, and say nothing.
var (
	isWhole   = regexp.MustCompile(`^(?i)VX[A-Z2-7]{6}\.VXB$`)
	isPartial = regexp.MustCompile(`^(?i)VX[A-Z2-7]{6}\.TMP$`)
)

const (
	endWhole   = ".VXB"
	endPartial = ".TMP"
)

// Why nothing is written.
var (
	// ErrFull: there is no room on the stick for a whole part.
	ErrFull = errors.New("no room on the stick")
	// ErrReadOnly: it is write-protected, or another user's.
	ErrReadOnly = errors.New("the stick can't be written on")
)

// ErrNotDirectory says that a path names a file.
var ErrNotDirectory = errors.New("not a directory")

// OpenStick opens a directory.
func OpenStick(dir string) (*Stick, error) {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("open the stick: %w", ErrNotDirectory)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the stick: %w", err)
	}
	return &Stick{root}, nil
}

// Close ends it.
func (s *Stick) Close() error { return s.root.Close() }

// Found is a file that is a bundle by its name, or by how it begins.
type Found struct {
	Name      string
	Size      int64
	Modified  time.Time
	Partial   bool // being written, or what was left when the stick was pulled
	Irregular bool // no file: a directory, a link, a device
}

// List gives what has a bundle's name or beginning, in the order of the names.
func (s *Stick) List() (all []Found, err error) {
	d, err := s.root.Open(".")
	if err != nil {
		return nil, fmt.Errorf("read the stick: %w", err)
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	entries, err := d.ReadDir(maxNames)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the stick: %w", err)
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	looks := 0
	for _, e := range entries {
		partial := isPartial.MatchString(e.Name())
		named := partial || isWhole.MatchString(e.Name())
		if len(all) == maxFiles || !named && (!e.Type().IsRegular() || looks == maxLooks) {
			continue
		}
		f := Found{Name: e.Name(), Partial: partial}
		info, err := s.root.Lstat(e.Name())
		if err != nil {
			continue // gone since
		}
		f.Size, f.Modified, f.Irregular = info.Size(), info.ModTime(), !info.Mode().IsRegular()
		if !named {
			looks++
			if !s.begins(e.Name(), info) {
				continue
			}
		}
		all = append(all, f)
	}
	return all, nil
}

// begins says whether a file of another name begins as a bundle does.
func (s *Stick) begins(name string, info fs.FileInfo) bool {
	if info.Size() < int64(len(magic)) || info.Size() > MaxFile {
		return false
	}
	f, err := s.open(name, info)
	if err != nil {
		return false // of no concern here
	}
	b := make([]byte, len(magic))
	_, err = io.ReadFull(f, b)
	return errors.Join(err, f.Close()) == nil && string(b) == magic
}

// errIrregular: the name is not a file's.
var errIrregular = errors.New("not a regular file")

// Read reads a whole file; ErrFormat if it is longer than a bundle can be.
func (s *Stick) Read(name string) (b []byte, err error) {
	before, err := s.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w", name, errIrregular)
	}
	if before.Size() > MaxFile {
		return nil, fmt.Errorf("%w: %d bytes", ErrFormat, before.Size())
	}
	f, err := s.open(name, before)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	b, err = io.ReadAll(io.LimitReader(f, MaxFile+1))
	if len(b) > MaxFile {
		return nil, ErrFormat
	}
	return b, err
}

// open opens the regular file that was seen under a name, and nothing else.
func (s *Stick) open(name string, seen fs.FileInfo) (*os.File, error) {
	if !seen.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w", name, errIrregular)
	}
	f, err := s.root.OpenFile(name, os.O_RDONLY|noFollow, 0)
	if err != nil {
		return nil, err
	}
	if now, err := f.Stat(); err != nil || !now.Mode().IsRegular() || !os.SameFile(seen, now) {
		return nil, errors.Join(err, fmt.Errorf("%s: %w", name, errIrregular), f.Close())
	}
	return f, nil
}

// Write writes a file that is whole and durable when it returns, or isn't there under
// its name: ErrFull where there is no room.
func (s *Stick) Write(name string, b []byte) (err error) {
	beside := strings.TrimSuffix(name, endWhole) + endPartial
	if err := s.root.Remove(beside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s.trouble(err)
	}
	f, err := s.root.OpenFile(beside, os.O_WRONLY|os.O_CREATE|os.O_EXCL|noFollow, 0o600)
	if err != nil {
		return s.trouble(err)
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = s.root.Rename(beside, name)
	}
	if err == nil {
		err = s.sync()
	}
	if err != nil {
		return errors.Join(s.trouble(err), ignoreGone(s.root.Remove(beside)))
	}
	return nil
}

func (s *Stick) trouble(err error) error {
	switch {
	case isFull(err):
		return fmt.Errorf("%w: %w", ErrFull, err)
	case isReadOnly(err):
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
	return fmt.Errorf("write on the stick: %w", err)
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Remove takes a file away.
func (s *Stick) Remove(name string) error {
	return errors.Join(ignoreGone(s.root.Remove(name)), s.sync())
}

// Has says whether something has the name.
func (s *Stick) Has(name string) bool {
	_, err := s.root.Lstat(name)
	return err == nil
}

// namer names the parts that a device writes for its readers: always the same names, so
// that a newer bundle takes the place of an older one, and names that tell others nothing.
type namer struct{ key []byte }

func newNamer(secret []byte) namer {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte("vungxa bundle names 1"))
	return namer{h.Sum(nil)}
}

// name is that of a part for readers, who are sorted.
func (n namer) name(readers []crdt.Device, part uint64) string {
	h := hmac.New(sha256.New, n.key)
	for _, r := range readers {
		h.Write(r[:])
	}
	h.Write(binary.BigEndian.AppendUint64(nil, part))
	return nameOf(h.Sum(nil))
}

func nameOf(hash []byte) string {
	return "VX" + base32.StdEncoding.EncodeToString(hash[:5])[:6] + endWhole
}
