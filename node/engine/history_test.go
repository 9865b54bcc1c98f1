package engine

import (
	"context"
	"fmt"
	"slices"
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
		saves := p.history(id)
		if len(saves) != 3 || saves[0].Wrote[1].Value != "Ba" || saves[1].Wrote[0].Value != "Hai" {
			t.Fatalf("%s: %+v; want Ba, Hai, and the creation", name, saves)
		}
		if s := saves[1]; s.At.Log.Device != laptop.device || s.AtMS != laptop.now.UnixMilli() || s.Officer != "a" || s.Wrote[0].Stands {
			t.Errorf("%s: who and when: %+v", name, s)
		}
		if r := saves[1].Wrote[0].Replaced; len(r) != 1 || r[0].Value != "Một" || r[0].Device != box.device {
			t.Errorf("%s: Hai replaced %+v; want Một", name, r)
		}
		if w := saves[0].Wrote[1]; len(w.Replaced) != 1 || w.Replaced[0].Value != "Hai" || !w.Stands || w.Conflict {
			t.Errorf("%s: Ba replaced %+v; want Hai, and not what Hai had replaced", name, w)
		}
		if first := saves[2].Wrote; first[0].FieldID != crdt.FieldExistence || first[0].Value != true {
			t.Errorf("%s: the oldest is %+v", name, first)
		}
	}
	if _, err := box.History(context.Background(), "cases", crdt.RecordID{1}, "", 5); node.CodeOf(err) != node.NotFound {
		t.Errorf("of no record: %v; want not_found", err)
	}
}

func (p *peer) history(id crdt.RecordID) []Saved {
	p.t.Helper()
	h, err := p.History(context.Background(), "cases", id, "", MaxPage)
	if err != nil {
		p.t.Fatal(err)
	}
	return h.Saves
}

// Pages of the history of two devices follow each other without a gap, whatever is
// saved meanwhile; what stands side by side says so, and what was erased too.
func TestHistoryInPages(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	id := box.create(map[string]any{"subject": "Việc", "note": "số " + idNumber})
	laptop.pull(box)
	for i := range 7 {
		p := []*peer{box, laptop}[i%2]
		p.now = testNow.Add(time.Duration(i+1) * time.Minute)
		p.edit(id, "", map[string]any{"subject": fmt.Sprint(i)})
	}
	box.pull(laptop)
	var pages [][]Saved
	for cursor := ""; ; {
		h, err := box.History(context.Background(), "cases", id, cursor, 3)
		if err != nil || h.Older {
			t.Fatal(err, h.Older)
		}
		pages = append(pages, h.Saves)
		if cursor = h.Next; cursor == "" {
			break
		}
		if len(pages) == 1 {
			box.edit(id, "", map[string]any{"state": "open"})
		}
	}
	all := slices.Concat(pages...)
	if len(all) != 8 || len(pages) != 3 {
		t.Fatalf("%d saves on %d pages; want the 8 that were there, on 3", len(all), len(pages))
	}
	for i, s := range all[:7] {
		if w := s.Wrote[0]; w.Value != fmt.Sprint(6-i) || w.Conflict != (i < 2) || w.Stands != (i < 2) {
			t.Errorf("save %d: %+v; want %d, and a conflict of the last two", i, w, 6-i)
		}
	}
	box.eraseNote(id)
	saves := box.history(id)
	first := saves[len(saves)-1].Wrote
	erased := slices.IndexFunc(first, func(w Wrote) bool { return w.Field == "note" })
	if erased < 0 || !first[erased].Erased || first[erased].Value != nil {
		t.Errorf("the erased note reads as %+v", first)
	}
}

// Of a set each element has its own past: taking one out replaced that one, not another.
func TestHistoryOfASet(t *testing.T) {
	box := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	box.close()
	box.openWith(setPack)
	id := box.create(map[string]any{"subject": "Việc", "tags": []string{"gấp", "đất", "nhà"}})
	for _, left := range [][]string{{"gấp", "đất"}, {"gấp"}, {}} {
		box.now = box.now.Add(time.Minute)
		box.edit(id, "", map[string]any{"tags": left})
	}
	saves := box.history(id)
	if len(saves) != 4 {
		t.Fatalf("%d saves; want 4", len(saves))
	}
	for i, elem := range []string{"gấp", "đất", "nhà"} {
		if w := saves[i].Wrote[0]; w.Elem != elem || len(w.Replaced) != 1 || w.Replaced[0].Elem != elem {
			t.Errorf("%v was taken out, and it replaced %+v; want %q", w.Elem, w.Replaced, elem)
		}
	}
}

// What was written past a cut is told as hidden, and why.
func TestHistoryTellsWhatIsHidden(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	id := box.create(map[string]any{"subject": "Thật"})
	laptop.pull(box)
	laptop.now = testNow.Add(time.Minute)
	laptop.edit(id, "", map[string]any{"subject": "Giả mạo"})
	box.pull(laptop)
	box.checkpoint((&province{}).checkpoint(crdt.Checkpoint{Cuts: []crdt.Cut{cutDevice(laptop)}}))
	saves := box.history(id)
	if len(saves) != 2 || saves[0].Wrote[0].Why != crdt.CutDevice || saves[1].Wrote[0].Why != crdt.Visible {
		t.Errorf("%+v; want the laptop's hidden by the cut of its device", saves)
	}
}
