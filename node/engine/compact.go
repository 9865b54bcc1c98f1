package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/sync/identity"
)

// Retention is how long entries stay that every device has acknowledged, where the
// configuration doesn't say otherwise.
const Retention = 90 * 24 * time.Hour

// compactEntries is how many entries one transaction drops.
const compactEntries = 64

// Compact drops the entries that lie at or below the floor and are older than
// retention, by this device's clock and by the newest checkpoint, and forgets of the records that they wrote what no one needs any more.
// What isn't acknowledged by every counted device lies above the floor and stays; a
// hub keeps everything, and so does whoever knows of a damaged record, which is made
// anew of its entries. It gives how many entries were dropped. A crash leaves each
// log at one of its entries. It calls rest, if set, after each piece, while nobody waits
// for it.
func (e *Engine) Compact(ctx context.Context, retention time.Duration, rest func(context.Context)) (dropped int, err error) {
	now := e.nowMS()
	return e.compactUntil(ctx, rest, func(a *crdt.Authority) int64 {
		return min(now, a.TimeMS) - retention.Milliseconds() // a clock in 2099 makes nothing old
	})
}

func (e *Engine) compactUntil(ctx context.Context, rest func(context.Context), until func(*crdt.Authority) int64) (dropped int, err error) {
	if e.cfg.Role == identity.RoleHub {
		return 0, nil
	}
	if damaged, err := e.damagedRecords(); err != nil || len(damaged) > 0 {
		return 0, err
	}
	for scope, a := range e.authorities().said {
		if a == nil {
			continue
		}
		whole, err := e.holdsFloor(a)
		if err != nil {
			return dropped, err
		}
		if !whole {
			continue
		}
		for _, floor := range a.Floor {
			if floor.Log.Scope != scope {
				continue
			}
			n, err := e.compactLog(ctx, a, floor, until(a), rest)
			dropped += n
			if err != nil {
				return dropped, fmt.Errorf("compact log %v: %w", floor.Log, err)
			}
		}
	}
	return dropped, nil
}

func (e *Engine) damagedRecords() (places [][]byte, err error) {
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		places, err = tx.DamagedRecords()
		return err
	})
	return places, err
}

// holdsFloor says whether all is held that lies below the floor: until then an entry
// may come whose claims have to be compared with what would be dropped.
func (e *Engine) holdsFloor(a *crdt.Authority) (whole bool, err error) {
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		whole, err = e.newBatch(tx, e.authorities(), e.authorities()).reaches(a, a.Floor)
		return err
	})
	return whole, err
}

// reaches says whether all is held that lies at or below a floor, of the histories
// that the hub has committed.
func (b *batch) reaches(a *crdt.Authority, floor []crdt.Pos) (bool, error) {
	for _, p := range floor {
		l, err := b.now.forks.place(b.log, p.Log, p.Seq)
		if err != nil || l.Head.Seq < p.Seq {
			return false, err
		}
		if ours, err := b.committed(a, p); !ours || err != nil {
			return false, err
		}
	}
	return true, nil
}

// committed says whether what is held under the name of a log up to a position is what
// the hub has committed: as far as it has said so. What isn't held up to the head that
// it named behind the position may be another history.
func (b *batch) committed(a *crdt.Authority, p crdt.Pos) (bool, error) {
	heads := a.Committed(p.Log)
	if len(heads) == 0 {
		return true, nil
	}
	head := heads[len(heads)-1]
	if i := slices.IndexFunc(heads, func(h crdt.Head) bool { return h.Seq >= p.Seq }); i >= 0 {
		head = heads[i]
	}
	l, err := b.now.forks.place(b.log, p.Log, head.Seq)
	if err != nil {
		return false, err
	}
	hash, held, err := b.now.forks.hashHeld(b.tx, *l, head.Seq)
	return held && (hash == head.Hash || hash == crdt.Hash{}), err
}

func (e *Engine) compactLog(ctx context.Context, a *crdt.Authority, floor crdt.Pos, until int64, rest func(context.Context)) (dropped int, err error) {
	for done := false; !done; {
		if err := ctx.Err(); err != nil {
			return dropped, err
		}
		n := 0
		e.write.Lock()
		err := e.update(func(b *batch) error {
			n, done, err = b.compactSome(a, floor, until)
			return err
		})
		e.write.Unlock()
		if err != nil {
			return dropped, err
		}
		if dropped += n; n > 0 && rest != nil {
			rest(ctx)
		}
	}
	return dropped, nil
}

// compactSome drops the next entries of a log.
func (b *batch) compactSome(a *crdt.Authority, floor crdt.Pos, until int64) (n int, done bool, err error) {
	l, err := b.log(floor.Log)
	if err != nil {
		return 0, false, err
	}
	good, err := b.namedForGood(a, floor.Log)
	if err != nil {
		return 0, false, err
	}
	upTo := min(floor.Seq, l.Sealed.Seq, good)
	touched := map[string]bool{}
	for ; n < compactEntries; n++ {
		seq := l.Dropped.Seq + 1
		if seq > upTo || len(touched) > crdt.MaxRecords {
			break
		}
		entry, err := b.engine.entry(b.tx, *l, seq)
		if node.CodeOf(err) == node.Damaged { // it is filled first
			return n, true, b.compactRecords(touched)
		}
		if err != nil {
			return n, false, err
		}
		keep, err := b.keeps(a, *l, entry)
		if err == nil {
			err = b.touchAll(entry)
		}
		if node.CodeOf(err) == node.Damaged { // of its entries the record is made anew first
			return n, true, b.compactRecords(touched)
		}
		if entryTime(a, entry) > until || keep || err != nil {
			return n, true, errors.Join(err, b.compactRecords(touched))
		}
		for _, name := range recordsOf(entry) {
			touched[string(store.Place(name.collection, name.id))] = true
			if err := b.tx.DeleteHistory(name.id, *l, seq); err != nil {
				return n, false, err
			}
		}
		if err := b.dropLates(entry); err != nil {
			return n, false, err
		}
		if err := b.dropNext(l); err != nil {
			return n, false, err
		}
	}
	return n, n < compactEntries && len(touched) <= crdt.MaxRecords, b.compactRecords(touched)
}

// keeps says whether an entry stays whatever its age: what was printed of it is shown,
// a person has yet to look at what it says, which is in no record, or a record that it
// writes may be called otherwise yet.
func (b *batch) keeps(a *crdt.Authority, l store.Log, entry *crdt.Entry) (bool, error) {
	if keep, err := b.keepsPast(entry); keep || err != nil {
		return keep, err
	}
	if keep, err := b.keepsNamed(a, entry); keep || err != nil {
		return keep, err
	}
	for i := range entry.Ops {
		item, err := b.lateItem(entry, i)
		if err != nil || len(item) > 0 && !bytes.HasPrefix(item, dismissed) {
			return true, err
		}
	}
	for _, name := range recordsOf(entry) {
		note, err := overfullName(crdt.Pos{Log: l.ID, Seq: entry.Seq}, name)
		if err != nil {
			return true, err
		}
		if noted, err := b.tx.Local(localOverfull, note); noted != nil || err != nil {
			return true, err
		}
	}
	return false, nil
}

// keepsNamed says whether an entry writes a record that another log has made whose history
// isn't decided: where that name changes hands, what stands in the record alone would
// be left in another's.
func (b *batch) keepsNamed(a *crdt.Authority, entry *crdt.Entry) (bool, error) {
	f := b.now.forks
	for _, op := range entry.Ops {
		made := crdt.Pos{Log: op.Record.Dot.Log, Seq: op.Record.Dot.Seq}
		if op.Record.ByKey() || made.Log == entry.Log {
			continue
		}
		written, forked := f.written(made.Log)
		if !forked || made.Seq < f.since(written) {
			if !crdt.Covers(a.Floor, made) {
				return true, nil
			}
			continue
		}
		l, err := f.place(b.log, made.Log, made.Seq)
		if err != nil || isBranch(l.ID) || made.Seq > l.Dropped.Seq {
			return true, err
		}
	}
	return false, nil
}

// keepsPast says whether an entry wrote a number that was superseded since: what was
// printed is shown for ever, so its entry stays.
func (b *batch) keepsPast(entry *crdt.Entry) (bool, error) {
	for i, op := range entry.Ops {
		c, known := b.engine.cfg.Pack.Collection(op.Collection)
		if !known {
			continue
		}
		f, known := c.FieldByID(op.Field)
		if !known || f.Reading() != crdt.Serial {
			continue
		}
		t, err := b.at(store.Place(op.Collection, op.Record.ID()))
		if err != nil || t == nil {
			return false, err
		}
		stands := slices.ContainsFunc(t.record.Cells[op.Field].Writes, func(w crdt.Write) bool { return w.Dot == entry.Dot(i) })
		if !stands {
			return true, nil
		}
	}
	return false, nil
}

// entryTime is when an entry was written: when the hub committed it, or what its
// clock claimed.
func entryTime(a *crdt.Authority, entry *crdt.Entry) int64 {
	t := a.Effective(crdt.Write{Dot: entry.Dot(0), Stamp: entry.Stamp, Cite: entry.Cites})
	if t.Witnessed {
		return t.UntilMS
	}
	return entry.Stamp.Millis()
}

// touchAll reads the records of an entry as they are before it goes.
func (b *batch) touchAll(entry *crdt.Entry) error {
	for _, name := range recordsOf(entry) {
		if _, err := b.at(store.Place(name.collection, name.id)); err != nil {
			return err
		}
	}
	return nil
}

// compactRecords forgets what lies at or below what was dropped, and the records of
// which nothing is left.
func (b *batch) compactRecords(places map[string]bool) error {
	for place := range places {
		t, err := b.at([]byte(place))
		if node.CodeOf(err) == node.Damaged || (err == nil && t == nil) {
			continue
		}
		if err != nil {
			return err
		}
		dropped, err := b.dropped(t.record)
		if err != nil {
			return err
		}
		t.gone = !t.record.Compact(dropped)
		t.dirty = true
	}
	return nil
}

// dropped is how far each log that a record names was dropped, sorted by log.
func (b *batch) dropped(r *crdt.Record) ([]crdt.Pos, error) {
	var out []crdt.Pos
	var failed error
	add := func(log crdt.LogID) {
		l, err := b.log(log)
		if err != nil {
			failed = err
			return
		}
		if isBranch(log) {
			return
		}
		i, found := slices.BinarySearchFunc(out, log, func(p crdt.Pos, l crdt.LogID) int { return p.Log.Compare(l) })
		if !found && l.Dropped.Seq > 0 {
			out = slices.Insert(out, i, crdt.Pos{Log: log, Seq: l.Dropped.Seq})
		}
	}
	for _, p := range r.Known() {
		add(p.Log)
	}
	eachCell(r, func(c crdt.Cell) {
		for _, p := range c.Pending {
			add(p.Over.Log)
		}
	})
	return out, failed
}
