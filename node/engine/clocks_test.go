package engine

import (
	"context"
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
