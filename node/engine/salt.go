package engine

import (
	"errors"
	"fmt"
	"io"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node/store"
)

// localSalt is the kind of the items that hold the salts of spans, from which the
// keys of their entries' commitments are derived: those of this device's logs, and
// of others' as they come, so that a segment that goes on needs no key for each
// entry. An erasure puts nothing in the place of its span's, so that it doesn't come
// again.
const localSalt = "salt"

func saltName(log crdt.LogID, span uint64) string { return fmt.Sprintf("%v/%d", log, span) }

// drawSalt makes sure that the span of the next entry of a class has a salt, which
// is durable before the span's first entry. Where an erasure took it in the middle of
// the span, the rest gets another. The caller holds e.write.
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
	if err != nil || len(have) > 0 {
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

// salts are those of a segment's spans that are stored.
func salts(tx *store.Tx, s *wire.Segment) (map[uint64]wire.Salt, error) {
	have := map[uint64]wire.Salt{}
	for span := wire.Span(s.First); span <= wire.Span(s.Last()); span++ {
		b, err := tx.Local(localSalt, saltName(s.Log, span))
		if err != nil {
			return nil, err
		}
		if len(b) == len(wire.Salt{}) {
			have[span] = wire.Salt(b)
		}
	}
	return have, nil
}

// keepSalts stores what a segment brings of salts, if its entries' keys are theirs
// and the span's isn't known. Most often it is.
func (e *Engine) keepSalts(s *wire.Segment, entries []*crdt.Entry) error {
	news := map[string]wire.Salt{}
	err := e.cfg.Store.View(func(tx *store.Tx) error {
		for span, salt := range s.Salts {
			name := saltName(s.Log, span)
			have, err := tx.Local(localSalt, name)
			if err != nil {
				return err
			}
			if have == nil && opens(salt, span, entries) {
				news[name] = salt
			}
		}
		return nil
	})
	if err != nil || len(news) == 0 {
		return err
	}
	return e.cfg.Store.Update(func(tx *store.Tx) error {
		for name, salt := range news {
			if err := tx.PutLocal(localSalt, name, salt[:]); err != nil {
				return err
			}
		}
		return nil
	})
}

// opens says whether a salt gives the keys of all entries of its span.
func opens(salt wire.Salt, span uint64, entries []*crdt.Entry) bool {
	any := false
	for _, entry := range entries {
		if wire.Span(entry.Seq) != span {
			continue
		}
		if entry.Key != wire.EntryKey(salt, entry.Seq) {
			return false
		}
		any = true
	}
	return any
}
