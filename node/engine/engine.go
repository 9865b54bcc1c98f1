// Package engine is the only write path of a node. What an officer saves here
// and what arrives from elsewhere end in the same apply: the entry is appended
// to its log, its operations are merged into the records, the indexes follow,
// all in one durable transaction; then the views (KPIs) and whoever waits for a
// change are told.
//
//	Save, Upsert -> schema -> operations -> entry \
//	                                               apply -> store -> views
//	Ingest, ApplySegments -> chain check -> entry /
//
// The engine satisfies the small interfaces that sync/replica and sync/hub
// declare. DESIGN.md says what holds after a crash.
package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/kpi"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/attach"
	"github.com/vungxa/vungxa/node/schema"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/sync/identity"
)

// Config of an engine.
type Config struct {
	Store  *store.Store
	Pack   *schema.Pack
	Device crdt.Device
	Role   identity.Role
	Scopes []crdt.Scope                // what is read here; the first is written
	Sign   func(message []byte) []byte // Ed25519 under the device's seal key
	// RoleOf is the role that a device is certified for, by whose receipts ticks move.
	RoleOf func(crdt.Device) (identity.Role, bool)
	// CheckSeal says whether a seal is its device's own; for Verify, which leaves it
	// unasked where it is nil. Its errors are those of identity.Directory.VerifySeal.
	CheckSeal func(crdt.LogID, wire.Seal) error
	Now       func() time.Time
	Rand      io.Reader // names the store's incarnation
	// Erasures are orders to erase that the store may have forgotten, since it was
	// restored; they are carried out before anything is shown.
	Erasures []Erasure
	// Forget is called when an order was obeyed in records and logs, and before it
	// counts as carried out: it takes these attachments away, and has whatever else
	// lies beside the store's items obey. It must not use the engine.
	Forget func(erased []attach.Hash) error

	step func(ctx context.Context, name string) error // for tests: called before each step that a crash may cut off
}

// Engine is an open engine. Its methods may be called from several goroutines.
type Engine struct {
	cfg Config

	write  writeLock // held by whoever writes the store; guards clock
	clock  crdt.Clock
	erased erasedOps // guarded by write
	owed   owed

	state       sync.Mutex // guards what follows
	incarnation crdt.Incarnation
	changed     chan struct{}
	position    uint64
	revisions   map[string]uint64 // how often records of a collection changed
	receipts    map[receiptName]*identity.Receipt
	covered     map[identity.Role]map[crdt.LogID]uint64 // by their receipts
	couriers    map[string]courier                      // by name
	heard       map[crdt.Device]int64                   // ms
	unwritten   map[crdt.Device]bool                    // heard from since it was last written

	parts     *parts                      // what today's pack makes an index of
	made      *parts                      // of the last index that was made of something else
	authority atomic.Pointer[authorities] // what the checkpoints held say
	figures   figures
	rebuild   rebuild
}

// Open makes an engine of a store, and begins to compute the KPIs behind it.
func Open(cfg Config) (*Engine, error) {
	e := &Engine{
		cfg: cfg, changed: make(chan struct{}), receipts: map[receiptName]*identity.Receipt{},
		covered: map[identity.Role]map[crdt.LogID]uint64{}, heard: map[crdt.Device]int64{},
		couriers: map[string]courier{}, unwritten: map[crdt.Device]bool{}, revisions: map[string]uint64{},
	}
	if err := e.begin(); err != nil {
		return nil, fmt.Errorf("open the engine: %w", err)
	}
	e.rebuild.ctx, e.rebuild.cancel = context.WithCancel(context.Background())
	var err error
	if e.parts, err = partsOf(cfg.Pack); err != nil {
		return nil, fmt.Errorf("open the engine: %w", err)
	}
	if err := e.planIndex(); err != nil {
		return nil, fmt.Errorf("open the engine: %w", err)
	}
	if err := firstError(e.loadErased, e.loadAuthority, e.loadStaged, e.takeUp); err != nil {
		return nil, fmt.Errorf("open the engine: %w", err)
	}
	if err := cfg.Store.View(e.loadLocals); err != nil {
		return nil, fmt.Errorf("open the engine: %w", err)
	}
	e.write.Lock()
	defer e.write.Unlock()
	if err := e.figures.open(e); err != nil {
		return nil, fmt.Errorf("open the engine: %w", err)
	}
	e.rebuild.start(e)
	return e, nil
}

// Close waits for what is under way. The store is its owner's to close.
func (e *Engine) Close() error {
	e.rebuild.stop()
	e.figures.stop()
	e.write.Lock()
	defer e.write.Unlock()
	if e.cfg.Store.ReadOnly() {
		return nil
	}
	// On a full disk devices seem to have been silent for longer, and the figures are computed anew.
	return errors.Join(unlessReadOnly(e.cfg.Store.Update(e.writeHeard)), unlessReadOnly(e.figures.write(e)))
}

// begin reads the store's incarnation and clock, or draws and starts them. Where
// this device's logs may have come further than the store now knows, it goes on under
// a new incarnation: what it would write under the old one could be a second history
// of it.
//
// A store of which part can't be believed is only read, under the name that it has:
// where neither can be read, neither is needed.
func (e *Engine) begin() error {
	own := func(tx *store.Tx) error {
		if err := e.loadClock(tx); err != nil {
			return err
		}
		name, err := tx.Meta("incarnation")
		if err != nil {
			return err
		}
		if !e.cfg.Store.ReadOnly() && (name == nil || e.cfg.Store.Recovered().OwnAhead(e.cfg.Device)) {
			return e.newIncarnation(tx)
		}
		copy(e.incarnation[:], name)
		return nil
	}
	if !e.cfg.Store.ReadOnly() {
		err := e.cfg.Store.Update(own)
		if node.CodeOf(err) == node.ReadOnly { // the new name stands, and is stored with whatever is stored next
			e.cfg.Store.First(func(tx *store.Tx) error {
				log := e.ownLog(0)
				return tx.PutMeta("incarnation", log.Incarnation[:])
			})
			return nil
		}
		return err
	}
	if err := e.cfg.Store.View(own); node.CodeOf(err) != node.Damaged {
		return err
	}
	return nil
}

// beginAnew is newIncarnation in a transaction of its own: where that fails, the name on
// the disk stands here too. The caller holds e.write.
func (e *Engine) beginAnew() error {
	undo := e.remember()
	err := e.cfg.Store.Update(e.newIncarnation)
	if err != nil {
		undo()
	}
	return err
}

// newIncarnation gives this device's logs a new name, under which it begins
// again at seq 1.
func (e *Engine) newIncarnation(tx *store.Tx) error {
	var name crdt.Incarnation
	if _, err := io.ReadFull(e.cfg.Rand, name[:]); err != nil {
		return fmt.Errorf("draw an incarnation: %w", err)
	}
	e.state.Lock()
	e.incarnation = name
	e.state.Unlock()
	return tx.PutMeta("incarnation", name[:])
}

type storedClock struct {
	_    struct{} `cbor:",toarray"`
	Last uint64
	Own  int64
}

func (e *Engine) loadClock(tx *store.Tx) error {
	b, err := tx.Meta("clock")
	if err != nil || b == nil {
		return err
	}
	var stored storedClock
	if err := wire.Unmarshal(b, 32, &stored); err != nil {
		return fmt.Errorf("the stored clock: %w", err)
	}
	e.clock = crdt.Clock{Last: crdt.Stamp(stored.Last), Own: stored.Own}
	return nil
}

func (e *Engine) saveClock(tx *store.Tx) error {
	b, err := wire.Marshal(storedClock{Last: uint64(e.clock.Last), Own: e.clock.Own})
	if err != nil {
		return err
	}
	return tx.PutMeta("clock", b)
}

func (e *Engine) nowMS() int64 { return e.cfg.Now().UnixMilli() }

// ownLog is the log that this device writes in a class.
func (e *Engine) ownLog(class crdt.Class) crdt.LogID {
	e.state.Lock()
	defer e.state.Unlock()
	return crdt.LogID{Device: e.cfg.Device, Incarnation: e.incarnation, Scope: e.cfg.Scopes[0], Class: class}
}

// Changed is closed at the next change of records, receipts or heads. Ask for
// it before reading what may change.
func (e *Engine) Changed() <-chan struct{} {
	e.state.Lock()
	defer e.state.Unlock()
	return e.changed
}

// Position counts the changes since the engine was opened.
func (e *Engine) Position() uint64 {
	e.state.Lock()
	defer e.state.Unlock()
	return e.position
}

// Revision counts the changes of a collection's records since the engine was
// opened.
func (e *Engine) Revision(collection string) uint64 {
	e.state.Lock()
	defer e.state.Unlock()
	return e.revisions[collection]
}

func (e *Engine) announce() {
	e.state.Lock()
	defer e.state.Unlock()
	e.position++
	close(e.changed)
	e.changed = make(chan struct{})
}

// group is the KPI group of a collection: what the province adds up by commune.
func group(scope crdt.Scope, collection string) string {
	return string(scope) + " " + collection
}

// publish hands a committed transaction's changes to the views.
func (e *Engine) publish(b *batch) {
	for _, t := range b.order {
		e.figures.apply(t.before.fact, t.after.fact)
	}
	if len(b.order) > 0 {
		e.figures.reach(b.position)
	}
	if e.rebuild.failed() != nil {
		e.rebuild.start(e) // there is room again, perhaps
	}
	if !b.moved {
		return
	}
	e.state.Lock()
	for _, t := range b.order {
		e.revisions[t.record.Collection]++
	}
	e.state.Unlock()
	e.announce()
}

// fact is what a record says to the KPIs; nil where it isn't shown.
func fact(scope crdt.Scope, c *schema.Collection, values map[string]any) *kpi.Fact {
	if c.KPI == nil {
		return nil
	}
	received, resolved, due := c.Fact(values)
	return &kpi.Fact{
		Group: group(scope, c.ID), Received: instant(received), Resolved: instant(resolved), Due: instant(due),
	}
}

func instant(ms *int64) kpi.Instant {
	if ms == nil {
		return kpi.Instant{}
	}
	return kpi.At(*ms)
}
