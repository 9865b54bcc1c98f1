package engine

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/identity"
)

// forger is a certified device that writes what no honest program would: its
// chain and seals are right, and so it gets as far as the engine.
type forger struct {
	t    *testing.T
	key  ed25519.PrivateKey
	log  crdt.LogID
	head crdt.Head
	pins []crdt.Pin // of its next entries
}

func newForger(t *testing.T, scope crdt.Scope) *forger {
	seed := sha256.Sum256([]byte("forger"))
	key := ed25519.NewKeyFromSeed(seed[:])
	return &forger{t: t, key: key, log: crdt.LogID{
		Device: identity.DeviceOf(identity.Public(key)), Incarnation: crdt.Incarnation{1}, Scope: scope, Class: crdt.ClassRecords,
	}}
}

func (f *forger) raw(stampMS int64, ops ...crdt.Op) []byte {
	f.t.Helper()
	raw, err := wire.EncodeEntry(&crdt.Entry{
		Log: f.log, Seq: f.head.Seq + 1, Prev: f.head.Hash, Stamp: crdt.StampAt(stampMS),
		Officer: "x", Pack: crdt.Pack{ID: "test", Version: 1}, Ops: ops, Pins: f.pins, Key: crdt.Key{1},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	f.head = crdt.Head{Seq: f.head.Seq + 1, Hash: wire.ChainHash(raw)}
	return raw
}

// segment is one more entry as it comes over the line.
func (f *forger) segment(stampMS int64, ops ...crdt.Op) *wire.Segment {
	f.t.Helper()
	raw := f.raw(stampMS, ops...)
	return f.sealed(f.head.Seq, raw)
}

func (f *forger) sealed(first uint64, entries ...[]byte) *wire.Segment {
	f.t.Helper()
	seal, err := wire.Sign(f.log, f.head, func(m []byte) []byte { return ed25519.Sign(f.key, m) })
	if err != nil {
		f.t.Fatal(err)
	}
	b, err := wire.EncodeSegment(&wire.Segment{Log: f.log, First: first, Entries: entries, Seal: seal})
	if err != nil {
		f.t.Fatal(err)
	}
	s, err := wire.DecodeSegment(b)
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

func write(ref crdt.Ref, field uint32, text string, over ...crdt.Pos) crdt.Op {
	value, err := wire.Marshal(text)
	if err != nil {
		panic(err)
	}
	return crdt.Op{Collection: "cases", Record: ref, Field: field, Value: value, Over: over}
}

func exist(ref crdt.Ref) crdt.Op {
	return crdt.Op{Collection: "cases", Record: ref, Field: crdt.FieldExistence, Value: []byte{0xf5}}
}

// What a certified device can put into an entry must not stop a hub, which would
// meet it in raft's log again at every start. All of it is held and counted,
// whatever its size, and the next command is applied.
func TestPoisonDoesNotStopAHub(t *testing.T) {
	ref := crdt.RefByKey(testScope, "cases", "poison")
	for name, poison := range map[string]func(f *forger) []*wire.Segment{
		"a record too large": func(f *forger) (all []*wire.Segment) {
			for i := range uint32(40) {
				all = append(all, f.segment(0, write(ref, 100+i, strings.Repeat("a", 60_000))))
			}
			return all
		},
		"a value too long for a key": func(f *forger) []*wire.Segment {
			return []*wire.Segment{f.segment(0, exist(ref), write(ref, 3, strings.Repeat("a", 65_000)))}
		},
		"a word without an end": func(f *forger) []*wire.Segment {
			return []*wire.Segment{f.segment(0, exist(ref), write(ref, 8, strings.Repeat("a", 65_000)))}
		},
		"many large records at once": func(f *forger) (all []*wire.Segment) {
			for i := range uint32(6) {
				var ops []crdt.Op
				for j := range crdt.MaxRecords {
					ops = append(ops, write(crdt.RefByKey(testScope, "cases", fmt.Sprint(j)), 100+i, strings.Repeat("a", 1900)))
				}
				for range 5 {
					all = append(all, f.segment(0, ops...))
				}
			}
			return all
		},
	} {
		t.Run(name, func(t *testing.T) {
			others := map[crdt.Device]identity.Role{}
			hub, box := testEngine(t, "hub", identity.RoleHub, others), testEngine(t, "box", identity.RoleBox, others)
			index := uint64(0)
			f := newForger(t, testScope)
			for _, s := range poison(f) {
				index++
				if err := hub.ApplySegments(index, []*wire.Segment{s}); err != nil {
					t.Fatalf("command %d stops the hub: %.300v", index, err)
				}
			}
			id := box.create(map[string]any{"subject": "Tốt"})
			if err := hub.ApplySegments(index+1, must(box.segmentsAll())); err != nil {
				t.Fatal(err)
			}
			hub.close()
			hub.open()
			if heads, err := hub.Heads(testScope); err != nil || heads[f.log] != f.head {
				t.Errorf("of %d entries %d are held (%v); nothing may be dropped", f.head.Seq, heads[f.log].Seq, err)
			}
			if applied, err := hub.Applied(); applied != index+1 || err != nil || hub.get(id).Values["subject"] != "Tốt" {
				t.Errorf("applied %d, %v; want %d, and the good record", applied, err, index+1)
			}
			if _, err := hub.KPIs(0); err != nil {
				t.Error(err)
			}
		})
	}
}

// A device of one commune knows the collection and key of another's record, and
// still writes only into its own scope.
func TestScopesShareNoRecord(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	hub, box := testEngine(t, "hub", identity.RoleHub, others), testEngine(t, "box", identity.RoleBox, others)
	if _, err := box.Upsert(context.Background(), "a", "cases", []Row{{Key: "17", Values: map[string]any{"subject": "Của xã này"}}}, false); err != nil {
		t.Fatal(err)
	}
	if err := hub.ApplySegments(1, must(box.segmentsAll())); err != nil {
		t.Fatal(err)
	}
	ref := crdt.RefByKey(testScope, "cases", "17")
	theirs := ref
	theirs.Scope = "c/99999"
	s := newForger(t, theirs.Scope).segment(testNow.UnixMilli()+60_000, write(theirs, 2, "Của xã khác"))
	if err := hub.ApplySegments(2, []*wire.Segment{s}); err != nil {
		t.Fatal(err)
	}
	if v := hub.get(ref.ID()); v.Values["subject"] != "Của xã này" || len(v.Cells["subject"].Siblings) != 1 {
		t.Errorf("another scope's write is in the record: %+v", v.Cells["subject"])
	}
}

// Two devices that name hundreds of logs nobody has can't keep an officer from
// saving.
func TestInventedLogsDoNotBlockAField(t *testing.T) {
	box := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	id := box.create(map[string]any{"subject": "Đầu"})
	ref := crdt.Ref{Dot: crdt.Dot{Log: box.ownLog(crdt.ClassRecords), Seq: 1}}
	f := newForger(t, testScope)
	for k := range byte(2) {
		var over []crdt.Pos
		for i := range byte(200) {
			over = append(over, crdt.Pos{Log: crdt.LogID{Device: crdt.Device{k, i}, Scope: testScope, Class: 2}, Seq: 1})
		}
		if err := box.Ingest(context.Background(), []*wire.Segment{f.segment(0, write(ref, 2, fmt.Sprint(k), over...))}); err != nil {
			t.Fatal(err)
		}
	}
	box.edit(id, "", map[string]any{"subject": "Của cán bộ"})
	if v := box.get(id); v.Values["subject"] != "Của cán bộ" || len(v.Cells["subject"].Siblings) != 1 {
		t.Errorf("after the officer's save: %+v", v.Cells["subject"])
	}
}

// A crash leaves entries of a segment without their seal. When a shorter segment
// brings a seal and nothing else, whoever waits for heads is told.
func TestASealAloneIsAChange(t *testing.T) {
	box := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	f := newForger(t, testScope)
	ref := crdt.RefByKey(testScope, "cases", "1")
	first := f.segment(0, write(ref, 2, "1"))
	second := f.raw(0, write(ref, 2, "2"))
	entries, err := f.sealed(1, first.Entries[0], second).Open()
	if err != nil {
		t.Fatal(err)
	}
	box.write.Lock()
	err = box.update(func(b *batch) error {
		if err := b.apply(f.log, entries[0], first.Entries[0]); err != nil {
			return err
		}
		return b.apply(f.log, entries[1], second)
	})
	box.write.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	changed := box.Changed()
	if err := box.Ingest(context.Background(), []*wire.Segment{first}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-changed:
	default:
		t.Error("a head moved and nobody was told")
	}
}
