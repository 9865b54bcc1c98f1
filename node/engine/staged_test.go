package engine

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/node/store/keyring"
	"github.com/vungxa/vungxa/sync/identity"
)

// longSegment touches more records than one transaction is asked to take.
func longSegment(f *forger) *wire.Segment {
	var raws [][]byte
	for i := range 4 {
		var ops []crdt.Op
		for j := range crdt.MaxRecords {
			ref := crdt.RefByKey(testScope, "cases", fmt.Sprint(i, "/", j))
			ops = append(ops, exist(ref), write(ref, 2, "Việc"))
		}
		raws = append(raws, f.raw(testNow.UnixMilli(), ops...))
	}
	return f.sealed(1, raws...)
}

// Wherever a crash cuts a staged segment off, the next start completes it: all
// records, the seal, and nothing counted twice.
func TestACrashLeavesNoPartOfASegment(t *testing.T) {
	for cut := range 6 {
		t.Run(fmt.Sprint(cut, " transactions"), func(t *testing.T) {
			laptop := testEngine(t, "laptop", identity.RoleLaptop, map[crdt.Device]identity.Role{})
			f := newForger(t, testScope)
			s := longSegment(f)
			part := stage(s.Log, s.First, s.Entries, s.Seal)
			b, err := wire.Marshal(part)
			if err != nil {
				t.Fatal(err)
			}
			if err := laptop.Store.Update(func(tx *store.Tx) error { return tx.PutLocal(localStaged, s.Log.String(), b) }); err != nil {
				t.Fatal(err)
			}
			laptop.write.Lock()
			for i := range min(cut, 4) {
				if err := laptop.applyLong(part, i); err != nil {
					t.Fatal(err)
				}
			}
			if cut == 5 { // a second start, cut off too
				if err := laptop.applyLong(part, 0); err != nil {
					t.Fatal(err)
				}
			}
			laptop.write.Unlock()
			laptop.close()
			laptop.open()
			if n := laptop.search(Query{}).Total; n != 4*crdt.MaxRecords {
				t.Errorf("%d records; want %d", n, 4*crdt.MaxRecords)
			}
			if heads, err := laptop.Heads(testScope); err != nil || heads[f.log] != f.head {
				t.Errorf("head %v, %v; want the seal's", heads[f.log], err)
			}
			if left := laptop.locals(localStaged); left != 0 {
				t.Errorf("%d items are still staged", left)
			}
		})
	}
}

func (p *peer) locals(kind string) (n int) {
	p.t.Helper()
	err := p.Store.View(func(tx *store.Tx) error {
		return tx.Locals(kind, func(string, []byte) error { n++; return nil })
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

// A save whose records together are too much for one transaction is stored all
// the same, also when a crash comes after its entry and its first record.
func TestASaveOfManyLongRecords(t *testing.T) {
	box := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	f := newForger(t, testScope)
	refs := longRecords(t, box, f)
	save := func(subject string) error {
		s := Save{Officer: "a", Class: crdt.ClassRecords}
		for _, ref := range refs {
			id := ref.ID()
			s.Changes = append(s.Changes, Change{Collection: "cases", Record: &id, Values: map[string]any{"subject": subject}})
		}
		_, err := box.Save(context.Background(), s)
		return err
	}
	for _, subject := range []string{"Một", "Hai"} {
		if err := save(subject); err != nil {
			t.Fatal(err)
		}
		box.close()
		box.open()
		for _, ref := range refs {
			if v := box.get(ref.ID()); v.Values["subject"] != subject {
				t.Errorf("%v; want %s", v.Values["subject"], subject)
			}
		}
	}
	log := box.ownLog(crdt.ClassRecords)
	if head, held, err := box.HashAt(log, 2); !held || err != nil || head == (crdt.Hash{}) {
		t.Errorf("the second save is not in the log: %v, %v", held, err)
	}
}

// What a record has no room for is in the log all the same, and noted.
func TestAnOverfullRecordKeepsItsLog(t *testing.T) {
	box := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	f := newForger(t, testScope)
	ref := crdt.RefByKey(testScope, "cases", "1")
	for j := range uint32(20) {
		ops := []crdt.Op{write(ref, 100+j, strings.Repeat("a", 60_000))}
		if j == 0 {
			ops = append(ops, exist(ref), write(ref, 2, "Việc"))
		}
		if err := box.Ingest(context.Background(), []*wire.Segment{f.segment(0, ops...)}); err != nil {
			t.Fatal(err)
		}
	}
	if heads, err := box.Heads(testScope); err != nil || heads[f.log] != f.head {
		t.Errorf("head %v, %v; want all 20 entries", heads[f.log].Seq, err)
	}
	if n := box.locals(localOverfull); n == 0 {
		t.Error("nobody noted that the record is overfull")
	}
	if box.get(ref.ID()).Values["subject"] != "Việc" {
		t.Error("the record isn't shown any more")
	}
}

// An entry whose records the store refuses in between, because the disk is full for
// a moment, is merged into all of them as soon as anything is written again.
func TestAnEntryIsNotLeftHalfMerged(t *testing.T) {
	box := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	cfg := box.cfg
	box.close()
	looks, until := 0, 0 // of the store at the disk; how many find room, 0: all
	room := func(string) (store.Room, error) {
		looks++
		if until > 0 && looks > until {
			return store.Room{Free: 30 << 20, Total: 1 << 30}, nil
		}
		return store.Room{Free: 1 << 30, Total: 1 << 30}, nil
	}
	s, err := store.Open(box.dir, store.Options{
		Log: slog.New(slog.DiscardHandler), Keys: keyring.Keys{Data: sha256.Sum256(box.key)}, Room: room, Ballast: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Store = s
	e, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	box.Bare = &Bare{e, s}
	f := newForger(t, testScope)
	refs := longRecords(t, box, f)
	all := func(field uint32) *wire.Segment {
		var ops []crdt.Op
		for _, r := range refs {
			ops = append(ops, write(r, field, "mới"))
		}
		return f.segment(0, ops...)
	}
	until = looks + 6
	if err := box.Ingest(context.Background(), []*wire.Segment{all(200)}); node.CodeOf(err) != node.Unavailable {
		t.Fatalf("on a full disk: %v; want that it will be completed", err)
	}
	until = 0
	if err := box.Ingest(context.Background(), []*wire.Segment{all(201)}); err != nil {
		t.Fatal(err)
	}
	for _, ref := range refs {
		var r *crdt.Record
		err := box.Store.View(func(tx *store.Tx) (err error) {
			r, err = tx.Record("cases", ref.ID())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Cells[200].Writes) != 1 || len(r.Cells[201].Writes) != 1 {
			t.Errorf("record %v holds %d writes of the first entry, %d of the second", ref.ID(), len(r.Cells[200].Writes), len(r.Cells[201].Writes))
		}
	}
}

// longRecords makes records of 420 KB each, of fields that no pack knows.
func longRecords(t *testing.T, p *peer, f *forger) []crdt.Ref {
	t.Helper()
	refs := make([]crdt.Ref, 6)
	for i := range refs {
		refs[i] = crdt.RefByKey(testScope, "cases", fmt.Sprint(i))
		for j := range uint32(7) {
			ops := []crdt.Op{write(refs[i], 100+j, strings.Repeat("a", 60_000))}
			if j == 0 {
				ops = append(ops, exist(refs[i]), write(refs[i], 2, "Việc"))
			}
			if err := p.Ingest(context.Background(), []*wire.Segment{f.segment(0, ops...)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return refs
}
