package engine

import (
	"context"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/sync/identity"
)

// ingest gives p segments, in order.
func (p *peer) ingest(segments ...*wire.Segment) {
	p.t.Helper()
	if err := p.Engine.Ingest(context.Background(), segments); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) siblings(id crdt.RecordID, field string) (values []any) {
	p.t.Helper()
	for _, s := range p.get(id).Cells[field].Siblings {
		values = append(values, s.Value)
	}
	return values
}

// An edit that arrives before what it replaces waits for it, however many starts
// lie between, and then counts; the records concerned are looked at and no others.
func TestAnOverwriteWaitsForWhatItNames(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	late := testEngine(t, "late", identity.RoleLaptop, others)
	id := box.create(map[string]any{"subject": "Một"})
	box.create(map[string]any{"subject": "Khác"})
	first := must(box.segmentsAll())
	laptop.pull(box)
	laptop.edit(id, "", map[string]any{"subject": "Hai"})
	for _, s := range must(laptop.segmentsAll()) {
		if s.Log.Device == laptop.device {
			late.ingest(s)
		}
	}
	if n := late.waiting(box.ownLog(crdt.ClassRecords)); n != 1 {
		t.Fatalf("%d records wait for the box's log; want 1", n)
	}
	late.close()
	late.open()
	late.ingest(first...)
	if v := late.siblings(id, "subject"); len(v) != 1 || v[0] != "Hai" {
		t.Errorf("after the box's log came: %v; want Hai alone", v)
	}
	if n := late.waiting(box.ownLog(crdt.ClassRecords)); n != 0 {
		t.Errorf("%d records still wait", n)
	}
}

// An edit of two records waits in both for the newest entry that it names, and counts
// in both when that comes.
func TestAnOverwriteWaitsForItsPin(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	late := testEngine(t, "late", identity.RoleLaptop, others)
	ids := []crdt.RecordID{box.create(map[string]any{"subject": "Một"})}
	first := must(box.segmentsAll())
	ids = append(ids, box.create(map[string]any{"subject": "Khác"}))
	laptop.pull(box)
	var both Save
	both.Officer, both.Class = "a", crdt.ClassRecords
	for _, id := range ids {
		both.Changes = append(both.Changes, Change{Collection: "cases", Record: &id, Values: map[string]any{"subject": "Hai"}})
	}
	if _, err := laptop.Save(context.Background(), both); err != nil {
		t.Fatal(err)
	}
	late.ingest(pieces(laptop)...)
	late.ingest(first...)
	if v := late.siblings(ids[0], "subject"); len(v) != 2 {
		t.Fatalf("the second entry isn't here, and %v is shown; want both values", v)
	}
	late.pull(box)
	for _, id := range ids {
		if v := late.siblings(id, "subject"); len(v) != 1 || v[0] != "Hai" {
			t.Errorf("after all came: %v; want Hai alone", v)
		}
	}
}

func (p *peer) waiting(l crdt.LogID) (n int) {
	p.t.Helper()
	err := p.Store.View(func(tx *store.Tx) error {
		places, err := tx.Waiting(l, 0, 1<<62)
		n = len(places)
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

// A device that claims to have seen what another will write can't keep it from
// being shown: the pin is of no entry that there is.
func TestTheFutureIsNotOverwritten(t *testing.T) {
	box := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	id := box.create(map[string]any{"subject": "Đầu"})
	log := box.ownLog(crdt.ClassRecords)
	ref := crdt.Ref{Dot: crdt.Dot{Log: log, Seq: 1}}
	f := newForger(t, testScope)
	f.pins = []crdt.Pin{{Log: log, Seq: 2, Hash: crdt.Hash{1}}}
	box.ingest(f.segment(testNow.UnixMilli(), write(ref, 2, "Giả", crdt.Pos{Log: log, Seq: 2})))
	box.edit(id, "", map[string]any{"subject": "Của cán bộ"})
	if v := box.siblings(id, "subject"); len(v) != 1 || v[0] != "Của cán bộ" {
		t.Errorf("shown %v; want the officer's alone", v)
	}
	box.close()
	box.open()
	if v := box.siblings(id, "subject"); len(v) != 1 || v[0] != "Của cán bộ" {
		t.Errorf("after another start %v; want the officer's alone", v)
	}
}

// Every entry of this device has a key of its own, made of a salt that is stored.
func TestEntriesCommitByASaltOfTheirSpan(t *testing.T) {
	box := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	box.create(map[string]any{"subject": "Một"})
	box.create(map[string]any{"subject": "Một"})
	keys := map[crdt.Key]bool{}
	err := box.Store.View(func(tx *store.Tx) error {
		l, err := tx.Log(box.ownLog(crdt.ClassRecords))
		if err != nil {
			return err
		}
		for seq := uint64(1); seq <= 2; seq++ {
			salt, err := box.salt(tx, l.ID, seq)
			if err != nil {
				return err
			}
			entry, err := box.entry(tx, l, seq)
			if err != nil {
				return err
			}
			if entry.Key != wire.EntryKey(salt, seq) {
				t.Errorf("entry %d: its key is not of its span's salt", seq)
			}
			keys[entry.Key] = true
		}
		return nil
	})
	if err != nil || len(keys) != 2 || keys[crdt.Key{}] {
		t.Errorf("keys %v, %v; want two", keys, err)
	}
}

// Salts travel beside the entries, so that who sends them on sends no keys, and
// come to no one who has dropped his.
func TestSaltsGoOnWithTheirEntries(t *testing.T) {
	box := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	for range 3 {
		box.create(map[string]any{"subject": "Một"})
	}
	log := box.ownLog(crdt.ClassRecords)
	sent := must(box.segmentsAll())
	other := testEngine(t, "laptop", identity.RoleLaptop, map[crdt.Device]identity.Role{})
	for _, s := range sent {
		if s.Log == log && len(s.Salts) != 1 {
			t.Errorf("%d salts are sent; want 1", len(s.Salts))
		}
		other.ingest(s)
	}
	got, err := other.Segment(log, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Salts) != 1 {
		t.Errorf("%d salts are sent on; want 1", len(got.Salts))
	}
	lost := testEngine(t, "other", identity.RoleLaptop, map[crdt.Device]identity.Role{})
	err = lost.Store.Update(func(tx *store.Tx) error { return tx.PutLocal(localSalt, saltName(log, 0), []byte{}) })
	if err != nil {
		t.Fatal(err)
	}
	lost.ingest(sent...)
	if got, err = lost.Segment(log, 0, 0); err != nil || len(got.Salts) != 0 {
		t.Errorf("%d salts came again, %v", len(got.Salts), err)
	}
}

// citesNewest checks what this device's newest entry cites.
func (p *peer) citesNewest(want crdt.Cite) func(*store.Tx) error {
	return func(tx *store.Tx) error {
		l, err := tx.Log(p.ownLog(crdt.ClassRecords))
		if err != nil {
			return err
		}
		entry, err := p.entry(tx, l, l.Head.Seq)
		if err == nil && entry.Cites != want {
			p.t.Errorf("the newest entry cites %v; want %v", entry.Cites, want)
		}
		return err
	}
}
