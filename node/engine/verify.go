package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/sync/identity"
)

// FindingKind says what is wrong.
type FindingKind string

// The kinds of findings.
const (
	EntryMissing   FindingKind = "entry_missing"   // a log's head covers entries that aren't there
	EntryWrong     FindingKind = "entry_wrong"     // an entry isn't the one that the chain vouches for
	EntryExtra     FindingKind = "entry_extra"     // an entry past its log's head, or of no log
	SealMissing    FindingKind = "seal_missing"    // a log says that it is sealed where no seal is
	SealWrong      FindingKind = "seal_wrong"      // a seal isn't over what is stored, or not the device's
	RecordMissing  FindingKind = "record_missing"  // entries write it, and it isn't there
	RecordWrong    FindingKind = "record_wrong"    // it isn't what the entries make of it
	RecordExtra    FindingKind = "record_extra"    // no entry writes it
	HistoryMissing FindingKind = "history_missing" // an entry isn't named among those that wrote a record
	HistoryExtra   FindingKind = "history_extra"   // a history row names an entry that doesn't write the record
	RowMissing     FindingKind = "row_missing"     // a record isn't found where it should be
	RowExtra       FindingKind = "row_extra"       // a record is found where it shouldn't be
	CountWrong     FindingKind = "count_wrong"     // of the records of a collection
	LeftOver       FindingKind = "left_over"       // a generation that nobody reads and nobody removes
	Unreadable     FindingKind = "unreadable"      // an item that isn't as it was written
)

// Finding is something wrong with what is stored. It names kinds, ids and numbers,
// and never what a record says.
type Finding struct {
	Kind  FindingKind
	Place string // "log 3 entry 17", "cases 1f…", "index of cases"
	// Of entries and seals: the log, and the first and last that are concerned. What
	// is missing is to be asked for from a peer.
	Log      crdt.LogID
	From, To uint64
	Do       node.Text // what to do about it
}

var (
	doFetch = node.Text{
		VI: "Lấy lại các mục này từ máy khác hoặc bản sao lưu: `vungxa repair`.",
		EN: "get these entries back from another device or a backup: `vungxa repair`",
	}
	doRecompute = node.Text{
		VI: "Dựng lại từ nhật ký: `vungxa repair`.", EN: "compute it anew from the logs: `vungxa repair`",
	}
	doReindex = node.Text{
		VI: "Làm lại mục lục: `vungxa repair`; hồ sơ không bị ảnh hưởng.", EN: "make the index anew: `vungxa repair`; the records are not concerned",
	}
)

// verifier reads one state of the store and compares all of it.
type verifier struct {
	engine *Engine
	ctx    context.Context
	tx     *store.Tx
	report func(Finding)

	dropped bool // compaction has taken entries of some log away

	made    *parts            // what the index is of; nil: there is none
	rows    map[string]uint64 // that are there and should be, by collection
	shown   map[string]int
	written uint64 // (entry, record) pairs whose history row is there
}

// Verify reads everything that the engine has stored and reports what contradicts
// itself: entries, chains and seals; records against the merge of the entries that
// wrote them; history and index rows and counts against the records. Of a store in
// good order it reports nothing.
//
// It reads one state, while the office works on: what is superseded meanwhile stays
// on the disk until it ends. It holds one record's entries in memory, and the
// number of collections. Its cost is one reading of the logs in order, and for each
// entry one look-up by each record that it writes, and for each record one by each
// of its index rows; where counts don't agree, one reading of the rows concerned
// with a look-up for each. It returns an error only when it can't go on.
func (e *Engine) Verify(ctx context.Context, report func(Finding)) error {
	err := e.cfg.Store.View(func(tx *store.Tx) error {
		v := &verifier{engine: e, ctx: ctx, tx: tx, report: report, rows: map[string]uint64{}, shown: map[string]int{}}
		g, err := tx.Generations()
		if err != nil {
			return err
		}
		if v.made, err = e.madeOf(tx, g.Index); err != nil {
			return err
		}
		return firstError(v.logs, v.strays, v.records, v.histories, v.index, func() error { return v.generations(g) })
	})
	if err != nil {
		return fmt.Errorf("verify the store: %w", err)
	}
	return nil
}

func firstError(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) logs() error {
	var logs []store.Log
	err := v.engine.logs(v.tx, func(l store.Log) error {
		logs = append(logs, l)
		v.dropped = v.dropped || l.Dropped.Seq > base(l)
		return nil
	})
	for _, l := range logs {
		if err == nil {
			err = v.log(l)
		}
	}
	return err
}

func (v *verifier) found(kind FindingKind, l store.Log, from, to uint64, do node.Text) {
	place := fmt.Sprintf("log %d entries %d to %d", l.Number(), from, to)
	if from == to {
		place = fmt.Sprintf("log %d entry %d", l.Number(), from)
	}
	v.report(Finding{Kind: kind, Place: place, Log: l.ID, From: from, To: to, Do: do})
}

// log reads a log from its first entry to its head.
func (v *verifier) log(l store.Log) error {
	of, _ := v.engine.authorities().forks.written(l.ID)
	c := &chain{verifier: v, l: l, of: of, last: l.Dropped.Seq, hash: l.Dropped.Hash, known: true, upTo: l.Dropped.Seq}
	for {
		err := v.tx.Entries(l, c.last, c.entry)
		if node.CodeOf(err) != node.Damaged {
			if err != nil {
				return err
			}
			break
		}
		bad, err := v.tx.NextEntry(l, c.last)
		if err != nil {
			return err
		}
		if bad == 0 {
			break
		}
		if err := c.unreadable(bad); err != nil {
			return err
		}
	}
	if c.last < l.Head.Seq {
		v.found(EntryMissing, l, c.last+1, l.Head.Seq, doFetch)
	}
	if l.Sealed.Seq <= l.Dropped.Seq {
		return nil
	}
	has, err := v.tx.HasSeal(l, l.Sealed.Seq)
	if err != nil && node.CodeOf(err) != node.Damaged {
		return err
	}
	if !has {
		v.found(SealMissing, l, l.Sealed.Seq, l.Sealed.Seq, doFetch)
	}
	return nil
}

// chain goes along one log.
type chain struct {
	*verifier
	l     store.Log
	of    crdt.LogID // under which name its entries were written
	last  uint64     // the last seq that was looked at
	hash  crdt.Hash  // there
	known bool       // hash and, unless entries were dropped, cite are known
	cite  crdt.Cite  // what the entry there cites
	seals []wire.Seal
	upTo  uint64 // seals past last and up to here are in seals
}

func (c *chain) unreadable(seq uint64) error {
	if err := c.gap(seq); err != nil {
		return err
	}
	c.found(Unreadable, c.l, seq, seq, doFetch)
	c.last, c.known = seq, false
	return nil
}

// gap reports what is missing before seq.
func (c *chain) gap(seq uint64) error {
	if seq > c.last+1 {
		c.found(EntryMissing, c.l, c.last+1, min(seq-1, c.l.Head.Seq), doFetch)
		c.known = false
	}
	return c.ctx.Err()
}

func (c *chain) entry(seq uint64, stored store.Stored) (bool, error) {
	if seq > c.l.Head.Seq {
		c.found(EntryExtra, c.l, seq, seq, doFetch)
		return true, c.ctx.Err()
	}
	if err := c.gap(seq); err != nil {
		return false, err
	}
	entry, err := wire.DecodeEntry(stored.Raw)
	if err != nil || !c.follows(seq, entry, stored) {
		c.found(EntryWrong, c.l, seq, seq, doFetch)
		c.last, c.known = seq, false
		return true, nil
	}
	if err := c.seal(seq); err != nil {
		return false, err
	}
	named, err := c.engine.entryUnder(c.tx, c.l, seq, c.engine.authorities())
	if err != nil {
		return false, err
	}
	return true, c.writes(named)
}

// follows says whether an entry continues the chain, and whether what is stored
// beside it is what it says; from then on the chain is there.
func (c *chain) follows(seq uint64, entry *crdt.Entry, stored store.Stored) bool {
	hash := wire.ChainHash(stored.Raw)
	sound := entry.Log == c.of && entry.Seq == seq && hash == stored.Hash &&
		(!c.known || entry.Prev == c.hash) &&
		(seq != c.l.Head.Seq || hash == c.l.Head.Hash) && (seq != c.l.Sealed.Seq || hash == c.l.Sealed.Hash)
	inherits := c.known && (c.last > c.l.Dropped.Seq || c.l.Dropped.Seq == 0)
	if entry.Citing(c.cite) != nil {
		entry.Cites = c.cite // as when it was taken in
	}
	sound = sound && (!inherits || entry.Cites == stored.Cite)
	c.last, c.hash, c.cite, c.known = seq, hash, stored.Cite, true
	return sound
}

// seal compares the seal at a seq, if there is one, with what is stored.
func (c *chain) seal(seq uint64) error {
	for c.upTo < seq {
		c.seals = c.seals[:0]
		err := c.tx.Seals(c.l, c.upTo, func(s wire.Seal) (bool, error) {
			c.seals = append(c.seals, s)
			c.upTo = s.Seq
			return len(c.seals) < 64, nil
		})
		if node.CodeOf(err) == node.Damaged {
			c.found(Unreadable, c.l, seq, seq, doFetch)
			c.upTo++
			continue
		}
		if err != nil {
			return err
		}
		if len(c.seals) < 64 {
			c.upTo = ^uint64(0)
		}
	}
	for len(c.seals) > 0 && c.seals[0].Seq <= seq {
		s := c.seals[0]
		c.seals = c.seals[1:]
		if s.Seq == seq && (s.Hash != c.hash || !c.signed(s)) {
			c.found(SealWrong, c.l, seq, seq, doFetch)
		}
	}
	return nil
}

// signed says whether a seal is its device's own; of a device that nobody here
// certifies any more, it can't be told.
func (c *chain) signed(s wire.Seal) bool {
	if c.engine.cfg.CheckSeal == nil {
		return true
	}
	err := c.engine.cfg.CheckSeal(c.of, s)
	return err == nil || errors.Is(err, identity.ErrUnknown) || errors.Is(err, identity.ErrScope)
}

// writes looks for what an entry has written: its records, and their history.
func (c *chain) writes(entry *crdt.Entry) error {
	for _, name := range recordsOf(entry) {
		noted, err := c.tx.HasHistory(name.id, c.l, entry.Seq)
		if err != nil {
			return err
		}
		if noted {
			c.written++
		} else {
			c.report(Finding{Kind: HistoryMissing, Place: placeOf(name), Log: c.l.ID, From: entry.Seq, To: entry.Seq, Do: doRecompute})
		}
		if has, err := c.tx.HasRecord(name.collection, name.id); err != nil || has {
			if err != nil {
				return err
			}
			continue
		}
		first, err := c.first(name, entry.Seq)
		if err != nil {
			return err
		}
		if first, err = c.wanted(name, first); err != nil {
			return err
		}
		if first {
			c.report(Finding{Kind: RecordMissing, Place: placeOf(name), Do: doRecompute})
		}
	}
	return nil
}

// first says whether the entry is the first that a record's history names, so that
// what is missing is reported once.
func (c *chain) first(name recordName, seq uint64) (first bool, err error) {
	first = true
	err = c.tx.History(name.id, func(l store.Log, at uint64) (bool, error) {
		first = l.Number() == c.l.Number() && at == seq
		return false, nil
	})
	return first, err
}

// wanted says whether a record that isn't there should be: not if all that writes it
// came too late.
func (c *chain) wanted(name recordName, first bool) (wanted bool, err error) {
	if !first {
		return false, nil
	}
	under := c.engine.authorities()
	b := c.engine.newBatch(c.tx, under, under)
	err = c.tx.History(name.id, func(l store.Log, seq uint64) (bool, error) {
		entry, err := c.engine.entry(c.tx, l, seq)
		if node.CodeOf(err) == node.Damaged || errors.Is(err, store.ErrDropped) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		for i, op := range entry.Ops {
			if (recordName{op.Collection, op.Record.ID()}) != name {
				continue
			}
			noted, err := b.notedLate(entry, i)
			if err != nil {
				return false, err
			}
			wanted = wanted || !noted || entry.Makes(i)
		}
		return !wanted, nil
	})
	return wanted, err
}

func placeOf(name recordName) string { return fmt.Sprintf("%s %v", name.collection, name.id) }

func (v *verifier) strays() error {
	numbers, err := v.tx.Strays()
	for _, n := range numbers {
		v.report(Finding{Kind: EntryExtra, Place: fmt.Sprintf("log %d", n), Do: doFetch})
	}
	return err
}

func (v *verifier) generations(g store.Generations) error {
	held, err := v.tx.Held()
	if err != nil {
		return err
	}
	known := append([]uint32{g.Records, g.Index, g.Build.Number}, g.Drop...)
	for _, n := range held {
		if !slices.Contains(known, n) {
			v.report(Finding{Kind: LeftOver, Place: fmt.Sprintf("generation %d", n), Do: doReindex})
		}
	}
	return nil
}

// merged is what the entries that wrote a record make of it; nil where there are
// none. Where compaction took entries away, what they said stands in the record
// alone: then it is what the other entries make of the record as it is.
func (v *verifier) merged(name recordName, r *crdt.Record) (*crdt.Record, error) {
	under := v.engine.authorities()
	b := v.engine.newBatch(v.tx, under, under)
	b.again = true
	fresh, written := crdt.NewRecord(r.Scope, r.Collection, r.Ref), v.dropped
	if v.dropped {
		fresh = r.Clone()
	}
	b.lookup[name] = &touched{record: fresh}
	err := v.tx.History(name.id, func(l store.Log, seq uint64) (bool, error) {
		entry, err := v.engine.entry(v.tx, l, seq)
		if err != nil {
			return false, err
		}
		written = written || slices.Contains(recordsOf(entry), name)
		return true, b.merge(entry, &name)
	})
	if err != nil || !written {
		return nil, err
	}
	return fresh, nil
}

// alike says whether two records are the same, but for what compaction may forget of
// the one and an entry that is left names again in the other.
func (v *verifier) alike(a, b *crdt.Record) (bool, error) {
	if !v.dropped {
		return sameRecord(a, b)
	}
	under := v.engine.authorities()
	batch := v.engine.newBatch(v.tx, under, under)
	a, b = a.Clone(), b.Clone()
	for _, r := range []*crdt.Record{a, b} {
		dropped, err := batch.dropped(r)
		if err != nil {
			return false, err
		}
		r.Compact(dropped)
	}
	return sameRecord(a, b)
}

func sameRecord(a, b *crdt.Record) (bool, error) {
	x, err := wire.EncodeRecord(a)
	if err != nil {
		return false, err
	}
	y, err := wire.EncodeRecord(b)
	return bytes.Equal(x, y), err
}
