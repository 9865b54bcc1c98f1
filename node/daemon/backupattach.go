package daemon

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/vungxa/vungxa/node/attach"
	"github.com/vungxa/vungxa/node/store/backup"
	"github.com/vungxa/vungxa/node/store/keyring"
)

// backupAttach begins the names of attachments in a backup; their hash follows.
const backupAttach = "attachments/"

// attachments are those of a node's directory, as files of a backup; none where the
// node has none.
func attachments(ctx context.Context, dir string, keys keyring.Keys) (files []backup.File, err error) {
	at := filepath.Join(dir, dirAttachments)
	if _, err := os.Stat(at); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	s, err := attach.OpenStore(at, attach.Options{Keys: keys})
	if err != nil {
		return nil, err
	}
	err = s.Each(ctx, func(h attach.Hash) error {
		files = append(files, backup.File{Name: backupAttach + h.String(), Open: func() (io.ReadCloser, error) { return s.Open(h) }})
		return nil
	})
	return files, err
}

// attachSink puts a backup's attachments, which come piece by piece, into a store.
type attachSink struct {
	ctx   context.Context
	dir   string
	keys  keyring.Keys
	store *attach.Store // nil until there is one

	name string // of the attachment that comes; "" between two
	at   uint64
	pipe *io.PipeWriter
	done chan error
}

// piece takes a piece. An attachment ends where the next begins, or with end.
func (a *attachSink) piece(name string, offset uint64, piece []byte) (err error) {
	if name != a.name {
		if err := a.end(); err != nil {
			return err
		}
		if err := a.begin(name); err != nil {
			return err
		}
	}
	if offset != a.at {
		return fmt.Errorf("the attachment %s of the backup lacks a piece", name)
	}
	a.at += uint64(len(piece))
	if _, err := a.pipe.Write(piece); err != nil {
		return fmt.Errorf("restore an attachment: %w", errors.Join(err, a.end()))
	}
	return nil
}

func (a *attachSink) begin(name string) (err error) {
	var want attach.Hash
	b, err := hex.DecodeString(strings.TrimPrefix(name, backupAttach))
	if err != nil || len(b) != len(want) {
		return fmt.Errorf("the backup names an attachment %q", name)
	}
	copy(want[:], b)
	if a.store == nil {
		if a.store, err = attach.OpenStore(filepath.Join(a.dir, dirAttachments), attach.Options{Keys: a.keys}); err != nil {
			return err
		}
	}
	r, w := io.Pipe()
	a.name, a.at, a.pipe, a.done = name, 0, w, make(chan error, 1)
	go func() {
		h, _, err := a.store.Put(a.ctx, r)
		if err == nil && h != want {
			err = fmt.Errorf("the attachment %s of the backup is another file", name)
		}
		a.done <- errors.Join(err, r.CloseWithError(err))
	}()
	return nil
}

// end waits until the attachment is durable.
func (a *attachSink) end() error {
	if a.name == "" {
		return nil
	}
	a.name = ""
	return errors.Join(a.pipe.Close(), <-a.done)
}
