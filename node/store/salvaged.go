package store

import (
	"encoding/binary"
	"errors"
	"strings"

	"github.com/dgraph-io/badger/v4"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
)

// Piece is a run of a log's entries without a gap.
type Piece struct {
	Log     crdt.LogID
	First   uint64
	Entries [][]byte    // carried
	Seals   []wire.Seal // over entries of it, in order
}

// Last is the seq of its last entry.
func (p *Piece) Last() uint64 { return p.First + uint64(len(p.Entries)) - 1 }

// pieceBytes bounds a piece, in bytes of entries. It ends at a seal if one is near.
const pieceBytes = 512 << 10

// Pieces calls f with all entries that were found, log by log.
func (s *Salvaged) Pieces(f func(Piece) error) error {
	return s.view(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{keyEntry}})
		defer it.Close()
		var p Piece
		var number uint32
		size := 0
		give := func() error {
			if len(p.Entries) == 0 {
				return nil
			}
			err := s.seals(txn, number, &p)
			if err == nil {
				err = f(p)
			}
			p, size = Piece{}, 0
			return err
		}
		for it.Rewind(); it.Valid(); it.Next() {
			key := it.Item().Key()
			b, err := it.Item().ValueCopy(nil)
			if err != nil {
				return err
			}
			stored, ok := decodeStored(b)
			if len(key) != 13 || !ok {
				continue
			}
			e, err := wire.DecodeEntry(stored.Raw)
			if err != nil || e.Seq != binary.BigEndian.Uint64(key[5:]) {
				continue // of a good MAC, so a fault of the program's; it can't be applied
			}
			follows := len(p.Entries) > 0 && e.Log == p.Log && e.Seq == p.Last()+1
			if !follows || size+len(stored.Raw) > pieceBytes || len(p.Entries) == wire.MaxSegmentEntries {
				if err := give(); err != nil {
					return err
				}
				p.Log, p.First, number = e.Log, e.Seq, binary.BigEndian.Uint32(key[1:])
			}
			p.Entries, size = append(p.Entries, stored.Raw), size+len(stored.Raw)
		}
		return give()
	})
}

// seals finds the seals over a piece's entries.
func (s *Salvaged) seals(txn *badger.Txn, number uint32, p *Piece) error {
	it := txn.NewIterator(badger.IteratorOptions{Prefix: numberKey(keySeal, number)})
	defer it.Close()
	for it.Seek(seqKey(keySeal, number, p.First)); it.Valid(); it.Next() {
		b, err := it.Item().ValueCopy(nil)
		if err != nil {
			return err
		}
		var seal wire.Seal
		if wire.Unmarshal(b, MaxValue, &seal) != nil || seal.Seq > p.Last() {
			break
		}
		p.Seals = append(p.Seals, seal)
	}
	return nil
}

// Locals calls f with the local items that were found, by kind and name.
func (s *Salvaged) Locals(f func(kind, name string, value []byte) error) error {
	return s.each(keyLocal, func(key, value []byte) error {
		kind, name, ok := strings.Cut(string(key[1:]), "\x00")
		if !ok {
			return nil
		}
		return f(kind, name, value)
	})
}

// Meta is the newest copy of a single item that was found; nil where there is none.
func (s *Salvaged) Meta(name string) (value []byte, err error) {
	err = s.view(func(txn *badger.Txn) error {
		item, err := txn.Get(metaKey(name))
		if errors.Is(err, badger.ErrKeyNotFound) {
			return nil
		}
		if err == nil {
			value, err = item.ValueCopy(nil)
		}
		return err
	})
	return value, err
}

// Heads are the heads that the logs had, by the heads file and by what was found.
func (s *Salvaged) Heads() (map[crdt.LogID]crdt.Head, error) {
	heads := map[crdt.LogID]crdt.Head{}
	for id, h := range s.known.heads {
		heads[id] = h
	}
	err := s.each(keyLog, func(key, value []byte) error {
		if len(key) != 5 {
			return nil
		}
		if l, err := decodeLog(binary.BigEndian.Uint32(key[1:]), value); err == nil && l.Head.Seq > heads[l.ID].Seq {
			heads[l.ID] = l.Head
		}
		return nil
	})
	return heads, err
}

func (s *Salvaged) each(kind byte, f func(key, value []byte) error) error {
	return s.eachAt([]byte{kind}, f)
}

func (s *Salvaged) eachAt(prefix []byte, f func(key, value []byte) error) error {
	return s.view(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: prefix})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			value, err := it.Item().ValueCopy(nil)
			if err != nil {
				return err
			}
			if err := f(it.Item().Key(), value); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Salvaged) view(f func(*badger.Txn) error) error {
	txn := s.db.NewTransactionAt(^uint64(0)-1, false)
	defer txn.Discard()
	return f(txn)
}
