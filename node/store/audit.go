package store

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
)

// What a check of the whole store reads, beside what the engine reads every day.

// Entries calls f with the entries of a log past a seq, in order, also those that
// its head doesn't cover; with a zero Stored where one has not that form.
func (t *Tx) Entries(l Log, after uint64, f func(seq uint64, e Stored) (more bool, err error)) error {
	prefix := numberKey(keyEntry, l.number)
	return t.Scan(Scan{Prefix: prefix, After: seqKey(keyEntry, l.number, after), Values: true}, func(k, v []byte) (bool, error) {
		e, _ := decodeStored(v)
		return f(seqOf(k), e)
	})
}

// NextEntry is the seq of the first entry past a seq, whatever is in it; 0 where
// there is none.
func (t *Tx) NextEntry(l Log, after uint64) (seq uint64, err error) {
	scan := Scan{Prefix: numberKey(keyEntry, l.number), After: seqKey(keyEntry, l.number, after)}
	err = t.Scan(scan, func(k, _ []byte) (bool, error) {
		seq = seqOf(k)
		return false, nil
	})
	return seq, err
}

func seqOf(k []byte) uint64 {
	if len(k) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(k[len(k)-8:])
}

// HasSeal says whether a seal at a seq of a log is stored.
func (t *Tx) HasSeal(l Log, seq uint64) (bool, error) {
	found := false
	err := t.Seals(l, seq-1, func(s wire.Seal) (bool, error) {
		found = s.Seq == seq
		return false, nil
	})
	return found, err
}

// HasRecord says whether a record is stored, without reading it.
func (t *Tx) HasRecord(collection string, id crdt.RecordID) (bool, error) {
	k, err := t.recordsKey(Place(collection, id))
	if err != nil {
		return false, err
	}
	return t.has(k)
}

// HasHistory says whether a history row is stored.
func (t *Tx) HasHistory(id crdt.RecordID, l Log, seq uint64) (bool, error) {
	return t.has(historyKey(id, l.number, seq))
}

// has says whether a key is there, whatever is in it.
func (t *Tx) has(key []byte) (bool, error) {
	v, err := t.Get(key)
	if node.CodeOf(err) == node.Damaged {
		return true, nil // whoever reads it is told
	}
	return v != nil, err
}

// Histories calls f with every history row: the record, and the log and seq of the
// entry that wrote it. The log is one that nothing is stored of where the row names
// none.
func (t *Tx) Histories(f func(id crdt.RecordID, l Log, seq uint64) error) error {
	logs := map[uint32]Log{}
	err := t.Logs(func(l Log) error {
		logs[l.number] = l
		return nil
	})
	if err != nil {
		return err
	}
	return t.Scan(Scan{Prefix: []byte{keyHistory}}, func(k, _ []byte) (bool, error) {
		const size = 1 + len(crdt.RecordID{}) + 12
		if len(k) != size {
			return true, f(crdt.RecordID{}, Log{}, 0)
		}
		id := crdt.RecordID(k[1 : size-12])
		return true, f(id, logs[binary.BigEndian.Uint32(k[size-12:])], seqOf(k))
	})
}

// CountHistories is how many history rows there are.
func (t *Tx) CountHistories() (n uint64, err error) {
	err = t.Scan(Scan{Prefix: []byte{keyHistory}}, func([]byte, []byte) (bool, error) {
		n++
		return true, nil
	})
	return n, err
}

// Strays are the numbers under which entries or seals are stored, or which a log's
// name stands for, and which no log has.
func (t *Tx) Strays() ([]uint32, error) {
	known := map[uint32]bool{}
	err := t.Logs(func(l Log) error {
		named, err := t.Log(l.ID)
		known[l.number] = named.number == l.number
		return err
	})
	if err != nil {
		return nil, err
	}
	var strays []uint32
	for _, kind := range []byte{keyEntry, keySeal} {
		for from := uint32(0); ; {
			key, err := t.first(kind, from)
			if err != nil {
				return nil, err
			}
			if key == nil {
				break
			}
			n := binary.BigEndian.Uint32(key[1:])
			if !known[n] {
				strays = append(strays, n)
			}
			if from = n + 1; from == 0 {
				break
			}
		}
	}
	err = t.Scan(Scan{Prefix: []byte{keyLogName}, Values: true}, func(_, v []byte) (bool, error) {
		if len(v) != 4 || !known[binary.BigEndian.Uint32(v)] {
			strays = append(strays, binary.BigEndian.Uint32(append(bytes.Clone(v), 0, 0, 0, 0)))
		}
		return true, nil
	})
	for n, sound := range known {
		if !sound {
			strays = append(strays, n)
		}
	}
	slices.Sort(strays)
	return slices.Compact(strays), err
}

// Number is what stands for the log's name in keys.
func (l Log) Number() uint32 { return l.number }
