package daemon

import (
	"context"
	"time"

	"github.com/vungxa/vungxa/node/api"
	"github.com/vungxa/vungxa/node/store"
)

// The store is read through once behind each start, and then once a day.
const (
	scrubEvery = 24 * time.Hour
	scrubLook  = time.Hour             // how often the clock is asked
	scrubRest  = 20 * time.Millisecond // between pieces: the office goes first
)

// scrub reads the store again and again until ctx ends. What it finds is on the
// store's list, which the page shows, and is mended here or asked for from peers; that it couldn't read at all is only said.
func (d *Daemon) scrub(ctx context.Context) error {
	look := time.NewTicker(scrubLook)
	defer look.Stop()
	for last := d.opts.Now(); ; last = d.opts.Now() {
		done, err := d.store.Scrub(ctx, func(uint64) { rest(ctx) })
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			d.opts.Log.Error("the store can't be read through", "error", err)
		default:
			d.opts.Log.Info("the store was read through", "keys", done.Keys, "entries", done.Entries, "damaged", len(done.Damage))
			if err := d.engine.Mend(); err != nil {
				d.opts.Log.Error("what is damaged can't be made anew", "error", err)
			}
			d.collect(ctx)
			d.compact(ctx)
		}
		for !scrubDue(last, d.opts.Now()) {
			select {
			case <-ctx.Done():
				return nil
			case <-look.C:
			}
		}
	}
}

// scrubDue says whether a day has gone by, on a clock that may have been set back.
func scrubDue(last, now time.Time) bool { return now.Sub(last).Abs() >= scrubEvery }

func rest(ctx context.Context) {
	pause := time.NewTimer(scrubRest)
	defer pause.Stop()
	select {
	case <-ctx.Done():
	case <-pause.C:
	}
}

// damage is what the page says of the store's damage.
func (d *Daemon) damage() (out api.Damage) {
	for _, item := range d.store.Damage() {
		out.Count++
		out.ReadOnly = out.ReadOnly || item.Kind == store.DamagedRange
		if ms := item.Since.UnixMilli(); !item.Since.IsZero() && (out.SinceMS == nil || ms < *out.SinceMS) {
			out.SinceMS = &ms
		}
	}
	return out
}
