package daemon_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/engine"
	"github.com/vungxa/vungxa/node/store"
)

// stagedItem is how the engine writes down what is too much for one transaction.
type stagedItem struct {
	_     struct{} `cbor:",toarray"`
	Scope string
	Log   struct {
		_           struct{} `cbor:",toarray"`
		Device      crdt.Device
		Incarnation crdt.Incarnation
		Class       uint8
	}
	First   uint64
	Entries [][]byte
	Seals   []wire.Seal
}

// staged is an own entry as it was written down before it was applied.
func staged(t *testing.T, d *daemon.Daemon, seq uint64) (name string, value []byte) {
	t.Helper()
	var s stagedItem
	err := d.StoreOf().View(func(tx *store.Tx) error {
		return tx.Logs(func(l store.Log) error {
			if l.Head.Seq < seq {
				return nil
			}
			raw, err := tx.Entry(l, seq)
			s.Scope, s.Log.Device, s.Log.Incarnation, s.Log.Class = string(l.ID.Scope), l.ID.Device, l.ID.Incarnation, uint8(l.ID.Class)
			s.First, s.Entries, name = seq, [][]byte{raw}, l.ID.String()
			return err
		})
	})
	if err != nil || name == "" {
		t.Fatal(name, err)
	}
	if value, err = wire.Marshal(s); err != nil {
		t.Fatal(err)
	}
	return name, value
}

func copied(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "box")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// A Save of which the officer was told that it is written down, and not to enter it
// again, comes with a repair as with a start; where what is before it is gone, it is told
// as lost.
func TestARepairKeepsWhatWasWrittenDown(t *testing.T) {
	dir := filepath.Join(provision(t), "box")
	d := office(t, dir)
	save(t, d, 0, 3)
	closed(t, d)
	before := copied(t, dir)
	d = office(t, dir)
	save(t, d, 3, 4)
	all := shown(t, d)
	name, value := staged(t, d, 4)
	save(t, d, 4, 6)
	_, later := staged(t, d, 6)
	closed(t, d)
	put := func(name string, value []byte) string {
		to := copied(t, before)
		d := office(t, to)
		if err := d.StoreOf().Update(func(tx *store.Tx) error { return tx.PutLocal("staged", name, value) }); err != nil {
			t.Fatal(err)
		}
		closed(t, d)
		return to
	}
	started, mended, gap, unread := put(name, value), put(name, value), put(name, later), put(name, []byte("?"))
	if got := shown(t, office(t, started)); !slices.Equal(got, all) {
		t.Fatalf("a start completes %d of %d: the test shows nothing", len(got), len(all))
	}
	done, err := daemon.Repair(t.Context(), mended, daemon.RepairOrder{}, restOptions())
	if err != nil || len(done.Lost)+len(done.Unused) > 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	r := office(t, mended)
	if got := shown(t, r); !slices.Equal(got, all) {
		t.Errorf("after a repair %d of %d petitions, and it tells %+v", len(got), len(all), done)
	}
	wantSound(t, r)
	done, err = daemon.Repair(t.Context(), gap, daemon.RepairOrder{}, restOptions())
	if err != nil || len(done.Lost) != 1 || done.Lost[0].From != 4 || done.Lost[0].To != 6 || !done.Lost[0].Own {
		t.Errorf("what can't be taken over is told as %+v, %v; want 4 to 6", done.Lost, err)
	}
	done, err = daemon.Repair(t.Context(), unread, daemon.RepairOrder{}, restOptions())
	if err != nil || len(done.Lost) != 1 || done.Lost[0].Log != name {
		t.Errorf("what can't be read is told as %+v, %v; want its log", done.Lost, err)
	}
}

// What came too late still waits for a person after a repair.
func TestARepairKeepsWhatCameTooLate(t *testing.T) {
	dir := filepath.Join(provision(t), "box")
	d := office(t, dir)
	id, name := saveText(t, d, "Đến muộn"), ""
	err := d.StoreOf().Update(func(tx *store.Tx) error {
		return tx.Logs(func(l store.Log) error {
			at, err := wire.EncodePositions([]crdt.Pos{{Log: l.ID, Seq: 1}})
			if err != nil {
				return err
			}
			item, err := wire.Marshal([]any{"petitions", id, at, uint16(0)})
			if err != nil {
				return err
			}
			name = l.ID.String() + "/0000000000000001/0000"
			return tx.PutLocal("late", name, item)
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		items, err := d.Engine().Inbox()
		if err != nil || len(items) != 1 || items[0].Record != id {
			t.Fatalf("what waits: %+v, %v; want the one that came too late", items, err)
		}
		closed(t, d)
		if _, err := daemon.Repair(t.Context(), dir, daemon.RepairOrder{}, restOptions()); err != nil {
			t.Fatal(err)
		}
		d = office(t, dir)
	}
	// One that can't be decoded is made anew of its entry; one that names none is set aside.
	err = d.StoreOf().Update(func(tx *store.Tx) error {
		return errors.Join(tx.PutLocal("late", name, []byte("?")), tx.PutLocal("late", "không rõ", []byte("?")))
	})
	if err != nil {
		t.Fatal(err)
	}
	closed(t, d)
	for i := range 2 {
		done, err := daemon.Repair(t.Context(), dir, daemon.RepairOrder{}, restOptions())
		if err != nil || (i == 0) != slices.Equal(done.Aside, []string{"late/không rõ"}) {
			t.Fatalf("%+v, %v; want the one without an entry set aside, and all else repaired", done, err)
		}
		d = office(t, dir)
		items, err := d.Engine().Inbox()
		if err != nil || len(items) != 1 || items[0].Record != id || items[0].Kind != engine.InboxLate {
			t.Fatalf("what waits: %+v, %v; want the one that came too late", items, err)
		}
		wantSound(t, d)
		closed(t, d)
	}
}
