package keyring

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"github.com/vungxa/vungxa/node"
)

// Kind says what opens a slot. The numbers are those of FORMAT.md.
type Kind uint8

// The kinds. A number that this program doesn't know is a slot of a later one: it
// is kept and shown, and opens nothing here.
const (
	Password    Kind = 1 // what an officer types, through argon2id
	KeyFile     Kind = 2 // a file that lies elsewhere: a token, a stick
	Environment Kind = 3 // a variable, or a credential that systemd hands over
	Beside      Kind = 4 // a key in the slot itself: opens for everyone who has the disk
)

var kindNames = map[Kind]string{Password: "password", KeyFile: "key-file", Environment: "environment", Beside: "none"}

// String is the kind as commands and the HTTP interface call it.
func (k Kind) String() string {
	if name, ok := kindNames[k]; ok {
		return name
	}
	return fmt.Sprintf("unknown-%d", uint8(k))
}

// Secret opens slots of its kind. A Beside secret is empty.
type Secret struct {
	Kind     Kind
	password string
	key      [KeySize]byte
}

// Limits of a password: characters at least, bytes at most.
const (
	MinPassword = 8
	MaxPassword = 256
)

// PasswordSecret is a password to come, in NFC: input methods differ in how they compose
// Vietnamese letters.
func PasswordSecret(password string) (Secret, error) {
	password = norm.NFC.String(password)
	if n := utf8.RuneCountInString(password); !utf8.ValidString(password) || n < MinPassword || len(password) > MaxPassword {
		return Secret{}, node.Errorf(node.Invalid,
			"Mật khẩu của kho cần ít nhất %d ký tự và tối đa %d byte.",
			"a password of the store has at least %d characters and at most %d bytes", MinPassword, MaxPassword)
	}
	return Secret{Kind: Password, password: password}, nil
}

// TypedPassword is a password that someone gives to open a slot. It is not judged:
// one that is too short is a wrong one, like any other.
func TypedPassword(password string) Secret {
	return Secret{Kind: Password, password: norm.NFC.String(password)}
}

// BesideSecret is none at all.
func BesideSecret() Secret { return Secret{Kind: Beside} }

const keyPrefix = "vungxa-key-1 "

// NewKeyText draws a key for a key file or a variable, in its written form: a
// prefix and 64 hexadecimal digits.
func NewKeyText(rand io.Reader) (string, error) {
	var key [KeySize]byte
	if _, err := io.ReadFull(rand, key[:]); err != nil {
		return "", fmt.Errorf("draw a key: %w", err)
	}
	return keyPrefix + hex.EncodeToString(key[:]), nil
}

// KeySecret reads what NewKeyText wrote, for KeyFile and Environment slots. White
// space around it doesn't count.
func KeySecret(kind Kind, text string) (Secret, error) {
	s := Secret{Kind: kind}
	digits, ok := strings.CutPrefix(strings.TrimSpace(text), keyPrefix)
	b, err := hex.DecodeString(digits)
	if !ok || err != nil || len(b) != KeySize {
		return s, node.Errorf(node.Invalid,
			"Khóa không đúng dạng: cần %q rồi 64 chữ số thập lục phân, như lệnh `vungxa keys add` ghi ra.",
			"this is no key: it is %q and 64 hexadecimal digits, as `vungxa keys add` writes it", keyPrefix)
	}
	s.key = [KeySize]byte(b)
	return s, nil
}

// String keeps secrets out of logs.
func (s Secret) String() string { return "keyring.Secret{" + s.Kind.String() + "}" }

// GoString keeps secrets out of %#v.
func (s Secret) GoString() string { return s.String() }

// params are what a slot tells of how its key comes from the secret.
type params struct {
	_         struct{} `cbor:",toarray"`
	Salt      [16]byte
	MemoryKiB uint32 // argon2id; 0 for other kinds
	Passes    uint32
	Lanes     uint8
	Key       []byte // of a Beside slot: the secret itself; empty for other kinds
}

// The cost of a new password slot, and what a file may ask for at most: more is
// refused before a byte is allocated, since anyone may have written the file.
const (
	memoryKiB    = 64 << 10
	passes       = 3
	memoryKiBMax = 256 << 10
	passesMax    = 16
	lanesMax     = 8
)

// check bounds what a file asks for.
func (p params) check(kind Kind) bool {
	switch kind {
	case Password:
		return p.Lanes >= 1 && p.Lanes <= lanesMax && p.MemoryKiB >= 8*uint32(p.Lanes) && p.MemoryKiB <= memoryKiBMax &&
			p.Passes >= 1 && p.Passes <= passesMax && len(p.Key) == 0
	case Beside:
		return len(p.Key) == KeySize && p.MemoryKiB == 0 && p.Passes == 0 && p.Lanes == 0
	}
	if kindNames[kind] == "" {
		return len(p.Key) <= blobMax // a later program's
	}
	return len(p.Key) == 0 && p.MemoryKiB == 0 && p.Passes == 0 && p.Lanes == 0
}

func newParams(s Secret, rand io.Reader) (p params, err error) {
	if _, err := io.ReadFull(rand, p.Salt[:]); err != nil {
		return p, fmt.Errorf("draw a salt: %w", err)
	}
	p.Key = []byte{}
	switch s.Kind {
	case Password:
		p.MemoryKiB, p.Passes, p.Lanes = memoryKiB, passes, 1
	case Beside:
		p.Key = make([]byte, KeySize)
		if _, err := io.ReadFull(rand, p.Key); err != nil {
			return p, fmt.Errorf("draw a key: %w", err)
		}
	}
	return p, nil
}

// wrappingKey is the key under which the slot of params wraps the data key. params
// have been checked.
func (s Secret) wrappingKey(p params) ([]byte, error) {
	secret := s.key[:]
	switch s.Kind {
	case Password:
		// 64 MiB are given back at once: the node that goes on for months needs less.
		defer debug.FreeOSMemory()
		secret = argon2.IDKey([]byte(s.password), p.Salt[:], p.Passes, p.MemoryKiB, p.Lanes, KeySize)
	case Beside:
		secret = p.Key
	}
	return hkdf.Key(sha256.New, secret, p.Salt[:], "vungxa key slot 1", KeySize)
}
