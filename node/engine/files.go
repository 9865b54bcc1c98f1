package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node/attach"
	"github.com/vungxa/vungxa/node/store"
)

// Which attachments the entries of a scope point to, and which of them were not here
// when somebody last looked. Both are noted in the transaction that stores the entry,
// and made right by each collection of attachments: an index, which may name one too
// many for a while and, where a file was lost, one too few.
const (
	localFile    = "file"
	localLacked  = "filelacked"
	localIndexed = "fileindexed" // that all entries were looked at once
)

// The values of localLacked.
const (
	lackedMissing byte = 1
	lackedDamaged byte = 2
)

// file is an attachment to which a scope points.
type file struct {
	scope crdt.Scope
	hash  attach.Hash
}

func (f file) name() string { return string(f.scope) + "/" + f.hash.String() }

// fileNamed is the other way.
func fileNamed(name string) (file, bool) {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return file{}, false
	}
	h, ok := attach.ParseHash(name[i+1:])
	return file{crdt.Scope(name[:i]), h}, ok
}

// noteFiles notes what an entry points to. Whether it is here is found out by who asks.
func noteFiles(tx *store.Tx, entry *crdt.Entry) error {
	note := noting(tx)
	return inEntry(entry, func(value []byte) error { return note(entry.Log.Scope, value) })
}

func noting(tx *store.Tx) func(crdt.Scope, []byte) error {
	return func(scope crdt.Scope, value []byte) error {
		for _, h := range attach.References(value) {
			if err := noteFile(tx, file{scope, h}); err != nil {
				return err
			}
		}
		return nil
	}
}

func noteFile(tx *store.Tx, f file) error {
	was, err := tx.Local(localFile, f.name())
	if err != nil || was != nil {
		return err
	}
	if err := tx.PutLocal(localFile, f.name(), []byte{1}); err != nil {
		return err
	}
	return tx.PutLocal(localLacked, f.name(), []byte{lackedMissing})
}

// Lacked calls f with the attachments to which entries of these scopes point and that
// were not here, or damaged, when somebody last looked; until it returns false.
func (e *Engine) Lacked(scopes []crdt.Scope, f func(h attach.Hash, damaged bool) (more bool, err error)) error {
	var all []attach.Hash
	bad := map[attach.Hash]bool{}
	err := e.cfg.Store.View(func(tx *store.Tx) error {
		return tx.Locals(localLacked, func(name string, value []byte) error {
			l, ok := fileNamed(name)
			if !ok || !slices.Contains(scopes, l.scope) {
				return nil
			}
			all = append(all, l.hash)
			bad[l.hash] = bad[l.hash] || len(value) > 0 && value[0] == lackedDamaged
			return nil
		})
	})
	for _, h := range all {
		if err != nil {
			return err
		}
		more := true
		if more, err = f(h, bad[h]); !more {
			break
		}
	}
	return err
}

// PointsTo says whether entries of one of these scopes point to an attachment.
func (e *Engine) PointsTo(scopes []crdt.Scope, h attach.Hash) (points bool, err error) {
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		for _, s := range scopes {
			b, err := tx.Local(localFile, file{s, h}.name())
			if err != nil || b != nil {
				points = b != nil
				return err
			}
		}
		return nil
	})
	return points, err
}

// Arrived notes that attachments are here.
func (e *Engine) Arrived(all ...attach.Hash) error {
	e.write.Lock()
	defer e.write.Unlock()
	return e.changeLacked(func(f file) bool { return slices.Contains(all, f.hash) })
}

// changeLacked takes what is told out of what is lacked.
func (e *Engine) changeLacked(gone func(file) bool) error {
	return e.cfg.Store.Update(func(tx *store.Tx) error {
		var names []string
		err := tx.Locals(localLacked, func(name string, _ []byte) error {
			if f, ok := fileNamed(name); !ok || gone(f) {
				names = append(names, name)
			}
			return nil
		})
		for _, name := range names {
			if err == nil {
				err = tx.DeleteLocal(localLacked, name)
			}
		}
		return err
	})
}

// Lost notes that an attachment turned out to be damaged, so that it is asked for again.
func (e *Engine) Lost(h attach.Hash) error {
	e.write.Lock()
	defer e.write.Unlock()
	return e.cfg.Store.Update(func(tx *store.Tx) error {
		var scopes []crdt.Scope
		err := tx.Locals(localFile, func(name string, _ []byte) error {
			if f, ok := fileNamed(name); ok && f.hash == h {
				scopes = append(scopes, f.scope)
			}
			return nil
		})
		for _, s := range scopes {
			if err == nil {
				err = tx.PutLocal(localLacked, file{s, h}.name(), []byte{lackedDamaged})
			}
		}
		return err
	})
}

// indexFiles makes right what is noted: pointed is all that anything here points to.
// The caller holds e.write, and no entry has come that wasn't looked at.
func (e *Engine) indexFiles(ctx context.Context, pointed map[file]bool, s *attach.Store) error {
	var gone []string
	noted := map[file]bool{}
	err := e.cfg.Store.View(func(tx *store.Tx) error {
		return tx.Locals(localFile, func(name string, _ []byte) error {
			f, ok := fileNamed(name)
			if noted[f] = true; !ok || !pointed[f] {
				gone = append(gone, name)
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	var steps []func(*store.Tx) error
	for _, name := range gone {
		steps = append(steps, func(tx *store.Tx) error { return dropFile(tx, name) })
	}
	for f := range pointed {
		held, err := s.Has(f.hash)
		if err != nil {
			return err
		}
		if held && noted[f] {
			continue
		}
		steps = append(steps, func(tx *store.Tx) error {
			if err := tx.PutLocal(localFile, f.name(), []byte{1}); err != nil || held {
				return err
			}
			return tx.PutLocal(localLacked, f.name(), []byte{lackedMissing})
		})
	}
	steps = append(steps, func(tx *store.Tx) error { return tx.PutLocal(localIndexed, "all", []byte{1}) })
	for len(steps) > 0 {
		some := steps[:min(len(steps), lookPiece)]
		steps = steps[len(some):]
		err := e.cfg.Store.Update(func(tx *store.Tx) error {
			for _, step := range some {
				if err := step(tx); err != nil {
					return err
				}
			}
			return ctx.Err()
		})
		if err != nil {
			return fmt.Errorf("note what points to attachments: %w", err)
		}
	}
	return nil
}

func dropFile(tx *store.Tx, name string) error {
	if err := tx.DeleteLocal(localFile, name); err != nil {
		return err
	}
	return tx.DeleteLocal(localLacked, name)
}

// unindexed says whether entries were stored here by a program that noted nothing.
func (e *Engine) unindexed() (bool, error) {
	b, err := e.Local(localIndexed, "all")
	return b == nil, err
}

// indexAll looks at everything once, on a store of which nothing was noted.
func (e *Engine) indexAll(ctx context.Context, s *attach.Store) error {
	pointed := map[file]bool{}
	look := e.pointing(ctx, func(f file) error { pointed[f] = true; return nil })
	if err := look.all(); err != nil {
		return err
	}
	e.write.Lock()
	defer e.write.Unlock()
	if err := look.entries(); err != nil {
		return err
	}
	return e.indexFiles(ctx, pointed, s)
}

// unpointed are the noted files that are to go with an order to erase: all of the
// orphans, and of the others those of the scopes in which nothing points to them now.
func (e *Engine) unpointed(noted []attach.Hash, kept map[file]bool) error {
	return e.cfg.Store.Update(func(tx *store.Tx) error {
		var gone []string
		err := tx.Locals(localFile, func(name string, _ []byte) error {
			if f, ok := fileNamed(name); ok && slices.Contains(noted, f.hash) && !kept[f] {
				gone = append(gone, name)
			}
			return nil
		})
		for _, name := range gone {
			if err == nil {
				err = dropFile(tx, name)
			}
		}
		return err
	})
}
