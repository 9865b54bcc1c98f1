package engine

import (
	"bytes"
	"context"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/sync/identity"
)

// spoilEntry makes an entry unreadable.
func (p *peer) spoilEntry(log crdt.LogID, seq uint64) {
	p.t.Helper()
	err := p.Store.Update(func(tx *store.Tx) error {
		l, err := tx.Log(log)
		if err != nil {
			return err
		}
		return tx.PutEntry(l, seq, store.Stored{})
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// unobeyed is how many orders are not carried out.
func (p *peer) unobeyed() int {
	p.t.Helper()
	due, err := p.Unobeyed()
	if err != nil {
		p.t.Fatal(err)
	}
	return len(due)
}

// An order that meets a damaged record or entry keeps no node from opening: the rest
// obeys at once, and what is mended obeys then.
func TestAnOrderToEraseMeetsDamage(t *testing.T) {
	for _, damaged := range []string{"record", "entry"} {
		t.Run(damaged, func(t *testing.T) {
			others := map[crdt.Device]identity.Role{}
			box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
			id := box.create(map[string]any{"subject": "Một", "note": idNumber})
			other := box.create(map[string]any{"subject": "Khác"})
			laptop.pull(box)
			er, err := laptop.ErasureOf(context.Background(), "12", "cases", id, "note")
			if err != nil {
				t.Fatal(err)
			}
			if damaged == "entry" {
				laptop.spoilEntry(box.ownLog(crdt.ClassRecords), 1)
			} else if err := laptop.Store.Update(func(tx *store.Tx) error { return tx.Put(recordKey(id), []byte("hỏng")) }); err != nil {
				t.Fatal(err)
			}
			if err := laptop.Erase(er); node.CodeOf(err) != node.Damaged {
				t.Errorf("the order is taken with %v; want that it isn't wholly carried out", err)
			}
			for range 2 {
				laptop.get(other)
				if laptop.unobeyed() != 1 {
					t.Error("the order counts as carried out")
				}
				if bytes.Contains(laptop.plain(), []byte(idNumber)) {
					t.Error("what isn't damaged doesn't obey")
				}
				laptop.close()
				laptop.open()
			}
			for _, s := range must(box.segmentsAll()) {
				if err := laptop.Fill(s); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := laptop.Get(context.Background(), "cases", id); err != nil { // as a scrub would find it
				t.Log("the record is damaged:", err)
			}
			if err := laptop.Mend(); err != nil {
				t.Fatal(err)
			}
			if err := laptop.Obey(); err != nil {
				t.Fatal(err)
			}
			if laptop.unobeyed() != 0 || bytes.Contains(laptop.plain(), []byte(idNumber)) {
				t.Errorf("after mending %d orders are left", laptop.unobeyed())
			}
			if v := laptop.get(id).Values; v["note"] != nil || v["subject"] != "Một" {
				t.Errorf("after mending it reads %v", v)
			}
		})
	}
}

// A snapshot of someone who hasn't heard of an order brings nothing back.
func TestASnapshotObeysOrdersToErase(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	id := box.create(map[string]any{"subject": "Việc", "note": idNumber})
	records, floor := box.snapshotOf()
	er, err := box.ErasureOf(context.Background(), "12", "cases", id, "note")
	if err != nil {
		t.Fatal(err)
	}
	if err := laptop.Erase(er); err != nil {
		t.Fatal(err)
	}
	err = laptop.InstallSnapshot(context.Background(), func(yield func(*crdt.Record, error) bool) {
		for _, r := range records {
			if !yield(r, nil) {
				return
			}
		}
	}, floor)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		v := laptop.get(id)
		if v.Values["note"] != nil || v.Values["subject"] != "Việc" || bytes.Contains(laptop.plain(), []byte(idNumber)) {
			t.Errorf("the snapshot brought %v", v.Values)
		}
		laptop.close()
		laptop.open()
	}
}

// An order that is given while a snapshot is loaded reaches what was loaded before.
func TestAnOrderDuringASnapshot(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	id := box.create(map[string]any{"subject": "Việc", "note": idNumber})
	records, floor := box.snapshotOf()
	er, err := box.ErasureOf(context.Background(), "12", "cases", id, "note")
	if err != nil {
		t.Fatal(err)
	}
	laptop.close()
	given := false
	laptop.onStep = func(_ context.Context, name string) error {
		if name != "finish" {
			return nil
		}
		given = true
		return laptop.Erase(er)
	}
	laptop.open()
	err = laptop.InstallSnapshot(context.Background(), func(yield func(*crdt.Record, error) bool) {
		for _, r := range records {
			if !yield(r, nil) {
				return
			}
		}
	}, floor)
	if err != nil || !given {
		t.Fatal(given, err)
	}
	if v := laptop.get(id); v.Values["note"] != nil || v.Values["subject"] != "Việc" {
		t.Errorf("the snapshot brought %v", v.Values)
	}
}
