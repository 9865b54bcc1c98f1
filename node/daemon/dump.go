package daemon

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/dump"
	"github.com/vungxa/vungxa/node/store"
)

// DumpOrder is what a dump is asked for.
type DumpOrder struct {
	Log        bool   `json:"log"`        // entries, not records
	Collection string `json:"collection"` // of records; empty: all
}

// Dumped is how much was told.
type Dumped struct {
	Lines   int `json:"lines"`
	Skipped int `json:"skipped"` // what could not be read or believed
}

// Dump tells everything that is stored, a value a line. What the store has lost or
// can't believe is counted too, though there is no line to pass over.
func (d *Daemon) Dump(ctx context.Context, o DumpOrder, tell func(any) error) (done Dumped, err error) {
	defer func() { done.Skipped = max(done.Skipped, len(d.store.Damage())) }()
	skip := func(error) { done.Skipped++ }
	if d.pack == nil {
		if err := d.loadPack(); err != nil {
			return done, err
		}
	}
	if _, known := d.pack.Collection(o.Collection); o.Collection != "" && !known {
		return done, node.Errorf(node.NotFound, "Không có loại hồ sơ %q.", "there is no collection %q", o.Collection)
	}
	if o.Log {
		err = dump.Entries(ctx, d.store, d.pack, func(e dump.Entry) error { done.Lines++; return tell(e) }, skip)
		return done, err
	}
	err = dump.Records(ctx, d.store, d.pack, o.Collection, func(r dump.Record) error { done.Lines++; return tell(r) }, skip)
	return done, err
}

// DumpSalvaged tells the entries that can be read of a store which can't be opened.
func DumpSalvaged(ctx context.Context, dir string, opts Options, tell func(any) error) (done Dumped, err error) {
	d := &Daemon{dir: dir, opts: opts, closing: make(chan struct{})}
	if _, err := d.open(d.lock, d.openKeys, d.loadPack); err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	disk, err := store.Salvage(ctx, filepath.Join(dir, dirStore), d.storeOptions())
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, disk.Close()) }()
	if disk.Values+disk.ValuesBad == 0 {
		if err := d.hasStored(); err != nil {
			return done, err // nothing is there: no dump of nothing
		}
	}
	done.Skipped = int(disk.ValuesBad) + len(disk.Damaged())
	err = disk.Pieces(func(p store.Piece) error {
		for _, raw := range p.Entries {
			err := dump.Raw(d.pack, raw, func(e dump.Entry) error { done.Lines++; return tell(e) }, func(error) { done.Skipped++ })
			if err != nil {
				return err
			}
		}
		return nil
	})
	return done, err
}
