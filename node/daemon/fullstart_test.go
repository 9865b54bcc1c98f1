package daemon_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/demo"
	"github.com/vungxa/vungxa/node/engine"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/sync/hub"
)

// fullDisk is a disk that is full or not, as a test wants.
type fullDisk struct {
	full   atomic.Bool
	looked chan struct{} // gets one when somebody finds it full
}

func newFullDisk() *fullDisk { return &fullDisk{looked: make(chan struct{}, 1)} }

func (f *fullDisk) room(string) (store.Room, error) {
	if !f.full.Load() {
		return store.Room{Free: 1 << 30, Total: 1 << 30}, nil
	}
	select {
	case f.looked <- struct{}{}:
	default:
	}
	return store.Room{Free: 20 << 20, Total: 1 << 30}, nil
}

func (f *fullDisk) open(t *testing.T, dir string) *daemon.Daemon {
	t.Helper()
	d, err := daemon.New(dir, daemon.Options{Now: time.Now, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler), Room: f.room})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A node on a full disk starts, shows what it has and lets people sign in whom node.json
// has just named; what the start had to write is written when there is room.
func TestAStartThatMayNotWrite(t *testing.T) {
	dir, disk := filepath.Join(provision(t), "box"), newFullDisk()
	d := disk.open(t, dir)
	saveText(t, d, "Có từ trước")
	closed(t, d)
	c, err := daemon.ReadConfig(dir)
	if err != nil {
		t.Fatal(err)
	}
	c.Officers = []daemon.Officer{{ID: "moi", Name: "Người mới"}}
	if err := errors.Join(c.Write(dir), os.Remove(filepath.Join(dir, "store.made"))); err != nil {
		t.Fatal(err)
	}
	disk.full.Store(true)
	for range 2 {
		d = disk.open(t, dir)
		if all := shown(t, d); len(all) != 1 || !strings.Contains(all[0], "Có từ trước") {
			t.Errorf("shown %q", all)
		}
		if _, err := d.SignIn(); err != nil {
			t.Errorf("sign in: %v", err)
		}
		if err := d.WithRoom(); node.CodeOf(err) != node.ReadOnly {
			t.Errorf("a full disk: %v", err)
		}
		if stored, err := d.Engine().Local("officers", "all"); err != nil || strings.Contains(string(stored), "moi") {
			t.Errorf("stored on a full disk: %s, %v", stored, err)
		}
		closed(t, d)
	}
	d = disk.open(t, dir)
	disk.full.Store(false)
	if err := d.WithRoom(); err != nil {
		t.Fatal(err)
	}
	if stored, err := d.Engine().Local("officers", "all"); err != nil || !strings.Contains(string(stored), "moi") {
		t.Errorf("stored with room: %s, %v", stored, err)
	}
	closed(t, d)
}

// A province whose disk fills between raft's commit and its store shows what it has,
// also after another start, and applies the command when there is room.
func TestAProvinceWithACommandItCantApply(t *testing.T) {
	dir, disk := provision(t), newFullDisk()
	box := open(t, filepath.Join(dir, "box"))
	saveText(t, box, "Về tỉnh")
	segments := sealed(t, box.Engine())
	closed(t, box)
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	d := disk.open(t, filepath.Join(dir, "province"))
	if err := d.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	disk.full.Store(true)
	taken := make(chan error, 1)
	go func() { taken <- d.TakeIn(ctx, segments) }()
	for range 3 { // what is done behind a start may look, too
		<-disk.looked
	}
	closed(t, d)
	if err := <-taken; !errors.Is(err, hub.ErrReadOnly) {
		t.Errorf("taken on a full disk: %v", err)
	}
	d = disk.open(t, filepath.Join(dir, "province"))
	run, end := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- d.Run(run) }()
	answer, err := http.Get(d.URL())
	if err != nil {
		t.Fatal(err) // nobody serves
	}
	if err := answer.Body.Close(); err != nil {
		t.Error(err)
	}
	disk.full.Store(false)
	for {
		changed := d.Engine().Changed()
		if heads, err := d.Engine().Heads(demo.Scope()); err != nil || len(heads) > 0 {
			break
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatal("with room it isn't applied")
		}
	}
	end()
	if err := errors.Join(<-ended, d.Close()); err != nil {
		t.Error(err)
	}
}

// sealed is all that an engine has sealed.
func sealed(t *testing.T, e *engine.Engine) (all []*wire.Segment) {
	t.Helper()
	_, err := e.Heads(demo.Scope())
	if err == nil {
		err = e.Segments(func(s *wire.Segment) error { all = append(all, s); return nil })
	}
	if err != nil || len(all) == 0 || all[0].Log.Class != crdt.ClassRecords {
		t.Fatal(len(all), err)
	}
	return all
}
