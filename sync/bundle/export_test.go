package bundle

import (
	"crypto/ecdh"
	"crypto/hpke"

	"github.com/vungxa/vungxa/crdt/wire"
)

// Sizes of the outside, for tests.
const (
	HeadSize = headSize
	MoreSize = moreSize
)

// Resealed is what a reader could do: seal what is inside, its signature too, for others.
func Resealed(raw []byte, key *ecdh.PrivateKey, readers []*ecdh.PublicKey) ([]byte, error) {
	s, err := Parse(raw)
	if err != nil {
		return nil, err
	}
	private, err := hpke.NewDHKEMPrivateKey(key)
	if err != nil {
		return nil, err
	}
	plain, err := s.decrypt(private)
	if err != nil {
		return nil, err
	}
	head, aead, err := sealHead(readers, len(plain)+tagSize)
	if err != nil {
		return nil, err
	}
	return aead.Seal(head, make([]byte, aead.NonceSize()), plain, head), nil
}

// DecodeBody reads what is inside, and writes what it read as the same bytes.
func DecodeBody(b []byte) {
	var m body
	if wire.Unmarshal(b, maxBody, &m) != nil {
		return
	}
	again, err := wire.Marshal(m)
	if err != nil || string(again) != string(b) {
		panic("read, and written differently")
	}
}

// Body is what a bundle has inside before it is signed, and SealBody signs and seals
// anything as that.
func Body(c *Content) ([]byte, error) { return c.body() }

// SealBody is for what no writer of this program writes.
func SealBody(b []byte, readers []*ecdh.PublicKey, sign func([]byte) []byte) ([]byte, error) {
	return sealBody(b, readers, sign)
}
