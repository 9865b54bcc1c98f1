// Package daemon runs a node: it reads the directory that names it, opens what it
// needs in one line, serves, and closes in the opposite order.
//
// A directory holds node.json (what the node is and whom it knows), the key file
// (package keyring), the device's two keys sealed with it, its certificate, those
// of others, the store and a mark that it was made, attachments once there are some, on a hub raft's
// log, and while the node runs control.json, by which the command line finds it.
package daemon

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/attach"
	"github.com/vungxa/vungxa/node/auth"
	"github.com/vungxa/vungxa/node/engine"
	"github.com/vungxa/vungxa/node/packs"
	"github.com/vungxa/vungxa/node/schema"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/node/store/keyring"
	"github.com/vungxa/vungxa/sync/bundle"
	"github.com/vungxa/vungxa/sync/hub"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/link"
	"github.com/vungxa/vungxa/sync/link/thin"
	"github.com/vungxa/vungxa/sync/replica"
)

// Options are what a node is given from outside.
type Options struct {
	UI       fs.FS            // the built page
	Packs    []fs.FS          // collections to add to those of the pack
	Importer string           // who imports from the command line, as entries name them
	Secrets  []keyring.Secret // open the key file; a slot beside the disk needs none
	Now      func() time.Time
	Rand     io.Reader
	Log      *slog.Logger

	Room func(dir string) (store.Room, error) // of the store's disk; nil asks the system
}

// Daemon is an open node.
type Daemon struct {
	dir  string
	opts Options
	self *self
	ring *keyring.Ring

	pack     *schema.Pack
	store    *store.Store
	attached *attach.Store
	travels  *files
	engine   *engine.Engine
	host     *link.Host
	thin     *thin.Host // nil without
	hub      *hub.Hub   // nil but on a hub
	replica  *replica.Replica
	sticks   *bundle.Bundles
	auth     *auth.Auth
	listener net.Listener
	http     *http.Server

	control  Control
	items    extended       // the pack with the office's own code items
	later    []func() error // what a full disk has kept the start from writing
	closing  chan struct{}
	stopping sync.Once      // closes closing
	closers  []func() error // in the order of opening
}

// New opens the node of a directory, up to the point where it listens. Run
// serves; Close closes, also after New has failed half way.
func New(dir string, opts Options) (*Daemon, error) {
	d := &Daemon{dir: dir, opts: opts, closing: make(chan struct{})}
	return d.open(
		d.lock,
		d.openKeys,
		d.readSelf,
		d.limitMemory,
		d.loadPack,
		d.openStore,
		d.openAttachments,
		d.openEngine,
		d.listenSync,
		d.listenThin,
		d.openHub,
		d.openReplica,
		d.openSticks,
		d.openAuth,
		d.listenHTTP,
		d.writeControl,
	)
}

// Close closes what New opened, last first: the page, so that no new save
// begins; the lines; raft; the engine, which waits for what is under way; the
// store.
func (d *Daemon) Close() error {
	d.stopping.Do(func() { close(d.closing) })
	var errs []error
	for i := len(d.closers) - 1; i >= 0; i-- {
		errs = append(errs, d.closers[i]())
	}
	d.closers = nil
	return errors.Join(errs...)
}

func (d *Daemon) onClose(f func() error) { d.closers = append(d.closers, f) }

func (d *Daemon) lock() error {
	if _, err := ReadConfig(d.dir); err != nil {
		return err // before a lock file makes a directory of a mistyped name
	}
	unlock, err := Lock(d.dir)
	if err != nil {
		return err
	}
	d.onClose(unlock)
	return restored(d.dir)
}

// readSelf reads what the node is; a certificate that is damaged ends it.
func (d *Daemon) readSelf() error {
	if err := d.lookAtSelf(); err != nil {
		return err
	}
	for _, bad := range d.self.bad {
		return bad
	}
	return nil
}

// lookAtSelf is readSelf for who tells of certificates that are damaged, or can do
// without them.
func (d *Daemon) lookAtSelf() (err error) {
	d.self, err = readSelf(d.dir, d.ring.Keys())
	return err
}

func (d *Daemon) loadPack() (err error) {
	d.pack, err = packs.Commune(d.opts.Packs...)
	return err
}

// openStore opens the store, and lets the directory know the certificates that
// came over the lines.
func (d *Daemon) openStore() error {
	if err := d.openStoreAlone(); err != nil {
		return err
	}
	return d.addStored(d.self.directory)
}

// addStored lets a directory know the certificates that came over the lines.
func (d *Daemon) addStored(directory *identity.Directory) error {
	return d.store.View(func(tx *store.Tx) error {
		err := tx.Locals(engine.KindGroup, func(name string, cert []byte) error {
			if _, err := directory.AddGroup(cert); err != nil {
				return fmt.Errorf("stored certificate of a hub's group %s: %w", name, err)
			}
			return nil
		})
		if err != nil {
			return err
		}
		return tx.Locals("certificate", func(name string, cert []byte) error {
			if _, err := directory.Add(cert); err != nil {
				return fmt.Errorf("stored certificate %s: %w", name, err)
			}
			return nil
		})
	})
}

func (d *Daemon) openStoreAlone() (err error) {
	if err := d.mayMake(); err != nil {
		return err
	}
	d.store, err = store.Open(filepath.Join(d.dir, dirStore), store.Options{
		Log: d.opts.Log, Keys: d.ring.Keys(), Now: d.opts.Now, Busy: d.memoryBusy, Room: d.opts.Room,
	})
	if err != nil {
		return err
	}
	d.onClose(d.store.Close)
	return d.orLater(func() error { return markMade(d.dir) })
}

func (d *Daemon) openEngine() (err error) {
	d.engine, err = engine.Open(engine.Config{
		Store: d.store, Pack: d.pack, Device: d.self.claims.Device, Role: d.self.claims.Role,
		Scopes: d.self.config.Scopes, Sign: d.sign, RoleOf: d.roleOf, CheckSeal: d.self.directory.VerifySeal, Now: d.opts.Now, Rand: d.opts.Rand,
		Forget: d.forget,
	})
	if code := node.CodeOf(err); err != nil && (code == node.Damaged || code == node.ReadOnly || code == node.Unavailable) {
		return err // a sentence that says what to do
	}
	if err != nil {
		return node.Errorf(node.Damaged,
			"Dữ liệu trong %s không đọc được; có lẽ do một bản khác của chương trình ghi (định dạng 0 chưa hứa gì). Hãy dùng bản đó, hoặc --dir khác: %w",
			"what is in %s can't be read; perhaps another version of the program wrote it (format 0 makes no promise): use that, or another --dir: %w", d.dir, err)
	}
	d.onClose(d.engine.Close)
	return nil
}

func (d *Daemon) sign(message []byte) []byte { return ed25519.Sign(d.self.keys.Seal, message) }

func (d *Daemon) roleOf(device crdt.Device) (identity.Role, bool) {
	c, ok := d.self.directory.ByDevice(device)
	return c.Role, ok
}

// DeviceName is how people call a device; empty if nobody certified it.
func (d *Daemon) DeviceName(device crdt.Device) string {
	c, _ := d.self.directory.ByDevice(device)
	return c.Name
}

// extended caches the pack with the items that the office has in code_items.
type extended struct {
	sync.Mutex
	pack     *schema.Pack
	revision uint64
}

// Pack is the pack, with the office's own items in its open code lists.
func (d *Daemon) Pack() *schema.Pack {
	d.items.Lock()
	defer d.items.Unlock()
	revision := d.engine.Revision(packs.CodeItems)
	if d.items.pack != nil && d.items.revision == revision {
		return d.items.pack
	}
	var items []schema.ListItem
	err := d.engine.Each(packs.CodeItems, func(values map[string]any) error {
		if item, ok := packs.ListItem(values); ok {
			items = append(items, item)
		}
		return nil
	})
	if err != nil {
		// The lists without the office's items still take its codes.
		d.opts.Log.Error("code items can't be read", "error", err)
		return d.pack
	}
	d.items.pack, d.items.revision = d.pack.WithItems(items), revision
	return d.items.pack
}

// Engine is the node's engine.
func (d *Daemon) Engine() *engine.Engine { return d.engine }

// OpenOffice opens the records of a node that isn't running, and nothing else of
// it: what the command line needs to fill a directory at rest.
func OpenOffice(dir string, opts Options) (*Daemon, error) {
	d := &Daemon{dir: dir, opts: opts, closing: make(chan struct{})}
	return d.open(d.lock, d.openKeys, d.readSelf, d.limitMemory, d.loadPack, d.openStore, d.openAttachments, d.openEngine)
}

// open takes the steps in order; when one fails, what was opened is closed.
func (d *Daemon) open(steps ...func() error) (*Daemon, error) {
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, errors.Join(err, d.Close())
		}
	}
	return d, nil
}
