package engine

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/sync/identity"
)

func (p *peer) inbox() []InboxItem {
	p.t.Helper()
	items, err := p.Inbox()
	if err != nil {
		p.t.Fatal(err)
	}
	return items
}

// A record that was deleted while another officer edited it is in no list and in
// the inbox, on both sides, until a person restores it.
func TestEditedAfterDeletion(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	id := box.create(map[string]any{"subject": "Việc", "received": testNow.UnixMilli()})
	laptop.pull(box)
	box.change(Change{Record: &id, Delete: true})
	if _, err := box.Get(context.Background(), "cases", id); node.CodeOf(err) != node.NotFound || len(box.inbox()) != 0 || box.received() != 0 {
		t.Fatalf("after the deletion: %v, inbox %v", err, box.inbox())
	}
	laptop.edit(id, "", map[string]any{"state": "done"})
	box.pull(laptop)
	laptop.pull(box)
	for name, p := range map[string]*peer{"box": box, "laptop": laptop} {
		items := p.inbox()
		if len(items) != 1 || items[0].Kind != InboxEdited || items[0].Record != id || items[0].Device != laptop.device {
			t.Errorf("%s: inbox %+v; want the record, edited at the laptop", name, items)
		}
		if n := p.search(Query{}).Total; n != 0 {
			t.Errorf("%s: %d records in the list; want 0", name, n)
		}
		if v := p.get(id); !v.Edited || v.Values["state"] != "done" {
			t.Errorf("%s: what a person decides by: %+v", name, v)
		}
	}
	laptop.change(Change{Record: &id, Restore: true})
	box.pull(laptop)
	if v := box.get(id); v.Edited || v.Values["subject"] != "Việc" || v.Values["state"] != "done" || len(box.inbox()) != 0 || box.received() != 1 {
		t.Errorf("after restoring: %+v, inbox %v", v, box.inbox())
	}
	seen := box.get(id).Version
	box.change(Change{Record: &id, Delete: true, Seen: seen})
	laptop.pull(box)
	if len(laptop.inbox()) != 0 || laptop.search(Query{}).Total != 0 {
		t.Errorf("after a deletion that saw all: inbox %v", laptop.inbox())
	}
	if _, err := box.Save(context.Background(), Save{Changes: []Change{{Collection: "cases", Record: &id, Values: map[string]any{"state": "open"}}}}); node.CodeOf(err) != node.NotFound {
		t.Errorf("an edit of a deleted record: %v; want not_found", err)
	}
}

// A source's row doesn't bring back what officers have deleted.
func TestAnImportRestoresNothing(t *testing.T) {
	box := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	put := func(subject string) Outcome {
		o, err := box.Upsert(context.Background(), "a", "cases", []Row{{Key: "1", Values: map[string]any{"subject": subject}}}, false)
		if err != nil {
			t.Fatal(err)
		}
		return o[0]
	}
	id := put("Việc").Record
	box.change(Change{Record: &id, Delete: true})
	if o := put("Việc khác"); node.CodeOf(o.Err) != node.Conflict || box.search(Query{}).Total != 0 {
		t.Errorf("%+v; want it refused, and nothing shown", o)
	}
}

var setPack = strings.NewReplacer(
	"source, note]", "source, note, tags]",
	"    checks:\n", "      - {id: 9, name: tags, label: {vi: Nhãn, en: Tags}, type: list, kind: set, search: true}\n    checks:\n",
).Replace(testPack)

// Of a set both officers' items stay; what one removes and another adds again,
// unseen, stays too; and what the form didn't show isn't removed.
func TestSetsMergeItemByItem(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	for _, p := range []*peer{box, laptop} {
		p.close()
		p.openWith(setPack)
	}
	id := box.create(map[string]any{"subject": "Việc", "tags": []string{"gấp", "đất"}})
	laptop.pull(box)
	form := box.get(id).Version
	box.edit(id, "", map[string]any{"tags": []string{"gấp", "nhà"}})
	laptop.edit(id, "", map[string]any{"tags": []string{"gấp", "đất", "nước"}})
	box.pull(laptop)
	laptop.pull(box)
	want := []string{"gấp", "nhà", "nước"}
	for name, p := range map[string]*peer{"box": box, "laptop": laptop} {
		got, _ := p.get(id).Values["tags"].([]string)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v; want %v", name, got, want)
		}
		if n := p.search(Query{Text: "nuoc"}).Total; n != 1 {
			t.Errorf("%s: found %d by an item; want 1", name, n)
		}
	}
	box.edit(id, form, map[string]any{"tags": []string{}})
	got, _ := box.get(id).Values["tags"].([]string)
	if slices.Contains(got, "gấp") || !slices.Contains(got, "nước") {
		t.Errorf("emptied on an older form: %v; want what it didn't show to stay", got)
	}
}

// Policies are ways of reading what is stored.
func TestPoliciesReadTheSameWrites(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	early, late := testNow.UnixMilli(), testNow.UnixMilli()+1000
	id := box.create(map[string]any{"subject": "Việc", "due": late, "source": "hoà"})
	laptop.pull(box)
	box.edit(id, "", map[string]any{"due": early, "source": "số 7"})
	laptop.now = testNow.Add(1)
	laptop.edit(id, "", map[string]any{"due": late + 1000, "source": "số  7"})
	box.pull(laptop)
	for policy, want := range map[string]any{"min": early, "max": late + 1000} {
		box.close()
		box.openWith(strings.Replace(testPack, "type: datetime, kind: assign, policy: lww, sortable: true}\n      - {id: 6", "type: datetime, kind: assign, policy: "+policy+", sortable: true}\n      - {id: 6", 1))
		if v := box.get(id); v.Values["due"] != want {
			t.Errorf("%s: %v; want %v", policy, v.Values["due"], want)
		}
	}
	if v := box.get(id); slices.Contains(v.Conflicts, "source") || len(v.Cells["source"].Siblings) != 2 {
		t.Errorf("values that read as one: conflicts %v", v.Conflicts)
	}
	box.close()
	box.openWith(strings.Replace(testPack, "label: {vi: Nguồn, en: Source}, type: text, kind: assign, policy: lww", "label: {vi: Nguồn, en: Source}, type: text, kind: assign, policy: serial", 1))
	if v := box.get(id); v.Values["source"] != "hoà" || box.search(Query{Conflicted: true}).Total != 1 {
		t.Errorf("serial shows %v; want what was printed first, and a person to look", v.Values["source"])
	}
}

// A deletion that everyone holds is final: a restore is refused, and says what to do.
func TestARestoreThatComesTooLate(t *testing.T) {
	box := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	id := box.create(map[string]any{"subject": "Đã xoá"})
	if _, err := box.Upsert(context.Background(), "nhập", "cases", []Row{{Key: "1", Values: map[string]any{"subject": "Nhập"}}}, false); err != nil {
		t.Fatal(err)
	}
	byKey := crdt.RefByKey(testScope, "cases", "1").ID()
	for _, id := range []crdt.RecordID{id, byKey} {
		box.change(Change{Record: &id, Delete: true})
	}
	h := &province{ms: testNow.UnixMilli()}
	box.checkpoint(h.floor(box))
	restore := func(id crdt.RecordID) error {
		_, err := box.Save(context.Background(), Save{Officer: "a", Class: crdt.ClassRecords, Changes: []Change{{Collection: "cases", Record: &id, Restore: true}}})
		return err
	}
	for _, id := range []crdt.RecordID{id, byKey} {
		if err := restore(id); node.CodeOf(err) != node.Conflict {
			t.Errorf("a restore below the floor: %v; want a refusal that says what to do", err)
		}
		if _, err := box.DeletedRecord(context.Background(), "cases", id); err != nil {
			t.Errorf("what is to be copied can't be read: %v", err)
		}
	}
	out, err := box.Upsert(context.Background(), "nhập", "cases", []Row{{Key: "1", Values: map[string]any{"subject": "Lại"}}}, false)
	if err != nil || node.CodeOf(out[0].Err) != node.Conflict {
		t.Errorf("the row of a source: %v, %v; want it refused alike", out, err)
	}
	later := box.create(map[string]any{"subject": "Mới"})
	box.change(Change{Record: &later, Delete: true})
	if err := restore(later); err != nil {
		t.Errorf("a restore above the floor: %v", err)
	}
}

// A record named by a source's key that was deleted, forgotten here and made anew shows no
// old value on a node that hasn't forgotten it either.
func TestMadeAnewShowsNothingOld(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	upsert := func(p *peer, values map[string]any) {
		t.Helper()
		out, err := p.Upsert(context.Background(), "nhập", "cases", []Row{{Key: "1", Values: values}}, false)
		if err != nil || out[0].Err != nil {
			t.Fatal(out, err)
		}
	}
	upsert(box, map[string]any{"subject": "Cũ", "note": "cũ"})
	id := crdt.RefByKey(testScope, "cases", "1").ID()
	box.change(Change{Record: &id, Delete: true})
	laptop.pull(box)
	h := &province{ms: testNow.UnixMilli()}
	floor := h.floor(box)
	box.checkpoint(floor)
	laptop.checkpoint(floor)
	box.now = box.now.Add(Retention + 24*time.Hour)
	if n := box.compact(); n == 0 {
		t.Fatal("nothing was dropped")
	}
	upsert(box, map[string]any{"subject": "Mới"})
	laptop.pull(box)
	if v := laptop.get(id); v.Values["note"] != nil || v.Values["subject"] != "Mới" || len(v.Conflicts) > 0 {
		t.Errorf("where it wasn't forgotten: %v, conflicts %v", v.Values, v.Conflicts)
	}
	if n := laptop.search(Query{Text: "cu"}).Total; n != 0 {
		t.Errorf("%d found by an old value", n)
	}
	if laptop.stateHash() != box.stateHash() {
		t.Error("the laptop shows something else than the box")
	}
	laptop.sound()
}

// An order that takes away what took an item out of a set takes the item along; where it
// hasn't come yet, the order has to wait.
func TestAnErasedRemovalBringsNothingBack(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop, third := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others), testEngine(t, "third", identity.RoleLaptop, others)
	for _, p := range []*peer{box, laptop, third} {
		p.close()
		p.openWith(setPack)
	}
	id := box.create(map[string]any{"subject": "Việc"})
	laptop.pull(box)
	third.pull(box)
	box.edit(id, "", map[string]any{"tags": []string{"gấp", "đất"}})
	laptop.pull(box)
	laptop.edit(id, "", map[string]any{"tags": []string{"đất"}})
	var removal Erasure
	whole, err := laptop.ErasureOf(context.Background(), "1", "cases", id, "tags")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range whole.Ops {
		if o.Device == laptop.device {
			removal.Ops = append(removal.Ops, o)
		}
	}
	third.take(pieces(laptop)...)
	if _, err := third.ErasureOf(context.Background(), "1", "cases", id, "tags"); node.CodeOf(err) != node.Unavailable {
		t.Errorf("an order where the item hasn't come: %v; want it to wait", err)
	}
	if len(removal.Ops) != 1 {
		t.Fatalf("%d operations of the laptop's; want the removal", len(removal.Ops))
	}
	box.pull(laptop)
	if err := box.Erase(removal); err != nil {
		t.Fatal(err)
	}
	if got, _ := box.get(id).Values["tags"].([]string); !slices.Equal(got, []string{"đất"}) {
		t.Errorf("after the order: %v; want the item to stay out", got)
	}
}
