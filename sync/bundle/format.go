package bundle

import (
	"bytes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/identity"
)

// Limits. Sizes are in bytes, the others count.
const (
	MaxFile    = 4<<20 + 64<<10
	MaxReaders = 16
	maxBody    = MaxFile - headSize - MaxReaders*moreSize - ed25519.SignatureSize
)

const (
	format    = 1
	magic     = "VXB\x01"
	keySize   = 32 // of X25519, and of ChaCha20-Poly1305
	tagSize   = 16
	headSize  = 9 + keySize                 // with the first reader
	moreSize  = keySize + keySize + tagSize // of each more
	bodyInfo  = "vungxa bundle 1"           // of HPKE, and what the signature is over
	keyInfo   = "vungxa bundle 1 key"       // of what is exported
	minCipher = ed25519.SignatureSize + tagSize
)

// Errors of Open. They are told apart as far as that is possible without a key.
var (
	// ErrFormat: no bundle, or of a format that this program doesn't know.
	ErrFormat = errors.New("not a bundle of format 1")
	// ErrShort: the end is missing: a stick that was pulled, a copy that broke off.
	ErrShort = errors.New("a bundle whose end is missing")
	// ErrForeign: none of the keys opens it. It is for others, or damaged.
	ErrForeign = errors.New("not for this device, or damaged")
	// ErrAltered: this device's key opens it, and what it holds is not what was
	// written: damaged, or with a reader added by someone else.
	ErrAltered = errors.New("damaged, or altered on the way")
)

// Content is what a bundle holds.
type Content struct {
	By          crdt.Device
	Certificate []byte // of By; empty if the readers are known to have it
	Counter     uint64 // of what By wrote for these readers; parts have the same
	Part        uint64 // from 0
	Last        bool   // no part follows
	Entries     uint64 // how many entries are in it, by the writer's word
	Scopes      []crdt.Scope
	Messages    [][]byte // of a session; package reconcile
}

type body struct {
	_           struct{} `cbor:",toarray"`
	Format      uint
	By          crdt.Device
	Certificate []byte
	Counter     uint64
	Part        uint64
	Last        uint8
	Entries     uint64
	Scopes      []crdt.Scope
	Messages    [][]byte
}

// Overhead is what a file takes beside messages and scopes, at most: for so many readers,
// without a certificate.
func Overhead(readers int) int {
	return headSize + (readers-1)*moreSize + 64 + ed25519.SignatureSize + tagSize
}

// Seal makes a bundle for its readers. sign signs with the seal key of c.By. The
// randomness is that of the standard library's HPKE.
func Seal(c *Content, readers []*ecdh.PublicKey, sign func([]byte) []byte) ([]byte, error) {
	if len(readers) == 0 || len(readers) > MaxReaders {
		return nil, fmt.Errorf("bundle for %d readers; at most %d", len(readers), MaxReaders)
	}
	b, err := c.body()
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	if len(b) > maxBody {
		return nil, fmt.Errorf("bundle of %d bytes; at most %d", len(b), maxBody)
	}
	return sealBody(b, readers, sign)
}

func (c *Content) body() ([]byte, error) {
	return wire.Marshal(body{
		Format: format, By: c.By, Certificate: notNil(c.Certificate), Counter: c.Counter, Part: c.Part, Last: flag(c.Last), Entries: c.Entries, Scopes: c.Scopes, Messages: c.Messages,
	})
}

func sealBody(b []byte, readers []*ecdh.PublicKey, sign func([]byte) []byte) ([]byte, error) {
	head, key, err := sealHead(readers, len(b)+minCipher)
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	plain := append(bytes.Clone(b), sign(signed(head, b))...)
	return key.Seal(head, make([]byte, key.NonceSize()), plain, head), nil
}

// notNil is an empty byte string where there is none.
func notNil(b []byte) []byte { return append([]byte{}, b...) }

func flag(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// sealHead makes the head, which says who can read without saying who that is, and the
// key of the rest. That is drawn from the first reader's HPKE context, and sealed for
// each of the others.
func sealHead(readers []*ecdh.PublicKey, rest int) ([]byte, cipher.AEAD, error) {
	first, err := hpke.NewDHKEMPublicKey(readers[0])
	if err != nil {
		return nil, nil, err
	}
	enc, sender, err := hpke.NewSender(first, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(bodyInfo))
	if err != nil {
		return nil, nil, err
	}
	secret, err := sender.Export(keyInfo, keySize)
	if err != nil {
		return nil, nil, err
	}
	head := append([]byte(magic), byte(len(readers)))
	head = binary.BigEndian.AppendUint32(head, uint32(rest))
	head = append(head, enc...)
	for _, r := range readers[1:] {
		pub, err := hpke.NewDHKEMPublicKey(r)
		if err != nil {
			return nil, nil, err
		}
		sealed, err := hpke.Seal(pub, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(bodyInfo), secret)
		if err != nil {
			return nil, nil, err
		}
		head = append(head, sealed...)
	}
	key, err := chacha20poly1305.New(secret)
	return head, key, err
}

// signed is what the writer signs: the whole head, so that nobody adds a reader, and
// the body.
func signed(head, body []byte) []byte {
	h, b := sha256.Sum256(head), sha256.Sum256(body)
	return append(append([]byte(bodyInfo+"\x00"), h[:]...), b[:]...)
}

// Sealed is a bundle's outside: what anyone sees.
type Sealed struct {
	Readers int
	head    []byte
	rest    []byte
}

// Parse reads the outside of a bundle: ErrFormat, ErrShort.
func Parse(b []byte) (*Sealed, error) {
	if len(b) < len(magic) && bytes.HasPrefix([]byte(magic), b) {
		return nil, ErrShort
	}
	if !bytes.HasPrefix(b, []byte(magic)) || len(b) > MaxFile {
		return nil, ErrFormat
	}
	if len(b) < 9 {
		return nil, ErrShort
	}
	n, rest := int(b[4]), uint64(binary.BigEndian.Uint32(b[5:]))
	if n == 0 || n > MaxReaders || rest < minCipher || rest > MaxFile {
		return nil, ErrFormat
	}
	head := headSize + (n-1)*moreSize
	switch whole := uint64(head) + rest; {
	case uint64(len(b)) < whole:
		return nil, ErrShort
	case uint64(len(b)) > whole:
		return nil, ErrFormat
	}
	return &Sealed{Readers: n, head: b[:head], rest: b[head:]}, nil
}

// Open reads what a bundle holds with a reader's key, and verifies that the device that
// it names wrote it, for these readers alone: ErrForeign, ErrAltered, or an error about
// the writer's certificate (identity.ErrCertificate). dir isn't changed.
func (s *Sealed) Open(key *ecdh.PrivateKey, dir *identity.Directory) (*Content, error) {
	private, err := hpke.NewDHKEMPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("open a bundle: %w", err)
	}
	plain, err := s.decrypt(private)
	if err != nil {
		return nil, err
	}
	b, signature := plain[:len(plain)-ed25519.SignatureSize], plain[len(plain)-ed25519.SignatureSize:]
	var m body
	if err := wire.Unmarshal(b, maxBody, &m); err != nil || m.Format != format || m.Last > 1 || !m.sorted() {
		return nil, fmt.Errorf("%w: what is in it", ErrAltered)
	}
	seal, err := m.writer(dir)
	if err != nil {
		return nil, err
	}
	if !ed25519.Verify(seal, signed(s.head, b), signature) {
		return nil, fmt.Errorf("%w: not signed by device %s for these readers", ErrAltered, m.By)
	}
	return &Content{
		By: m.By, Certificate: m.Certificate, Counter: m.Counter, Part: m.Part, Last: m.Last == 1, Entries: m.Entries, Scopes: m.Scopes, Messages: m.Messages,
	}, nil
}

// sorted says whether the scopes are a list such as a session has.
func (m *body) sorted() bool {
	for i, s := range m.Scopes {
		if len(s) == 0 || len(s) > crdt.MaxScope || i > 0 && m.Scopes[i-1] >= s {
			return false
		}
	}
	return len(m.Scopes) > 0 && len(m.Scopes) <= identity.MaxScopes
}

// writer gives the key that the writer signs with, by the certificate that is known or
// that the bundle brings, and leaves the one that counts in m.
func (m *body) writer(dir *identity.Directory) (ed25519.PublicKey, error) {
	if len(m.Certificate) > 0 {
		c, err := dir.Verify(m.Certificate)
		if err == nil && c.Device != m.By {
			err = fmt.Errorf("%w: another device's", identity.ErrCertificate)
		}
		return c.SealKey, err
	}
	c, known := dir.ByDevice(m.By)
	if !known {
		return nil, fmt.Errorf("%w: device %s: none is known here", identity.ErrCertificate, m.By)
	}
	m.Certificate, _ = dir.Certificate(m.By)
	return c.SealKey, nil
}

// decrypt tries the key in every place. In the first it gives the key of the rest, in the
// others it opens it.
func (s *Sealed) decrypt(private hpke.PrivateKey) ([]byte, error) {
	first, err := hpke.NewRecipient(s.head[9:headSize], private, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(bodyInfo))
	if err == nil {
		secret, err := first.Export(keyInfo, keySize)
		if err != nil {
			return nil, fmt.Errorf("open a bundle: %w", err)
		}
		if plain, err := s.open(secret); err == nil {
			return plain, nil
		}
	}
	for at := headSize; at < len(s.head); at += moreSize {
		secret, err := hpke.Open(private, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(bodyInfo), s.head[at:at+moreSize])
		if err != nil {
			continue
		}
		plain, err := s.open(secret)
		if err != nil {
			return nil, fmt.Errorf("%w: a place for this device, but not the rest", ErrAltered)
		}
		return plain, nil
	}
	return nil, ErrForeign
}

func (s *Sealed) open(secret []byte) ([]byte, error) {
	key, err := chacha20poly1305.New(secret)
	if err != nil {
		return nil, err
	}
	return key.Open(nil, make([]byte, key.NonceSize()), s.rest, s.head)
}
