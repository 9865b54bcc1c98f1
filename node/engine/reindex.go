package engine

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node/schema"
	"github.com/vungxa/vungxa/node/store"
)

// reindex makes the index rows and counts anew where they were made by another
// pack, or a crash left them half made: what a record shows, and where it is
// found, is read by the pack of today.
func (e *Engine) reindex() error {
	want, err := fingerprint(e.cfg.Pack)
	if err != nil {
		return err
	}
	var made []byte
	err = e.cfg.Store.View(func(tx *store.Tx) (err error) {
		made, err = tx.Meta("index")
		return err
	})
	if err != nil || bytes.Equal(made, want) {
		return err
	}
	if err := e.cfg.Store.DropIndex(); err != nil {
		return err
	}
	counts := map[string]int{}
	for at, done := []byte(nil), false; !done; {
		err := e.cfg.Store.Update(func(tx *store.Tx) (err error) {
			at, done, err = e.indexSome(tx, at, counts)
			return err
		})
		if err != nil {
			return fmt.Errorf("make the index: %w", err)
		}
	}
	return e.cfg.Store.Update(func(tx *store.Tx) error {
		for collection, n := range counts {
			if err := addCount(tx, collection, n); err != nil {
				return err
			}
		}
		return tx.PutMeta("index", want)
	})
}

// indexSome indexes the next records past at, as many as fit one transaction.
func (e *Engine) indexSome(tx *store.Tx, at []byte, counts map[string]int) (next []byte, done bool, err error) {
	records, next, err := tx.RecordsAfter(at, crdt.MaxRecords)
	if err != nil {
		return nil, false, err
	}
	for _, r := range records {
		read := e.read(r)
		counts[r.Collection] += shown(read)
		for _, k := range read.keys {
			if err := tx.Put(k, []byte{}); err != nil {
				return nil, false, err
			}
		}
	}
	return next, len(records) == 0, nil
}

// fingerprint tells packs apart by what index rows are made of, and says which
// program's form of them it is.
func fingerprint(p *schema.Pack) ([]byte, error) {
	const indexForm = 0
	b, err := json.Marshal(struct {
		Form, Offset int
		Collections  []*schema.Collection
	}{indexForm, p.OffsetMinutes, p.Collections})
	if err != nil {
		return nil, fmt.Errorf("name the pack: %w", err)
	}
	sum := sha256.Sum256(b)
	return wire.Marshal(sum[:])
}
