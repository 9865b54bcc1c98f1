package engine

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/sync/identity"
)

// spoilSeals writes what can't be read in the place of seals of the first log.
func (p *peer) spoilSeals(seqs ...uint64) {
	p.t.Helper()
	err := p.Store.Update(func(tx *store.Tx) error {
		var errs []error
		for _, seq := range seqs {
			errs = append(errs, tx.Put(seqKey('s', 1, seq), []byte("hỏng")))
		}
		return errors.Join(errs...)
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// sealedAfterEach is a box with n entries, each with a seal of its own.
func sealedAfterEach(t *testing.T, n int, others map[crdt.Device]identity.Role) *peer {
	box := testEngine(t, "box", identity.RoleBox, others)
	for range n {
		box.create(map[string]any{"subject": "Một"})
		if _, err := box.Heads(testScope); err != nil {
			t.Fatal(err)
		}
	}
	return box
}

// seals are the seqs of the seals of a log that can be read.
func (p *peer) seals(log crdt.LogID) (seqs []uint64) {
	p.t.Helper()
	err := p.Store.View(func(tx *store.Tx) error {
		l, err := tx.Log(log)
		if err != nil {
			return err
		}
		return tx.SoundSeals(l, 0, func(s wire.Seal) (bool, error) {
			seqs = append(seqs, s.Seq)
			return true, nil
		})
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return seqs
}

// A seal that isn't the newest is missed by nobody: what it covers is sent under the
// next, its own device makes it anew, and another node does without it.
func TestADamagedSealThatIsNotTheNewest(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box := sealedAfterEach(t, 5, others)
	log := box.ownLog(crdt.ClassRecords)
	laptop := testEngine(t, "laptop", identity.RoleLaptop, others)
	for seq := range uint64(5) { // one segment a seal, as they came when they were made
		box.carryTo(laptop, log, seq, seq+1)
	}
	for _, p := range []*peer{box, laptop} {
		if got := p.seals(log); len(got) != 5 {
			t.Fatalf("the seals are %v; want five: the test shows nothing", got)
		}
		p.spoilSeals(2, 4)
		fresh := testEngine(t, "fresh", identity.RoleLaptop, others)
		fresh.pull(p)
		if head := must2(fresh.Heads(testScope))[log]; head.Seq != 5 {
			t.Errorf("of %v a peer has got %d entries; want 5", p.role, head.Seq)
		}
		if len(p.Store.Damage()) != 2 {
			t.Errorf("%v: the damage list is %+v; want both seals", p.role, p.Store.Damage())
		}
		if err := p.Mend(); err != nil || len(p.Store.Damage()) != 0 {
			t.Errorf("%v: after mending %v, %+v", p.role, err, p.Store.Damage())
		}
	}
	if got := box.seals(log); !slices.Equal(got, []uint64{1, 2, 3, 4, 5}) {
		t.Errorf("its own device has the seals %v; want all", got)
	}
	if got := laptop.seals(log); !slices.Equal(got, []uint64{1, 3, 5}) {
		t.Errorf("another node has the seals %v; want those that were whole", got)
	}
	if box.ownLog(crdt.ClassRecords) != log {
		t.Error("the device began new logs, though no entry is gone")
	}
}

// Without the newest seal a node holds less than it said. It says so to a peer and
// gets it back; the device itself makes it anew. A snapshot leaves nothing out in
// silence meanwhile.
func TestADamagedNewestSeal(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box := sealedAfterEach(t, 3, others)
	log := box.ownLog(crdt.ClassRecords)
	laptop := testEngine(t, "laptop", identity.RoleLaptop, others)
	laptop.pull(box)
	for _, p := range []*peer{laptop, box} {
		p.spoilSeals(3)
		if err := p.Segments(func(*wire.Segment) error { return nil }); node.CodeOf(err) != node.Damaged {
			t.Errorf("%v: everything is read: %v; want that the log's end is missing", p.role, err)
		}
		if head := must2(p.Heads(testScope))[log]; head.Seq >= 3 {
			t.Errorf("%v states the head %d", p.role, head.Seq)
		}
		if p == laptop {
			laptop.pull(box)
		}
		if err := p.Mend(); err != nil || len(p.Store.Damage()) != 0 {
			t.Errorf("%v: after mending %v, %+v", p.role, err, p.Store.Damage())
		}
		if head := must2(p.Heads(testScope))[log]; head.Seq != 3 {
			t.Errorf("%v: the head is %d; want 3", p.role, head.Seq)
		}
	}
	if box.ownLog(crdt.ClassRecords) != log {
		t.Error("the device began new logs, though no entry is gone")
	}
}

// carryTo gives q the entries of a log past one seq up to another.
func (p *peer) carryTo(q *peer, log crdt.LogID, after, to uint64) {
	p.t.Helper()
	s, err := p.Segment(log, after, 0)
	if err != nil || s == nil {
		p.t.Fatal(s, err)
	}
	err = p.Store.View(func(tx *store.Tx) error {
		l, err := tx.Log(log)
		if err != nil {
			return err
		}
		s.Entries = s.Entries[:to-after]
		s.Seal, err = tx.SealAt(l, to)
		return err
	})
	if err == nil {
		err = q.Ingest(context.Background(), []*wire.Segment{s})
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func must2[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A list by tick says of what is damaged no more than is known: neither a record nor
// the entry that wrote it can be read, and they have reached nobody.
func TestATickOfWhatIsDamaged(t *testing.T) {
	laptop := testEngine(t, "laptop", identity.RoleLaptop, map[crdt.Device]identity.Role{})
	whole := laptop.create(map[string]any{"subject": "Một"})
	entry := laptop.create(map[string]any{"subject": "Hai"}) // its entry is damaged
	both := laptop.create(map[string]any{"subject": "Ba"})   // it, too
	log := laptop.ownLog(crdt.ClassRecords)
	err := laptop.Store.Update(func(tx *store.Tx) error {
		l, err := tx.Log(log)
		return errors.Join(err, tx.PutEntry(l, 2, store.Stored{}), tx.PutEntry(l, 3, store.Stored{}), tx.Put(recordKey(both), []byte("hỏng")))
	})
	if err != nil {
		t.Fatal(err)
	}
	for tick, want := range map[Tick]int{Here: 3, Office: 0, Province: 0} {
		page := laptop.search(Query{Tick: &tick})
		if page.Total != want {
			t.Errorf("%v: %d records; want %d of %v, %v and %v", tick, page.Total, want, whole, entry, both)
		}
	}
}
