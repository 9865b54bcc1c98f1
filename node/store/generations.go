package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
)

// Generations says which generation of the records and of the index rows is read.
// Another one is written beside it, piece by piece, and comes to be read by the one
// transaction that writes this item; the old one is then removed, piece by piece.
// So whatever a crash interrupts, what is read is whole.
type Generations struct {
	_       struct{} `cbor:",toarray"`
	Records uint32
	Index   uint32 // 0: none was made yet
	Last    uint32 // the last number given; none is given twice
	Build   Build
	Drop    []uint32 // no longer read, and not yet removed
}

// Build is the generation that is being written. Number 0: none is.
type Build struct {
	_      struct{} `cbor:",toarray"`
	Number uint32
	// Records says that records are loaded as well as index rows (a snapshot).
	// Such a build is not taken up again after a crash.
	Records bool
	// At is the last record whose rows are there, as Place gives it; nil at first.
	At   []byte
	Done uint64 // how many records that is
}

const metaGenerations = "generations"

// Generations is the item as the transaction sees it.
func (t *Tx) Generations() (Generations, error) {
	b, err := t.Meta(metaGenerations)
	if err != nil {
		return Generations{}, err
	}
	return decodeGenerations(b)
}

func decodeGenerations(b []byte) (Generations, error) {
	g := Generations{Records: 1, Last: 1}
	if b == nil {
		return g, nil
	}
	if err := wire.Unmarshal(b, MaxValue, &g); err != nil {
		return g, fmt.Errorf("the item that says which generation is read: %w", err)
	}
	return g, nil
}

// PutGenerations writes the item: what the transaction reads and writes from then
// on, unless In said otherwise, is of the generations that it names.
func (t *Tx) PutGenerations(g Generations) error {
	b, err := wire.Marshal(g)
	if err != nil {
		return err
	}
	t.pair = nil
	return t.PutMeta(metaGenerations, b)
}

// pair is the generations that a transaction reads and writes.
type pair struct{ records, index uint32 }

// In is the same transaction, reading and writing other generations.
func (t *Tx) In(records, index uint32) *Tx {
	c := *t
	c.pair = &pair{records, index}
	return &c
}

func (t *Tx) generation() (pair, error) {
	if t.pair == nil {
		g, err := t.Generations()
		if err != nil {
			return pair{}, err
		}
		t.pair = &pair{g.Records, g.Index}
	}
	return *t.pair, nil
}

func (t *Tx) recordsKey(rest []byte) ([]byte, error) {
	p, err := t.generation()
	return append(numberKey(keyRecord, p.records), rest...), err
}

func (t *Tx) rowKey(rest []byte) ([]byte, error) {
	p, err := t.generation()
	return append(numberKey(keyIndex, p.index), rest...), err
}

// generationKey is how many bytes of a key come before what is the same in every
// generation.
const generationKey = 5

// Row is an index row of a collection, as it is called in every generation. The
// engine gives it its form: the id of the record that it points to comes last.
func Row(collection string, parts ...[]byte) []byte {
	k := append([]byte(collection), 0)
	for _, p := range parts {
		k = append(k, p...)
	}
	return k
}

// IDOf is the record id that ends a row, or a record's Place.
func IDOf(row []byte) (crdt.RecordID, error) {
	var id crdt.RecordID
	if len(row) < len(id) {
		return id, fmt.Errorf("index row of %d bytes", len(row))
	}
	return crdt.RecordID(row[len(row)-len(id):]), nil
}

// PutRow writes an index row.
func (t *Tx) PutRow(row []byte) error {
	k, err := t.rowKey(row)
	if err != nil {
		return err
	}
	return t.Put(k, []byte{})
}

// HasRow says whether an index row is there.
func (t *Tx) HasRow(row []byte) (bool, error) {
	k, err := t.rowKey(row)
	if err != nil {
		return false, err
	}
	v, err := t.Get(k)
	return v != nil, err
}

// DeleteRow removes an index row.
func (t *Tx) DeleteRow(row []byte) error {
	k, err := t.rowKey(row)
	if err != nil {
		return err
	}
	return t.Delete(k)
}

// ScanRows is Scan over index rows: the keys of s, and those that f is given, are
// rows. Single items among them (IndexItem) come too.
func (t *Tx) ScanRows(s Scan, f func(row []byte) (bool, error)) error {
	head, err := t.rowKey(nil)
	if err != nil {
		return err
	}
	for _, k := range []*[]byte{&s.Prefix, &s.From, &s.After} {
		if *k != nil || k == &s.Prefix {
			*k = append(bytes.Clone(head), *k...)
		}
	}
	return t.Scan(s, func(k, _ []byte) (bool, error) { return f(k[generationKey:]) })
}

// IndexItem is a single item that belongs to the generation of the index and goes
// with it: what made it, how many records are shown. nil where there is none. Its
// name has no collection of that name.
func (t *Tx) IndexItem(name string) ([]byte, error) {
	k, err := t.rowKey(itemRow(name))
	if err != nil {
		return nil, err
	}
	return t.Get(k)
}

// PutIndexItem writes a single item of the index.
func (t *Tx) PutIndexItem(name string, value []byte) error {
	k, err := t.rowKey(itemRow(name))
	if err != nil {
		return err
	}
	return t.Put(k, value)
}

// itemRow lies before all rows: no collection's name is empty.
func itemRow(name string) []byte { return append([]byte{0}, name...) }

// IsItem says that what ScanRows gives is a single item.
func IsItem(row []byte) bool { return len(row) > 0 && row[0] == 0 }

// DropSome removes up to n keys of a generation that is no longer read, and says
// whether that was all of it. What the read generations use stays.
func (t *Tx) DropSome(number uint32, n int) (done bool, err error) {
	g, err := t.Generations()
	if err != nil {
		return false, err
	}
	for _, part := range []struct {
		kind byte
		used bool
	}{{keyIndex, number == g.Index || number == g.Build.Number}, {keyRecord, number == g.Records || number == g.Build.Number}} {
		if part.used {
			continue
		}
		keys, err := t.keys(numberKey(part.kind, number), n)
		if err != nil {
			return false, err
		}
		for _, k := range keys {
			if err := t.Delete(k); err != nil {
				return false, err
			}
		}
		if n -= len(keys); n <= 0 {
			return false, nil
		}
	}
	g.Drop = slices.DeleteFunc(g.Drop, func(d uint32) bool { return d == number })
	return true, t.PutGenerations(g)
}

// keys is the first n keys that begin with prefix.
func (t *Tx) keys(prefix []byte, n int) (keys [][]byte, err error) {
	err = t.Scan(Scan{Prefix: prefix}, func(k, _ []byte) (bool, error) {
		keys = append(keys, bytes.Clone(k))
		return len(keys) < n, nil
	})
	return keys, err
}

// Held is the numbers of all generations of which a key is there.
func (t *Tx) Held() ([]uint32, error) {
	var held []uint32
	for _, kind := range []byte{keyRecord, keyIndex} {
		for from := uint32(0); ; {
			keys, err := t.first(kind, from)
			if err != nil {
				return nil, err
			}
			if keys == nil {
				break
			}
			n := binary.BigEndian.Uint32(keys[1:])
			held = append(held, n)
			if from = n + 1; from == 0 {
				break
			}
		}
	}
	slices.Sort(held)
	return slices.Compact(held), nil
}

// first is the first key of a kind whose generation is at least from; nil where
// there is none.
func (t *Tx) first(kind byte, from uint32) (key []byte, err error) {
	err = t.Scan(Scan{Prefix: []byte{kind}, From: numberKey(kind, from)}, func(k, _ []byte) (bool, error) {
		key = bytes.Clone(k)
		return false, nil
	})
	if len(key) > 0 && len(key) < generationKey {
		err = fmt.Errorf("a key of %d bytes", len(key))
	}
	return key, err
}

// GoOn lets a log go on from a head of which no entry is here: a snapshot holds what
// they said. Entries before it that are here are swept.
func (t *Tx) GoOn(l *Log, head crdt.Head, cite crdt.Cite) error {
	l.Head, l.Sealed, l.Dropped, l.Cite, l.Unsealed = head, head, head, cite, 0
	return t.putLog(l)
}

// Sweep takes away an entry that its log has dropped without it.
func (t *Tx) Sweep(l Log, seq uint64) error {
	if seq > l.Dropped.Seq {
		return fmt.Errorf("entry %d of log %v is not dropped", seq, l.ID)
	}
	return t.Delete(seqKey(keyEntry, l.number, seq))
}
