package replica_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/replica"
)

// After a line, receipts are written onto the last one that the peer has. Read again, or
// after a later one, they rest on nothing that is missing.
func TestReceiptsCarriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork()
		office := newStation(t, net, "laptop", identity.RoleLaptop)
		province := newStation(t, net, "hub", identity.RoleHub)
		know(t, office, province)
		join(office, province)
		start(office, province)
		defer halt(office, province)
		office.save(3)
		province.save(3)
		time.Sleep(time.Hour)
		same(t, office, province)
		net.down[[2]string{"laptop", "hub"}], net.down[[2]string{"hub", "laptop"}] = true, true
		for _, c := range net.conns {
			c.lose()
		}
		time.Sleep(time.Minute)

		var read []*replica.Written
		for range 3 {
			province.save(1)
			office.take(province.write(replica.Order{}, office), province)
			office.save(1)
			read = append(read, office.write(replica.Order{}, province))
			for range 2 {
				for i, w := range read {
					if took := province.take(w, office); took.Answer.Lacking() || len(took.Answer.Whole) > 0 {
						t.Fatalf("bundle %d of %d: %+v", i, len(read), took.Answer)
					}
				}
			}
		}
		office.take(province.write(replica.Order{}, office), province)
		same(t, office, province)
	})
}
