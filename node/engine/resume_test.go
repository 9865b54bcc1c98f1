package engine

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/schema"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/node/store/keyring"
	"github.com/vungxa/vungxa/sync/identity"
)

// Lists that a full disk has kept from being made are no right that someone lacks:
// the sentence says why they aren't there, and with room they are made without a
// restart or a save.
func TestAnIndexIsMadeWhenThereIsRoomAgain(t *testing.T) {
	box := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	box.fill(0, 200)
	cfg := box.cfg
	box.close()
	var full atomic.Bool
	full.Store(true)
	s, err := store.Open(box.dir, store.Options{
		Log: slog.New(slog.DiscardHandler), Keys: keyring.Keys{Data: sha256.Sum256(box.key)}, Ballast: -1,
		Room: func(string) (store.Room, error) {
			if full.Load() {
				return store.Room{Free: 30 << 20, Total: 1 << 30}, nil
			}
			return store.Room{Free: 1 << 30, Total: 1 << 30}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Pack, err = schema.Load(fstest.MapFS{"pack.yaml": {Data: []byte(laterPack)}}); err != nil {
		t.Fatal(err)
	}
	cfg.Store = s
	e, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	box.Bare = &Bare{e, s}
	box.rebuild.idle()
	list := Query{Collection: "cases", Filters: []Filter{{Field: "subject", Op: Equal, Value: "Việc 1"}}, Limit: MaxPage}
	_, err = e.Search(context.Background(), list)
	if node.CodeOf(err) != node.Unavailable || !strings.Contains(node.Reason(err).VI, "Ổ đĩa sắp đầy") {
		t.Errorf("on a full disk: %v; want that it isn't made yet, and why", err)
	}
	if views, err := e.Views(); err != nil || views[1].Err == nil {
		t.Errorf("%+v, %v", views, err)
	}
	full.Store(false)
	if err := s.Tend(); err != nil {
		t.Fatal(err)
	}
	e.Resume()
	box.rebuild.idle()
	if page, err := e.Search(context.Background(), list); err != nil || page.Total == 0 {
		t.Errorf("with room: %d found, %v", page.Total, err)
	}
	if views, err := e.Views(); err != nil || views[1].Err != nil {
		t.Errorf("%+v, %v", views, err)
	}
}
