package daemon

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"sync"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/attach"
	"github.com/vungxa/vungxa/sync/reconcile"
)

// files are the node's attachments as sessions see them: what the engine's index says
// is pointed to, and what lies in the store of attachments.
type files struct {
	d *Daemon
	// keeping is held while a piece is judged and kept, and while something is erased:
	// nothing of what was erased comes back behind the order.
	keeping sync.Mutex
}

var emptyFile = attach.Hash(sha256.Sum256(nil))

// Lacks gives the first that lies here in part, or else the first.
func (f *files) Lacks(scopes []crdt.Scope, except map[[32]byte]bool) (*reconcile.Content, error) {
	var here []attach.Hash
	var found *reconcile.Content
	err := f.d.engine.Lacked(scopes, func(h attach.Hash, damaged bool) (bool, error) {
		if except[h] {
			return true, nil
		}
		held, err := f.has(h)
		if err != nil {
			return false, err
		}
		if held && !damaged {
			here = append(here, h)
			return true, nil
		}
		have, err := f.d.attached.Have(h)
		if found == nil || have > 0 {
			found = &reconcile.Content{Hash: h, Have: have}
		}
		return have == 0, err
	})
	if err == nil && len(here) > 0 {
		err = f.d.engine.Arrived(here...)
	}
	return found, err
}

// has says whether an attachment is here. An empty one needs no other device.
func (f *files) has(h attach.Hash) (bool, error) {
	held, err := f.d.attached.Has(h)
	if err != nil || held || h != emptyFile {
		return held, err
	}
	_, _, err = f.d.attached.Put(context.Background(), strings.NewReader(""))
	return err == nil, err
}

// Piece gives nothing of one that is damaged, and has that asked for.
func (f *files) Piece(scopes []crdt.Scope, hash [32]byte, offset uint64, most int) ([]byte, uint64, error) {
	points, err := f.d.engine.PointsTo(scopes, hash)
	if err != nil || !points {
		return nil, 0, err
	}
	b, total, err := f.d.attached.Piece(hash, offset, most)
	switch node.CodeOf(err) {
	case node.NotFound:
		return nil, 0, nil
	case node.Damaged:
		f.d.opts.Log.Warn("an attachment is damaged; it is asked for again", "error", err)
		return nil, 0, f.d.engine.Lost(hash)
	}
	return b, total, err
}

// Append keeps a piece of what is still pointed to. What goes wrong on the disk is this
// attachment's trouble, and none of the records'.
func (f *files) Append(hash [32]byte, offset, total uint64, b []byte) error {
	whole, err := f.keep(hash, offset, total, b)
	var refusal *reconcile.Refusal
	switch {
	case err == nil && whole:
		return f.d.engine.Arrived(hash)
	case err == nil, errors.As(err, &refusal):
		return err
	case errors.Is(err, attach.ErrContent):
		return reconcile.Refuse(reconcile.Malformed, "attachment %v", attach.Hash(hash))
	case errors.Is(err, attach.ErrLarge):
		return reconcile.Refuse(reconcile.Limit, "attachment %v of %d bytes", attach.Hash(hash), total)
	case errors.Is(err, attach.ErrPlace):
		return reconcile.Refuse(reconcile.Order, "attachment %v at %d", attach.Hash(hash), offset)
	}
	f.d.opts.Log.Error("a piece of an attachment can't be kept", "error", err)
	return reconcile.Refuse(reconcile.Unavailable, "attachments")
}

func (f *files) keep(hash attach.Hash, offset, total uint64, b []byte) (whole bool, err error) {
	f.keeping.Lock()
	defer f.keeping.Unlock()
	points, err := f.d.engine.PointsTo(f.d.self.config.Scopes, hash)
	if err == nil && !points {
		err = reconcile.Refuse(reconcile.Missing, "attachment %v: nothing here points to it any more", hash)
	}
	if err != nil {
		return false, err
	}
	return f.d.attached.Append(hash, offset, total, b)
}

// erase takes an attachment away, and what lies here of it in part.
func (f *files) erase(h attach.Hash) error {
	f.keeping.Lock()
	defer f.keeping.Unlock()
	return f.d.attached.Erase(h)
}
