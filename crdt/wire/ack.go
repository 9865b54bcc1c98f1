package wire

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"maps"
	"slices"

	"github.com/vungxa/vungxa/crdt"
)

// MaxAck is the size of an encoded acknowledgement in bytes.
const MaxAck = 1 << 20

// Ack is an acknowledgement and its device's signature over it.
type Ack struct {
	crdt.Ack
	Signature [ed25519.SignatureSize]byte
}

type wireAck struct {
	_           struct{} `cbor:",toarray"`
	Format      uint
	Device      crdt.Device
	Incarnation crdt.Incarnation
	Number      uint64
	Scopes      []string // sorted, each once
	Logs        []scopedLog
	Held        []wirePin
	Own         []wirePin
	Signature   []byte
}

// scopedLog names a log within the scopes of an acknowledgement.
type scopedLog struct {
	_     struct{} `cbor:",toarray"`
	Scope uint
	Log   logName
}

// SignAck signs an acknowledgement; sign is Ed25519 under the device's seal key.
// When the hub heard it is no part of it.
func SignAck(a crdt.Ack, sign func(message []byte) []byte) (*Ack, error) {
	signed := &Ack{Ack: a}
	m, err := signed.message()
	if err != nil {
		return nil, err
	}
	signed.Signature = [ed25519.SignatureSize]byte(sign(m))
	return signed, nil
}

// Verify says whether the acknowledgement is the device's own.
func (a *Ack) Verify(key ed25519.PublicKey) bool {
	m, err := a.message()
	return err == nil && len(key) == ed25519.PublicKeySize && ed25519.Verify(key, m, a.Signature[:])
}

// message is what is signed: the bytes without their signature.
func (a *Ack) message() ([]byte, error) {
	w, err := a.wire(nil)
	if err != nil {
		return nil, err
	}
	b, err := Marshal(w)
	return append([]byte("vungxa ack 1\x00"), b...), err
}

func (a *Ack) wire(signature []byte) (*wireAck, error) {
	if !sortedPins(a.Held) || !sortedPins(a.Own) {
		return nil, fmt.Errorf("acknowledgement: %w: heads are not sorted by log, each once", ErrFormat)
	}
	logs, scopes := map[crdt.LogID]bool{}, map[string]bool{}
	for _, p := range slices.Concat(a.Held, a.Own) {
		if len(p.Log.Scope) == 0 || len(p.Log.Scope) > crdt.MaxScope || !isClass(p.Log.Class) {
			return nil, fmt.Errorf("acknowledgement: %w: scope of %d bytes, class %d", ErrFormat, len(p.Log.Scope), p.Log.Class)
		}
		logs[p.Log], scopes[string(p.Log.Scope)] = true, true
	}
	w := &wireAck{
		Format: Format, Device: a.Device, Incarnation: a.Incarnation, Number: a.Number,
		Scopes: slices.Sorted(maps.Keys(scopes)), Signature: signature,
	}
	sorted := slices.SortedFunc(maps.Keys(logs), crdt.LogID.Compare)
	for _, l := range sorted {
		scope, _ := slices.BinarySearch(w.Scopes, string(l.Scope))
		w.Logs = append(w.Logs, scopedLog{Scope: uint(scope), Log: nameOf(l)})
	}
	pins := func(ps []crdt.Pin) (out []wirePin) {
		for _, p := range ps {
			i, _ := slices.BinarySearchFunc(sorted, p.Log, crdt.LogID.Compare)
			out = append(out, wirePin{Log: uint(i), Seq: p.Seq, Hash: p.Hash})
		}
		return out
	}
	w.Held, w.Own = pins(a.Held), pins(a.Own)
	return w, nil
}

// EncodeAck gives the one encoding of an acknowledgement.
func EncodeAck(a *Ack) ([]byte, error) {
	w, err := a.wire(a.Signature[:])
	if err != nil {
		return nil, err
	}
	b, err := marshalItem(w, MaxAck)
	if err != nil {
		return nil, fmt.Errorf("acknowledgement: %w", err)
	}
	return b, nil
}

// DecodeAck reads what EncodeAck writes, and nothing else. Its signature is left
// to check.
func DecodeAck(b []byte) (*Ack, error) {
	var w wireAck
	if err := Unmarshal(b, MaxAck, &w); err != nil {
		return nil, fmt.Errorf("acknowledgement: %w", err)
	}
	if err := checkFormat(w.Format); err != nil {
		return nil, fmt.Errorf("acknowledgement: %w", err)
	}
	if len(w.Signature) != ed25519.SignatureSize {
		return nil, fmt.Errorf("acknowledgement: %w: a signature of %d bytes", ErrFormat, len(w.Signature))
	}
	a := &Ack{Ack: crdt.Ack{Device: w.Device, Incarnation: w.Incarnation, Number: w.Number}, Signature: [64]byte(w.Signature)}
	var err error
	if a.Held, err = w.pins(w.Held); err != nil {
		return nil, err
	}
	if a.Own, err = w.pins(w.Own); err != nil {
		return nil, err
	}
	again, err := EncodeAck(a)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, b) {
		return nil, fmt.Errorf("acknowledgement: %w: its tables are not those of what it names", ErrFormat)
	}
	return a, nil
}

func (w *wireAck) pins(ps []wirePin) (pins []crdt.Pin, err error) {
	for _, p := range ps {
		if p.Log >= uint(len(w.Logs)) || w.Logs[p.Log].Scope >= uint(len(w.Scopes)) {
			return nil, fmt.Errorf("acknowledgement: %w: log %d of a table of %d", ErrFormat, p.Log, len(w.Logs))
		}
		l := w.Logs[p.Log]
		pins = append(pins, crdt.Pin{Log: l.Log.in(crdt.Scope(w.Scopes[l.Scope])), Seq: p.Seq, Hash: p.Hash})
	}
	return pins, nil
}
