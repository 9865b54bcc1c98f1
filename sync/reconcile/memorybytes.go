package reconcile

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/identity"
)

// MaxMemory is the size of an encoded memory in bytes.
const MaxMemory = 1 << 20

const memoryFormat = 2

// The bytes of a memory are a node's own business. They are canonical CBOR, so that
// equal memories are equal bytes.
type wireMemory struct {
	_            struct{} `cbor:",toarray"`
	Format       uint
	Mine, Its    uint64
	Flags        uint
	Peer, Own    Hash
	Scopes       []crdt.Scope
	Given        []wireKnown
	Receipts     []wireWeight
	Certificates []wireCertificate
	Base         [][]byte
	Held         []wireHeld
	Took         uint64
	Count        uint64
	Acked        uint64
	Doubt        []wireDoubt
	Unfinished   []wireSpan
	Carried      []wireKnown
	Decided      []wireDecided
}

type wireDecided struct {
	_           struct{} `cbor:",toarray"`
	Scope       crdt.Scope
	Hash, Group Hash
	At          [2]uint64
}

type wireLog struct {
	_           struct{} `cbor:",toarray"`
	Scope       crdt.Scope
	Device      crdt.Device
	Incarnation crdt.Incarnation
	Class       crdt.Class
}

type wireKnown struct {
	_    struct{} `cbor:",toarray"`
	Log  wireLog
	Seq  uint64
	Hash Hash
}

type wireWeight struct {
	_       struct{} `cbor:",toarray"`
	Scope   crdt.Scope
	Signer  crdt.Device
	Entries uint64
}

type wireCertificate struct {
	_      struct{} `cbor:",toarray"`
	Device crdt.Device
	Hash   Hash
}

type wireHeld struct {
	_           struct{} `cbor:",toarray"`
	Log         wireLog
	Code        uint
	VI, EN      string
	Where       string
	UpTo, Own   uint64
	Times       uint64
	Certificate Hash
}

type wireDoubt struct {
	_       struct{} `cbor:",toarray"`
	Ordinal uint64
	Row     []wireKnown // none or one
	Scope   crdt.Scope
	Signer  crdt.Device
	Before  uint64
	Own     []byte
	Device  crdt.Device
}

type wireSpan struct {
	_         struct{} `cbor:",toarray"`
	Lane      uint8
	Log       wireLog
	After, To uint64
}

func (l wireLog) id() crdt.LogID {
	return crdt.LogID{Scope: l.Scope, Device: l.Device, Incarnation: l.Incarnation, Class: l.Class}
}

func wireLogOf(l crdt.LogID) wireLog {
	return wireLog{Scope: l.Scope, Device: l.Device, Incarnation: l.Incarnation, Class: l.Class}
}

const (
	flagKnown = 1 << iota
	flagLive
	flagCounterBack
	flagForgotten
)

// Encode gives a memory's bytes.
func (m *Memory) Encode() ([]byte, error) {
	w := wireMemory{Format: memoryFormat, Mine: m.Mine, Its: m.Its, Peer: m.Peer, Own: m.Own, Scopes: m.Scopes}
	for i, set := range []bool{m.Known, m.Live, m.CounterBack, m.Forgotten} {
		if set {
			w.Flags |= 1 << i
		}
	}
	w.Given, w.Carried = wireGiven(m.Given), wireGiven(m.Carried)
	for _, scope := range slices.Sorted(maps.Keys(m.Decided)) {
		d := m.Decided[scope]
		w.Decided = append(w.Decided, wireDecided{Scope: scope, Hash: d.Hash, Group: d.Group, At: [2]uint64{d.At.Epoch, d.At.Index}})
	}
	for _, scope := range slices.Sorted(maps.Keys(m.Receipts)) {
		for _, d := range sortedDevices(m.Receipts[scope]) {
			w.Receipts = append(w.Receipts, wireWeight{Scope: scope, Signer: d, Entries: m.Receipts[scope][d]})
		}
	}
	for _, d := range sortedDevices(m.Certificates) {
		w.Certificates = append(w.Certificates, wireCertificate{Device: d, Hash: m.Certificates[d]})
	}
	for _, scope := range slices.Sorted(maps.Keys(m.Base)) {
		b, err := m.Base[scope].Encode()
		if err != nil {
			return nil, fmt.Errorf("memory of a peer: %w", err)
		}
		w.Base = append(w.Base, b)
	}
	for _, log := range slices.SortedFunc(maps.Keys(m.Held), crdt.LogID.Compare) {
		h := m.Held[log]
		w.Held = append(w.Held, wireHeld{
			Log: wireLogOf(log), Code: uint(h.Code), VI: h.Reason.VI, EN: h.Reason.EN, Where: h.Where, UpTo: h.UpTo, Own: h.Own, Times: h.Times, Certificate: h.Certificate,
		})
	}
	w.Took, w.Count, w.Acked = m.Took, m.Count, m.Acked
	for _, d := range m.Doubt {
		x := wireDoubt{Ordinal: d.Ordinal, Scope: d.Scope, Signer: d.Signer, Before: d.Before, Device: d.Device}
		if d.Row.Seq > 0 {
			x.Row = []wireKnown{{Log: wireLogOf(d.Row.Log), Seq: d.Row.Seq, Hash: d.Row.Hash}}
		}
		if d.Own != nil {
			b, err := d.Own.Encode()
			if err != nil {
				return nil, fmt.Errorf("memory of a peer: %w", err)
			}
			x.Own = b
		}
		w.Doubt = append(w.Doubt, x)
	}
	for _, lane := range slices.Sorted(maps.Keys(m.Unfinished)) {
		u := m.Unfinished[lane]
		w.Unfinished = append(w.Unfinished, wireSpan{Lane: lane, Log: wireLogOf(u.Log), After: u.After, To: u.To})
	}
	b, err := wire.Marshal(w)
	if err == nil && len(b) > MaxMemory {
		err = fmt.Errorf("memory of a peer: %d bytes; at most %d", len(b), MaxMemory)
	}
	return b, err
}

func wireGiven(given map[crdt.LogID]Known) (out []wireKnown) {
	for _, log := range slices.SortedFunc(maps.Keys(given), crdt.LogID.Compare) {
		out = append(out, wireKnown{Log: wireLogOf(log), Seq: given[log].Seq, Hash: given[log].Hash})
	}
	return out
}

func sortedDevices[V any](m map[crdt.Device]V) []crdt.Device {
	return slices.SortedFunc(maps.Keys(m), func(a, b crdt.Device) int { return cmp.Compare(string(a[:]), string(b[:])) })
}

// DecodeMemory reads what Encode writes. Whoever can't read a memory goes on with
// none.
func DecodeMemory(b []byte) (*Memory, error) {
	var w wireMemory
	if err := wire.Unmarshal(b, MaxMemory, &w); err != nil {
		return nil, fmt.Errorf("memory of a peer: %w", err)
	}
	if w.Format != memoryFormat {
		return nil, fmt.Errorf("memory of a peer: format %d; this program knows %d", w.Format, memoryFormat)
	}
	m := &Memory{
		Mine: w.Mine, Its: w.Its, Known: w.Flags&flagKnown != 0, Live: w.Flags&flagLive != 0,
		CounterBack: w.Flags&flagCounterBack != 0, Forgotten: w.Flags&flagForgotten != 0,
		Peer: w.Peer, Own: w.Own, Scopes: w.Scopes, Given: givenOf(w.Given), Carried: givenOf(w.Carried),
		Receipts: map[crdt.Scope]map[crdt.Device]uint64{}, Certificates: map[crdt.Device]Hash{}, Base: map[crdt.Scope]*identity.Receipt{},
		Held: map[crdt.LogID]Held{}, Unfinished: map[uint8]Span{}, Decided: map[crdt.Scope]Decided{},
	}
	for _, d := range w.Decided {
		m.Decided[d.Scope] = Decided{Named: Named{At: crdt.Cite{Epoch: d.At[0], Index: d.At[1]}, Hash: d.Hash}, Group: d.Group}
	}
	for _, r := range w.Receipts {
		if m.Receipts[r.Scope] == nil {
			m.Receipts[r.Scope] = map[crdt.Device]uint64{}
		}
		m.Receipts[r.Scope][r.Signer] = r.Entries
	}
	for _, c := range w.Certificates {
		m.Certificates[c.Device] = c.Hash
	}
	for _, b := range w.Base {
		r, err := identity.DecodeReceipt(b)
		if err != nil {
			return nil, fmt.Errorf("memory of a peer: %w", err)
		}
		m.Base[r.Scope] = r
	}
	for _, h := range w.Held {
		m.Held[h.Log.id()] = Held{
			Code: Code(h.Code), Reason: Text{VI: h.VI, EN: h.EN}, Where: h.Where, UpTo: h.UpTo, Own: h.Own, Times: h.Times, Certificate: h.Certificate,
		}
	}
	m.Took, m.Count, m.Acked = w.Took, w.Count, w.Acked
	for _, d := range w.Doubt {
		x := Doubt{Ordinal: d.Ordinal, Scope: d.Scope, Signer: d.Signer, Before: d.Before, Device: d.Device}
		if len(d.Row) > 0 {
			x.Row = Row{d.Row[0].Log.id(), Known{d.Row[0].Seq, d.Row[0].Hash}}
		}
		if len(d.Own) > 0 {
			r, err := identity.DecodeReceipt(d.Own)
			if err != nil {
				return nil, fmt.Errorf("memory of a peer: %w", err)
			}
			x.Own = r
		}
		m.Doubt = append(m.Doubt, x)
	}
	for _, u := range w.Unfinished {
		m.Unfinished[u.Lane] = Span{Log: u.Log.id(), After: u.After, To: u.To}
	}
	return m, nil
}

type wireStaged struct {
	_     struct{} `cbor:",toarray"`
	Lane  uint8
	Name  Hash
	Total uint64
	Bytes []byte
}

// Encode gives the bytes of what is staged.
func (p Staged) Encode() ([]byte, error) {
	return wire.Marshal(wireStaged{Lane: p.Lane, Name: p.Name, Total: p.Total, Bytes: p.Bytes})
}

// DecodeStaged reads what Encode writes.
func DecodeStaged(b []byte) (Staged, error) {
	var w wireStaged
	if err := wire.Unmarshal(b, MaxItem+64, &w); err != nil {
		return Staged{}, fmt.Errorf("what was staged: %w", err)
	}
	return Staged{Lane: w.Lane, Name: w.Name, Total: w.Total, Bytes: w.Bytes}, nil
}

func givenOf(list []wireKnown) map[crdt.LogID]Known {
	given := map[crdt.LogID]Known{}
	for _, k := range list {
		given[k.Log.id()] = Known{Seq: k.Seq, Hash: k.Hash}
	}
	return given
}
