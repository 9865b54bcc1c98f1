package replica_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/replica"
)

// know lets stations know each other's certificates, as enrolment does.
func know(t *testing.T, all ...*station) {
	t.Helper()
	for _, a := range all {
		for _, b := range all {
			_, err := a.node.Directory.Add(b.node.Certificate)
			must(t, err)
		}
	}
}

// write writes for a station, and notes it as carried.
func (s *station) write(o replica.Order, to ...*station) *replica.Written {
	s.t.Helper()
	for _, other := range to {
		o.To = append(o.To, other.node.Claims.Device)
	}
	if o.Room == 0 {
		o.Room = 1 << 20
	}
	w, err := s.r.Write(context.Background(), o)
	must(s.t, err)
	must(s.t, s.r.Carry(o.To, w))
	return w
}

func (s *station) take(w *replica.Written, by *station) replica.Took {
	s.t.Helper()
	took, err := s.r.Take(context.Background(), replica.Carrying{
		By: by.node.Claims.Device, Certificate: by.node.Certificate, Counter: w.Counter, Scopes: w.Scopes, Messages: w.Messages,
	})
	must(s.t, err)
	return took
}

func (s *station) carried(to *station) uint64 {
	s.t.Helper()
	n, err := s.r.Carried(to.node.Claims.Device)
	must(s.t, err)
	return n
}

func size(w *replica.Written) (n int) {
	for _, m := range w.Messages {
		n += len(m)
	}
	return n
}

// unlinked is two stations that no line joins.
func unlinked(t *testing.T) (office, province *station) {
	net := newNetwork()
	office = newStation(t, net, "laptop", identity.RoleLaptop)
	province = newStation(t, net, "hub", identity.RoleHub)
	know(t, office, province)
	start(office, province)
	return office, province
}

func TestCarriedThereAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		office, province := unlinked(t)
		defer halt(office, province)
		office.save(300)
		first := office.write(replica.Order{}, province)
		if first.Entries != 300 || first.Full || office.carried(province) != 300 {
			t.Fatalf("%d entries written, full %v, %d carried", first.Entries, first.Full, office.carried(province))
		}
		office.save(1)
		second := office.write(replica.Order{}, province) // all is still on its way: it goes again
		if second.Entries != 301 || office.carried(province) != 301 {
			t.Fatalf("%d entries written, %d carried", second.Entries, office.carried(province))
		}
		for i, w := range []*replica.Written{second, first, second} { // any order, any number of times
			took := province.take(w, office)
			if want := []int{301, 0, 0}[i]; took.Entries != want || took.Answer.Lacking() || len(took.Answer.Refused) > 0 {
				t.Fatalf("reading %d: %+v", i, took)
			}
		}
		back := province.write(replica.Order{}, office)
		took := office.take(back, province)
		if took.Receipts != 1 || office.carried(province) != 0 {
			t.Fatalf("%+v; %d still carried", took, office.carried(province))
		}
		same(t, office, province)

		// From now on only what is new is written.
		office.save(1)
		w := office.write(replica.Order{}, province)
		t.Logf("one save on a stick: %d bytes in %d messages; its receipt:", size(w), len(w.Messages))
		if w.Entries != 1 || !w.Known || size(w) > 160 {
			t.Fatalf("%d entries in %d bytes", w.Entries, size(w))
		}
		province.take(w, office)
		back = province.write(replica.Order{}, office)
		t.Logf("%d bytes in %d messages", size(back), len(back.Messages))
		office.take(back, province)
		same(t, office, province)
		if w = office.write(replica.Order{}, province); w.Entries != 0 || size(w) > 40 {
			t.Errorf("with nothing new: %d entries, %d bytes", w.Entries, size(w))
		}
		if took := province.take(w, office); took.Answer.Wrong || took.Answer.Lacking() {
			t.Errorf("with nothing new: %+v", took.Answer)
		}
	})
}

func TestCarriedInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		office, province := unlinked(t)
		defer halt(office, province)
		office.node.SegmentEntries = 20
		for range 15 {
			office.save(20)
			office.holds() // seals
		}
		var parts []*replica.Written
		o := replica.Order{Room: 700}
		for {
			w := office.write(o, province)
			parts = append(parts, w)
			if !w.Full {
				break
			}
			if len(w.Messages) == 0 {
				t.Fatal("a part with nothing in it")
			}
			o.From = w.Sent
		}
		if len(parts) < 3 {
			t.Fatalf("%d parts", len(parts))
		}
		last := len(parts) - 1
		if took := province.take(parts[last], office); !took.Answer.Lacking() || took.Entries > 0 {
			t.Errorf("the last part alone: %+v", took)
		}
		for i, w := range parts {
			if took := province.take(w, office); took.Entries == 0 || took.Answer.Lacking() {
				t.Errorf("part %d: %+v", i, took)
			}
		}
		office.take(province.write(replica.Order{}, office), province)
		same(t, office, province)
	})
}

// A store that was restored says what it lacks on the way back, and gets it.
func TestCarriedHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		office, province := unlinked(t)
		defer halt(office, province)
		office.save(30)
		province.take(office.write(replica.Order{}, province), office)
		office.take(province.write(replica.Order{}, office), province)

		lost := newStation(t, office.net, "hub", identity.RoleHub) // the same device, with nothing
		know(t, office, lost)
		lost.start()
		defer lost.halt()
		office.save(1)
		took := lost.take(office.write(replica.Order{}, province), office)
		if !took.Answer.Lacking() {
			t.Fatalf("%+v", took)
		}
		office.take(lost.write(replica.Order{Answer: took.Answer}, office), lost)
		if took = lost.take(office.write(replica.Order{}, lost), office); took.Entries != 31 || took.Answer.Lacking() {
			t.Fatalf("after its answer: %+v", took)
		}
		office.take(lost.write(replica.Order{}, office), lost)
		if office.carried(lost) != 0 {
			t.Errorf("%d still carried", office.carried(lost))
		}
	})
}

// For several readers what is written suits who holds least, in what all may read.
func TestCarriedForSeveral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork()
		office := newStation(t, net, "laptop", identity.RoleLaptop)
		a, b := newStation(t, net, "box", identity.RoleBox), newStation(t, net, "hub", identity.RoleHub)
		know(t, office, a, b)
		start(office, a, b)
		defer halt(office, a, b)
		office.save(5)
		a.take(office.write(replica.Order{}, a), office)
		office.take(a.write(replica.Order{}, office), a)
		office.save(5)
		w := office.write(replica.Order{}, a, b)
		if w.Entries != 10 {
			t.Fatalf("%d entries", w.Entries)
		}
		if took := a.take(w, office); took.Entries != 5 {
			t.Errorf("who has five: %+v", took)
		}
		if took := b.take(w, office); took.Entries != 10 {
			t.Errorf("who has none: %+v", took)
		}
		office.take(a.write(replica.Order{}, office), a)
		if office.carried(a) != 0 || office.carried(b) != 10 {
			t.Errorf("%d and %d carried", office.carried(a), office.carried(b))
		}
		office.take(b.write(replica.Order{}, office), b)
		office.save(1)
		if w := office.write(replica.Order{}, a, b); w.Entries != 1 {
			t.Errorf("%d entries for two that hold the rest", w.Entries)
		}
	})
}
