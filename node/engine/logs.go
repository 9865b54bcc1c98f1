package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/sync/reconcile"
)

// Limits of a segment. A seal is made at the latest when so much is unsealed, so
// that every segment that ends at a seal can be sent.
const (
	sealEntries = 256
	sealBytes   = 128 << 10
	sendBytes   = 192 << 10
)

// Errors of Ingest about segments that don't fit what is held.
var (
	ErrGap  = errors.New("entries are missing before the segment")
	ErrFork = errors.New("the segment differs from what is held of its log")
	// ErrBranch: it is kept, beside another history of its log that came first. It is an
	// ErrFork.
	ErrBranch = fmt.Errorf("%w, and is kept beside it", ErrFork)
)

// Heads are the sealed heads of a scope's logs, and of each branch of one that has
// forked. It first seals what this device wrote and had not sealed, under an earlier
// incarnation too.
func (e *Engine) Heads(scope crdt.Scope) (map[crdt.LogID]crdt.Head, error) {
	heads := map[crdt.LogID]crdt.Head{}
	unsealed := map[crdt.LogID]crdt.LogID{} // by the name that peers are told
	err := e.cfg.Store.View(func(tx *store.Tx) error {
		gaps, err := tx.Gaps()
		if err != nil {
			return err
		}
		f := e.authorities().forks
		return tx.Logs(func(l store.Log) error {
			if l.ID.Scope != scope {
				return nil
			}
			path, err := e.lyingPath(tx, l.ID)
			if err != nil {
				return err
			}
			head := l.Sealed
			gap := gapOf(gaps, path)
			if gap > 0 {
				if head, err = sealedBelow(tx, path, gap); err != nil {
					return err
				}
			}
			// Below a hole two branches may be one: the other then says more of it.
			if name := f.toldAt(l.ID, head.Seq); head.Seq > heads[name].Seq {
				heads[name] = head
			}
			if gap == 0 && !isBranch(l.ID) && l.Sealed != l.Head && l.ID.Device == e.cfg.Device {
				unsealed[f.toldAt(l.ID, l.Head.Seq)] = l.ID
			}
			return nil
		})
	})
	for name, id := range unsealed {
		if err == nil {
			heads[name], err = e.seal(id)
		}
	}
	return heads, err
}

func (e *Engine) seal(id crdt.LogID) (crdt.Head, error) {
	e.write.Lock()
	defer e.write.Unlock()
	var head crdt.Head
	err := e.cfg.Store.Update(func(tx *store.Tx) error {
		l, err := tx.Log(id)
		if err != nil {
			return err
		}
		head = l.Head
		return e.sealAt(tx, &l)
	})
	return head, err
}

func (e *Engine) sealAt(tx *store.Tx, l *store.Log) error {
	seal, err := wire.Sign(l.ID, l.Head, e.cfg.Sign)
	if err != nil {
		return fmt.Errorf("seal a log: %w", err)
	}
	return tx.Seal(l, seal)
}

// Segment is the next piece of a log past a seq, ending at a seal at or below upTo
// (0: any); nil where there is no such seal past it. Of a branch it is one of the log that
// the branch left, from the first entry that differs.
func (e *Engine) Segment(id crdt.LogID, after, upTo uint64) (*wire.Segment, error) {
	if isBranch(id) {
		err := e.cfg.Store.View(func(tx *store.Tx) error {
			path, err := e.path(tx, id)
			after = max(after, e.ownFrom(id, path)-1)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return e.segment(id, after, upTo, e.path)
}

// walk gives the logs in which that lies which a name stands for, from the first entry on.
type walk func(*store.Tx, crdt.LogID) ([]store.Log, error)

func (e *Engine) segment(id crdt.LogID, after, upTo uint64, along walk) (*wire.Segment, error) {
	var segment *wire.Segment
	err := e.cfg.Store.View(func(tx *store.Tx) error {
		path, err := along(tx, id)
		if err != nil {
			return err
		}
		if l := lyingAt(path, after+1); after < l.Dropped.Seq {
			return compactedAway(l)
		}
		written, _ := e.authorities().forks.written(id)
		s := &wire.Segment{Log: written, First: after + 1}
		size := 0
		err = pathSeals(tx, path, after, func(seal wire.Seal) (bool, error) {
			if upTo > 0 && seal.Seq > upTo {
				return false, nil
			}
			piece, n, err := entries(tx, path, after+uint64(len(s.Entries))+1, seal.Seq)
			size += n
			fits := size <= sendBytes && len(s.Entries)+len(piece) <= wire.MaxSegmentEntries
			if err != nil || (len(s.Entries) > 0 && !fits) {
				return false, err
			}
			s.Entries, s.Seal = append(s.Entries, piece...), seal
			return fits, nil
		})
		if node.CodeOf(err) == node.Damaged && len(s.Entries) > 0 {
			err = nil // it ends before the hole
		}
		if err != nil || len(s.Entries) == 0 {
			return err
		}
		segment = s
		s.Salts, err = salts(tx, s)
		return err
	})
	return segment, e.noticed(err)
}

// Entry is an entry in its carried form; nil where it isn't held.
func (e *Engine) Entry(id crdt.LogID, seq uint64) (raw []byte, err error) {
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		path, err := e.path(tx, id)
		if err != nil {
			return err
		}
		l := lyingAt(path, seq)
		if seq <= l.Dropped.Seq || seq > l.Head.Seq || seq < e.ownFrom(id, path) {
			return nil
		}
		raw, err = tx.Entry(l, seq)
		return err
	})
	return raw, e.noticed(err)
}

// Salt is the salt of a span of a log; nil where it isn't held.
func (e *Engine) Salt(id crdt.LogID, span uint64) (salt *wire.Salt, err error) {
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		b, err := tx.Local(localSalt, saltName(id, span))
		if err == nil && len(b) == len(wire.Salt{}) {
			s := wire.Salt(b)
			salt = &s
		}
		return err
	})
	return salt, err
}

// noticed wakes the lines to the peers if an error is damage: what is held without a
// gap is less than it was, and is to be stated anew.
func (e *Engine) noticed(err error) error {
	if node.CodeOf(err) == node.Damaged {
		e.announce()
	}
	return err
}

// compactedAway says that a peer asks for entries that were dropped here.
func compactedAway(l store.Log) error {
	return node.Errorf(node.NotFound,
		"Các mục đến %d của nhật ký %v đã được nén ở máy này; hãy lấy từ tỉnh: %w",
		"the entries up to %d of log %v were compacted away on this device; get them from the province: %w", l.Dropped.Seq, l.ID, fmt.Errorf("%w, %w", store.ErrDropped, reconcile.ErrCompacted))
}

func entries(tx *store.Tx, path []store.Log, from, to uint64) (raw [][]byte, size int, err error) {
	for seq := from; seq <= to; seq++ {
		b, err := tx.Entry(lyingAt(path, seq), seq)
		if err != nil {
			return nil, 0, err
		}
		raw, size = append(raw, b), size+len(b)
	}
	return raw, size, nil
}

// HashAt is the chain hash of a log at a seq; false where it isn't held.
func (e *Engine) HashAt(id crdt.LogID, seq uint64) (hash crdt.Hash, held bool, err error) {
	hash, held, err = e.hashAt(id, seq)
	return hash, held, e.noticed(err)
}

func (e *Engine) hashAt(id crdt.LogID, seq uint64) (hash crdt.Hash, held bool, err error) {
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		path, err := e.path(tx, id)
		if err != nil {
			return err
		}
		l := lyingAt(path, seq)
		if seq < e.ownFrom(id, path) || seq > l.Head.Seq {
			return nil
		}
		held = true
		hash, err = tx.HashAt(l, seq)
		return err
	})
	return hash, held, err
}

// Segments calls yield with everything that is sealed, log by log as it lies, branches
// after what they left: what a snapshot of a hub holds. What can't be read is an error
// (node.Damaged): nothing is left out, whichever branch the hub has committed.
func (e *Engine) Segments(yield func(*wire.Segment) error) error {
	var logs []store.Log
	err := e.cfg.Store.View(func(tx *store.Tx) error {
		return tx.Logs(func(l store.Log) error {
			logs = append(logs, l)
			return nil
		})
	})
	for _, l := range logs {
		after, berr := e.segmentsFrom(l.ID)
		for err = errors.Join(err, berr); err == nil; {
			s, serr := e.segment(l.ID, after, 0, e.lyingPath)
			if serr != nil || s == nil {
				err = serr
				break
			}
			after = s.Last()
			err = yield(s)
		}
	}
	return err
}

func (e *Engine) segmentsFrom(lies crdt.LogID) (after uint64, err error) {
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		path, err := e.lyingPath(tx, lies)
		if err == nil {
			after = begins(path)
		}
		return err
	})
	return after, err
}

// Ingest takes in segments whose seals have been verified. They are durable
// when it returns. Entries that are held already are passed over; a segment that
// doesn't fit what is held is an error, and changes nothing. One that begins where it
// parts from what is held, or before, is kept as a branch, and the others are taken in
// before that is told (ErrBranch).
func (e *Engine) Ingest(ctx context.Context, segments []*wire.Segment) error {
	e.write.Lock()
	defer e.write.Unlock()
	var branches error
	for _, s := range segments {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := e.ingest(s, nil)
		if err != nil {
			err = fmt.Errorf("take in %v from %d: %w", s.Log, s.First, err)
		}
		if errors.Is(err, ErrBranch) {
			branches, err = errors.Join(branches, err), nil
		}
		if err != nil {
			return err
		}
	}
	return errors.Join(e.regained(), branches)
}

// regained looks at the list of damage again where a log that had lost its newest
// entries has them once more.
func (e *Engine) regained() error {
	again := false
	for _, w := range e.cfg.Store.Wants() {
		held, gap, err := e.head(w.Log)
		if err != nil {
			return err
		}
		again = again || gap == 0 && held.Seq >= w.To
	}
	if !again {
		return nil
	}
	return e.cfg.Store.Recheck()
}

// Applied is the raft index whose effect is durable here; 0 at first.
func (e *Engine) Applied() (uint64, error) {
	var index uint64
	err := e.cfg.Store.View(func(tx *store.Tx) error {
		b, err := tx.Meta("raft/applied")
		if err != nil || b == nil {
			return err
		}
		return wire.Unmarshal(b, 16, &index)
	})
	return index, err
}

// ApplySegments takes in what raft has committed at an index, and the index. It
// judges nothing: what was verified before it was proposed and fits no more is
// dropped, in the same way on every member.
func (e *Engine) ApplySegments(index uint64, segments []*wire.Segment) error {
	e.write.Lock()
	defer e.write.Unlock()
	applied, err := wire.Marshal(index)
	if err != nil {
		return err
	}
	// The index goes with the last of the segments, so that no one sees their
	// heads under an older index.
	noted := false
	note := func(tx *store.Tx) error {
		noted = true
		return tx.PutMeta("raft/applied", applied)
	}
	for i, s := range segments {
		var last func(*store.Tx) error
		if i == len(segments)-1 {
			last = note
		}
		if err := e.ingest(s, last); err != nil {
			noted = false
			if !misfit(err) {
				return fmt.Errorf("apply raft index %d: %w", index, err)
			}
		}
	}
	if !noted {
		if err := e.cfg.Store.Update(note); err != nil {
			return err
		}
	}
	return e.regained()
}

// misfit says whether a segment is passed over because it doesn't continue what
// is held. Every member finds the same.
func misfit(err error) bool { return errors.Is(err, ErrGap) || errors.Is(err, ErrFork) }

// Fits says whether a segment continues what is held, or is held: ErrGap and
// ErrFork say why not.
func (e *Engine) Fits(s *wire.Segment) error {
	_, _, err := e.fit(s)
	return err
}

// ingest applies what a segment has beyond what is held, and its seal, in one
// transaction if the store takes that, together with what last writes, if set. A
// longer one is staged, so that a crash leaves no entry without its seal.
func (e *Engine) ingest(s *wire.Segment, last func(*store.Tx) error) error {
	if err := e.payOwed(); err != nil {
		return err
	}
	all, err := s.Open()
	if err != nil {
		return err
	}
	if _, err := e.heal(s, all); err != nil && !errors.Is(err, ErrFork) {
		return err
	}
	held, parts, err := e.fit(s)
	if err != nil {
		return err
	}
	if parts != nil {
		if err := e.part(s, all, *parts, last); err != nil {
			return err
		}
	}
	if err := e.goOn(s, all, held, parts != nil, last); err != nil {
		return err
	}
	if parts != nil || isBranch(held.ID) {
		return ErrBranch
	}
	return nil
}

// Holds says whether a segment is held, on whatever branch.
func (e *Engine) Holds(s *wire.Segment) (held bool, err error) {
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		logs, err := e.heldOf(tx, s.Log)
		for _, l := range logs {
			if err != nil || held || s.Last() <= base(l) || s.Last() > l.Head.Seq {
				continue
			}
			var hash crdt.Hash
			hash, err = tx.HashAt(l, s.Last())
			held = err == nil && hash == s.Seal.Hash
		}
		return err
	})
	return held, e.noticed(err)
}

// goOn applies what of a segment goes on from a log.
func (e *Engine) goOn(s *wire.Segment, all []*crdt.Entry, held store.Log, done bool, last func(*store.Tx) error) error {
	if done || held.Sealed.Seq >= s.Last() {
		return nil
	}
	if err := e.keepSalts(s, all); err != nil {
		return err
	}
	from := min(uint64(len(all)), held.Head.Seq+1-s.First)
	rest := stage(held.ID, s.First+from, s.Entries[from:], s.Seal)
	if few(all[from:]) {
		err := e.ingestWhole(rest, all[from:], last)
		if !errors.Is(err, store.ErrTooBig) {
			return errors.Join(err, e.settleForks(s.Log))
		}
	}
	return errors.Join(e.applyStaged(rest, last), e.settleForks(s.Log))
}

// few says whether entries touch so few records together that a transaction of
// the store takes them, as long as the records are of the usual size.
func few(entries []*crdt.Entry) bool {
	n := 0
	for _, entry := range entries {
		n += entry.Records()
	}
	return n <= crdt.MaxRecords
}

func (e *Engine) ingestWhole(s *staged, entries []*crdt.Entry, last func(*store.Tx) error) error {
	return e.update(func(b *batch) error {
		if err := e.meetOwn(b.tx, s); err != nil {
			return err
		}
		for i, entry := range entries {
			e.clock.Absorb(entry.Stamp, e.nowMS())
			if err := b.apply(s.log(), entry, s.Entries[i]); err != nil {
				return err
			}
		}
		l, err := b.log(s.log())
		if err != nil {
			return err
		}
		b.moved = true
		if err := b.tx.Seal(l, s.Seals[0]); err != nil || last == nil {
			return err
		}
		return last(b.tx)
	})
}

// meetOwn begins a new incarnation when this device meets its own log ahead of
// itself: its store was rolled back, and what it writes under the old name would
// be a second history of it. What it is just writing itself has no seal yet.
func (e *Engine) meetOwn(tx *store.Tx, s *staged) error {
	if log := s.log(); len(s.Seals) == 0 || log != e.ownLog(log.Class) {
		return nil
	}
	return e.newIncarnation(tx)
}
