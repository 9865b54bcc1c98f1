// Package attach keeps attachments: files that records point to, named by what is
// in them. They lie outside the logs and the database, each in a sealed file of its
// own (node/store/sealed), so that neither a name nor a byte on the disk tells what
// it is. FORMAT.md says how they lie there.
//
//	Put     stream -> hash + seal -> incoming/ -> fsync -> rename -> fsync the directory
//	Open    reads all of it and compares its hash, before it gives the first byte
//	Append  keeps a piece that another device sends; the last one ends as Put does
//	Collect removes what nothing points to, and what nobody has just put
//	Erase   removes what the law says, whoever points to it
//
// A record points to an attachment by a field whose value holds a Reference. Put
// comes before the Save that points: what was put in this run of the program is
// collected by none, so that a form that is still open loses nothing; what was put
// and never pointed to goes after the next start. What comes here was let in by the
// edge: kinds of files, pictures' sizes and scripts are its business.
package attach

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store/durable"
	"github.com/vungxa/vungxa/node/store/keyring"
	"github.com/vungxa/vungxa/node/store/sealed"
)

// MaxBytes is the largest attachment if Options names none.
const MaxBytes = 32 << 20

const (
	purposeNames  = "attachment names 1"
	purposeFile   = "attachment 1"
	dirIncoming   = "incoming"
	copyBuffer    = 64 << 10
	nameBytes     = 16
	referenceSize = 32 + 4
)

// Hash names an attachment: the SHA-256 of what is in it.
type Hash [sha256.Size]byte

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Options of OpenStore.
type Options struct {
	Keys     keyring.Keys
	MaxBytes int64 // the largest attachment; 0: MaxBytes
}

// Store is the attachments of one node. Its methods may be called from several
// goroutines.
type Store struct {
	dir     string
	keys    keyring.Keys
	nameKey [32]byte
	max     int64

	mu     sync.Mutex // guards pinned, and that nothing is pinned while it is removed
	pinned map[name]struct{}
	sound  map[name]bool // read whole in this run; guarded by mu

	staging  sync.Mutex // guards partial/ and what follows
	partials map[name]partial
	touches  uint64
}

// name is what a file is called: it tells nothing to whoever lacks the key.
type name [nameBytes]byte

// OpenStore opens the attachments in a directory, and takes away what a crash left
// half written. It makes nothing: a directory that isn't there has no attachments
// until the first Put. One program at a time may have it open, and once: the data
// directory's lock sees to that.
func OpenStore(dir string, opts Options) (*Store, error) {
	if err := opts.Keys.Check(); err != nil {
		return nil, err
	}
	s := &Store{
		dir: dir, keys: opts.Keys, nameKey: opts.Keys.Derive(purposeNames), max: opts.MaxBytes, pinned: map[name]struct{}{},
		sound: map[name]bool{}, partials: map[name]partial{},
	}
	if s.max == 0 {
		s.max = MaxBytes
	}
	if err := os.RemoveAll(filepath.Join(dir, dirIncoming)); err != nil {
		return nil, fmt.Errorf("open the attachments: %w", err)
	}
	return s, nil
}

// make makes what Put needs, durably.
func (s *Store) make() error {
	if err := os.MkdirAll(filepath.Join(s.dir, dirIncoming), 0o700); err != nil {
		return err
	}
	return errors.Join(durable.SyncDir(s.dir), durable.SyncDir(filepath.Dir(filepath.Clean(s.dir))))
}

func (s *Store) name(h Hash) (n name) {
	mac := hmac.New(sha256.New, s.nameKey[:])
	mac.Write(h[:])
	copy(n[:], mac.Sum(nil))
	return n
}

// FileOf is what an attachment's file is called here, as a Finding names it.
func (s *Store) FileOf(h Hash) string { return filepath.Base(s.path(s.name(h))) }

func (s *Store) path(n name) string {
	x := hex.EncodeToString(n[:])
	return filepath.Join(s.dir, x[:2], x)
}

// Put keeps what r gives, durably, and says what it is called. What is kept already
// is kept once. One that is longer than the store takes is node.TooLarge.
func (s *Store) Put(ctx context.Context, r io.Reader) (h Hash, size int64, err error) {
	if err := s.make(); err != nil {
		return h, 0, fmt.Errorf("take in an attachment: %w", err)
	}
	f, err := os.CreateTemp(filepath.Join(s.dir, dirIncoming), "*")
	if err != nil {
		return h, 0, fmt.Errorf("take in an attachment: %w", err)
	}
	defer func() {
		if rmErr := os.Remove(f.Name()); rmErr != nil && !errors.Is(rmErr, fs.ErrNotExist) {
			err = errors.Join(err, rmErr)
		}
	}()
	h, size, err = s.write(ctx, f, r)
	if err = errors.Join(err, f.Close()); err != nil {
		return h, 0, fmt.Errorf("take in an attachment: %w", err)
	}
	n := s.name(h)
	s.mu.Lock()
	s.pinned[n] = struct{}{}
	s.mu.Unlock()
	if s.check(h) == nil {
		return h, size, nil // it is here, and sound
	}
	return h, size, s.install(f.Name(), n)
}

// write seals r into f, durably.
func (s *Store) write(ctx context.Context, f *os.File, r io.Reader) (h Hash, size int64, err error) {
	w, err := sealed.NewWriter(f, s.keys, purposeFile)
	if err != nil {
		return h, 0, err
	}
	sum := sha256.New()
	limited := &io.LimitedReader{R: reader{ctx, r}, N: s.max + 1}
	size, err = io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(sum, w)}, limited, make([]byte, copyBuffer))
	if err != nil {
		return h, 0, err
	}
	if size > s.max {
		return h, 0, node.Errorf(node.TooLarge, "Tệp đính kèm quá lớn (tối đa %d MiB).", "the attachment is too large (at most %d MiB)", s.max>>20)
	}
	if err := errors.Join(w.Close(), f.Sync()); err != nil {
		return h, 0, err
	}
	return Hash(sum.Sum(nil)), size, nil
}

// reader ends when its context does.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// install gives a finished file its name.
func (s *Store) install(from string, n name) error {
	to := s.path(n)
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return fmt.Errorf("keep an attachment: %w", err)
	}
	if err := os.Rename(from, to); err != nil {
		return fmt.Errorf("keep an attachment: %w", err)
	}
	if err := errors.Join(durable.SyncDir(filepath.Dir(to)), durable.SyncDir(s.dir)); err != nil {
		return fmt.Errorf("keep an attachment: %w", err)
	}
	return nil
}

// Pin says that something is about to point to an attachment that may be here
// already: until the program ends it isn't collected. It is node.NotFound or
// node.Damaged where there is none to point to.
func (s *Store) Pin(h Hash) error {
	s.mu.Lock()
	s.pinned[s.name(h)] = struct{}{}
	s.mu.Unlock()
	return s.check(h)
}

// File is an attachment that is being read.
type File struct {
	io.Reader
	Size int64 // in bytes
	file *os.File
}

// Close ends the reading.
func (f *File) Close() error { return f.file.Close() }

// Open gives an attachment after all of it was read and found to be what its name
// says, so that none of a damaged one is believed. It is node.NotFound where it
// isn't here, and node.Damaged where it is something else.
func (s *Store) Open(h Hash) (*File, error) {
	f, err := os.Open(s.path(s.name(h)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, node.Errorf(node.NotFound, "Tệp đính kèm này chưa có trên máy này.", "this attachment is not on this device")
	}
	if err != nil {
		return nil, fmt.Errorf("open an attachment: %w", err)
	}
	got, size, err := s.read(f)
	if err == nil && got != h {
		err = errOther
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read an attachment: %w", err), f.Close())
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	plain, err := sealed.NewReader(f, s.keys, purposeFile)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &File{Reader: plain, Size: size, file: f}, nil
}

// readNamed reads all of a file and says what is in it, if that is what its name says.
func (s *Store) readNamed(path string, n name) (h Hash, err error) {
	f, err := os.Open(path)
	if err != nil {
		return h, err
	}
	if h, _, err = s.read(f); err == nil && s.name(h) != n {
		err = errOther
	}
	return h, errors.Join(err, f.Close())
}

// errOther says that a file holds something sound that isn't what its name says.
var errOther = damaged(errors.New("it is another file's content"))

// read reads all of a file and says what is in it.
func (s *Store) read(f *os.File) (h Hash, size int64, err error) {
	plain, err := sealed.NewReader(f, s.keys, purposeFile)
	if err != nil {
		return h, 0, err
	}
	var sum hash.Hash = sha256.New()
	size, err = io.CopyBuffer(struct{ io.Writer }{sum}, plain, make([]byte, copyBuffer))
	return Hash(sum.Sum(nil)), size, err
}

func (s *Store) check(h Hash) error {
	f, err := s.Open(h)
	if err != nil {
		return err
	}
	return f.Close()
}

func damaged(err error) error {
	return node.Errorf(node.Damaged,
		"Tệp đính kèm bị hỏng: %w. Hãy lấy lại từ máy khác hoặc từ bản sao lưu.",
		"the attachment is damaged: %w; get it back from another device or a backup", err)
}

// Erase removes an attachment, durably, whoever points to it; one that isn't here
// is erased already. Pieces of it go, too. What the disk's blocks still hold is sealed.
func (s *Store) Erase(h Hash) error {
	n := s.name(h)
	s.staging.Lock()
	err := s.dropPartial(n)
	s.staging.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pinned, n)
	return errors.Join(err, s.remove(n))
}

func (s *Store) remove(n name) error {
	delete(s.sound, n)
	err := os.Remove(s.path(n))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove an attachment: %w", err)
	}
	return durable.SyncDir(filepath.Dir(s.path(n)))
}

// referenceHead begins a Reference: a CBOR byte string of 36 bytes that begins
// with "vxa1".
var referenceHead = []byte{0x58, referenceSize, 'v', 'x', 'a', '1'}

// Reference is the value by which a field points to an attachment, in canonical
// CBOR. It may also be an item of an array.
func Reference(h Hash) []byte { return append(bytes.Clone(referenceHead), h[:]...) }

// References are the attachments that a value points to, whatever pack or program
// wrote it. It may find one too many, never one too few.
func References(value []byte) []Hash {
	var found []Hash
	for {
		i := bytes.Index(value, referenceHead)
		if i < 0 || len(value)-i-len(referenceHead) < len(Hash{}) {
			return found
		}
		value = value[i+len(referenceHead):]
		found = append(found, Hash(value[:len(Hash{})]))
	}
}

// ParseHash reads what Hash.String writes.
func ParseHash(s string) (h Hash, ok bool) {
	n, err := hex.Decode(h[:], []byte(s[:min(len(s), 2*len(h))]))
	return h, err == nil && n == len(h) && len(s) == 2*len(h)
}
