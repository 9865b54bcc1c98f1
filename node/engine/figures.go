package engine

import (
	"errors"
	"sync"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/kpi"
	"github.com/vungxa/vungxa/node/store"
)

// figures is the KPI view. It is computed from the records behind the first
// answers, and from then on by what changes: changes add up, so those that come
// while the records are read are taken in at once. At a clean end it is kept, with
// the position of the store that it was computed at, and taken up again if the store
// still stands there.
type figures struct {
	mu       sync.Mutex // guards what follows
	kpi      *kpi.Engine
	ready    bool
	position uint64 // of the store, up to which the changes are in
	read     uint64 // records, while they are being read
	unread   uint64 // records that are damaged, and in no figure
	err      error

	done chan struct{} // of the last start
	quit chan struct{}
}

// leap is how far the clock must have been set back for the figures, whose own
// clock never goes back, to be computed anew.
const leap = 60_000 // ms

var errStopped = errors.New("the engine is closing")

// open takes up the figures that were kept, or begins to compute them. The caller
// holds e.write.
func (f *figures) open(e *Engine) error {
	f.quit = make(chan struct{})
	kept, position, err := e.keptFigures()
	if err != nil {
		return err
	}
	f.position = position
	if kept == nil {
		f.start(e)
		return nil
	}
	f.kpi, f.ready, f.done = kept, true, make(chan struct{})
	close(f.done)
	return nil
}

// start begins to read the records. The caller holds e.write, so that no
// transaction comes between the state that is read and the changes that follow.
func (f *figures) start(e *Engine) {
	fresh := kpi.New(kpi.Calendar{OffsetMinutes: e.cfg.Pack.OffsetMinutes})
	fresh.Advance(kpi.At(e.nowMS()))
	done := make(chan struct{})
	f.mu.Lock()
	before := f.done
	f.kpi, f.ready, f.done, f.read, f.unread, f.err = fresh, false, done, 0, 0, nil
	f.mu.Unlock()
	began := make(chan struct{})
	go func() {
		defer close(done)
		err := e.cfg.Store.View(func(tx *store.Tx) error {
			close(began)
			return f.load(e, tx, fresh)
		})
		f.finish(fresh, err)
		e.announce()
		if before != nil {
			<-before // whoever waits for this start waits for all
		}
	}()
	<-began
}

func (f *figures) stop() {
	close(f.quit)
	f.wait()
}

// wait waits until the records have been read.
func (f *figures) wait() {
	f.mu.Lock()
	done := f.done
	f.mu.Unlock()
	<-done
}

// restart computes the figures anew if the clock was set back.
func (f *figures) restart(e *Engine) {
	e.write.Lock()
	defer e.write.Unlock()
	f.mu.Lock()
	ahead, known := f.kpi.Now().MS()
	again := f.ready && known && ahead > e.nowMS()+leap
	f.mu.Unlock()
	if again {
		f.start(e)
	}
}

// again computes the figures anew if records that couldn't be read are in none. The
// caller holds e.write.
func (f *figures) again(e *Engine) {
	f.mu.Lock()
	again := f.ready && f.unread > 0
	f.mu.Unlock()
	if again {
		f.start(e)
	}
}

func (f *figures) load(e *Engine, tx *store.Tx, into *kpi.Engine) error {
	for _, c := range e.cfg.Pack.Collections {
		if c.KPI == nil {
			continue
		}
		err := tx.Sound(c.ID, func(r *crdt.Record) error {
			select {
			case <-f.quit:
				return errStopped
			default:
			}
			if err := e.step(e.rebuild.ctx, "figures"); err != nil {
				return err
			}
			read, err := e.read(tx, r)
			if err != nil {
				return err
			}
			return f.take(into, read.fact)
		}, f.skip)
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *figures) take(into *kpi.Engine, fact *kpi.Fact) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kpi != into {
		return errStopped // another start has begun since
	}
	f.read++
	if fact != nil {
		into.Apply(nil, fact)
	}
	return nil
}

func (f *figures) skip([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unread++
}

func (f *figures) finish(of *kpi.Engine, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kpi == of {
		f.ready, f.err = err == nil, err
	}
}

func (f *figures) apply(before, after *kpi.Fact) {
	if before == nil && after == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kpi != nil { // nil: nothing was read yet, so it will be read with this
		f.kpi.Apply(before, after)
	}
}

// reach notes that all changes up to a position are in.
func (f *figures) reach(position uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.position = position
}

func (f *figures) state() ViewState {
	f.mu.Lock()
	defer f.mu.Unlock()
	return ViewState{Name: ViewKPI, Ready: f.ready, Done: f.read, Unread: f.unread, Position: f.position, Err: f.err}
}

// KPIs is the answer for one month.
type KPIs struct {
	Ready  bool   // false: the records are still being read, and nothing is known yet
	Read   uint64 // how many have been, then
	Unread uint64 // records that are damaged, and in none of the figures
	// Position is that of the store up to which changes are in the figures.
	Position uint64
	Month    kpi.Month
	AsOfMS   int64
	Sets     []KPISet
}

// KPISet is the figures of one collection.
type KPISet struct {
	Collection string
	Figures    kpi.Figures
}

// KPIs answers for a month; the zero month is the current one.
func (e *Engine) KPIs(month kpi.Month) (KPIs, error) {
	f := &e.figures
	f.restart(e)
	f.mu.Lock()
	defer f.mu.Unlock()
	calendar := kpi.Calendar{OffsetMinutes: e.cfg.Pack.OffsetMinutes}
	now := kpi.At(e.nowMS())
	if month == 0 {
		month, _ = calendar.Month(now)
	}
	answer := KPIs{Ready: f.ready, Read: f.read, Unread: f.unread, Position: f.position, Month: month}
	if !f.ready {
		answer.AsOfMS, _ = now.MS()
		return answer, f.err
	}
	f.kpi.Advance(now)
	answer.AsOfMS, _ = f.kpi.Now().MS()
	for _, c := range e.cfg.Pack.Collections {
		if c.KPI == nil {
			continue
		}
		var parts []kpi.Figures
		for _, scope := range e.cfg.Scopes {
			parts = append(parts, f.kpi.Answer(group(scope, c.ID), month))
		}
		sum, err := kpi.Merge(month, parts...)
		if err != nil {
			return answer, err
		}
		answer.Sets = append(answer.Sets, KPISet{c.ID, sum})
	}
	return answer, nil
}
