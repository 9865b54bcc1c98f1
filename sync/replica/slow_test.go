package replica_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/reconcile"
	"github.com/vungxa/vungxa/sync/replica"
)

// saveBulk saves so many entries of 5,000 bytes that don't compress, in the class that
// goes last.
func (s *station) saveBulk(n int) {
	s.t.Helper()
	r := rand.NewChaCha8([32]byte{2})
	for range n {
		b := make([]byte, 5000)
		_, _ = r.Read(b) // never fails
		if _, err := s.node.SaveValue(scope, crdt.ClassBulk, b); err != nil {
			s.t.Fatal(err)
		}
	}
}

// urgently saves what is urgent, and gives how long it took to get to another station.
func (s *station) urgently(to *station) time.Duration {
	s.t.Helper()
	began := time.Now()
	p, err := s.node.Save(scope, crdt.ClassUrgent, "khẩn")
	if err != nil {
		s.t.Fatal(err)
	}
	for time.Since(began) < time.Minute {
		if to.upTo(p.Log) >= p.Seq {
			return time.Since(began)
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Fatalf("what is urgent hasn't come within a minute")
	return 0
}

// upTo is how far a station holds a log.
func (s *station) upTo(log crdt.LogID) uint64 {
	s.t.Helper()
	heads, err := s.node.Heads(scope)
	if err != nil {
		s.t.Fatal(err)
	}
	return heads[log].Seq
}

// slowOffice is a laptop and a box at two ends of a line of 64 kbit/s whose carrier says
// what window suits it, and 200 kB of bulk that wait at the laptop.
func slowOffice(t *testing.T) (laptop, box *station, bulk crdt.LogID) {
	net, laptop, box, _ := office(t)
	net.rate, net.window = 8000, 8<<10
	box.peers = box.peers[:1]
	laptop.node.SegmentEntries = 30
	laptop.saveBulk(40)
	return laptop, box, laptop.node.Log(scope, crdt.ClassBulk)
}

// On a slow line what is urgent waits for no more than the window that the carrier hints
// at (8 KiB are a second here), though a segment of 150 kB is on its way before it.
func TestUrgentOnASlowLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		laptop, box, bulk := slowOffice(t)
		start(laptop, box)
		time.Sleep(5 * time.Second)
		for range 5 {
			if took := laptop.urgently(box); took > 1500*time.Millisecond {
				t.Errorf("what is urgent took %s", took)
			}
			time.Sleep(time.Second)
		}
		if box.upTo(bulk) == 40 {
			t.Error("there was no bulk to wait for any more")
		}
		time.Sleep(30 * time.Second)
		if box.upTo(bulk) != 40 {
			t.Errorf("after %s the box holds %d entries of the bulk", 42*time.Second, box.upTo(bulk))
		}
		same(t, laptop, box)
		halt(laptop, box)
	})
}

// When the time of a contact is used, bulk stops and what is urgent goes on for as long
// again; then the contact ends, which is no failure, and the next goes on.
func TestTheTimeOfAContact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		laptop, box, bulk := slowOffice(t)
		laptop.node.SegmentEntries = 2
		laptop.peers[0].Terms = replica.Terms{Time: 10 * time.Second}
		start(laptop, box)
		time.Sleep(12 * time.Second)
		had := box.upTo(bulk)
		if took := laptop.urgently(box); took > 1500*time.Millisecond {
			t.Errorf("past the time, what is urgent took %s", took)
		}
		time.Sleep(3 * time.Second)
		if now := box.upTo(bulk); had == 0 || had == 40 || now != had {
			t.Errorf("the box holds %d entries of the bulk when the time is used, and %d some seconds later", had, now)
		}
		time.Sleep(10 * time.Minute)
		if box.upTo(bulk) != 40 {
			t.Errorf("after more contacts the box holds %d entries of the bulk; %+v", box.upTo(bulk), laptop.state(box))
		}
		halt(laptop, box)
	})
}

// Bytes are bounded in the same way: what a contact may use, it uses, and no more but for
// what is urgent; the rest comes with the next.
func TestTheBytesOfAContact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		laptop, box, bulk := slowOffice(t)
		laptop.node.SegmentEntries = 2
		laptop.peers[0].Terms = replica.Terms{Budget: reconcile.Allowance{Bytes: 60_000, Hard: 70_000}}
		start(laptop, box)
		time.Sleep(20 * time.Second)
		had := box.upTo(bulk)
		if took := laptop.urgently(box); took > 1500*time.Millisecond {
			t.Errorf("past the bytes, what is urgent took %s", took)
		}
		if had < 8 || had > 14 {
			t.Errorf("with 60,000 bytes the box got %d entries of 5,000", had)
		}
		halt(laptop, box)
	})
}
