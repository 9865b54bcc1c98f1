package simtest

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
)

// Machine is a device of a history, on its disk. A clone is another machine of the
// same device.
type Machine struct {
	w     *World
	spec  Spec
	name  string
	id    crdt.Device
	store Store
	draw  *rand.Rand
	ends  []*end
	down  bool

	version int // of what it holds
	seen    reconcile.View
	seenAt  int

	today   int           // saves
	skew    time.Duration // of its clock
	evil    bool          // it is an attacker's
	courier bool          // nobody saves on it
	lost    bool          // an old disk was put back, or another machine has its name
	spoil   func(e *end, frame []byte) [][]byte
	old     []any                    // images of its disk
	high    map[crdt.LogID]crdt.Head // how far it held each log, since it was last restored
	spoken  map[crdt.LogID]crdt.Head // what receipts of its own named
	cut     map[crdt.LogID]uint64    // how far it held logs when it was seen to know that they are cut
}

func (m *Machine) String() string { return m.name }

func (m *Machine) scopes() []crdt.Scope { return m.spec.Scopes }

// disk is how long a write takes.
func (m *Machine) disk() time.Duration {
	return time.Duration(1+m.draw.IntN(20)) * time.Millisecond
}

// touch notes that what the machine holds has changed, and tells its sessions.
func (m *Machine) touch(by *end) {
	m.version++
	for _, e := range m.ends {
		if e != by && !e.closed {
			m.w.after(0, e.run)
		}
	}
}

func (m *Machine) drop(e *end) {
	m.ends = slices.DeleteFunc(m.ends, func(x *end) bool { return x == e })
}

// view is what the machine holds, after signing for it.
func (m *Machine) view() (reconcile.View, error) {
	if m.seen != nil && m.seenAt == m.version {
		return m.seen, nil
	}
	v := reconcile.View{}
	for _, scope := range m.scopes() {
		h, err := m.holding(scope)
		if err != nil {
			return nil, err
		}
		if heads, owes := h.Owes(m.id); owes {
			if err := m.sign(scope, heads); err != nil {
				return nil, err
			}
			if h, err = m.holding(scope); err != nil {
				return nil, err
			}
			m.touch(nil)
		}
		v[scope] = h
	}
	m.seen, m.seenAt = v, m.version
	return v, nil
}

func (m *Machine) holding(scope crdt.Scope) (h reconcile.Holding, err error) {
	if h.Heads, err = m.store.Heads(scope); err != nil {
		return h, err
	}
	if h.Receipts, err = m.store.Receipts(scope); err != nil {
		return h, err
	}
	return h, m.decided(scope, &h)
}

func (m *Machine) sign(scope crdt.Scope, heads []identity.LogHead) error {
	r, err := m.store.Sign(context.Background(), scope, heads)
	if err != nil {
		return err
	}
	return m.store.StoreReceipt(r)
}

// crash ends everything that the machine had begun. What it was writing is durable
// or not, as chance has it; it starts again after a while.
func (w *World) crash(m *Machine) {
	if m.down {
		return
	}
	w.Crashes++
	w.note("%s crashes", m)
	if m.draw.IntN(3) == 0 && !m.courier && m.spec.Role != identity.RoleHub && m.draw.IntN(2) == 0 {
		_, err := m.store.Save(m.draw) // it was being saved: durable, and acknowledged to nobody
		w.must(m, err)
	}
	w.stop(m, m.draw.IntN(2) == 0)
	image, err := m.store.Image()
	if w.must(m, err) {
		w.restart(m, image, false)
	}
}

// stop ends a machine's sessions without a word.
func (w *World) stop(m *Machine, durable bool) {
	m.down = true
	for _, e := range slices.Clone(m.ends) {
		e.crash(durable)
	}
}

// restart opens the machine on an image of its disk, now or a while later.
func (w *World) restart(m *Machine, image any, restored bool) {
	w.must(m, m.store.Close())
	s, err := w.maker.Make(m.spec, image, restored)
	if !w.must(m, err) {
		return
	}
	m.store = s
	m.version++
	if restored {
		m.high, m.spoken, m.cut = map[crdt.LogID]crdt.Head{}, map[crdt.LogID]crdt.Head{}, map[crdt.LogID]uint64{}
	}
	w.inspect(m)
	w.after(time.Duration(m.draw.Int64N(int64(time.Hour))), func() { m.down = false })
}

// restore puts an old disk back. What only this machine had is lost with the disk,
// and nobody may count on it.
func (w *World) restore(m *Machine) {
	if len(m.old) == 0 || m.down {
		return
	}
	w.Restores++
	w.note("%s is restored from an old disk", m)
	w.stop(m, true)
	w.forgive(m)
	m.lost = true
	w.forked[m.id] = true // until it meets what it has forgotten, it may write it anew
	w.restart(m, m.old[m.draw.IntN(len(m.old))], true)
}

// clone makes a second machine of a copy of the disk: from now on both write under
// one name.
func (w *World) clone(m *Machine) {
	if w.twin != nil || m.down {
		return
	}
	w.Clones++
	w.note("%s is cloned", m)
	image, err := m.store.Image()
	if !w.must(m, err) {
		return
	}
	t := &Machine{w: w, name: m.name + "'", id: m.id, draw: w.chance(), lost: true, courier: m.courier}
	t.spec = m.spec
	t.spec.Rand, t.spec.Now = t.draw, t.clock
	t.high, t.spoken, t.cut = map[crdt.LogID]crdt.Head{}, map[crdt.LogID]crdt.Head{}, map[crdt.LogID]uint64{}
	if t.store, err = w.maker.Make(t.spec, image, false); !w.must(m, err) {
		return
	}
	m.lost, w.twin = true, t
	w.forked[m.id] = true
	w.machines = append(w.machines, t)
	for _, r := range slices.Clone(w.roads) {
		switch m {
		case r.a:
			w.roads = append(w.roads, road{t, r.b, r.lines})
		case r.b:
			w.roads = append(w.roads, road{r.a, t, r.lines})
		}
	}
}

func (m *Machine) clock() time.Time { return m.w.start.Add(m.w.now + m.skew) }

// keepImage keeps the disk as it is, for a day on which it is put back.
func (w *World) keepImage(m *Machine) {
	image, err := m.store.Image()
	if w.must(m, err) {
		m.old = append(m.old, image)
	}
}

// forgive strikes out what was acknowledged on a machine and is held nowhere else:
// it goes with the disk.
func (w *World) forgive(m *Machine) {
	for _, proof := range slices.Sorted(maps.Keys(w.saved)) {
		elsewhere := slices.ContainsFunc(w.machines, func(o *Machine) bool {
			return o != m && !o.evil && o.covers(w.saved[proof]) && o.store.Holds(proof) == nil
		})
		if !elsewhere && m.store.Holds(proof) == nil {
			delete(w.saved, proof)
		}
	}
}

func (m *Machine) covers(scope crdt.Scope) bool { return slices.Contains(m.scopes(), scope) }
