package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
)

// Scrubbed is what Scrub read.
type Scrubbed struct {
	Keys, Entries uint64
	Damage        []Damage // all that is known now
}

// scrubPiece is how many keys one transaction of Scrub reads.
const scrubPiece = 8192

// Scrub reads everything: each table's digest that wasn't held to since the store was
// opened, each value's MAC, that each log has all its entries up to
// its head and each entry the hash of the one before it, and that the newest seal is
// there. What is wrong is on the damage list then, and what was and isn't any more is
// struck off. The store may be used meanwhile; progress, if set, is told of the keys
// read.
func (s *Store) Scrub(ctx context.Context, progress func(keys uint64)) (Scrubbed, error) {
	if err := s.readRest(ctx); err != nil {
		return Scrubbed{}, fmt.Errorf("scrub: %w", err)
	}
	w := &walk{store: s, logs: map[uint32]Log{}, chains: map[uint32]*chain{}}
	if err := s.View(w.readLogs); err != nil {
		return w.done, fmt.Errorf("scrub: %w", err)
	}
	for w.at = []byte{}; w.at != nil; {
		if err := ctx.Err(); err != nil {
			return w.done, err
		}
		if err := s.View(w.piece); err != nil {
			return w.done, fmt.Errorf("scrub: %w", err)
		}
		if progress != nil {
			progress(w.done.Keys)
		}
	}
	if err := s.View(w.endLogs); err != nil {
		return w.done, fmt.Errorf("scrub: %w", err)
	}
	s.replaceFound(w)
	w.done.Damage = s.Damage()
	return w.done, nil
}

// walk is one pass of Scrub.
type walk struct {
	store  *Store
	at     []byte // after this key comes the next piece; nil at the end
	logs   map[uint32]Log
	chains map[uint32]*chain
	found  []Damage
	holes  []Want
	done   Scrubbed
}

// chain is how far a log was followed.
type chain struct {
	seq  uint64
	hash crdt.Hash
}

// readLogs takes the heads that the walk holds the entries to.
func (w *walk) readLogs(tx *Tx) error {
	scan := Scan{Prefix: []byte{keyLog}, Damaged: func([]byte) bool { return true }} // the walk comes by it
	return tx.scanAll(scan, func(k, v []byte) (bool, error) {
		l, err := decodeLog(binary.BigEndian.Uint32(k[1:]), v)
		if err != nil {
			w.bad(k)
			return true, nil
		}
		w.logs[l.number] = l
		return true, nil
	})
}

func (w *walk) bad(key []byte) {
	w.found = append(w.found, Damage{Kind: DamagedValue, Place: place(key), first: bytes.Clone(key), last: bytes.Clone(key)})
}

func (w *walk) piece(tx *Tx) error {
	n, last := 0, []byte(nil)
	scan := Scan{Prefix: []byte{}, Damaged: func(key []byte) bool {
		w.bad(key)
		return true
	}}
	if len(w.at) > 0 {
		scan.After = w.at
	}
	err := tx.scanAll(scan, func(k, v []byte) (bool, error) {
		w.done.Keys++
		if k[0] == keyEntry && len(k) == 13 {
			w.entry(k, v)
		}
		if k[0] == keyRecord {
			w.record(k, v)
		}
		if n++; n == scrubPiece {
			last = bytes.Clone(k)
		}
		return n < scrubPiece, nil
	})
	w.at = last
	return err
}

// scanAll is Scan where nothing is believed beforehand.
func (t *Tx) scanAll(s Scan, f func(key, value []byte) (bool, error)) error {
	for {
		last, err := t.scanSome(s, nil, f)
		if err != nil || last == nil {
			return err
		}
		s.After = last
	}
}

// entry follows a log by one entry.
func (w *walk) entry(key, value []byte) {
	number, seq := binary.BigEndian.Uint32(key[1:]), binary.BigEndian.Uint64(key[5:])
	c := w.chains[number]
	if c == nil {
		c = &chain{}
		w.chains[number] = c
	}
	w.done.Entries++
	w.hole(number, c.seq+1, seq-1)
	stored, _ := decodeStored(value)
	e, err := wire.DecodeEntry(stored.Raw)
	hash := wire.ChainHash(stored.Raw)
	if err != nil || hash != stored.Hash || c.seq == seq-1 && e.Prev != c.hash {
		w.bad(key)
	}
	c.seq, c.hash = seq, hash
}

func (w *walk) record(key, value []byte) {
	if _, err := wire.DecodeRecord(value); err != nil {
		w.bad(key)
	}
}

func (w *walk) hole(number uint32, from, to uint64) {
	l, ok := w.logs[number]
	from = max(from, l.Dropped.Seq+1) // what compaction took away is no hole
	if ok && from <= to && from <= l.Head.Seq {
		w.holes = append(w.holes, Want{l.ID, from, min(to, l.Head.Seq)})
	}
}

// endLogs looks at the end of each log, and once more at each hole: the office may
// have worked meanwhile.
func (w *walk) endLogs(tx *Tx) error {
	for number, l := range w.logs {
		c := w.chains[number]
		if c == nil {
			c = &chain{}
		}
		w.hole(number, c.seq+1, l.Head.Seq)
		if c.seq == l.Head.Seq && c.hash != l.Head.Hash && l.Head.Seq > 0 {
			w.bad(numberKey(keyLog, number))
		}
		if l.Sealed.Seq > 0 && !tx.whole(seqKey(keySeal, number, l.Sealed.Seq)) {
			w.bad(seqKey(keySeal, number, l.Sealed.Seq))
		}
	}
	for _, hole := range w.holes {
		l, err := tx.Log(hole.Log)
		if node.CodeOf(err) == node.Damaged {
			continue // on the list
		}
		if err != nil {
			return err
		}
		for seq := hole.From; seq <= min(hole.To, l.Head.Seq); seq++ {
			if !tx.whole(seqKey(keyEntry, l.number, seq)) {
				w.gap(hole.Log, seq)
			}
		}
	}
	return nil
}

// whole says whether there is a key with a good value.
func (t *Tx) whole(key []byte) bool {
	b, err := t.Get(key)
	return err == nil && b != nil
}

// gap adds an entry to the damage, or to the gap that it continues.
func (w *walk) gap(id crdt.LogID, seq uint64) {
	if n := len(w.found) - 1; n >= 0 && w.found[n].Kind == DamagedLog && w.found[n].Log == id && w.found[n].To == seq-1 {
		w.found[n].To = seq
		return
	}
	w.found = append(w.found, Damage{Kind: DamagedLog, Place: "log", Log: id, From: seq, To: seq})
}

// replaceFound puts what a whole walk found in the place of what was known of
// values and logs. That a log was once longer stays known until it is again. A file
// that was put right stays on the list until the store was opened once more, with
// nothing wrong with the file, and then read without finding anything.
func (s *Store) replaceFound(w *walk) {
	heads := map[crdt.LogID]uint64{}
	for _, l := range w.logs {
		heads[l.ID] = l.Head.Seq
	}
	clean := len(w.found) == 0 && !s.distrusted()
	s.state.Lock()
	s.damage = slices.DeleteFunc(s.damage, func(d Damage) bool {
		right := clean && d.Kind == DamagedFile && slices.ContainsFunc(s.earlier, d.same)
		if right && s.opts.Log != nil {
			s.opts.Log.Info("a damaged file of the store was put right", "file", d.Place, "found", d.Since)
		}
		mended := right || d.Kind == DamagedValue || d.Kind == DamagedLog && d.To <= heads[d.Log]
		again := slices.ContainsFunc(w.found, d.same)
		s.unwritten = s.unwritten || mended && !again
		return mended && !again
	})
	s.state.Unlock()
	for _, d := range w.found {
		s.found(d)
	}
}

// Restore puts entries that were gone back into their hole in a log. They are
// verified: they have to fit the entry before the hole and the one after it, or
// the head. The records that they write are rebuilt by the engine.
func (t *Tx) Restore(l Log, first uint64, entries [][]byte) error {
	last := first + uint64(len(entries)) - 1
	if len(entries) == 0 || first == 0 || last > l.Head.Seq {
		return node.Errorf(node.Invalid, "Các mục không thuộc nhật ký này.", "the entries are not of this log")
	}
	want, err := t.hashBefore(l, last+1)
	if err != nil {
		return err
	}
	filled := make([]Stored, len(entries))
	for i := len(entries) - 1; i >= 0; i-- {
		if wire.ChainHash(entries[i]) != want {
			return node.Errorf(node.Conflict, "Mục %d không khớp với nhật ký.", "entry %d doesn't fit its log", first+uint64(i))
		}
		e, err := wire.DecodeEntry(entries[i])
		if err != nil {
			return err
		}
		filled[i] = Stored{Raw: entries[i], Hash: want, Cite: e.Cites}
		want = e.Prev
	}
	return t.fill(l, first, filled)
}

// fill writes entries into a hole, each with what it cites or inherits.
func (t *Tx) fill(l Log, first uint64, entries []Stored) error {
	var cite crdt.Cite
	if first > l.Dropped.Seq+1 {
		before, err := t.Stored(l, first-1)
		if err != nil {
			return fmt.Errorf("fill from the first entry of the hole on: %w", err)
		}
		cite = before.Cite
	}
	for i, e := range entries {
		if e.Cite.Compare(cite) < 0 {
			e.Cite = cite
		}
		cite = e.Cite
		if err := t.PutEntry(l, first+uint64(i), e); err != nil {
			return err
		}
	}
	return nil
}

// hashBefore is the hash that the entry at seq gives as that of the one before it;
// past the head, the head's.
func (t *Tx) hashBefore(l Log, seq uint64) (crdt.Hash, error) {
	if seq > l.Head.Seq {
		return l.Head.Hash, nil
	}
	b, err := t.Entry(l, seq)
	if err != nil {
		return crdt.Hash{}, err
	}
	e, err := wire.DecodeEntry(b)
	if err != nil {
		return crdt.Hash{}, err
	}
	return e.Prev, nil
}
