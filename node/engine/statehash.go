package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node/schema"
	"github.com/vungxa/vungxa/node/store"
)

// StateHash is a digest of all that is shown: every record of the pack's
// collections that is there, with the writes that are visible in its fields, their
// order and marks. Two nodes that hold the same entries and the same checkpoints
// have the same, in whatever order these came.
func (e *Engine) StateHash() (crdt.Hash, error) {
	h := sha256.New()
	err := e.cfg.Store.View(func(tx *store.Tx) error {
		for _, c := range e.cfg.Pack.Collections {
			err := tx.Records(c.ID, func(r *crdt.Record) error { return e.hashRecord(h, tx, c, r) })
			if err != nil {
				return err
			}
		}
		return nil
	})
	return crdt.Hash(h.Sum(nil)), err
}

func (e *Engine) hashRecord(h hash.Hash, tx *store.Tx, c *schema.Collection, r *crdt.Record) error {
	x := e.reader(tx, r, e.authorities())
	if is, _ := x.existence(); is != crdt.Present {
		return x.err
	}
	hashPart(h, store.Place(r.Collection, r.Ref.ID()))
	for _, f := range c.Fields {
		if f.IsSet() {
			for _, item := range x.set(f) {
				hashPart(h, fieldBytes(f), []byte(item))
			}
			continue
		}
		said := x.cell(f)
		marks := byte(0)
		for i, on := range []bool{said.Conflict, said.Review, said.Provisional} {
			if on {
				marks |= 1 << i
			}
		}
		hashPart(h, fieldBytes(f), []byte{marks})
		for _, s := range said.Siblings {
			at := binary.BigEndian.AppendUint64(nil, s.Dot.Seq)
			at = binary.BigEndian.AppendUint64(at, uint64(s.Time.At))
			hashPart(h, []byte(s.Dot.Log.String()), at, s.Value, []byte(s.Officer))
		}
	}
	return x.err
}

// hashPart adds parts, each behind its length.
func hashPart(h hash.Hash, parts ...[]byte) {
	for _, p := range parts {
		h.Write(slices.Concat(binary.BigEndian.AppendUint32(nil, uint32(len(p))), p))
	}
}
