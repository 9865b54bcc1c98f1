package store

import (
	"crypto/subtle"
	"encoding/binary"
	"hash"
	"sync"

	"lukechampine.com/blake3"

	"github.com/vungxa/vungxa/node/store/keyring"
)

// macSize is the size of every MAC and digest of a store, in bytes.
const macSize = 16

// Purposes of the keys that the store derives. Each is used for one thing.
const (
	purposeBadger = "badger 1"        // Badger's own encryption
	purposeValue  = "store value 1"   // the MAC at the end of each value
	purposeFile   = "store file 1"    // digests of Badger's files
	purposeHeads  = "store heads 1"   // frames of the heads file
	purposeTables = "store tables 1"  // the sealed tables file
	purposeRoot   = "store CURRENT 1" // the MAC of CURRENT
)

// digester makes keyed BLAKE3 digests for one purpose. Its hashers are kept: each
// is 3 KiB, and a page of records needs hundreds.
type digester struct {
	key  [keyring.KeySize]byte
	pool sync.Pool
}

func newDigester(keys keyring.Keys, purpose string) *digester {
	return &digester{key: keys.Derive(purpose)}
}

func (d *digester) hasher() hash.Hash {
	if h, ok := d.pool.Get().(hash.Hash); ok {
		h.Reset()
		return h
	}
	return blake3.New(macSize, d.key[:])
}

// sum is the digest of parts, one after the other. Callers see to it that no two
// different lists of parts give the same bytes.
func (d *digester) sum(parts ...[]byte) []byte {
	h := d.hasher()
	defer d.pool.Put(h)
	for _, p := range parts {
		h.Write(p) // a hash.Hash never fails
	}
	return h.Sum(nil)
}

func (d *digester) is(sum []byte, parts ...[]byte) bool {
	return subtle.ConstantTimeCompare(sum, d.sum(parts...)) == 1
}

// valueMACs makes and checks what every value ends in: a MAC over store id,
// format, key and value, so that a value that was changed, or moved to another
// key, or taken from another store, isn't believed.
type valueMACs struct {
	*digester
	id     [16]byte
	format uint32
}

// head is what the MAC covers before key and value.
func (m valueMACs) head(key []byte) []byte {
	b := make([]byte, 0, 24)
	b = append(b, m.id[:]...)
	b = binary.BigEndian.AppendUint32(b, m.format)
	return binary.BigEndian.AppendUint32(b, uint32(len(key)))
}

// seal gives the value as it is stored.
func (m valueMACs) seal(key, value []byte) []byte {
	out := make([]byte, 0, len(value)+macSize)
	return append(append(out, value...), m.sum(m.head(key), key, value)...)
}

// open gives the value of what is stored; false where it isn't this store's for
// this key.
func (m valueMACs) open(key, stored []byte) ([]byte, bool) {
	at := len(stored) - macSize
	if at < 0 || !m.is(stored[at:], m.head(key), key, stored[:at]) {
		return nil, false
	}
	return stored[:at:at], true
}
