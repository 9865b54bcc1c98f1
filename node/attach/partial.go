package attach

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/vungxa/vungxa/node/store/durable"
	"github.com/vungxa/vungxa/node/store/sealed"
)

// What comes from another device in pieces lies in partial/ until it is whole: a file
// per content, of pieces that are sealed one by one, each durable when Append returns.
//
//	length (4 bytes, big endian) | sealed item: total (8 bytes, big endian) | bytes

const (
	dirPartial   = "partial"
	purposePiece = "attachment piece 1"
	pieceHead    = 8

	// MaxPiece is the longest piece, in bytes.
	MaxPiece = 64 << 10
	// MaxPartial is how many contents may lie here in part.
	MaxPartial = 16
)

// Errors of Append.
var (
	// ErrPlace says that a piece doesn't follow what is there, or is of another length.
	ErrPlace = errors.New("a piece of an attachment that doesn't follow the one before")
	// ErrContent says that the whole isn't what its name says; nothing of it was kept.
	ErrContent = errors.New("what came is not the attachment that was asked for")
	// ErrLarge says that it is longer than the store takes.
	ErrLarge = errors.New("the attachment is larger than this device takes")
)

// partial is what lies here of one content.
type partial struct {
	have, total uint64
	touched     uint64 // the higher, the later
}

func (s *Store) partialPath(n name) string {
	return filepath.Join(s.dir, dirPartial, fmt.Sprintf("%x", n[:]))
}

// Have is how much lies here of an attachment that isn't whole yet.
func (s *Store) Have(h Hash) (uint64, error) {
	s.staging.Lock()
	defer s.staging.Unlock()
	p, err := s.part(s.name(h))
	return p.have, err
}

// Append keeps a piece of an attachment durably behind those that are here; total is
// how long the whole is. With the last one the whole is compared with its name, and
// kept as Put does; whole says so. A piece that is here already changes nothing.
func (s *Store) Append(h Hash, offset, total uint64, b []byte) (whole bool, err error) {
	s.staging.Lock()
	defer s.staging.Unlock()
	n := s.name(h)
	p, err := s.part(n)
	switch {
	case err != nil:
		return false, err
	case total > uint64(s.max):
		return false, ErrLarge
	case len(b) == 0 || len(b) > MaxPiece || offset > total || uint64(len(b)) > total-offset || p.have > 0 && total != p.total:
		return false, ErrPlace
	case offset+uint64(len(b)) <= p.have:
		return false, nil
	case offset != p.have:
		return false, ErrPlace
	}
	if offset == 0 {
		if err := s.room(); err != nil {
			return false, err
		}
	}
	if err := s.appendPiece(n, offset, total, b); err != nil {
		return false, fmt.Errorf("keep a piece of an attachment: %w", err)
	}
	s.touches++
	s.partials[n] = partial{have: offset + uint64(len(b)), total: total, touched: s.touches}
	if offset+uint64(len(b)) < total {
		return false, nil
	}
	return true, s.complete(h, n)
}

func (s *Store) appendPiece(n name, offset, total uint64, b []byte) (err error) {
	item, err := sealed.Seal(s.keys, piecePurpose(n, offset), append(binary.BigEndian.AppendUint64(nil, total), b...))
	if err != nil {
		return err
	}
	if offset == 0 {
		if err := os.MkdirAll(filepath.Join(s.dir, dirPartial), 0o700); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(s.partialPath(n), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(item))), item...))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		delete(s.partials, n) // how much of it is there is to be found out
		return err
	}
	if offset > 0 {
		return nil
	}
	return errors.Join(durable.SyncDir(filepath.Join(s.dir, dirPartial)), durable.SyncDir(s.dir))
}

func piecePurpose(n name, offset uint64) string {
	return fmt.Sprintf("%s %x %d", purposePiece, n[:], offset)
}

// complete makes an attachment of its pieces, if they are what its name says.
func (s *Store) complete(h Hash, n name) (err error) {
	if err := s.make(); err != nil {
		return fmt.Errorf("keep an attachment: %w", err)
	}
	f, err := os.CreateTemp(filepath.Join(s.dir, dirIncoming), "*")
	if err != nil {
		return fmt.Errorf("keep an attachment: %w", err)
	}
	defer func() {
		if rmErr := os.Remove(f.Name()); rmErr != nil && !errors.Is(rmErr, fs.ErrNotExist) {
			err = errors.Join(err, rmErr)
		}
	}()
	got, err := s.gather(f, n)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("keep an attachment: %w", err)
	}
	if got != h {
		return errors.Join(ErrContent, s.dropPartial(n))
	}
	s.mu.Lock()
	delete(s.sound, n)
	s.mu.Unlock()
	if err := s.install(f.Name(), n); err != nil {
		return err
	}
	return s.dropPartial(n)
}

func (s *Store) gather(to *os.File, n name) (h Hash, err error) {
	from, err := os.Open(s.partialPath(n))
	if err != nil {
		return h, err
	}
	h, _, err = s.write(context.Background(), to, &pieces{store: s, name: n, file: from})
	return h, errors.Join(err, from.Close())
}

// pieces reads the pieces of a content one after the other. It ends before the first
// that isn't whole.
type pieces struct {
	store *Store
	name  name
	file  io.Reader
	partial
	at   int64 // where the next one begins
	left []byte
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.left) == 0 {
		if ok, err := p.next(); !ok {
			if err == nil {
				err = io.EOF
			}
			return 0, err
		}
	}
	n := copy(b, p.left)
	p.left = p.left[n:]
	return n, nil
}

// next reads a piece; false where there is no whole one.
func (p *pieces) next() (ok bool, err error) {
	var head [4]byte
	if _, err := io.ReadFull(p.file, head[:]); err != nil {
		return false, torn(err)
	}
	length := binary.BigEndian.Uint32(head[:])
	if length > MaxPiece+pieceHead+sealed.Overhead {
		return false, nil
	}
	item := make([]byte, length)
	if _, err := io.ReadFull(p.file, item); err != nil {
		return false, torn(err)
	}
	plain, err := sealed.Open(p.store.keys, piecePurpose(p.name, p.have), item)
	if err != nil || len(plain) <= pieceHead {
		return false, nil // it, and what comes behind it, is asked for again
	}
	p.left = plain[pieceHead:]
	p.total = binary.BigEndian.Uint64(plain)
	p.have += uint64(len(p.left))
	p.at += int64(len(head)) + int64(length)
	return true, nil
}

// torn is nil for the end of what was written.
func torn(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}
