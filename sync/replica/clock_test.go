package replica_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
)

// A clock that was years ahead when a call failed, and has been set right since, keeps
// nobody from being called; nor does a note that can't be read.
func TestAWaitOfYearsIsNoWait(t *testing.T) {
	for name, note := range map[string]any{
		"years ahead": []any{5, time.Now().AddDate(10, 0, 0).UnixMilli(), int64(0)},
		"no note":     "what is this",
	} {
		synctest.Test(t, func(t *testing.T) {
			_, laptop, box, _ := office(t)
			box.peers = box.peers[:1]
			b, err := wire.Marshal(note)
			must(t, err)
			must(t, laptop.PutNote(box.node.Claims.Device, "line", b))
			laptop.save(1)
			start(laptop, box)
			time.Sleep(5 * time.Minute)
			if !laptop.received(box, laptop.node.Log(scope, crdt.ClassRecords), 1) {
				t.Errorf("%s: not called in five minutes: %+v", name, laptop.state(box))
			}
			halt(laptop, box)
		})
	}
}
