package replica

import (
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/reconcile"
)

// Files are the attachments of a node. Its methods are called from several goroutines
// at once, but no two pieces of one attachment are.
type Files interface {
	// Lacks gives one that records of these scopes point to and that isn't held,
	// other than those; nil: there is none.
	Lacks(scopes []crdt.Scope, except map[[32]byte]bool) (*reconcile.Content, error)
	// Piece gives at most so many bytes of one from an offset, and the length of the
	// whole; none if it isn't held, or no record of these scopes points to it.
	Piece(scopes []crdt.Scope, hash [32]byte, offset uint64, most int) (b []byte, total uint64, err error)
	// Append keeps a piece durably behind those that are held. The last one ends in a
	// comparison with the hash. A *reconcile.Refusal says that it wasn't taken, and
	// leaves the session as it is.
	Append(hash [32]byte, offset, total uint64, b []byte) error
}

// maxFetching is how many sessions fetch attachments at the same time. One that has
// had no piece for so long may be overtaken by another.
const (
	maxFetching   = 8
	fetchPatience = 2 * time.Minute
)

// maxSpoiled bounds what is kept in mind of peers whose attachments were refused.
const maxSpoiled = 1024

// fetching is who fetches which attachment: no two sessions fetch the same.
type fetching struct {
	mu      sync.Mutex
	by      map[[32]byte]claim
	spoiled map[spoilt]bool // what a peer sent and this node didn't take, in this run
	drives  map[*drive][][32]byte
}

// claim is a session and when it last had a piece.
type claim struct {
	by *drive
	at time.Time
}

type spoilt struct {
	peer *peer
	hash [32]byte
}

func newFetching() *fetching {
	return &fetching{by: map[[32]byte]claim{}, spoiled: map[spoilt]bool{}, drives: map[*drive][][32]byte{}}
}

// join has a session told of what comes; leave ends that, and lets others fetch what it
// was fetching.
func (f *fetching) join(d *drive) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drives[d] = nil
}

func (f *fetching) leave(d *drive) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.drives, d)
	f.drop(d)
}

// drop ends what a session is fetching. The caller holds mu.
func (f *fetching) drop(d *drive) {
	for hash, c := range f.by {
		if c.by == d {
			delete(f.by, hash)
			f.wake(d)
		}
	}
}

// wake has the other sessions look again. The caller holds mu.
func (f *fetching) wake(but *drive) {
	for d := range f.drives {
		if d == but {
			continue
		}
		select {
		case d.more <- struct{}{}:
		default: // it is about to
		}
	}
}

// claim finds what a session may fetch.
func (f *fetching) claim(d *drive, files Files, a reconcile.Seek) (*reconcile.Content, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drop(d)
	except, now := maps.Clone(a.Except), d.r.cfg.Now()
	for hash, c := range f.by {
		if now.Sub(c.at) < fetchPatience {
			except[hash] = true
		}
	}
	if len(except)-len(a.Except) >= maxFetching {
		return nil, nil // who has done wakes it
	}
	for s := range f.spoiled {
		if s.peer == d.p {
			except[s.hash] = true
		}
	}
	wanted, err := files.Lacks(a.Scopes, except)
	if err == nil && wanted != nil {
		f.by[wanted.Hash] = claim{d, now}
	}
	return wanted, err
}

// append keeps a piece, and notes what became of it.
func (f *fetching) append(d *drive, files Files, a reconcile.Append) error {
	f.mu.Lock()
	mine := f.by[a.Hash].by == d
	f.mu.Unlock()
	if !mine {
		return reconcile.Refuse(reconcile.Unavailable, "another device sends it by now")
	}
	err := files.Append(a.Hash, a.Offset, a.Total, a.Bytes)
	f.mu.Lock()
	defer f.mu.Unlock()
	var refusal *reconcile.Refusal
	switch whole := a.Offset+uint64(len(a.Bytes)) == a.Total; {
	case errors.As(err, &refusal) && refusal.Code != reconcile.Unavailable && d.began == 0:
		if len(f.spoiled) >= maxSpoiled {
			clear(f.spoiled)
		}
		f.spoiled[spoilt{d.p, a.Hash}] = true
	case err == nil && whole:
		for other := range f.drives {
			f.drives[other] = append(f.drives[other], a.Hash)
		}
	case err == nil:
		f.by[a.Hash] = claim{d, d.r.cfg.Now()}
		return nil
	}
	delete(f.by, a.Hash)
	f.wake(nil)
	return err
}

// came gives what has come since a session asked last.
func (f *fetching) came(d *drive) [][32]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.drives[d]
	f.drives[d] = nil
	return all
}

// content does what is wanted of attachments.
func (d *drive) content(a reconcile.Action) {
	files := d.r.cfg.Files
	if files == nil {
		files = noFiles{}
	}
	switch a := a.(type) {
	case reconcile.Seek:
		wanted, err := d.r.fetching.claim(d, files, a)
		if wanted != nil {
			d.began = wanted.Have
		}
		d.answer(err, func() { d.s.Sought(wanted) })
	case reconcile.Fetch:
		b, total, err := files.Piece(a.Scopes, a.Hash, a.Offset, a.Max)
		d.answer(err, func() { d.s.Fetched(b, total) })
	case reconcile.Append:
		var err error
		if d.alone {
			err = d.keepEnclosed(a)
		} else {
			err = d.r.fetching.append(d, files, a)
		}
		var refusal *reconcile.Refusal
		if errors.As(err, &refusal) {
			d.s.Declined(refusal)
			return
		}
		d.answer(err, d.s.Kept)
	}
}

// moreContent tells the session what has come to this node since.
func (d *drive) moreContent() {
	for _, hash := range d.r.fetching.came(d) {
		d.s.Came(hash)
	}
	d.s.MoreContent()
}

// noFiles is a node without attachments.
type noFiles struct{}

func (noFiles) Lacks([]crdt.Scope, map[[32]byte]bool) (*reconcile.Content, error) { return nil, nil }
func (noFiles) Piece([]crdt.Scope, [32]byte, uint64, int) ([]byte, uint64, error) { return nil, 0, nil }
func (noFiles) Append([32]byte, uint64, uint64, []byte) error {
	return reconcile.Refuse(reconcile.Missing, "attachments")
}
