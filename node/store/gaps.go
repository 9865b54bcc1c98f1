package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
)

// Gaps gives, of each log that the damage list names, the first entry that can't be
// read, or the newest sealed one whose seal can't.
func (t *Tx) Gaps() (map[crdt.LogID]uint64, error) {
	gaps := map[crdt.LogID]uint64{}
	for _, d := range t.store.Damage() {
		l, from, to, err := t.pieceOf(d)
		if err != nil {
			return nil, err
		}
		for seq := max(from, l.Dropped.Seq+1); seq <= min(to, l.Head.Seq); seq++ {
			sound, err := t.soundAt(l, seq)
			if err != nil {
				return nil, err
			}
			if first, known := gaps[l.ID]; !sound && (!known || seq < first) {
				gaps[l.ID] = seq
			}
			if !sound {
				break
			}
		}
	}
	return gaps, nil
}

// pieceOf is the piece of a log that an item of the damage list is about; of a log
// with no entries if it is about none.
func (t *Tx) pieceOf(d Damage) (l Log, from, to uint64, err error) {
	if d.Kind == DamagedLog {
		l, err = t.Log(d.Log)
		return l, d.From, d.To, err
	}
	number, seq, ok := entryOf(d)
	if !ok {
		return Log{}, 0, 0, nil
	}
	l, err = t.logAt(number)
	return l, seq, seq, err
}

// entryOf is the entry, by its log's number, that a damaged value is, or seals.
func entryOf(d Damage) (number uint32, seq uint64, ok bool) {
	if d.Kind != DamagedValue || len(d.first) != 13 || !immutable(d.first) {
		return 0, 0, false
	}
	return binary.BigEndian.Uint32(d.first[1:]), binary.BigEndian.Uint64(d.first[5:]), true
}

// soundAt says whether an entry can be read, and its seal if that is the newest.
func (t *Tx) soundAt(l Log, seq uint64) (bool, error) {
	_, err := t.Stored(l, seq)
	if err == nil && seq == l.Sealed.Seq {
		_, err = t.SealAt(l, seq)
	}
	if node.CodeOf(err) == node.Damaged || errors.Is(err, ErrNoSeal) {
		return false, nil
	}
	return err == nil, err
}

// ErrNoSeal says that there is no seal at a seq.
var ErrNoSeal = errors.New("no seal is stored there")

// SealAt is the seal of a log at a seq.
func (t *Tx) SealAt(l Log, seq uint64) (seal wire.Seal, err error) {
	key := seqKey(keySeal, l.number, seq)
	b, err := t.Get(key)
	if err != nil {
		return seal, err
	}
	if b == nil {
		return seal, ErrNoSeal
	}
	return t.decodeSeal(key, b)
}

// SealedBelow is the newest sealed entry below a seq whose seal can be read, or the
// last that was dropped if that is newer: the zero Head where there is neither.
func (t *Tx) SealedBelow(l Log, seq uint64) (head crdt.Head, err error) {
	scan := Scan{
		Prefix: numberKey(keySeal, l.number), After: seqKey(keySeal, l.number, seq), Reverse: true,
		Damaged: func([]byte) bool { return true }, // it is on the list
	}
	err = t.Scan(scan, func(k, v []byte) (bool, error) {
		seal, err := t.decodeSeal(k, v)
		if err != nil {
			return true, nil
		}
		head = seal.Head()
		return false, nil
	})
	if head.Seq < l.Dropped.Seq {
		head = l.Dropped
	}
	return head, err
}

// DamagedSeals gives the places of the seals on the damage list.
func (t *Tx) DamagedSeals() (seals []crdt.Pos, err error) {
	for _, d := range t.store.Damage() {
		number, seq, ok := entryOf(d)
		if !ok || d.first[0] != keySeal {
			continue
		}
		l, err := t.logAt(number)
		if err != nil {
			return nil, err
		}
		seals = append(seals, crdt.Pos{Log: l.ID, Seq: seq})
	}
	return seals, nil
}

// DropSeal takes a seal away that a newer one covers.
func (t *Tx) DropSeal(l Log, seq uint64) error {
	if seq >= l.Sealed.Seq {
		return node.Errorf(node.Invalid, "Chữ ký niêm phong %d là chữ ký cuối của nhật ký %v.", "seal %d is the newest of log %v", seq, l.ID)
	}
	return t.Delete(seqKey(keySeal, l.number, seq))
}

// DamagedRecords gives the places of the records on the damage list, of those that
// are read now.
func (t *Tx) DamagedRecords() (places [][]byte, err error) {
	head, err := t.recordsKey(nil)
	if err != nil {
		return nil, err
	}
	for _, d := range t.store.Damage() {
		if place, ok := bytes.CutPrefix(d.first, head); ok && d.Kind == DamagedValue {
			places = append(places, place)
		}
	}
	return places, nil
}

// Recheck looks again at every value and log on the damage list, and strikes off
// what can be read now. It is durable on return.
func (s *Store) Recheck() error {
	mended := map[string]bool{}
	err := s.View(func(tx *Tx) error {
		for _, d := range s.Damage() {
			sound, err := tx.mended(d)
			if err != nil {
				return err
			}
			mended[d.name()] = sound
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.Settle(func(d Damage) bool { return mended[d.name()] })
}

// name tells an item of the list from the others.
func (d Damage) name() string {
	return fmt.Sprintf("%s %s %v %d %d %x", d.Kind, d.Place, d.Log, d.From, d.To, d.first)
}

func (t *Tx) mended(d Damage) (bool, error) {
	if d.Kind != DamagedLog && d.Kind != DamagedValue {
		return false, nil
	}
	if _, _, entry := entryOf(d); d.Kind == DamagedValue && (!entry || d.first[0] == keySeal) {
		return t.reads(d.first)
	}
	l, from, to, err := t.pieceOf(d)
	if err != nil || to > l.Head.Seq {
		return false, err
	}
	for seq := max(from, l.Dropped.Seq+1); seq <= to; seq++ {
		if sound, err := t.soundAt(l, seq); err != nil || !sound {
			return false, err
		}
	}
	return true, nil
}

// reads says whether a value can be read, and a record understood.
func (t *Tx) reads(key []byte) (bool, error) {
	b, err := t.Get(key)
	if err == nil && b != nil && key[0] == keyRecord {
		_, err = wire.DecodeRecord(b)
		return err == nil, nil
	}
	if err == nil && b != nil && key[0] == keySeal {
		_, err = t.decodeSeal(key, b)
	}
	if node.CodeOf(err) == node.Damaged {
		return false, nil
	}
	return err == nil, err
}
