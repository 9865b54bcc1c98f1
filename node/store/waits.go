package store

import (
	"bytes"
	"encoding/binary"

	"github.com/vungxa/vungxa/crdt"
)

// keyWaits is the kind of the rows that say which records wait for which entry:
// w log 0 seq place -> nothing. They are written with the record.
const keyWaits = 'w'

// Wait is that a record waits for an entry of a log.
type Wait struct {
	For   crdt.Pos
	Place string // of the record
}

func waitsPrefix(l crdt.LogID) []byte {
	k := logNameKey(l)
	k[0] = keyWaits
	return k
}

func (w Wait) key() []byte {
	k := binary.BigEndian.AppendUint64(waitsPrefix(w.For.Log), w.For.Seq)
	return append(k, w.Place...)
}

// PutWait notes that a record waits.
func (t *Tx) PutWait(w Wait) error { return t.Put(w.key(), []byte{}) }

// DeleteWait takes the note away.
func (t *Tx) DeleteWait(w Wait) error { return t.Delete(w.key()) }

// Waiting gives the places of the records that wait for entries of a log past after,
// up to to.
func (t *Tx) Waiting(l crdt.LogID, after, to uint64) (places [][]byte, err error) {
	prefix := waitsPrefix(l)
	scan := Scan{Prefix: prefix, From: binary.BigEndian.AppendUint64(bytes.Clone(prefix), after+1)}
	err = t.Scan(scan, func(k, _ []byte) (bool, error) {
		rest := k[len(prefix):]
		if len(rest) < 8 || binary.BigEndian.Uint64(rest) > to {
			return false, nil
		}
		places = append(places, bytes.Clone(rest[8:]))
		return true, nil
	})
	return places, err
}
