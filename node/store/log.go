package store

import (
	"encoding/binary"
	"errors"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
)

// Log is what the store knows of a log: Head is its last entry, Sealed the last
// one that a seal covers. Between them lie entries that no one else may see.
type Log struct {
	ID     crdt.LogID
	Head   crdt.Head
	Sealed crdt.Head
	// Dropped is the last entry that compaction has taken away, with all before it;
	// the zero Head where none is.
	Dropped crdt.Head
	// Cite is the checkpoint that the last entry cites, or inherits.
	Cite crdt.Cite
	// Unsealed is how many bytes of entries lie past Sealed.
	Unsealed uint64
	number   uint32
}

type storedLog struct {
	_           struct{} `cbor:",toarray"`
	Scope       string
	Class       uint8
	Device      crdt.Device
	Incarnation crdt.Incarnation
	HeadSeq     uint64
	HeadHash    crdt.Hash
	SealedSeq   uint64
	SealedHash  crdt.Hash
	Unsealed    uint64
	DroppedSeq  uint64
	DroppedHash crdt.Hash
	CiteEpoch   uint64
	CiteIndex   uint64
}

// Log is the state of a log; an empty one where nothing of it is stored.
func (t *Tx) Log(id crdt.LogID) (Log, error) {
	b, err := t.Get(logNameKey(id))
	if err != nil || b == nil {
		return Log{ID: id}, err
	}
	return t.logAt(binary.BigEndian.Uint32(b))
}

func (t *Tx) logAt(number uint32) (Log, error) {
	b, err := t.Get(numberKey(keyLog, number))
	if err != nil {
		return Log{}, err
	}
	return decodeLog(number, b)
}

func decodeLog(number uint32, b []byte) (Log, error) {
	var s storedLog
	if err := wire.Unmarshal(b, MaxValue, &s); err != nil {
		return Log{}, node.Errorf(node.Damaged, "Nhật ký số %d bị hỏng: %w", "log number %d is damaged: %w", number, err)
	}
	return Log{
		ID:       crdt.LogID{Device: s.Device, Incarnation: s.Incarnation, Scope: crdt.Scope(s.Scope), Class: crdt.Class(s.Class)},
		Head:     crdt.Head{Seq: s.HeadSeq, Hash: s.HeadHash},
		Sealed:   crdt.Head{Seq: s.SealedSeq, Hash: s.SealedHash},
		Dropped:  crdt.Head{Seq: s.DroppedSeq, Hash: s.DroppedHash},
		Cite:     crdt.Cite{Epoch: s.CiteEpoch, Index: s.CiteIndex},
		Unsealed: s.Unsealed, number: number,
	}, nil
}

// Logs calls f with every log.
func (t *Tx) Logs(f func(Log) error) error {
	return t.Scan(Scan{Prefix: []byte{keyLog}, Values: true}, func(k, v []byte) (bool, error) {
		l, err := decodeLog(binary.BigEndian.Uint32(k[1:]), v)
		if err != nil {
			return false, err
		}
		return true, f(l)
	})
}

func (t *Tx) putLog(l *Log) error {
	if l.number == 0 {
		if err := t.number(l); err != nil {
			return err
		}
	}
	b, err := wire.Marshal(storedLog{
		Scope: string(l.ID.Scope), Class: uint8(l.ID.Class), Device: l.ID.Device, Incarnation: l.ID.Incarnation,
		HeadSeq: l.Head.Seq, HeadHash: l.Head.Hash, SealedSeq: l.Sealed.Seq, SealedHash: l.Sealed.Hash,
		Unsealed: l.Unsealed, DroppedSeq: l.Dropped.Seq, DroppedHash: l.Dropped.Hash,
		CiteEpoch: l.Cite.Epoch, CiteIndex: l.Cite.Index,
	})
	if err != nil {
		return err
	}
	t.does.moved[l.ID] = l.Head
	return t.Put(numberKey(keyLog, l.number), b)
}

// number gives a new log its number, which stands for its name in keys.
func (t *Tx) number(l *Log) error {
	b, err := t.Meta("logs")
	if err != nil {
		return err
	}
	l.number = 1
	if b != nil {
		l.number = binary.BigEndian.Uint32(b) + 1
	}
	n := binary.BigEndian.AppendUint32(nil, l.number)
	if err := t.PutMeta("logs", n); err != nil {
		return err
	}
	return t.Put(logNameKey(l.ID), n)
}

// Stored is an entry as it lies here: its carried bytes, and what is known of it
// besides, so that neither needs a walk along the log.
type Stored struct {
	Raw  []byte
	Hash crdt.Hash // the chain hash there
	Cite crdt.Cite // the checkpoint that it cites, or inherits
}

// entryHead is how many bytes of a stored entry come before its carried form.
const entryHead = 32 + 8 + 8

func (e Stored) encode() []byte {
	b := append(make([]byte, 0, entryHead+len(e.Raw)), e.Hash[:]...)
	b = binary.BigEndian.AppendUint64(b, e.Cite.Epoch)
	b = binary.BigEndian.AppendUint64(b, e.Cite.Index)
	return append(b, e.Raw...)
}

func decodeStored(b []byte) (Stored, bool) {
	if len(b) <= entryHead {
		return Stored{}, false
	}
	return Stored{
		Raw: b[entryHead:], Hash: crdt.Hash(b[:32]),
		Cite: crdt.Cite{Epoch: binary.BigEndian.Uint64(b[32:]), Index: binary.BigEndian.Uint64(b[40:])},
	}, true
}

// Append writes the log's next entry and moves its head. The caller has checked
// that the entry follows the head, and has set l.Cite to what it cites.
func (t *Tx) Append(l *Log, raw []byte) error {
	e := Stored{Raw: raw, Hash: wire.ChainHash(raw), Cite: l.Cite}
	l.Head = crdt.Head{Seq: l.Head.Seq + 1, Hash: e.Hash}
	l.Unsealed += uint64(len(raw))
	if err := t.putLog(l); err != nil {
		return err
	}
	return t.Put(seqKey(keyEntry, l.number, l.Head.Seq), e.encode())
}

// PutEntry writes an entry again that the log's head covers: one of which payloads
// were erased, or one that fills a hole. The caller has verified it.
func (t *Tx) PutEntry(l Log, seq uint64, e Stored) error {
	return t.Put(seqKey(keyEntry, l.number, seq), e.encode())
}

// DropNext takes away the entry after the last dropped one; what remains of it is its
// chain hash.
func (t *Tx) DropNext(l *Log) error {
	seq := l.Dropped.Seq + 1
	e, err := t.Stored(*l, seq)
	if err != nil {
		return err
	}
	l.Dropped = crdt.Head{Seq: seq, Hash: e.Hash}
	if err := t.putLog(l); err != nil {
		return err
	}
	return t.Delete(seqKey(keyEntry, l.number, seq))
}

// Seal writes a seal of the log and, if it is the newest, moves what is sealed.
func (t *Tx) Seal(l *Log, seal wire.Seal) error {
	b, err := wire.Marshal(seal)
	if err != nil {
		return err
	}
	if err := t.Put(seqKey(keySeal, l.number, seal.Seq), b); err != nil {
		return err
	}
	if seal.Seq > l.Sealed.Seq {
		l.Sealed = seal.Head()
	}
	if l.Sealed == l.Head {
		l.Unsealed = 0
	}
	return t.putLog(l)
}

// ErrDropped is wrapped by errors about entries that compaction took away.
var ErrDropped = errors.New("dropped by compaction")

// Entry is the carried bytes of an entry.
func (t *Tx) Entry(l Log, seq uint64) ([]byte, error) {
	e, err := t.Stored(l, seq)
	return e.Raw, err
}

// Stored is an entry with what is known of it besides. One that the log's head
// covers, that was not dropped and that isn't there is damage.
func (t *Tx) Stored(l Log, seq uint64) (Stored, error) {
	if seq <= l.Dropped.Seq {
		return Stored{}, node.Errorf(node.NotFound, "Mục %d của nhật ký %v đã được nén: %w", "entry %d of log %v: %w", seq, l.ID, ErrDropped)
	}
	b, err := t.Get(seqKey(keyEntry, l.number, seq))
	if err != nil {
		return Stored{}, err
	}
	if b == nil {
		return Stored{}, node.Errorf(node.Damaged, "Thiếu mục %d của nhật ký %v.", "entry %d of log %v is missing", seq, l.ID)
	}
	e, ok := decodeStored(b)
	if !ok {
		return Stored{}, node.Errorf(node.Damaged, "Mục %d của nhật ký %v bị hỏng.", "entry %d of log %v is damaged", seq, l.ID)
	}
	return e, nil
}

// HashAt is the chain hash of a log at a seq that its head covers.
func (t *Tx) HashAt(l Log, seq uint64) (crdt.Hash, error) {
	switch seq {
	case l.Head.Seq:
		return l.Head.Hash, nil
	case l.Dropped.Seq:
		return l.Dropped.Hash, nil
	}
	e, err := t.Stored(l, seq)
	return e.Hash, err
}

// Seals calls f with the seals of a log past a seq, in order, until f is done.
func (t *Tx) Seals(l Log, after uint64, f func(wire.Seal) (more bool, err error)) error {
	scan := Scan{Prefix: numberKey(keySeal, l.number), After: seqKey(keySeal, l.number, after), Values: true}
	return t.Scan(scan, func(k, v []byte) (bool, error) {
		s, err := t.decodeSeal(k, v)
		if err != nil {
			return false, err
		}
		return f(s)
	})
}

// SoundSeals is Seals for who wants any seals: those that can't be read are passed
// over, since the next covers what they did. That the newest is one of them is an
// error.
func (t *Tx) SoundSeals(l Log, after uint64, f func(wire.Seal) (more bool, err error)) error {
	scan := Scan{
		Prefix: numberKey(keySeal, l.number), After: seqKey(keySeal, l.number, after), Values: true,
		Damaged: func([]byte) bool { return true }, // it is on the list
	}
	more := after < l.Sealed.Seq
	err := t.Scan(scan, func(k, v []byte) (bool, error) {
		s, err := t.decodeSeal(k, v)
		if err != nil {
			return true, nil
		}
		more, err = f(s)
		more = more && s.Seq < l.Sealed.Seq
		return more, err
	})
	if err == nil && more {
		return node.Errorf(node.Damaged, "Thiếu chữ ký niêm phong cuối cùng của nhật ký %v.", "the newest seal of log %v is missing", l.ID)
	}
	return err
}

// decodeSeal reads a seal. One that can't be read goes on the list.
func (t *Tx) decodeSeal(key, value []byte) (s wire.Seal, err error) {
	if wire.Unmarshal(value, MaxValue, &s) != nil {
		return s, t.store.badValue(key)
	}
	return s, nil
}
