package simtest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/vungxa/vungxa/crdt"
)

// maxRounds is how often everyone meets everyone that he meets, before all must
// hold the same: a few times the longest way between two machines.
const maxRounds = 12

// peace ends all contacts, and lets everyone meet over good lines until nobody has
// anything to say; then it looks at what they hold.
func (w *World) peace() {
	w.peaceful = true
	w.note("peace")
	for _, m := range w.machines {
		for _, e := range slices.Clone(m.ends) {
			e.c.cut()
		}
	}
	w.settle(2 * time.Hour)
	w.events = nil
	for _, m := range w.machines {
		m.down = false
	}
	for w.Rounds = 1; w.Rounds <= maxRounds; w.Rounds++ {
		if w.round() || w.err != nil {
			break
		}
	}
	if w.err == nil && w.Rounds > maxRounds {
		w.fail("after %d rounds somebody still has something to say:\n%s", maxRounds, w.table())
	}
	if w.err == nil {
		w.finally()
	}
}

// settle lets happen what is under way.
func (w *World) settle(d time.Duration) {
	end := w.now + d
	for w.err == nil && w.step(end) {
	}
	w.now = end
}

// round lets everyone meet once. It says whether every contact was idle: two frames,
// in which both find that they hold the same.
func (w *World) round() bool {
	quiet := true
	for _, r := range w.roads {
		if r.a.evil || r.b.evil {
			continue
		}
		p := w.path("lan")
		p.budget.Bytes, p.budget.Hard = 0, 0
		c := w.connect(r.a, r.b, p)
		if c == nil {
			return false
		}
		for limit := w.now + time.Hour; w.err == nil && !c.over && !c.idle() && w.now < limit; {
			if !w.step(limit) {
				w.now = limit
			}
		}
		w.settle(time.Second)
		met := !c.over && c.a.s.Met() && c.b.s.Met()
		switch {
		case c.over:
			quiet = false
		case !met || c.a.frames+c.b.frames > 2:
			w.note("%s and %s don't rest yet: met %v, %d frames", r.a, r.b, met, c.a.frames+c.b.frames)
			quiet = false
		}
		c.cut()
		w.settle(time.Minute)
	}
	return quiet
}

// finally checks what must hold once everyone has been left in peace.
func (w *World) finally() {
	w.inspectAll()
	w.same()
	w.sameDecisions()
	for _, proof := range slices.Sorted(maps.Keys(w.saved)) {
		for _, m := range w.machines {
			if m.evil || !m.covers(w.saved[proof]) {
				continue
			}
			if err := m.store.Holds(proof); err != nil {
				w.fail("what was acknowledged isn't at %s: %w", m, err)
				return
			}
		}
	}
	for _, m := range w.machines {
		if !m.evil {
			w.received(m)
			w.must(m, m.store.Sound())
		}
	}
}

// same: all that hold a scope show the same of it, and those of the same scopes
// have the same state.
func (w *World) same() {
	states := map[string]crdt.Hash{}
	for _, m := range w.machines {
		if m.evil {
			continue
		}
		state, err := m.store.State()
		if !w.must(m, err) {
			return
		}
		key := fmt.Sprint(m.scopes())
		if first, met := states[key]; met && first != state {
			w.fail("%s holds what others of its scopes don't:\n%s", m, w.table())
			return
		}
		states[key] = state
	}
}

// received: everyone can show that the province holds what he holds.
func (w *World) received(m *Machine) {
	for _, scope := range m.scopes() {
		receipts, err := m.store.Receipts(scope)
		if !w.must(m, err) {
			return
		}
		heads, err := m.store.Heads(scope)
		if !w.must(m, err) {
			return
		}
		for _, log := range sortedLogs(heads) {
			if log.Device == w.hub.id || w.forked[log.Device] {
				continue
			}
			covered := false
			for _, r := range receipts {
				covered = covered || r.Signer == w.hub.id && r.Covers(crdt.Dot{Log: log, Seq: heads[log].Seq})
			}
			if !covered {
				w.fail("%s can't show that the province holds %v up to %d", m, log, heads[log].Seq)
				return
			}
		}
	}
}

// table shows who holds what.
func (w *World) table() (text string) {
	for _, m := range w.machines {
		if m.evil {
			continue
		}
		for _, scope := range m.scopes() {
			heads, err := m.store.Heads(scope)
			receipts, err2 := m.store.Receipts(scope)
			text += fmt.Sprintf("%s, %s: %v%v\n", m, scope, err, err2)
			for _, log := range sortedLogs(heads) {
				text += fmt.Sprintf("  %v %x class %d: %d %.8v\n", log.Device, log.Incarnation, log.Class, heads[log].Seq, heads[log].Hash)
			}
			for _, r := range receipts {
				weight := uint64(0)
				for _, h := range r.Heads {
					weight += h.Head.Seq
				}
				text += fmt.Sprintf("  receipt of %v: %d entries\n", r.Signer, weight)
			}
		}
	}
	return text
}
