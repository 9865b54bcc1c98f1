//go:build linux

package systemtest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/vungxa/vungxa/node/daemon"
)

// TestALaptopGoesToTown: the office's box never has a line to the province. A laptop takes
// its saves along, which is told as carried and moves no tick, gives them to the province,
// and brings the province's receipt back.
func TestALaptopGoesToTown(t *testing.T) {
	t.Parallel()
	c := newCommune(t)
	at := map[*place]string{}
	for _, p := range c.places() {
		config, err := daemon.ReadConfig(p.dir)
		c.must(err)
		at[p] = config.Sync
	}
	c.peers(c.province, map[*place]string{c.laptop: ""})
	c.peers(c.box, map[*place]string{c.laptop: ""})
	c.peers(c.laptop, map[*place]string{c.box: at[c.box], c.province: at[c.province]})

	c.run(c.box, c.laptop)
	made, err := c.box.page.create("petitions", values{"NoiDung": "Mương cạn"})
	c.must(err)
	eventually(t, "what the laptop will carry", func() error {
		_, err := c.laptop.page.get("petitions", made.ID)
		return err
	})
	// The line keeps the order: once the box has signed for this, it has the laptop's receipt.
	own, err := c.laptop.page.create("petitions", values{"NoiDung": "Đèn tắt"})
	c.must(err)
	eventually(t, "the laptop's own at the office", func() error {
		r, err := c.laptop.page.get("petitions", own.ID)
		if err == nil && r.Tick != "office" {
			err = fmt.Errorf("its tick is %q", r.Tick)
		}
		return err
	})
	c.stop(c.laptop)
	c.carries(made.ID)

	c.stop(c.box)
	c.run(c.province, c.laptop)
	eventually(t, "the office's saves at the province", func() error {
		_, err := c.province.page.get("petitions", made.ID)
		return errors.Join(err, c.laptop.settled())
	})
	c.stop(c.province, c.laptop)

	c.run(c.box)
	c.carries(made.ID) // arrived, and nobody here knows it yet
	c.run(c.laptop)
	eventually(t, "the province's receipt at the box", func() error {
		r, err := c.box.page.get("petitions", made.ID)
		if err == nil && (r.Tick != "province" || len(r.Carried) > 0) {
			err = fmt.Errorf("its tick is %q, carried by %v", r.Tick, r.Carried)
		}
		return errors.Join(err, c.box.settled(), c.box.waits(0))
	})
	c.stop(c.box, c.laptop)
}

// peers gives a node other peers, and where it calls them.
func (c *commune) peers(p *place, at map[*place]string) {
	c.t.Helper()
	c.reconfigure(p, func(n *daemon.Config) {
		n.Peers = nil
		for other, address := range at {
			device, err := daemon.ReadDevice(other.dir)
			c.must(err)
			n.Peers = append(n.Peers, daemon.Peer{Device: device.String(), Address: address})
		}
	})
}

// waits is nil if so many saves wait at a node for the province.
func (p *place) waits(n int) error {
	s, err := p.page.status()
	if err == nil && s.Unsent.Count != n {
		err = fmt.Errorf("%d saves wait; want %d", s.Unsent.Count, n)
	}
	return err
}

// carries waits until the box says that the laptop has its saves on the way, none of which
// has arrived.
func (c *commune) carries(id string) {
	c.t.Helper()
	eventually(c.t, "what the laptop carries", func() error {
		s, err := c.box.page.status()
		if err != nil {
			return err
		}
		r, err := c.box.page.get("petitions", id)
		if err != nil {
			return err
		}
		if len(s.Unsent.Carried) != 1 || s.Unsent.Carried[0].Name != "Máy tính xách tay" || s.Unsent.Count != 2 || len(r.Carried) != 1 || r.Tick != "office" {
			err = fmt.Errorf("%+v are unsent; the record has the tick %q, carried by %v", s.Unsent, r.Tick, r.Carried)
		}
		return err
	})
}
