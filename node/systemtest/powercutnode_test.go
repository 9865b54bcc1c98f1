//go:build linux

package systemtest

import (
	"fmt"
	"testing"
	"time"
)

// TestPowerCutOfTheProvince cuts the power of a province that receives what box
// and laptop save and import. Whatever its receipts cover, by the copies that
// others hold, it still holds, hash by hash; and all go on.
func TestPowerCutOfTheProvince(t *testing.T) {
	cutPower(t, func(c *commune) *place { return c.province }, func(c *commune) {
		c.box.kill() // to look into its store
		c.covers(c.box)
		c.run(c.box)
	})
}

// TestPowerCutOfTheLaptop cuts the power of a laptop that imports, saves and
// syncs. Everything that it acknowledged is still there, and no tick that it
// showed has gone back.
func TestPowerCutOfTheLaptop(t *testing.T) {
	cutPower(t, func(c *commune) *place { return c.laptop }, func(*commune) {})
}

// cutPower cuts the power of one node, again and again, while box and laptop work;
// meanwhile runs each time that node is down.
func cutPower(t *testing.T, which func(*commune) *place, meanwhile func(*commune)) {
	t.Parallel()
	needLoop(t)
	rng := chance(t)
	d, c := newDisk(t), newCommune(t)
	p := which(c)
	d.take(p)
	c.run()
	c.atWork(func() {
		received := 0
		for range cutsOfANode() {
			received += 10 + rng.IntN(40)
			c.received(received)
			pause(rng, 100*time.Millisecond)
			d.powerCut(p)
			meanwhile(c)
			c.run(p)
		}
	})
	t.Logf("the power of %s was cut %d times", p.name, cutsOfANode())
	c.stop()
	c.sameLogs()
}

// received waits until the box shows so many dossiers as received by the province.
func (c *commune) received(want int) {
	c.t.Helper()
	eventually(c.t, "dossiers at the province", func() error {
		n, err := c.box.page.total("dossiers", values{"tick": "province"})
		if err == nil && n < want {
			err = fmt.Errorf("the box knows of %d; want %d", n, want)
		}
		return err
	})
}

// covers fails unless the province, now at rest, holds all that its receipts at
// another node, at rest too, say that it holds.
func (c *commune) covers(p *place) {
	c.t.Helper()
	look(c.t, c.province.dir, func(province held) {
		look(c.t, p.dir, func(h held) {
			receipt := h.receipt(province.device)
			if receipt == nil || len(receipt.Heads) == 0 {
				c.t.Fatalf("%s holds no receipt of the province", p.name)
			}
			for _, said := range receipt.Heads {
				if hash := province.hashAt(said.Log, said.Head.Seq); hash != said.Head.Hash {
					c.t.Errorf("%s holds a receipt for %v up to %v; the province holds %v there", p.name, said.Log, said.Head, hash)
				}
			}
		})
	})
}
