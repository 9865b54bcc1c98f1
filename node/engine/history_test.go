package engine

import (
	"context"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/sync/identity"
)

// The history tells every write, whose it was, when, and what it replaced, also
// of what stands no more.
func TestHistoryTellsWhatWasReplaced(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	id := box.create(map[string]any{"subject": "Một"})
	laptop.pull(box)
	laptop.now = testNow.Add(time.Hour)
	laptop.edit(id, "", map[string]any{"subject": "Hai"})
	box.pull(laptop)
	box.now = testNow.Add(2 * time.Hour)
	box.edit(id, "", map[string]any{"subject": "Ba", "state": "open"})
	for name, p := range map[string]*peer{"box": box, "another start": box} {
		if name == "another start" {
			p.close()
			p.open()
		}
		events, err := p.History(context.Background(), "cases", id)
		if err != nil {
			t.Fatal(err)
		}
		var subjects []Event
		for _, v := range events {
			if v.Field == "subject" {
				subjects = append(subjects, v)
			}
		}
		if len(subjects) != 3 || subjects[0].Value != "Ba" || subjects[1].Value != "Hai" || subjects[2].Value != "Một" {
			t.Fatalf("%s: subjects %+v; want Ba, Hai, Một", name, subjects)
		}
		if subjects[1].Dot.Log.Device != laptop.device || subjects[1].AtMS != laptop.now.UnixMilli() || subjects[1].Officer != "a" {
			t.Errorf("%s: who and when: %+v", name, subjects[1])
		}
		if r := subjects[1].Replaced; len(r) != 1 || r[0] != subjects[2].Dot {
			t.Errorf("%s: Hai replaced %v; want Một", name, r)
		}
		if r := subjects[0].Replaced; len(r) != 2 || len(subjects[2].Replaced) != 0 {
			t.Errorf("%s: Ba replaced %v; want both before", name, r)
		}
		if last := events[len(events)-1]; last.FieldID != crdt.FieldExistence && last.AtMS != testNow.UnixMilli() {
			t.Errorf("%s: the oldest is %+v", name, last)
		}
	}
	if _, err := box.History(context.Background(), "cases", crdt.RecordID{1}); node.CodeOf(err) != node.NotFound {
		t.Errorf("of no record: %v; want not_found", err)
	}
}
