package replica

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/reconcile"
)

// Terms are what the operator allows on a line, such as a metered one. The zero Terms
// allow everything at any time.
type Terms struct {
	// Hours of the day in which the line may be used, by Config.Now's own zone; none:
	// at any time. Outside of them this node doesn't call, ends the session that runs, and
	// ends the one that the peer begins.
	Hours []Hours
	// Budget bounds the bytes of a contact, and Time how long it lasts, in the place of
	// those of Config. Past Time what is urgent goes on for as long again.
	Budget reconcile.Allowance
	Time   time.Duration
	// Rest is how long to wait after a contact that has used what it may; 0:
	// Config.RetryMax.
	Rest time.Duration
}

// Hours are a part of each day, from a time since midnight to another one, which may lie
// in the next day.
type Hours struct{ From, To time.Duration }

const day = 24 * time.Hour

func (t Terms) check() error {
	for _, h := range t.Hours {
		if h.From < 0 || h.From >= day || h.To < 0 || h.To > day || h.From == h.To {
			return fmt.Errorf("hours from %v to %v are no part of a day", h.From, h.To)
		}
	}
	return nil
}

// opens is how long it is until the line may be used: 0 while it may.
func (t Terms) opens(now time.Time) time.Duration {
	if len(t.Hours) == 0 {
		return 0
	}
	at, wait := sinceMidnight(now), day
	for _, h := range t.Hours {
		if h.holds(at) {
			return 0
		}
		wait = min(wait, (h.From-at+day)%day)
	}
	return wait
}

// closes is how long the line may still be used; negative: for ever.
func (t Terms) closes(now time.Time) time.Duration {
	if len(t.Hours) == 0 {
		return -1
	}
	at, left := sinceMidnight(now), time.Duration(0)
	for range t.Hours { // hours may follow each other
		for _, h := range t.Hours {
			if moment := (at + left) % day; h.holds(moment) {
				left += (h.To-moment+day-1)%day + 1
			}
		}
		if left >= day {
			return -1
		}
	}
	return left
}

func (h Hours) holds(at time.Duration) bool {
	if h.From < h.To {
		return h.From <= at && at < h.To
	}
	return h.From <= at || at < h.To
}

func sinceMidnight(now time.Time) time.Duration {
	h, m, s := now.Clock()
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second + time.Duration(now.Nanosecond())
}

// allowance and limit are what holds of a contact with a peer now.
func (r *Replica) allowance(p *peer) reconcile.Allowance {
	if p.Terms.Budget != (reconcile.Allowance{}) {
		return p.Terms.Budget
	}
	return r.cfg.Budget
}

// limit is how long a contact may last; negative: as long as it likes.
func (r *Replica) limit(p *peer) time.Duration {
	limit := r.cfg.Time
	if p.Terms.Time > 0 {
		limit = p.Terms.Time
	}
	if limit <= 0 {
		limit = -1
	}
	if closes := p.Terms.closes(r.cfg.Now()); closes >= 0 && (limit < 0 || closes < limit) {
		limit = closes
	}
	return limit
}

// ended notes how the line was when a session ends. Where it was ended here, be it that
// the operator has cut it, the peer was there until now; a line that was lost was last
// seen when the peer spoke. One that held for long begins to be called anew.
func (r *Replica) ended(ctx context.Context, p *peer, begun time.Time) {
	now := r.cfg.Now()
	p.mu.Lock()
	if p.state.Connected && ctx.Err() != nil && !errors.Is(context.Cause(ctx), errReplaced) {
		ms := now.UnixMilli()
		p.state.LastContactMS = &ms
	}
	if p.state.Connected && now.Sub(begun) >= r.cfg.RetryMax {
		p.failures = 0
	}
	p.mu.Unlock()
	r.keepLine(p)
}

// noteLine is the name of the note of how a line was.
const noteLine = "line"

// line is how a line was, kept over restarts: so that a program which is started again
// doesn't call at once whoever it couldn't reach, and knows when it last could.
type line struct {
	_           struct{} `cbor:",toarray"`
	Failures    uint64
	NotBeforeMS int64 // of the next call
	LastMS      int64 // when the peer was last there; 0: never
}

// recallLine begins with how the line was. A clock that was set may have left a wait of
// years: none is longer than one that could have been set now.
func (r *Replica) recallLine(p *peer) {
	if r.cfg.Notes == nil {
		return
	}
	b, err := r.cfg.Notes.Note(p.Device, noteLine)
	var l line
	if err == nil && len(b) > 0 {
		err = wire.Unmarshal(b, 64, &l)
	}
	if err != nil {
		r.cfg.Logger.Info("how a line was can't be read; it is forgotten", "peer", p.Device, "error", err)
		return
	}
	now := r.cfg.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failures = int(min(l.Failures, 32))
	if at := time.UnixMilli(l.NotBeforeMS); at.Before(now.Add(max(r.cfg.RetryMax, p.Terms.Rest))) {
		p.notBefore = at
	}
	if l.LastMS > 0 {
		p.state.LastContactMS = &l.LastMS
	}
}

// keepLine keeps how the line is. That it can't is no reason to give the line up: all of
// it only saves calls.
func (r *Replica) keepLine(p *peer) {
	if r.cfg.Notes == nil {
		return
	}
	p.mu.Lock()
	l := line{Failures: uint64(p.failures), NotBeforeMS: p.notBefore.UnixMilli()}
	if p.state.LastContactMS != nil {
		l.LastMS = *p.state.LastContactMS
	}
	p.mu.Unlock()
	b, err := wire.Marshal(l)
	if err == nil {
		err = r.cfg.Notes.PutNote(p.Device, noteLine, b)
	}
	if err != nil {
		r.cfg.Logger.Info("how a line is can't be kept", "peer", p.Device, "error", err)
	}
}
