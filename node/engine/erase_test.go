package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/sync/identity"
)

// plain is everything that the store holds, as an engine can read it.
func (p *peer) plain() []byte {
	p.t.Helper()
	var all []byte
	err := p.Store.Export(func(key, value []byte) error {
		if bytes.HasPrefix(key, []byte("p"+localErasure)) {
			return nil
		}
		all = append(append(all, key...), value...)
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return all
}

const idNumber = "001090123456"

// eraseNote erases the note of a record that holds an ID number.
func (p *peer) eraseNote(id crdt.RecordID) Erasure {
	p.t.Helper()
	er, err := p.ErasureOf(context.Background(), "12/QĐ", "cases", id, "note")
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.Erase(er); err != nil {
		p.t.Fatal(err)
	}
	return er
}

func TestErasureTakesAPayloadOutOfEverything(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	if _, err := box.Upsert(context.Background(), "a", "cases", []Row{{Key: "1", Values: map[string]any{"subject": "Việc", "note": "CCCD " + idNumber}}}, false); err != nil {
		t.Fatal(err)
	}
	id := crdt.RefByKey(testScope, "cases", "1").ID()
	box.edit(id, "", map[string]any{"note": "số " + idNumber})
	before := must(box.segmentsAll())
	if !bytes.Contains(box.plain(), []byte(idNumber)) || box.search(Query{Text: idNumber}).Total != 1 {
		t.Fatal("the number isn't there before: the test shows nothing")
	}
	box.eraseNote(id)
	for range 2 {
		if bytes.Contains(box.plain(), []byte(idNumber)) {
			t.Error("the number is still stored")
		}
		if n := box.search(Query{Text: idNumber}).Total; n != 0 {
			t.Errorf("%d records found by the number", n)
		}
		v := box.get(id)
		if v.Values["note"] != nil || v.Values["subject"] != "Việc" || !v.Cells["note"].Siblings[0].Erased {
			t.Errorf("shown %v, %+v; want the rest, and the note as erased", v.Values, v.Cells["note"])
		}
		box.close()
		box.open()
	}
	after := must(box.segmentsAll())
	if after[0].Seal != before[0].Seal {
		t.Error("the seal is another: the chain has changed")
	}
	if _, err := after[0].Open(); err != nil {
		t.Errorf("the chain of what is left: %v", err)
	}
	laptop.ingest(after...)
	if v := laptop.get(id); v.Values["subject"] != "Việc" || v.Values["note"] != nil || laptop.stateHash() != box.stateHash() {
		t.Errorf("another device that gets what is left: %v", v.Values)
	}
	// A device that obeys takes it away before it stores it.
	third := testEngine(t, "third", identity.RoleLaptop, others)
	all, err := box.Erasures()
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	if err := third.Erase(all[0]); err != nil {
		t.Fatal(err)
	}
	third.ingest(before...)
	if bytes.Contains(third.plain(), []byte(idNumber)) || third.stateHash() != box.stateHash() {
		t.Error("what was ordered to be erased was stored when it came")
	}
}

// A store that was restored from before the erasure obeys it before it shows
// anything.
func TestErasureThenRestore(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	id := p.create(map[string]any{"subject": "Việc", "note": idNumber})
	p.close()
	backup := t.TempDir()
	if err := os.CopyFS(backup, os.DirFS(p.dir)); err != nil {
		t.Fatal(err)
	}
	p.open()
	er := p.eraseNote(id)
	p.close()
	p.dir = backup
	p.erasures = []Erasure{er}
	p.open()
	if v := p.get(id); v.Values["note"] != nil || bytes.Contains(p.plain(), []byte(idNumber)) {
		t.Errorf("the backup brought it back: %v", v.Values)
	}
	p.close()
	p.erasures = nil
	p.open()
	if bytes.Contains(p.plain(), []byte(idNumber)) {
		t.Error("the order is forgotten at the next start")
	}
}

// Whoever holds the store after an erasure can't find an ID number by trying all:
// no key that is left opens its commitment. Before it, one try is enough.
func TestBruteForceOfAnErasedNumber(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	id := p.create(map[string]any{"subject": "Việc", "note": idNumber})
	raw := func() *crdt.Entry {
		var entry *crdt.Entry
		err := p.Store.View(func(tx *store.Tx) error {
			l, err := tx.Log(p.ownLog(crdt.ClassRecords))
			if err != nil {
				return err
			}
			entry, err = p.entry(tx, l, 1)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return entry
	}
	whole := raw()
	p.eraseNote(id)
	left := raw()
	i := 0
	for left.Ops[i].Erased == (crdt.Hash{}) {
		i++
	}
	found := func(keys ...crdt.Key) bool {
		for n := range 200 {
			guess := *whole
			guess.Ops = append([]crdt.Op{}, whole.Ops...)
			value, err := wire.Marshal(fmt.Sprintf("0010901%05d", 23400+n))
			if err != nil {
				t.Fatal(err)
			}
			guess.Ops[i].Value = value
			for _, key := range keys {
				guess.Key, guess.Ops[i].Key = crdt.Key{}, key
				if wire.Commitment(&guess, i) == left.Ops[i].Erased {
					return true
				}
				guess.Key, guess.Ops[i].Key = key, crdt.Key{}
				if wire.Commitment(&guess, i) == left.Ops[i].Erased {
					return true
				}
			}
		}
		return false
	}
	if !found(whole.Key) {
		t.Fatal("with the entry's key the number isn't found: the test shows nothing")
	}
	keys := []crdt.Key{left.Key, {1}}
	for _, op := range left.Ops {
		keys = append(keys, op.Key)
	}
	if found(keys...) {
		t.Error("a key that is left opens the commitment")
	}
	if salt := p.saltOf(p.ownLog(crdt.ClassRecords)); len(salt) != 0 {
		t.Error("the salt of the span is still stored")
	}
}

// A salt that an erasure took doesn't come back with a segment of someone who hasn't
// heard of the order; and whoever wrote the entry goes on in the middle of its span.
func TestAnErasedSaltStaysAway(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	id := box.create(map[string]any{"subject": "Việc", "note": idNumber})
	log := box.ownLog(crdt.ClassRecords)
	laptop.pull(box)
	if len(laptop.saltOf(log)) == 0 {
		t.Fatal("the salt doesn't come with the entries: the test shows nothing")
	}
	laptop.eraseNote(id)
	box.edit(id, "", map[string]any{"subject": "Việc khác"})
	laptop.pull(box)
	if len(laptop.saltOf(log)) != 0 {
		t.Error("the salt came back with a segment")
	}
	before := box.saltOf(log)
	box.eraseNote(id)
	box.edit(id, "", map[string]any{"subject": "Việc nữa"})
	if salt := box.saltOf(log); len(salt) == 0 || bytes.Equal(salt, before) {
		t.Error("the rest of the span has no salt of its own")
	}
	laptop.pull(box)
	if got := laptop.get(id).Values["subject"]; got != "Việc nữa" {
		t.Errorf("after both erasures: %v", got)
	}
}

// saltOf is what is stored in the place of the salt of a log's first span.
func (p *peer) saltOf(log crdt.LogID) (salt []byte) {
	p.t.Helper()
	err := p.Store.View(func(tx *store.Tx) (err error) {
		salt, err = tx.Local(localSalt, saltName(log, 0))
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return salt
}

// What lies in a hole comes back from a segment, and the records with it.
func TestAHoleIsFilled(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	id := box.create(map[string]any{"subject": "Một"})
	box.edit(id, "", map[string]any{"subject": "Hai"})
	box.edit(id, "", map[string]any{"subject": "Ba"})
	laptop.pull(box)
	want := laptop.stateHash()
	log := box.ownLog(crdt.ClassRecords)
	err := laptop.Store.Update(func(tx *store.Tx) error {
		l, err := tx.Log(log)
		if err != nil {
			return err
		}
		for _, seq := range []uint64{2, 3} {
			if err := tx.PutEntry(l, seq, store.Stored{}); err != nil {
				return err
			}
		}
		return tx.Put(recordKey(id), []byte("hỏng"))
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := laptop.Get(context.Background(), "cases", id); err == nil {
		t.Fatal("the damage isn't seen: the test shows nothing")
	}
	if page := laptop.search(Query{}); len(page.Items) != 1 || !page.Items[0].Damaged {
		t.Errorf("the list says %+v; want the record there, and damaged", page.Items)
	}
	twin := testEngine(t, "box", identity.RoleBox, others)
	for range 3 {
		twin.create(map[string]any{"subject": "Lịch sử khác"})
	}
	if err := laptop.Fill(must(twin.segmentsAll())[0]); err == nil {
		t.Error("another history was filled in")
	}
	for _, s := range must(box.segmentsAll()) {
		if err := laptop.Fill(s); err != nil {
			t.Fatal(err)
		}
	}
	if v := laptop.get(id); v.Values["subject"] != "Ba" || laptop.stateHash() != want {
		t.Errorf("after filling: %v", v.Values)
	}
	if page := laptop.search(Query{Text: "ba"}); page.Total != 1 || page.Items[0].Damaged {
		t.Errorf("the list after filling: %+v", page)
	}
}

// An order holds for what is too much for one transaction, too.
func TestErasedBeforeALongSegmentComes(t *testing.T) {
	laptop := testEngine(t, "laptop", identity.RoleLaptop, map[crdt.Device]identity.Role{})
	s := longSegment(newForger(t, testScope))
	entries, err := s.Open()
	if err != nil {
		t.Fatal(err)
	}
	last := entries[len(entries)-1]
	er := Erasure{Number: "12/QĐ", AtMS: testNow.UnixMilli()}
	for i, op := range last.Ops {
		if op.Field == 2 {
			er.Ops = append(er.Ops, ErasedOp{
				Device: s.Log.Device, Incarnation: s.Log.Incarnation, Scope: s.Log.Scope, Class: s.Log.Class,
				Seq: last.Seq, Index: uint16(i), Collection: op.Collection, Record: op.Record.ID(),
			})
		}
	}
	if err := laptop.Erase(er); err != nil {
		t.Fatal(err)
	}
	laptop.ingest(s)
	if n := laptop.search(Query{}).Total; n != 4*crdt.MaxRecords {
		t.Fatalf("%d records; want %d", n, 4*crdt.MaxRecords)
	}
	if n := laptop.search(Query{Text: "việc"}).Total; n != 3*crdt.MaxRecords {
		t.Errorf("%d records are found by what they said; want %d, the rest was erased before it came", n, 3*crdt.MaxRecords)
	}
	raw, err := laptop.rawOf(s.Log, last.Seq)
	if err != nil || bytes.Contains(raw, []byte("Việc")) {
		t.Errorf("what was erased is stored in the entry, %v", err)
	}
}

// rawOf is an entry as it is stored.
func (p *peer) rawOf(log crdt.LogID, seq uint64) (raw []byte, err error) {
	err = p.Store.View(func(tx *store.Tx) error {
		l, err := tx.Log(log)
		if err == nil {
			raw, err = tx.Entry(l, seq)
		}
		return err
	})
	return raw, err
}

// What fills a hole is held to the orders, too: whoever sends it may not have heard of
// them.
func TestAHoleIsFilledWithoutWhatWasErased(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	id := box.create(map[string]any{"subject": "Việc", "note": idNumber})
	laptop.pull(box)
	laptop.eraseNote(id)
	want := laptop.stateHash()
	err := laptop.Store.Update(func(tx *store.Tx) error {
		l, err := tx.Log(box.ownLog(crdt.ClassRecords))
		if err != nil {
			return err
		}
		return errors.Join(tx.PutEntry(l, 1, store.Stored{}), tx.Put(recordKey(id), []byte("hỏng")))
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range must(box.segmentsAll()) {
		if err := laptop.Fill(s); err != nil {
			t.Fatal(err)
		}
	}
	if laptop.get(id).Values["subject"] != "Việc" || laptop.stateHash() != want {
		t.Errorf("after filling: %v", laptop.get(id).Values)
	}
	if bytes.Contains(laptop.plain(), []byte(idNumber)) {
		t.Error("the number came back with what fills the hole")
	}
}
