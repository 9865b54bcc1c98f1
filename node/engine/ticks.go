package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
)

// Tick says where a write has got to, by the receipts that are held here.
type Tick int

// The ticks, in order.
const (
	Here     Tick = iota // durable on this device
	Office               // on the office's box, by its receipt
	Province             // received by the province, by a receipt signed after raft's commit
	Covered              // at the province: covered by a checkpoint, which most of its members have signed
)

var tickNames = [...]string{"here", "office", "province", "covered"}

func (t Tick) String() string { return tickNames[t] }

// ParseTick reads what Tick.String writes.
func ParseTick(s string) (Tick, bool) {
	i := slices.Index(tickNames[:], s)
	return Tick(i), i >= 0
}

type receiptName struct {
	signer crdt.Device
	scope  crdt.Scope
}

// loadLocals reads what this device keeps outside the logs.
func (e *Engine) loadLocals(tx *store.Tx) error {
	err := tx.Locals("receipt", func(name string, b []byte) error {
		r, err := identity.DecodeReceipt(b)
		if err != nil {
			return fmt.Errorf("receipt %q: %w", name, err)
		}
		e.keepReceipt(r)
		return nil
	})
	if err != nil {
		return err
	}
	if err := tx.Logs(e.keepDropped); err != nil {
		return err
	}
	if err := e.loadCouriers(tx); err != nil {
		return err
	}
	return tx.Locals("heard", func(name string, b []byte) error {
		d, err := crdt.ParseDevice(name)
		if err != nil {
			return err
		}
		var ms int64
		err = wire.Unmarshal(b, 16, &ms)
		e.heard[d] = ms
		return err
	})
}

// keepDropped notes that the province has what was dropped here: it lies below the
// floor, and only a hub moves that.
func (e *Engine) keepDropped(l store.Log) error {
	if l.Dropped.Seq == 0 || isBranch(l.ID) {
		return nil
	}
	e.state.Lock()
	defer e.state.Unlock()
	if e.covered[identity.RoleHub] == nil {
		e.covered[identity.RoleHub] = map[crdt.LogID]uint64{}
	}
	e.covered[identity.RoleHub][l.ID] = max(e.covered[identity.RoleHub][l.ID], l.Dropped.Seq)
	return nil
}

func (e *Engine) keepReceipt(r *identity.Receipt) {
	e.receipts[receiptName{r.Signer, r.Scope}] = r
	role, known := e.cfg.RoleOf(r.Signer)
	if !known {
		return
	}
	if e.covered[role] == nil {
		e.covered[role] = map[crdt.LogID]uint64{}
	}
	for _, h := range r.Heads {
		e.covered[role][h.Log] = max(e.covered[role][h.Log], h.Head.Seq)
	}
}

// Receipts are the newest receipts of a scope, of each signer, but for those that name
// another branch of a log than the one that is told under its name here: their signers
// held one branch, and sign anew for both.
func (e *Engine) Receipts(scope crdt.Scope) ([]*identity.Receipt, error) {
	e.state.Lock()
	var out []*identity.Receipt
	for name, r := range e.receipts {
		if name.scope == scope {
			out = append(out, r)
		}
	}
	e.state.Unlock()
	out, err := e.standing(out)
	slices.SortFunc(out, func(a, b *identity.Receipt) int { return slices.Compare(a.Signer[:], b.Signer[:]) })
	return out, err
}

// standing drops the receipts that name something of a log that has forked which isn't
// told so here. What can't be read any more stays as it was said.
func (e *Engine) standing(all []*identity.Receipt) (out []*identity.Receipt, err error) {
	f := e.authorities().forks
	if f == nil {
		return all, nil
	}
	for _, r := range all {
		void := false
		for _, h := range r.Heads {
			if _, forked := f.written(h.Log); !forked || void {
				continue
			}
			hash, held, err := e.HashAt(h.Log, h.Head.Seq)
			switch {
			case node.CodeOf(err) == node.Damaged || errors.Is(err, store.ErrDropped):
			case err != nil:
				return nil, err
			default:
				void = !held || hash != h.Head.Hash
			}
		}
		if !void {
			out = append(out, r)
		}
	}
	return out, nil
}

// StoreReceipt keeps a verified receipt, durably, before any tick shows it. One
// that covers less than what is held of its signer is passed over.
func (e *Engine) StoreReceipt(r *identity.Receipt) error {
	b, err := r.Encode()
	if err != nil {
		return err
	}
	e.write.Lock()
	defer e.write.Unlock()
	e.state.Lock()
	held := e.receipts[receiptName{r.Signer, r.Scope}]
	e.state.Unlock()
	if held != nil { // one of another branch gives way
		stands, err := e.standing([]*identity.Receipt{held})
		if err != nil {
			return err
		}
		if len(stands) > 0 && !reconcile.Newer(r, held) {
			return nil
		}
	}
	err = e.cfg.Store.Update(func(tx *store.Tx) error {
		if err := tx.PutLocal("receipt", r.Signer.String()+" "+string(r.Scope), b); err != nil {
			return err
		}
		return e.writeHeard(tx)
	})
	if err != nil {
		return fmt.Errorf("keep a receipt: %w", err)
	}
	e.state.Lock()
	e.keepReceipt(r)
	e.state.Unlock()
	e.announce()
	return nil
}

// tick says where one write has got to. What a box holds is at the office, what
// a hub holds was committed.
func (e *Engine) tick(p crdt.Pos) Tick {
	e.state.Lock()
	defer e.state.Unlock()
	return e.tickLocked(p)
}

func (e *Engine) tickLocked(p crdt.Pos) Tick {
	switch {
	case e.coveredTo(p.Log) >= p.Seq:
		return Covered
	case e.cfg.Role == identity.RoleHub || e.received(identity.RoleHub, p.Log) >= p.Seq:
		return Province
	case e.cfg.Role == identity.RoleBox || e.received(identity.RoleBox, p.Log) >= p.Seq:
		return Office
	}
	return Here
}

// received is how far receipts of a role vouch for entries that are called so. Of a log
// that has forked, that is what lies before, until the hub has said which branch has the
// name: a receipt may be of another. The caller holds e.state.
func (e *Engine) received(role identity.Role, name crdt.LogID) uint64 {
	f := e.authorities().forks
	written, forked := f.written(name)
	if !forked {
		return e.covered[role][name]
	}
	if name == written && len(f.settled[written]) > 0 {
		return e.covered[role][f.told.Name(written, f.settled[written][0], ^uint64(0))]
	}
	return min(e.covered[role][written], f.since(written)-1)
}

// coveredTo is how far checkpoints cover entries that are called so. What a hub that was
// restored has named in an epoch that is void by now, it has to name again.
func (e *Engine) coveredTo(name crdt.LogID) uint64 {
	under := e.authorities()
	head, current := under.of(name.Scope).Head(name)
	if _, forked := under.forks.written(name); !current || forked {
		return 0
	}
	return head.Seq
}

// recordTick is the least tick of the writes that stand in a record.
func (e *Engine) recordTick(r *crdt.Record) Tick {
	e.state.Lock()
	defer e.state.Unlock()
	least := Covered
	eachCell(r, func(c crdt.Cell) {
		for _, w := range c.Writes {
			least = min(least, e.tickLocked(w.Pos()))
		}
	})
	return least
}

// below calls f with every record of a collection that an entry without the
// tick has written. Which those of a damaged entry are, the history tells.
func (e *Engine) below(tx *store.Tx, collection string, tick Tick, f func(crdt.RecordID)) error {
	lost := map[crdt.Pos]bool{}
	err := e.logs(tx, func(l store.Log) error {
		forks := e.authorities().forks
		for seq := l.Head.Seq; seq > base(l) && e.tick(crdt.Pos{Log: forks.nameAt(l.ID, seq), Seq: seq}) < tick; seq-- {
			entry, err := e.entry(tx, l, seq)
			if node.CodeOf(err) == node.Damaged {
				lost[crdt.Pos{Log: l.ID, Seq: seq}] = true
				continue
			}
			if err != nil {
				return err
			}
			for _, op := range entry.Ops {
				if op.Collection == collection {
					f(op.Record.ID())
				}
			}
		}
		return nil
	})
	if err != nil || len(lost) == 0 {
		return err
	}
	return tx.Histories(func(id crdt.RecordID, l store.Log, seq uint64) error {
		if lost[crdt.Pos{Log: l.ID, Seq: seq}] {
			f(id)
		}
		return nil
	})
}

// historyTick is the least tick of the entries that have written a record: of one
// that can't be read, what can be said of it without saying too much.
func (e *Engine) historyTick(tx *store.Tx, id crdt.RecordID) (Tick, error) {
	least := Covered
	err := tx.History(id, func(l store.Log, seq uint64) (bool, error) {
		least = min(least, e.tick(crdt.Pos{Log: e.authorities().forks.nameAt(l.ID, seq), Seq: seq}))
		return true, nil
	})
	return least, err
}

// Unsent counts the saves held here, this device's own and those that it may
// have to carry, of which no receipt of the province is known; and gives the
// time of the oldest, nil where there are none.
func (e *Engine) Unsent() (n int, oldestMS *int64, err error) {
	if e.cfg.Role == identity.RoleHub {
		return 0, nil, nil
	}
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		return e.logs(tx, func(l store.Log) error {
			e.state.Lock()
			received := max(e.received(identity.RoleHub, e.authorities().forks.nameAt(l.ID, l.Head.Seq)), base(l))
			e.state.Unlock()
			if received >= l.Head.Seq {
				return nil
			}
			n += int(l.Head.Seq - received)
			first, err := e.entry(tx, l, received+1)
			if node.CodeOf(err) == node.Damaged {
				return nil // when it was made isn't known
			}
			if err != nil {
				return err
			}
			if ms := first.Stamp.Millis(); oldestMS == nil || ms < *oldestMS {
				oldestMS = &ms
			}
			return nil
		})
	})
	return n, oldestMS, err
}

// Heard notes that a device was heard from: it spoke, or its entries came. It
// is written with the next transaction, so that after a crash a device seems to
// have been silent for longer than it was, and never for less.
func (e *Engine) Heard(d crdt.Device, atMS int64) {
	e.state.Lock()
	defer e.state.Unlock()
	if last, known := e.heard[d]; !known || atMS > last {
		e.heard[d] = atMS
		e.unwritten[d] = true
	}
}

func (e *Engine) writeHeard(tx *store.Tx) error {
	e.state.Lock()
	defer e.state.Unlock()
	for d := range e.unwritten {
		b, err := wire.Marshal(e.heard[d])
		if err != nil {
			return err
		}
		if err := tx.PutLocal("heard", d.String(), b); err != nil {
			return err
		}
	}
	clear(e.unwritten)
	return nil
}

// Local is an item that belongs to this device and is in no log; nil where
// there is none.
func (e *Engine) Local(kind, name string) (value []byte, err error) {
	err = e.cfg.Store.View(func(tx *store.Tx) (err error) {
		value, err = tx.Local(kind, name)
		return err
	})
	return value, err
}

// StoreLocal writes a local item; it is durable on return.
func (e *Engine) StoreLocal(kind, name string, value []byte) error {
	e.write.Lock()
	defer e.write.Unlock()
	return e.cfg.Store.Update(func(tx *store.Tx) error { return tx.PutLocal(kind, name, value) })
}

// StoreCertificate keeps a verified device certificate.
func (e *Engine) StoreCertificate(cert []byte) error {
	name := sha256.Sum256(cert)
	return e.StoreLocal("certificate", hex.EncodeToString(name[:]), cert)
}

// Device is what is known here of one device's logs.
type Device struct {
	Device        crdt.Device
	Entries       uint64 // held of it
	LastHeardMS   *int64
	NewestEntryMS *int64 // as its clock claimed
	Forked        bool   // it has written two histories under one name (Forks)
}

// Devices are the devices that entries are held of, or that were heard from.
func (e *Engine) Devices() ([]Device, error) {
	devices := map[crdt.Device]*Device{}
	get := func(d crdt.Device) *Device {
		if devices[d] == nil {
			devices[d] = &Device{Device: d}
		}
		return devices[d]
	}
	e.state.Lock()
	for d, ms := range e.heard {
		get(d).LastHeardMS = &ms
	}
	e.state.Unlock()
	err := e.cfg.Store.View(func(tx *store.Tx) error {
		return e.logs(tx, func(l store.Log) error {
			d := get(l.ID.Device)
			d.Entries += l.Head.Seq - base(l)
			d.Forked = d.Forked || isBranch(l.ID)
			entry, err := e.entry(tx, l, l.Head.Seq)
			if errors.Is(err, store.ErrDropped) || node.CodeOf(err) == node.Damaged {
				return nil // when it was made is known no more
			}
			if err != nil {
				return err
			}
			ms := entry.Stamp.Millis()
			if d.NewestEntryMS == nil || *d.NewestEntryMS < ms {
				d.NewestEntryMS = &ms
			}
			return nil
		})
	})
	var out []Device
	for _, d := range slices.SortedFunc(maps.Keys(devices), func(a, b crdt.Device) int { return slices.Compare(a[:], b[:]) }) {
		out = append(out, *devices[d])
	}
	return out, err
}
