//go:build linux

package systemtest

import (
	"net"
	"testing"

	"github.com/vungxa/vungxa/node/daemon"
)

// freeUDP is an address that nothing listens on.
func freeUDP(t *testing.T) string {
	t.Helper()
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.LocalAddr().String()
}

// reconfigure changes a node's node.json.
func (c *commune) reconfigure(p *place, change func(*daemon.Config)) {
	c.t.Helper()
	config, err := daemon.ReadConfig(p.dir)
	c.must(err)
	change(config)
	c.must(config.Write(p.dir))
}

// Three processes sync over the thin link: the laptop has no other address of the box,
// the box's other address of the province leads nowhere. Then the province is to be
// reached by libp2p again and not by the thin link, and the box finds that.
func TestThinLink(t *testing.T) {
	c := newCommune(t)
	province, box := freeUDP(t), freeUDP(t)
	var fast string
	nowhere, err := net.Listen("tcp", "127.0.0.1:0")
	c.must(err)
	c.must(nowhere.Close())
	c.reconfigure(c.province, func(n *daemon.Config) { n.Thin = province })
	c.reconfigure(c.box, func(n *daemon.Config) {
		n.Thin = box
		for i := range n.Peers {
			if n.Peers[i].Address != "" {
				fast = n.Peers[i].Address
				n.Peers[i].Address, n.Peers[i].Thin = nowhere.Addr().String(), province
			}
		}
	})
	c.reconfigure(c.laptop, func(n *daemon.Config) { n.Peers[0].Address, n.Peers[0].Thin = "", box })
	c.run()
	_, err = c.laptop.page.create("petitions", values{"NoiDung": "Qua đường truyền chậm"})
	c.must(err)
	c.settled()
	c.stop()

	c.reconfigure(c.province, func(n *daemon.Config) { n.Thin = "" })
	c.reconfigure(c.box, func(n *daemon.Config) {
		for i := range n.Peers {
			if n.Peers[i].Thin != "" {
				n.Peers[i].Address = fast
			}
		}
	})
	c.run()
	_, err = c.laptop.page.create("petitions", values{"NoiDung": "Qua cả hai"})
	c.must(err)
	c.settled()
	c.stop()
}
