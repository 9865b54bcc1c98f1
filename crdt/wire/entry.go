package wire

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/fxamacker/cbor/v2"

	"github.com/vungxa/vungxa/crdt"
)

// logName is a log within the scope of the item that names it.
type logName struct {
	_           struct{} `cbor:",toarray"`
	Device      crdt.Device
	Incarnation crdt.Incarnation
	Class       crdt.Class
}

// wireEntry is the carried form of an entry: what stores keep and nodes send.
type wireEntry struct {
	_      struct{} `cbor:",toarray"`
	Format uint
	Keys   cbor.RawMessage // byte string of 16: the entry's. Array: of the operations that stay
	Body   wireBody
}

// wireBody is an entry without its keys. In the carried form operations have
// payloads, in the structure, which is hashed, commitments. Logs lists every log
// that the body names, sorted, and Records every record, in the order in which
// operations first name them; all else names them by their places.
type wireBody struct {
	_       struct{} `cbor:",toarray"`
	Scope   string
	Log     logName
	Seq     uint64
	Prev    crdt.Hash
	Stamp   uint64
	Officer string
	Pack    string
	Version uint32
	Epoch   uint64
	Cites   wireCite
	Logs    []logName
	Records []wireRecordName
	Pins    []wirePin
	Ops     []wireOp
}

type wireCite struct {
	_     struct{} `cbor:",toarray"`
	Epoch uint64
	Index uint64
}

type wireRecordName struct {
	_          struct{} `cbor:",toarray"`
	Collection string
	Record     cbor.RawMessage // byte string of 16: a key. Array [log, seq, index]: a dot
	Made       []wirePos       // one or none
}

type wirePin struct {
	_    struct{} `cbor:",toarray"`
	Log  uint
	Seq  uint64
	Hash crdt.Hash
}

type wireOp struct {
	_       struct{} `cbor:",toarray"`
	Record  uint
	Kind    uint8
	Field   uint32
	Over    []wirePos
	Payload []byte // or the commitment, 32 bytes, where it was erased
}

type wirePos struct {
	_   struct{} `cbor:",toarray"`
	Log uint
	Seq uint64
}

type wireDot struct {
	_     struct{} `cbor:",toarray"`
	Log   uint
	Seq   uint64
	Index uint16
}

// EncodeEntry gives the carried form of an entry. It refuses an entry that
// Validate refuses or that exceeds crdt.MaxEntry.
func EncodeEntry(e *crdt.Entry) ([]byte, error) {
	if err := valid(e); err != nil {
		return nil, err
	}
	if err := validValues(e); err != nil {
		return nil, err
	}
	keys, err := encodeKeys(e)
	if err != nil {
		return nil, err
	}
	body, err := bodyOf(e, carriedPayload)
	if err != nil {
		return nil, err
	}
	if err := body.validClasses(); err != nil {
		return nil, err
	}
	b, err := Marshal(wireEntry{Format: Format, Keys: keys, Body: body})
	if err != nil {
		return nil, err
	}
	if limit := sizeLimit(e); len(b) > limit {
		return nil, fmt.Errorf("%w: %d bytes; at most %d", crdt.ErrTooLarge, len(b), limit)
	}
	return b, nil
}

// MaxErased is the size in bytes of an entry of which operations were erased: each
// brings a commitment or a key of its own, so that any entry can be erased.
const MaxErased = crdt.MaxEntry + 32*crdt.MaxOps

func sizeLimit(e *crdt.Entry) int {
	if isErased(e) {
		return MaxErased
	}
	return crdt.MaxEntry
}

// valid is Validate, and that payloads come with a key: a commitment under a key
// that everyone knows would tell what was erased.
func valid(e *crdt.Entry) error {
	if err := e.Validate(); err != nil {
		return err
	}
	if e.Key == (crdt.Key{}) && !isErased(e) {
		return fmt.Errorf("%w: it has no key for the commitments of its payloads", crdt.ErrEntry)
	}
	return nil
}

// validValues holds values and elements to what a reader takes.
func validValues(e *crdt.Entry) error {
	for i := range e.Ops {
		op := &e.Ops[i]
		if op.Erased != (crdt.Hash{}) {
			continue
		}
		if err := CheckValue(payload(op)); err != nil {
			return fmt.Errorf("%w: operation %d: value: %w", crdt.ErrEntry, i, err)
		}
		if op.Kind != crdt.Set {
			continue
		}
		if err := CheckValue(op.Elem); err != nil {
			return fmt.Errorf("%w: operation %d: element: %w", crdt.ErrEntry, i, err)
		}
	}
	return nil
}

func carriedPayload(e *crdt.Entry, i int) []byte {
	if h := e.Ops[i].Erased; h != (crdt.Hash{}) {
		return h[:]
	}
	return payload(&e.Ops[i])
}

func committed(e *crdt.Entry, i int) []byte {
	h := Commitment(e, i)
	return h[:]
}

func isErased(e *crdt.Entry) bool {
	return slices.ContainsFunc(e.Ops, func(op crdt.Op) bool { return op.Erased != crdt.Hash{} })
}

func encodeKeys(e *crdt.Entry) (cbor.RawMessage, error) {
	if !isErased(e) {
		return Marshal(e.Key[:])
	}
	keys := make([][]byte, len(e.Ops))
	for i := range e.Ops {
		if key := e.Ops[i].Key; key != (crdt.Key{}) {
			keys[i] = key[:]
		}
	}
	return Marshal(keys)
}

// bodyOf is the entry as its body, with what in the place of each payload.
func bodyOf(e *crdt.Entry, what func(*crdt.Entry, int) []byte) (wireBody, error) {
	t := newLogTable(namedLogs(e))
	w := wireBody{
		Scope: string(e.Log.Scope), Log: nameOf(e.Log), Seq: e.Seq, Prev: e.Prev, Stamp: uint64(e.Stamp),
		Officer: e.Officer, Pack: e.Pack.ID, Version: e.Pack.Version, Epoch: e.Epoch,
		Cites: wireCite{Epoch: e.Cites.Epoch, Index: e.Cites.Index}, Logs: t, Ops: make([]wireOp, len(e.Ops)),
	}
	for _, p := range e.Pins {
		w.Pins = append(w.Pins, wirePin{Log: t.place(p.Log), Seq: p.Seq, Hash: p.Hash})
	}
	places := map[recordName]uint{}
	for i := range e.Ops {
		op := &e.Ops[i]
		name := recordNameOf(op)
		place, ok := places[name]
		if !ok {
			place = uint(len(places))
			places[name] = place
			record, err := name.encode(t)
			if err != nil {
				return w, err
			}
			w.Records = append(w.Records, record)
		}
		w.Ops[i] = wireOp{
			Record: place, Kind: uint8(op.Kind), Field: op.Field, Over: encodeOver(op.Over, t), Payload: what(e, i),
		}
	}
	return w, nil
}

// recordName is what an operation says of its record.
type recordName struct {
	collection string
	ref        crdt.Ref
	made       crdt.Pos
}

func recordNameOf(op *crdt.Op) recordName { return recordName{op.Collection, op.Record, op.Made} }

func (r recordName) encode(t logTable) (wireRecordName, error) {
	ref, err := encodeRef(r.ref, t)
	w := wireRecordName{Collection: r.collection, Record: ref}
	if r.made.Seq > 0 {
		w.Made = encodeOver([]crdt.Pos{r.made}, t)
	}
	return w, err
}

func (w wireRecordName) decode(t logTable, scope crdt.Scope) (r recordName, err error) {
	r.collection = w.Collection
	if r.ref, err = decodeRef(w.Record, t, scope); err != nil {
		return r, err
	}
	made, err := decodeOver(w.Made, t, scope)
	switch {
	case err != nil:
		return r, err
	case len(made) > 1 || (len(made) == 1 && made[0].Seq == 0):
		return r, fmt.Errorf("%w: a record's existence is named once, by a seq from 1", ErrFormat)
	case len(made) == 1:
		r.made = made[0]
	}
	return r, nil
}

func namedLogs(e *crdt.Entry) map[crdt.LogID]bool {
	logs := map[crdt.LogID]bool{}
	for i := range e.Ops {
		op := &e.Ops[i]
		if !op.Record.ByKey() {
			logs[op.Record.Dot.Log] = true
		}
		if op.Made.Seq > 0 {
			logs[op.Made.Log] = true
		}
		for _, p := range op.Over {
			logs[p.Log] = true
		}
	}
	return logs
}

// DecodeEntry reads what EncodeEntry writes, and nothing else: the one encoding
// of a valid entry.
func DecodeEntry(b []byte) (*crdt.Entry, error) {
	var w wireEntry
	if err := Unmarshal(b, MaxErased, &w); err != nil {
		return nil, fmt.Errorf("entry: %w", err)
	}
	if err := checkFormat(w.Format); err != nil {
		return nil, fmt.Errorf("entry: %w", err)
	}
	e, err := w.decode()
	if err != nil {
		return nil, fmt.Errorf("entry: %w", err)
	}
	if err := valid(e); err != nil {
		return nil, err
	}
	if len(b) > sizeLimit(e) {
		return nil, fmt.Errorf("entry: %w: %d bytes; at most %d", ErrFormat, len(b), sizeLimit(e))
	}
	// The bytes are canonical; that leaves the tables, which have one form too.
	if body, err := bodyOf(e, carriedPayload); err != nil || !sameTables(&body, &w.Body) {
		return nil, fmt.Errorf("entry: %w: its tables are not those of what it names", ErrFormat)
	}
	return e, nil
}

func (w *wireEntry) decode() (*crdt.Entry, error) {
	b := &w.Body
	scope := crdt.Scope(b.Scope)
	if err := b.validClasses(); err != nil {
		return nil, err
	}
	e := &crdt.Entry{
		Log: b.Log.in(scope), Seq: b.Seq, Prev: b.Prev, Stamp: crdt.Stamp(b.Stamp), Officer: b.Officer,
		Pack: crdt.Pack{ID: b.Pack, Version: b.Version}, Epoch: b.Epoch,
		Cites: crdt.Cite{Epoch: b.Cites.Epoch, Index: b.Cites.Index}, Ops: make([]crdt.Op, len(b.Ops)),
	}
	for _, p := range b.Pins {
		log, err := logTable(b.Logs).log(p.Log, scope)
		if err != nil {
			return nil, err
		}
		e.Pins = append(e.Pins, crdt.Pin{Log: log, Seq: p.Seq, Hash: p.Hash})
	}
	records := make([]recordName, len(b.Records))
	for i, r := range b.Records {
		var err error
		if records[i], err = r.decode(b.Logs, scope); err != nil {
			return nil, fmt.Errorf("record %d: %w", i, err)
		}
	}
	keys, err := w.decodeKeys(e)
	if err != nil {
		return nil, err
	}
	for i := range b.Ops {
		if err := b.decodeOp(&e.Ops[i], i, records, keys); err != nil {
			return nil, fmt.Errorf("operation %d: %w", i, err)
		}
	}
	return e, nil
}

// validClasses: entries are of logs, and name branches of them too.
func (b *wireBody) validClasses() error {
	if b.Log.Class > crdt.ClassBulk || slices.ContainsFunc(b.Logs, func(l logName) bool { return !isClass(l.Class) }) {
		return fmt.Errorf("%w: %w: it is of, or names, a log of a class that there isn't", ErrFormat, crdt.ErrEntry)
	}
	return nil
}

// decodeKeys sets the entry's key, or gives those of its operations, of which an
// erased one has none.
func (w *wireEntry) decodeKeys(e *crdt.Entry) (keys [][]byte, err error) {
	if major(w.Keys) == majorBytes {
		return nil, Unmarshal(w.Keys, 1+len(e.Key), &e.Key)
	}
	if err := Unmarshal(w.Keys, len(w.Keys), &keys); err != nil {
		return nil, err
	}
	erased := false
	for _, k := range keys {
		if len(k) != 0 && len(k) != len(crdt.Key{}) {
			return nil, fmt.Errorf("%w: a key of %d bytes", ErrFormat, len(k))
		}
		erased = erased || len(k) == 0
	}
	if len(keys) != len(w.Body.Ops) || !erased {
		return nil, fmt.Errorf("%w: %d keys of %d operations, of which one was erased", ErrFormat, len(keys), len(w.Body.Ops))
	}
	return keys, nil
}

func (b *wireBody) decodeOp(op *crdt.Op, i int, records []recordName, keys [][]byte) error {
	w := &b.Ops[i]
	if w.Record >= uint(len(records)) {
		return fmt.Errorf("%w: record %d of a table of %d", ErrFormat, w.Record, len(records))
	}
	r := records[w.Record]
	over, err := decodeOver(w.Over, b.Logs, crdt.Scope(b.Scope))
	if err != nil {
		return err
	}
	*op = crdt.Op{
		Collection: r.collection, Record: r.ref, Made: r.made, Field: w.Field, Kind: crdt.Kind(w.Kind), Over: over,
	}
	if keys != nil && len(keys[i]) == 0 {
		if len(w.Payload) != len(op.Erased) || crdt.Hash(w.Payload) == (crdt.Hash{}) {
			return fmt.Errorf("%w: an erased operation has a commitment of %d bytes", ErrFormat, len(op.Erased))
		}
		op.Erased = crdt.Hash(w.Payload)
		return nil
	}
	if keys != nil {
		op.Key = crdt.Key(keys[i])
	}
	if err := CheckValue(w.Payload); err != nil {
		return fmt.Errorf("value: %w", err)
	}
	op.Elem, op.Value = splitPayload(op.Kind, w.Payload)
	if op.Kind != crdt.Set {
		return nil
	}
	if err := CheckValue(op.Elem); err != nil {
		return fmt.Errorf("element: %w", err)
	}
	return nil
}

// sameTables compares what decoding an entry and encoding it again could change.
func sameTables(a, b *wireBody) bool {
	return slices.Equal(a.Logs, b.Logs) &&
		slices.EqualFunc(a.Records, b.Records, func(x, y wireRecordName) bool {
			return x.Collection == y.Collection && bytes.Equal(x.Record, y.Record) && slices.Equal(x.Made, y.Made)
		}) &&
		slices.EqualFunc(a.Ops, b.Ops, func(x, y wireOp) bool {
			return x.Record == y.Record && bytes.Equal(x.Payload, y.Payload)
		})
}

// Hash is the chain hash of an entry: of its structure, in which commitments
// stand for payloads. It holds the hash before it, so it covers the log's whole
// prefix, and an erasure doesn't change it. The entry must be valid.
func Hash(e *crdt.Entry) (crdt.Hash, error) {
	body, err := bodyOf(e, committed)
	if err != nil {
		return crdt.Hash{}, err
	}
	b, err := Marshal(body)
	if err != nil {
		return crdt.Hash{}, err
	}
	return tagged("vungxa entry 1", b), nil
}

// ChainHash is Hash of an entry in its carried form. Bytes that are no entry
// hash too, to what no entry does.
func ChainHash(entry []byte) crdt.Hash {
	e, err := DecodeEntry(entry)
	if err != nil {
		return tagged("vungxa bytes 1", entry)
	}
	h, err := Hash(e)
	if err != nil {
		return tagged("vungxa bytes 1", entry)
	}
	return h
}

func tagged(domain string, b []byte) crdt.Hash {
	h := sha256.New()
	h.Write([]byte(domain))
	h.Write([]byte{0})
	h.Write(b)
	return crdt.Hash(h.Sum(nil))
}

// ForkName is the incarnation under which a branch goes on that doesn't keep its
// log's name, given the chain hash of the first entry in which it differs. Its class
// has 0x80 added, which no log that anyone writes has: the name can't be taken.
func ForkName(first crdt.Hash) crdt.Incarnation {
	h := tagged("vungxa fork 1", first[:])
	return crdt.Incarnation(h[:8])
}

func noSuchOp(i, n int) error {
	return fmt.Errorf("%w: operation %d of %d", ErrFormat, i, n)
}
