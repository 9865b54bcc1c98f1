package store

import (
	"encoding/binary"
	"strings"

	"github.com/vungxa/vungxa/crdt"
)

// The first byte of a key says what lies there.
const (
	keyMeta    = 'm' // m name                            -> bytes
	keyLogName = 'l' // l scope 0 class device incarnation -> number
	keyLog     = 'n' // n number                          -> Log
	keyEntry   = 'e' // e number seq                      -> canonical entry
	keySeal    = 's' // s number seq                      -> seal
	keyRecord  = 'r' // r generation collection 0 id      -> record
	keyIndex   = 'x' // x generation collection 0 row...  -> nothing; x generation 0 name -> an item of the index
	keyLocal   = 'p' // p kind 0 name                     -> bytes of this device alone
)

func metaKey(name string) []byte { return append([]byte{keyMeta}, name...) }

// Meta is the value of a named single item; nil where there is none.
func (t *Tx) Meta(name string) ([]byte, error) { return t.Get(metaKey(name)) }

// PutMeta writes a named single item.
func (t *Tx) PutMeta(name string, value []byte) error { return t.Put(metaKey(name), value) }

func localKey(kind, name string) []byte {
	k := append([]byte{keyLocal}, kind...)
	return append(append(k, 0), name...)
}

// LocalOf is the kind and the name of a local item, given as Export gives its key;
// false for other items.
func LocalOf(key []byte) (kind, name string, ok bool) {
	if len(key) == 0 || key[0] != keyLocal {
		return "", "", false
	}
	return strings.Cut(string(key[1:]), "\x00")
}

// Local is an item that belongs to this device and is in no log: officers,
// receipts, when a device was last heard from. nil where there is none.
func (t *Tx) Local(kind, name string) ([]byte, error) { return t.Get(localKey(kind, name)) }

// PutLocal writes a local item.
func (t *Tx) PutLocal(kind, name string, value []byte) error {
	return t.Put(localKey(kind, name), value)
}

// Locals calls f with every local item of a kind, by name.
func (t *Tx) Locals(kind string, f func(name string, value []byte) error) error {
	prefix := localKey(kind, "")
	return t.Scan(Scan{Prefix: prefix, Values: true}, func(k, v []byte) (bool, error) {
		return true, f(string(k[len(prefix):]), v)
	})
}

func logNameKey(l crdt.LogID) []byte {
	k := append([]byte{keyLogName}, l.Scope...)
	k = append(k, 0, byte(l.Class))
	k = append(k, l.Device[:]...)
	return append(k, l.Incarnation[:]...)
}

func numberKey(kind byte, number uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{kind}, number)
}

func seqKey(kind byte, number uint32, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(numberKey(kind, number), seq)
}
