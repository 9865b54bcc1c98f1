package backup

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/vungxa/vungxa/node"
)

// The first byte of an item's key says what it is.
const (
	itemFile  = 'f' // f name 0 offset -> bytes of the file from there
	itemStore = 's' // s key           -> value
)

// filePiece is how much of a file makes one item, in bytes.
const filePiece = 256 << 10

// File is a file that goes into a backup. Its name has no zero byte.
type File struct {
	Name string
	Open func() (io.ReadCloser, error)
}

// Bytes is a small file.
func Bytes(name string, b []byte) File {
	return File{name, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }}
}

// Node is what is backed up of a node: files, and the items of its store, as export
// gives them. Two files of one name are an error.
func Node(files []File, export Items) Items {
	files = slices.SortedFunc(slices.Values(files), func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	return func(yield func(key, value []byte) error) error {
		for _, f := range files {
			if err := f.items(yield); err != nil {
				return fmt.Errorf("%s: %w", f.Name, err)
			}
		}
		prefixed := []byte{itemStore}
		return export(func(key, value []byte) error {
			prefixed = append(prefixed[:1], key...)
			return yield(prefixed, value)
		})
	}
}

func (f File) items(yield func(key, value []byte) error) (err error) {
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	head := append(append([]byte{itemFile}, f.Name...), 0)
	buf := make([]byte, filePiece)
	for at := uint64(0); ; {
		n, err := io.ReadFull(r, buf)
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return err
		}
		if n > 0 || at == 0 {
			if err := yield(binary.BigEndian.AppendUint64(head, at), buf[:n]); err != nil {
				return err
			}
		}
		if at += uint64(n); last {
			return nil
		}
	}
}

// Sink takes what a backup of a node holds, first its files piece by piece, then
// the store's items. Slices are the sink's only until it returns. A nil function
// passes over what it would take.
type Sink struct {
	File func(name string, offset uint64, piece []byte) error
	Item func(key, value []byte) error
}

// Restore gives a backup of a node to a sink.
func (s *Set) Restore(ctx context.Context, m *Manifest, to Sink) error {
	return s.Items(ctx, m, func(key, value []byte) error {
		switch {
		case len(key) > 0 && key[0] == itemStore:
			if to.Item == nil {
				return nil
			}
			return to.Item(key[1:], value)
		case len(key) > 9 && key[0] == itemFile && key[len(key)-9] == 0:
			if to.File == nil {
				return nil
			}
			name, at := key[1:len(key)-9], binary.BigEndian.Uint64(key[len(key)-8:])
			return to.File(string(name), at, value)
		}
		return node.Errorf(node.Invalid, "Bản sao lưu chứa loại dữ liệu mà chương trình này không biết. Hãy dùng phiên bản mới hơn.",
			"the backup holds a kind of item that this program doesn't know; use a newer version of it")
	})
}

// Same says whether items are exactly those of a backup: what a restored store must
// give. It writes nothing.
func (s *Set) Same(ctx context.Context, m *Manifest, items Items) (bool, error) {
	w := &writer{set: s, ctx: ctx, dry: true, nameKey: s.derive("part name")}
	err := items(w.item)
	if err == nil {
		err = w.end()
	}
	if err != nil {
		return false, fmt.Errorf("compare with backup %d: %w", m.Number, err)
	}
	return w.report.Items == m.Items && slices.Equal(w.names, names(m)), nil
}

func names(m *Manifest) (all []Digest) {
	for row := range m.rows() {
		all = append(all, row.name)
	}
	return all
}
