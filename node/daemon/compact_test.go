package daemon_test

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/demo"
	"github.com/vungxa/vungxa/node/engine"
	"github.com/vungxa/vungxa/node/store"
)

// A running node compacts what everyone has and what is older than it is configured to
// keep, and shows the same.
func TestOldEntriesAreCompacted(t *testing.T) {
	dir := filepath.Join(provision(t), "box")
	d := office(t, dir)
	save(t, d, 0, 5)
	heads, err := d.Engine().Heads(demo.Scope())
	if err != nil {
		t.Fatal(err)
	}
	floor := &crdt.Checkpoint{Scope: demo.Scope(), At: crdt.Cite{Epoch: 1, Index: 1}, TimeMS: time.Now().Add(2 * engine.Retention).UnixMilli()}
	var log crdt.LogID
	for l, head := range heads {
		log, floor.Floor = l, append(floor.Floor, crdt.Pos{Log: l, Seq: head.Seq})
	}
	if err := d.Engine().ApplyCheckpoint(floor, crdt.Hash{1}); err != nil {
		t.Fatal(err)
	}
	save(t, d, 5, 6)
	want := shown(t, d)
	closed(t, d)
	config, err := daemon.ReadConfig(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name    string
		days    uint16
		later   time.Duration
		dropped bool
	}{
		{"by default not yet", 0, engine.Retention - time.Hour, false},
		{"kept longer", 100, engine.Retention + time.Hour, false},
		{"kept shorter", 10, 11 * 24 * time.Hour, true},
	} {
		config.RetentionDays = step.days
		if err := config.Write(dir); err != nil {
			t.Fatal(err)
		}
		opts := restOptions()
		opts.Now = func() time.Time { return time.Now().Add(step.later) }
		if d, err = daemon.OpenOffice(dir, opts); err != nil {
			t.Fatal(err)
		}
		d.Compact(t.Context())
		if _, err := d.Engine().Segment(log, 0, 0); errors.Is(err, store.ErrDropped) != step.dropped {
			t.Errorf("%s: the first entries: %v; want dropped: %v", step.name, err, step.dropped)
		}
		if got := shown(t, d); !slices.Equal(got, want) {
			t.Errorf("%s: %d petitions are shown; want the same %d", step.name, len(got), len(want))
		}
		closed(t, d)
	}
}
