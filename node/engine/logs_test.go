package engine

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/identity"
)

func TestSegmentsThatDoNotFit(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	var segments []*wire.Segment
	for i := range 3 {
		box.create(map[string]any{"subject": "Việc", "state": "open"})
		heads, err := box.Heads(testScope)
		if err != nil {
			t.Fatal(err)
		}
		for log := range heads {
			s, err := box.Segment(log, uint64(i), 0)
			if err != nil || s == nil {
				t.Fatal(s, err)
			}
			segments = append(segments, s)
		}
	}
	ctx := context.Background()
	if err := laptop.Ingest(ctx, segments[1:2]); err == nil {
		t.Error("a segment after a gap was taken")
	}
	for range 2 { // the second time all of it is held
		if err := laptop.Ingest(ctx, segments); err != nil {
			t.Fatal(err)
		}
	}
	if n := laptop.search(Query{}).Total; n != 3 {
		t.Errorf("%d records; want 3", n)
	}

	// The box loses its disk and writes another history under the same name.
	twin := testEngine(t, "box", identity.RoleBox, others)
	twin.create(map[string]any{"subject": "Lịch sử khác"})
	if err := laptop.Ingest(ctx, must(twin.segmentsAll())); !errors.Is(err, ErrBranch) {
		t.Errorf("another branch of a log: %v; want it kept beside the first", err)
	}
	if n := laptop.search(Query{}).Total; n != 4 {
		t.Errorf("%d records of both branches; want 4", n)
	}
}

// A store that was rolled back meets its own saves at a peer: it takes them back
// and goes on under another incarnation.
func TestRolledBackStoreBeginsANewIncarnation(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	box.create(map[string]any{"subject": "Một"})
	laptop.pull(box)
	before := box.ownLog(crdt.ClassRecords)
	box.close()
	box.dir = t.TempDir() // the disk is gone
	box.opened--          // and the seeded draw gives the same incarnation
	box.open()
	if box.ownLog(crdt.ClassRecords) != before {
		t.Fatal("the store isn't rolled back to the same name")
	}
	box.pull(laptop)
	if box.ownLog(crdt.ClassRecords) == before {
		t.Error("it goes on under the name of the log that it has met")
	}
	box.create(map[string]any{"subject": "Hai"})
	laptop.pull(box)
	for name, p := range map[string]*peer{"box": box, "laptop": laptop} {
		if n := p.search(Query{}).Total; n != 2 {
			t.Errorf("%s: %d records; want 2", name, n)
		}
	}
}

// What is written after something that came is stamped after it, though this clock is slow.
func TestWhatComesMovesTheClock(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	laptop.now = box.now.Add(4 * time.Minute)
	laptop.create(map[string]any{"subject": "Một"})
	box.pull(laptop)
	box.create(map[string]any{"subject": "Hai"})
	stamp := func(p *peer) crdt.Stamp {
		raw, err := p.Entry(p.ownLog(crdt.ClassRecords), 1)
		if err != nil {
			t.Fatal(err)
		}
		entry, err := wire.DecodeEntry(raw)
		if err != nil {
			t.Fatal(err)
		}
		return entry.Stamp
	}
	if before, after := stamp(laptop), stamp(box); after <= before {
		t.Errorf("stamped %d after an entry of %d came", after, before)
	}
}

// A log longer than a segment and than a transaction arrives whole.
func TestLongLogsTravelInSegments(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	for i := range 40 {
		var rows []Row
		for j := range 20 {
			key := string(rune('a'+i%26)) + string(rune('0'+i/26)) + string(rune('a'+j))
			rows = append(rows, Row{Key: key, Values: map[string]any{"subject": string(bytes.Repeat([]byte(key), 200))}})
		}
		if _, err := box.Upsert(context.Background(), "nhập", "cases", rows, false); err != nil {
			t.Fatal(err)
		}
	}
	laptop.pull(box)
	if n := laptop.search(Query{}).Total; n != 800 {
		t.Errorf("%d records arrived; want 800", n)
	}
	a, b := box.receipt(), laptop.receipt()
	if len(a.Heads) != 1 || a.Heads[0] != b.Heads[0] {
		t.Errorf("heads %v and %v; want the same", a.Heads, b.Heads)
	}
}

func TestTheIndexOfHeldSegmentsIsKept(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, hub := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "hub", identity.RoleHub, others)
	box.create(map[string]any{"subject": "Việc"})
	for index := range uint64(2) {
		if err := hub.ApplySegments(7+index, must(box.segmentsAll())); err != nil {
			t.Fatal(err)
		}
	}
	if index, err := hub.Applied(); index != 8 || err != nil {
		t.Errorf("applied %d, %v; want 8", index, err)
	}
}

// The first new entry names the one before it: another branch is seen there too.
func TestAForkBeforeTheSegmentIsRefused(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	laptop := testEngine(t, "laptop", identity.RoleLaptop, others)
	box, twin := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "box", identity.RoleBox, others)
	box.create(map[string]any{"subject": "Một"})
	laptop.pull(box)
	twin.create(map[string]any{"subject": "Lịch sử khác"})
	for _, head := range twin.receipt().Heads {
		twin.create(map[string]any{"subject": "Hai"})
		twin.receipt() // seals
		s, err := twin.Segment(head.Log, 1, 0)
		if err != nil || s == nil {
			t.Fatal(s, err)
		}
		if err := laptop.Ingest(context.Background(), []*wire.Segment{s}); !errors.Is(err, ErrFork) || errors.Is(err, ErrBranch) {
			t.Errorf("the second entry of another branch: %v; want it refused until the first has come", err)
		}
		if told, err := laptop.Forks(); len(told) > 0 || err != nil {
			t.Errorf("forks %v, %v; want none that can't be kept", told, err)
		}
	}
}
