package engine

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/attach"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/node/store/keyring"
	"github.com/vungxa/vungxa/sync/identity"
)

// point writes a reference into a field that no pack knows, as a later program may.
func (p *peer) point(id crdt.RecordID, value []byte) {
	p.t.Helper()
	p.Engine.write.Lock()
	defer p.Engine.write.Unlock()
	err := p.compose("a", crdt.ClassRecords, func(w *writer) error {
		t, _, err := w.target(Change{Collection: "cases", Record: &id})
		if err != nil {
			return err
		}
		w.assign(t, 77, value, nil)
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// An attachment stays as long as an entry held here points to it, also one whose
// value was replaced since: somebody may still have to fetch it.
func TestAttachmentsThatEntriesPointTo(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	dir := t.TempDir()
	files := func() *attach.Store { // of another run of the program
		s, err := attach.OpenStore(dir, attach.Options{Keys: keyring.Keys{Data: [32]byte{1}}})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	var hashes []attach.Hash
	for _, content := range []string{"hiện tại", "đã thay", "không ai trỏ tới"} {
		h, _, err := files().Put(context.Background(), bytes.NewReader([]byte(content)))
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, h)
	}
	id := p.create(map[string]any{"subject": "Có tệp"})
	p.point(id, attach.Reference(hashes[1]))
	p.point(id, attach.Reference(hashes[0]))
	s := files()
	done, err := p.CollectAttachments(context.Background(), s)
	if err != nil || done.Kept != 2 || done.Removed != 1 {
		t.Fatalf("%+v, %v; want 2 kept and 1 removed", done, err)
	}
	for i, want := range []node.Code{"", "", node.NotFound} {
		if err := s.Pin(hashes[i]); (err == nil) != (want == "") || (err != nil && node.CodeOf(err) != want) {
			t.Errorf("attachment %d: %v; want %q", i, err, want)
		}
	}

	err = p.Store.Update(func(tx *store.Tx) error { return tx.Put(recordKey(id), []byte("rác")) })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.CollectAttachments(context.Background(), files()); node.CodeOf(err) != node.Damaged {
		t.Errorf("with a damaged record: %v; want that nothing is collected", err)
	}
	if err := files().Pin(hashes[0]); err != nil {
		t.Errorf("what the damaged record may point to: %v", err)
	}
}

// An order takes away the attachments to which what it names pointed, now or once;
// what another record points to, too, stays. While they are there the order isn't
// carried out, and each start tries again.
func TestErasureTakesAttachments(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	id, other := p.create(map[string]any{"subject": "Có tệp"}), p.create(map[string]any{"subject": "Việc khác"})
	first, now, shared := attach.Hash{1}, attach.Hash{2}, attach.Hash{3}
	p.point(id, attach.Reference(first))
	p.point(id, attach.Reference(shared))
	p.point(id, attach.Reference(now))
	p.point(other, attach.Reference(shared))
	er, err := p.ErasureOf(context.Background(), "12/QĐ", "cases", id)
	if err != nil {
		t.Fatal(err)
	}
	var told [][]attach.Hash
	disk := errors.New("the disk failed")
	p.reopenForgetting(func(gone []attach.Hash) error {
		told = append(told, gone)
		return disk
	})
	if err := p.Erase(er); !errors.Is(err, disk) {
		t.Errorf("%v; want that the order isn't carried out wholly", err)
	}
	p.reopenForgetting(p.forget)
	if left, err := p.Unobeyed(); err != nil || len(left) != 1 || p.get(id).Values["subject"] != nil {
		t.Errorf("%d orders, %v; want the one, and that what is shown obeys", len(left), err)
	}
	disk = nil
	if err := p.Obey(); err != nil {
		t.Error(err)
	}
	p.reopenForgetting(p.forget)
	if left, err := p.Unobeyed(); err != nil || len(left) != 0 {
		t.Errorf("%d orders, %v; want none", len(left), err)
	}
	if len(told) != 3 {
		t.Fatalf("asked %d times; want by the order, the next start and when told to try again", len(told))
	}
	for _, gone := range told {
		slices.SortFunc(gone, func(a, b attach.Hash) int { return bytes.Compare(a[:], b[:]) })
		if !slices.Equal(gone, []attach.Hash{first, now}) {
			t.Errorf("%v; want the first and the newest", gone)
		}
	}
}

func (p *peer) reopenForgetting(forget func([]attach.Hash) error) {
	p.close()
	p.forget = forget
	p.open()
}
