package replica_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/replica"
	"github.com/vungxa/vungxa/sync/replica/memlog"
)

// decides has a station hear of a hub's group, and of so many of its checkpoints.
func (s *station) decides(p *memlog.Province, n int) {
	s.t.Helper()
	cert, err := identity.IssueGroup(root, p.Group)
	must(s.t, err)
	must(s.t, s.node.StoreGroup(cert))
	for range n {
		b, err := p.Decide(crdt.Checkpoint{}, 2)
		must(s.t, err)
		must(s.t, s.node.Believe(s.t.Context(), b))
	}
}

func (s *station) decided() crdt.Hash {
	s.t.Helper()
	c, err := s.node.Newest(scope)
	must(s.t, err)
	return c.Hash
}

// What the hub has decided reaches the laptop through the box, over lines that stay up.
func TestDecisionsAreRelayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, laptop, box, hub := office(t)
		p := memlog.NewProvince(1, 3, scope)
		hub.decides(p, 1)
		start(laptop, box, hub)
		time.Sleep(5 * time.Second)
		for i := range 3 {
			if laptop.decided() != hub.decided() || hub.decided() == (crdt.Hash{}) {
				t.Errorf("round %d: the laptop doesn't know the newest", i)
			}
			hub.decides(p, 30)
			time.Sleep(5 * time.Second)
		}
		hub.decides(p.Renew(2), 0) // a change of members travels by itself
		time.Sleep(5 * time.Second)
		if g, _ := laptop.node.Directory.Group(scope); g.Epoch != 2 {
			t.Errorf("the laptop believes the group of epoch %d", g.Epoch)
		}
		same(t, laptop, box, hub)
		halt(laptop, box, hub)
	})
}

// They go with a stick, too, before all else; where there is no room for all of them, as
// far as there is.
func TestDecisionsAreCarried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		office, province := unlinked(t)
		defer halt(office, province)
		province.decides(memlog.NewProvince(1, 3, scope), 20)
		if took := office.take(province.write(replica.Order{Room: 2000}, office), province); len(took.Answer.Refused) > 0 {
			t.Errorf("%+v", took)
		}
		if part := office.decided(); part == (crdt.Hash{}) || part == province.decided() {
			t.Error("a small stick carries none of them, or all")
		}
		office.take(province.write(replica.Order{}, office), province)
		if office.decided() != province.decided() {
			t.Error("a large stick doesn't carry them all")
		}
	})
}
