// Package sealed encrypts what a node keeps outside its database: backups,
// attachments and exports as streams, device keys and the like as small items.
//
// A stream is an age file (age-encryption.org/v1) whose file key is wrapped for the
// store's own data key by a stanza of ours,
//
//	-> vungxa/1 <store id, hexadecimal> <key check, hexadecimal>
//	nonce (24 bytes) || XChaCha20-Poly1305(file key)
//
// and, if wished, for further recipients: an escrow key of the province opens a
// backup with the ordinary age program. An item is one byte 1, a nonce of 24 bytes
// and an XChaCha20-Poly1305 box.
//
// In both the purpose is authenticated: a file that is put in the place of another
// purpose's doesn't open. Nonces are random; 192 bits of them never collide. They
// come from crypto/rand, as age's own do: nothing is decided by them.
package sealed

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"filippo.io/age"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store/keyring"
)

// Overhead is what Seal adds to an item, in bytes.
const Overhead = 1 + chacha20poly1305.NonceSizeX + chacha20poly1305.Overhead

const (
	itemFormat = 1
	stanzaType = "vungxa/1"
	purposeBox = "sealed item 1"
	purposeAge = "sealed stream 1"
	purposeID  = "sealed key check 1"
)

// Seal encrypts a small item. What it belongs to (its file, its record) goes into
// the purpose.
func Seal(keys keyring.Keys, purpose string, plain []byte) ([]byte, error) {
	return seal(keys, purposeBox, []byte{itemFormat}, purpose, plain)
}

// Open gives what Seal was given. Its error is node.Damaged: the item was changed,
// belongs elsewhere, or is of another store.
func Open(keys keyring.Keys, purpose string, item []byte) ([]byte, error) {
	if len(item) < Overhead || item[0] != itemFormat {
		return nil, damaged(errors.New("no sealed item of format 1"))
	}
	plain, err := open(keys, purposeBox, purpose, item[1:])
	if err != nil {
		return nil, damaged(err)
	}
	return plain, nil
}

// NewWriter encrypts what is written to it for the store's key and for extra
// recipients. Close ends the stream, without which it can't be read; it leaves dst
// open.
func NewWriter(dst io.Writer, keys keyring.Keys, purpose string, extra ...age.Recipient) (io.WriteCloser, error) {
	if err := keys.Check(); err != nil {
		return nil, err
	}
	return age.Encrypt(dst, append([]age.Recipient{Own(keys, purpose)}, extra...)...)
}

// NewReader decrypts what NewWriter wrote. No byte is given before it is
// authenticated, and the end only if it is the writer's end. Errors are
// node.Damaged but for those of src's file.
func NewReader(src io.Reader, keys keyring.Keys, purpose string) (io.Reader, error) {
	return NewReaderFor(src, Own(keys, purpose))
}

// NewReaderFor is NewReader for other identities, such as a recovery key.
func NewReaderFor(src io.Reader, who ...age.Identity) (io.Reader, error) {
	r, err := age.Decrypt(src, who...)
	if err != nil {
		return nil, explain(err)
	}
	return reader{r}, nil
}

type reader struct{ io.Reader }

func (r reader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = explain(err)
	}
	return n, err
}

// explain makes a sentence of a failure, unless it is the disk's.
func explain(err error) error {
	var disk *fs.PathError
	if errors.As(err, &disk) || node.CodeOf(err) == node.Damaged {
		return err
	}
	return damaged(err)
}

func damaged(err error) error {
	return node.Errorf(node.Damaged,
		"Dữ liệu đã niêm phong bị hỏng, hoặc thuộc về kho khác: %w. Hãy lấy lại từ bản sao lưu.",
		"sealed data is damaged or belongs to another store: %w; get it back from a backup", err)
}

// OwnKey wraps and unwraps file keys with a store's data key: it is both an
// age.Recipient and an age.Identity.
type OwnKey struct {
	keys    keyring.Keys
	purpose string
}

// Own is the store's own key for a purpose.
func Own(keys keyring.Keys, purpose string) OwnKey { return OwnKey{keys, purpose} }

func (o OwnKey) args() []string {
	check := o.keys.Derive(purposeID)
	return []string{hex.EncodeToString(o.keys.StoreID[:]), hex.EncodeToString(check[:8])}
}

// Wrap makes the stanza of a file key.
func (o OwnKey) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	body, err := seal(o.keys, purposeAge, nil, o.purpose, fileKey)
	if err != nil {
		return nil, err
	}
	return []*age.Stanza{{Type: stanzaType, Args: o.args(), Body: body}}, nil
}

// Unwrap finds the store's stanza. Stanzas of other stores and other data keys are
// passed over; one of this key that doesn't open is an error.
func (o OwnKey) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	if err := o.keys.Check(); err != nil {
		return nil, err
	}
	args := o.args()
	for _, s := range stanzas {
		if s.Type == stanzaType && len(s.Args) == 2 && s.Args[0] == args[0] && s.Args[1] == args[1] {
			return open(o.keys, purposeAge, o.purpose, s.Body)
		}
	}
	return nil, fmt.Errorf("not sealed with this store's key: %w", age.ErrIncorrectIdentity)
}

// seal appends nonce and box to prefix.
func seal(keys keyring.Keys, derive string, prefix []byte, purpose string, plain []byte) ([]byte, error) {
	if err := keys.Check(); err != nil {
		return nil, err
	}
	key := keys.Derive(derive)
	aead, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize())
	rand.Read(nonce) // never fails: crypto/rand
	out := make([]byte, 0, len(prefix)+len(nonce)+len(plain)+aead.Overhead())
	out = append(append(out, prefix...), nonce...)
	return aead.Seal(out, nonce, plain, []byte(purpose)), nil
}

func open(keys keyring.Keys, derive, purpose string, b []byte) ([]byte, error) {
	if err := keys.Check(); err != nil {
		return nil, err
	}
	key := keys.Derive(derive)
	aead, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		return nil, err
	}
	if len(b) < aead.NonceSize()+aead.Overhead() {
		return nil, io.ErrUnexpectedEOF
	}
	nonce, box := b[:aead.NonceSize()], b[aead.NonceSize():]
	plain, err := aead.Open(nil, nonce, box, []byte(purpose))
	if err != nil {
		return nil, fmt.Errorf("unseal: %w", err)
	}
	return plain, nil
}
