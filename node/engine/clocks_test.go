package engine

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
)

// Whatever the clock says, a save is kept, and what is saved later on this device
// is later: also over restarts, with a battery that died, a year typed wrong, and a
// clock that was set back.
func TestSavesAreKeptWhateverTheClockSays(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	clocks := []time.Time{
		testNow, time.Unix(0, 0), time.Unix(-1, 0), testNow.Add(-time.Hour),
		time.Date(2099, 12, 31, 0, 0, 0, 0, time.UTC), testNow, time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC), testNow.Add(time.Minute),
	}
	id := p.create(map[string]any{"subject": "a"})
	var last crdt.Stamp
	for i, now := range clocks {
		p.now = now
		if i%2 == 1 {
			p.close()
			p.open()
		}
		state := []string{"open", "done"}[i%2]
		p.edit(id, "", map[string]any{"state": state})
		if v := p.get(id); v.Values["state"] != state {
			t.Fatalf("at %v the record shows %v; want %v", now, v.Values["state"], state)
		}
		if stamp := p.clock.Last; stamp <= last {
			t.Errorf("at %v a stamp of %v follows one of %v", now, stamp, last)
		} else {
			last = stamp
		}
	}
	r, err := p.Store.Scrub(context.Background(), nil)
	if err != nil || r.Entries != uint64(len(clocks))+1 || len(r.Damage) > 0 {
		t.Errorf("%d entries are held, %v damaged, %v; want %d", r.Entries, r.Damage, err, len(clocks)+1)
	}
}

// A clock in 1970 or in 2099 makes nothing old, and one that leaps while entries are dropped
// changes nothing of what goes: that was decided at the beginning.
func TestCompactionWhateverTheClockSays(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	id := p.create(map[string]any{"subject": "a"})
	for i := range compactEntries + 1 {
		p.edit(id, "", map[string]any{"note": fmt.Sprint(i)})
	}
	h := &province{ms: testNow.UnixMilli()}
	p.checkpoint(h.floor(p))
	before, last := p.stateHash(), p.clock.Last
	wild := []time.Time{time.Unix(0, 0), time.Date(2099, 12, 31, 0, 0, 0, 0, time.UTC), testNow.Add(-time.Hour)}
	for _, p.now = range wild {
		if n, err := p.Compact(context.Background(), Retention, nil); n != 0 || err != nil {
			t.Errorf("at %v %d entries are dropped on the day they were made, %v", p.now, n, err)
		}
	}
	h.ms += Retention.Milliseconds() + 1
	p.checkpoint(h.checkpoint(crdt.Checkpoint{}))
	p.now = testNow.Add(Retention + time.Hour)
	leaps := 0
	n, err := p.Compact(context.Background(), Retention, func(context.Context) {
		p.now = wild[leaps%len(wild)]
		leaps++
		p.edit(id, "", map[string]any{"state": "open"}) // an officer saves meanwhile
	})
	if n != compactEntries+2 || err != nil || leaps < 2 {
		t.Errorf("%d entries are dropped in %d pieces, %v; want %d", n, leaps, err, compactEntries+2)
	}
	p.edit(id, "", map[string]any{"state": nil})
	if p.stateHash() == before || p.clock.Last <= last || p.get(id).Values["note"] != fmt.Sprint(compactEntries) {
		t.Errorf("after it the record shows %v, and a stamp of %v follows %v", p.get(id).Values, p.clock.Last, last)
	}
	p.sound()
}
