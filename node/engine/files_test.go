package engine

import (
	"bytes"
	"slices"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node/attach"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/node/store/keyring"
	"github.com/vungxa/vungxa/sync/identity"
)

func (p *peer) lacked(scopes ...crdt.Scope) (all []attach.Hash) {
	p.t.Helper()
	err := p.Lacked(scopes, func(h attach.Hash, _ bool) (bool, error) {
		all = append(all, h)
		return true, nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return all
}

func (p *peer) pointsTo(h attach.Hash) bool {
	p.t.Helper()
	points, err := p.PointsTo([]crdt.Scope{testScope}, h)
	if err != nil {
		p.t.Fatal(err)
	}
	return points
}

// What an entry that comes in points to is noted with it, for its scope alone; a store
// in which an older program noted nothing is looked through; and a file that was lost
// is lacked again.
func TestWhatIsLackedIsNoted(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	laptop, box := testEngine(t, "laptop", identity.RoleLaptop, others), testEngine(t, "box", identity.RoleBox, others)
	files, err := attach.OpenStore(t.TempDir(), attach.Options{Keys: keyring.Keys{Data: [32]byte{1}}})
	if err != nil {
		t.Fatal(err)
	}
	h, _, err := files.Put(t.Context(), bytes.NewReader([]byte("một tệp")))
	if err != nil {
		t.Fatal(err)
	}
	other := attach.Hash{7}
	id := laptop.create(map[string]any{"subject": "Có tệp"})
	laptop.point(id, attach.Reference(other))
	laptop.point(id, attach.Reference(h))
	box.pull(laptop)
	check := func(when string, want ...attach.Hash) {
		t.Helper()
		got := box.lacked(testScope)
		slices.SortFunc(got, func(a, b attach.Hash) int { return bytes.Compare(a[:], b[:]) })
		slices.SortFunc(want, func(a, b attach.Hash) int { return bytes.Compare(a[:], b[:]) })
		if !slices.Equal(got, want) || !box.pointsTo(h) || !box.pointsTo(other) || box.pointsTo(attach.Hash{9}) {
			t.Errorf("%s it lacks %v; want %v", when, got, want)
		}
	}
	check("at first", h, other)
	if got := box.lacked("c/00001"); len(got) > 0 {
		t.Errorf("of another scope it lacks %v", got)
	}
	if err := box.Arrived(h); err != nil {
		t.Fatal(err)
	}
	check("when one has arrived", other)
	err = box.Store.Update(func(tx *store.Tx) error {
		for _, kind := range []string{localFile, localLacked, localIndexed} {
			var names []string
			if err := tx.Locals(kind, func(name string, _ []byte) error { names = append(names, name); return nil }); err != nil {
				return err
			}
			for _, name := range names {
				if err := tx.DeleteLocal(kind, name); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := box.CollectAttachments(t.Context(), files); err != nil {
		t.Fatal(err)
	}
	check("once an old store was looked through", other)
	if err := box.Lost(h); err != nil {
		t.Fatal(err)
	}
	check("when one turned out to be damaged", h, other)
}

// What an order to erase leaves nothing to point to is neither asked for nor given.
func TestErasedFilesAreNotAskedFor(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	laptop, box := testEngine(t, "laptop", identity.RoleLaptop, others), testEngine(t, "box", identity.RoleBox, others)
	gone, stays := attach.Hash{1}, attach.Hash{2}
	id, other := laptop.create(map[string]any{"subject": "Phải xóa"}), laptop.create(map[string]any{"subject": "Còn"})
	laptop.point(id, slices.Concat([]byte{0x82}, attach.Reference(gone), attach.Reference(stays)))
	laptop.point(other, attach.Reference(stays))
	box.pull(laptop)
	order, err := box.ErasureOf(t.Context(), "1/QĐ", "cases", id)
	if err == nil {
		err = box.Erase(order)
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := box.lacked(testScope); !slices.Equal(got, []attach.Hash{stays}) || box.pointsTo(gone) || !box.pointsTo(stays) {
		t.Errorf("it lacks %v; want the one that another record points to", got)
	}
}
