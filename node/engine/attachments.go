package engine

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/attach"
	"github.com/vungxa/vungxa/node/store"
)

// Attachments calls f with every attachment that a record shows or an entry held
// here has ever pointed to, some of them several times. Fields that this pack
// doesn't know count too. What is damaged and so can't be asked is an error: nothing
// is collected by half an answer. The office works meanwhile; what it points to
// behind the look is not told.
func (e *Engine) Attachments(ctx context.Context, f func(attach.Hash) error) error {
	return e.pointing(ctx, func(at file) error { return f(at.hash) }).all()
}

// pointing looks for what points to attachments, in pieces, so that no reader keeps
// the store from being opened anew on a disk that fills.
type pointing struct {
	engine *Engine
	each   func(scope crdt.Scope, value []byte) error
	seen   map[crdt.LogID]uint64 // up to which entries were looked at
}

func (e *Engine) pointing(ctx context.Context, f func(file) error) *pointing {
	return &pointing{engine: e, seen: map[crdt.LogID]uint64{}, each: func(scope crdt.Scope, value []byte) error {
		for _, h := range attach.References(value) {
			if err := f(file{scope, h}); err != nil {
				return err
			}
		}
		return ctx.Err()
	}}
}

func (p *pointing) all() error {
	if err := p.records(); err != nil {
		return err
	}
	return p.entries()
}

// lookPiece is how many records or entries one transaction looks at.
const lookPiece = 512

// records looks at all records; where others have taken their place meanwhile (a
// snapshot of the hub), from the first again.
func (p *pointing) records() error {
	var at []byte
	var of uint32
	for more := true; more; {
		n := 0
		more = false
		err := p.engine.cfg.Store.View(func(tx *store.Tx) error {
			g, err := tx.Generations()
			if err != nil {
				return err
			}
			if g.Records != of {
				at, of = nil, g.Records
			}
			return tx.Places(at, func(place []byte) (bool, error) {
				at = bytes.Clone(place)
				n++
				more = n == lookPiece
				r, err := recordAt(tx, place)
				if err != nil || r == nil {
					return err == nil && !more, err
				}
				return !more, p.record(r)
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *pointing) record(r *crdt.Record) (err error) {
	each := func(value []byte) {
		if err == nil {
			err = p.each(r.Scope, value)
		}
	}
	eachCell(r, func(c crdt.Cell) {
		for _, w := range c.Writes {
			each(w.Value)
		}
	})
	for _, set := range r.Sets {
		for elem := range set {
			each([]byte(elem))
		}
	}
	return err
}

// entries looks at all entries that it hasn't looked at.
func (p *pointing) entries() error {
	for more := true; more; {
		more = false
		n := 0
		err := p.engine.cfg.Store.View(func(tx *store.Tx) error {
			return tx.Logs(func(l store.Log) error {
				for seq := max(p.seen[l.ID], l.Dropped.Seq) + 1; seq <= l.Head.Seq; seq++ {
					if n++; n > lookPiece {
						more = true
						return nil
					}
					entry, err := p.engine.entry(tx, l, seq)
					if err != nil {
						return err
					}
					if err := inEntry(entry, func(v []byte) error { return p.each(l.ID.Scope, v) }); err != nil {
						return err
					}
					p.seen[l.ID] = seq
				}
				return nil
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func inEntry(entry *crdt.Entry, each func(value []byte) error) error {
	for _, op := range entry.Ops {
		if err := each(op.Value); err != nil {
			return err
		}
		if err := each(op.Elem); err != nil {
			return err
		}
	}
	return nil
}

// CollectAttachments removes the attachments that nothing here points to. While
// some record or entry is damaged, none is removed. Nobody writes during the last
// of it, so that nothing goes which an entry that has just come points to.
// What is noted of attachments (Lacked, PointsTo) is made right by the same look.
func (e *Engine) CollectAttachments(ctx context.Context, s *attach.Store) (attach.Collected, error) {
	fresh, err := e.unindexed()
	if err == nil && fresh {
		err = e.indexAll(ctx, s)
	}
	if err != nil {
		return attach.Collected{}, uncollected(err)
	}
	unlock := func() {}
	done, err := s.Collect(ctx, func(f func(attach.Hash) error) error {
		pointed := map[file]bool{}
		look := e.pointing(ctx, func(at file) error {
			pointed[at] = true
			return f(at.hash)
		})
		if err := look.all(); err != nil {
			return err
		}
		e.write.Lock()
		unlock = e.write.Unlock
		if err := look.entries(); err != nil {
			return err
		}
		return e.indexFiles(ctx, pointed, s)
	})
	unlock()
	return done, uncollected(err)
}

func uncollected(err error) error {
	if node.CodeOf(err) == node.Damaged {
		return node.Errorf(node.Damaged, "Chưa dọn tệp đính kèm vì kho có chỗ hỏng: %w", "attachments are not collected while the store is damaged: %w", err)
	}
	return err
}

// localErasedFile is the kind of the items that name, by their hash, attachments to
// which an erased operation pointed and that are still to be looked at.
const localErasedFile = "erasedfile"

// pointedTo notes, with the erasing itself, what a payload points to that is taken
// away: behind it nothing here would tell.
func (b *batch) pointedTo(payload []byte) error {
	for _, h := range attach.References(payload) {
		if err := b.tx.PutLocal(localErasedFile, h.String(), []byte{}); err != nil {
			return err
		}
	}
	return nil
}

// pointedToIn is pointedTo of operations of an entry in its carried form.
func (b *batch) pointedToIn(raw []byte, ops []ErasedOp) error {
	entry, err := wire.DecodeEntry(raw)
	if err != nil {
		return err
	}
	for _, o := range ops {
		if int(o.Index) >= len(entry.Ops) {
			continue // eraseRaw says so
		}
		op := entry.Ops[o.Index]
		if err := errors.Join(b.pointedTo(op.Value), b.pointedTo(op.Elem)); err != nil {
			return err
		}
	}
	return nil
}

// orphaned are the attachments that are noted so, and those of them to which nothing
// else here points: another record that holds the same file keeps it, since no order
// names that one. From here on they are asked for and given no more.
func (e *Engine) orphaned() (noted, orphans []attach.Hash, err error) {
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		return tx.Locals(localErasedFile, func(name string, _ []byte) error {
			var h attach.Hash
			if n, err := hex.Decode(h[:], []byte(name)); err == nil && n == len(h) {
				noted = append(noted, h)
			}
			return nil
		})
	})
	if err != nil || len(noted) == 0 {
		return nil, nil, err
	}
	kept, pointed := map[attach.Hash]bool{}, map[file]bool{}
	err = e.pointing(context.Background(), func(f file) error {
		if slices.Contains(noted, f.hash) {
			kept[f.hash], pointed[f] = true, true
		}
		return nil
	}).all()
	if err == nil {
		err = e.unpointed(noted, pointed)
	}
	orphans = slices.DeleteFunc(slices.Clone(noted), func(h attach.Hash) bool { return kept[h] })
	return noted, orphans, err
}

// unnoteFiles forgets what was looked at.
func (e *Engine) unnoteFiles(noted []attach.Hash) error {
	return e.cfg.Store.Update(func(tx *store.Tx) error {
		for _, h := range noted {
			if err := tx.DeleteLocal(localErasedFile, h.String()); err != nil {
				return err
			}
		}
		return nil
	})
}
