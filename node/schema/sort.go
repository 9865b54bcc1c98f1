package schema

import (
	"bytes"
	"encoding/binary"
	"strings"
	"sync"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
)

// The first byte of a sort key. Missing values stand after all others in
// ascending order; a reader that goes backwards and wants them last again reads
// the keys that begin with SortPresent first.
const (
	SortPresent = 0x01
	SortMissing = 0xff
)

// maxSortRunes bounds a sort key's length: texts that agree so far are equal to
// the index.
const maxSortRunes = 96

// SortKey gives bytes whose order is the order of the values: texts by the CLDR
// order of Vietnamese, codes likewise but with runs of digits as numbers
// (so that 10 follows 9), names of persons by the last word first, numbers,
// dates and times by size, false before true. Missing values come last.
func (f *Field) SortKey(v any) []byte {
	key := []byte{SortPresent}
	switch v := v.(type) {
	case string:
		switch {
		case f.Type == Date:
			return append(key, v...)
		case f.Person:
			return append(key, personKey(v)...)
		case f.Type == Code:
			return append(key, codeOrder.key(v)...)
		}
		return append(key, textOrder.key(v)...)
	case int64:
		return binary.BigEndian.AppendUint64(key, uint64(v)^1<<63)
	case bool:
		if v {
			return append(key, 1)
		}
		return append(key, 0)
	}
	return []byte{SortMissing}
}

// order makes keys of one collation. A Collator keeps state while it works, so
// each goroutine borrows one, with its buffer.
type order struct{ pool sync.Pool }

type collator struct {
	collator *collate.Collator
	buffer   collate.Buffer
}

func newOrder(o ...collate.Option) *order {
	return &order{sync.Pool{New: func() any { return &collator{collator: collate.New(language.Vietnamese, o...)} }}}
}

var (
	textOrder = newOrder()
	codeOrder = newOrder(collate.Numeric)
)

func (o *order) key(s string) []byte {
	c := o.pool.Get().(*collator)
	defer o.pool.Put(c)
	c.buffer.Reset()
	return bytes.Clone(c.collator.KeyFromString(&c.buffer, cut(s)))
}

// personKey compares the last word whole, tones included, before the middle
// ones are looked at, and those before the first. No weight within a collation
// key is 0 except the two pairs of zeros between its levels, so a following
// zero byte ends one key before any longer key that it begins.
func personKey(name string) []byte {
	words := strings.Fields(name)
	if len(words) < 2 {
		return textOrder.key(name)
	}
	last := len(words) - 1
	key := append(textOrder.key(words[last]), 0)
	key = append(append(key, textOrder.key(strings.Join(words[1:last], " "))...), 0)
	return append(key, textOrder.key(words[0])...)
}

func cut(s string) string {
	n := 0
	for i := range s {
		if n == maxSortRunes {
			return s[:i]
		}
		n++
	}
	return s
}
