// Package keyring holds the keys of a node's data at rest.
//
// A store has one random data key. Nothing is encrypted with it directly: each
// purpose gets its own key by HKDF, so that no two purposes ever share a nonce
// space and a key that leaks from one opens nothing of another.
//
//	data key --HKDF(store id, purpose)--> "badger", "heads", "sealed: seal key", ...
//
// The data key lies on the disk only wrapped, in the slots of a small file
// (keys.cbor, FORMAT.md): each slot wraps the same key under another secret - an
// officer's password through argon2id, a key file on a token, an environment
// variable, or a key beside the disk, which protects only what is copied without
// the key file. Any one slot opens the store; a slot that is damaged closes no other.
//
// A secret is changed by wrapping the same data key anew, in milliseconds. The data
// key itself is changed together with the data: see Rotation.
package keyring

import (
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
)

// KeySize is the size of a key, in bytes.
const KeySize = 32

// Keys are what a store is opened with: plain data, never written anywhere.
type Keys struct {
	StoreID [16]byte // random, the same for the store's whole life
	Data    [KeySize]byte
}

// ErrNoKey says that keys were used that nobody set.
var ErrNoKey = errors.New("the data key is all zero: keys were not read")

// Check is ErrNoKey for the zero value, which must never encrypt anything.
func (k Keys) Check() error {
	if k.Data == [KeySize]byte{} {
		return ErrNoKey
	}
	return nil
}

// Derive gives the key of a purpose: HKDF-SHA256 (RFC 5869) of the data key, with
// the store id as salt and the purpose as info. Different purposes give independent
// keys. It panics on the zero value: a program that goes on with it would encrypt
// everything under a key that everyone knows.
func (k Keys) Derive(purpose string) [KeySize]byte {
	if err := k.Check(); err != nil {
		panic("keyring: " + err.Error())
	}
	b, err := hkdf.Key(sha256.New, k.Data[:], k.StoreID[:], purpose, KeySize)
	if err != nil {
		panic("keyring: " + err.Error()) // only for lengths that can't occur here
	}
	return [KeySize]byte(b)
}

// String keeps keys out of logs.
func (Keys) String() string { return "keyring.Keys{...}" }

// GoString keeps keys out of %#v.
func (Keys) GoString() string { return "keyring.Keys{...}" }
