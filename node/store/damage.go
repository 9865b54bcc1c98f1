package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
)

// DamageKind says what kind of thing is wrong.
type DamageKind string

// The kinds of damage.
const (
	DamagedFile  DamageKind = "file"  // a file wasn't as it was written; the store goes on without what was wrong in it
	DamagedRange DamageKind = "range" // what lies between two keys can't be believed, until the store is repaired
	DamagedLog   DamageKind = "log"   // entries of a log are gone
	DamagedValue DamageKind = "value" // one stored value isn't as it was written
)

// Damage is something that isn't as it was written. It names kinds and numbers,
// and never what a record says.
type Damage struct {
	Kind  DamageKind
	Place string    // a file, a kind of key, a log
	Since time.Time // when it was first seen
	// Of a log: which, and its first and last entry that are gone.
	Log      crdt.LogID
	From, To uint64
	// Of a range and of a value: the first and last key. They can be personal.
	first, last []byte
}

// Want is a piece of a log that is gone here and that a peer may have.
type Want struct {
	Log      crdt.LogID
	From, To uint64 // first and last entry
}

// Damage lists what is wrong with the store, as far as it is known.
func (s *Store) Damage() []Damage {
	s.state.Lock()
	defer s.state.Unlock()
	return slices.Clone(s.damage)
}

// Wants lists the entries that are gone, to be asked for from peers.
func (s *Store) Wants() []Want {
	var wants []Want
	for _, d := range s.Damage() {
		if d.Kind == DamagedLog {
			wants = append(wants, Want{d.Log, d.From, d.To})
		}
	}
	return wants
}

// Settle strikes those off the list that done says are mended or have been seen
// by someone who decided to live with them. It is durable on return.
func (s *Store) Settle(done func(Damage) bool) error {
	s.write.Lock()
	defer s.write.Unlock()
	s.state.Lock()
	s.damage = slices.DeleteFunc(s.damage, done)
	s.doubt.Store(slices.ContainsFunc(s.damage, func(d Damage) bool { return d.Kind == DamagedRange }))
	s.state.Unlock()
	return s.noteDamage()
}

// ReadOnly says that nothing is written, because nobody knows how far damage goes,
// until the store was repaired.
func (s *Store) ReadOnly() bool { return s.distrusted() }

// distrusted says whether some of the store can't be believed.
func (s *Store) distrusted() bool { return s.doubt.Load() }

// found puts something on the list, once.
func (s *Store) found(d Damage) {
	if s.opts.Now != nil {
		d.Since = s.opts.Now()
	}
	s.remember(d)
	s.state.Lock()
	s.earlier = slices.DeleteFunc(s.earlier, d.same)
	s.state.Unlock()
}

func (s *Store) remember(d Damage) {
	s.state.Lock()
	defer s.state.Unlock()
	if !slices.ContainsFunc(s.damage, d.same) {
		s.damage = append(s.damage, d)
		s.unwritten = true
		s.doubt.Store(s.doubt.Load() || d.Kind == DamagedRange)
	}
}

func (d Damage) same(o Damage) bool {
	return d.Kind == o.Kind && d.Place == o.Place && d.Log == o.Log && d.From == o.From && d.To == o.To && bytes.Equal(d.first, o.first)
}

// uncertain says whether a key lies where nothing can be believed. Entries and
// seals are never written twice, so one with a good MAC is the right one.
func (s *Store) uncertain(from, to []byte) error {
	if !s.doubt.Load() {
		return nil
	}
	s.state.Lock()
	defer s.state.Unlock()
	for _, d := range s.damage {
		if d.Kind == DamagedRange && bytes.Compare(d.first, to) <= 0 && bytes.Compare(from, d.last) <= 0 {
			return node.Errorf(node.Damaged,
				"Kho dữ liệu có chỗ hỏng (%s) và phần này chưa tin được. Hãy sửa kho bằng `vungxa repair`.",
				"the store is damaged (%s) and this part of it can't be believed; mend it with `vungxa repair`", d.Place)
		}
	}
	return nil
}

// immutable are the kinds of keys whose values never change.
func immutable(key []byte) bool {
	return len(key) > 0 && (key[0] == keyEntry || key[0] == keySeal)
}

// badValue tells of a value whose MAC is wrong, and keeps it in mind.
func (s *Store) badValue(key []byte) error {
	s.noteValue(key)
	return node.Errorf(node.Damaged, "Một mục trong kho bị hỏng (%s). Hãy sửa kho bằng `vungxa repair`.",
		"an item of the store is damaged (%s); mend the store with `vungxa repair`", place(key))
}

func (s *Store) noteValue(key []byte) {
	s.found(Damage{Kind: DamagedValue, Place: place(key), first: bytes.Clone(key), last: bytes.Clone(key)})
}

// place names the kind of a key and its number, and nothing that could be
// personal: of an index row the kind alone, of a local item its kind.
func place(key []byte) string {
	if len(key) == 0 {
		return "?"
	}
	switch rest := key[1:]; key[0] {
	case keyMeta:
		return fmt.Sprintf("item %q", upTo(rest, '/'))
	case keyLogName, keyLog:
		return "log"
	case keyEntry, keySeal:
		if len(rest) == 12 {
			return fmt.Sprintf("%s %d/%d", map[byte]string{keyEntry: "entry", keySeal: "seal"}[key[0]],
				binary.BigEndian.Uint32(rest), binary.BigEndian.Uint64(rest[4:]))
		}
	case keyRecord:
		return fmt.Sprintf("record %x", rest[max(0, len(rest)-len(crdt.RecordID{})):])
	case keyHistory:
		return fmt.Sprintf("history %x", rest[:min(len(rest), len(crdt.RecordID{}))])
	case keyIndex:
		return "index"
	case keyLocal:
		return fmt.Sprintf("local %q", upTo(rest, 0))
	}
	return fmt.Sprintf("key kind %q", key[0])
}

func upTo(b []byte, end byte) []byte {
	before, _, _ := bytes.Cut(b, []byte{end})
	return before
}

// storedDamage is an item of the damage list on disk.
type storedDamage struct {
	_           struct{} `cbor:",toarray"`
	Kind        string
	Place       string
	Log         logMark
	From, To    uint64
	SinceMS     int64
	First, Last []byte
}

func storeDamage(list []Damage) (out []storedDamage) {
	for _, d := range list {
		s := storedDamage{Kind: string(d.Kind), Place: d.Place, Log: markLog(d.Log, crdt.Head{}), From: d.From, To: d.To, First: d.first, Last: d.last}
		if !d.Since.IsZero() {
			s.SinceMS = d.Since.UnixMilli()
		}
		out = append(out, s)
	}
	return out
}

func loadDamage(list []storedDamage) (out []Damage) {
	for _, s := range list {
		d := Damage{Kind: DamageKind(s.Kind), Place: s.Place, Log: s.Log.id(), From: s.From, To: s.To, first: s.First, last: s.Last}
		if s.SinceMS != 0 {
			d.Since = time.UnixMilli(s.SinceMS)
		}
		out = append(out, d)
	}
	return out
}
