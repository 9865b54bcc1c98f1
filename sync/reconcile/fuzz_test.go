package reconcile_test

import (
	"bytes"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
)

// What is read as a message is written as the same bytes again.
func FuzzDecode(f *testing.F) {
	for _, frame := range conversation(f) {
		f.Add(frame)
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if again, ok := reconcile.Decode(frame); ok && !bytes.Equal(again, frame) {
			t.Fatalf("read, but written differently:\n%x\n%x", frame, again)
		}
	})
}

// Whatever a peer sends, before its hello or after, a session answers with a
// refusal or with something that its store can be asked for.
func FuzzReceive(f *testing.F) {
	frames := conversation(f)
	for _, frame := range frames {
		f.Add(true, frame)
		f.Add(false, frame)
	}
	box, laptop := newNode(f, "box", identity.RoleBox), newNode(f, "laptop", identity.RoleLaptop)
	save(f, box, crdt.ClassRecords, 2)
	before := view(f, box)
	f.Fuzz(func(t *testing.T, greeted bool, frame []byte) {
		s, err := reconcile.New(config(box, laptop), before)
		if err != nil {
			t.Fatal(err)
		}
		if greeted {
			s.Receive(frames[0])
			s.Receive(frames[1])
		}
		s.Receive(frame)
		for range 100 {
			switch a := s.Next().(type) {
			case nil:
				return
			case reconcile.Send:
				s.Written()
			case reconcile.Read:
				seg, err := box.Segment(a.Log, a.After)
				if err != nil {
					t.Fatal(err)
				}
				s.Segment(seg)
			case reconcile.Look:
				s.Hashes(make([]crdt.Hash, len(a.At)))
			case reconcile.Ingest, reconcile.Keep:
				s.Stored(before)
			case reconcile.Close:
				if a.Refusal == nil {
					t.Fatal("closed without a reason")
				}
			}
		}
		t.Fatal("never comes to rest")
	})
}

// conversation is all that a laptop says to a box: hello, heads, a segment, a
// receipt, and a refusal.
func conversation(t check) (frames [][]byte) {
	t.Helper()
	box, laptop := newNode(t, "box", identity.RoleBox), newNode(t, "laptop", identity.RoleLaptop)
	save(t, box, crdt.ClassRecords, 2)
	save(t, laptop, crdt.ClassRecords, 3)
	a, b := connect(t, laptop, box)
	a.hook = func(frame []byte) { frames = append(frames, frame) }
	settle(t, a, b)
	refusal, err := reconcile.Refuse(reconcile.Fork, "log").Frame()
	if err != nil {
		t.Fatalf("refusal: %v", err)
	}
	return append(frames, refusal)
}
