package store

import (
	"context"
	"encoding/binary"
	"errors"
	"iter"

	"github.com/dgraph-io/badger/v4"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
)

// What compaction took out of the logs is in the records alone. Where it did, they are
// worth saving: as a snapshot, on which the entries that are left follow.

// Compacted is where a log goes on behind what compaction took away: the last entry
// that is gone, and the checkpoint that it cited or inherited.
type Compacted struct {
	Head crdt.Head
	Cite crdt.Cite
}

// Compacted are the logs of which compaction took entries away, by what was found.
func (s *Salvaged) Compacted() (map[crdt.LogID]Compacted, error) {
	logs := map[crdt.LogID]Compacted{}
	err := s.view(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{keyLog}})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			b, err := it.Item().ValueCopy(nil)
			if err != nil {
				return err
			}
			key := it.Item().Key()
			if len(key) != 5 {
				continue
			}
			l, err := decodeLog(binary.BigEndian.Uint32(key[1:]), b)
			if err != nil || l.Dropped.Seq == 0 {
				continue
			}
			if l.Cite, err = citeAfter(txn, l); err != nil {
				return err
			}
			logs[l.ID] = Compacted{l.Dropped, l.Cite}
		}
		return nil
	})
	return logs, err
}

// citeAfter is what the first entry that is left cites or inherits, which is not older
// than what the one before it did; the log's own where no entry is left.
func citeAfter(txn *badger.Txn, l Log) (crdt.Cite, error) {
	item, err := txn.Get(seqKey(keyEntry, l.number, l.Dropped.Seq+1))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return l.Cite, nil
	}
	if err != nil {
		return l.Cite, err
	}
	b, err := item.ValueCopy(nil)
	if e, ok := decodeStored(b); ok {
		return e.Cite, err
	}
	return l.Cite, err
}

// Records are those of the generation that was read, each in the newest copy that can
// be read. It reads the store's files once more. An error ends them.
func (s *Salvaged) Records(ctx context.Context) iter.Seq2[*crdt.Record, error] {
	return func(yield func(*crdt.Record, error) bool) {
		err := s.pass(ctx, recordKinds)
		var g Generations
		if err == nil {
			b, metaErr := s.Meta(metaGenerations)
			if g, err = decodeGenerations(b); err == nil {
				err = metaErr
			}
		}
		if err == nil {
			err = s.eachAt(numberKey(keyRecord, g.Records), func(_, value []byte) error {
				r, err := wire.DecodeRecord(value)
				if err != nil {
					s.ValuesBad++ // of a good MAC, so a fault of the program's
					return nil
				}
				if !yield(r, nil) {
					return errEnough
				}
				return ctx.Err()
			})
		}
		if err != nil && !errors.Is(err, errEnough) {
			yield(nil, err)
		}
	}
}

var errEnough = errors.New("no more is wanted")
