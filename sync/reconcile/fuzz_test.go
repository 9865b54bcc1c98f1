package reconcile_test

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
)

// costs fails when a decoder allocates more than some times what it was given.
func costs(t *testing.T, input []byte, decode func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	decode()
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 64<<10+256*uint64(len(input)) {
		t.Fatalf("%d bytes allocated for %d", n, len(input))
	}
}

// What is read as a message, of a frame or of an item in parts, is written as the same
// bytes again, but for elements that a later program adds; and costs memory in
// proportion to its length.
func FuzzDecode(f *testing.F) {
	for _, frame := range conversation(f) {
		f.Add(frame)
		f.Add(reconcile.Longer(frame))
	}
	f.Add(reconcile.HeadsFrame(scope, manyHeads(300)))
	for _, n := range []byte{0x9a, 0x9b} { // arrays, and byte strings, that claim to be giant
		f.Add([]byte{0x83, 21, 0, n, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
		f.Add([]byte{0x82, 16, n - 0x40, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) > reconcile.MaxItem {
			return
		}
		var again []byte
		var ok bool
		costs(t, frame, func() { again, ok = reconcile.Decode(frame) })
		if ok && !bytes.Equal(again, frame) && (len(again) >= len(frame) || !bytes.Equal(again[1:], frame[1:len(again)])) {
			t.Fatalf("read, but written differently:\n%x\n%x", frame, again)
		}
	})
}

// A memory and what is staged are read as they were written, or not at all.
func FuzzMemory(f *testing.F) {
	o := newOffice(f, 1)
	o.talk(f, 20)
	for _, k := range o.disk {
		f.Add(k.memory)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		costs(t, b, func() { _, _ = reconcile.DecodeMemory(b) })
		costs(t, b, func() { _, _ = reconcile.DecodeStaged(b) })
		if m, err := reconcile.DecodeMemory(b); err == nil {
			if _, err := m.Encode(); err != nil {
				t.Fatalf("read, and not written: %v", err)
			}
		}
		if p, err := reconcile.DecodeStaged(b); err == nil {
			if again, err := p.Encode(); err != nil || !bytes.Equal(again, b) {
				t.Fatalf("read, and written as %x, %v", again, err)
			}
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
	f.Fuzz(func(t *testing.T, greeted bool, frame []byte) {
		e := newEnd(t, box, laptop, nil)
		e.far, e.aloof = &end{}, true
		if greeted {
			e.in = append(e.in, frames[:2]...)
		}
		e.in = append(e.in, frame)
		settle(t, e)
		if e.closed && e.refusal == nil {
			t.Fatal("closed without a reason")
		}
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
	save(t, laptop, crdt.ClassRecords, 1)
	settle(t, a, b)
	refusal, err := reconcile.Refuse(reconcile.Fork, "log").Frame()
	if err != nil {
		t.Fatalf("refusal: %v", err)
	}
	return append(frames, refusal, reconcile.Frame(1, 1, [16]byte{1}, 2, 3, 1), reconcile.Frame(6, []any{0, [16]byte{1}, [8]byte{1}, 2}, 1, 0),
		reconcile.Frame(8, []any{0, [16]byte{1}, [8]byte{1}, 2}, []any{[]any{1, [16]byte{1}}}), reconcile.Frame(10, [32]byte{1}, 0),
		reconcile.Frame(11, 1, [16]byte{1}, 9, 3), reconcile.Frame(7, 11, "", "", "", []byte{}, 0), reconcile.Frame(12, 0))
}

// manyHeads is what is held of so many logs.
func manyHeads(n int) reconcile.Holding {
	h := reconcile.Holding{Heads: map[crdt.LogID]crdt.Head{}}
	for i := range n {
		log := crdt.LogID{Device: crdt.Device{byte(i), byte(i >> 8)}, Incarnation: crdt.Incarnation{1}, Scope: scope, Class: crdt.ClassRecords}
		h.Heads[log] = crdt.Head{Seq: uint64(i) + 1, Hash: crdt.Hash{byte(i)}}
	}
	return h
}
