package engine

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/sync/identity"
)

// decide has a peer hear that the hub has committed what a box told it.
func (p *peer) decide(box *peer) {
	p.t.Helper()
	head := box.receipt().Heads[0]
	h := &province{ms: testNow.UnixMilli()}
	p.checkpoint(h.checkpoint(crdt.Checkpoint{}))
	p.checkpoint(h.checkpoint(crdt.Checkpoint{Heads: []crdt.Pin{{Log: head.Log, Seq: head.Head.Seq, Hash: head.Head.Hash}}}))
}

// An order takes what both histories of a log said, whether the hub decides before it,
// behind it, or not, and whichever it decides for.
func TestAnErasureOfBothBranches(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box := testEngine(t, "box", identity.RoleBox, others)
	id := box.create(map[string]any{"subject": "Chung"})
	box.receipt()
	twin := box.twin()
	box.edit(id, "", map[string]any{"note": "mot " + idNumber})
	twin.edit(id, "", map[string]any{"note": "hai " + idNumber})
	twin.edit(id, "", map[string]any{"subject": "Hai"})
	for _, when := range []string{"never", "before", "behind"} {
		for _, decided := range []*peer{box, twin} {
			laptop := testEngine(t, "laptop", identity.RoleLaptop, others)
			laptop.take(slices.Concat(pieces(box), pieces(twin))...)
			if got := laptop.texts(id, "note"); len(got) != 2 {
				t.Fatalf("it reads %q: the test shows nothing", got)
			}
			if when == "before" {
				laptop.decide(decided)
			}
			er := laptop.eraseNote(id)
			if when == "behind" {
				laptop.decide(decided)
			}
			if bytes.Contains(laptop.plain(), []byte(idNumber)) || laptop.unobeyed() > 0 {
				t.Errorf("decided %s, for the twin: %v: the number is stored; orders left: %d", when, decided == twin, laptop.unobeyed())
			}
			if !slices.Contains(laptop.texts(id, "subject"), "Hai") {
				t.Errorf("decided %s: the subject reads %q", when, laptop.texts(id, "subject"))
			}
			laptop.sound()
			laptop.close()
			laptop.open()
			// Another device obeys the order before either branch has come.
			third := testEngine(t, "third", identity.RoleLaptop, others)
			if err := third.Erase(er); err != nil {
				t.Fatal(err)
			}
			third.take(slices.Concat(pieces(twin), pieces(box))...)
			if bytes.Contains(third.plain(), []byte(idNumber)) || len(third.texts(id, "note")) != 2 {
				t.Errorf("decided %s: where the branches come behind the order, it reads %q", when, third.texts(id, "note"))
			}
		}
	}
}

// An order names an entry of one history: what another has at the same place stays.
func TestAnErasureLeavesTheOtherBranch(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box := testEngine(t, "box", identity.RoleBox, others)
	id := box.create(map[string]any{"subject": "Chung"})
	other := box.create(map[string]any{"subject": "Khác"})
	box.receipt()
	twin := box.twin()
	box.edit(id, "", map[string]any{"note": idNumber})
	twin.edit(other, "", map[string]any{"note": "phải giữ"})
	laptop := testEngine(t, "laptop", identity.RoleLaptop, others)
	laptop.take(pieces(box)...)
	laptop.eraseNote(id)
	laptop.take(pieces(twin)...)
	if got := laptop.texts(other, "note"); !slices.Equal(got, []string{"phải giữ"}) {
		t.Errorf("another record, of another history, reads %q", got)
	}
	if bytes.Contains(laptop.plain(), []byte(idNumber)) {
		t.Error("the number is stored")
	}
	laptop.decide(twin)
	if got := laptop.texts(other, "note"); !slices.Equal(got, []string{"phải giữ"}) {
		t.Errorf("behind the hub's decision another record reads %q", got)
	}
}

// An operation without a hash is of the history that has the log's name, and of the record
// that was ordered: what another history says at the same place stays, in whatever order
// the order, the histories and the hub's word come.
func TestAnErasureThatNamesNoHash(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box := testEngine(t, "box", identity.RoleBox, others)
	id := box.create(map[string]any{"subject": "Chung"})
	other := box.create(map[string]any{"subject": "Khác"})
	box.receipt()
	twin, same := box.twin(), box.twin()
	box.edit(id, "", map[string]any{"note": idNumber})
	twin.edit(other, "", map[string]any{"note": "phải giữ"})
	same.edit(id, "", map[string]any{"note": "cũng phải giữ"})
	er, err := box.ErasureOf(context.Background(), "12", "cases", id, "note")
	if err != nil {
		t.Fatal(err)
	}
	for i := range er.Ops {
		er.Ops[i].Entry = crdt.Hash{}
	}
	histories := func(all ...*peer) func(*peer) {
		return func(p *peer) {
			for _, from := range all {
				p.take(pieces(from)...)
			}
		}
	}
	order := func(p *peer) {
		if err := p.Erase(er); err != nil {
			t.Fatal(err)
		}
	}
	decide := func(p *peer) { p.decide(box) }
	for when, steps := range map[string][]func(*peer){
		"order, the other, its own, decision": {order, histories(twin, box), decide},
		"the other, order, its own, decision": {histories(twin), order, histories(box), decide},
		"both, order, decision":               {histories(twin, box), order, decide},
		"both, decision, order":               {histories(box, twin), decide, order},
		"one record: decided, then ordered":   {histories(same, box), decide, order},
		"one record: its own, order, other":   {histories(box), order, histories(same), decide},
	} {
		p := testEngine(t, "laptop", identity.RoleLaptop, others)
		for _, step := range steps {
			step(p)
		}
		for range 2 {
			kept := append(p.texts(other, "note"), p.texts(id, "note")...)
			if !slices.ContainsFunc(kept, func(s string) bool { return strings.Contains(s, "phải giữ") }) {
				t.Errorf("%s: what the other history says is gone: %q", when, kept)
			}
			if bytes.Contains(p.plain(), []byte(idNumber)) || p.unobeyed() > 0 {
				t.Errorf("%s: the number is stored; orders left: %d", when, p.unobeyed())
			}
			p.sound()
			p.close()
			p.open()
		}
	}
}

// An order takes what compaction has left standing, too; a damaged entry of the record
// makes it wait.
func TestAnOrderNamesAllThatIsThere(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	id := box.create(map[string]any{"subject": "Một", "note": idNumber})
	laptop.pull(box)
	box.checkpoint((&province{}).floor(box))
	box.now = testNow.Add(Retention + time.Hour)
	if box.compact() == 0 {
		t.Fatal("nothing is compacted: the test shows nothing")
	}
	box.edit(id, "", map[string]any{"subject": "Hai"})
	er := box.eraseNote(id)
	for range 2 {
		if v := box.get(id).Values; v["note"] != nil || v["subject"] != "Hai" || bytes.Contains(box.plain(), []byte(idNumber)) {
			t.Errorf("it reads %v", v)
		}
		box.close()
		box.open()
	}
	if err := laptop.Erase(er); err != nil || bytes.Contains(laptop.plain(), []byte(idNumber)) {
		t.Errorf("a device that has compacted nothing obeys with %v", err)
	}
	third := testEngine(t, "third", identity.RoleLaptop, others)
	id = third.create(map[string]any{"subject": "Một"})
	third.edit(id, "", map[string]any{"note": idNumber})
	third.spoilEntry(third.ownLog(crdt.ClassRecords), 2)
	if er, err := third.ErasureOf(context.Background(), "12", "cases", id); node.CodeOf(err) != node.Unavailable {
		t.Errorf("past a damaged entry an order of %d operations is made, %v; want that it waits", len(er.Ops), err)
	}
}

// Orders that were kept before entries were named by their hash are read, keep their
// name, and hold.
func TestAnOrderOfTheFirstForm(t *testing.T) {
	box := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	id := box.create(map[string]any{"subject": "Một", "note": idNumber})
	er, err := box.ErasureOf(context.Background(), "12", "cases", id, "note")
	if err != nil || er.Ops[0].Entry == (crdt.Hash{}) {
		t.Fatal(er, err)
	}
	var ops []any
	for _, o := range er.Ops {
		ops = append(ops, []any{o.Device, o.Incarnation, o.Scope, o.Class, o.Seq, o.Index, o.Collection, o.Record})
	}
	old, err := wire.Marshal([]any{er.Number, er.AtMS, ops})
	if err != nil {
		t.Fatal(err)
	}
	first, err := decodeErasure(old)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := encodeErasure(first); err != nil || !bytes.Equal(again, old) {
		t.Errorf("it is kept as % x, %v; want % x", again, err, old)
	}
	err = box.Store.Update(func(tx *store.Tx) error {
		return tx.PutLocal(localErasure, "ordered", append([]byte{erasureOrdered}, old...))
	})
	if err != nil {
		t.Fatal(err)
	}
	box.close()
	box.open()
	if v := box.get(id).Values; v["note"] != nil || v["subject"] != "Một" || bytes.Contains(box.plain(), []byte(idNumber)) {
		t.Errorf("it reads %v", v)
	}
	later, err := wire.Marshal([]any{3, er.Number, er.AtMS, []any{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decodeErasure(later); err == nil {
		t.Error("an order of a form to come is read")
	}
}
