package engine

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/node/store/keyring"
	"github.com/vungxa/vungxa/sync/identity"
)

// filling is a disk that is full after the store has looked at it so often.
type filling struct{ looks atomic.Int64 }

const never = 1 << 40

func (d *filling) room(string) (store.Room, error) {
	if d.looks.Add(-1) < 0 {
		return store.Room{Free: 30 << 20, Total: 1 << 30}, nil
	}
	return store.Room{Free: 1 << 30, Total: 1 << 30}, nil
}

func (d *filling) full() bool { return d.looks.Load() < 0 }

// openOn opens p again, on a disk.
func (p *peer) openOn(d *filling) {
	p.t.Helper()
	p.openWithOn(p.cfg, d)
}

func (p *peer) openWithOn(cfg Config, d *filling) {
	p.t.Helper()
	p.close()
	s, err := store.Open(p.dir, store.Options{
		Log: slog.New(slog.DiscardHandler), Keys: keyring.Keys{Data: sha256.Sum256(p.key)}, Ballast: -1, Room: d.room,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	cfg.Store = s
	e, err := Open(cfg)
	if err != nil {
		p.t.Fatal(errors.Join(err, s.Close()))
	}
	p.Bare = &Bare{e, s}
	p.figures.wait()
	p.rebuild.idle()
}

// Whatever a full disk cuts off in the middle, the engine ends and opens on that disk,
// shows records and refuses saves; with room it does the rest, without a start or a save,
// and is then as if nothing had been.
func TestAStartOnAFullDiskOwesWhatWasCutOff(t *testing.T) {
	for _, test := range []struct {
		name  string
		begin func(others map[crdt.Device]identity.Role) (prepare func(box *peer) (do func() error))
	}{
		{"a long segment", func(map[crdt.Device]identity.Role) func(*peer) func() error {
			s := longSegment(newForger(t, testScope))
			return func(box *peer) func() error {
				return func() error { return box.take(s)[0] }
			}
		}},
		{"a checkpoint", func(others map[crdt.Device]identity.Role) func(*peer) func() error {
			laptop := testEngine(t, "laptop", identity.RoleLaptop, others)
			var made []Change
			for i := range flipRecords {
				made = append(made, Change{Collection: "cases", Values: map[string]any{"subject": fmt.Sprint("Bịa ", i), "received": testNow.UnixMilli()}})
			}
			for range 2 {
				if _, err := laptop.Save(context.Background(), Save{Officer: "a", Class: crdt.ClassRecords, Changes: made}); err != nil {
					t.Fatal(err)
				}
			}
			c := (&province{ms: testNow.UnixMilli()}).checkpoint(crdt.Checkpoint{Cuts: []crdt.Cut{cutDevice(laptop)}})
			return func(box *peer) func() error {
				box.pull(laptop)
				return func() error { return box.ApplyCheckpoint(c, hashOf(c)) }
			}
		}},
		{"a branch", func(others map[crdt.Device]identity.Role) func(*peer) func() error {
			laptop := testEngine(t, "laptop", identity.RoleLaptop, others)
			id := laptop.create(map[string]any{"subject": "Chung"})
			laptop.receipt()
			twin := laptop.twin()
			for i := range renameRecords {
				laptop.create(map[string]any{"subject": fmt.Sprint("Nhánh một ", i), "received": testNow.UnixMilli()})
				twin.create(map[string]any{"subject": fmt.Sprint("Nhánh hai ", i), "received": testNow.UnixMilli()})
			}
			twin.edit(id, "", map[string]any{"subject": "Nhánh hai"})
			first, branch := pieces(laptop), pieces(twin)
			return func(box *peer) func() error {
				box.take(first...)
				return func() error {
					for _, err := range box.take(branch...) {
						if !errors.Is(err, ErrBranch) {
							return err
						}
					}
					return nil
				}
			}
		}},
		{"a compaction", func(map[crdt.Device]identity.Role) func(*peer) func() error {
			return func(box *peer) func() error {
				id := box.create(map[string]any{"subject": "Việc"})
				for i := range compactEntries + 1 {
					box.edit(id, "", map[string]any{"note": fmt.Sprint(i)})
				}
				box.checkpoint((&province{}).floor(box))
				return func() error {
					_, err := box.compactUntil(context.Background(), nil, func(*crdt.Authority) int64 { return testNow.UnixMilli() })
					return err
				}
			}
		}},
		{"an order to erase", func(map[crdt.Device]identity.Role) func(*peer) func() error {
			return func(box *peer) func() error {
				id := box.create(map[string]any{"subject": "Việc", "note": idNumber})
				box.edit(id, "", map[string]any{"note": "khác"})
				order, err := box.ErasureOf(context.Background(), "12/QĐ", "cases", id, "note")
				if err != nil {
					t.Fatal(err)
				}
				return func() error { return box.Erase(order) }
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			others := map[crdt.Device]identity.Role{}
			prepare := test.begin(others)
			var want crdt.Hash
			for cut := int64(-1); ; cut++ {
				box := testEngine(t, "box", identity.RoleBox, others)
				kept := box.create(map[string]any{"subject": "Có từ trước", "received": testNow.UnixMilli()})
				do := prepare(box)
				d := &filling{}
				d.looks.Store(never)
				box.openOn(d)
				if cut >= 0 {
					d.looks.Store(cut)
				}
				err := do()
				if cut < 0 {
					if want = box.stateHash(); err != nil {
						t.Fatal(err)
					}
					continue
				}
				if !d.full() {
					t.Logf("%d places to be cut off at", cut)
					break
				}
				box.openOn(d)
				if got := box.get(kept).Values["subject"]; got != "Có từ trước" {
					t.Errorf("cut %d: shown %v", cut, got)
				}
				if _, err := box.Save(context.Background(), Save{Officer: "a", Class: crdt.ClassRecords, Changes: []Change{{Collection: "cases", Values: map[string]any{"subject": "x"}}}}); node.CodeOf(err) != node.ReadOnly {
					t.Errorf("cut %d: a save on a full disk: %v", cut, err)
				}
				d.looks.Store(never)
				box.withRoom()
				if box.owed.some.Load() {
					t.Errorf("cut %d: something is owed still", cut)
				}
				if err == nil || box.stateHash() != want {
					if err := do(); err != nil { // what was not written down is given again by who has it
						t.Errorf("cut %d: again: %v", cut, err)
					}
				}
				if box.stateHash() != want {
					t.Errorf("cut %d: another state", cut)
				}
				box.sound()
				if got, want := box.kept(), box.rebuilt(); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("cut %d: figures %v; want %v", cut, got, want)
				}
				box.close()
			}
		})
	}
}

// withRoom is what the daemon does when there is room again.
func (p *peer) withRoom() {
	p.t.Helper()
	if err := p.Store.Tend(); err != nil {
		p.t.Fatal(err)
	}
	p.Resume()
	p.rebuild.idle()
	if err := p.rebuild.failed(); err != nil {
		p.t.Error(err)
	}
}

// A device that has to go on under a new name does so also where its store can't be
// written yet: the name is stored with the first thing that is, whoever stores it.
func TestANewIncarnationOnAFullDisk(t *testing.T) {
	box := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	id := box.create(map[string]any{"subject": "Việc"})
	before, cfg, newer := box.ownLog(crdt.ClassRecords), box.cfg, box.dir
	box.close()
	box.dir = t.TempDir()
	if err := os.CopyFS(box.dir, os.DirFS(newer)); err != nil {
		t.Fatal(err)
	}
	older := box.dir
	box.dir = newer
	box.open()
	box.edit(id, "", map[string]any{"subject": "Sau bản sao"})
	box.close()
	heads, err := os.ReadFile(filepath.Join(newer, "heads"))
	if err == nil {
		err = os.WriteFile(filepath.Join(older, "heads"), heads, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	box.dir = older // it came back as it was, beside newer heads
	d := &filling{}
	for range 2 {
		box.openWithOn(cfg, d)
		if got := box.get(id).Values["subject"]; got != "Việc" {
			t.Errorf("shown %v", got)
		}
		if now := box.ownLog(crdt.ClassRecords); now == before {
			t.Error("it goes on under the name of which there is more elsewhere")
		}
	}
	d.looks.Store(never)
	if err := box.Store.Update(func(tx *store.Tx) error { return tx.PutMeta("anything", []byte{1}) }); err != nil {
		t.Fatal(err)
	}
	now := box.ownLog(crdt.ClassRecords)
	box.close()
	box.open()
	if again := box.ownLog(crdt.ClassRecords); again != now || again == before {
		t.Errorf("after the next start it writes %v; want %v, which was stored with the first transaction", again, now)
	}
}

// A snapshot that goes past entries which are written down and not wholly applied comes
// after them: else they would be in the way of everything that is saved later.
func TestASnapshotComesAfterWhatIsOwed(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, hub := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "hub", identity.RoleHub, others)
	s := longSegment(newForger(t, testScope))
	hub.ingest(s)
	d := &filling{}
	d.looks.Store(never)
	box.openOn(d)
	d.looks.Store(4)
	if err := box.take(s)[0]; err == nil || len(box.owed.staged) == 0 {
		t.Fatalf("%d are left: %v", len(box.owed.staged), err)
	}
	d.looks.Store(never)
	if err := box.Store.Tend(); err != nil {
		t.Fatal(err)
	}
	records, floor := hub.snapshotOf()
	box.install(records, floor)
	box.create(map[string]any{"subject": "Sau bản chụp"})
	box.sound()
	if n := box.search(Query{}).Total; n != 4*crdt.MaxRecords+1 {
		t.Errorf("%d records", n)
	}
}

// A new name that couldn't be stored isn't the name of what is written next: a start would
// go on under the old one.
func TestANewNameThatIsNotStoredDoesNotStand(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	p.create(map[string]any{"subject": "a"})
	d := &filling{}
	d.looks.Store(never)
	p.openOn(d)
	log := p.ownLog(crdt.ClassRecords)
	d.looks.Store(0)
	if begun, err := p.GoOnElsewhere(log); begun || node.CodeOf(err) != node.ReadOnly {
		t.Errorf("on a full disk: %v, %v; want a refusal", begun, err)
	}
	if now := p.ownLog(crdt.ClassRecords); now != log {
		t.Errorf("it writes %v; the disk knows %v", now, log)
	}
	d.looks.Store(never)
	if begun, err := p.GoOnElsewhere(log); !begun || err != nil || p.ownLog(crdt.ClassRecords) == log {
		t.Errorf("with room: %v, %v", begun, err)
	}
}
