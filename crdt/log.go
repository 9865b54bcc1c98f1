package crdt

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"strings"
)

// Device names a device: the first 16 bytes of the SHA-256 of its seal key.
type Device [16]byte

// Incarnation is a random id that a device draws when its store begins: a
// restored or copied store begins a new one and so never writes two histories
// under one name.
type Incarnation [8]byte

// Scope is what is replicated together: a commune ("c/03646"), a province
// ("p/04"), the country ("n"). At most MaxScope bytes.
type Scope string

// MaxScope is the longest scope name, in bytes.
const MaxScope = 32

// Class is the priority of a log. A chain forces an order, so each class is a
// log of its own.
type Class uint8

// The classes, most urgent first.
const (
	ClassControl Class = 0 // certificates, cuts, checkpoints
	ClassUrgent  Class = 1 // urgent and citizen-facing
	ClassRecords Class = 2 // what officers save
	ClassBulk    Class = 3 // imports and history
)

// ClassBranch marks the class of a log that is a branch (BranchName). Entries name
// such logs and are never written under one.
const ClassBranch Class = 0x80

// LogID names a log. It has one writer.
type LogID struct {
	Device      Device
	Incarnation Incarnation
	Scope       Scope
	Class       Class
}

// Hash is a SHA-256 chain hash; the zero Hash stands before the first entry.
type Hash [32]byte

// Head is how far a log goes: the seq of its last entry (from 1) and the chain
// hash there. The zero Head is an empty log.
type Head struct {
	Seq  uint64
	Hash Hash
}

// Dot is the place of one operation: the index within entry seq of a log.
type Dot struct {
	Log   LogID
	Seq   uint64
	Index uint16
}

// Pos is a prefix of a log: every entry up to and including Seq.
type Pos struct {
	Log LogID
	Seq uint64
}

func (d Device) String() string      { return hex.EncodeToString(d[:]) }
func (i Incarnation) String() string { return hex.EncodeToString(i[:]) }
func (h Hash) String() string        { return hex.EncodeToString(h[:]) }

// ParseDevice reads what Device.String writes: 32 hexadecimal digits.
func ParseDevice(s string) (Device, error) {
	var d Device
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(d) {
		return d, fmt.Errorf("device %q: want 32 hexadecimal digits", s)
	}
	return Device(b), nil
}

// String is for messages: device, incarnation, scope and class.
func (l LogID) String() string {
	return fmt.Sprintf("%s.%s/%s/%d", l.Device, l.Incarnation, l.Scope, l.Class)
}

// Compare orders logs by scope, class, device and incarnation: any total order
// does, as long as every replica uses the same.
func (l LogID) Compare(m LogID) int {
	return cmp.Or(
		strings.Compare(string(l.Scope), string(m.Scope)),
		cmp.Compare(l.Class, m.Class),
		bytes.Compare(l.Device[:], m.Device[:]),
		bytes.Compare(l.Incarnation[:], m.Incarnation[:]),
	)
}

// Compare orders dots by log, seq and index.
func (d Dot) Compare(e Dot) int {
	return cmp.Or(d.Log.Compare(e.Log), cmp.Compare(d.Seq, e.Seq), cmp.Compare(d.Index, e.Index))
}
