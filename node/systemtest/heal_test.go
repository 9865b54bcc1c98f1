//go:build linux

package systemtest

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/node/store/keyring"
)

// spoil writes what can't be read in the place of the entries of a device's logs that
// pick names, and of every petition, in the store of a node that doesn't run.
func spoil(t *testing.T, p *place, of *place, pick func(seq, head uint64) bool) {
	t.Helper()
	device, err := daemon.ReadDevice(of.dir)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.Open(p.dir, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(filepath.Join(p.dir, "store"), store.Options{Log: slog.New(slog.DiscardHandler), Keys: ring.Keys()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	spoiled := 0
	err = s.Update(func(tx *store.Tx) error {
		var logs []store.Log
		if err := tx.Logs(func(l store.Log) error { logs = append(logs, l); return nil }); err != nil {
			return err
		}
		for _, l := range logs {
			for seq := uint64(1); seq <= l.Head.Seq && l.ID.Device == device && l.ID.Class == crdt.ClassRecords; seq++ {
				if !pick(seq, l.Head.Seq) {
					continue
				}
				spoiled++
				if err := tx.PutEntry(l, seq, store.Stored{}); err != nil {
					return err
				}
			}
		}
		return spoilRecords(tx)
	})
	if err != nil || spoiled == 0 {
		t.Fatalf("%d entries of %s spoiled at %s: %v", spoiled, of.name, p.name, err)
	}
}

func spoilRecords(tx *store.Tx) error {
	g, err := tx.Generations()
	if err != nil {
		return err
	}
	var keys [][]byte
	err = tx.Places(nil, func(place []byte) (bool, error) {
		if strings.HasPrefix(string(place), "petitions\x00") {
			keys = append(keys, append(binary.BigEndian.AppendUint32([]byte{'r'}, g.Records), place...))
		}
		return true, nil
	})
	for _, k := range keys {
		if err == nil {
			err = tx.Put(k, []byte("hỏng"))
		}
	}
	return err
}

// damage is how much of a node is damaged, as its page says.
func damage(p *place) (count int, err error) {
	var s struct {
		Damage struct {
			Count int `json:"count"`
		} `json:"damage"`
	}
	err = p.page.ask("GET", "node", nil, &s)
	return s.Damage.Count, err
}

func wellAgain(t *testing.T, p *place) {
	t.Helper()
	eventually(t, p.name+" to be well again", func() error {
		n, err := damage(p)
		if err == nil && n > 0 {
			err = fmt.Errorf("%d items are damaged", n)
		}
		return err
	})
}

// Damaged entries come back from whoever has them, each node's own too, and the
// records that they wrote with them.
func TestDamageIsHealedByPeers(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"box", "laptop", "province"} {
		t.Run(name, func(t *testing.T) {
			c := filled(t, 5)
			for i := range 3 {
				if _, err := c.laptop.page.create("petitions", values{"NoiDung": fmt.Sprintf("Cầu gãy số %d", i)}); err != nil {
					t.Fatal(err)
				}
			}
			c.settled()
			c.stop()
			ill := map[string]*place{"box": c.box, "laptop": c.laptop, "province": c.province}[name]
			spoil(t, ill, c.box, func(seq, head uint64) bool { return seq == 1 || seq == 3 || seq == head })
			spoil(t, ill, c.laptop, func(seq, head uint64) bool { return seq == 2 })
			c.run(ill)
			eventually(t, "the damage to be seen", func() error {
				n, err := damage(ill)
				if err == nil && n == 0 {
					err = fmt.Errorf("nothing is said of it")
				}
				return err
			})
			for _, p := range c.places() {
				if p != ill {
					c.run(p)
				}
			}
			wellAgain(t, ill)
			for _, p := range []*place{c.box, c.laptop} {
				if _, err := p.page.create("petitions", values{"NoiDung": "Sau khi lành"}); err != nil {
					t.Fatal(err)
				}
			}
			c.settled()
			c.stop()
			c.sameLogs()
			for _, p := range c.places() {
				command(t, "--lang", "en", "verify", "--dir", p.dir).says(t, 0, "Everything is as it was written")
			}
		})
	}
}

// What comes from another branch of the log fills no hole: it is kept beside it and told
// of as a fork, and the page still speaks of the damage.
func TestAForkFillsNoHole(t *testing.T) {
	t.Parallel()
	c := newCommune(t)
	c.run(c.laptop)
	c.stop(c.laptop)
	before := filepath.Join(t.TempDir(), "laptop")
	c.must(os.CopyFS(before, os.DirFS(c.laptop.dir)))
	c.run()
	for _, p := range []*place{c.laptop, c.box} {
		if _, err := p.page.create("petitions", values{"NoiDung": "Đường hỏng"}); err != nil {
			t.Fatal(err)
		}
	}
	c.settled()
	c.stop()
	c.must(os.RemoveAll(c.laptop.dir))
	c.must(os.CopyFS(c.laptop.dir, os.DirFS(before)))
	c.run(c.laptop)
	if _, err := c.laptop.page.create("petitions", values{"NoiDung": "Lịch sử khác"}); err != nil {
		t.Fatal(err)
	}
	spoil(t, c.box, c.laptop, func(uint64, uint64) bool { return true })
	c.run(c.box)
	eventually(t, "the fork to be told of", func() error {
		var counts struct{ Forks int }
		err := c.box.page.ask("GET", "/inbox/counts", nil, &counts)
		if err == nil && counts.Forks == 0 {
			line, lerr := c.laptop.page.line("box")
			err = fmt.Errorf("the box tells of no fork; the laptop's line says %q, %w", line.WhyNot, lerr)
		}
		return err
	})
	if n, err := damage(c.box); n == 0 || err != nil {
		t.Errorf("%d items are damaged, %v; want the hole still told of", n, err)
	}
	c.run(c.province) // which has what was there
	wellAgain(t, c.box)
}
