package reconcile

import (
	"crypto/sha256"
	"fmt"
	"reflect"

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
	kindHave        uint8 = 13
	kindSegment     uint8 = 16
	kindAfter       uint8 = 17
	kindReceipt     uint8 = 18
	kindDelta       uint8 = 19
	kindCertificate uint8 = 20
	kindHeads       uint8 = 21
	kindCheckpoint  uint8 = 22
	kindContent     uint8 = 23
	kindGroup       uint8 = 24

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

// have says that an attachment which the reader asked for in vain is here now.
type have struct {
	_    struct{} `cbor:",toarray"`
	Kind uint8
	Hash [32]byte
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

// carrier holds an item that another package specifies: a segment (crdt/wire), a
// certificate, a receipt or a chain of checkpoints (sync/identity).
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
	Group []byte // the hash of the group's certificate; empty: none
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
	case kindHave:
		return &have{}
	case kindAfter:
		return &after{}
	case kindDelta:
		return &delta{}
	case kindHeads:
		return &heads{}
	case kindContent:
		return &chunk{}
	case kindSegment, kindReceipt, kindCertificate, kindCheckpoint, kindGroup:
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
