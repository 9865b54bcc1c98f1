package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
)

// What one transaction of a build does at most: officers' saves wait for it.
const (
	buildRecords = 64
	buildRows    = 1500
	dropKeys     = 2000
)

// itemMade is the index's item that says what it was made of, itemCount how many
// records of a collection are shown.
const (
	itemMade  = "made"
	itemCount = "count/"
)

// planIndex sees to it that the index is of today's pack: where it isn't, another
// generation is begun, for build to fill behind what officers do. One that a crash
// or the last end left unfinished is gone on with if it is of today's pack. On a
// disk that is full nothing is begun: the first save that finds room begins it.
func (e *Engine) planIndex() error {
	e.write.Lock()
	defer e.write.Unlock()
	planned := false
	err := e.cfg.Store.View(func(tx *store.Tx) (err error) {
		planned, err = e.planned(tx)
		return err
	})
	if err != nil || planned {
		return err
	}
	if err = e.cfg.Store.Update(e.plan); err != nil {
		e.rebuild.note(err)
	}
	return unlessReadOnly(err)
}

// planned says whether the index, or the one that is being built, is today's.
func (e *Engine) planned(tx *store.Tx) (bool, error) {
	g, err := tx.Generations()
	if err != nil {
		return false, err
	}
	number := g.Index
	if g.Build.Number != 0 {
		number = g.Build.Number
	}
	made, err := e.madeOf(tx, number)
	return made == e.parts && !g.Build.Records, err
}

func (e *Engine) plan(tx *store.Tx) error {
	if err := e.beginBuild(tx, false); err != nil {
		return err
	}
	places, err := nextPlaces(tx, nil, 1)
	if err != nil || len(places) > 0 {
		return err
	}
	g, err := tx.Generations()
	if err != nil {
		return err
	}
	return tx.PutGenerations(switchTo(g)) // nothing to index: it is there
}

// beginBuild gives up the build that is under way, if any, and begins another.
func (e *Engine) beginBuild(tx *store.Tx, records bool) error {
	g, err := tx.Generations()
	if err != nil {
		return err
	}
	if g.Build.Number != 0 {
		g.Drop = append(g.Drop, g.Build.Number)
	}
	if err := e.trim(tx, g.Index); err != nil {
		return err
	}
	g.Last++
	g.Build = store.Build{Number: g.Last, Records: records}
	if err := tx.PutGenerations(g); err != nil {
		return err
	}
	return tx.In(g.Records, g.Last).PutIndexItem(itemMade, e.parts.bytes)
}

// rebuild is what runs behind: it fills new generations and removes old ones. It
// runs while there is something to do.
type rebuild struct {
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex    // guards what follows
	running chan struct{} // closed when the run ends; nil: none runs
	again   bool          // there may be more to do than the run has seen
	err     error         // of the last run
}

// start begins a run unless one is under way, which then does it all.
func (r *rebuild) start(e *Engine) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running != nil {
		r.again = true
		return
	}
	done := make(chan struct{})
	r.running, r.err = done, nil
	go func() {
		defer close(done)
		for more := true; more; {
			more = r.end(e.behind(r.ctx))
		}
	}()
}

// end notes how a run ended, and says whether it has to begin again.
func (r *rebuild) end(err error) (more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err = err; errors.Is(err, context.Canceled) {
		r.err = nil
	}
	if more, r.again = r.again && err == nil, false; !more {
		r.running = nil
	}
	return more
}

// Resume goes on behind the office with what a full disk has stopped, now that there
// is room. It costs nothing where nothing was stopped.
func (e *Engine) Resume() {
	failed := e.rebuild.failed()
	if node.CodeOf(failed) == node.ReadOnly || failed == nil && e.owed.some.Load() {
		e.rebuild.start(e)
	}
}

// idle waits until nothing is left to do, or it failed.
func (r *rebuild) idle() {
	r.mu.Lock()
	running := r.running
	r.mu.Unlock()
	if running != nil {
		<-running
	}
}

func (r *rebuild) stop() {
	r.cancel()
	r.idle()
}

func (r *rebuild) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

func (r *rebuild) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

func (r *rebuild) state(g store.Generations) ViewState {
	return ViewState{Name: ViewSearch, Ready: g.Build.Number == 0 && g.Index != 0, Done: g.Build.Done, Err: r.failed()}
}

// trim notes of the index that is read what stays true of it while another is
// built: today's pack keeps up only the parts that it makes alike.
func (e *Engine) trim(tx *store.Tx, number uint32) error {
	made, err := e.madeOf(tx, number)
	if err != nil || made == nil || made == e.parts {
		return err
	}
	left, err := made.both(e.parts)
	if err != nil {
		return err
	}
	return tx.In(0, number).PutIndexItem(itemMade, left.bytes)
}

// behind does what the store has to do when nobody waits for it: it fills the
// generation that was begun, and removes those that are no longer read.
func (e *Engine) behind(ctx context.Context) error {
	if err := e.settle(); err != nil {
		return fmt.Errorf("do what was left undone: %w", err)
	}
	for {
		done, err := e.behindStep(ctx)
		if err != nil {
			return fmt.Errorf("make the index anew: %w", err)
		}
		if done {
			return nil
		}
	}
}

func (e *Engine) behindStep(ctx context.Context) (done bool, err error) {
	if err := e.step(ctx, "behind"); err != nil {
		return false, err
	}
	e.write.Lock()
	defer e.write.Unlock()
	if err := ctx.Err(); err != nil {
		return false, err
	}
	switched := false
	err = e.cfg.Store.Update(func(tx *store.Tx) error {
		g, err := tx.Generations()
		if err != nil {
			return err
		}
		made, err := e.madeOf(tx, g.Index)
		if err != nil {
			return err
		}
		switch {
		case g.Build.Number == 0 && made != e.parts: // there was no room for it before
			switched, err = true, e.plan(tx)
		case g.Build.Number != 0 && !g.Build.Records:
			switched, err = e.buildSome(tx, g)
		case len(g.Drop) > 0:
			_, err = tx.DropSome(g.Drop[0], dropKeys)
		default:
			more, err := e.sweepSome(tx)
			done = !more
			return err
		}
		return err
	})
	if switched {
		e.announce()
	}
	return done, err
}

// sweepSome takes away entries that lie before what a snapshot let their log go on
// from, with what names them.
func (e *Engine) sweepSome(tx *store.Tx) (more bool, err error) {
	err = tx.Logs(func(l store.Log) error {
		if more {
			return nil
		}
		seq, err := tx.NextEntry(l, 0)
		if err != nil || seq == 0 || seq > l.Dropped.Seq {
			return err
		}
		more = true
		return e.sweep(tx, l)
	})
	return more, err
}

func (e *Engine) sweep(tx *store.Tx, l store.Log) error {
	type old struct {
		seq uint64
		raw []byte
	}
	var some []old
	err := tx.Entries(l, 0, func(seq uint64, s store.Stored) (bool, error) {
		if seq <= l.Dropped.Seq {
			some = append(some, old{seq, s.Raw})
		}
		return seq < l.Dropped.Seq && len(some) < crdt.MaxRecords, nil
	})
	for _, o := range some {
		if err != nil {
			return err
		}
		if entry, decodeErr := wire.DecodeEntry(o.raw); decodeErr == nil { // one that is damaged names nothing
			for _, name := range recordsOf(entry) {
				err = errors.Join(err, tx.DeleteHistory(name.id, l, o.seq))
			}
		}
		err = errors.Join(err, tx.Sweep(l, o.seq))
	}
	return err
}

// step is where tests hold the work, or end the process.
func (e *Engine) step(ctx context.Context, name string) error {
	if e.cfg.step == nil {
		return nil
	}
	return e.cfg.step(ctx, name)
}

// buildSome indexes the next records of a build, or ends it: from then on its
// index is read.
func (e *Engine) buildSome(tx *store.Tx, g store.Generations) (switched bool, err error) {
	places, err := nextPlaces(tx, g.Build.At, buildRecords)
	if err != nil {
		return false, err
	}
	if len(places) == 0 {
		return true, tx.PutGenerations(switchTo(g))
	}
	counts := map[string]int{}
	to := tx.In(g.Records, g.Build.Number)
	for rows := 0; len(places) > 0 && rows < buildRows; places = places[1:] {
		read, err := e.readPlace(tx, places[0])
		if err != nil {
			return false, err
		}
		if err := putRows(to, nil, read.keys); err != nil {
			return false, err
		}
		rows += len(read.keys)
		counts[collectionOf(places[0])] += shown(read)
		g.Build.At, g.Build.Done = places[0], g.Build.Done+1
	}
	if err := addCounts(to, counts); err != nil {
		return false, err
	}
	return false, tx.PutGenerations(g)
}

// switchTo is what is read once the build is done.
func switchTo(g store.Generations) store.Generations {
	if g.Index != 0 {
		g.Drop = append(g.Drop, g.Index)
	}
	g.Index = g.Build.Number
	if g.Build.Records {
		g.Drop = append(g.Drop, g.Records)
		g.Records = g.Build.Number
	}
	g.Build = store.Build{}
	return g
}

func nextPlaces(tx *store.Tx, after []byte, n int) (places [][]byte, err error) {
	err = tx.Places(after, func(place []byte) (bool, error) {
		places = append(places, bytes.Clone(place))
		return len(places) < n, nil
	})
	return places, err
}

// readPlace reads the record at a place. One that is damaged shows nothing: the
// store has noted it, and it has rows again when it is mended.
func (e *Engine) readPlace(tx *store.Tx, place []byte) (reading, error) {
	r, err := recordAt(tx, place)
	if node.CodeOf(err) == node.Damaged || (err == nil && r == nil) {
		return reading{}, nil
	}
	if err != nil {
		return reading{}, err
	}
	return e.read(tx, r)
}

func recordAt(tx *store.Tx, place []byte) (*crdt.Record, error) {
	id, err := store.IDOf(place)
	if err != nil {
		return nil, err
	}
	return tx.Record(collectionOf(place), id)
}

// collectionOf is the collection of a place or a row.
func collectionOf(row []byte) string {
	name, _, _ := bytes.Cut(row, []byte{0})
	return string(name)
}

// indexes writes what a transaction changes in the indexes: in the one that is
// read, as far as today's pack makes the same rows, and in the one that is being
// built, as far as it has got.
type indexes struct {
	read, built *store.Tx // nil: not written
	parts       *parts    // what of read is kept up
	at          []byte
	readCounts  map[string]int
	builtCounts map[string]int
}

func (e *Engine) indexes(tx *store.Tx) (*indexes, error) {
	g, err := tx.Generations()
	if err != nil {
		return nil, err
	}
	made, err := e.madeOf(tx, g.Index)
	if err != nil {
		return nil, err
	}
	if made != e.parts && g.Build.Number == 0 { // there was no room for it before
		if err := e.beginBuild(tx, false); err != nil {
			return nil, err
		}
		return e.indexes(tx)
	}
	x := &indexes{at: g.Build.At, parts: made, readCounts: map[string]int{}, builtCounts: map[string]int{}}
	if x.parts != nil {
		x.read = tx.In(g.Records, g.Index)
	}
	if g.Build.Number != 0 && !g.Build.Records {
		x.built = tx.In(g.Records, g.Build.Number)
	}
	return x, nil
}

// change writes what one record's change changes.
func (x *indexes) change(r *crdt.Record, before, after reading, today *parts) error {
	n := shown(after) - shown(before)
	if x.read != nil {
		x.readCounts[r.Collection] += n
		b, a := before.keys, after.keys
		if x.parts != today {
			b, a = x.parts.shared(today, b), x.parts.shared(today, a)
		}
		if err := putRows(x.read, b, a); err != nil {
			return err
		}
	}
	if x.built == nil || bytes.Compare(store.Place(r.Collection, r.Ref.ID()), x.at) > 0 {
		return nil // the build has yet to come there
	}
	x.builtCounts[r.Collection] += n
	return putRows(x.built, before.keys, after.keys)
}

func (x *indexes) finish() error {
	var errs [2]error
	if x.read != nil {
		errs[0] = addCounts(x.read, x.readCounts)
	}
	if x.built != nil {
		errs[1] = addCounts(x.built, x.builtCounts)
	}
	return errors.Join(errs[:]...)
}

// putRows turns the rows of before into those of after. Both are sorted.
func putRows(tx *store.Tx, before, after [][]byte) error {
	for _, k := range before {
		if !containsKey(after, k) {
			if err := tx.DeleteRow(k); err != nil {
				return err
			}
		}
	}
	for _, k := range after {
		if !containsKey(before, k) {
			if err := tx.PutRow(k); err != nil {
				return err
			}
		}
	}
	return nil
}

// addCounts keeps how many records of each collection are shown.
func addCounts(tx *store.Tx, counts map[string]int) error {
	for collection, n := range counts {
		if n == 0 {
			continue
		}
		old, err := count(tx, collection)
		if err != nil {
			return err
		}
		b, err := wire.Marshal(old + n)
		if err != nil {
			return err
		}
		if err := tx.PutIndexItem(itemCount+collection, b); err != nil {
			return err
		}
	}
	return nil
}

func count(tx *store.Tx, collection string) (int, error) {
	b, err := tx.IndexItem(itemCount + collection)
	if err != nil || b == nil {
		return 0, err
	}
	var n int
	return n, wire.Unmarshal(b, 16, &n)
}
