package wire

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/vungxa/vungxa/crdt"
)

// The columns of a segment. Those of values have more beside them: a class is a
// column and, above it, the group of the values.
const (
	colEntries class = iota
	colTable
	colName
	colLogClass
	colRecord
	colRecordSeq
	colRecordIndex
	colLowBits
	colStamp
	colCounter
	colOfficer
	colPack
	colEpoch
	colCites
	colCiteEpoch
	colCiteIndex
	colOps
	colKeys
	colFirstRecord
	colNextRecord
	colFirstField
	colNextField
	colKind
	colErased
	colOver
	colOverCount
	colOverLog
	colOverSeq
	colMade
	colPins
	colShape
	colText
	colDigits
	colTexts
	colNumber
	colDay
	colHour
	colMinute
	colLength
	colByte
	colPresent
	colPrev
)

// walk goes through the columns of a run of entries in one order, and writes them
// to a stream or reads them from it. Either way the same code says what follows
// what, so the two can't differ.
type walk struct {
	stream
	reading bool
	log     crdt.LogID
	first   uint64
	salts   map[uint64]Salt
	entries []*crdt.Entry
	before  *crdt.Entry // the one before, which the reader holds; nil: it is sent what it needs

	known       known
	logs        table[crdt.LogID] // the segment's own, then those that it names
	officers    table[string]
	packs       table[crdt.Pack]
	collections table[string]
	records     table[recordAt]
	places      []int                 // of each operation's record
	cells       map[cellAt][]crdt.Pos // what the next write of a cell supersedes, if it knows no more
	made        map[uint64]crdt.Pos
	lastSeq     map[uint64]uint64      // of foreign logs, as they were last named
	pins        map[crdt.Pos]crdt.Hash // the last of each that was sent

	budget int // bytes that what is read may still take, in carried form
	err    error
}

// known is how many rows of the tables the entry before a segment gives.
type known struct{ logs, officers, packs, collections int }

// recordAt is a record of the segment's table.
type recordAt struct {
	collection uint64
	ref        crdt.Ref
	log        uint64 // of its dot, by place
}

type cellAt struct {
	record uint64
	field  uint32
}

// newWalk is a walk that reads, once entries are set it writes.
func newWalk(s stream, log crdt.LogID, first uint64, salts map[uint64]Salt) *walk {
	w := &walk{
		stream: s, log: log, first: first, salts: salts, budget: MaxSegmentBody,
		cells: map[cellAt][]crdt.Pos{}, made: map[uint64]crdt.Pos{}, lastSeq: map[uint64]uint64{}, pins: map[crdt.Pos]crdt.Hash{},
	}
	w.logs.add(log)
	w.known.logs = 1
	return w
}

// onto lets the walk begin with what the entry before names.
func (w *walk) onto(before *crdt.Entry) {
	if before == nil {
		return
	}
	w.before = before
	w.names(before)
	for _, p := range before.Pins {
		w.pins[crdt.Pos{Log: p.Log, Seq: p.Seq}] = p.Hash
	}
	w.known = known{len(w.logs.rows), len(w.officers.rows), len(w.packs.rows), len(w.collections.rows)}
}

// writeColumns gives a segment's entries to a stream. It refuses what columns
// can't hold.
func writeColumns(s stream, seg *Segment, entries []*crdt.Entry, before *crdt.Entry) error {
	w := newWalk(s, seg.Log, seg.First, seg.Salts)
	w.entries = entries
	w.onto(before)
	w.collect()
	w.columns()
	return w.broken()
}

// readColumns reads what writeColumns wrote, and gives the entries in carried
// form. What it reads may be anyone's: it is as valid as EncodeEntry makes it.
func readColumns(s stream, log crdt.LogID, first uint64, salts map[uint64]Salt, before *crdt.Entry) ([][]byte, error) {
	w := newWalk(s, log, first, salts)
	w.reading = true
	w.onto(before)
	w.columns()
	if err := cmp.Or(w.broken(), s.ended()); err != nil {
		return nil, err
	}
	raw := make([][]byte, len(w.entries))
	size := 0
	hash := w.entries[0].Prev
	for i, e := range w.entries {
		e.Prev = hash
		b, err := EncodeEntry(e)
		if err != nil {
			return nil, err
		}
		if hash, err = Hash(e); err != nil {
			return nil, err
		}
		if size += len(b); size > MaxSegmentBody {
			return nil, fmt.Errorf("%w: entries of more than %d bytes", ErrFormat, MaxSegmentBody)
		}
		raw[i] = b
	}
	return raw, nil
}

func (w *walk) broken() error { return cmp.Or(w.err, w.failed()) }

func (w *walk) fail(what string, n uint64) {
	if w.err == nil {
		w.err = fmt.Errorf("%w: %s %d", ErrFormat, what, n)
	}
}

// spend takes from the budget what something read will take at least.
func (w *walk) spend(n int) bool {
	if w.budget -= n; w.budget < 0 {
		w.fail("columns of more bytes than", MaxSegmentBody)
	}
	return w.broken() == nil
}

// columns is the walk.
func (w *walk) columns() {
	n := uint64(len(w.entries))
	if w.num(colEntries, &n); w.reading {
		if n == 0 || n > MaxSegmentEntries {
			w.fail("entries:", n)
			return
		}
		w.entries = make([]*crdt.Entry, n)
		for i := range w.entries {
			w.entries[i] = &crdt.Entry{Log: w.log, Seq: w.first + uint64(i)}
		}
	}
	w.prev()
	w.tables()
	w.stamps()
	w.heads()
	w.operations()
	w.overs()
	w.pinned()
	w.keys()
	w.values()
}

// prev is the hash before the first entry, unless there is none, or the reader
// holds that entry.
func (w *walk) prev() {
	switch {
	case w.first == 1:
	case w.before != nil:
		var err error
		if w.entries[0].Prev, err = Hash(w.before); err != nil && w.err == nil {
			w.err = err
		}
	default:
		how := uint64(0)
		w.small(colPrev, &how, 0)
		w.rawBytes(w.entries[0].Prev[:])
	}
}

// rawBytes are hashes, keys and names, which no model would guess.
func (w *walk) rawBytes(b []byte) {
	for i := range b {
		v := uint64(b[i])
		w.bits(8, &v)
		b[i] = byte(v)
	}
}

// small is a number of at most most.
func (w *walk) small(c class, v *uint64, most uint64) {
	if w.num(c, v); *v > most && w.reading {
		w.fail("a number that is too large:", *v)
		*v = 0
	}
}

// delta is a number as its distance from another, near ones small, either side.
func (w *walk) delta(c class, v *uint64, from uint64) {
	d := int64(*v - from)
	z := uint64(d<<1) ^ uint64(d>>63)
	w.num(c, &z)
	*v = from + (z>>1 ^ -(z & 1))
}

func (w *walk) name(s *string) {
	b := []byte(*s)
	w.text(colName, &b)
	*s = string(b)
}

// collect makes the tables of what is to be written, each in an order that
// depends on nothing else: by first appearance, records sorted.
func (w *walk) collect() {
	for _, e := range w.entries {
		w.names(e)
		for i := range e.Ops {
			w.records.add(w.recordOf(&e.Ops[i]))
		}
	}
	w.records.sort(compareRecords)
}

// names adds what an entry names.
func (w *walk) names(e *crdt.Entry) {
	w.officers.add(e.Officer)
	w.packs.add(e.Pack)
	for i := range e.Ops {
		op := &e.Ops[i]
		w.collections.add(op.Collection)
		if !op.Record.ByKey() {
			w.logs.add(op.Record.Dot.Log)
		}
		if op.Made.Seq > 0 {
			w.logs.add(op.Made.Log)
		}
		for _, p := range op.Over {
			w.logs.add(p.Log)
		}
	}
}

func (w *walk) recordOf(op *crdt.Op) recordAt {
	r := recordAt{collection: uint64(w.collections.at[op.Collection]), ref: op.Record}
	if !op.Record.ByKey() {
		r.log = uint64(w.logs.at[op.Record.Dot.Log])
	}
	return r
}

func compareRecords(a, b recordAt) int {
	return cmp.Or(cmp.Compare(a.collection, b.collection), cmp.Compare(a.log, b.log),
		cmp.Compare(a.ref.Dot.Seq, b.ref.Dot.Seq), cmp.Compare(a.ref.Dot.Index, b.ref.Dot.Index),
		slices.Compare(a.ref.Key[:], b.ref.Key[:]))
}

func (w *walk) tables() {
	w.logs.rows = grown(w, w.logs.rows, w.known.logs, 26)
	for i := range w.logs.rows[w.known.logs:] {
		l := &w.logs.rows[w.known.logs+i]
		w.rawBytes(l.Device[:])
		w.rawBytes(l.Incarnation[:])
		c := uint64(l.Class)
		w.small(colLogClass, &c, math.MaxUint8)
		l.Class, l.Scope = crdt.Class(c), w.log.Scope
	}
	w.officers.rows = grown(w, w.officers.rows, w.known.officers, 1)
	for i := range w.officers.rows[w.known.officers:] {
		w.name(&w.officers.rows[w.known.officers+i])
	}
	w.packs.rows = grown(w, w.packs.rows, w.known.packs, 1)
	for i := range w.packs.rows[w.known.packs:] {
		p := &w.packs.rows[w.known.packs+i]
		w.name(&p.ID)
		v := uint64(p.Version)
		w.small(colTable, &v, math.MaxUint32)
		p.Version = uint32(v)
	}
	w.collections.rows = grown(w, w.collections.rows, w.known.collections, 1)
	for i := range w.collections.rows[w.known.collections:] {
		w.name(&w.collections.rows[w.known.collections+i])
	}
	w.records.rows = grown(w, w.records.rows, 0, 1)
	for i := range w.records.rows {
		w.record(i)
	}
}

// grown codes the length of a table above the rows that are known, and makes one
// to read into. Each row takes some bytes at least.
func grown[T any](w *walk, rows []T, known, each int) []T {
	n := uint64(len(rows) - known)
	w.num(colTable, &n)
	if !w.reading {
		return slices.Clone(rows)
	}
	if n > MaxSegmentBody || !w.spend(int(n)*each) {
		w.fail("a table of", n)
		return rows[:known:known]
	}
	return append(rows[:known:known], make([]T, n)...)
}

// record codes a row of the table: kind 0 is named by a key, others by a dot of
// the log at the place below.
func (w *walk) record(i int) {
	r, before := &w.records.rows[i], recordAt{}
	if i > 0 {
		before = w.records.rows[i-1]
	}
	w.delta(colRecord, &r.collection, before.collection)
	kind := uint64(0)
	if !r.ref.ByKey() {
		kind = r.log + 1
	}
	w.num(colRecord, &kind)
	if kind > uint64(len(w.logs.rows)) {
		w.fail("a record of log", kind)
		return
	}
	if kind == 0 {
		w.rawBytes(r.ref.Key[:])
		r.ref.Scope = w.log.Scope
		return
	}
	r.log = kind - 1
	index := uint64(r.ref.Dot.Index)
	w.delta(colRecordSeq, &r.ref.Dot.Seq, before.ref.Dot.Seq)
	w.small(colRecordIndex, &index, math.MaxUint16)
	r.ref.Dot.Log, r.ref.Dot.Index = w.logs.rows[r.log], uint16(index)
}

// stamps: of each entry the milliseconds since the one before, whose low bits
// nothing could guess, and the counter, as far as it isn't what a clock gives.
func (w *walk) stamps() {
	rest := w.entries
	if w.before == nil {
		w.firstStamp()
		rest = rest[1:]
	}
	if len(rest) == 0 {
		return
	}
	low := w.lowBits(rest)
	before := w.stampBefore()
	for _, e := range rest {
		w.nextStamp(e, before, low)
		before = e.Stamp
	}
}

// stampBefore is the one from which the first distance goes.
func (w *walk) stampBefore() crdt.Stamp {
	if w.before != nil {
		return w.before.Stamp
	}
	return w.entries[0].Stamp
}

func (w *walk) firstStamp() {
	first := uint64(w.entries[0].Stamp)
	era, ms, counter := first>>56, first>>16&(1<<40-1), first&0xffff
	w.small(colStamp, &era, math.MaxUint8)
	w.bits(40, &ms)
	w.small(colCounter, &counter, math.MaxUint16)
	w.entries[0].Stamp = crdt.Stamp(era<<56 | ms<<16 | counter)
}

func (w *walk) nextStamp(e *crdt.Entry, before crdt.Stamp, low uint64) {
	d := sinceMS(e.Stamp, before)
	high, rest := d>>low, d&(1<<low-1)
	w.small(colStamp, &high, (1<<48-1)>>low)
	w.bits(int(low), &rest)
	d = high<<low | rest
	usual := uint64(0)
	if d == 0 {
		usual = uint64(before&0xffff) + 1
	}
	counter := (uint64(e.Stamp&0xffff) - usual) & 0xffff
	w.small(colCounter, &counter, math.MaxUint16)
	ms := (uint64(before>>16) + d) & (1<<48 - 1)
	e.Stamp = crdt.Stamp(ms<<16 | (usual+counter)&0xffff)
}

// sinceMS is the milliseconds from one stamp to another, modulo 2^48.
func sinceMS(s, before crdt.Stamp) uint64 {
	return (uint64(s>>16) - uint64(before>>16)) & (1<<48 - 1)
}

// lowBits chooses how many bits of a stamp's distance are raw: all but the
// highest few of a usual one.
func (w *walk) lowBits(rest []*crdt.Entry) uint64 {
	var all []int
	if !w.reading {
		before := w.stampBefore()
		for _, e := range rest {
			all = append(all, bits.Len64(sinceMS(e.Stamp, before)))
			before = e.Stamp
		}
		slices.Sort(all)
	}
	low := uint64(0)
	if len(all) > 0 {
		low = uint64(max(0, all[len(all)/2]-2))
	}
	w.num(colLowBits, &low)
	if low > 48 {
		w.fail("raw bits of a stamp:", low)
		return 0
	}
	return low
}

// heads: what else an entry says of itself.
func (w *walk) heads() {
	var epoch uint64
	var cites crdt.Cite
	if w.before != nil {
		epoch, cites = w.before.Epoch, w.before.Cites
	}
	for _, e := range w.entries {
		place(w, colOfficer, &w.officers, &e.Officer)
		place(w, colPack, &w.packs, &e.Pack)
		w.delta(colEpoch, &e.Epoch, epoch)
		epoch = e.Epoch
		w.cites(e, &cites)
		n := uint64(len(e.Ops))
		w.num(colOps, &n)
		if w.reading {
			if n == 0 || n > crdt.MaxOps || !w.spend(int(n)*7) {
				w.fail("operations:", n)
				return
			}
			e.Ops = make([]crdt.Op, n)
		}
	}
}

func (w *walk) cites(e *crdt.Entry, last *crdt.Cite) {
	cites := uint64(0)
	if e.Cites != (crdt.Cite{}) {
		cites = 1
	}
	if w.small(colCites, &cites, 1); cites == 0 {
		return
	}
	w.delta(colCiteEpoch, &e.Cites.Epoch, last.Epoch)
	w.delta(colCiteIndex, &e.Cites.Index, last.Index)
	*last = e.Cites
}

// operations: which cell each writes.
func (w *walk) operations() {
	for _, e := range w.entries {
		var before recordAt
		for i := range e.Ops {
			op := &e.Ops[i]
			at := w.recordOf(op)
			field, kind, column := uint64(op.Field), uint64(op.Kind), colNextField
			if i == 0 {
				w.places = append(w.places, place(w, colFirstRecord, &w.records, &at))
				column = colFirstField
			} else {
				w.nextRecord(&at, before)
			}
			w.num(column, &field)
			w.num(colKind, &kind)
			if w.broken() != nil {
				return
			}
			if field > 1<<32-1 || kind > 255 || at.collection >= uint64(len(w.collections.rows)) {
				w.fail("field, kind or collection:", max(field, kind, at.collection))
				return
			}
			op.Collection, op.Record = w.collections.rows[at.collection], at.ref
			op.Field, op.Kind = uint32(field), crdt.Kind(kind)
			before = at
		}
	}
}

// nextRecord: most often an entry's operations are on one record.
func (w *walk) nextRecord(at *recordAt, before recordAt) {
	other := uint64(0)
	if *at != before {
		other = 1
	}
	if w.small(colNextRecord, &other, 1); other == 0 {
		*at = before
		w.places = append(w.places, w.places[len(w.places)-1])
		return
	}
	w.places = append(w.places, place(w, colFirstRecord, &w.records, at))
}
