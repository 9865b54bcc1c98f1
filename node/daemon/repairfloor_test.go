package daemon_test

import (
	"crypto/sha256"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/demo"
)

// A store whose entries lie at or below a floor is sound, and a repair leaves all that it shows.
func TestRepairAtAFloor(t *testing.T) {
	dir := filepath.Join(provision(t), "box")
	d := office(t, dir)
	save(t, d, 0, 3)
	all := shown(t, d)
	heads, err := d.Engine().Heads(demo.Scope())
	if err != nil {
		t.Fatal(err)
	}
	c := &crdt.Checkpoint{Scope: demo.Scope(), At: crdt.Cite{Epoch: 1, Index: 1}, TimeMS: time.Now().UnixMilli()}
	for log, head := range heads {
		c.Floor = append(c.Floor, crdt.Pos{Log: log, Seq: head.Seq})
	}
	slices.SortFunc(c.Floor, func(a, b crdt.Pos) int { return a.Log.Compare(b.Log) })
	b, err := wire.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Engine().ApplyCheckpoint(c, sha256.Sum256(b)); err != nil {
		t.Fatal(err)
	}
	wantSound(t, d)
	closed(t, d)
	done, err := daemon.Repair(t.Context(), dir, daemon.RepairOrder{}, restOptions())
	if err != nil {
		t.Fatal(err)
	}
	r := office(t, dir)
	if got := shown(t, r); !slices.Equal(got, all) {
		t.Errorf("after a repair %d of %d petitions, and it tells %+v", len(got), len(all), done)
	}
}
