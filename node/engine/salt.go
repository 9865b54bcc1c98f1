package engine

import (
	"errors"
	"fmt"
	"io"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node/store"
)

// localSalt is the kind of the items that hold the salts of this device's own
// spans, from which the keys of its entries' commitments are derived. An erasure
// drops them.
const localSalt = "salt"

func saltName(log crdt.LogID, span uint64) string { return fmt.Sprintf("%v/%d", log, span) }

// drawSalt makes sure that the span of the next entry of a class has a salt, which
// is durable before the span's first entry. The caller holds e.write.
func (e *Engine) drawSalt(class crdt.Class) error {
	log := e.ownLog(class)
	var name string
	var have []byte
	err := e.cfg.Store.View(func(tx *store.Tx) error {
		l, err := tx.Log(log)
		if err != nil {
			return err
		}
		name = saltName(log, wire.Span(l.Head.Seq+1))
		have, err = tx.Local(localSalt, name)
		return err
	})
	if err != nil || have != nil {
		return err
	}
	salt := make([]byte, len(wire.Salt{}))
	if _, err := io.ReadFull(e.cfg.Rand, salt); err != nil {
		return fmt.Errorf("draw a salt: %w", err)
	}
	return e.cfg.Store.Update(func(tx *store.Tx) error { return tx.PutLocal(localSalt, name, salt) })
}

var errNoSalt = errors.New("the span's salt is not stored")

// salt is the salt of the span in which an own entry lies.
func (e *Engine) salt(tx *store.Tx, log crdt.LogID, seq uint64) (salt wire.Salt, err error) {
	b, err := tx.Local(localSalt, saltName(log, wire.Span(seq)))
	if err == nil && len(b) != len(salt) {
		err = errNoSalt
	}
	copy(salt[:], b)
	return salt, err
}
