package store

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/vungxa/vungxa/crdt"
)

// keyHistory is the kind of the rows that say which entries wrote a record:
// h id number seq -> nothing. They come with the entry, in its transaction.
const keyHistory = 'h'

func historyPrefix(id crdt.RecordID) []byte { return append([]byte{keyHistory}, id[:]...) }

func historyKey(id crdt.RecordID, number uint32, seq uint64) []byte {
	k := binary.BigEndian.AppendUint32(historyPrefix(id), number)
	return binary.BigEndian.AppendUint64(k, seq)
}

// PutHistory notes that an entry of a log that is stored writes a record.
func (t *Tx) PutHistory(id crdt.RecordID, l Log, seq uint64) error {
	return t.Put(historyKey(id, l.number, seq), []byte{})
}

// DeleteHistory takes the note away again, as the entry goes.
func (t *Tx) DeleteHistory(id crdt.RecordID, l Log, seq uint64) error {
	return t.Delete(historyKey(id, l.number, seq))
}

// History calls f with every entry that writes a record: log by log, in the order
// in which the logs came here, and oldest first in each.
func (t *Tx) History(id crdt.RecordID, f func(l Log, seq uint64) (more bool, err error)) error {
	prefix := historyPrefix(id)
	var rows [][]byte
	err := t.Scan(Scan{Prefix: prefix}, func(k, _ []byte) (bool, error) {
		if len(k) != len(prefix)+12 {
			return false, fmt.Errorf("a history row of %d bytes", len(k))
		}
		rows = append(rows, bytes.Clone(k[len(prefix):]))
		return true, nil
	})
	if err != nil {
		return err
	}
	var l Log
	for _, row := range rows {
		if n := binary.BigEndian.Uint32(row); n != l.number {
			if l, err = t.logAt(n); err != nil {
				return err
			}
		}
		if more, err := f(l, binary.BigEndian.Uint64(row[4:])); err != nil || !more {
			return err
		}
	}
	return nil
}

// DeleteLocal removes a local item.
func (t *Tx) DeleteLocal(kind, name string) error { return t.Delete(localKey(kind, name)) }
