package reconcile

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/identity"
)

// Version is the format of the protocol that this package speaks. 0 makes no
// promise.
const Version = 0

// Limits. Sizes are in bytes, the others count.
const (
	MaxFrame        = 320 << 10
	MaxLogs         = identity.MaxReceiptLogs // of a scope
	MaxSigners      = 512                     // of receipts of a scope
	MaxCertificates = 1024                    // sent in one session
	MaxReason       = 512                     // of each language
	MaxWhere        = 256
	Window          = 4 // segments sent and not yet stored by the other side
)

// The kinds of message.
const (
	kindHello uint8 = iota
	kindHeads
	kindCertificate
	kindSegment
	kindReceipt
	kindRefuse
)

// Every message is an array that begins with its kind.
type hello struct {
	_           struct{} `cbor:",toarray"`
	Kind        uint8
	Format      uint
	Certificate []byte
	Scopes      []scopeDigest
}

type scopeDigest struct {
	_      struct{} `cbor:",toarray"`
	Scope  string
	Digest [16]byte
}

// heads states what its sender holds of a scope: the first of a session, all of
// it; a later one, the logs whose segments it has stored since.
type heads struct {
	_        struct{} `cbor:",toarray"`
	Kind     uint8
	Scope    string
	Logs     []logHead
	Receipts []receiptWeight
}

type logHead struct {
	_           struct{} `cbor:",toarray"`
	Device      crdt.Device
	Incarnation crdt.Incarnation
	Class       crdt.Class
	Seq         uint64
	Hash        crdt.Hash
}

type receiptWeight struct {
	_       struct{} `cbor:",toarray"`
	Signer  crdt.Device
	Entries uint64 // that its receipt covers
}

// carrier holds an item that another package specifies: a device certificate or
// a receipt (sync/identity), or a segment (crdt/wire).
type carrier struct {
	_    struct{} `cbor:",toarray"`
	Kind uint8
	Item []byte
}

type refuse struct {
	_     struct{} `cbor:",toarray"`
	Kind  uint8
	Code  uint
	VI    string
	EN    string
	Where string
}

func encode(message any) ([]byte, error) {
	b, err := wire.Marshal(message)
	if err == nil && len(b) > MaxFrame {
		err = fmt.Errorf("a message of %d bytes; at most %d", len(b), MaxFrame)
	}
	return b, err
}

// decode reads one frame as the message that its kind says.
func decode(frame []byte) (message, *Refusal) {
	if len(frame) > MaxFrame {
		return nil, Refuse(TooLarge, "a frame of %d bytes", len(frame))
	}
	if len(frame) < 3 || frame[0]>>5 != cborArray {
		return nil, Refuse(Malformed, "a frame of %d bytes", len(frame))
	}
	switch kind := frame[1]; kind {
	case kindHello:
		if frame[2] != Version { // before the rest, which may look different there
			return nil, Refuse(Format, "hello")
		}
		return read(frame, &hello{})
	case kindHeads:
		return read(frame, &heads{})
	case kindCertificate, kindSegment, kindReceipt:
		return read(frame, &carrier{})
	case kindRefuse:
		return read(frame, &refuse{})
	default:
		return nil, Refuse(Unknown, "kind %d", kind)
	}
}

// cborArray is the major type of an array (RFC 8949, section 3.1).
const cborArray = 4

type message interface{ check() error }

func read(frame []byte, m message) (message, *Refusal) {
	if err := wire.Unmarshal(frame, MaxFrame, m); err != nil {
		return nil, Refuse(Malformed, "kind %d", frame[1])
	}
	if err := m.check(); err != nil {
		return nil, Refuse(Malformed, "kind %d: %v", frame[1], err)
	}
	return m, nil
}

func (m *hello) check() error {
	if len(m.Scopes) == 0 || len(m.Scopes) > identity.MaxScopes {
		return fmt.Errorf("%d scopes", len(m.Scopes))
	}
	for _, s := range m.Scopes {
		if len(s.Scope) == 0 || len(s.Scope) > crdt.MaxScope {
			return fmt.Errorf("a scope of %d bytes", len(s.Scope))
		}
	}
	return rising(m.Scopes, func(a, b scopeDigest) int { return cmp.Compare(a.Scope, b.Scope) })
}

func (m *heads) check() error {
	if len(m.Logs) > MaxLogs || len(m.Receipts) > MaxSigners {
		return fmt.Errorf("%d logs, %d receipts", len(m.Logs), len(m.Receipts))
	}
	for _, l := range m.Logs {
		if l.Seq == 0 || l.Hash == (crdt.Hash{}) {
			return errors.New("an empty log")
		}
	}
	return errors.Join(
		rising(m.Logs, func(a, b logHead) int { return a.log("").Compare(b.log("")) }),
		rising(m.Receipts, func(a, b receiptWeight) int { return slices.Compare(a.Signer[:], b.Signer[:]) }),
	)
}

func (m *carrier) check() error { return nil } // its item's own package does

func (m *refuse) check() error {
	if len(m.VI) > MaxReason || len(m.EN) > MaxReason || len(m.Where) > MaxWhere {
		return errors.New("a text that is too long")
	}
	return nil
}

// rising says whether a list is sorted with nothing in it twice.
func rising[T any](list []T, compare func(a, b T) int) error {
	for i := 1; i < len(list); i++ {
		if compare(list[i-1], list[i]) >= 0 {
			return errors.New("a list that is not sorted, or has one thing twice")
		}
	}
	return nil
}

func (l logHead) log(scope crdt.Scope) crdt.LogID {
	return crdt.LogID{Device: l.Device, Incarnation: l.Incarnation, Scope: scope, Class: l.Class}
}

func (l logHead) head() crdt.Head { return crdt.Head{Seq: l.Seq, Hash: l.Hash} }

// state is the heads message of everything that is held of a scope.
func (h Holding) state(scope crdt.Scope) heads {
	m := heads{Kind: kindHeads, Scope: string(scope)}
	for _, log := range slices.SortedFunc(maps.Keys(h.Heads), crdt.LogID.Compare) {
		m.Logs = append(m.Logs, headOf(log, h.Heads[log]))
	}
	for _, r := range h.Receipts {
		m.Receipts = append(m.Receipts, receiptWeight{Signer: r.Signer, Entries: weight(r)})
	}
	slices.SortFunc(m.Receipts, func(a, b receiptWeight) int { return slices.Compare(a.Signer[:], b.Signer[:]) })
	return m
}

func headOf(log crdt.LogID, h crdt.Head) logHead {
	return logHead{Device: log.Device, Incarnation: log.Incarnation, Class: log.Class, Seq: h.Seq, Hash: h.Hash}
}

// digest is 16 bytes of the hash of the heads message of all that is held.
func (h Holding) digest(scope crdt.Scope) ([16]byte, error) {
	b, err := encode(h.state(scope))
	if err != nil {
		return [16]byte{}, err
	}
	sum := sha256.Sum256(append([]byte("vungxa digest 0\x00"), b...))
	return [16]byte(sum[:16]), nil
}
