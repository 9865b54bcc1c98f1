package engine

import (
	"context"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/attach"
	"github.com/vungxa/vungxa/node/store"
)

// Attachments calls f with every attachment that a record shows or an entry held
// here has ever pointed to, some of them several times. Fields that this pack
// doesn't know count too. What is damaged and so can't be asked is an error: nothing
// is collected by half an answer.
func (e *Engine) Attachments(ctx context.Context, f func(attach.Hash) error) error {
	each := func(value []byte) error {
		for _, h := range attach.References(value) {
			if err := f(h); err != nil {
				return err
			}
		}
		return ctx.Err()
	}
	return e.cfg.Store.View(func(tx *store.Tx) error {
		if err := e.inRecords(tx, each); err != nil {
			return err
		}
		return tx.Logs(func(l store.Log) error {
			for seq := l.Dropped.Seq + 1; seq <= l.Head.Seq; seq++ {
				entry, err := e.entry(tx, l, seq)
				if err != nil {
					return err
				}
				if err := inEntry(entry, each); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func (e *Engine) inRecords(tx *store.Tx, each func(value []byte) error) error {
	return tx.Places(nil, func(place []byte) (bool, error) {
		r, err := recordAt(tx, place)
		if err != nil || r == nil {
			return err == nil, err
		}
		eachCell(r, func(c crdt.Cell) {
			for _, w := range c.Writes {
				if err == nil {
					err = each(w.Value)
				}
			}
		})
		for _, set := range r.Sets {
			for elem := range set {
				if err == nil {
					err = each([]byte(elem))
				}
			}
		}
		return err == nil, err
	})
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
// some record or entry is damaged, none is removed.
func (e *Engine) CollectAttachments(ctx context.Context, s *attach.Store) (attach.Collected, error) {
	done, err := s.Collect(ctx, func(f func(attach.Hash) error) error { return e.Attachments(ctx, f) })
	if node.CodeOf(err) == node.Damaged {
		return done, node.Errorf(node.Damaged, "Chưa dọn tệp đính kèm vì kho có chỗ hỏng: %w", "attachments are not collected while the store is damaged: %w", err)
	}
	return done, err
}
