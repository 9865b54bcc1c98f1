//go:build linux

package systemtest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/demo"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/linetest"
)

// commune is a province, the office's box and a laptop, each a process of its
// own on a directory of its own, with nothing in it yet.
type commune struct {
	t                     *testing.T
	dir                   string
	province, box, laptop *place
}

// place is a node's directory, and what runs on it.
type place struct {
	name, dir string
	flags     []string      // further ones of `vungxa run`
	end       *linetest.End // where it runs; nil: here
	process   *process
	page      *page // signed in

	mu sync.Mutex // guards page where one goroutine starts the node and others ask it
}

// officer is who is signed in at the node that runs, or ran last.
func (p *place) officer() *page {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.page
}

// newCommune makes the directories; nothing runs yet.
func newCommune(t *testing.T) *commune {
	t.Helper()
	c := &commune{t: t, dir: t.TempDir()}
	c.must(demo.Provision(c.dir, rand.Reader))
	c.must(demo.Address(c.dir, "127.0.0.1:0"))
	at := func(name string) *place { return &place{name: name, dir: filepath.Join(c.dir, name)} }
	c.province, c.box, c.laptop = at("province"), at("box"), at("laptop")
	t.Cleanup(func() {
		for _, p := range c.places() {
			p.kill()
			if p.process != nil && t.Failed() {
				t.Logf("%s said at last: %s", p.name, tail(p.process.err.String(), 4<<10))
			}
		}
	})
	return c
}

// tail is the end of a text.
func tail(s string, n int) string { return s[max(0, len(s)-n):] }

func (c *commune) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *commune) places() []*place { return []*place{c.province, c.box, c.laptop} }

// run starts the nodes that are named, or all.
func (c *commune) run(places ...*place) {
	c.t.Helper()
	if len(places) == 0 {
		places = c.places()
	}
	for _, p := range places {
		if err := p.run(); err != nil {
			c.t.Fatalf("%s: %v", p.name, err)
		}
	}
}

// run starts the node's process, waits until it is ready, and signs in.
func (p *place) run() error {
	var err error
	p.process, err = p.begin(append([]string{"run", "--json", "--dir", p.dir}, p.flags...)...)
	if err != nil {
		return err
	}
	var opened struct {
		SignIn string `json:"sign_in"`
	}
	if err := p.process.tell(&opened); err != nil {
		return err
	}
	page, err := signInBy(p.loopback(), opened.SignIn)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.page = page
	return err
}

// kill is kill -9; a node that doesn't run stays as it is.
func (p *place) kill() {
	if p.process != nil {
		p.process.kill()
	}
	if p.page != nil {
		p.page.close()
	}
}

// stop ends the nodes as Ctrl-C does, which is no error.
func (c *commune) stop(places ...*place) {
	c.t.Helper()
	if len(places) == 0 {
		places = c.places()
	}
	for _, p := range places {
		p.page.close()
		if code := p.process.stop(c.t, syscall.SIGINT); code != 0 {
			c.t.Errorf("%s ended with %d: %s", p.name, code, p.process.err.String())
		}
	}
}

// collections are those of the pack that hold saves here.
var collections = []string{"dossiers", "petitions"}

// settled waits until the province has received everything and every node has
// heard of it, and each has the same.
func (c *commune) settled() {
	c.t.Helper()
	inTheEnd(c.t, "everything received by the province", func() error {
		for _, p := range c.places() {
			if err := p.settled(); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
		}
		for _, collection := range collections {
			if err := c.alike(collection); err != nil {
				return err
			}
		}
		return nil
	})
}

func (p *place) settled() error {
	s, err := p.page.status()
	if err != nil {
		return err
	}
	if s.Unsent.Count != 0 {
		return fmt.Errorf("%d saves unsent; its lines: %+v", s.Unsent.Count, s.Peers)
	}
	for _, collection := range collections {
		for _, tick := range []string{"here", "office"} {
			if n, err := p.page.total(collection, values{"tick": tick}); err != nil || n > 0 {
				return errors.Join(err, fmt.Errorf("%d %s with the tick %q", n, collection, tick))
			}
		}
	}
	return nil
}

// alike compares how many records the nodes have.
func (c *commune) alike(collection string) error {
	var totals []int
	for _, p := range c.places() {
		n, err := p.page.total(collection, values{})
		if err != nil {
			return err
		}
		totals = append(totals, n)
	}
	if totals[0] != totals[1] || totals[1] != totals[2] {
		return fmt.Errorf("%s: the province has %d, the box %d, the laptop %d", collection, totals[0], totals[1], totals[2])
	}
	return nil
}

// sameFigures fails unless all nodes have the same KPIs for a month, and gives
// them.
func (c *commune) sameFigures(month string) map[string]map[string]*float64 {
	c.t.Helper()
	var all []map[string]map[string]*float64
	eventually(c.t, "figures", func() error {
		all = nil
		for _, p := range c.places() {
			k, err := p.page.figures(month)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			all = append(all, k)
		}
		return nil
	})
	for i, p := range c.places() {
		if !reflect.DeepEqual(all[i], all[0]) {
			c.t.Errorf("the figures of %s are not the province's", p.name)
		}
	}
	return all[0]
}

// held is what a node that doesn't run holds of the commune's scope.
type held struct {
	device   crdt.Device
	heads    map[crdt.LogID]crdt.Head
	receipts []*identity.Receipt
	hashAt   func(crdt.LogID, uint64) crdt.Hash
}

// look opens a node at rest, and lets f see what it holds.
func look(t *testing.T, dir string, f func(held)) {
	t.Helper()
	d, err := daemon.OpenOffice(dir, daemon.Options{Now: time.Now, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatalf("%s at rest: %v", dir, err)
	}
	defer func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	device, err := daemon.ReadDevice(dir)
	if err != nil {
		t.Fatal(err)
	}
	heads, err := d.Engine().Heads(demo.Scope())
	if err != nil {
		t.Fatal(err)
	}
	receipts, err := d.Engine().Receipts(demo.Scope())
	if err != nil {
		t.Fatal(err)
	}
	f(held{device, heads, receipts, func(log crdt.LogID, seq uint64) crdt.Hash {
		hash, _, err := d.Engine().HashAt(log, seq)
		if err != nil {
			t.Error(err)
		}
		return hash
	}})
}

// receipt is the newest receipt of a device; nil if none is held.
func (h held) receipt(signer crdt.Device) *identity.Receipt {
	i := slices.IndexFunc(h.receipts, func(r *identity.Receipt) bool { return r.Signer == signer })
	if i < 0 {
		return nil
	}
	return h.receipts[i]
}

// sameLogs fails unless the nodes, now at rest, hold the same logs, and the
// province's receipt names the end of each, hash by hash.
func (c *commune) sameLogs() {
	c.t.Helper()
	var province held
	look(c.t, c.province.dir, func(h held) { province = h })
	if len(province.heads) == 0 {
		c.t.Error("the province holds no log")
	}
	for _, p := range []*place{c.box, c.laptop} {
		look(c.t, p.dir, func(h held) {
			if !reflect.DeepEqual(h.heads, province.heads) {
				c.t.Errorf("%s holds the heads %v, the province %v", p.name, h.heads, province.heads)
			}
			receipt := h.receipt(province.device)
			for log, head := range h.heads {
				if receipt == nil {
					c.t.Fatalf("%s holds no receipt of the province", p.name)
				}
				if named, _ := receipt.Head(log); named != head {
					c.t.Errorf("%s: the province's receipt names %v of %v, which ends at %v", p.name, named, log, head)
				}
			}
		})
	}
}
