package bundle_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/bundle"
	"github.com/vungxa/vungxa/sync/identity"
)

// twin is a second machine with a copy of a desk's disk.
func (d *desk) twin() *desk {
	d.t.Helper()
	n, err := d.Clone(identity.Public(root))
	must(d.t, err)
	c := &desk{Node: n, t: d.t, notes: maps.Clone(d.notes), scopes: d.scopes, waiting: filepath.Join(d.t.TempDir(), "waiting")}
	c.begin()
	return c
}

func (d *desk) holds() string {
	d.t.Helper()
	heads, err := d.Heads(scope)
	must(d.t, err)
	return fmt.Sprint(heads)
}

// carry takes a stick from one desk to another, each of which presses its button.
func carry(t *testing.T, from, to *desk) {
	t.Helper()
	s := stick(t, t.TempDir())
	from.swap(s, to)
	to.swap(s, from)
	from.swap(s, to)
}

// Of a device that was copied both branches travel by stick, wherever they part, to who
// holds the one, the other, what is before both, or nothing.
func TestBothBranchesByStick(t *testing.T) {
	for _, m := range []struct {
		name                string
		before, one, two    int
		together, all, late bool // those two have met; they held what is before; more is saved when they meet
	}{
		{name: "from the start", one: 3, two: 2},
		{name: "equally long", before: 4, one: 3, two: 3, all: true},
		{name: "of different lengths", before: 4, one: 1, two: 7, all: true, together: true},
		{name: "nobody held what is before", before: 30, one: 7, two: 1},
		{name: "they go on", before: 6, one: 2, two: 9, together: true, late: true},
	} {
		t.Run(m.name, func(t *testing.T) {
			office := newDesk(t, "laptop", identity.RoleLaptop)
			province, box := newDesk(t, "hub", identity.RoleHub), newDesk(t, "box", identity.RoleBox)
			know(t, office, province, box)
			office.SegmentEntries = 3
			office.save(m.before)
			if m.all {
				carry(t, office, province)
				carry(t, office, box)
			}
			if m.together {
				carry(t, box, province)
			}
			copied := office.twin()
			office.save(m.one)
			for range m.two {
				_, err := copied.Save(scope, crdt.ClassRecords, "another history")
				must(t, err)
			}
			carry(t, office, province)
			carry(t, copied, box)
			for range 3 {
				carry(t, box, province)
				if m.late {
					office.save(1)
					carry(t, office, province)
				}
			}
			carry(t, box, province)
			heads, err := box.Heads(scope)
			must(t, err)
			if a, b := box.holds(), province.holds(); a != b || len(heads) != 2 {
				t.Errorf("box and province differ:\n%s\n%s", a, b)
			}
		})
	}
}

// saveLong saves what can't be packed into little.
func (d *desk) saveLong(what string, i int) {
	d.t.Helper()
	b := make([]byte, 1500)
	_, _ = rand.NewChaCha8(sha256.Sum256(fmt.Append(nil, what, i))).Read(b) // it never fails
	_, err := d.Save(scope, crdt.ClassRecords, hex.EncodeToString(b))
	must(d.t, err)
}

// Where one of the two only knows what the other has, and the branches themselves were
// lost on the way, what it holds goes whole: nobody has to ask where they part.
func TestABranchWithoutItsPlace(t *testing.T) {
	for _, lengths := range [][2]int{{6, 6}, {3, 9}} {
		office := newDesk(t, "laptop", identity.RoleLaptop)
		province, box := newDesk(t, "hub", identity.RoleHub), newDesk(t, "box", identity.RoleBox)
		know(t, office, province, box)
		office.SegmentEntries = 3
		office.save(4)
		carry(t, office, province)
		carry(t, office, box)
		carry(t, box, province)
		copied := office.twin()
		for i := range lengths[0] {
			office.saveLong("one", i)
		}
		for i := range lengths[1] {
			copied.saveLong("two", i)
		}
		carry(t, office, province)
		carry(t, copied, box)

		said := stick(t, t.TempDir())
		if out := province.export(said, bundle.Order{Heads: true, Part: 1200}, box); out.Entries != 0 || !out.More {
			t.Fatalf("more than heads had room: %+v", out)
		}
		if in := box.imports(said); in.Entries != 0 {
			t.Fatalf("more than heads came: %+v", in)
		}
		back := stick(t, t.TempDir())
		box.export(back, bundle.Order{}, province)
		province.imports(back)
		heads, err := province.Heads(scope)
		must(t, err)
		branches := 0
		for log := range heads {
			if log.Device == office.Claims.Device {
				branches++
			}
		}
		if branches != 2 {
			t.Errorf("%v entries: the province holds %d branches", lengths, branches)
		}
	}
}
