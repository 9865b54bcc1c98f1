package engine

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strconv"

	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/kpi"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/schema"
	"github.com/vungxa/vungxa/node/store"
)

// What is kept of the KPI view: a head, and the view's state in pieces that a
// transaction takes. A state that is larger than keptMax isn't kept.
const (
	keptKind  = "view"
	keptHead  = "kpi"
	keptPiece = 256 << 10
	keptMax   = 16 << 20
)

// keptView is the head. It is written last, so that it never names pieces that
// aren't there.
type keptView struct {
	_        struct{} `cbor:",toarray"`
	Position uint64   // of the store, at which the view was computed
	Of       []byte   // what of the pack it was made of
	Size     uint64
	Pieces   uint32
	Digest   [32]byte
}

const metaPosition = "position"

// position is how many transactions have changed records of this store.
func position(tx *store.Tx) (uint64, error) {
	b, err := tx.Meta(metaPosition)
	if err != nil || b == nil {
		return 0, err
	}
	var n uint64
	return n, wire.Unmarshal(b, 16, &n)
}

// advance counts a transaction that changes records.
func (b *batch) advance() error {
	if len(b.order) == 0 {
		return nil
	}
	n, err := position(b.tx)
	if err != nil {
		return err
	}
	b.position = n + 1
	return putPosition(b.tx, b.position)
}

func putPosition(tx *store.Tx, n uint64) error {
	raw, err := wire.Marshal(n)
	if err != nil {
		return err
	}
	return tx.PutMeta(metaPosition, raw)
}

// factsOf is what of a pack the figures are made of.
func factsOf(p *parts, pack *schema.Pack) []byte {
	h := sha256.New()
	for _, c := range pack.Collections {
		if d, ok := p.digests[string(store.Row(c.ID, []byte{indexOpen}))]; ok {
			h.Write(d[:])
		}
	}
	return h.Sum(nil)
}

// keptFigures is the view that was kept, and the store's position; nil if it was
// computed at another position, by another pack, or under a clock that was ahead of
// today's.
func (e *Engine) keptFigures() (view *kpi.Engine, at uint64, err error) {
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		if at, err = position(tx); err != nil {
			return err
		}
		state, err := e.keptState(tx, at)
		if node.CodeOf(err) == node.Damaged || (err == nil && state == nil) {
			return nil // it is computed anew
		}
		if err != nil || state.NowMS > e.nowMS()+leap {
			return err
		}
		if view, err = kpi.Resume(kpi.Calendar{OffsetMinutes: e.cfg.Pack.OffsetMinutes}, *state); err != nil {
			view = nil // another version's: it is computed anew
		}
		return nil
	})
	return view, at, err
}

func (e *Engine) keptState(tx *store.Tx, at uint64) (*kpi.State, error) {
	b, err := tx.Local(keptKind, keptHead)
	if err != nil || b == nil {
		return nil, err
	}
	var head keptView
	if err := wire.Unmarshal(b, 1024, &head); err != nil {
		return nil, node.Errorf(node.Damaged, "Số liệu đã lưu không đọc được: %w", "the figures that were kept can't be read: %w", err)
	}
	if head.Position != at || !bytes.Equal(head.Of, factsOf(e.parts, e.cfg.Pack)) || head.Size > keptMax {
		return nil, nil
	}
	var all []byte
	for i := range head.Pieces {
		piece, err := tx.Local(keptKind, pieceName(i))
		if err != nil {
			return nil, err
		}
		if all = append(all, piece...); len(all) > keptMax {
			return nil, nil
		}
	}
	if sha256.Sum256(all) != head.Digest {
		return nil, nil // from two different ends: a crash cut the second off
	}
	state := &kpi.State{}
	if err := wire.Unmarshal(all, keptMax, state); err != nil {
		return nil, node.Errorf(node.Damaged, "Số liệu đã lưu không đọc được: %w", "the figures that were kept can't be read: %w", err)
	}
	return state, nil
}

func pieceName(i uint32) string { return keptHead + "/" + strconv.FormatUint(uint64(i), 10) }

// write writes the view down. The caller holds e.write, and nothing changes records any
// more.
func (f *figures) write(e *Engine) error {
	f.mu.Lock()
	ready, unread := f.ready, f.unread
	var state kpi.State
	if ready {
		state = f.kpi.State()
	}
	f.mu.Unlock()
	if !ready || unread > 0 {
		return nil
	}
	all, err := wire.Marshal(state)
	if err != nil || len(all) > keptMax {
		return err
	}
	head := keptView{Of: factsOf(e.parts, e.cfg.Pack), Size: uint64(len(all)), Digest: sha256.Sum256(all)}
	for rest := all; len(rest) > 0; head.Pieces++ {
		piece := rest[:min(keptPiece, len(rest))]
		rest = rest[len(piece):]
		err := e.cfg.Store.Update(func(tx *store.Tx) error { return tx.PutLocal(keptKind, pieceName(head.Pieces), piece) })
		if err != nil {
			return fmt.Errorf("keep the figures: %w", err)
		}
	}
	err = e.cfg.Store.Update(func(tx *store.Tx) error {
		if head.Position, err = position(tx); err != nil {
			return err
		}
		b, err := wire.Marshal(head)
		if err != nil {
			return err
		}
		return tx.PutLocal(keptKind, keptHead, b)
	})
	if err != nil {
		return fmt.Errorf("keep the figures: %w", err)
	}
	return nil
}
