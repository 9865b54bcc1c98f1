package engine

import (
	"errors"
	"sync"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/kpi"
	"github.com/vungxa/vungxa/node/store"
)

// figures is the KPI view. It is computed from the records when the engine
// opens, behind it, and from then on by what changes.
type figures struct {
	mu      sync.Mutex // guards what follows
	kpi     *kpi.Engine
	ready   bool
	waiting []change // committed while the records were being read
	err     error

	done chan struct{} // of the last start
	quit chan struct{}
}

// leap is how far the clock must have been set back for the figures, whose own
// clock never goes back, to be computed anew.
const leap = 60_000 // ms

var errStopped = errors.New("the engine is closing")

type change struct{ before, after *kpi.Fact }

// start begins to read the records. The caller holds e.write, so that no
// transaction comes between the state that is read and the changes that wait.
func (f *figures) start(e *Engine) {
	f.mu.Lock()
	f.kpi = kpi.New(kpi.Calendar{OffsetMinutes: e.cfg.Pack.OffsetMinutes})
	f.kpi.Advance(kpi.At(e.nowMS()))
	f.waiting, f.ready = nil, false
	done := make(chan struct{})
	f.done = done
	if f.quit == nil {
		f.quit = make(chan struct{})
	}
	f.mu.Unlock()
	began := make(chan struct{})
	go func() {
		defer close(done)
		err := e.cfg.Store.View(func(tx *store.Tx) error {
			close(began)
			return f.load(e, tx)
		})
		f.finish(err)
		e.announce()
	}()
	<-began
}

func (f *figures) stop() {
	close(f.quit)
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

func (f *figures) load(e *Engine, tx *store.Tx) error {
	for _, c := range e.cfg.Pack.Collections {
		if c.KPI == nil {
			continue
		}
		err := tx.Records(c.ID, func(r *crdt.Record) error {
			select {
			case <-f.quit:
				return errStopped
			default:
			}
			if fact := e.read(r).fact; fact != nil {
				f.kpi.Apply(nil, fact)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *figures) finish(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err = err; err != nil {
		return
	}
	for _, c := range f.waiting {
		f.kpi.Apply(c.before, c.after)
	}
	f.waiting, f.ready = nil, true
}

func (f *figures) apply(before, after *kpi.Fact) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ready {
		f.waiting = append(f.waiting, change{before, after})
		return
	}
	f.kpi.Apply(before, after)
}

// KPIs is the answer for one month.
type KPIs struct {
	Ready  bool // false: the records are still being read, and nothing is known yet
	Month  kpi.Month
	AsOfMS int64
	Sets   []KPISet
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
	answer := KPIs{Ready: f.ready, Month: month}
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
