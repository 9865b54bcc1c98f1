package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/auth"
	"github.com/vungxa/vungxa/node/store"
)

// orLater writes something that a start writes and nobody needs to look at records. On
// a disk that is full it is written when there is room.
func (d *Daemon) orLater(write func() error) error {
	err := write()
	if !readOnly(err) {
		return err
	}
	d.opts.Log.Warn("the disk is full; what this start has to write is written when there is room", "error", err)
	d.later = append(d.later, write)
	return nil
}

// writeLater writes what had to wait, now that there is room. It is called by one
// goroutine, once New has returned.
func (d *Daemon) writeLater() {
	for len(d.later) > 0 {
		err := d.later[0]()
		if readOnly(err) {
			return
		}
		if err != nil {
			d.opts.Log.Error("what the start had to write can't be written", "error", err)
		}
		d.later = d.later[1:]
	}
}

// readOnly says whether all that keeps something from being written is that the store,
// or its disk, takes nothing now.
func readOnly(err error) bool {
	if store.DiskFull(err) {
		return true
	}
	for told := (*node.Error)(nil); errors.As(err, &told); err = told.Err {
		if told.Code == node.ReadOnly {
			return true
		}
	}
	return false
}

// officers stores what auth keeps, in the engine's local items. What a start takes from
// node.json need not be stored at once: the next start would take the same.
type officers struct {
	d *Daemon

	mu       sync.Mutex // guards what follows
	starting bool
	unstored []byte // nil: all is stored
}

// LoadOfficers implements auth.Storage.
func (o *officers) LoadOfficers() ([]byte, error) { return o.d.engine.Local("officers", "all") }

// StoreOfficers implements auth.Storage.
func (o *officers) StoreOfficers(b []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	err := o.d.engine.StoreLocal("officers", "all", b)
	if o.starting && readOnly(err) {
		o.unstored = b
		return nil
	}
	if err == nil {
		o.unstored = nil
	}
	return err
}

// store stores what a start could not.
func (o *officers) store() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.starting = false
	if o.unstored == nil {
		return nil
	}
	err := o.d.engine.StoreLocal("officers", "all", o.unstored)
	if err == nil {
		o.unstored = nil
	}
	return err
}

func (d *Daemon) openAuth() (err error) {
	o := &officers{d: d, starting: true}
	d.auth, err = auth.New(o, d.opts.Now, d.opts.Rand)
	if err != nil {
		return err
	}
	var ids []string
	for _, o := range d.self.config.Officers {
		if err := d.auth.Put(o.ID, o.Name); err != nil {
			return fmt.Errorf("node.json: officers: %w", err)
		}
		ids = append(ids, o.ID)
	}
	if err := d.auth.Retain(ids); err != nil { // who was taken off the list signs in no more
		return err
	}
	return d.orLater(o.store)
}

// removed is os.Remove of a file that may never have been written.
func removed(name string) error {
	if err := os.Remove(name); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// serveLines keeps the lines, on a hub when it has applied what was committed before.
func (d *Daemon) serveLines(ctx context.Context) error {
	if d.hub != nil {
		if err := d.hub.Ready(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("wait for raft: %w", err)
		}
	}
	return d.replica.Run(ctx)
}
