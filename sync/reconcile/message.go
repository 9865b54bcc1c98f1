package reconcile

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/fxamacker/cbor/v2"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/identity"
)

// Version is the format of the protocol that this package speaks.
const Version = 1

// Limits. Sizes are in bytes, the others count.
const (
	MaxFrame        = 1200
	MaxItem         = 1 << 20                 // a message before it is cut into parts, on lane 0
	MaxSegmentItem  = wire.MaxSegment + 64    // the same on lanes 1 to 3
	MaxLogs         = identity.MaxReceiptLogs // of a scope
	MaxSigners      = 512                     // of receipts of a scope
	MaxCertificates = 1024                    // sent in one session
	MaxDeclined     = 64                      // items refused in one session
	MaxReason       = 384                     // of each language
	MaxWhere        = 256
	MaxContent      = 256 << 20 // an attachment
	MaxChunk        = 16 << 10  // of one, in one item
	MinWindow       = 8 << 10
)

// Lanes is how many streams of items go each way: control, the classes 1 to 3,
// and attachments.
const Lanes = 5

const (
	laneControl = 0
	laneContent = 4
)

// The kinds of message. Those from 16 to 31, and those that a later format may
// have from 96 on, are items: they are counted, and may be cut into parts.
const (
	kindHello       uint8 = 0
	kindResume      uint8 = 1
	kindPart        uint8 = 2
	kindAck         uint8 = 3
	kindLevel       uint8 = 4
	kindRefuse      uint8 = 5 // of this form in every format
	kindWant        uint8 = 6
	kindRefused     uint8 = 7
	kindProbe       uint8 = 8
	kindFound       uint8 = 9
	kindGet         uint8 = 10
	kindStaged      uint8 = 11
	kindWhole       uint8 = 12
	kindSegment     uint8 = 16
	kindAfter       uint8 = 17
	kindReceipt     uint8 = 18
	kindDelta       uint8 = 19
	kindCertificate uint8 = 20
	kindHeads       uint8 = 21
	kindCheckpoint  uint8 = 22
	kindContent     uint8 = 23

	kindsKnown = 64  // unknown kinds below are refused
	kindsItems = 96  // unknown kinds from here on count as items
	kindsEnd   = 128 // and there is none from here on
)

func isItem(kind uint8) bool { return kind >= 16 && kind < 32 || kind >= kindsItems }

// Hash is the beginning of a chain hash or of another SHA-256: enough to tell two
// branches apart, also if one device has made both.
type Hash [16]byte

func short(h crdt.Hash) Hash { return Hash(h[:16]) }

func hashOf(b []byte) Hash {
	h := sha256.Sum256(b)
	return Hash(h[:16])
}

// Every message is an array that begins with its kind.
type hello struct {
	_           struct{} `cbor:",toarray"`
	Kind        uint8
	Format      uint
	Certificate []byte
	Scopes      []string
	Counter     uint64
}

type resume struct {
	_       struct{} `cbor:",toarray"`
	Kind    uint8
	Format  uint
	Digest  Hash
	Counter uint64
	Took    uint64 // items of the other side's, since both said hello
	More    uint8  // 1: items follow
}

// part is a piece of an item; firstPart begins one.
type part struct {
	_     struct{} `cbor:",toarray"`
	Kind  uint8
	Lane  uint8
	Bytes []byte
}

type firstPart struct {
	_      struct{} `cbor:",toarray"`
	Kind   uint8
	Lane   uint8
	Bytes  []byte
	Total  uint64
	Name   Hash
	Offset uint64
}

type ack struct {
	_     struct{} `cbor:",toarray"`
	Kind  uint8
	Done  uint64   // items taken, durably
	Parts []uint64 // and bytes of the one that is coming, by lane
}

type level struct {
	_      struct{} `cbor:",toarray"`
	Kind   uint8
	Done   uint64
	Digest Hash
}

type refuse struct {
	_     struct{} `cbor:",toarray"`
	Kind  uint8
	Code  uint
	VI    string
	EN    string
	Where string
}

type want struct {
	_    struct{} `cbor:",toarray"`
	Kind uint8
	Log  cbor.RawMessage
	From uint64
	To   uint64 // 0: all that there is
}

// refused says that an item was not taken, and why. Of is the name of a log, or
// the device (16) whose receipt, or the hash (32) of the attachment it was.
type refused struct {
	_     struct{} `cbor:",toarray"`
	Kind  uint8
	Code  uint
	VI    string
	EN    string
	Where string
	Of    cbor.RawMessage
	Seq   uint64
}

type probe struct {
	_    struct{} `cbor:",toarray"`
	Kind uint8
	Log  cbor.RawMessage
	At   []place
}

type place struct {
	_    struct{} `cbor:",toarray"`
	Seq  uint64
	Hash Hash
}

type found struct {
	_    struct{} `cbor:",toarray"`
	Kind uint8
	Log  cbor.RawMessage
	Seq  uint64
}

type get struct {
	_      struct{} `cbor:",toarray"`
	Kind   uint8
	Hash   [32]byte
	Offset uint64
}

// chunk is a piece of an attachment.
type chunk struct {
	_      struct{} `cbor:",toarray"`
	Kind   uint8
	Hash   [32]byte
	Offset uint64
	Total  uint64
	Bytes  []byte
}

type staged struct {
	_     struct{} `cbor:",toarray"`
	Kind  uint8
	Lane  uint8
	Name  Hash
	Total uint64
	Bytes uint64
}

// whole wants the sender's own receipt of a scope, not as a delta.
type whole struct {
	_     struct{} `cbor:",toarray"`
	Kind  uint8
	Scope uint
}

// carrier holds an item that another package specifies: a segment or a checkpoint
// (crdt/wire), a device certificate or a receipt (sync/identity).
type carrier struct {
	_    struct{} `cbor:",toarray"`
	Kind uint8
	Item []byte
}

// after is a segment onto an entry (crdt/wire): First names the seq after that.
type after struct {
	_     struct{} `cbor:",toarray"`
	Kind  uint8
	Log   cbor.RawMessage
	First uint64
	Item  []byte
}

// delta is the sender's own receipt, as what is new since the newest that its
// reader has: pairs of a log and by how much it grew. A log is a place in that
// receipt, or a name.
type delta struct {
	_         struct{} `cbor:",toarray"`
	Kind      uint8
	Scope     uint
	Epoch     uint64
	Index     uint64
	Grown     []cbor.RawMessage
	Signature [64]byte
}

// heads states all that its sender holds of what is shared.
type heads struct {
	_      struct{} `cbor:",toarray"`
	Kind   uint8
	Done   uint64
	Scopes []scopeHeads
}

type scopeHeads struct {
	_          struct{} `cbor:",toarray"`
	Scope      string
	Checkpoint named
	Devices    []deviceHeads
	Receipts   []receiptWeight
}

type named struct {
	_     struct{} `cbor:",toarray"`
	Epoch uint64
	Index uint64
	Hash  Hash
}

type deviceHeads struct {
	_           struct{} `cbor:",toarray"`
	Device      crdt.Device
	Certificate Hash
	Logs        []logHead
}

type logHead struct {
	_           struct{} `cbor:",toarray"`
	Incarnation crdt.Incarnation
	Class       crdt.Class
	Seq         uint64
	Hash        Hash
}

type receiptWeight struct {
	_       struct{} `cbor:",toarray"`
	Signer  crdt.Device
	Entries uint64 // that its receipt covers
}

type fullName struct {
	_           struct{} `cbor:",toarray"`
	Scope       uint
	Device      crdt.Device
	Incarnation crdt.Incarnation
	Class       crdt.Class
}

type message interface{ check() error }

// encode writes a message. One that may not be cut into parts must fit a frame.
func encode(m any) ([]byte, error) {
	b, err := wire.Marshal(m)
	if err != nil {
		return nil, err
	}
	limit := MaxFrame
	if kind := b[1]; kind == kindHello || isItem(kind) {
		limit = MaxItem
	}
	if len(b) > limit {
		return nil, fmt.Errorf("a message of %d bytes; at most %d", len(b), limit)
	}
	return b, nil
}

// kindOf reads a message's kind. Kinds from 24 on take a second byte.
func kindOf(b []byte) (uint8, *Refusal) {
	if len(b) < 2 || b[0]>>5 != majorArray || b[0]&31 > 23 || b[0]&31 == 0 {
		return 0, Refuse(Malformed, "a message of %d bytes", len(b))
	}
	switch {
	case b[1] < 24:
		return b[1], nil
	case b[1] == 24 && len(b) > 2 && b[2] >= 24:
		return b[2], nil
	}
	return 0, Refuse(Malformed, "a message of %d bytes without a kind", len(b))
}

const (
	majorBytes = 2
	majorArray = 4
)

// ignored stands for a message of a kind that a later program has added.
type ignored struct{}

func (ignored) check() error { return nil }

// decode reads one message. Elements after those that are known are ignored.
func decode(b []byte) (message, *Refusal) {
	kind, refusal := kindOf(b)
	if refusal != nil {
		return nil, refusal
	}
	if kind == kindHello && len(b) > 2 && b[2] == 0 { // before the rest, which looks different there
		return nil, Refuse(Format, "hello of format 0")
	}
	m := blank(kind, b)
	if m == nil {
		if kind < kindsKnown || kind >= kindsEnd {
			return nil, Refuse(Unknown, "kind %d", kind)
		}
		return ignored{}, nil
	}
	if err := read(b, m); err != nil {
		return nil, Refuse(Malformed, "kind %d", kind)
	}
	if err := m.check(); err != nil {
		return nil, Refuse(Malformed, "kind %d: %v", kind, err)
	}
	return m, nil
}

func blank(kind uint8, b []byte) message {
	switch kind {
	case kindHello:
		return &hello{}
	case kindResume:
		return &resume{}
	case kindPart:
		if b[0]&31 > 5 {
			return &firstPart{}
		}
		return &part{}
	case kindAck:
		return &ack{}
	case kindLevel:
		return &level{}
	case kindRefuse:
		return &refuse{}
	case kindWant:
		return &want{}
	case kindRefused:
		return &refused{}
	case kindProbe:
		return &probe{}
	case kindFound:
		return &found{}
	case kindGet:
		return &get{}
	case kindStaged:
		return &staged{}
	case kindWhole:
		return &whole{}
	case kindAfter:
		return &after{}
	case kindDelta:
		return &delta{}
	case kindHeads:
		return &heads{}
	case kindContent:
		return &chunk{}
	case kindSegment, kindReceipt, kindCertificate, kindCheckpoint:
		return &carrier{}
	}
	return nil
}

// read decodes the elements that m has, and passes over those that follow.
func read(b []byte, m message) error {
	var elements []cbor.RawMessage
	if err := wire.Unmarshal(b, MaxItem, &elements); err != nil {
		return err
	}
	if n := reflect.TypeOf(m).Elem().NumField() - 1; len(elements) > n {
		var err error
		if b, err = wire.Marshal(elements[:n]); err != nil {
			return err
		}
	}
	return wire.Unmarshal(b, MaxItem, m)
}

func (m *hello) check() error {
	if len(m.Scopes) == 0 || len(m.Scopes) > identity.MaxScopes {
		return fmt.Errorf("%d scopes", len(m.Scopes))
	}
	return errors.Join(goodScopes(m.Scopes), rising(m.Scopes, cmp.Compare[string]))
}

func goodScopes(scopes []string) error {
	for _, s := range scopes {
		if len(s) == 0 || len(s) > crdt.MaxScope {
			return fmt.Errorf("a scope of %d bytes", len(s))
		}
	}
	return nil
}

func (m *resume) check() error {
	if m.More > 1 {
		return errors.New("a flag that is neither 0 nor 1")
	}
	return nil
}

func (m *part) check() error { return checkPart(m.Lane, m.Bytes) }

func (m *firstPart) check() error {
	if m.Total > maxTotal(m.Lane) || m.Offset > m.Total || uint64(len(m.Bytes)) > m.Total-m.Offset {
		return fmt.Errorf("%d bytes from %d of an item of %d", len(m.Bytes), m.Offset, m.Total)
	}
	return checkPart(m.Lane, m.Bytes)
}

func checkPart(lane uint8, b []byte) error {
	if lane >= Lanes || len(b) == 0 {
		return fmt.Errorf("%d bytes on lane %d", len(b), lane)
	}
	return nil
}

func maxTotal(lane uint8) uint64 {
	switch lane {
	case laneControl:
		return MaxItem
	case laneContent:
		return MaxChunk + 128
	}
	return MaxSegmentItem
}

func (m *ack) check() error {
	if len(m.Parts) > Lanes {
		return fmt.Errorf("%d lanes", len(m.Parts))
	}
	return nil
}

func (m *refuse) check() error  { return checkTexts(m.VI, m.EN, m.Where) }
func (m *refused) check() error { return checkTexts(m.VI, m.EN, m.Where) }

func checkTexts(vi, en, where string) error {
	if len(vi) > MaxReason || len(en) > MaxReason || len(where) > MaxWhere {
		return errors.New("a text that is too long")
	}
	return nil
}

func (m *want) check() error {
	if m.From == 0 || m.To > 0 && m.To < m.From {
		return fmt.Errorf("entries %d to %d", m.From, m.To)
	}
	return nil
}

func (m *probe) check() error {
	if len(m.At) == 0 || len(m.At) > probePlaces {
		return fmt.Errorf("%d places", len(m.At))
	}
	return rising(m.At, func(a, b place) int { return cmp.Compare(a.Seq, b.Seq) })
}

func (m *heads) check() error {
	for _, s := range m.Scopes {
		if err := s.check(); err != nil {
			return err
		}
	}
	return rising(m.Scopes, func(a, b scopeHeads) int { return cmp.Compare(a.Scope, b.Scope) })
}

func (s *scopeHeads) check() error {
	logs := 0
	for _, d := range s.Devices {
		logs += len(d.Logs)
		if err := rising(d.Logs, func(a, b logHead) int {
			return cmp.Or(cmp.Compare(a.Class, b.Class), slices.Compare(a.Incarnation[:], b.Incarnation[:]))
		}); err != nil {
			return err
		}
	}
	if logs > MaxLogs || len(s.Receipts) > MaxSigners {
		return fmt.Errorf("%d logs, %d receipts", logs, len(s.Receipts))
	}
	return errors.Join(
		rising(s.Devices, func(a, b deviceHeads) int { return slices.Compare(a.Device[:], b.Device[:]) }),
		rising(s.Receipts, func(a, b receiptWeight) int { return slices.Compare(a.Signer[:], b.Signer[:]) }),
	)
}

func (m *staged) check() error {
	if m.Lane >= Lanes || m.Total > maxTotal(m.Lane) || m.Bytes > m.Total {
		return fmt.Errorf("%d bytes of %d on lane %d", m.Bytes, m.Total, m.Lane)
	}
	return nil
}

func (m *delta) check() error {
	if len(m.Grown)%2 != 0 || len(m.Grown) > 2*MaxLogs {
		return fmt.Errorf("%d elements where logs and seqs stand", len(m.Grown))
	}
	return nil
}

func (m *chunk) check() error {
	n := uint64(len(m.Bytes))
	if n == 0 || n > MaxChunk || m.Total > MaxContent || m.Offset > m.Total || n > m.Total-m.Offset {
		return fmt.Errorf("%d bytes at %d of %d", n, m.Offset, m.Total)
	}
	return nil
}

func (m *level) check() error   { return nil }
func (m *found) check() error   { return nil }
func (m *get) check() error     { return nil }
func (m *whole) check() error   { return nil }
func (m *carrier) check() error { return nil } // its item's own package does
func (m *after) check() error   { return nil } // as here

// rising says whether a list is sorted with nothing in it twice.
func rising[T any](list []T, compare func(a, b T) int) error {
	for i := 1; i < len(list); i++ {
		if compare(list[i-1], list[i]) >= 0 {
			return errors.New("a list that is not sorted, or has one thing twice")
		}
	}
	return nil
}
