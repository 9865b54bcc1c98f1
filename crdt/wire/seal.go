package wire

import (
	"crypto/ed25519"

	"github.com/vungxa/vungxa/crdt"
)

// Seal is a device's signature over the head of its log at Seq: it vouches for
// every entry up to there.
type Seal struct {
	_         struct{} `cbor:",toarray"`
	Seq       uint64
	Hash      crdt.Hash
	Signature [ed25519.SignatureSize]byte
}

// Head is what the seal vouches for.
func (s Seal) Head() crdt.Head { return crdt.Head{Seq: s.Seq, Hash: s.Hash} }

type sealed struct {
	_      struct{} `cbor:",toarray"`
	Domain string
	Format uint
	Scope  string
	Log    logName
	Seq    uint64
	Hash   crdt.Hash
}

func sealedBytes(log crdt.LogID, h crdt.Head) ([]byte, error) {
	return Marshal(sealed{
		Domain: "vungxa seal", Format: Format, Scope: string(log.Scope), Log: nameOf(log), Seq: h.Seq, Hash: h.Hash,
	})
}

// Sign seals a log at a head. sign is Ed25519 under the device's seal key.
func Sign(log crdt.LogID, h crdt.Head, sign func(message []byte) []byte) (Seal, error) {
	m, err := sealedBytes(log, h)
	if err != nil {
		return Seal{}, err
	}
	return Seal{Seq: h.Seq, Hash: h.Hash, Signature: [ed25519.SignatureSize]byte(sign(m))}, nil
}

// Verify says whether the seal is the log's device's own.
func (s Seal) Verify(log crdt.LogID, key ed25519.PublicKey) bool {
	m, err := sealedBytes(log, s.Head())
	return err == nil && len(key) == ed25519.PublicKeySize && ed25519.Verify(key, m, s.Signature[:])
}
