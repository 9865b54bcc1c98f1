package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/sync/identity"
)

// What travels isn't what has arrived. A laptop that has signed for the office's entries,
// and a stick or a courier that was given them, carry them; no tick moves before a box
// or the province has signed.

// Load is what a carrier has of what the province isn't known to have received.
type Load struct {
	Device  crdt.Device // a laptop, by its receipt; zero: a stick or a courier
	Courier string      // how people call that
	Count   int         // saves
	SinceMS int64       // when the courier was given something last
}

// localCarried is the kind of the items of what couriers were given.
const localCarried = "carried"

type storedLoad struct {
	_         struct{} `cbor:",toarray"`
	SinceMS   int64
	Positions []byte // as wire.EncodePositions gives them
}

// courier is what was given to a stick or a courier.
type courier struct {
	sinceMS int64
	upTo    map[crdt.LogID]uint64
}

// Carry notes what was given to a stick or a courier of that name, up to a seq of each
// log, beside what it was given before.
func (e *Engine) Carry(name string, upTo map[crdt.LogID]uint64) error {
	e.write.Lock()
	defer e.write.Unlock()
	e.state.Lock()
	c := courier{sinceMS: e.nowMS(), upTo: map[crdt.LogID]uint64{}}
	for _, given := range []map[crdt.LogID]uint64{e.couriers[name].upTo, upTo} {
		for log, seq := range given {
			c.upTo[log] = max(c.upTo[log], seq)
		}
	}
	e.state.Unlock()
	b, err := encodeLoad(c)
	if err != nil {
		return fmt.Errorf("note what a courier carries: %w", err)
	}
	if err := e.cfg.Store.Update(func(tx *store.Tx) error { return tx.PutLocal(localCarried, name, b) }); err != nil {
		return fmt.Errorf("note what a courier carries: %w", err)
	}
	e.state.Lock()
	e.couriers[name] = c
	e.state.Unlock()
	e.announce()
	return nil
}

func encodeLoad(c courier) ([]byte, error) {
	var at []crdt.Pos
	for log, seq := range c.upTo {
		at = append(at, crdt.Pos{Log: log, Seq: seq})
	}
	slices.SortFunc(at, func(a, b crdt.Pos) int { return a.Log.Compare(b.Log) })
	positions, err := wire.EncodePositions(at)
	if err != nil {
		return nil, err
	}
	return wire.Marshal(storedLoad{SinceMS: c.sinceMS, Positions: positions})
}

// loadCouriers reads what couriers were given.
func (e *Engine) loadCouriers(tx *store.Tx) error {
	return tx.Locals(localCarried, func(name string, b []byte) error {
		var s storedLoad
		if err := wire.Unmarshal(b, store.MaxValue, &s); err != nil {
			return fmt.Errorf("what a courier carries: %w", err)
		}
		at, err := wire.DecodePositions(s.Positions)
		if err != nil {
			return fmt.Errorf("what a courier carries: %w", err)
		}
		c := courier{s.SinceMS, map[crdt.LogID]uint64{}}
		for _, p := range at {
			c.upTo[p.Log] = p.Seq
		}
		e.couriers[name] = c
		return nil
	})
}

// carrier is one who carries: how far of each log.
type carrier struct {
	Load
	upTo map[crdt.LogID]uint64
}

// carriersLocked are the laptops that have signed, by device, and the couriers, by name.
// The caller holds e.state.
func (e *Engine) carriersLocked() (all []carrier) {
	for name, r := range e.receipts {
		if role, _ := e.cfg.RoleOf(name.signer); role != identity.RoleLaptop || name.signer == e.cfg.Device {
			continue
		}
		c := carrier{Load{Device: name.signer}, map[crdt.LogID]uint64{}}
		for _, h := range r.Heads {
			c.upTo[h.Log] = h.Head.Seq
		}
		all = append(all, c)
	}
	for name, given := range e.couriers {
		all = append(all, carrier{Load{Courier: name, SinceMS: given.sinceMS}, given.upTo})
	}
	slices.SortFunc(all, func(a, b carrier) int {
		if n := slices.Compare(a.Device[:], b.Device[:]); n != 0 {
			return n
		}
		return strings.Compare(a.Courier, b.Courier)
	})
	return all
}

// Loads are the carriers that have something of what the province isn't known to have
// received, and how much.
func (e *Engine) Loads() (loads []Load, err error) {
	if e.cfg.Role == identity.RoleHub {
		return nil, nil
	}
	e.state.Lock()
	carriers := e.carriersLocked()
	e.state.Unlock()
	if len(carriers) == 0 {
		return nil, nil
	}
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		return e.logs(tx, func(l store.Log) error {
			name := e.authorities().forks.nameAt(l.ID, l.Head.Seq)
			e.state.Lock()
			from := max(e.received(identity.RoleHub, name), base(l))
			e.state.Unlock()
			for i := range carriers {
				if upTo := min(carriers[i].upTo[name], l.Head.Seq); upTo > from {
					carriers[i].Count += int(upTo - from)
				}
			}
			return nil
		})
	})
	for _, c := range carriers {
		if c.Count > 0 {
			loads = append(loads, c.Load)
		}
	}
	return loads, err
}

// loadsOf are the carriers of writes that stand in a record and that the province isn't
// known to have received. Their counts are of writes.
func (e *Engine) loadsOf(r *crdt.Record) (loads []Load) {
	e.state.Lock()
	defer e.state.Unlock()
	if e.cfg.Role == identity.RoleHub {
		return nil
	}
	carriers := e.carriersLocked()
	if len(carriers) == 0 {
		return nil
	}
	stands(r, func(_ uint32, _ string, w crdt.Write) {
		if e.tickLocked(w.Pos()) >= Province {
			return
		}
		for i := range carriers {
			if carriers[i].upTo[w.Dot.Log] >= w.Dot.Seq {
				carriers[i].Count++
			}
		}
	})
	for _, c := range carriers {
		if c.Count > 0 {
			loads = append(loads, c.Load)
		}
	}
	return loads
}
