package daemon

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/vungxa/vungxa/node/attach"
	"github.com/vungxa/vungxa/node/store/backup"
)

// backupAttach begins the names of attachments in a backup; their hash follows.
const backupAttach = "attachments/"

// attachments are those of a node, as files of a backup. What is damaged is left out,
// and named: it must not keep all the rest from being backed up.
func attachments(ctx context.Context, s *attach.Store) (files []backup.File, left []Finding, err error) {
	err = s.Each(ctx, func(h attach.Hash) error {
		files = append(files, backup.File{Name: backupAttach + h.String(), Open: func() (io.ReadCloser, error) { return s.Open(h) }})
		return nil
	}, func(f attach.Finding) { left = append(left, ofAttachments(f)) })
	return files, left, err
}

// attachSink puts a backup's attachments, which come piece by piece, into a store.
type attachSink struct {
	ctx   context.Context
	store *attach.Store
	wants func(attach.Hash) bool // nil: all of them

	skip bool   // the one that comes isn't wanted
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
	if a.skip {
		return nil
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
	a.name, a.at, a.skip = name, 0, a.wants != nil && !a.wants(want)
	if a.skip {
		return nil
	}
	r, w := io.Pipe()
	a.pipe, a.done = w, make(chan error, 1)
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
	waits := a.name != "" && !a.skip
	if a.name = ""; !waits {
		return nil
	}
	return errors.Join(a.pipe.Close(), <-a.done)
}
