package bundle_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/bundle"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
)

// shelf is the attachments of a desk: the entries of every segment point to all of them
// that are named, and those of a desk that has read one to none before.
type shelf struct {
	desk   *desk
	named  []string
	held   map[[32]byte][]byte
	part   map[[32]byte][]byte
	wanted map[[32]byte]bool
}

func (d *desk) shelves(contents ...string) *shelf {
	s := &shelf{desk: d, named: contents, held: map[[32]byte][]byte{}, part: map[[32]byte][]byte{}}
	for _, c := range contents {
		s.held[sha256.Sum256([]byte(c))] = []byte(c)
	}
	d.files = s
	d.begin()
	return s
}

func (s *shelf) Named(*wire.Segment) (all [][32]byte, err error) {
	for _, c := range s.named {
		all = append(all, sha256.Sum256([]byte(c)))
	}
	return all, nil
}

func (s *shelf) Have(h [32]byte) (uint64, bool, error) {
	_, whole := s.held[h]
	return uint64(len(s.part[h])), whole, nil
}

func (s *shelf) Lacks(_ []crdt.Scope, except map[[32]byte]bool) (*reconcile.Content, error) {
	for h := range s.wanted {
		if s.held[h] == nil && !except[h] && s.desk.entries() > 0 {
			return &reconcile.Content{Hash: h, Have: uint64(len(s.part[h]))}, nil
		}
	}
	return nil, nil
}

func (s *shelf) Piece(_ []crdt.Scope, hash [32]byte, offset uint64, most int) ([]byte, uint64, error) {
	all := s.held[hash]
	from := min(offset, uint64(len(all)))
	return all[from:min(from+uint64(most), uint64(len(all)))], uint64(len(all)), nil
}

func (s *shelf) Append(hash [32]byte, offset, total uint64, b []byte) error {
	if s.desk.entries() == 0 {
		return reconcile.Refuse(reconcile.Missing, "nothing here points to it")
	}
	if uint64(len(s.part[hash])) != offset {
		return fmt.Errorf("a piece at %d, not at %d", offset, len(s.part[hash]))
	}
	if s.part[hash] = append(s.part[hash], b...); uint64(len(s.part[hash])) < total {
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

// photo is as long as a photograph, and unlike another.
func photo(n int) string { return fmt.Sprint(n) + string(bytes.Repeat([]byte{byte(n)}, 150_000)) }

func withPhotos(t *testing.T, n int) (office, province *desk, there *shelf) {
	office, province = newDesk(t, "laptop", identity.RoleLaptop), newDesk(t, "hub", identity.RoleHub)
	know(t, office, province)
	var all []string
	for i := range n {
		all = append(all, photo(i))
	}
	here := office.shelves(all...)
	there = province.shelves()
	there.wanted = map[[32]byte]bool{}
	for h := range here.held {
		there.wanted[h] = true
	}
	office.save(5)
	return office, province, there
}

// Attachments go along with the entries that point to them, through all parts, whatever
// the order in which these are read, and are whole at the other end.
func TestAttachmentsGoAlong(t *testing.T) {
	office, province, there := withPhotos(t, 3)
	first := stick(t, t.TempDir())
	out := office.export(first, bundle.Order{Part: 100_000}, province)
	if len(out.Files) < 5 || out.Whole != 3 || out.Entries != 5 || out.More {
		t.Fatalf("%+v", out)
	}
	for i := range out.Files { // one stick for each, the last first
		name := out.Files[len(out.Files)-1-i]
		raw, err := first.Read(name)
		must(t, err)
		s := stick(t, t.TempDir())
		must(t, s.Write(name, raw))
		last := i == len(out.Files)-1
		if in := province.imports(s); in.Files[0].State != []bundle.State{bundle.Waiting, bundle.Taken}[oneIf(last)] {
			t.Fatalf("part %d: %+v", i, in.Files[0])
		}
	}
	if len(there.held) != 3 || len(list(t, province.waiting)) != 0 {
		t.Errorf("%d attachments came; %d files wait", len(there.held), len(list(t, province.waiting)))
	}
	if in := province.imports(first); in.Entries != 0 || in.Files[0].State != bundle.Taken {
		t.Errorf("once more: %+v", in)
	}
}

// An attachment that isn't what its name says is told of, and nothing of it stays.
func TestWrongAttachment(t *testing.T) {
	office, province, there := withPhotos(t, 1)
	here := office.files.(*shelf)
	for h := range here.held {
		here.held[h] = []byte(photo(7))
	}
	s := stick(t, t.TempDir())
	office.export(s, bundle.Order{}, province)
	in := province.imports(s)
	if len(there.held) != 0 || in.Entries != 5 || len(in.Files[0].Took.Answer.Refused) != 1 {
		t.Errorf("%d held: %+v", len(there.held), in.Files[0])
	}
}
