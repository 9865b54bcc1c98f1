package simtest

import (
	"crypto/sha256"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/reconcile"
)

// Attacks by sheer amount, and by what is signed as it should be.

// flood is how much of it follows each frame of a thief who floods.
const flood = 40

// largest is how long an item of a lane may be said to be.
var largest = [reconcile.Lanes]int{reconcile.MaxItem, reconcile.MaxSegmentItem, reconcile.MaxSegmentItem, reconcile.MaxSegmentItem, 16512}

// flood makes frames that the peer has to look at: parts of items that never end, each
// taking the place of one before; parts that go on; questions about everything; words
// of a later format.
func (t *thief) flood() (frames [][]byte) {
	for range flood {
		lane := t.draw.IntN(len(largest))
		name := sha256.Sum256([]byte{byte(t.draw.Uint32()), byte(t.draw.Uint32())})
		var message []any
		switch t.draw.IntN(6) {
		case 0:
			message = []any{2, lane, make([]byte, 1000), 16 + lane, largest[lane], name[:16], 0}
		case 1, 2, 3:
			message = []any{2, lane, make([]byte, 1100)}
		case 4:
			message = []any{13, name[:]} // an attachment that nobody asked for
		case 5:
			message = []any{64 + t.draw.IntN(64), name[:], make([]byte, 1000)}
		}
		if b, err := wire.Marshal(message); err == nil && len(b) <= reconcile.MaxFrame {
			frames = append(frames, b)
		}
	}
	return frames
}

// inspectStaged: what lies here of items that a device has begun is at most one a lane.
func (w *World) inspectStaged(m *Machine, of crdt.Device) {
	for lane := range uint8(reconcile.Lanes) {
		b, err := m.store.Note(of, noteStaged(lane))
		if !w.must(m, err) {
			return
		}
		if len(b) > largest[lane]+256 {
			w.fail("%s keeps %d bytes of what %v began on lane %d", m, len(b), of, lane)
		}
	}
}

// logsAtOnce is how many logs a thief begins in one go.
const logsAtOnce = 12

// overwrite signs, as a certified device may, entries that supersede what others have
// written and what they have not written yet, each in a log of its own.
func (t *thief) overwrite(ear *memory) {
	heads, err := ear.Heads(communes[0])
	if !t.w.must(t.Machine, err) {
		return
	}
	logs := slices.DeleteFunc(sortedLogs(heads), func(log crdt.LogID) bool { return log.Device == t.id })
	if len(logs) == 0 {
		return
	}
	for range 1 + t.draw.IntN(logsAtOnce) {
		log := logs[t.draw.IntN(len(logs))]
		raw, err := ear.Entry(log, heads[log].Seq)
		if !t.w.must(t.Machine, err) {
			return
		}
		entry, err := wire.DecodeEntry(raw)
		if err != nil || len(entry.Ops) == 0 {
			continue
		}
		t.w.Overwrites++
		ahead := crdt.Pos{Log: log, Seq: heads[log].Seq + uint64(t.draw.IntN(10))}
		if t.draw.IntN(3) == 0 {
			ahead.Seq = 1 << 40
		}
		op := entry.Ops[0]
		op.Over = []crdt.Pos{ahead}
		if made := t.signed(ear, op); made != nil {
			t.w.must(t.Machine, ear.IngestOne(made))
		}
	}
}

// signed is an entry of a new log of the thief's. What is not written yet is pinned by a
// hash that it won't have.
func (t *thief) signed(ear *memory, op crdt.Op) *wire.Segment {
	log := crdt.LogID{Device: t.id, Scope: communes[0], Class: crdt.ClassRecords}
	for i := range log.Incarnation {
		log.Incarnation[i] = byte(t.draw.Uint32())
	}
	op.Key, op.Made = crdt.Key{}, crdt.Pos{}
	e := &crdt.Entry{
		Log: log, Seq: 1, Stamp: crdt.Stamp(t.clock().UnixMilli()) << 16, Officer: "giả", Pack: crdt.Pack{ID: "commune", Version: 1},
		Ops: []crdt.Op{op},
	}
	for _, at := range e.Named() {
		hash, held, err := ear.HashAt(at.Log, at.Seq)
		if !t.w.must(t.Machine, err) {
			return nil
		}
		if !held {
			hash = sha256.Sum256([]byte("giả"))
		}
		e.Pins = append(e.Pins, crdt.Pin{Log: at.Log, Seq: at.Seq, Hash: hash})
	}
	var salt wire.Salt
	for i := range salt {
		salt[i] = byte(t.draw.Uint32())
	}
	e.Key = wire.EntryKey(salt, 1)
	raw, err := wire.EncodeEntry(e)
	if err != nil {
		return nil
	}
	seal, err := wire.Sign(log, crdt.Head{Seq: 1, Hash: wire.ChainHash(raw)}, signer(t.ears[0].Keys.Seal))
	if !t.w.must(t.Machine, err) {
		return nil
	}
	return &wire.Segment{Log: log, First: 1, Entries: [][]byte{raw}, Seal: seal, Salts: map[uint64]wire.Salt{wire.Span(1): salt}}
}
