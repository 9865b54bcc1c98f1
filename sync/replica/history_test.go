package replica_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vungxa/vungxa/crdt"
)

var seeds = flag.Int("seeds", 20, "how many histories to play")

// Whatever lines and machines do, once they are left in peace everyone holds the
// same, and everyone can show that the province has received what it saved.
func TestHistories(t *testing.T) {
	for seed := range *seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { history(t, rand.New(rand.NewPCG(uint64(seed), 7))) })
		})
	}
}

func history(t *testing.T, chance *rand.Rand) {
	net, laptop, box, hub := office(t)
	all := []*station{laptop, box, hub}
	for _, s := range all {
		s.node.SegmentEntries = 1 + chance.IntN(4)
		s.retry = 4 * time.Second
	}
	net.loss, net.odds = rand.New(rand.NewPCG(chance.Uint64(), 1)), 5+chance.IntN(60)
	start(all...)
	saved := map[*station]uint64{}
	for range 40 {
		s := all[chance.IntN(len(all))]
		switch chance.IntN(7) {
		case 0:
			net.cutAll()
		case 1: // a crash: what was not durable is gone with the goroutines
			s.halt()
			time.Sleep(time.Duration(chance.IntN(5000)) * time.Millisecond)
			s.start()
		case 2:
			p := s.r.Peers()[0]
			must(t, s.r.SetCut(p.Device, !p.Cut))
		case 3:
			net.setDown("laptop", "box", chance.IntN(2) == 0)
		default:
			n := 1 + chance.IntN(6)
			s.save(n)
			saved[s] += uint64(n)
		}
		time.Sleep(time.Duration(chance.IntN(3000)) * time.Millisecond)
	}
	net.mu.Lock()
	net.loss = nil
	net.mu.Unlock()
	net.setDown("laptop", "box", false)
	for _, s := range all {
		for _, p := range s.r.Peers() {
			must(t, s.r.SetCut(p.Device, false))
		}
	}
	time.Sleep(time.Minute)
	same(t, all...)
	for s, n := range saved {
		log := s.node.Log(scope, crdt.ClassRecords)
		if got, _ := s.node.Heads(scope); got[log].Seq != n {
			t.Errorf("%s saved %d entries and holds %d", s.name, n, got[log].Seq)
		}
		for _, at := range all {
			if s != hub && !at.received(hub, log, n) {
				t.Errorf("%s can't show that the hub holds entry %d of %s: %+v", at.name, n, s.name, at.r.Peers())
			}
		}
	}
	halt(all...)
}
