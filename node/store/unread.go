package store

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4/table"
)

// A store that was closed and looks as it was left answers before all its tables
// were held to their digests: that takes seconds where there are gigabytes. But no
// answer rests on a table that wasn't. Each read first checks those that Badger
// consults for it, and the others are checked behind the first answers. What is
// found takes effect as what is found at open does. Until all are checked, Badger
// runs without compactors, which would read what nobody has checked and give it a
// new digest.

// unread are the tables that still have to be held to their digests.
type unread struct {
	hold   func(tableMark) // holds one to its digest, and tells of damage
	all    []*unreadTable  // newest first
	levels [][]*unreadTable
	total  int64
	done   atomic.Int64 // bytes
}

type unreadTable struct {
	tableMark
	once sync.Once
}

// newUnread takes tables that lie below level 0, in levels as Badger keeps them: no
// two of a level overlap.
func newUnread(marks []tableMark, hold func(tableMark)) *unread {
	u := &unread{hold: hold}
	levels := map[uint32][]*unreadTable{}
	for _, mark := range marks {
		t := &unreadTable{tableMark: mark}
		u.all = append(u.all, t)
		levels[mark.Level] = append(levels[mark.Level], t)
		u.total += mark.Size
	}
	slices.SortFunc(u.all, func(a, b *unreadTable) int { return int(int64(b.ID) - int64(a.ID)) })
	for _, number := range slices.Sorted(maps.Keys(levels)) {
		level := levels[number]
		slices.SortFunc(level, func(a, b *unreadTable) int { return bytes.Compare(a.First, b.First) })
		u.levels = append(u.levels, level)
	}
	return u
}

func (u *unread) read(t *unreadTable) {
	t.once.Do(func() {
		u.hold(t.tableMark)
		u.done.Add(t.Size)
	})
}

// onTheWay checks the tables that Badger's iterators can have consulted on the way
// from a key to another: at each level those with keys between the two, and the one
// after, in which the iterator stands next and which, spoilt, could hide what is
// before it. Up to the key until, and where more is false wherever the way goes,
// the same tables are consulted. A level without a table there counts for nothing.
func (u *unread) onTheWay(from, to []byte) (until []byte, more bool) {
	for _, level := range u.levels {
		i := sort.Search(len(level), func(i int) bool { return bytes.Compare(level[i].Last, from) >= 0 })
		for ; i < len(level); i++ {
			u.read(level[i])
			if last := level[i].Last; bytes.Compare(last, to) > 0 {
				if !more || bytes.Compare(last, until) < 0 {
					until, more = last, true
				}
				break
			}
		}
	}
	return until, more
}

// backwards is onTheWay for an iterator that goes from a key to a smaller one.
func (u *unread) backwards(from, to []byte) (until []byte, more bool) {
	for _, level := range u.levels {
		i := sort.Search(len(level), func(i int) bool { return bytes.Compare(level[i].First, from) > 0 }) - 1
		for ; i >= 0; i-- {
			u.read(level[i])
			if first := level[i].First; bytes.Compare(first, to) < 0 {
				if !more || bytes.Compare(first, until) > 0 {
					until, more = first, true
				}
				break
			}
		}
	}
	return until, more
}

// way is a scan's way along the keys, and how far the tables on it are checked. nil
// is one on which nothing is left to check.
type way struct {
	*unread
	tx    *Tx
	scan  Scan
	at    []byte
	until []byte // up to here the same tables are consulted; nil: not known
	free  bool   // and no others to the end
}

func (t *Tx) way(s Scan) *way {
	u := t.store.unreadNow()
	if u == nil {
		return nil
	}
	return &way{unread: u, tx: t, scan: s, at: s.start()}
}

// to checks what the walk up to a key rests on. The error says that this can't be
// believed.
func (w *way) to(key []byte) error {
	if w == nil || w.free {
		return nil
	}
	on, past := w.onTheWay, bytes.Compare(key, w.until) >= 0
	if w.scan.Reverse {
		on, past = w.backwards, w.until == nil || bytes.Compare(key, w.until) <= 0
	}
	if !past {
		return nil
	}
	until, more := on(w.at, key)
	w.at, w.until, w.free = bytes.Clone(key), until, !more
	return w.tx.believable(w.scan.bounds())
}

// toEnd is to for the end of all keys that the scan can meet.
func (w *way) toEnd() error {
	if w == nil {
		return nil
	}
	from, to := w.scan.bounds()
	if w.scan.Reverse {
		to = from
	}
	return w.to(to)
}

// unreadNow are the tables that are still to be checked; nil where there are none.
func (s *Store) unreadNow() *unread { return s.unread.Load() }

// leaveUnread takes note of tables that are checked as they are needed.
func (s *Store) leaveUnread(marks []tableMark) {
	s.unread.Store(newUnread(marks, s.holdTable))
}

// holdTable holds a table to its digest. One that can't be read is damaged.
func (s *Store) holdTable(mark tableMark) {
	if ok, err := s.files.checkTable(s.gen, mark, make([]byte, pieceOfFile)); err != nil || !ok {
		name := table.IDToFilename(mark.ID)
		s.found(Damage{Kind: DamagedFile, Place: name})
		s.found(Damage{Kind: DamagedRange, Place: name, first: mark.First, last: mark.Last})
	}
}

// readRest checks what is left, for whoever reads or rewrites everything.
func (s *Store) readRest(ctx context.Context) error {
	u := s.unreadNow()
	if u == nil {
		return nil
	}
	for _, t := range u.all {
		if err := ctx.Err(); err != nil {
			return err
		}
		u.read(t)
	}
	s.unread.Store(nil)
	return nil
}

// readBehind checks what is left while the store is used, until stopReading. What is
// found is made durable; where that fails, Close tries it again.
func (s *Store) readBehind() {
	if s.unreadNow() == nil || s.opts.held {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	s.behind, s.stopBehind = ended, stop
	go func() {
		defer close(ended)
		if s.readRest(ctx) != nil || !s.newDamage() {
			return
		}
		s.write.Lock()
		defer s.write.Unlock()
		if s.db == nil || s.broken != nil {
			return
		}
		if err := s.noteDamage(); err != nil {
			s.state.Lock()
			s.unwritten = true
			s.state.Unlock()
			s.warn("the list of damage isn't written yet", err)
		}
	}()
}

func (s *Store) stopReading() {
	if s.behind != nil {
		s.stopBehind()
		<-s.behind
	}
}

func (s *Store) warn(message string, err error) {
	if s.opts.Log != nil {
		s.opts.Log.Warn(message, "error", err)
	}
}

// Checking says how many bytes of tables have to be held to their digests still,
// behind the answers, and of how many; 0 when all are.
func (s *Store) Checking() (left, total int64) {
	u := s.unreadNow()
	if u == nil {
		return 0, 0
	}
	return u.total - u.done.Load(), u.total
}
