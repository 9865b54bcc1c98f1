package engine

import (
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
)

func TestTicksMoveWithReceipts(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	hub := testEngine(t, "hub", identity.RoleHub, others)
	id := laptop.create(map[string]any{"subject": "Việc"})
	want := func(p *peer, tick Tick) {
		t.Helper()
		if got := p.get(id).Tick; got != tick {
			t.Errorf("tick %v; want %v", got, tick)
		}
		for _, other := range []Tick{Here, Office, Province} {
			n := 0
			if other == tick {
				n = 1
			}
			if got := p.search(Query{Tick: &other}).Total; got != n {
				t.Errorf("%d records with tick %v; want %d", got, other, n)
			}
		}
	}
	want(laptop, Here)
	box.pull(laptop)
	want(laptop, Here)
	want(box, Office)
	if err := laptop.StoreReceipt(box.receipt()); err != nil {
		t.Fatal(err)
	}
	want(laptop, Office)
	if n, oldest, err := laptop.Unsent(); n != 1 || oldest == nil || *oldest != testNow.UnixMilli() || err != nil {
		t.Errorf("unsent %d, oldest %v, %v; want 1 of %d", n, oldest, err, testNow.UnixMilli())
	}
	if err := hub.ApplySegments(7, must(box.segmentsAll())); err != nil {
		t.Fatal(err)
	}
	if index, err := hub.Applied(); index != 7 || err != nil {
		t.Errorf("applied %d, %v; want 7", index, err)
	}
	want(hub, Province)
	received := hub.receipt()
	if err := laptop.StoreReceipt(received); err != nil {
		t.Fatal(err)
	}
	want(laptop, Province)
	laptop.edit(id, "", map[string]any{"state": "done"})
	want(laptop, Here)
	laptop.close()
	laptop.open()
	want(laptop, Here)
	if n, _, err := laptop.Unsent(); n != 1 || err != nil {
		t.Errorf("unsent %d, %v after an edit; want 1", n, err)
	}
}

func TestAnOlderReceiptIsPassedOver(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	box.create(map[string]any{"subject": "Một"})
	older := box.receipt()
	box.create(map[string]any{"subject": "Hai"})
	for _, r := range []*identity.Receipt{box.receipt(), older} {
		if err := laptop.StoreReceipt(r); err != nil {
			t.Fatal(err)
		}
	}
	held, err := laptop.Receipts(testScope)
	if err != nil || len(held) != 1 || held[0].Heads[0].Head.Seq != 2 {
		t.Errorf("held %v, %v; want the newer alone", held, err)
	}
}
