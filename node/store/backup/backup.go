// Package backup keeps copies of a node in a directory of their own: on a stick, on
// another machine's disk.
//
// A directory holds a set of backups of one store. What is copied is a sorted list
// of items (keys and values; files are items too). The list is cut into parts of
// about 128 KiB, at places that depend on the items near them and on nothing else,
// and every part is named by what is in it:
//
//	items -> cut -> name (keyed BLAKE3) -> zstd -> XChaCha20-Poly1305 -> parts/ab/cdef...
//	names of all parts, in order -> manifest -> 000017.backup
//
// So a second backup writes only the parts that are not there yet, an interrupted
// one goes on where it was, and every backup is whole by itself: nobody has to keep
// a chain together, and old ones can be let expire. A manifest is written last,
// when all that it names is durable; it names the one before it by digest.
//
// Everything is encrypted under a random key of the set, which lies in the file
// set.key, wrapped for the store's own data key and for recovery keys (age, X25519);
// a copy of it begins every manifest. A part that was changed, cut short, swapped or
// taken away is noticed, since its name is computed anew from what it holds.
//
// Values come without the store's MACs: restoring computes them under the new
// store's keys. Every number is big endian or a varint, so that a backup can be
// restored on any machine. FORMAT.md specifies it for another implementation.
package backup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"filippo.io/age"
	"github.com/gofrs/flock"
	"lukechampine.com/blake3"

	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store/durable"
	"github.com/vungxa/vungxa/node/store/keyring"
	"github.com/vungxa/vungxa/node/store/sealed"
)

// Format is the number of the form of a set of backups.
const Format = 1

// Files of a set.
const (
	fileKey     = "set.key"
	fileLock    = "lock"
	fileNew     = "new-" // began the names of files that weren't whole yet, once
	dirParts    = "parts"
	endManifest = ".backup"
)

// purposeSet is what the set's key is wrapped for.
const purposeSet = "backup"

// maxKeyFile bounds set.key, in bytes: a recipient takes 200.
const maxKeyFile = 64 << 10

// Digest is a BLAKE3 hash.
type Digest [32]byte

// Set is an open directory of backups.
type Set struct {
	dir        string
	keyFile    []byte // set.key as it is
	keys       keyring.Keys
	recipients []string
	unlock     func() error
	pack       packer
}

// setKey is what set.key holds, encrypted.
type setKey struct {
	_          struct{} `cbor:",toarray"`
	Format     uint64
	ID         [16]byte
	Key        [32]byte
	Recipients []string // age1..., in order
}

// Writable opens a set to add a backup, making it where there is none. Who adds to
// it is the store whose keys it was made with. New recovery recipients (age1...) are
// added to those that it has. Only one process at a time has it open.
func Writable(dir string, keys keyring.Keys, recipients []string, random io.Reader) (_ *Set, err error) {
	if err := os.MkdirAll(filepath.Join(dir, dirParts), 0o700); err != nil {
		return nil, explainWrite(fmt.Errorf("make the backup directory: %w", err))
	}
	s := &Set{dir: dir, pack: newPacker()}
	if err := s.lock(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := s.clean(); err != nil {
		return nil, err
	}
	err = s.read(sealed.Own(keys, purposeSet))
	if errors.Is(err, fs.ErrNotExist) {
		err = s.draw(random)
	}
	if err != nil {
		return nil, err
	}
	return s, s.wrapFor(keys, recipients)
}

// Open opens a set to read it, with the store's own keys (Own) or a recovery key.
func Open(dir string, who ...age.Identity) (*Set, error) {
	s := &Set{dir: dir, unlock: func() error { return nil }, pack: newPacker()}
	err := s.read(who...)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, node.Errorf(node.NotFound, "Thư mục %s không có bản sao lưu nào của chương trình này.", "there is no backup of this program in %s", dir)
	}
	return s, err
}

// Exists says whether a directory is a set of backups.
func Exists(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, dirParts))
	_, keyErr := os.Stat(filepath.Join(dir, fileKey))
	return err == nil && keyErr == nil
}

// Own is the identity of the store that made a set.
func Own(keys keyring.Keys) age.Identity { return sealed.Own(keys, purposeSet) }

// Close lets others open the set.
func (s *Set) Close() error {
	s.pack.close()
	return s.unlock()
}

// ID is the set's random name.
func (s *Set) ID() [16]byte { return s.keys.StoreID }

// Recipients are the recovery keys (age1...) that open the set beside the store's.
func (s *Set) Recipients() []string { return s.recipients }

func (s *Set) lock() error {
	l := flock.New(filepath.Join(s.dir, fileLock))
	held, err := l.TryLock()
	if err != nil {
		return fmt.Errorf("lock the backup directory: %w", err)
	}
	if !held {
		return node.Errorf(node.Unavailable, "Một lệnh sao lưu khác đang ghi vào %s. Hãy đợi nó xong.",
			"another backup is being written to %s; wait until it is done", s.dir)
	}
	s.unlock = l.Unlock
	return nil
}

// clean removes what an interrupted backup was writing just then.
func (s *Set) clean() error {
	return filepath.WalkDir(s.dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && (strings.HasPrefix(d.Name(), fileNew) || durable.Unfinished(name)) {
			err = os.Remove(name)
		}
		return err
	})
}

// draw makes a new set's id and key.
func (s *Set) draw(random io.Reader) error {
	if _, err := io.ReadFull(random, s.keys.StoreID[:]); err != nil {
		return fmt.Errorf("draw the backup's key: %w", err)
	}
	if _, err := io.ReadFull(random, s.keys.Data[:]); err != nil {
		return fmt.Errorf("draw the backup's key: %w", err)
	}
	return nil
}

// read reads the set's key from its file, or else from the newest manifest that has
// a copy which opens.
func (s *Set) read(who ...age.Identity) error {
	b, err := os.ReadFile(filepath.Join(s.dir, fileKey))
	if err == nil {
		err = s.open(b, who)
	}
	if err == nil {
		return nil
	}
	numbers, listErr := s.numbers()
	if listErr != nil {
		return errors.Join(err, listErr)
	}
	for _, n := range slices.Backward(numbers) {
		b, copyErr := s.keyCopy(n)
		if copyErr == nil && s.open(b, who) == nil {
			return nil
		}
	}
	if len(numbers) > 0 && errors.Is(err, fs.ErrNotExist) {
		return node.Errorf(node.Damaged, "Thư mục sao lưu %s mất tệp khóa, và không bản sao nào của nó mở được bằng khóa này. Hãy dùng khóa khôi phục, hoặc một bản chép khác của thư mục.",
			"the backup directory %s has lost its key file, and no copy of it opens with this key; use the recovery key, or another copy of the directory", s.dir)
	}
	return err
}

func (s *Set) open(b []byte, who []age.Identity) error {
	k, err := openKey(b, who)
	if err != nil {
		return err
	}
	s.keyFile, s.recipients = b, k.Recipients
	s.keys = keyring.Keys{StoreID: k.ID, Data: k.Key}
	return s.keys.Check()
}

func openKey(b []byte, who []age.Identity) (*setKey, error) {
	r, err := sealed.NewReaderFor(strings.NewReader(string(b)), who...)
	if err != nil {
		return nil, wrongKey(err)
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxKeyFile))
	if err != nil {
		return nil, wrongKey(err)
	}
	k := &setKey{}
	if err := wire.Unmarshal(plain, maxKeyFile, k); err != nil {
		return nil, wrongKey(err)
	}
	if k.Format != Format {
		return nil, node.Errorf(node.Invalid, "Bản sao lưu có định dạng %d; chương trình này đọc định dạng %d. Hãy dùng phiên bản mới hơn.",
			"the backup has format %d and this program reads format %d; use a newer version of it", k.Format, Format)
	}
	return k, nil
}

// wrongKey keeps the cause for the log: it tells a person nothing more.
func wrongKey(err error) error {
	return &node.Error{Code: node.Damaged, Err: err, Message: node.Text{
		VI: "Khóa này không mở được bộ sao lưu: bộ này của nút khác, khóa đã đổi từ đó, hoặc tệp khóa của nó hỏng. Để đọc nó, hãy dùng khóa khôi phục của nó; để sao lưu thêm, hãy chọn một thư mục khác.",
		EN: "this key does not open the backups: they are of another node, the key was changed since, or their key file is damaged. To read them use their recovery key; to back up, choose another directory",
	}}
}

// wrapFor writes set.key for the store's key and all recipients, unless it is so
// already.
func (s *Set) wrapFor(keys keyring.Keys, more []string) error {
	all := slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(s.recipients), more...))))
	current, err := os.ReadFile(filepath.Join(s.dir, fileKey))
	if err == nil && string(current) == string(s.keyFile) && slices.Equal(all, s.recipients) {
		return nil
	}
	extra := make([]age.Recipient, len(all))
	for i, text := range all {
		if extra[i], err = age.ParseX25519Recipient(text); err != nil {
			return node.Errorf(node.Invalid, "Khóa khôi phục không đọc được (phải bắt đầu bằng age1): %w",
				"the recovery recipient can't be read (it begins with age1): %w", err)
		}
	}
	plain, err := wire.Marshal(setKey{Format: Format, ID: s.keys.StoreID, Key: s.keys.Data, Recipients: all})
	if err != nil {
		return err
	}
	var b strings.Builder
	w, err := sealed.NewWriter(&b, keys, purposeSet, extra...)
	if err != nil {
		return fmt.Errorf("wrap the backup's key: %w", err)
	}
	if _, err := w.Write(plain); err != nil {
		return fmt.Errorf("wrap the backup's key: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("wrap the backup's key: %w", err)
	}
	s.keyFile, s.recipients = []byte(b.String()), all
	return explainWrite(durable.WriteFile(filepath.Join(s.dir, fileKey), s.keyFile))
}

// derive is a key of the set's for a purpose of this package.
func (s *Set) derive(purpose string) [32]byte { return s.keys.Derive("backup 1 " + purpose) }

func keyed(key [32]byte, b []byte) Digest {
	h := blake3.New(len(Digest{}), key[:])
	h.Write(b) // never fails
	return Digest(h.Sum(nil))
}
