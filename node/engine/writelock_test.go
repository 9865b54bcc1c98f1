package engine

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/sync/identity"
)

// While the entries of a long log get other names, the office saves what that doesn't
// touch; a save of what it touches waits for its end.
func TestSavesGoOnWhileALongLogIsNamedAnew(t *testing.T) {
	const entries = 200
	others := map[crdt.Device]identity.Role{}
	box := testEngine(t, "box", identity.RoleBox, others)
	id := box.create(map[string]any{"subject": "Chung"})
	box.receipt()
	twin := box.twin()
	box.edit(id, "", map[string]any{"note": "một"})
	for i := range entries {
		box.create(map[string]any{"subject": fmt.Sprint("một ", i)})
	}
	twin.edit(id, "", map[string]any{"note": "hai"})
	laptop := testEngine(t, "laptop", identity.RoleLaptop, others)
	own := laptop.create(map[string]any{"subject": "của máy này"})
	laptop.take(pieces(box)...)
	laptop.close()
	steps := 0
	ended := make(chan string, 3)
	save := func(what string, c Change) {
		_, err := laptop.Save(context.Background(), Save{Officer: "a", Class: crdt.ClassRecords, Changes: []Change{c}})
		if err != nil {
			t.Error(what, err)
		}
		ended <- what
	}
	laptop.onStep = func(_ context.Context, name string) error {
		if name != "rename" {
			return nil
		}
		if steps++; steps == 1 {
			go save("new", Change{Collection: "cases", Values: map[string]any{"subject": "mới"}})
			go save("apart", Change{Collection: "cases", Record: &own, Values: map[string]any{"note": "sửa"}})
			go save("touched", Change{Collection: "cases", Record: &id, Values: map[string]any{"subject": "Đã xem"}})
		}
		return nil
	}
	laptop.open()
	laptop.take(pieces(twin)...)
	if steps < entries/renameRecords {
		t.Fatalf("%d pieces; want to save between them", steps)
	}
	during := len(ended)
	var order []string
	for range 3 {
		order = append(order, <-ended)
	}
	if during < 2 || order[2] != "touched" {
		t.Errorf("%d saves ended during the renaming, in the order %q; want new and apart, and touched after it", during, order)
	}
	if got := laptop.texts(id, "note"); !slices.Equal(got, []string{"hai", "một"}) {
		t.Errorf("notes %q", got)
	}
	if got := laptop.texts(id, "subject"); !slices.Equal(got, []string{"Đã xem"}) {
		t.Errorf("subject %q", got)
	}
	laptop.sound()
	before := laptop.stateHash()
	laptop.close()
	laptop.onStep = nil
	laptop.open()
	if laptop.stateHash() != before {
		t.Error("a start shows something else")
	}
}

// So it is where a full disk has cut the renaming off, and it goes on when there is room.
func TestSavesGoOnWhileARenamingIsFinished(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box := testEngine(t, "box", identity.RoleBox, others)
	id := box.create(map[string]any{"subject": "Chung"})
	box.receipt()
	twin := box.twin()
	box.edit(id, "", map[string]any{"note": "một"})
	for i := range 6 * renameRecords {
		box.create(map[string]any{"subject": fmt.Sprint("một ", i)})
	}
	twin.edit(id, "", map[string]any{"note": "hai"})
	laptop := testEngine(t, "laptop", identity.RoleLaptop, others)
	own := laptop.create(map[string]any{"subject": "của máy này"})
	laptop.take(pieces(box)...)
	d := &filling{}
	d.looks.Store(never)
	steps := 0
	ended := make(chan string, 2)
	cfg := laptop.cfg
	cfg.step = func(_ context.Context, name string) error {
		if name != "rename" {
			return nil
		}
		switch steps++; steps {
		case 3:
			d.looks.Store(0)
		case 4:
			for what, c := range map[string]Change{
				"apart":   {Collection: "cases", Record: &own, Values: map[string]any{"note": "sửa"}},
				"touched": {Collection: "cases", Record: &id, Values: map[string]any{"subject": "Đã xem"}},
			} {
				go func() {
					_, err := laptop.Save(context.Background(), Save{Officer: "a", Class: crdt.ClassRecords, Changes: []Change{c}})
					if err != nil {
						t.Error(what, err)
					}
					ended <- what
				}()
			}
		}
		return nil
	}
	laptop.openWithOn(cfg, d)
	if err := laptop.take(pieces(twin)...)[0]; node.CodeOf(err) != node.ReadOnly || steps != 3 {
		t.Fatalf("cut off after %d pieces: %v", steps, err)
	}
	d.looks.Store(never)
	laptop.withRoom()
	if first, second := <-ended, <-ended; first != "apart" || second != "touched" {
		t.Errorf("saves ended in the order %s, %s", first, second)
	}
	if all := 2 * (6*renameRecords + 2); steps > 1+(all+renameRecords-1)/renameRecords { // each record has two ids
		t.Errorf("%d pieces: the renaming was begun again in the middle", steps)
	}
	if got := laptop.texts(id, "subject"); !slices.Equal(got, []string{"Đã xem"}) {
		t.Errorf("subject %q", got)
	}
	laptop.sound()
}
