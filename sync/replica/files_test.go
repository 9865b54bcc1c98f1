package replica_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/reconcile"
)

// shelf is the attachments of a station.
type shelf struct {
	wanted [][32]byte
	held   map[[32]byte][]byte
	part   map[[32]byte][]byte
	gives  func() // is told of every piece that is given
}

func newShelf(contents ...string) *shelf {
	s := &shelf{held: map[[32]byte][]byte{}, part: map[[32]byte][]byte{}}
	for _, c := range contents {
		s.held[sha256.Sum256([]byte(c))] = []byte(c)
	}
	return s
}

func (s *shelf) Lacks(_ []crdt.Scope, except map[[32]byte]bool) (*reconcile.Content, error) {
	i := slices.IndexFunc(s.wanted, func(h [32]byte) bool { return s.held[h] == nil && !except[h] })
	if i < 0 {
		return nil, nil
	}
	return &reconcile.Content{Hash: s.wanted[i], Have: uint64(len(s.part[s.wanted[i]]))}, nil
}

func (s *shelf) Piece(_ []crdt.Scope, hash [32]byte, offset uint64, most int) ([]byte, uint64, error) {
	all := s.held[hash]
	if s.gives != nil {
		s.gives()
	}
	from := min(offset, uint64(len(all)))
	return all[from:min(from+uint64(most), uint64(len(all)))], uint64(len(all)), nil
}

func (s *shelf) Append(hash [32]byte, offset, total uint64, b []byte) error {
	if uint64(len(s.part[hash])) != offset {
		return errors.New("a piece out of place")
	}
	s.part[hash] = append(s.part[hash], b...)
	if uint64(len(s.part[hash])) < total {
		return nil
	}
	whole := s.part[hash]
	delete(s.part, hash)
	if sha256.Sum256(whole) != hash {
		return reconcile.Refuse(reconcile.Malformed, "attachment")
	}
	s.held[hash] = whole
	return nil
}

// What records point to follows them through the box, also over a line that is lost
// again and again.
func TestAttachmentsFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, laptop, box, hub := office(t)
		content := string(make([]byte, 200_000)) + "!"
		hash := sha256.Sum256([]byte(content))
		laptop.files, box.files, hub.files = newShelf(content), newShelf(), newShelf()
		box.files.wanted, hub.files.wanted = [][32]byte{hash}, [][32]byte{hash}
		for _, s := range []*station{laptop, box, hub} {
			s.retry = time.Second
		}
		laptop.save(3)
		start(laptop, box, hub)
		for range 60 {
			time.Sleep(100 * time.Millisecond)
			net.cutAll()
		}
		time.Sleep(20 * time.Second)
		laptop.save(1) // the hub asks again when something has changed
		time.Sleep(20 * time.Second)
		for _, s := range []*station{box, hub} {
			if string(s.files.held[hash]) != content {
				t.Errorf("%s holds %d bytes of it", s.name, len(s.files.part[hash]))
			}
		}
		same(t, laptop, box, hub)
		halt(laptop, box, hub)
	})
}

// What a peer doesn't take is told, with the reason, while the line goes on.
func TestWhatIsNotTakenIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, laptop, box, _ := office(t)
		box.peers = box.peers[:1]
		bulk := laptop.node.Log(scope, crdt.ClassBulk)
		box.ingest = func(ctx context.Context, segments []*wire.Segment) error {
			if segments[0].Log == bulk {
				return reconcile.Refuse(reconcile.Fork, "bulk")
			}
			return box.node.Ingest(ctx, segments)
		}
		if _, err := laptop.node.Save(scope, crdt.ClassBulk, "x"); err != nil {
			t.Fatal(err)
		}
		laptop.save(1)
		start(laptop, box)
		time.Sleep(5 * time.Second)
		state := laptop.state(box)
		if h := state.Held[bulk]; !state.Connected || h.Code != reconcile.Fork || h.Reason.VI == "" || h.Where != "bulk" {
			t.Errorf("the laptop sees %+v", state)
		}
		laptop.save(1)
		time.Sleep(5 * time.Second)
		if !laptop.received(box, laptop.node.Log(scope, crdt.ClassRecords), 2) {
			t.Error("what comes after it is not taken")
		}
		halt(laptop, box)
	})
}

// A verdict that was the peer's own fault holds a log back for a day at most, also one
// that nobody writes any more; and until then it isn't paid for at every contact.
func TestAWrongVerdictHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, laptop, box, _ := office(t)
		box.peers = box.peers[:1]
		offers, wrong := 0, true
		box.ingest = func(ctx context.Context, segments []*wire.Segment) error {
			if wrong {
				offers++
				return reconcile.Refuse(reconcile.Seal, "records")
			}
			return box.node.Ingest(ctx, segments)
		}
		laptop.save(1)
		start(laptop, box)
		contacts := func(n int) {
			for range n {
				time.Sleep(time.Minute)
				net.cutAll()
			}
			time.Sleep(time.Minute)
		}
		contacts(10)
		if offers != 3 {
			t.Errorf("it was offered in %d of 11 contacts; want 3", offers)
		}
		wrong = false
		log := laptop.node.Log(scope, crdt.ClassRecords)
		contacts(10)
		if laptop.received(box, log, 1) {
			t.Error("it was offered again on the same day")
		}
		time.Sleep(24 * time.Hour)
		contacts(1)
		if !laptop.received(box, log, 1) || len(laptop.state(box).Held) != 0 {
			t.Errorf("a day later the laptop sees %+v", laptop.state(box))
		}
		halt(laptop, box)
	})
}

// A disk that was put back, or a second machine with the same keys, is noticed by its
// count of contacts.
func TestACountThatGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, laptop, box, _ := office(t)
		box.peers = box.peers[:1]
		start(laptop, box)
		time.Sleep(time.Second)
		laptop.halt()
		old := laptop.notes
		laptop.notes = map[string][]byte{}
		for k, v := range old {
			laptop.notes[k] = v
		}
		laptop.start()
		time.Sleep(2 * time.Second)
		if box.state(laptop).CounterBack {
			t.Error("a restart is taken for a copy")
		}
		laptop.halt()
		laptop.notes = old
		laptop.start()
		time.Sleep(2 * time.Second)
		if !box.state(laptop).CounterBack {
			t.Errorf("the box sees %+v", box.state(laptop))
		}
		halt(laptop, box)
	})
}
